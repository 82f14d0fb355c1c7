// That the README's generated parts follow from their definitions, and that nothing else of the file is touched.
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "@jest/globals";
import { configVariables } from "../../operator/config.ts";
import { configTable, specTable, withPart } from "../../scripts/generateReadme.ts";

test("the table of variables names each with its default and rule", () => {
  expect(configTable()).toContain(
    "| `WEBFARM_WORKERS` | `8` | a whole number from 1 to 64 | How many farms are reconciled at the same time. |",
  );
  expect(configTable().split("\n")).toHaveLength(2 + configVariables.length);
});

test("the reference of the spec shows nested fields with values, defaults and what is required", async () => {
  const table = specTable(await readFile("crds/webfarm.dev_webfarms.yaml", "utf8"));
  expect(table).toContain("| `policy` | Observe, CreateOnly, UpsertOnly, Sync | required |");
  expect(table).toContain('| `members[].serverName` | string | `"$(POD_NAME)"` |');
  expect(table).toContain("| `readinessGate.failOpenSeconds` | integer | `300` |");
});

test("a part replaces what is between its markers and nothing else, and is stable", () => {
  const once = withPart("# A\n<!-- x:begin -->old<!-- x:end -->\nB", "x", "new");
  expect(once).toBe("# A\n<!-- x:begin -->\n\nnew\n\n<!-- x:end -->\nB");
  expect(withPart(once, "x", "new")).toBe(once);
});

test.each(["none", "<!-- x:begin -->", "<!-- x:end --><!-- x:begin -->", "<!-- x:begin --><!-- x:begin --><!-- x:end -->"])(
  "a file with the markers of %j is refused",
  (text) => {
    expect(() => withPart(text, "x", "new")).toThrow("once each");
  },
);

test("the script writes the file it is given, and --check fails until it has", async () => {
  const folder = await mkdtemp(join(tmpdir(), "readme-"));
  try {
    const file = join(folder, "README.md");
    const markers = ["permissions", "spec", "config"].map((name) => `<!-- ${name}:begin -->\n<!-- ${name}:end -->\n`);
    await writeFile(file, markers.join("text\n"));
    const script = (...args: string[]): Promise<unknown> => promisify(execFile)(process.execPath, ["scripts/generateReadme.ts", ...args]);
    await expect(script("--check", file)).rejects.toThrow("not fresh");
    await script(file);
    await script("--check", file);
    expect(await readFile(file, "utf8")).toContain(configTable());
  } finally {
    await rm(folder, { recursive: true });
  }
});
