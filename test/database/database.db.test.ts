// That a database for a test leaves nothing open, also where it could not be made: a server that goes on listening keeps the test run alive.
// And that on a server that others run it needs nothing that only some servers have, and leaves nothing there.
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import mssql from "mssql";
import { type OwnServer, startOwnServer } from "../contract/ownServer.ts";
import { createEngine, defaultAdminPassword } from "./engine/engine.ts";
import { intercepted } from "./intercepted.ts";
import { startDatabaseServer } from "./server.ts";
import { openTestDatabase, OptionRefused, type TestDatabaseOptions, whereTaken } from "./database.ts";
import { eventually } from "../sqlserver/eventually.ts";

/** Servers and connections of this process; one that was closed is counted until the next turn of the loop. */
const openSockets = (): number => process.getActiveResourcesInfo().filter((resource) => resource.startsWith("TCP")).length;

test.each<readonly [string, TestDatabaseOptions, RegExp]>([
  ["collation is not known", { collation: "Klingon_CI_AS" }, /Klingon_CI_AS/],
  ["tables cannot be made", { kentico: { version: "13", settings: { CMSNoSuchKey: "1" } } }, /CMSNoSuchKey/],
])("a database whose %s leaves nothing open", async (_, options, message) => {
  const before = openSockets();
  await expect(openTestDatabase(options)).rejects.toThrow(message);
  await eventually(() => openSockets() === before);
});

test("a database holds its server and its connections until it is closed", async () => {
  const before = openSockets();
  const database = await openTestDatabase();
  const inUse = openSockets();
  await database.close();
  await eventually(() => openSockets() === before);
  expect(inUse).toBeGreaterThan(before);
});

describe("on a server that others run", () => {
  const given = process.env["MSSQL_URL"];
  let own: OwnServer;
  beforeEach(async () => {
    own = await startOwnServer();
    process.env["MSSQL_URL"] = own.url;
  });
  afterEach(async () => {
    if (given === undefined) delete process.env["MSSQL_URL"];
    else process.env["MSSQL_URL"] = given;
    await own.stop();
  });

  /** Names of what texts like `CREATE LOGIN [x]` named, those that were refused too. */
  const named = (words: string): readonly string[] =>
    own.faults.statements.flatMap(({ text }) => new RegExp(`^${words} \\[(\\w+)\\]`).exec(text)?.[1] ?? []);
  const refuse = (pattern: RegExp, times = Infinity): unknown =>
    own.faults.fail(pattern, { number: 40_517, message: "It is not supported here" }, { times });

  /** Opens a database, reads in it as the operator's login, and closes it. */
  async function oneLife(options: TestDatabaseOptions = {}): Promise<void> {
    const database = await openTestDatabase({ kentico: { version: "13" }, ...options });
    try {
      const login = await new mssql.ConnectionPool(database.config(await database.createLogin())).connect();
      const { recordset } = await login.query("SELECT [ServerName] FROM [CMS_WebFarmServer]").finally(() => login.close());
      expect(recordset).toEqual([]);
    } finally {
      await database.close();
    }
  }

  /** A database that is dropped twice was there when it was first tried. */
  function expectNothingLeft(): void {
    expect(named("CREATE DATABASE").length).toBeGreaterThan(0);
    expect(new Set(named("DROP DATABASE"))).toEqual(new Set(named("CREATE DATABASE")));
    expect(named("DROP LOGIN")).toEqual(named("CREATE LOGIN"));
  }

  test.each([
    ["READ_COMMITTED_SNAPSHOT", /SET READ_COMMITTED_SNAPSHOT/],
    ["COLLATE", /^CREATE DATABASE \[\w+\] COLLATE/],
    ["SINGLE_USER", /SET SINGLE_USER/],
    ["CHECK_POLICY", /CHECK_POLICY/],
    ["USE", /\bUSE \[/],
  ])("that refuses %s a database is opened, read by a login and dropped", async (_, pattern) => {
    refuse(pattern);
    await oneLife();
    expectNothingLeft();
  });

  test.each([/^DROP DATABASE/, /^DROP LOGIN/])("that sees late that nobody is there any more, %s is asked for again", async (pattern) => {
    refuse(/SET SINGLE_USER/);
    refuse(pattern, 3);
    await oneLife();
    expect(new Set(named("DROP DATABASE"))).toEqual(new Set(named("CREATE DATABASE")));
    expect(new Set(named("DROP LOGIN"))).toEqual(new Set(named("CREATE LOGIN")));
  });

  test("what cannot be dropped is named, and the rest goes all the same", async () => {
    refuse(/^DROP DATABASE/);
    await expect(oneLife()).rejects.toThrow(/drop by hand: database webfarm_test_\w+: It is not supported here/);
    expectNothingLeft();
  });

  test("a login that cannot be made is not dropped", async () => {
    refuse(/^CREATE LOGIN/);
    const database = await openTestDatabase();
    const making = database.createLogin();
    await expect(making.finally(() => database.close())).rejects.toThrow("It is not supported here");
    expect(named("DROP LOGIN")).toEqual([]);
  });

  test.each<readonly [string, RegExp, TestDatabaseOptions]>([
    ["a collation", /COLLATE Turkish/, { collation: "Turkish_CI_AS" }],
    ["a collation of columns", /COLLATE Turkish/, { kentico: { version: "13", textCollation: "Turkish_CI_AS" } }],
    ["readers that take locks", /READ_COMMITTED_SNAPSHOT OFF/, { snapshotReads: "off" }],
  ])("a test that asks for %s is not applicable where that is refused, and nothing is left", async (_, pattern, options) => {
    refuse(pattern);
    await expect(oneLife(options)).rejects.toThrow(OptionRefused);
    await whereTaken(() => oneLife(options))();
    expectNothingLeft();
  });

  test("a test that is about an option fails for any other reason, and on our own server for that too", async () => {
    refuse(/^CREATE TABLE/);
    await expect(whereTaken(oneLife)({ collation: "Turkish_CI_AS" })).rejects.toThrow("It is not supported here");
    refuse(/^CREATE DATABASE/);
    await expect(whereTaken(oneLife)({ collation: "Turkish_CI_AS" })).rejects.toThrow("Cannot create a database");
    delete process.env["MSSQL_URL"];
    await expect(whereTaken(oneLife)({ collation: "Klingon_CI_AS" })).rejects.toThrow(OptionRefused);
  });

  test("whose own collation tells case apart a database ignores case, unless the test asks for another", async () => {
    const collated = intercepted(createEngine(), async (session, sent, signal) => {
      const text = sent.text.replace(/^(CREATE DATABASE \[\w+\]);/, "$1 COLLATE Latin1_General_BIN2;");
      return await session.run({ ...sent, text }, signal);
    });
    const server = await startDatabaseServer({ engine: collated });
    process.env["MSSQL_URL"] = `mssql://sa:${defaultAdminPassword}@${server.host}:${server.port}/?encrypt=false`;
    const database = await openTestDatabase({ kentico: { version: "13" } });
    try {
      expect(await database.adminQuery("SELECT servername FROM cms_webfarmserver")).toEqual([]);
    } finally {
      await database.close();
      await server.close();
    }
  });

  test("an IPv6 address is asked without its brackets", async () => {
    process.env["MSSQL_URL"] = "mssql://sa:x@[::1]:1/?encrypt=false";
    await expect(openTestDatabase()).rejects.toThrow(" ::1:1");
  });
});
