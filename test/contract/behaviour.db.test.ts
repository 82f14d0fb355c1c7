// What the operator relies on in the server itself, each with two sessions where that matters. Nothing here knows the engine.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { openTestDatabase } from "../database/database.ts";
import type { TestDatabase } from "../database/database.ts";
import { connect, int, name, reportServer, withTwo } from "./connection.ts";
import type { Connection } from "./connection.ts";

let database: TestDatabase;
let db: Connection;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(async () => {
  await database.close();
});
beforeEach(async () => {
  db = await connect(database);
  await db.ask(`IF OBJECT_ID(N'dbo.B') IS NOT NULL DROP TABLE dbo.B; IF OBJECT_ID(N'dbo.S') IS NOT NULL DROP TABLE dbo.S;`);
  await db.ask(`CREATE TABLE dbo.S (ID int IDENTITY(1, 1) NOT NULL CONSTRAINT PK_S PRIMARY KEY, Name nvarchar(10) NOT NULL, D datetime NULL, G uniqueidentifier NULL);
    CREATE UNIQUE NONCLUSTERED INDEX IX_S ON dbo.S (Name);
    CREATE TABLE dbo.B (SID int NOT NULL, CONSTRAINT FK_B FOREIGN KEY (SID) REFERENCES dbo.S (ID));
    INSERT INTO dbo.S (Name) VALUES (N'a');`);
  await db.close();
  db = await connect(database);
});
afterEach(async () => {
  await db.close();
});
reportServer();

const insert = (...names: readonly string[]): string => `INSERT INTO dbo.S (Name) VALUES ${names.map((one) => `(N'${one}')`).join(", ")};`;
const namesNow = "SELECT Name FROM dbo.S ORDER BY Name";

describe("one session", () => {
  test("an insert of several rows with one duplicate inserts nothing and leaves an identity gap", async () => {
    expect((await db.ask(insert("b", "A"))).errors).toContain(2601);
    await db.ask(insert("c"));
    expect(await db.column("SELECT ID FROM dbo.S WHERE Name = N'c'")).not.toEqual([2]);
    expect(await db.column(namesNow)).toEqual(["a", "c"]);
  });

  test.each(["BEGIN TRANSACTION", "COMMIT TRANSACTION", "SET NOCOUNT ON", "RAISERROR(N'x', 10, 1)"])(
    "%s resets @@ROWCOUNT",
    async (statement) => {
      if (statement.startsWith("COMMIT")) await db.ask("BEGIN TRANSACTION");
      expect(await db.row(`UPDATE dbo.S SET G = NULL; ${statement}; SELECT @@ROWCOUNT AS n`)).toEqual({ n: 0 });
      await db.ask("IF @@TRANCOUNT > 0 ROLLBACK");
    },
  );

  test("a violation without XACT_ABORT ends its statement, with it batch and transaction", async () => {
    await db.ask(`SET XACT_ABORT OFF; BEGIN TRANSACTION; ${insert("b")} ${insert("b")} COMMIT`);
    expect(await db.column(namesNow)).toEqual(["a", "b"]);
    await db.ask(`SET XACT_ABORT ON; BEGIN TRANSACTION; ${insert("c")} ${insert("b")} COMMIT`);
    expect(await db.column(namesNow)).toEqual(["a", "b"]);
    expect(await db.row("SELECT @@TRANCOUNT AS n")).toEqual({ n: 0 });
  });

  test("RAISERROR does not trigger XACT_ABORT", async () => {
    expect((await db.ask(`SET XACT_ABORT ON; BEGIN TRANSACTION; ${insert("b")} RAISERROR(N'x', 16, 1); COMMIT`)).errors).toContain(50000);
    expect(await db.column(namesNow)).toEqual(["a", "b"]);
  });

  test("a violation caught under XACT_ABORT dooms the transaction: 3930 on a write", async () => {
    const doom = `SET XACT_ABORT ON; BEGIN TRANSACTION; BEGIN TRY ${insert("a")} END TRY BEGIN CATCH`;
    expect((await db.ask(`${doom} SELECT XACT_STATE() AS s; ROLLBACK; END CATCH`)).sets).toEqual([[{ s: -1 }]]);
    expect((await db.ask(`${doom} ${insert("b")} END CATCH`)).errors).toContain(3930);
    expect(await db.row("SELECT @@TRANCOUNT AS n")).toEqual({ n: 0 });
    expect((await db.ask(`${doom} SELECT 1 AS one; END CATCH`)).errors).toContain(3998);
  });

  test("foreign keys refuse with 547 on both sides, NULL with 515, and a wrong guid with 8169", async () => {
    expect((await db.ask("INSERT INTO dbo.B (SID) VALUES (99)")).errors).toContain(547);
    await db.ask("INSERT INTO dbo.B (SID) VALUES (1)");
    expect((await db.ask("DELETE FROM dbo.S")).errors).toContain(547);
    expect((await db.ask("INSERT INTO dbo.S (Name) VALUES (NULL)")).errors).toContain(515);
    expect((await db.ask("SELECT ID FROM dbo.S WHERE G = N'x'")).errors).toContain(8169);
  });

  test("text that is too long is refused: 2628, or 8152 before it", async () => {
    const { errors } = await db.ask(insert("12345678901"));
    expect(errors.includes(2628) || errors.includes(8152)).toBe(true);
  });

  test("= ignores case and trailing blanks in the default collation, and LEN the blanks", async () => {
    expect(await db.column("SELECT Name FROM dbo.S WHERE Name = N'A  '")).toEqual(["a"]);
    expect((await db.ask(insert("A "))).errors).toContain(2601);
    expect(await db.row("SELECT LEN(N'a  ') AS l, DATALENGTH(N'a  ') AS d")).toEqual({ l: 1, d: 6 });
  });

  test("datetime counts in 1/300 s", async () => {
    const kept = "SELECT CONVERT(nvarchar(30), CAST(N'2020-01-01T00:00:00.";
    expect(await db.column(`${kept}001' AS datetime), 126)`)).toEqual(
      ["2020-01-01T00:00:00"].map(() => expect.stringMatching(/^2020-01-01T00:00:00(\.000)?$/)),
    );
    expect(await db.column(`${kept}005' AS datetime), 126)`)).toEqual(["2020-01-01T00:00:00.007"]);
    expect(await db.column(`${kept}999' AS datetime), 126)`)).toEqual([expect.stringMatching(/^2020-01-01T00:00:01(\.000)?$/)]);
  });

  test("NULL is equal to nothing, and NOT IN a list with NULL is never true", async () => {
    expect(await db.column("SELECT 1 FROM dbo.S WHERE G = NULL OR G <> NULL OR NOT (G = NULL)")).toEqual([]);
    expect(await db.column("SELECT 1 FROM dbo.S WHERE Name NOT IN (N'b', NULL)")).toEqual([]);
    expect(await db.column("SELECT 1 FROM dbo.S WHERE G IS NULL")).toEqual([1]);
  });

  test("SET inside sp_executesql is undone at its end", async () => {
    await db.ask("SET LOCK_TIMEOUT 1234; SET XACT_ABORT ON", { unused: int(1) });
    expect(await db.row("SELECT @@LOCK_TIMEOUT AS t")).toEqual({ t: -1 });
    await db.ask(`BEGIN TRANSACTION; ${insert("a")} ${insert("b")} COMMIT`);
    expect(await db.column(namesNow)).toEqual(["a", "b"]);
  });

  test("sp_executesql that leaves a transaction open says 266, and it stays open", async () => {
    expect((await db.ask("BEGIN TRANSACTION", { unused: int(1) })).errors).toContain(266);
    expect(await db.row("SELECT @@TRANCOUNT AS n")).toEqual({ n: 1 });
    await db.ask("ROLLBACK");
  });

  test("an unknown column stops the whole batch, a missing table only what comes after it; both escape TRY", async () => {
    expect((await db.ask(`${insert("b")} SELECT Nothing FROM dbo.S`)).errors).toContain(207);
    expect(await db.column(namesNow)).toEqual(["a"]);
    expect(
      (await db.ask(`BEGIN TRY ${insert("b")} SELECT 1 FROM dbo.Nothing END TRY BEGIN CATCH SELECT 1 AS caught END CATCH`)).errors,
    ).toContain(208);
    expect(await db.column(namesNow)).toEqual(["a", "b"]);
  });

  test("1,001 rows in one INSERT are refused with 10738", async () => {
    expect((await db.ask(`INSERT INTO dbo.B (SID) VALUES ${Array.from({ length: 1001 }, () => "(1)").join(", ")}`)).errors).toContain(
      10738,
    );
  });

  test("more than 2,100 parameters are refused with 8003", async () => {
    const parameters = Object.fromEntries(Array.from({ length: 2101 }, (_, i) => [`p${i}`, int(i)]));
    expect((await db.ask("SELECT 1", parameters)).errors).toContain(8003);
    expect((await db.ask("SELECT @p1999 AS last", Object.fromEntries(Object.entries(parameters).slice(0, 2000)))).sets).toEqual([
      [{ last: 1999 }],
    ]);
  });

  test("a joined update or delete touches each row once", async () => {
    const joined = "FROM dbo.S AS s INNER JOIN (VALUES (1), (1)) AS v (i) ON v.i = s.ID";
    expect((await db.ask(`UPDATE s SET G = NULL ${joined}`)).rowsAffected).toEqual([1]);
    expect((await db.ask(`DELETE s ${joined}`)).rowsAffected).toEqual([1]);
  });

  test("a parameter compares in the collation of its column", async () => {
    expect((await db.ask("SELECT Name FROM dbo.S WHERE Name = @n", { n: name("A") })).sets).toEqual([[{ Name: "a" }]]);
  });
});

describe("two sessions", () => {
  test("UPDLOCK and HOLDLOCK on an absent key keep the other from inserting it: 1222, and its connection stays usable", async () => {
    await withTwo(database, async (one, other) => {
      await one.ask("BEGIN TRANSACTION; SELECT 1 FROM dbo.S WITH (UPDLOCK, HOLDLOCK) WHERE Name = N'z'");
      expect((await other.ask(`SET LOCK_TIMEOUT 100; ${insert("z")}`)).errors).toContain(1222);
      await one.ask("ROLLBACK");
      expect((await other.ask(insert("z"))).errors).toEqual([]);
    });
  });

  test("under READ_COMMITTED_SNAPSHOT a reader sees the last committed row, and a writer waits", async () => {
    await withTwo(database, async (one, other) => {
      await one.ask("BEGIN TRANSACTION; UPDATE dbo.S SET Name = N'x'");
      expect(await other.column(namesNow)).toEqual(["a"]);
      expect((await other.ask("SET LOCK_TIMEOUT 100; UPDATE dbo.S SET Name = N'y'")).errors).toContain(1222);
      await one.ask("COMMIT");
      expect(await other.column(namesNow)).toEqual(["x"]);
    });
  });

  test("a writer that waits sees what the other committed", async () => {
    await withTwo(database, async (one, other) => {
      await one.ask(`BEGIN TRANSACTION; ${insert("b")}`);
      const waiting = other.ask(
        "INSERT INTO dbo.S (Name) SELECT N'b' WHERE NOT EXISTS (SELECT 1 FROM dbo.S WITH (UPDLOCK, HOLDLOCK) WHERE Name = N'b')",
      );
      await one.ask("COMMIT");
      expect((await waiting).errors).toEqual([]);
      expect(await one.column(namesNow)).toEqual(["a", "b"]);
    });
  });

  test("a client that goes leaves nothing of its transaction", async () => {
    const gone = await connect(database);
    await gone.ask(`BEGIN TRANSACTION; ${insert("b")}`);
    await gone.close();
    expect((await db.ask(insert("b"))).errors).toEqual([]);
  });
});

describe("without READ_COMMITTED_SNAPSHOT", () => {
  test("a reader waits for the writer", async () => {
    const locking = await openTestDatabase({ snapshotReads: "off" });
    try {
      await locking.adminQuery("CREATE TABLE dbo.S (Name nvarchar(10) NOT NULL); INSERT INTO dbo.S VALUES (N'a')");
      await withTwo(locking, async (one, other) => {
        await one.ask("BEGIN TRANSACTION; UPDATE dbo.S SET Name = N'x'");
        expect((await other.ask("SET LOCK_TIMEOUT 100; SELECT Name FROM dbo.S")).errors).toContain(1222);
        await one.ask("ROLLBACK");
        expect(await other.column("SELECT Name FROM dbo.S")).toEqual(["a"]);
      });
    } finally {
      await locking.close();
    }
  });
});
