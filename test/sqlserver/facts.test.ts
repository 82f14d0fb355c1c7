import { describe, expect, test } from "@jest/globals";

import { catalogues } from "../../operator/sqlserver/catalogues.ts";
import type { RecordSet } from "../../operator/sqlserver/driver.ts";
import { type Probed, type ProbeReading, readProbe } from "../../operator/sqlserver/facts.ts";
import { permissionScript } from "../../operator/sqlserver/permissions.ts";
import { tableNames } from "../../operator/sqlserver/shape.ts";
import { grants } from "../../operator/sqlserver/statements.ts";

const place = { endpoint: "sql,1433", database: "Kentico", schema: "dbo" };
const server = {
  version: "16.0.4135.4",
  edition: "Developer Edition",
  engineEdition: 3,
  databaseName: "Kentico",
  updateability: "READ_WRITE",
  schemaID: 1,
};
const columns = (catalogues["13"] ?? []).map(({ table, column, maxLength, nullable, supplied }) => ({
  ...{ tableName: table, columnName: column, maxLength, isNullable: nullable, isIdentity: supplied, isComputed: false, defaultID: 0 },
}));
const foreignKey = { keyName: "FK", isDisabled: false };

interface Answer {
  readonly server?: object;
  readonly columns?: RecordSet;
  readonly foreignKeys?: RecordSet;
  /** `table grant` that are not held. */
  readonly lacks?: readonly string[];
}

function probed(answer: Answer = {}): ProbeReading {
  const held = grants.map(({ table, grant }) => ({
    ...{ tableName: tableNames[table], permission: grant },
    isHeld: answer.lacks?.includes(`${table} ${grant}`) === true ? 0 : 1,
  }));
  return readProbe([[{ ...server, ...answer.server }], answer.columns ?? columns, answer.foreignKeys ?? [foreignKey], held], place);
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
    ...{ readsPings: true, readsSettings: true, sweeps: true, missing: [] },
  });
});

test("a disabled foreign key is a fact", () => {
  expect(usable({ foreignKeys: [foreignKey, { keyName: "FK2", isDisabled: true }] }).facts.foreignKeyDisabled).toBe(true);
});

describe("what is missing is named, and what can be done without it is done", () => {
  test.each([
    ["settings SELECT", "GRANT SELECT ON [dbo].[CMS_SettingsKey]", { readsSettings: false }],
    ["monitoring SELECT", "GRANT SELECT ON [dbo].[CMS_WebFarmServerMonitoring]", { readsPings: false, sweeps: false }],
    ["log DELETE", "GRANT DELETE ON [dbo].[CMS_WebFarmServerLog]", { sweeps: false, readsPings: true }],
    ["bindings DELETE", "GRANT DELETE ON [dbo].[CMS_WebFarmServerTask]", { missing: [{ table: "bindings", grant: "DELETE" }] }],
  ])("%s", (lack, grant, expected) => {
    const reading = usable({ lacks: [lack] });
    expect(reading).toMatchObject(expected);
    expect(reading.facts.notes.join("\n")).toContain(grant);
  });

  test("a definition that may not be viewed is no complaint where the tables are seen", () => {
    expect(usable({ lacks: ["servers VIEW DEFINITION", "tasks VIEW DEFINITION"] }).facts.notes).toEqual([]);
  });
});

describe("what cannot be used is refused", () => {
  test.each<[string, Answer, object]>([
    ["a read-only database", { server: { updateability: "READ_ONLY" } }, { kind: "readOnly", reason: "ReadOnly", stalled: false }],
    ["no such schema", { server: { schemaID: null } }, { kind: "schema", reason: "SchemaMissing" }],
    ["another database", { columns: [] }, { kind: "schema", reason: "NotKentico" }],
    ["rows that may not be read", { lacks: ["servers SELECT", "servers DELETE"] }, { kind: "permission", reason: "GrantMissing" }],
    [
      "another generation",
      { columns: columns.filter(({ columnName }) => columnName !== "IsExternalWebAppServer") },
      { kind: "schema", reason: "ProductNotSupportedYet" },
    ],
  ])("%s", (_, answer, problem) => {
    expect(probed(answer)).toMatchObject({ kind: "refused", problem });
  });

  test("with every grant that is missing in one sentence", () => {
    expect(probed({ lacks: ["servers SELECT", "servers DELETE", "bindings DELETE", "log DELETE"] })).toMatchObject({
      problem: {
        message: expect.stringContaining(
          "GRANT SELECT, DELETE ON [dbo].[CMS_WebFarmServer]; GRANT DELETE ON [dbo].[CMS_WebFarmServerTask] to it.",
        ),
      },
    });
  });
});

test("the script of permissions grants all that is probed, and nothing else", () => {
  const script = permissionScript("we]b");
  for (const { table, grant } of grants)
    expect(script).toMatch(new RegExp(`GRANT [A-Z, ]*${grant}[A-Z, ]* ON \\[we\\]\\]b\\]\\.\\[${tableNames[table]}\\] TO `));
  expect(script.match(/^GRANT /gm)).toHaveLength(Object.keys(tableNames).length);
  expect(script).not.toMatch(/db_owner|CONTROL|ALTER|EXECUTE/);
});
