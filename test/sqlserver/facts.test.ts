import { describe, expect, test } from "@jest/globals";

import { catalogues, type SchemaName, schemas } from "../../operator/sqlserver/catalogues.ts";
import type { RecordSet } from "../../operator/sqlserver/driver.ts";
import { type Probed, type ProbeReading, readProbe } from "../../operator/sqlserver/facts.ts";
import { grantsOn, permissionScript } from "../../operator/sqlserver/permissions.ts";
import { tableNames } from "../../operator/sqlserver/tables.ts";

const place = { endpoint: "sql,1433", database: "Kentico", schema: "dbo" };
const server = {
  version: "16.0.4135.4",
  edition: "Developer Edition",
  engineEdition: 3,
  databaseName: "Kentico",
  updateability: "READ_WRITE",
  schemaID: 1,
};
const columnsOf = (schema: SchemaName): RecordSet =>
  catalogues[schema].map(({ table, column, maxLength, nullable, supplied }) => ({
    ...{ tableName: table, columnName: column, maxLength, isNullable: nullable, isIdentity: supplied, isComputed: false, defaultID: 0 },
  }));
const foreignKey = { keyName: "FK", isDisabled: false };

interface Answer {
  readonly schema?: SchemaName;
  readonly server?: object;
  readonly columns?: RecordSet;
  readonly foreignKeys?: RecordSet;
  /** `table GRANT`, or `table GRANT column`, that are not held. */
  readonly lacks?: readonly string[];
  /** Tables that the user does not see. */
  readonly hidden?: readonly (keyof typeof tableNames)[];
}

function probed({ schema = "13", lacks = [], hidden = [], ...answer }: Answer = {}): ProbeReading {
  const isSeen = (table: unknown): boolean => !hidden.some((one) => tableNames[one] === table);
  const held = grantsOn(catalogues[schema]).flatMap(({ table, grant, columns = [null] }) =>
    columns.map((columnName) => ({
      ...{ tableName: tableNames[table], permission: grant, columnName },
      isHeld: lacks.includes(`${table} ${grant}`) || lacks.includes(`${table} ${grant} ${String(columnName)}`) ? 0 : 1,
    })),
  );
  const columns = (answer.columns ?? columnsOf(schema)).filter(({ tableName }) => isSeen(tableName));
  const sets = [
    [{ ...server, ...answer.server }],
    columns,
    answer.foreignKeys ?? [foreignKey],
    held.filter(({ tableName }) => isSeen(tableName)),
  ];
  return readProbe(sets, place);
}

function usable(answer: Answer = {}): Probed {
  const reading = probed(answer);
  if (reading.kind === "refused") throw new Error(reading.problem.message);
  return reading;
}

test("a Kentico 13 database with all grants has facts and no complaint", () => {
  expect(usable()).toMatchObject({
    facts: {
      ...{ endpoint: "sql,1433", name: "Kentico", product: "12-13", engineVersion: "16.0.4135.4 Developer Edition" },
      ...{ hasUrl: false, hasPings: true, foreignKeyDisabled: false, notes: [] },
    },
    missing: [],
  });
});

test.each(schemas)("a database of %s with all grants has no complaint", (schema) => {
  const { facts, missing } = usable({ schema });
  expect({ notes: facts.notes, missing }).toEqual({ notes: [], missing: [] });
});

describe("a column that nobody has seen, NOT NULL", () => {
  const more = {
    ...{ tableName: "CMS_WebFarmServer", columnName: "More", maxLength: 8, isNullable: false, isIdentity: false },
    isComputed: false,
  };
  const withMore = (how: object): ProbeReading =>
    probed({ columns: [...columnsOf("13"), { ...more, ...{ defaultID: 0, typeID: 42 }, ...how }] });

  test.each([
    ["a default", { defaultID: 17 }],
    ["an identity", { isIdentity: true }],
    ["a computed value", { isComputed: true }],
    ["a rowversion", { typeID: 189 }],
  ])("with %s is filled by the server", (_, how) => {
    expect(withMore(how)).toMatchObject({ kind: "usable", facts: { product: "12-13" }, missing: [] });
  });

  test("and no value is one that this version cannot fill", () => {
    expect(withMore({})).toMatchObject({
      kind: "refused",
      problem: { reason: "ShapeNotSupported", message: expect.stringContaining("More") },
    });
  });
});

test("the collation of a name or URL is kept where it is not the database's", () => {
  const columnsWith = (collation: string): RecordSet =>
    columnsOf("7").map((row) => ({ ...row, collation: /Name|URL/.test(String(row["columnName"])) ? collation : null }));
  const shapeWith = (collation: string): Probed["shape"] =>
    usable({ schema: "7", server: { collation: "Latin1_General_CS_AS" }, columns: columnsWith(collation) }).shape;
  expect(shapeWith("Turkish_CI_AS")).toMatchObject({
    servers: { nameCollation: "Turkish_CI_AS", urlCollation: "Turkish_CI_AS" },
    search: { serverNameCollation: "Turkish_CI_AS" },
  });
  expect(shapeWith("Latin1_General_CS_AS")).toEqual(usable({ schema: "7" }).shape);
});

test.each([
  ["SQL_Latin1_General_CP1_CI_AS", null, true],
  ["Latin1_General_100_CI_AI_SC", null, true],
  ["Latin1_General_CS_AS", null, false],
  ["Latin1_General_BIN2", null, false],
  ["Turkish_CI_AS", null, false],
  ["SQL_Latin1_General_CP1254_CI_AS", null, false],
  ["Latin1_General_CS_AS", "Latin1_General_CI_AS", true],
  ["Latin1_General_CI_AS", "Latin1_General_BIN2", false],
])("in a database of collation %s, with names of %s, a name and one that differs in case are surely one: %s", (usual, own, isOne) => {
  const columns = columnsOf("7").map((row) => ({ ...row, collation: row["columnName"] === "ServerName" ? (own ?? usual) : usual }));
  expect(usable({ schema: "7", server: { collation: usual }, columns }).facts.foldsCase).toBe(isOne);
});

test("a collation that cannot be named is no database to write to", () => {
  const columns = columnsOf("13").map((row) => ({ ...row, collation: row["columnName"] === "ServerName" ? "Turkish CI" : null }));
  expect(probed({ columns })).toMatchObject({
    problem: {
      reason: "ShapeNotSupported",
      stalled: true,
      message: expect.stringContaining("a collation of CMS_WebFarmServer.ServerName"),
    },
  });
});

test.each([
  ["enabled", [foreignKey], false],
  ["one of two enabled", [{ keyName: "FK2", isDisabled: true }, foreignKey], false],
  ["disabled", [{ keyName: "FK", isDisabled: true }], true],
  ["not there", [], true],
])("a foreign key that is %s", (_, foreignKeys, foreignKeyDisabled) => {
  expect(usable({ foreignKeys }).facts).toMatchObject({ foreignKeyDisabled });
});

describe("what is missing is named, and what can be done without it is done", () => {
  test.each([
    ["settings SELECT", "GRANT SELECT ([KeyName], [KeyValue], [SiteID]) ON [dbo].[CMS_SettingsKey]", ["settings"]],
    ["settings SELECT KeyValue", "GRANT SELECT ([KeyValue]) ON [dbo].[CMS_SettingsKey]", ["settings"]],
    ["monitoring SELECT ServerPing", "GRANT SELECT ([ServerPing]) ON [dbo].[CMS_WebFarmServerMonitoring]", ["monitoring"]],
    ["log DELETE", "GRANT DELETE ON [dbo].[CMS_WebFarmServerLog]", ["log"]],
    ["search SELECT", "GRANT SELECT ([SearchTaskServerName]) ON [dbo].[CMS_SearchTask]", ["search"]],
  ] as const)("%s: the table is done without", (lack, grant, tables) => {
    const { shape, facts, missing } = usable({ lacks: [lack] });
    expect(facts.notes.join("\n")).toContain(grant);
    for (const table of tables) expect(shape[table]).toBeUndefined();
    expect(missing).toEqual([]);
  });

  test.each([
    ["INSERT", { takesPings: false, isSwept: true }],
    ["DELETE", { takesPings: true, isSwept: false }],
  ])("monitoring %s: pings are read all the same", (grant, monitoring) => {
    const { shape, facts } = usable({ lacks: [`monitoring ${grant}`] });
    expect(shape).toMatchObject({ monitoring });
    expect(facts).toMatchObject({ hasPings: true });
    expect(facts.notes.join("\n")).toContain(`GRANT ${grant} ON [dbo].[CMS_WebFarmServerMonitoring]`);
  });

  test("a definition that may not be viewed is no complaint where the tables are seen", () => {
    expect(usable({ lacks: ["servers VIEW DEFINITION", "bindings VIEW DEFINITION", "tasks VIEW DEFINITION"] }).facts.notes).toEqual([]);
  });

  test("a grant that a write needs", () => {
    const { facts, missing } = usable({ lacks: ["bindings DELETE", "servers UPDATE ServerGUID"] });
    expect(missing).toEqual([
      { table: "servers", grant: "UPDATE", columns: ["ServerGUID"] },
      { table: "bindings", grant: "DELETE" },
    ]);
    expect(facts.notes.join("\n")).toContain("GRANT UPDATE ([ServerGUID]) ON [dbo].[CMS_WebFarmServer]");
  });

  test.each(["settings", "monitoring", "log", "search", "tasks"] as const)("%s is not seen at all, as without any grant on it", (table) => {
    expect(usable({ hidden: [table] }).facts.notes.join("\n")).toContain(`ON [dbo].[${tableNames[table]}]`);
  });

  test("no table is missed that the product has not", () => {
    expect(usable({ schema: "6", hidden: ["monitoring", "log"] }).facts.notes).toEqual([]);
    expect(usable({ schema: "xbyk", hidden: ["search"] }).facts.notes).toEqual([]);
  });

  test("a column of the pings that nobody fills keeps new servers without a ping", () => {
    const extra = { ...columnsOf("13").find(({ columnName }) => columnName === "ServerPing"), columnName: "Region", isNullable: false };
    const { shape, facts } = usable({ columns: [...columnsOf("13"), extra] });
    expect(shape).toMatchObject({ monitoring: { takesPings: false } });
    expect(facts.notes.join("\n")).toContain("New servers get no ping");
  });
});

describe("what cannot be used is refused", () => {
  const renamed = columnsOf("13").map((row) => (row["columnName"] === "ServerName" ? { ...row, columnName: "ServerCodeName" } : row));
  test.each<[string, Answer, object]>([
    ["a read-only database", { server: { updateability: "READ_ONLY" } }, { kind: "readOnly", reason: "ReadOnly", stalled: false }],
    ["no such schema", { server: { schemaID: null } }, { kind: "schema", reason: "SchemaMissing" }],
    ["another database", { columns: [] }, { kind: "schema", reason: "NotKentico" }],
    ["rows that may not be read", { lacks: ["servers SELECT", "servers DELETE"] }, { kind: "permission", reason: "GrantMissing" }],
    [
      "rows that are not seen",
      { hidden: ["servers"] },
      {
        kind: "permission",
        reason: "GrantMissing",
        message: expect.stringContaining("GRANT SELECT ON [dbo].[CMS_WebFarmServer]; GRANT INSERT ON"),
      },
    ],
    [
      "a column of another name",
      { columns: renamed },
      {
        kind: "schema",
        reason: "ShapeNotSupported",
        stalled: true,
        message: expect.stringContaining("column CMS_WebFarmServer.ServerName"),
      },
    ],
    [
      "a column that may not be seen",
      { columns: renamed, lacks: ["servers VIEW DEFINITION"] },
      { reason: "ShapeNotSupported", message: expect.stringContaining("GRANT VIEW DEFINITION ON [dbo].[CMS_WebFarmServer]") },
    ],
  ])("%s", (_, answer, problem) => {
    expect(probed(answer)).toMatchObject({ kind: "refused", problem });
  });

  test("with every grant that is missing in one sentence", () => {
    expect(probed({ lacks: ["servers SELECT ServerGUID", "servers DELETE", "bindings DELETE", "log DELETE"] })).toMatchObject({
      problem: {
        message: expect.stringContaining(
          "GRANT SELECT ([ServerGUID]) ON [dbo].[CMS_WebFarmServer]; GRANT DELETE ON [dbo].[CMS_WebFarmServer]; GRANT DELETE ON [dbo].[CMS_WebFarmServerTask] to it.",
        ),
      },
    });
  });
});

test.each(schemas)("the script of permissions of %s grants all that is probed on its tables, and nothing else", (schema) => {
  const script = permissionScript("we]b", catalogues[schema]);
  const wanted = grantsOn(catalogues[schema]);
  for (const { table, grant, columns, reason } of wanted) {
    const named = columns === undefined ? "" : ` (${columns.map((column) => `[${column}]`).join(", ")})`;
    expect(script).toContain(`GRANT ${grant}${named} ON [we]]b].[${tableNames[table]}] TO [webfarm-operator]; -- ${reason}\n`);
  }
  expect(script.match(/^GRANT /gm)).toHaveLength(wanted.length);
  expect(script).not.toMatch(/db_owner|CONTROL|ALTER|EXECUTE/);
  expect(script.includes("ServerURL")).toBe(["6", "7", "8.2"].includes(schema));
});
