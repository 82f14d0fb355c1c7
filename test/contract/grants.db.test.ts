// What a login may do and see: refusals name the permission, and the catalogue hides what has no grant. And that the operator asks for no
// more than it is documented to need, on each generation's tables, and names what it lacks.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { catalogues } from "../../operator/sqlserver/catalogues.ts";
import { DatabaseError } from "../../operator/sqlserver/errors.ts";
import { grantsOn, grantsToRun } from "../../operator/sqlserver/permissions.ts";
import { tableNames } from "../../operator/sqlserver/tables.ts";
import { openTestDatabase } from "../database/database.ts";
import type { TestDatabase } from "../database/database.ts";
import { connect, folded, refusedLogin, reportServer } from "./connection.ts";
import type { Reply } from "./connection.ts";
import { kenticoVersions } from "../database/fixtures/kentico.ts";
import { type FarmRig, guid, never, openFarm, server } from "../sqlserver/farmRig.ts";

jest.setTimeout(240_000);

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
  for (const part of ["cms_webfarmserver", database.database, "dbo"]) expect(message.toLowerCase()).toContain(part);
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
  const seen = "SELECT t.name FROM sys.tables AS t; SELECT OBJECT_ID(N'[dbo].[CMS_WebFarmServer]') AS id;";
  const { sets } = await as({ CMS_WebFarmTask: ["VIEW DEFINITION"], CMS_SettingsKey: ["SELECT"] }, seen);
  const names = folded(sets[0], "name").map((row) => row["name"]);
  expect([names.toSorted(), sets[1]]).toEqual([["cms_settingskey", "cms_webfarmtask"], [{ id: null }]]);
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
  expect(await refusedLogin(database, { user, password: "Wrong-1234" })).toContain(18456);
});

/** What a person is told when the farm is read and a row of it added, given to another pod and removed: messages and notes. */
async function toldBy({ farm, insert, rows, test: { adminQuery } }: FarmRig): Promise<readonly string[]> {
  await adminQuery("DELETE FROM [dbo].[CMS_WebFarmServer];");
  await insert(["shop-1", guid(1), "http://a"]);
  const row = { serverID: (await rows())[0]?.serverID ?? 0, name: "shop-1", guid: guid(1) };
  const told: string[] = [];
  const attempts: readonly (() => Promise<unknown>)[] = [
    async () => told.push(...(await farm.facts(never)).notes),
    () => farm.read(never),
    () => farm.register([{ ...server("shop-2", 2), url: "http://b" }], never, { mostServers: 9, copiesPing: true }),
    () => farm.mark([{ ...row, newGuid: guid(3), url: "http://c" }], never),
    () => farm.remove([{ ...row, guid: guid(3) }], never),
    () => farm.sweep([row], never),
  ];
  for (const attempt of attempts) {
    try {
      await attempt();
    } catch (error) {
      if (!(error instanceof DatabaseError)) throw error;
      expect(error.problem).toMatchObject({ kind: "permission", reason: "GrantMissing" });
      told.push(error.problem.message);
    }
  }
  return told.filter((one) => !one.startsWith("Encrypt="));
}

describe.each(kenticoVersions)("on the tables of version %s", (version) => {
  const documented = grantsOn(catalogues[version]);
  const options = { kentico: { version } };
  let shared: TestDatabase;
  beforeAll(async () => {
    shared = await openTestDatabase(options);
  });
  afterAll(async () => {
    await shared.close();
  });
  const told = async (...lacks: readonly string[]): Promise<readonly string[]> => {
    const rig = await openFarm({ database: options, shared, lacks });
    try {
      return await toldBy(rig);
    } finally {
      await rig.close();
    }
  };

  test("the documented grants are enough", async () => {
    expect(await told()).toEqual([]);
  });

  const named = documented.map((one) => ({ ...one, name: tableNames[one.table] }));
  /** Tables that are seen for another grant on them show their columns all the same. */
  const isSeen = ({ table, grant }: (typeof named)[number]): boolean => grant === "VIEW DEFINITION" && table !== "tasks";
  test.each(named.filter(isSeen))("without $grant on $name nothing is missed", async ({ name, grant }) => {
    expect(await told(`${name} ${grant}`)).toEqual([]);
  });

  test.each(named.filter((one) => !isSeen(one)))("without $grant on $name that grant is named", async (one) => {
    const messages = await told(`${one.name} ${one.grant}`);
    expect(messages.join("\n")).toContain(grantsToRun("dbo", [one]));
  });

  const columns = documented.flatMap((one) =>
    (one.columns ?? []).map((column) => ({ table: one.table, grant: one.grant, name: tableNames[one.table], column })),
  );
  test.each(columns)("without $grant on $name.$column that column is named, and nothing else", async ({ table, grant, name, column }) => {
    const messages = await told(`${name} ${grant} ${column}`);
    expect(messages.length).toBeGreaterThan(0);
    for (const message of messages) expect(message).toContain(grantsToRun("dbo", [{ table, grant, columns: [column] }]));
  });

  test("the roles of a site's own login are enough", async () => {
    const rig = await openFarm({ database: options, shared, lacks: named.map(({ name, grant }) => `${name} ${grant}`) });
    try {
      for (const role of ["db_datareader", "db_datawriter"]) await shared.adminQuery(`EXEC sp_addrolemember '${role}', '${rig.user}';`);
      expect(await toldBy(rig)).toEqual([]);
    } finally {
      await rig.close();
    }
  });

  test("without any grant on the rows no other table is taken for what is missing", async () => {
    const messages = await told(
      ...documented.filter(({ table }) => table === "servers").map(({ grant }) => `${tableNames.servers} ${grant}`),
    );
    expect(new Set(messages)).toHaveProperty("size", 1);
    expect(messages[0]).toContain("GRANT SELECT ON [dbo].[CMS_WebFarmServer]; GRANT INSERT ON [dbo].[CMS_WebFarmServer]");
  });
});
