// That the pages for the database administrator follow from the statements and grants, and that each statement is explained.
import { readFile } from "node:fs/promises";
import { describe, expect, test } from "@jest/globals";
import { catalogues, schemas } from "../../operator/sqlserver/catalogues.ts";
import { grantsOn, grantsToRun } from "../../operator/sqlserver/permissions.ts";
import { type Shape, shapeOf } from "../../operator/sqlserver/shape.ts";
import { allStatements } from "../../operator/sqlserver/statements.ts";
import { explanations, generatedFiles } from "../../scripts/generateSql.ts";

const files = generatedFiles();

test.each(Object.keys(files))("%s is fresh", async (path) => {
  expect(await readFile(path, "utf8")).toBe(files[path]);
});

describe.each(schemas)("%s", (schema) => {
  const { shape } = shapeOf("dbo", catalogues[schema]) as { readonly shape: Shape };

  test("every statement is explained: why, when, with which locks, how large", () => {
    const kinds = new Set(allStatements(shape).map(({ name }) => name.replace(/\d+$/, "")));
    expect([...kinds].sort()).toEqual(Object.keys(explanations).sort());
  });

  test("the smallest text of each kind is on the page", () => {
    const shown = new Map(
      allStatements(shape)
        .map(({ name, sql }) => [name.replace(/\d+$/, ""), sql.split("\n").slice(1).join("\n")])
        .reverse() as [string, string][],
    );
    for (const sql of shown.values()) expect(files["docs/sql.md"]).toContain(sql);
  });

  test("the script of permissions has each grant that the operator asks for, each on its own line", () => {
    const lines = (files[`docs/permissions/${schema}.sql`] ?? "").split("\n").filter((line) => line.startsWith("GRANT "));
    expect(lines.map((line) => line.replace(/ TO \[webfarm-operator\];.*/, ""))).toEqual(
      grantsOn(catalogues[schema]).map((one) => grantsToRun("dbo", [one])),
    );
  });
});
