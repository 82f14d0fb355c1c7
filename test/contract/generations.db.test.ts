// Every text that `npm run statements` prints, sent once as a request to a database of the generation that it is made for. That each does
// what it says is shown elsewhere; here, that the tables of each generation take it.
import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { openTestDatabase, type TestDatabase } from "../database/database.ts";
import { type KenticoVersion, kenticoVersions } from "../database/fixtures/kentico.ts";
import { connect, type Connection, guid, int, name, reportServer, type Value } from "./connection.ts";

interface Printed {
  readonly schema: string;
  readonly name: string;
  readonly sql: string;
}

const printed: readonly Printed[] = execFileSync(process.execPath, ["scripts/statements.ts"], { encoding: "utf8" })
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Printed);

const mark = "637AE912-50A6-861E-87DC-203A54F25910";
/** By the parameter's name without its row: what the first row sends, and with which type; the other rows are padding. */
const kinds: Readonly<Record<string, { readonly type: (value: never) => Value; readonly first: string | number | null }>> = {
  i: { type: int, first: 1 },
  n: { type: name, first: "shop-0" },
  u: { type: name, first: "http://10.0.0.1" },
  g: { type: guid, first: mark },
  h: { type: guid, first: mark },
  p: { type: int, first: null },
  most: { type: int, first: 3 },
  ping: { type: int, first: 1 },
  after: { type: int, first: 0 },
  schema: { type: name, first: "dbo" },
};

function parametersOf(sql: string): Readonly<Record<string, Value>> {
  const declared = new Set(Array.from(sql.matchAll(/DECLARE ([^;]+);/g), ([, list = ""]) => list.match(/@\w+/g) ?? []).flat());
  const used = [...new Set(sql.match(/(?<!@)@\w+/g) ?? [])].filter((parameter) => !declared.has(parameter));
  return Object.fromEntries(
    used.map((parameter) => {
      const [, letters = "", row = "0"] = /^@([a-z]+)(\d*)$/.exec(parameter) ?? [];
      const kind = kinds[letters];
      if (kind === undefined) throw new Error(`This test does not know the parameter ${parameter}`);
      return [parameter.slice(1), kind.type((Number(row) === 0 ? kind.first : null) as never)];
    }),
  );
}

reportServer();

test("the list has texts for every generation, and for no other", () => {
  expect([...new Set(printed.map((one) => one.schema))].sort()).toEqual([...kenticoVersions].sort());
});

describe.each(kenticoVersions)("the tables of Kentico %s", (version: KenticoVersion) => {
  let database: TestDatabase;
  let db: Connection;
  beforeAll(async () => {
    database = await openTestDatabase({ kentico: { version } });
    db = await connect(database);
  });
  afterAll(async () => {
    await db.close();
    await database.close();
  });

  test.each(printed.filter((one) => one.schema === version).map((one) => [one.name, one.sql] as const))("take %s", async (_name, sql) => {
    const reply = await db.ask(sql, parametersOf(sql));
    expect([reply.errors, reply.message]).toEqual([[], ""]);
    expect(reply.sets.length).toBeGreaterThan(0);
  });
});
