import { readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";

const version = (name: string): string =>
  (JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8")) as { version: string }).version;

test("tests run under the Node 24 that npm brought, not under the system's Node", () => {
  expect(process.versions.node).toMatch(/^24\./);
});

test("dependencies were locked under Node 24: mssql took the tedious of that Node", () => {
  expect(version("tedious")).toMatch(/^20\./);
});
