import { expect, test } from "@jest/globals";
import { servers, startFarm } from "./conversation.ts";

const guid = "637AE912-50A6-861E-87DC-203A54F25910";

test("an insert of several rows with one duplicate inserts nothing and leaves a gap in the identity", async () => {
  const { db } = await startFarm();
  await db.ask(servers);
  await db.ask("INSERT INTO dbo.Servers (Name) VALUES (N'a')");
  expect((await db.ask("INSERT INTO dbo.Servers (Name) VALUES (N'b'), (N'A ')")).errors).toEqual([2601]);
  await db.ask("INSERT INTO dbo.Servers (Name) VALUES (N'c')");
  expect((await db.ask("SELECT ID, Name FROM dbo.Servers ORDER BY ID")).sets).toEqual([
    [
      { ID: 1, Name: "a" },
      { ID: 4, Name: "c" },
    ],
  ]);
});

test("a rolled back insert does not give its identity back", async () => {
  const { db } = await startFarm();
  await db.ask(servers);
  await db.ask("BEGIN TRANSACTION; INSERT INTO dbo.Servers (Name) VALUES (N'a'); ROLLBACK");
  expect(await db.one("INSERT INTO dbo.Servers (Name) VALUES (N'b'); SELECT SCOPE_IDENTITY() AS id")).toEqual({ id: 2n });
});

test("a primary key is violated with 2627, a unique index with 2601, and both quote the value", async () => {
  const { db } = await startFarm();
  await db.ask(`${servers} INSERT INTO dbo.Servers (Name) VALUES (N'a'); INSERT INTO dbo.Bindings VALUES (1, 7)`);
  expect((await db.ask("INSERT INTO dbo.Bindings VALUES (1, 7)")).messages).toEqual([
    "Violation of PRIMARY KEY constraint 'PK_Bindings'. Cannot insert duplicate key in object 'dbo.Bindings'. The duplicate key value is (1, 7).",
  ]);
  expect((await db.ask("INSERT INTO dbo.Servers (Name) VALUES (N'A')")).messages).toEqual([
    "Cannot insert duplicate key row in object 'dbo.Servers' with unique index 'IX_Name'. The duplicate key value is (A).",
  ]);
});

test("NULLs are equal to each other in a unique index", async () => {
  const { db } = await startFarm();
  await db.ask("CREATE TABLE t (a int NULL); CREATE UNIQUE INDEX i ON t (a); INSERT INTO t VALUES (NULL)");
  expect((await db.ask("INSERT INTO t VALUES (NULL)")).errors).toEqual([2601]);
});

test("an update may move unique values between its own rows", async () => {
  const { db } = await startFarm();
  await db.ask("CREATE TABLE t (a int NOT NULL UNIQUE); INSERT INTO t VALUES (1), (2), (3)");
  expect((await db.ask("UPDATE t SET a = a + 1")).errors).toEqual([]);
  expect(await db.column("SELECT a FROM t ORDER BY a")).toEqual([2, 3, 4]);
});

test("foreign keys hold on both sides, and only while they are enabled", async () => {
  const { db } = await startFarm();
  await db.ask(`${servers} INSERT INTO dbo.Servers (Name) VALUES (N'a'); INSERT INTO dbo.Bindings VALUES (1, 1)`);
  expect((await db.ask("INSERT INTO dbo.Bindings VALUES (9, 1)")).messages[0]).toBe(
    `The INSERT statement conflicted with the FOREIGN KEY constraint "FK_Server". The conflict occurred in database "farm", table "dbo.Servers", column 'ID'.`,
  );
  expect((await db.ask("DELETE FROM dbo.Servers")).messages[0]).toBe(
    `The DELETE statement conflicted with the REFERENCE constraint "FK_Server". The conflict occurred in database "farm", table "dbo.Bindings", column 'ServerID'.`,
  );
  expect(
    (await db.ask("ALTER TABLE dbo.Bindings NOCHECK CONSTRAINT FK_Server; DELETE FROM dbo.Servers; INSERT INTO dbo.Bindings VALUES (9, 1)"))
      .errors,
  ).toEqual([]);
  expect((await db.ask("ALTER TABLE dbo.Bindings WITH CHECK CHECK CONSTRAINT FK_Server")).errors).toEqual([547]);
  expect((await db.ask("ALTER TABLE dbo.Bindings CHECK CONSTRAINT FK_Server")).errors).toEqual([]);
  expect(await db.one("SELECT is_disabled AS disabled, is_not_trusted AS untrusted FROM sys.foreign_keys")).toEqual({
    disabled: false,
    untrusted: true,
  });
});

test("NULL is refused where the column allows none, unless a default fills it", async () => {
  const { db } = await startFarm();
  await db.ask(servers);
  expect((await db.ask("INSERT INTO dbo.Servers (Guid) VALUES (NULL)")).messages).toEqual([
    "Cannot insert the value NULL into column 'Name', table 'farm.dbo.Servers'; column does not allow nulls. INSERT fails.",
  ]);
  expect(await db.one("INSERT INTO dbo.Servers (Name) VALUES (N'a'); SELECT Enabled FROM dbo.Servers")).toEqual({ Enabled: true });
  expect((await db.ask("UPDATE dbo.Servers SET Name = NULL")).errors).toEqual([515]);
});

test.each([
  ["16.0.1000.6", [2628]],
  ["14.0.1000.169", [8152]],
])("on version %s text that is too long is refused with %j, and blanks too many are dropped", async (version, numbers) => {
  const { db } = await startFarm({ version });
  await db.ask(servers);
  expect((await db.ask("INSERT INTO dbo.Servers (Name) VALUES (N'12345678901')")).errors).toEqual(numbers);
  expect(
    await db.one("INSERT INTO dbo.Servers (Name) VALUES (N'1234567890   '); SELECT DATALENGTH(Name) AS bytes FROM dbo.Servers"),
  ).toEqual({ bytes: 20 });
});

test("an update of a joined table touches each row once, a delete too", async () => {
  const { db } = await startFarm();
  await db.ask(`${servers} INSERT INTO dbo.Servers (Name) VALUES (N'a'), (N'b')`);
  const update = await db.ask(
    `UPDATE s SET Guid = v.g FROM dbo.Servers AS s INNER JOIN (VALUES (1, '${guid}'), (1, '${guid}')) AS v (i, g) ON v.i = s.ID`,
  );
  expect(update.counts).toEqual([1]);
  expect((await db.ask("DELETE s FROM dbo.Servers AS s INNER JOIN (VALUES (2), (2)) AS v (i) ON v.i = s.ID")).counts).toEqual([1]);
  expect((await db.ask("SELECT Name, Guid FROM dbo.Servers")).sets).toEqual([[{ Name: "a", Guid: guid }]]);
});

test("DELETE TOP takes that many rows, whichever they are", async () => {
  const { db } = await startFarm();
  await db.ask("CREATE TABLE t (a int NOT NULL); INSERT INTO t VALUES (1), (2), (3), (4), (5), (6), (7), (8)");
  expect((await db.ask("DELETE TOP (3) FROM t")).counts).toEqual([3]);
  expect(await db.column("SELECT a FROM t ORDER BY a")).not.toEqual([4, 5, 6, 7, 8]);
});

test("an identity is given by the server alone, unless IDENTITY_INSERT is on", async () => {
  const { db } = await startFarm();
  await db.ask(servers);
  expect((await db.ask("INSERT INTO dbo.Servers (ID, Name) VALUES (5, N'a')")).errors).toEqual([544]);
  await db.ask(
    "SET IDENTITY_INSERT dbo.Servers ON; INSERT INTO dbo.Servers (ID, Name) VALUES (5, N'a'); SET IDENTITY_INSERT dbo.Servers OFF",
  );
  expect(await db.one("INSERT INTO dbo.Servers (Name) VALUES (N'b'); SELECT MAX(ID) AS id FROM dbo.Servers")).toEqual({ id: 6 });
});
