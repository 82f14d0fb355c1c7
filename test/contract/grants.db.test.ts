// What a login may do and see: refusals name the permission, and the catalogue hides what has no grant.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { openTestDatabase } from "../database/database.ts";
import type { TestDatabase } from "../database/database.ts";
import { connect, refusedLogin, reportServer } from "./connection.ts";
import type { Reply } from "./connection.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase({ kentico: { version: "13" } });
});
afterAll(async () => {
  await database.close();
});
reportServer();

async function as(grants: Readonly<Record<string, readonly string[]>> | undefined, text: string): Promise<Reply> {
  const connection = await connect(database, await database.createLogin(grants));
  try {
    return await connection.ask(text);
  } finally {
    await connection.close();
  }
}
const readServers = "SELECT [ServerName] FROM [dbo].[CMS_WebFarmServer]";

test("without a grant a read is refused with 229, which names object, database and schema", async () => {
  const { errors, message } = await as({ CMS_WebFarmTask: ["SELECT"] }, readServers);
  expect(errors).toContain(229);
  expect(message).toContain(`'CMS_WebFarmServer', database '${database.database}', schema 'dbo'`);
});

test("a grant on columns refuses the others with 230", async () => {
  const grants = { CMS_WebFarmServer: ["SELECT ([ServerID], [ServerName])"] };
  expect((await as(grants, readServers)).errors).toEqual([]);
  expect((await as(grants, "SELECT [ServerGUID] FROM [dbo].[CMS_WebFarmServer]")).errors).toContain(230);
});

test("DELETE with a condition needs SELECT too", async () => {
  expect((await as({ CMS_WebFarmServer: ["DELETE"] }, "DELETE FROM [dbo].[CMS_WebFarmServer] WHERE [ServerID] = 0")).errors).toContain(229);
});

test("catalogue views and OBJECT_ID show only tables with a grant; VIEW DEFINITION is one", async () => {
  const seen = "SELECT t.name FROM sys.tables AS t ORDER BY t.name; SELECT OBJECT_ID(N'[dbo].[CMS_WebFarmServer]') AS id;";
  const { sets } = await as({ CMS_WebFarmTask: ["VIEW DEFINITION"], CMS_SettingsKey: ["SELECT"] }, seen);
  expect(sets).toEqual([[{ name: "CMS_SettingsKey" }, { name: "CMS_WebFarmTask" }], [{ id: null }]]);
});

test("HAS_PERMS_BY_NAME tells what is held", async () => {
  const asked = ["SELECT", "DELETE"].map(
    (permission) => `HAS_PERMS_BY_NAME(N'dbo.CMS_WebFarmTask', N'OBJECT', N'${permission}') AS may${permission}`,
  );
  expect((await as({ CMS_WebFarmTask: ["SELECT"] }, `SELECT ${asked.join(", ")}`)).sets).toEqual([[{ maySELECT: 1, mayDELETE: 0 }]]);
});

test("the documented grants suffice for the tables they name, and for no more", async () => {
  expect((await as(undefined, `${readServers}; DELETE FROM [dbo].[CMS_WebFarmServerLog] WHERE [ServerID] = 0`)).errors).toEqual([]);
  expect((await as(undefined, "UPDATE [dbo].[CMS_SettingsKey] SET [KeyValue] = N'0'")).errors).toContain(229);
  expect((await as(undefined, "INSERT INTO [dbo].[CMS_WebFarmServerTask] ([ServerID], [TaskID]) VALUES (1, 1)")).errors).toContain(229);
});

test("a wrong password is refused at login", async () => {
  const { user } = await database.createLogin({});
  expect(await refusedLogin(database, { user, password: "Wrong-1234" })).toContain(`Login failed for user '${user}'`);
});
