// That what the operator takes for the tables of each generation is what is known of them: the fixtures' data of all eight schemas.
import { readFileSync } from "node:fs";

import { describe, expect, test } from "@jest/globals";

import { catalogues, schemas } from "../../operator/sqlserver/catalogues.ts";
import { grants } from "../../operator/sqlserver/grants.ts";
import { type CatalogueColumn, tableNames } from "../../operator/sqlserver/tables.ts";

interface Column {
  readonly name: string;
  readonly type: string;
  readonly nullable: boolean;
  readonly identity?: boolean;
  readonly default?: string;
}
type Versions = Readonly<Record<string, { readonly tables: Readonly<Record<string, { readonly columns: readonly Column[] }>> }>>;

const versions = JSON.parse(readFileSync("test/database/fixtures/schemas.json", "utf8")) as Versions;

/** As sys.columns has it: in bytes, -1 for max. */
function maxLength(type: string): number {
  const [, name = "", length = ""] = /^(\w+)(?:\((\w+)\))?$/.exec(type) ?? [];
  const lengths: Readonly<Record<string, number>> = { int: 4, bit: 1, uniqueidentifier: 16, datetime: 8, datetime2: 8 };
  if (name === "nvarchar") return length === "max" ? -1 : 2 * Number(length);
  const found = lengths[name];
  if (found === undefined) throw new Error(`Cannot tell the length of ${type}`);
  return found;
}

function known(schema: string, table: string): readonly CatalogueColumn[] {
  return (versions[schema]?.tables[table]?.columns ?? []).flatMap((column) =>
    column.type.startsWith("varbinary")
      ? []
      : {
          ...{ table, column: column.name, maxLength: maxLength(column.type), nullable: column.nullable },
          supplied: column.identity === true || column.default !== undefined,
        },
  );
}

test("all schemas that are known have a catalogue", () => {
  expect([...schemas].sort()).toEqual(Object.keys(versions).sort());
});

describe.each(schemas)("%s", (schema) => {
  const catalogue = catalogues[schema];
  const of = (table: string): readonly CatalogueColumn[] => catalogue.filter((column) => column.table === table);

  test.each(Object.values(tableNames))("%s is there or not, and its columns are as they are known", (table) => {
    const columns = known(schema, table);
    expect(of(table).length > 0).toBe(columns.length > 0);
    for (const column of of(table)) expect(columns).toContainEqual(column);
  });

  // An insert must know each column that it leaves out.
  test.each([tableNames.servers, tableNames.bindings, tableNames.monitoring])("of %s no column is left out", (table) => {
    const byName = (columns: readonly CatalogueColumn[]): readonly CatalogueColumn[] =>
      columns.toSorted((a, b) => (a.column < b.column ? -1 : 1));
    expect(byName(of(table))).toEqual(byName(known(schema, table)));
  });

  test("each column that the operator is granted is one of some generation", () => {
    for (const { table, columns = [] } of grants)
      for (const column of columns)
        expect(schemas.some((one) => catalogues[one].some((found) => found.table === tableNames[table] && found.column === column))).toBe(
          true,
        );
  });
});
