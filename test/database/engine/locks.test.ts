import { expect, test } from "@jest/globals";
import { enter, servers, startFarm } from "./conversation.ts";
import type { Conversation } from "./conversation.ts";

async function two(snapshotReads: "on" | "off" = "on") {
  const { engine, db, master } = await startFarm({ snapshotReads });
  await db.ask(`${servers} INSERT INTO dbo.Servers (Name) VALUES (N'a')`);
  return { engine, master, one: db, other: enter(engine, { database: "farm" }) };
}
const insert = (name: string): string => `INSERT INTO dbo.Servers (Name) VALUES (N'${name}')`;
const begin = async (session: Conversation, name: string) => await session.ask(`BEGIN TRANSACTION; ${insert(name)}`);

test("a second writer waits within its LOCK_TIMEOUT, gets 1222, and its connection stays usable", async () => {
  const { one, other } = await two();
  await begin(one, "b");
  expect((await other.ask(`SET LOCK_TIMEOUT 20; ${insert("c")}`)).errors).toEqual([1222]);
  expect((await other.ask(`SET LOCK_TIMEOUT 0; ${insert("c")}`)).errors).toEqual([1222]);
  await one.ask("COMMIT");
  expect((await other.ask(insert("c"))).errors).toEqual([]);
});

test("a writer without LOCK_TIMEOUT waits until the other is done, and then sees what it did", async () => {
  const { one, other } = await two();
  await begin(one, "b");
  const waiting = other.ask(insert("b"));
  await one.ask("COMMIT");
  expect((await waiting).errors).toEqual([2601]);
});

test("UPDLOCK and HOLDLOCK on an absent key keep another session from inserting it", async () => {
  const { one, other } = await two();
  await one.ask("BEGIN TRANSACTION; SELECT 1 FROM dbo.Servers WITH (UPDLOCK, HOLDLOCK) WHERE Name = N'z'");
  expect((await other.ask(`SET LOCK_TIMEOUT 0; ${insert("z")}`)).errors).toEqual([1222]);
  await one.ask("ROLLBACK");
  expect((await other.ask(insert("z"))).errors).toEqual([]);
});

test("with snapshot reads a reader sees the last committed rows and does not wait", async () => {
  const { one, other } = await two();
  await one.ask(
    "BEGIN TRANSACTION; UPDATE dbo.Servers SET Name = N'x'; INSERT INTO dbo.Servers (Name) VALUES (N'b'); DELETE FROM dbo.Servers WHERE Name = N'x'",
  );
  expect(await other.column("SELECT Name FROM dbo.Servers")).toEqual(["a"]);
  expect(await other.column("SELECT ID FROM dbo.Servers WHERE Name = N'a'")).toEqual([1]);
  expect(await other.column("SELECT ID FROM dbo.Servers WHERE Name = N'b'")).toEqual([]);
  expect(await one.column("SELECT Name FROM dbo.Servers")).toEqual(["b"]);
  await one.ask("COMMIT");
  expect(await other.column("SELECT Name FROM dbo.Servers")).toEqual(["b"]);
});

test("without snapshot reads a reader waits for the writer, but not under NOLOCK", async () => {
  const { one, other } = await two("off");
  await begin(one, "b");
  expect((await other.ask("SET LOCK_TIMEOUT 0; SELECT Name FROM dbo.Servers")).errors).toEqual([1222]);
  expect(await other.column("SELECT Name FROM dbo.Servers WITH (NOLOCK) ORDER BY Name")).toEqual(["a", "b"]);
  const waiting = other.column("SET LOCK_TIMEOUT -1; SELECT Name FROM dbo.Servers ORDER BY Name");
  await one.ask("ROLLBACK");
  expect(await waiting).toEqual(["a"]);
});

test("a reader under READ COMMITTED keeps no lock after its statement, a SERIALIZABLE one does", async () => {
  const { one, other } = await two("off");
  await one.ask("BEGIN TRANSACTION; SELECT Name FROM dbo.Servers");
  expect((await other.ask(`SET LOCK_TIMEOUT 0; ${insert("b")}`)).errors).toEqual([]);
  await one.ask("ROLLBACK; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; BEGIN TRANSACTION; SELECT Name FROM dbo.Servers");
  expect((await other.ask(insert("c"))).errors).toEqual([1222]);
});

test("an attention ends a wait; it leaves the transaction open unless XACT_ABORT is on", async () => {
  const { one, other } = await two();
  await begin(one, "b");
  for (const [options, count] of [
    ["", 1],
    ["SET XACT_ABORT ON; ", 0],
  ] as const) {
    const attention = new AbortController();
    const waiting = other.ask(`${options}BEGIN TRANSACTION; ${insert("c")}`, undefined, attention.signal);
    attention.abort();
    expect((await waiting).sets).toEqual([]);
    expect(await other.one("SELECT @@TRANCOUNT AS n")).toEqual({ n: count });
    if (count > 0) await other.ask("ROLLBACK");
  }
  await one.ask("COMMIT");
});

test("a session that closes rolls back and frees its locks", async () => {
  const { one, other } = await two();
  await begin(one, "b");
  const waiting = other.ask(insert("c"));
  one.session.close();
  expect((await waiting).errors).toEqual([]);
  expect(await other.column("SELECT Name FROM dbo.Servers ORDER BY Name")).toEqual(["a", "c"]);
});

test("a closed session that was waiting does not run", async () => {
  const { one, other } = await two();
  await begin(one, "b");
  const waiting = other.ask(insert("c"));
  other.session.close();
  await waiting;
  await one.ask("COMMIT");
  expect(await one.column("SELECT Name FROM dbo.Servers ORDER BY Name")).toEqual(["a", "b"]);
});

test("transactions in two databases do not wait for each other", async () => {
  const { engine, one, master } = await two();
  await begin(one, "b");
  await master.ask("CREATE DATABASE second");
  const second = enter(engine, { database: "second" });
  expect((await second.ask("SET LOCK_TIMEOUT 0; CREATE TABLE t (a int NULL); INSERT INTO t VALUES (1)")).errors).toEqual([]);
});

test("a read-only database takes no write", async () => {
  const { master, engine } = await two();
  await master.ask("ALTER DATABASE farm SET READ_ONLY WITH ROLLBACK IMMEDIATE");
  const db = enter(engine, { database: "farm" });
  expect((await db.ask(insert("b"))).errors).toEqual([3906]);
  expect(await db.one("SELECT DATABASEPROPERTYEX(DB_NAME(), N'Updateability') AS it")).toEqual({ it: "READ_ONLY" });
});

test("SINGLE_USER WITH ROLLBACK IMMEDIATE ends the other sessions, so that the database can be dropped", async () => {
  const { master, one, other } = await two();
  await begin(one, "b");
  expect((await master.ask("DROP DATABASE farm")).errors).toEqual([3702]);
  expect((await master.ask("ALTER DATABASE farm SET SINGLE_USER WITH ROLLBACK IMMEDIATE; DROP DATABASE farm")).errors).toEqual([]);
  const ended = await other.ask("SELECT 1");
  expect(ended.parts.find((part) => part.kind === "message")).toMatchObject({ message: { number: 596, class: 21 } });
});
