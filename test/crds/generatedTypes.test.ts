// How the types of the resource follow from a CRD; that those in the repository are fresh is what `make verify` says.
import { expect, test } from "@jest/globals";
import { generatedFiles } from "../../scripts/generateTypes.ts";

function crd(spec: object): string {
  const openAPIV3Schema = { title: "Thing", type: "object", properties: { metadata: { type: "object" }, spec } };
  const versions = [{ name: "v1", schema: { openAPIV3Schema } }];
  return JSON.stringify({ spec: { group: "example.com", names: { kind: "Thing", plural: "things" }, versions } });
}

async function typesOf(spec: object): Promise<string> {
  const [types] = await generatedFiles(crd(spec));
  return types?.text ?? "";
}

test("What is required is required, the rest is optional, and nothing can be written", async () => {
  const properties = { a: { type: "string" }, b: { type: "integer", default: 3, description: "How many." } };
  const types = await typesOf({ title: "Spec", type: "object", required: ["a"], properties });
  expect(types).toContain("readonly a: string;");
  expect(types).toContain("  /** How many. Default 3. */\n  readonly b?: number;");
});

test("Lists, maps and choices keep what they hold", async () => {
  const choice = { title: "Colour", type: "string", enum: ["Red", "Blue"] };
  const properties = {
    list: { type: "array", items: choice },
    map: { type: "object", additionalProperties: { type: "boolean" } },
    unnamed: { type: "string", enum: ["On", "Off"] },
  };
  const types = await typesOf({ title: "Spec", type: "object", properties });
  expect(types).toContain("readonly list?: readonly Colour[];");
  expect(types).toContain('export type Colour = "Red" | "Blue";');
  expect(types).toContain("readonly map?: Readonly<Record<string, boolean>>;");
  expect(types).toContain('readonly unnamed?: "On" | "Off";');
});

test("The chart's copy is the text of the CRD", async () => {
  const text = crd({ title: "Spec", type: "object" });
  const [, copy] = await generatedFiles(text);
  expect(copy?.text).toBe(text);
});

test.each([
  ["an object without a title", { type: "object", properties: {} }, "Thing.spec: the object has no title"],
  ["a field without a type", { title: "Spec", type: "object", properties: { a: {} } }, "Thing.spec.a: the schema has no type"],
  [
    "two schemas with one title",
    { title: "Thing", type: "object", properties: { a: { type: "string" } } },
    "two different schemas have the title Thing",
  ],
])("%s is refused", async (_what, spec, message) => {
  await expect(typesOf(spec)).rejects.toThrow(message);
});
