import { execFileSync } from "node:child_process";

import { describe, expect, test } from "@jest/globals";

import { catalogues, type SchemaName, schemas } from "../../operator/sqlserver/catalogues.ts";
import { type Shape, shapeOf } from "../../operator/sqlserver/shape.ts";
import { allStatements, mark, read, register, remove, sizes, sweep } from "../../operator/sqlserver/statements.ts";
import type { CatalogueColumn } from "../../operator/sqlserver/tables.ts";

const catalogue13 = catalogues["13"];

function shape(columns: readonly CatalogueColumn[] = catalogue13, schema = "dbo"): Shape {
  const reading = shapeOf(schema, columns);
  if (reading.kind === "unknown") throw new Error(reading.missing.join(", "));
  return reading.shape;
}

const column = (table: string, name: string, more: Partial<CatalogueColumn> = {}): CatalogueColumn => ({
  table,
  column: name,
  maxLength: 4,
  nullable: false,
  supplied: false,
  ...more,
});
const without = (name: string): readonly CatalogueColumn[] => catalogue13.filter(({ column: found }) => found !== name);
const withoutTable = (name: string): readonly CatalogueColumn[] => catalogue13.filter(({ table }) => table !== name);
const parametersIn = (sql: string): readonly string[] =>
  [...new Set([...sql.matchAll(/@([a-z]+)(\d+)/g)].map(([, letter]) => letter ?? ""))].sort();

/** The same tables where each name and URL has another collation than the database. */
const collated = (columns: readonly CatalogueColumn[]): readonly CatalogueColumn[] =>
  columns.map((one) => (/ServerName|ServerURL/.test(one.column) ? { ...one, collation: "Turkish_CI_AS" } : one));

/** Of each a table may be given one. https://learn.microsoft.com/sql/t-sql/queries/hints-transact-sql-table (Remarks) */
const hintGroups: readonly (readonly string[])[] = [
  ["PAGLOCK", "NOLOCK", "READCOMMITTEDLOCK", "ROWLOCK", "TABLOCK", "TABLOCKX"],
  ["HOLDLOCK", "NOLOCK", "READCOMMITTED", "REPEATABLEREAD", "SERIALIZABLE"],
];

const ofSchema = (schema: SchemaName): Shape => shape(catalogues[schema]);

describe.each(schemas)("every text of %s", (schema) => {
  const all = allStatements(ofSchema(schema));

  test.each(all)("$name brings its own session settings and leaves nothing open", ({ sql }) => {
    expect(sql).toMatch(
      /^SET NOCOUNT, XACT_ABORT ON; SET DEADLOCK_PRIORITY LOW; SET LOCK_TIMEOUT 1500; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;\n/,
    );
    expect(sql.match(/BEGIN TRANSACTION/g)?.length ?? 0).toBe(sql.match(/COMMIT TRANSACTION/g)?.length ?? 0);
    expect(sql).not.toMatch(/MERGE|OPENJSON|OUTPUT|SELECT \*|;\s*;/);
  });

  test.each(all)("$name stays below 2,100 parameters and 1,000 rows of values", ({ sql }) => {
    expect(new Set(sql.match(/@[a-z]+\d+/g)).size).toBeLessThan(2_000);
    for (const [, rows = ""] of sql.matchAll(/\(VALUES (.*?)\) AS v/g)) expect(rows.split("), (").length).toBeLessThanOrEqual(1_000);
  });

  test("there are at most 12, each with its own name", () => {
    for (const texts of [all, allStatements(shape(collated(catalogues[schema])))]) {
      expect(new Set(texts.map(({ name }) => name)).size).toBe(texts.length);
      expect(texts.length).toBeLessThanOrEqual(12);
    }
  });

  test.each(all)("$name gives no table two hints of one group", ({ sql }) => {
    for (const [, hints = ""] of sql.matchAll(/ WITH \(([A-Z, ]+)\)/g))
      for (const group of hintGroups) expect(hints.split(", ").filter((hint) => group.includes(hint)).length).toBeLessThanOrEqual(1);
  });

  test("names a collation only where a column has another than its database", () => {
    const named = /(?:v\.n|v\.u|@n0) COLLATE (?!Latin1_General_BIN2)/;
    for (const { sql } of all) expect(sql).not.toMatch(named);
    const texts = allStatements(shape(collated(catalogues[schema])));
    for (const { sql } of texts) expect(sql).not.toMatch(/(?:= (?:v\.n|@n0)|COALESCE\(v\.u)(?! COLLATE Turkish_CI_AS)/);
    const kinds = new Set(texts.filter(({ sql }) => named.test(sql)).map(({ name }) => name.replace(/\d+$/, "")));
    expect([...kinds]).toEqual(["register", "mark", "remove", "conflict", "sweep"].filter((kind) => kind !== "sweep" || schema !== "xbyk"));
  });

  test("never deletes tasks, which are the product's", () => {
    expect(all.map(({ sql }) => sql).join("\n")).not.toMatch(/DELETE[^;]*\[CMS_WebFarmTask\]/);
  });
});

test("`npm run statements` prints every text as it is sent", () => {
  const printed = execFileSync(process.execPath, ["scripts/statements.ts"], { encoding: "utf8" });
  const lines = printed
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(lines).toEqual(
    schemas.flatMap((schema) => allStatements(ofSchema(schema)).map(({ name, purpose, sql }) => ({ schema, name, purpose, sql }))),
  );
});

describe("writes", () => {
  test.each(sizes.register)("register of %d gives each row name and mark, and does not insert a name that is there", (size) => {
    const { sql } = register(shape(), size);
    expect(parametersIn(sql)).toEqual(["g", "n"]);
    expect(new Set(sql.match(/@[a-z]+\d+/g)).size).toBe(2 * size);
    expect(sql).toContain("NOT EXISTS (SELECT 1 FROM [dbo].[CMS_WebFarmServer] AS s WITH (UPDLOCK, HOLDLOCK) WHERE s.[ServerName] = v.n)");
  });

  test.each(sizes.mark)("mark of %d repeats ServerID, ServerName and ServerGUID as read, NULL too", (size) => {
    const { sql } = mark(shape(), size);
    expect(parametersIn(sql)).toEqual(["g", "h", "i", "n"]);
    expect(sql).toContain(
      "ON s.[ServerID] = v.i AND s.[ServerName] = v.n AND (s.[ServerGUID] = v.g OR (s.[ServerGUID] IS NULL AND v.g IS NULL))",
    );
  });

  test.each(sizes.remove)("remove of %d repeats ServerID, ServerName, ServerGUID and the newest ping in both deletes", (size) => {
    const { sql } = remove(shape(), size);
    expect(parametersIn(sql)).toEqual(["g", "i", "n", "p"]);
    const asRead =
      "ON s.[ServerID] = v.i AND s.[ServerName] = v.n AND (s.[ServerGUID] = v.g OR (s.[ServerGUID] IS NULL AND v.g IS NULL)) WHERE";
    expect(sql.split(`${asRead} (v.p IS NULL OR v.p = ISNULL((SELECT MAX(m.[WebFarmServerMonitoringID])`)).toHaveLength(3);
    expect(sql.indexOf("DELETE TOP (2000) b")).toBeLessThan(sql.indexOf("DELETE s"));
  });

  test("only a server alone goes by key", () => {
    expect(sizes.remove.map((size) => remove(shape(), size).sql.includes("@after"))).toEqual([true, false, false]);
  });

  test("pings are copied where a server may be given one", () => {
    const { sql } = register(shape(), 1);
    expect(sql).toContain("IF @ping = 1 INSERT INTO [dbo].[CMS_WebFarmServerMonitoring] ([ServerID], [ServerPing]) SELECT ");
    const denied = shapeOf("dbo", catalogue13, [{ table: "monitoring", grant: "INSERT" }]) as { readonly shape: Shape };
    expect(register(denied.shape, 1).sql).not.toContain("Monitoring");
  });

  test("sweep spares what a server of that ID or name has", () => {
    const deletes = sweep(shape(), 16).sql.match(/^DELETE.*/gm) ?? [];
    expect(deletes).toHaveLength(4);
    for (const line of deletes) expect(line).toMatch(/^DELETE TOP \(500\) d .* WHERE NOT EXISTS \(/);
  });

  test("the read-back is bounded and ordered", () => {
    for (const { sql } of [register(shape(), 1), mark(shape(), 1), remove(shape(), 1)])
      expect(sql).toMatch(/SELECT TOP \(10001\) .* ORDER BY s\.\[ServerID\];$/);
  });
});

describe("the shape drives the text", () => {
  test("names are quoted exactly as found", () => {
    const lower = catalogue13.map((one) => ({ ...one, table: one.table.toLowerCase(), column: one.column.toLowerCase() }));
    expect(register(shape(lower, "we]b"), 1).sql).toContain("INSERT INTO [we]]b].[cms_webfarmserver] ([serverdisplayname], [servername]");
  });

  test("ServerURL is written and read where there is one", () => {
    const older = shape([...without("IsExternalWebAppServer"), column("CMS_WebFarmServer", "ServerURL", { maxLength: 4000 })]);
    expect(register(older, 1).sql).toContain("(VALUES (0, @n0, @g0, @u0)) AS v (k, n, g, u)");
    expect(register(older, 1).sql).not.toContain("IsExternalWebAppServer");
    expect(mark(older, 1).sql).toContain("[ServerURL] = COALESCE(v.u, s.[ServerURL])");
    expect(read(older).sql).toContain("s.[ServerURL] AS [url]");
  });

  test("tables that are not there are not asked", () => {
    const bare = shape(
      ["CMS_WebFarmServerMonitoring", "CMS_WebFarmServerLog", "CMS_SearchTask", "CMS_SettingsKey"].reduce<readonly CatalogueColumn[]>(
        (columns, table) => columns.filter((one) => one.table !== table),
        catalogue13,
      ),
    );
    const texts = allStatements(bare)
      .filter(({ name }) => name !== "probe")
      .map(({ sql }) => sql)
      .join("\n");
    expect(texts).not.toMatch(/Monitoring|ServerLog|SearchTask|SettingsKey/);
  });
});

describe("the product is told by the columns", () => {
  const table = "CMS_WebFarmServer";
  const url = column(table, "ServerURL", { maxLength: 4000 });
  const narrow = (columns: readonly CatalogueColumn[], name: string, maxLength: number): readonly CatalogueColumn[] =>
    columns.map((one) => (one.column === name ? { ...one, maxLength } : one));
  test.each([
    ["12-13", catalogue13],
    ["12-13", withoutTable("CMS_WebFarmTask")],
    ["11", narrow(catalogue13, "TaskType", 100)],
    ["XbyK", without("IsExternalWebAppServer")],
    ["9-10", without("IsExternalWebAppServer").map((one) => (one.column === "ServerEnabled" ? { ...one, nullable: true } : one))],
    ["7-8", [...without("IsExternalWebAppServer"), url]],
    ["6", narrow([...without("IsExternalWebAppServer"), url], "ServerName", 400)],
    ["6", catalogues["6"]],
    ["7-8", catalogues["7"]],
    ["7-8", catalogues["8.2"]],
    ["9-10", catalogues["10"]],
    ["11", catalogues["11"]],
    ["12-13", catalogues["12"]],
    ["XbyK", catalogues.xbyk],
  ] as const)("%s", (product, columns) => {
    expect(shape(columns).product).toBe(product);
  });

  test.each([
    ["table CMS_WebFarmServer", withoutTable(table)],
    ["table CMS_WebFarmServerTask", withoutTable("CMS_WebFarmServerTask")],
    ["column CMS_WebFarmServer.ServerGUID", without("ServerGUID")],
    [
      "a collation of CMS_WebFarmServer.ServerName that can be named",
      catalogue13.map((one) => (one.column === "ServerName" ? { ...one, collation: "Turkish_CI_AS OR 1 = 1" } : one)),
    ],
    [
      "a value for CMS_WebFarmServer.Region (NOT NULL without a default, unknown to this version)",
      [...catalogue13, column(table, "Region")],
    ],
    [
      "a value for CMS_WebFarmServer.ServerID (NOT NULL without a default, unknown to this version)",
      catalogue13.map((one) => (one.table === table && one.column === "ServerID" ? { ...one, supplied: false } : one)),
    ],
  ])("without %s it is no farm's table", (missing, columns) => {
    expect(shapeOf("dbo", columns)).toEqual({ kind: "unknown", missing: [missing] });
  });
});
