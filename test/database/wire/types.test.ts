import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import sql from "mssql";
import { type DatabaseServer, startDatabaseServer } from "../server.ts";
import { connect } from "./connect.ts";
import { createFakeEngine, done, type FakeEngine, table } from "./fakeEngine.ts";

const TICKS_AT_1970 = 621_355_968_000_000_000n;
const LONG_TEXT = "Ünïcode 🔑 ".repeat(20_000);
const LONG_BYTES = Buffer.from(Array.from({ length: 20_000 }, (_, index) => index % 251));

const columns = {
  bit: { name: "bit" },
  int: { name: "int" },
  bigint: { name: "bigint" },
  guid: { name: "uniqueidentifier" },
  text: { name: "nvarchar", length: 20 },
  longText: { name: "nvarchar", length: -1 },
  bytes: { name: "varbinary", length: 20 },
  longBytes: { name: "varbinary", length: -1 },
  datetime: { name: "datetime" },
  seconds: { name: "datetime2", scale: 0 },
  milliseconds: { name: "datetime2", scale: 3 },
  ticks: { name: "datetime2", scale: 7 },
} as const;

let engine: FakeEngine;
let server: DatabaseServer;
let pool: sql.ConnectionPool;

beforeAll(async () => {
  engine = createFakeEngine((request) => {
    if (request.text === "nothing") return [table(columns, [Object.keys(columns).map(() => null)]), done({ rowCount: 1 })];
    if (request.text === "midnight") return [table({ at: columns.datetime }, [[{ ticks: ticksOf("2026-12-31T23:59:59.999Z") }]]), done({})];
    if (request.text === "empty") return [table(columns, []), done({ rowCount: 0 })];
    return undefined;
  });
  server = await startDatabaseServer({ engine });
  pool = await connect(server);
});

afterAll(async () => {
  await pool.close();
  await server.close();
});

function ticksOf(iso: string): bigint {
  return TICKS_AT_1970 + BigInt(Date.parse(iso)) * 10_000n;
}

async function roundTrip(type: sql.ISqlType | (() => sql.ISqlType), value: unknown): Promise<unknown> {
  const result = await pool.request().input("value", type, value).query<{ value: unknown }>("SELECT @value");
  return result.recordset[0]?.value;
}

describe("a value", () => {
  const date = "2026-11-24T19:36:12.347Z";
  test.each<[string, sql.ISqlType, unknown, unknown, unknown]>([
    ["bit true", sql.Bit(), true, true, true],
    ["bit false", sql.Bit(), false, false, false],
    ["tinyint", sql.TinyInt(), 200, 200, 200],
    ["smallint", sql.SmallInt(), -200, -200, -200],
    ["int, smallest", sql.Int(), -2147483648, -2147483648, -2147483648],
    ["int, largest", sql.Int(), 2147483647, 2147483647, 2147483647],
    ["bigint, smallest", sql.BigInt(), -9223372036854775808n, -9223372036854775808n, "-9223372036854775808"],
    ["bigint, largest", sql.BigInt(), 9223372036854775807n, 9223372036854775807n, "9223372036854775807"],
    [
      "uniqueidentifier",
      sql.UniqueIdentifier(),
      "637ae912-50a6-861e-87dc-203a54f25910",
      "637AE912-50A6-861E-87DC-203A54F25910",
      "637AE912-50A6-861E-87DC-203A54F25910",
    ],
    ["nvarchar", sql.NVarChar(100), "Pod-0 ✓ 🔑", "Pod-0 ✓ 🔑", "Pod-0 ✓ 🔑"],
    ["nvarchar, empty", sql.NVarChar(100), "", "", ""],
    ["nvarchar, trailing blanks", sql.NVarChar(100), "a  ", "a  ", "a  "],
    ["nvarchar, as long as it may be", sql.NVarChar(4000), "x".repeat(4000), "x".repeat(4000), "x".repeat(4000)],
    ["nvarchar(max), empty", sql.NVarChar(sql.MAX), "", "", ""],
    ["nvarchar(max), 440 KB", sql.NVarChar(sql.MAX), LONG_TEXT, LONG_TEXT, LONG_TEXT],
    ["varbinary", sql.VarBinary(16), Buffer.from([0, 1, 255]), Buffer.from([0, 1, 255]), Buffer.from([0, 1, 255])],
    ["varbinary(max), 20 KB", sql.VarBinary(sql.MAX), LONG_BYTES, LONG_BYTES, LONG_BYTES],
    [
      "datetime, rounded by the driver",
      sql.DateTime(),
      new Date(date),
      { ticks: ticksOf("2026-11-24T19:36:12.346Z") + 6667n },
      new Date(date),
    ],
    [
      "datetime, oldest",
      sql.DateTime(),
      new Date("1753-01-01T00:00:00Z"),
      { ticks: ticksOf("1753-01-01T00:00:00Z") },
      new Date("1753-01-01T00:00:00Z"),
    ],
    [
      "datetime2(0)",
      sql.DateTime2(0),
      new Date("2026-11-24T19:36:12Z"),
      { ticks: ticksOf("2026-11-24T19:36:12Z") },
      new Date("2026-11-24T19:36:12Z"),
    ],
    ["datetime2(3)", sql.DateTime2(3), new Date(date), { ticks: ticksOf(date) }, new Date(date)],
    ["datetime2(7)", sql.DateTime2(7), new Date(date), { ticks: ticksOf(date) }, new Date(date)],
    ["datetime2(7), oldest", sql.DateTime2(7), new Date("0001-01-01T00:00:00Z"), { ticks: 0n }, new Date("0001-01-01T00:00:00Z")],
  ])("%s comes to the engine and back as it was", async (_, type, sent, atTheEngine, received) => {
    expect(await roundTrip(type, sent)).toEqual(received);
    expect(engine.ran.at(-1)?.request.parameters[0]?.value).toEqual(atTheEngine);
  });

  test.each<[string, sql.ISqlType]>([
    ["bit", sql.Bit()],
    ["int", sql.Int()],
    ["bigint", sql.BigInt()],
    ["uniqueidentifier", sql.UniqueIdentifier()],
    ["nvarchar", sql.NVarChar(100)],
    ["nvarchar(max)", sql.NVarChar(sql.MAX)],
    ["varbinary", sql.VarBinary(100)],
    ["varbinary(max)", sql.VarBinary(sql.MAX)],
    ["datetime", sql.DateTime()],
    ["datetime2", sql.DateTime2(7)],
  ])("%s NULL stays NULL", async (_, type) => {
    expect(await roundTrip(type, null)).toBeNull();
    expect(engine.ran.at(-1)?.request.parameters[0]?.value).toBeNull();
  });

  test("declares its type and length to the engine", async () => {
    await pool
      .request()
      .input("a", sql.NVarChar(100), "x")
      .input("b", sql.NVarChar(sql.MAX), "x")
      .input("c", sql.VarBinary(7), null)
      .query("SELECT @a");
    expect(engine.ran.at(-1)?.request.parameters.map(({ name, type }) => ({ name, type }))).toEqual([
      { name: "@a", type: { name: "nvarchar", length: 100 } },
      { name: "@b", type: { name: "nvarchar", length: -1 } },
      { name: "@c", type: { name: "varbinary", length: 7 } },
    ]);
  });
});

describe("a row", () => {
  test("of NULL in each type arrives", async () => {
    const { recordset } = await pool.request().query("nothing");
    expect(recordset).toEqual([Object.fromEntries(Object.keys(columns).map((name) => [name, null]))]);
  });

  test("with a datetime just before midnight arrives as the next day, as SQL Server rounds it", async () => {
    const { recordset } = await pool.request().query("midnight");
    expect(recordset).toEqual([{ at: new Date("2027-01-01T00:00:00.000Z") }]);
  });

  test("describes its columns", async () => {
    const { recordset } = await pool.request().query("empty");
    expect(recordset).toHaveLength(0);
    expect(recordset.columns["text"]).toMatchObject({ nullable: true, length: 40 });
    expect(recordset.columns["ticks"]).toMatchObject({ scale: 7, type: sql.DateTime2 });
    expect(recordset.columns["guid"]).toMatchObject({ type: sql.UniqueIdentifier });
  });
});

describe("a parameter that this server does not read", () => {
  test("of type float is refused with its number, and the connection goes on", async () => {
    await expect(pool.request().input("value", sql.Float, 1.5).query("SELECT @value")).rejects.toMatchObject({
      number: 8009,
      message: expect.stringContaining("Data type 0x6D is unknown"),
    });
    expect(await roundTrip(sql.Int(), 1)).toBe(1);
  });

  test("longer than it is declared is refused", async () => {
    await expect(pool.request().input("value", sql.NVarChar(3), "four").query("SELECT @value")).rejects.toMatchObject({ number: 8016 });
  });
});
