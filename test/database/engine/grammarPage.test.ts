import { readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { functionNames, globalNames } from "./functions.ts";
import { systemViewNames } from "./views.ts";

const page = readFileSync(new URL("../GRAMMAR.md", import.meta.url), "utf8");

test.each([...functionNames, ...globalNames, ...systemViewNames])("GRAMMAR.md lists %s", (name) => {
  expect(page).toMatch(new RegExp(`(^|[^A-Za-z_@])${name}\\b`, "m"));
});
