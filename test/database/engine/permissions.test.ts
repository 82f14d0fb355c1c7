import { expect, test } from "@jest/globals";
import { enter, servers, startFarm } from "./conversation.ts";

async function guest(...grants: readonly string[]) {
  const { engine, db, master } = await startFarm();
  await db.ask(`${servers} INSERT INTO dbo.Servers (Name) VALUES (N'a')`);
  await master.ask("CREATE LOGIN [guest-1] WITH PASSWORD = N'secret', CHECK_POLICY = OFF");
  await db.ask(["CREATE USER [guest-1] FOR LOGIN [guest-1];", ...grants.map((grant) => `${grant} TO [guest-1];`)].join(" "));
  return { engine, admin: db, master, db: enter(engine, { database: "farm", user: "guest-1", password: "secret" }) };
}
const refusalOf = (start: () => unknown): string => {
  try {
    start();
  } catch (error) {
    return (error as Error).message;
  }
  return "";
};

test("a wrong password is 18456, a database that one may not open 4060", async () => {
  const { engine, master } = await guest();
  expect(refusalOf(() => enter(engine, { user: "guest-1", password: "wrong" }))).toBe("Login failed for user 'guest-1'.");
  expect(refusalOf(() => enter(engine, { user: "nobody", password: "wrong" }))).toBe("Login failed for user 'nobody'.");
  await master.ask("CREATE DATABASE other");
  for (const database of ["other", "missing"]) {
    expect(refusalOf(() => enter(engine, { user: "guest-1", password: "secret", database }))).toContain(
      `Cannot open database "${database}" requested by the login.`,
    );
  }
});

test("without a grant every access is refused with 229 that names all", async () => {
  const { db } = await guest("GRANT VIEW DEFINITION ON dbo.Servers");
  expect((await db.ask("SELECT Name FROM dbo.Servers")).messages).toEqual([
    "The SELECT permission was denied on the object 'Servers', database 'farm', schema 'dbo'.",
  ]);
  expect((await db.ask("INSERT INTO dbo.Servers (Name) VALUES (N'b')")).messages).toEqual([
    "The INSERT permission was denied on the object 'Servers', database 'farm', schema 'dbo'.",
  ]);
  expect((await db.ask("DELETE FROM dbo.Servers")).messages).toEqual([
    "The DELETE permission was denied on the object 'Servers', database 'farm', schema 'dbo'.",
  ]);
});

test("a grant allows what it names; a condition needs SELECT too", async () => {
  const { db } = await guest("GRANT DELETE ON dbo.Servers");
  expect((await db.ask("DELETE FROM dbo.Servers WHERE Name = N'zzz'")).errors).toEqual([229]);
  expect((await db.ask("DELETE FROM dbo.Servers")).errors).toEqual([]);
});

test("grants on columns refuse the others with 230", async () => {
  const { db } = await guest("GRANT SELECT (ID, Name) ON dbo.Servers");
  expect((await db.ask("SELECT ID, Name FROM dbo.Servers")).errors).toEqual([]);
  expect((await db.ask("SELECT Guid FROM dbo.Servers")).messages).toEqual([
    "The SELECT permission was denied on the column 'Guid' of the object 'Servers', database 'farm', schema 'dbo'.",
  ]);
});

test("DENY beats GRANT, and REVOKE takes a grant away", async () => {
  const { db, admin } = await guest("GRANT SELECT ON SCHEMA::dbo", "DENY SELECT ON dbo.Servers");
  expect((await db.ask("SELECT Name FROM dbo.Servers")).errors).toEqual([229]);
  expect((await db.ask("SELECT TaskID FROM dbo.Bindings")).errors).toEqual([]);
  await admin.ask("REVOKE SELECT ON dbo.Servers FROM [guest-1]");
  expect((await db.ask("SELECT Name FROM dbo.Servers")).errors).toEqual([]);
});

test("catalogue views and OBJECT_ID hide tables without any grant", async () => {
  const { db } = await guest("GRANT SELECT ON dbo.Bindings");
  expect(await db.column("SELECT name FROM sys.tables")).toEqual(["Bindings"]);
  expect(await db.column("SELECT c.name FROM sys.columns AS c WHERE c.object_id = OBJECT_ID(N'dbo.Servers')")).toEqual([]);
  expect(
    await db.one(
      "SELECT OBJECT_ID(N'dbo.Servers') AS hidden, HAS_PERMS_BY_NAME(N'dbo.Bindings', N'OBJECT', N'SELECT') AS may, HAS_PERMS_BY_NAME(N'dbo.Bindings', N'OBJECT', N'DELETE') AS mayNot",
    ),
  ).toEqual({
    hidden: null,
    may: 1,
    mayNot: 0,
  });
});

test("a user without rights defines nothing", async () => {
  const { db } = await guest("GRANT SELECT ON dbo.Servers");
  expect((await db.ask("CREATE TABLE t (a int NULL)")).errors).toEqual([262]);
  expect((await db.ask("CREATE DATABASE x")).errors).toEqual([262]);
  expect((await db.ask("GRANT DELETE ON dbo.Servers TO [guest-1]")).errors).toEqual([15247]);
  expect((await db.ask("USE master; USE farm")).errors).toEqual([]);
});

test("members of db_owner may do all, db_datareader may read", async () => {
  const { db, admin } = await guest();
  await admin.ask("EXEC sp_addrolemember N'db_datareader', N'guest-1'");
  expect((await db.ask("SELECT Name FROM dbo.Servers")).errors).toEqual([]);
  expect((await db.ask("DELETE FROM dbo.Servers")).errors).toEqual([229]);
  await admin.ask("ALTER ROLE db_owner ADD MEMBER [guest-1]");
  expect((await db.ask("DELETE FROM dbo.Servers; DROP TABLE dbo.Bindings")).errors).toEqual([]);
});
