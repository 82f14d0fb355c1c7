// The operator's own texts against a Kentico 13 database: what each does to rows, and what it leaves alone.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { conflict, mark, probe, read, register, remove, sweep } from "../../operator/sqlserver/statements.ts";
import { catalogues } from "../../operator/sqlserver/catalogues.ts";
import { shapeOf } from "../../operator/sqlserver/shape.ts";
import { openTestDatabase } from "../database/database.ts";
import type { TestDatabase } from "../database/database.ts";
import { connect, folded, guid, int, name, reportServer } from "./connection.ts";
import type { Connection, Reply, Value } from "./connection.ts";

const reading = shapeOf("dbo", catalogues["13"]);
if (reading.kind === "unknown") throw new Error(`Cannot make the statements: ${reading.missing.join(", ")}`);
const { shape } = reading;

const markA = "637AE912-50A6-861E-87DC-203A54F25910";
const markB = "0B5D9F0E-1C2D-8E3F-8A9B-0C1D2E3F4A5B";
const kinds: Readonly<Record<string, (value: never) => Value>> = { i: int, n: name, g: guid, h: guid };

let database: TestDatabase;
let db: Connection;
beforeAll(async () => {
  database = await openTestDatabase({ kentico: { version: "13" } });
  db = await connect(database);
});
afterAll(async () => {
  await db.close();
  await database.close();
});
beforeEach(async () => {
  for (const table of [
    "CMS_WebFarmServerTask",
    "CMS_WebFarmTask",
    "CMS_WebFarmServer",
    "CMS_WebFarmServerMonitoring",
    "CMS_WebFarmServerLog",
    "CMS_SearchTask",
  ])
    await db.ask(`DELETE FROM [dbo].[${table}]`);
});
reportServer();

/** Sends a text with rows of parameters, those beyond the given ones NULL: no limit, no ping to copy, no drain that has begun. */
async function send(
  statement: { readonly sql: string; readonly size: number },
  columns: string,
  rows: readonly (readonly unknown[])[],
): Promise<Reply> {
  const parameters: Record<string, Value> = { most: int(null), ping: int(0), after: int(0) };
  for (let row = 0; row < statement.size; row++) {
    for (const [i, column] of Array.from(columns).entries())
      parameters[`${column}${row}`] = (kinds[column] ?? name)((rows[row]?.[i] ?? null) as never);
    parameters[`p${row}`] = int(null);
  }
  return await db.ask(statement.sql, parameters);
}
const rowsOf = (reply: Reply) => reply.sets.at(-1) ?? [];
const namesOf = (reply: Reply) => rowsOf(reply).map((row) => row["name"]);
async function registered(...names: readonly string[]): Promise<readonly number[]> {
  const reply = await send(
    register(shape, 16),
    "ng",
    names.map((one) => [one, markA]),
  );
  expect(reply.errors).toEqual([]);
  return names.map((one) => Number(rowsOf(reply).find((row) => row["name"] === one)?.["serverID"]));
}
const exists = async (id: number) => (await db.column(`SELECT 1 FROM [dbo].[CMS_WebFarmServer] WHERE [ServerID] = ${id}`)).length === 1;

async function bind(serverId: number, count: number): Promise<void> {
  await db.ask(`SET NOCOUNT ON; BEGIN TRANSACTION; DECLARE @i int = 0, @task int; WHILE @i < ${count} BEGIN INSERT INTO [dbo].[CMS_WebFarmTask] ([TaskType]) VALUES (N'x'); SET @task = SCOPE_IDENTITY();
    INSERT INTO [dbo].[CMS_WebFarmServerTask] ([ServerID], [TaskID]) VALUES (${serverId}, @task); SET @i = @i + 1; END; COMMIT TRANSACTION;`);
}

describe("register", () => {
  test("inserts the names that are not there, enabled, and reads all rows back by ServerID", async () => {
    const reply = await send(register(shape, 16), "ng", [
      ["shop-0", markA],
      ["shop-1", markB],
    ]);
    expect(reply.errors).toEqual([]);
    expect([...namesOf(reply)].sort()).toEqual(["shop-0", "shop-1"]);
    expect(rowsOf(reply).map((row) => row["serverID"])).toEqual(
      [...rowsOf(reply).map((row) => Number(row["serverID"]))].sort((a, b) => a - b),
    );
    expect(rowsOf(reply).find((row) => row["name"] === "shop-1")).toMatchObject({ guid: markB, enabled: true });
  });

  test("leaves a name alone that the database calls equal: another case, a trailing blank", async () => {
    await registered("shop-0");
    expect(
      namesOf(
        await send(register(shape, 16), "ng", [
          ["SHOP-0", markB],
          ["shop-0 ", markB],
        ]),
      ),
    ).toEqual(["shop-0"]);
    expect((await send(conflict(shape), "n", [["SHOP-0  "]])).sets[0]).toMatchObject([{ name: "shop-0", guid: markA }]);
  });

  test("twice the same is harmless", async () => {
    const [first] = await registered("shop-0");
    expect(await registered("shop-0")).toEqual([first]);
  });

  test("fails as a whole where two of its own names are equal, and inserts none", async () => {
    const reply = await send(register(shape, 16), "ng", [
      ["shop-0", markA],
      ["shop-1", markA],
      ["SHOP-1", markA],
    ]);
    expect(reply.errors.some((number) => [2601, 2627].includes(number))).toBe(true);
    expect(await db.column("SELECT [ServerName] FROM [dbo].[CMS_WebFarmServer]")).toEqual([]);
  });
});

describe("mark", () => {
  test("gives a row its new mark if ServerID, name and mark are as read", async () => {
    const [id] = await registered("shop-0");
    expect(rowsOf(await send(mark(shape, 1), "ingh", [[id, "shop-0", markA, markB]]))).toMatchObject([{ name: "shop-0", guid: markB }]);
    expect(rowsOf(await send(mark(shape, 1), "ingh", [[id, "shop-0", markA, markA]]))).toMatchObject([{ guid: markB }]);
  });

  test("takes a row without a mark where NULL was read", async () => {
    const [id] = await registered("shop-0");
    await db.ask("UPDATE [dbo].[CMS_WebFarmServer] SET [ServerGUID] = NULL");
    expect(rowsOf(await send(mark(shape, 1), "ingh", [[id, "shop-0", markA, markB]]))).toMatchObject([{ guid: null }]);
    expect(rowsOf(await send(mark(shape, 1), "ingh", [[id, "shop-0", null, markB]]))).toMatchObject([{ guid: markB }]);
  });
});

describe("remove", () => {
  test("deletes bindings and row in one go, and says how many", async () => {
    const [id = 0, other = 0] = await registered("shop-0", "shop-1");
    await bind(id, 3);
    await bind(other, 2);
    const reply = await send(remove(shape, 8), "ing", [[id, "shop-0", markA]]);
    expect(reply.sets[0]).toEqual([{ bindings: 3, servers: 1, reached: null }]);
    expect(namesOf(reply)).toEqual(["shop-1"]);
    expect(await db.column("SELECT COUNT(*) FROM [dbo].[CMS_WebFarmServerTask]")).toEqual([2]);
  });

  test.each([
    ["name", 0, "shop-9", markA],
    ["mark", 0, "shop-0", markB],
    ["ServerID", 1, "shop-0", markA],
  ])("matches nothing where the %s is another by now", async (_what, more, serverName, serverMark) => {
    const [id = 0] = await registered("shop-0");
    await bind(id, 1);
    expect((await send(remove(shape, 1), "ing", [[id + more, serverName, serverMark]])).sets[0]).toMatchObject([
      { bindings: 0, servers: 0 },
    ]);
    expect(await exists(id)).toBe(true);
  });

  test("a server with more than 2,000 bindings loses 2,000 and stays until the last has gone", async () => {
    const [id = 0] = await registered("shop-0");
    await bind(id, 2010);
    const once = async () => (await send(remove(shape, 1), "ing", [[id, "shop-0", markA]])).sets[0];
    expect(await once()).toMatchObject([{ bindings: 2000, servers: 0 }]);
    expect(await exists(id)).toBe(true);
    expect(await once()).toMatchObject([{ bindings: 10, servers: 1 }]);
  });
});

test("sweep deletes what removed servers left, and nothing of a server that is there", async () => {
  const [id = 0] = await registered("shop-0");
  for (const server of [id, id + 100]) {
    await db.ask(`INSERT INTO [dbo].[CMS_WebFarmServerMonitoring] ([ServerID], [ServerPing]) VALUES (${server}, GETDATE()); INSERT INTO [dbo].[CMS_WebFarmServerLog] ([LogTime], [LogCode], [ServerID]) VALUES (GETDATE(), N'x', ${server});
      INSERT INTO [dbo].[CMS_SearchTask] ([SearchTaskServerName]) VALUES (N'shop-${server === id ? 0 : 7}');`);
  }
  expect(
    (
      await send(sweep(shape, 16), "in", [
        [id, "shop-0"],
        [id + 100, "shop-7"],
      ])
    ).errors,
  ).toEqual([]);
  expect(await db.column("SELECT [ServerID] FROM [dbo].[CMS_WebFarmServerMonitoring]")).toEqual([id]);
  expect(await db.column("SELECT [ServerID] FROM [dbo].[CMS_WebFarmServerLog]")).toEqual([id]);
  expect(await db.column("SELECT [SearchTaskServerName] FROM [dbo].[CMS_SearchTask]")).toEqual(["shop-0"]);
});

test("read gives the rows, the newest ping of each server, and the global settings", async () => {
  const [id] = await registered("shop-0");
  await db.ask(
    `INSERT INTO [dbo].[CMS_WebFarmServerMonitoring] ([ServerID], [ServerPing]) VALUES (${id ?? 0}, '2020-01-01T00:00:00'), (${id ?? 0}, '2021-01-01T00:00:00'), (${id ?? 0}, NULL), (99999, GETDATE())`,
  );
  const { sets } = await db.ask(read(shape).sql, {});
  expect(sets[0]).toMatchObject([{ serverID: id, name: "shop-0" }]);
  expect(sets[1]).toHaveLength(1);
  expect(sets[2]).toEqual(expect.arrayContaining([{ keyName: "CMSWebFarmMode", keyValue: "2" }]));
});

test("probe tells version, tables, foreign key and grants", async () => {
  const { sets } = await db.ask(probe().sql, { schema: name("dbo") });
  const own = { databaseName: database.database, updateability: "READ_WRITE", schemaID: expect.any(Number) };
  expect(folded(sets[0], "databaseName")).toMatchObject([own]);
  expect(folded(sets[1], "tableName", "columnName")).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ tableName: "cms_webfarmserver", columnName: "servername", maxLength: 600, isNullable: false }),
    ]),
  );
  expect(sets[2]).toMatchObject([{ isDisabled: false }]);
  expect(folded(sets[3], "tableName")).toEqual(
    expect.arrayContaining([{ tableName: "cms_webfarmserver", permission: "INSERT", columnName: null, isHeld: 1 }]),
  );
});
