import { expect, test } from "@jest/globals";
import { servers, startFarm } from "./conversation.ts";

async function farm() {
  const started = await startFarm();
  await started.db.ask(`${servers} INSERT INTO dbo.Servers (Name) VALUES (N'a')`);
  return started;
}
const state = "SELECT @@TRANCOUNT AS count, XACT_STATE() AS state";

test("without XACT_ABORT a violation ends its statement only, and the transaction goes on", async () => {
  const { db } = await farm();
  const answer = await db.ask(
    `BEGIN TRANSACTION; INSERT INTO dbo.Servers (Name) VALUES (N'b'); INSERT INTO dbo.Servers (Name) VALUES (N'a'); ${state}; COMMIT`,
  );
  expect([answer.errors, answer.sets]).toEqual([[2601], [[{ count: 1, state: 1 }]]]);
  expect(answer.parts.filter((part) => part.kind === "message").map((part) => part.message.number)).toEqual([2601, 3621]);
  expect(await db.column("SELECT Name FROM dbo.Servers ORDER BY Name")).toEqual(["a", "b"]);
});

test("with XACT_ABORT it ends batch and transaction", async () => {
  const { db } = await farm();
  const answer = await db.ask(
    "SET XACT_ABORT ON; BEGIN TRANSACTION; INSERT INTO dbo.Servers (Name) VALUES (N'b'); INSERT INTO dbo.Servers (Name) VALUES (N'a'); SELECT 1 AS reached",
  );
  expect([answer.errors, answer.sets]).toEqual([[2601], []]);
  expect(answer.parts.filter((part) => part.kind === "transaction").map((part) => part.event)).toEqual(["begun", "rolledBack"]);
  expect(await db.column("SELECT Name FROM dbo.Servers")).toEqual(["a"]);
  expect(await db.one(state)).toEqual({ count: 0, state: 0 });
});

test("a conversion error ends the transaction even without XACT_ABORT", async () => {
  const { db } = await farm();
  expect((await db.ask("BEGIN TRANSACTION; SELECT CAST(N'x' AS int)")).errors).toEqual([245]);
  expect(await db.one(state)).toEqual({ count: 0, state: 0 });
});

test("RAISERROR ends nothing and does not trigger XACT_ABORT; THROW does", async () => {
  const { db } = await farm();
  const raised = await db.ask(`SET XACT_ABORT ON; BEGIN TRANSACTION; RAISERROR(N'oh', 16, 1); ${state}; ROLLBACK`);
  expect([raised.errors, raised.sets]).toEqual([[50000], [[{ count: 1, state: 1 }]]]);
  const thrown = await db.ask(`SET XACT_ABORT ON; BEGIN TRANSACTION; THROW 50001, N'oh', 1; ${state}`);
  expect([thrown.errors, thrown.sets]).toEqual([[50001], []]);
  expect(await db.one(state)).toEqual({ count: 0, state: 0 });
});

test("caught under XACT_ABORT the transaction is doomed: no write, no commit, rolled back at the end of the batch", async () => {
  const { db } = await farm();
  const doom =
    "SET XACT_ABORT ON; BEGIN TRANSACTION; BEGIN TRY INSERT INTO dbo.Servers (Name) VALUES (N'a') END TRY BEGIN CATCH SELECT ERROR_NUMBER() AS number, XACT_STATE() AS state;";
  const read = await db.ask(`${doom} END CATCH SELECT COUNT(*) AS n FROM dbo.Servers`);
  expect([read.errors, read.sets]).toEqual([[3998], [[{ number: 2601, state: -1 }], [{ n: 1 }]]]);
  expect((await db.ask(`${doom} INSERT INTO dbo.Servers (Name) VALUES (N'b'); END CATCH`)).errors[0]).toBe(3930);
  expect((await db.ask(`${doom} ROLLBACK; END CATCH`)).errors).toEqual([]);
  expect(await db.column("SELECT Name FROM dbo.Servers")).toEqual(["a"]);
});

test("caught without XACT_ABORT the transaction lives, with what was written before", async () => {
  const { db } = await farm();
  const answer =
    await db.ask(`BEGIN TRANSACTION; BEGIN TRY IF 1 = 1 BEGIN INSERT INTO dbo.Servers (Name) VALUES (N'b'); INSERT INTO dbo.Servers (Name) VALUES (N'a'); END END TRY
    BEGIN CATCH SELECT XACT_STATE() AS state; END CATCH COMMIT`);
  expect([answer.errors, answer.sets]).toEqual([[], [[{ state: 1 }]]]);
  expect(await db.column("SELECT Name FROM dbo.Servers ORDER BY Name")).toEqual(["a", "b"]);
});

test("THROW in a CATCH throws the caught error again, with its number", async () => {
  const { db } = await farm();
  const answer = await db.ask(
    "BEGIN TRY INSERT INTO dbo.Servers (Name) VALUES (N'a') END TRY BEGIN CATCH THROW; END CATCH SELECT 1 AS reached",
  );
  expect([answer.errors, answer.sets]).toEqual([[2601], []]);
});

test("a missing table escapes the TRY around it", async () => {
  const { db } = await farm();
  const answer = await db.ask("BEGIN TRY SELECT 1 FROM dbo.Nothing END TRY BEGIN CATCH SELECT 1 AS caught END CATCH");
  expect([answer.errors, answer.sets]).toEqual([[208], []]);
});

test("a transaction stays open across batches until it ends, and nested ones only count", async () => {
  const { db } = await farm();
  await db.ask("BEGIN TRANSACTION; BEGIN TRANSACTION; INSERT INTO dbo.Servers (Name) VALUES (N'b')");
  await db.ask("COMMIT");
  expect(await db.one(state)).toEqual({ count: 1, state: 1 });
  await db.ask("ROLLBACK");
  expect(await db.column("SELECT Name FROM dbo.Servers")).toEqual(["a"]);
  expect((await db.ask("COMMIT")).errors).toEqual([3902]);
  expect((await db.ask("ROLLBACK")).errors).toEqual([3903]);
});

test("sp_executesql undoes its SET options at its end, a batch keeps them", async () => {
  const { db } = await farm();
  const timeout = "SELECT @@LOCK_TIMEOUT AS t";
  expect((await db.ask(`SET LOCK_TIMEOUT 5; ${timeout}`, {})).sets).toEqual([[{ t: 5 }]]);
  expect(await db.one(timeout)).toEqual({ t: -1 });
  await db.ask("SET LOCK_TIMEOUT 5; SET NOCOUNT, XACT_ABORT ON");
  expect((await db.ask("INSERT INTO dbo.Servers (Name) VALUES (N'z')")).counts).toEqual([undefined]);
  expect((await db.ask("SET NOCOUNT OFF; INSERT INTO dbo.Servers (Name) VALUES (N'y')", {})).counts).toEqual([undefined, 1]);
  expect((await db.ask("INSERT INTO dbo.Servers (Name) VALUES (N'x')")).counts).toEqual([undefined]);
});

test("sp_executesql that leaves another transaction count says 266", async () => {
  const { db } = await farm();
  expect((await db.ask("BEGIN TRANSACTION", {})).errors).toEqual([266]);
  expect((await db.ask("COMMIT TRANSACTION", {})).errors).toEqual([266]);
  expect((await db.ask("BEGIN TRANSACTION; COMMIT TRANSACTION", {})).errors).toEqual([]);
});

test.each(["SET NOCOUNT ON", "BEGIN TRANSACTION", "PRINT N'x'", "RAISERROR(N'x', 10, 1)", "COMMIT"])(
  "%s resets @@ROWCOUNT",
  async (statement) => {
    const { db } = await farm();
    if (statement === "COMMIT") await db.ask("BEGIN TRANSACTION");
    expect(await db.one(`UPDATE dbo.Servers SET Enabled = 1; ${statement}; SELECT @@ROWCOUNT AS n`)).toEqual({ n: 0 });
  },
);

test("@@ROWCOUNT survives NOCOUNT and DECLARE", async () => {
  const { db } = await farm();
  expect(await db.one("SET NOCOUNT ON; UPDATE dbo.Servers SET Enabled = 1; DECLARE @n int; SET @n = @@ROWCOUNT; SELECT @n AS n")).toEqual({
    n: 1,
  });
});

test("2,098 parameters pass and 2,099 do not: sp_executesql has two of its own", async () => {
  const { db } = await farm();
  const parameters = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`p${i}`, [{ name: "int" }, i] as const]));
  expect((await db.ask("SELECT @p2097 AS last", parameters(2098))).sets).toEqual([[{ last: 2097 }]]);
  expect((await db.ask("SELECT 1", parameters(2099))).errors).toEqual([8003]);
});

test("definitions are undone with their transaction", async () => {
  const { db } = await farm();
  await db.ask("BEGIN TRANSACTION; CREATE TABLE t (a int NULL); ALTER TABLE dbo.Servers ADD Extra int NULL; ROLLBACK");
  expect((await db.ask("SELECT a FROM t")).errors).toEqual([208]);
  expect((await db.ask("SELECT Extra FROM dbo.Servers")).errors).toEqual([207]);
  expect(await db.column("SELECT Name FROM dbo.Servers")).toEqual(["a"]);
});
