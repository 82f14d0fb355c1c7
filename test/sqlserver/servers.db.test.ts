import { afterEach, describe, expect, jest, test } from "@jest/globals";
import mssql from "mssql";

import { type Clock, systemClock } from "../../operator/controller/clock.ts";
import { farmKey } from "../../operator/farm/model.ts";
import { catalogues } from "../../operator/sqlserver/catalogues.ts";
import { permissionScript } from "../../operator/sqlserver/permissions.ts";
import { allStatements, probe } from "../../operator/sqlserver/statements.ts";
import { loginBatch } from "../../scripts/generateSql.ts";
import { asksRealServer } from "../database/database.ts";
import { eventually } from "./eventually.ts";
import { applicationName, documentedGrants, type FarmRig, type FarmRigOptions, guid, never, openFarm, server } from "./farmRig.ts";

jest.setTimeout(120_000);

const scripted = asksRealServer() ? describe.skip : describe; // a real server takes no fault script

const everyGrant = Object.entries(documentedGrants("13")).flatMap(([table, all]) =>
  all.map((grant) => `${table} ${grant.replace(/ \(.*/, "")}`),
);
const rigs: FarmRig[] = [];

async function rig(options?: FarmRigOptions): Promise<FarmRig> {
  const opened = await openFarm(options);
  rigs.push(opened);
  return opened;
}

/** Whatever reached the database under the operator's name is a statement that `npm run statements` lists, or the batch of a login. */
afterEach(async () => {
  const opened = rigs.splice(0);
  try {
    for (const {
      shape,
      test: { faults },
    } of opened) {
      const listed = shape === undefined ? [probe().sql] : allStatements(shape).map(({ sql }) => sql);
      const ours = faults?.statements.filter((statement) => statement.applicationName === applicationName) ?? [];
      for (const { text, kind } of ours) {
        if (kind === "executesql") expect(listed).toContain(text);
        else expect({ kind, text }).toEqual({ kind: "batch", text: loginBatch });
      }
    }
  } finally {
    for (const { close } of opened) await close();
  }
});

describe("facts", () => {
  test("of a Kentico 13 database with all grants", async () => {
    const { farm } = await rig();
    expect(await farm.facts(never)).toMatchObject({
      product: "12-13",
      hasUrl: false,
      hasPings: true,
      foreignKeyDisabled: false,
      name: farm.databaseName,
    });
    expect((await farm.facts(never)).notes.filter((note) => !note.startsWith("Encrypt="))).toEqual([]);
  });

  test("are asked for once", async () => {
    const { farm, observed } = await rig();
    await Promise.all([farm.facts(never), farm.facts(never)]);
    await farm.read(never);
    await farm.read(never);
    expect(observed.filter((name) => name.startsWith("read"))).toHaveLength(2);
    expect(observed.filter((name) => name.startsWith("probe")).length).toBeLessThanOrEqual(2);
  });

  test("know a disabled foreign key", async () => {
    const { farm } = await rig({ database: { kentico: { version: "13", foreignKeys: "disabled" } } });
    expect(await farm.facts(never)).toMatchObject({ foreignKeyDisabled: true });
  });

  test("know a foreign key that is disabled while the operator runs, within an hour, by one more probe", async () => {
    let laterMs = 0;
    const clock: Clock = { ...systemClock, monotonic: () => systemClock.monotonic() + laterMs };
    const { farm, observed, test: database } = await rig({ clock });
    const isDisabled = async (): Promise<boolean> => (await farm.facts(never)).foreignKeyDisabled;
    expect(await isDisabled()).toBe(false);
    await database.adminQuery(
      "ALTER TABLE [dbo].[CMS_WebFarmServerTask] NOCHECK CONSTRAINT [FK_CMS_WebFarmServerTask_ServerID_CMS_WebFarmServer];",
    );
    laterMs = 3_000_000;
    expect(await isDisabled()).toBe(false);
    expect(observed).toEqual(["probe ok"]);
    laterMs = 3_600_000;
    expect(await isDisabled()).toBe(true);
    expect(await isDisabled()).toBe(true);
    expect(observed).toEqual(["probe ok", "probe ok"]);
  });

  test("rest on what the catalogue says of each column: its type", async () => {
    const { test: database } = await rig();
    const pool = await new mssql.ConnectionPool(database.config()).connect();
    const asked = pool.request().input("schema", mssql.NVarChar(128), "dbo").query(probe().sql);
    const { recordsets } = await asked.finally(() => pool.close());
    const columns = (recordsets as readonly (readonly object[])[])[1];
    expect(columns).toContainEqual(expect.objectContaining({ columnName: "ServerName", typeID: 231 }));
    expect(columns).toContainEqual(expect.objectContaining({ columnName: "ServerEnabled", typeID: 104 }));
  });

  test("of a database that is none of Kentico's are refused", async () => {
    const { farm } = await rig({ database: {} });
    await expect(farm.facts(never)).rejects.toMatchObject({ problem: { kind: "schema", reason: "NotKentico", stalled: true } });
  });
});

describe("read", () => {
  test("gives rows, the newest ping of each, and the web farm mode", async () => {
    const {
      farm,
      insert,
      test: { adminQuery },
    } = await rig();
    await insert(["foreign", null], ["ours", guid(1)]);
    await adminQuery(
      "INSERT INTO [dbo].[CMS_WebFarmServerMonitoring] ([ServerID], [ServerPing]) VALUES (2, GETDATE()), (2, GETDATE()), (77, GETDATE());",
    );
    const read = await farm.read(never);
    expect(read).toMatchObject({ truncated: false, settings: { kind: "read", values: { CMSWebFarmMode: "2", CMSWebFarmEnabled: null } } });
    expect(read.rows).toEqual([
      { serverID: 1, name: "foreign", guid: null, enabled: true },
      { serverID: 2, name: "ours", guid: guid(1), enabled: true },
    ]);
    expect([...(read.pings ?? [])]).toEqual([[2, "2"]]);
  });

  test("does without settings and pings that it may not read, and says so", async () => {
    const { farm } = await rig({ lacks: ["CMS_SettingsKey SELECT", "CMS_WebFarmServerMonitoring SELECT"] });
    const read = await farm.read(never);
    expect(read).toEqual({ rows: [], truncated: false, settings: { kind: "unreadable", values: {} } });
    expect((await farm.facts(never)).notes.join(" ")).toMatch(/CMS_SettingsKey.*|CMS_WebFarmServerMonitoring/);
  });
});

describe("register", () => {
  test("inserts what is not there, enabled, and reads back", async () => {
    const { farm, rows, insert } = await rig();
    await insert(["foreign", null]);
    const { read, refused } = await farm.register([server("shop-0", 1), server("shop-1", 2)], never);
    expect(refused).toEqual([]);
    expect(read.rows).toEqual(await rows());
    expect(read.rows.map(({ name, guid: mark, enabled }) => [name, mark, enabled]).sort()).toEqual([
      ["foreign", null, true],
      ["shop-0", guid(1), true],
      ["shop-1", guid(2), true],
    ]);
  });

  test("repeated changes nothing", async () => {
    const { farm, rows } = await rig();
    await farm.register([server("shop-0", 1)], never);
    const before = await rows();
    await farm.register([server("shop-0", 2)], never);
    expect(await rows()).toEqual(before);
  });

  test("does not insert a name that the database takes for another's; conflict tells whose", async () => {
    const { farm, insert, rows } = await rig();
    await insert(["SHOP-0 ", guid(9)]);
    const { read, refused } = await farm.register([server("shop-0", 1)], never);
    expect({ count: read.rows.length, refused }).toEqual({ count: 1, refused: [] });
    expect(await farm.conflict("shop-0", never)).toEqual((await rows())[0]);
    expect(await farm.conflict("shop-1", never)).toBeUndefined();
  });

  test("refuses the second of two equal names", async () => {
    const { farm } = await rig();
    const { read, refused } = await farm.register([server("shop-0", 1), server("SHOP-0", 2)], never);
    expect(read.rows.map(({ name }) => name)).toEqual(["shop-0"]);
    expect(refused).toMatchObject([{ name: "SHOP-0", problem: { reason: "NameTwice" } }]);
  });

  test("takes 1,000 in five requests", async () => {
    const { farm, observed } = await rig();
    await farm.facts(never);
    observed.length = 0;
    const { read } = await farm.register(
      Array.from({ length: 1_000 }, (_, index) => server(`shop-${index}`, index)),
      never,
    );
    expect(read.rows).toHaveLength(1_000);
    expect(observed).toEqual(Array.from({ length: 5 }, () => "register200 ok"));
  });
});

describe("mark", () => {
  test("changes rows that are as they were read, NULL too, and no others", async () => {
    const { farm, insert, rows } = await rig();
    await insert(["a", guid(1)], ["b", null], ["c", guid(3)], ["d", guid(4)]);
    const { read } = await farm.mark(
      [
        { serverID: 1, name: "a", guid: guid(1), newGuid: guid(11) },
        { serverID: 2, name: "b", guid: null, newGuid: guid(12) },
        { serverID: 3, name: "c", guid: guid(99), newGuid: guid(13) },
        { serverID: 4, name: "x", guid: guid(4), newGuid: guid(14) },
      ],
      never,
    );
    expect(read.rows.map(({ guid: mark }) => mark)).toEqual([guid(11), guid(12), guid(3), guid(4)]);
    expect(await rows()).toEqual(read.rows);
  });
});

describe("remove", () => {
  test("takes bindings and rows that are as they were read, and no others", async () => {
    const { farm, insert, bind, rows, count } = await rig();
    await insert(["a", guid(1)], ["b", guid(2)], ["foreign", null]);
    await bind(1, 3);
    await bind(2, 2);
    const removed = await farm.remove(
      [
        { serverID: 1, name: "a", guid: guid(1) },
        { serverID: 2, name: "b", guid: guid(99) },
      ],
      never,
    );
    expect(removed).toMatchObject({ bindings: 3, bindingsRemain: false, refused: [] });
    expect((await rows()).map(({ name }) => name)).toEqual(["b", "foreign"]);
    expect(await count("CMS_WebFarmServerTask")).toBe(2);
    expect(await count("CMS_WebFarmTask")).toBe(5);
  });

  test("takes at most 2,000 bindings a request, the row goes last", async () => {
    const { farm, insert, bind, rows } = await rig();
    await insert(["a", guid(1)]);
    await bind(1, 2_500);
    const row = { serverID: 1, name: "a", guid: guid(1) };
    expect(await farm.remove([row], never)).toMatchObject({ bindings: 2_000, bindingsRemain: true });
    expect(await rows()).toHaveLength(1);
    expect(await farm.remove([row], never)).toMatchObject({ bindings: 500, bindingsRemain: false });
    expect(await rows()).toEqual([]);
  });

  test("repeated finds nothing", async () => {
    const { farm, insert } = await rig();
    await insert(["a", guid(1)]);
    const row = { serverID: 1, name: "a", guid: guid(1) };
    await farm.remove([row], never);
    expect(await farm.remove([row], never)).toMatchObject({ bindings: 0, bindingsRemain: false });
  });
});

describe("sweep", () => {
  test("takes what removed servers left, and nothing of a server that is there", async () => {
    const {
      farm,
      insert,
      count,
      test: { adminQuery },
    } = await rig({ database: { kentico: { version: "13", foreignKeys: "disabled" } } });
    await insert(["alive", guid(1)]);
    await adminQuery("INSERT INTO [dbo].[CMS_WebFarmServerMonitoring] ([ServerID], [ServerPing]) VALUES (1, GETDATE()), (77, GETDATE());");
    await adminQuery(
      "INSERT INTO [dbo].[CMS_WebFarmServerLog] ([ServerID], [LogTime], [LogCode]) VALUES (1, GETDATE(), N'Healthy'), (77, GETDATE(), N'Healthy');",
    );
    await adminQuery("INSERT INTO [dbo].[CMS_SearchTask] ([SearchTaskServerName]) VALUES (N'alive'), (N'gone');");
    await adminQuery("INSERT INTO [dbo].[CMS_WebFarmTask] ([TaskType]) VALUES (N'T');");
    await adminQuery("INSERT INTO [dbo].[CMS_WebFarmServerTask] ([ServerID], [TaskID]) VALUES (1, 1), (77, 1);");
    await farm.sweep(
      [
        { serverID: 77, name: "gone" },
        { serverID: 1, name: "alive" },
      ],
      never,
    );
    for (const table of ["CMS_WebFarmServerMonitoring", "CMS_WebFarmServerLog", "CMS_SearchTask", "CMS_WebFarmServerTask"])
      expect([table, await count(table)]).toEqual([table, 1]);
  });

  test("leaves a table alone where a grant is missing, and says so", async () => {
    const { farm, observed } = await rig({ lacks: ["CMS_SearchTask DELETE"] });
    await farm.sweep([{ serverID: 77, name: "gone" }], never);
    expect(observed.filter((name) => name.startsWith("sweep"))).toEqual(["sweep16 ok"]);
    expect((await farm.facts(never)).notes.join(" ")).toContain("GRANT DELETE ON [dbo].[CMS_SearchTask]");
  });
});

test("the script of permissions gives all that is needed", async () => {
  const {
    farm,
    user,
    test: { adminQuery },
  } = await rig({ lacks: everyGrant });
  await expect(farm.facts(never)).rejects.toMatchObject({ problem: { reason: "NotKentico" } });
  const grants = permissionScript("dbo", catalogues["13"])
    .split("\n")
    .filter((line) => line.startsWith("GRANT "));
  await adminQuery(grants.map((line) => line.replace("[webfarm-operator]", `[${user}]`)).join("\n"));
  expect((await farm.facts(never)).notes.filter((note) => !note.startsWith("Encrypt="))).toEqual([]);
});

describe("a missing grant", () => {
  test.each([
    ["CMS_WebFarmServer INSERT", "GRANT INSERT ON [dbo].[CMS_WebFarmServer]"],
    ["CMS_WebFarmServer UPDATE", "GRANT UPDATE ([ServerGUID], [ServerLastModified]) ON [dbo].[CMS_WebFarmServer]"],
    ["CMS_WebFarmServerTask DELETE", "GRANT DELETE ON [dbo].[CMS_WebFarmServerTask]"],
    ["CMS_WebFarmServerTask SELECT", "GRANT SELECT ([ServerID], [TaskID]) ON [dbo].[CMS_WebFarmServerTask]"],
  ])("%s is named before anything is sent, and reading goes on", async (lack, grant) => {
    const { farm, insert } = await rig({ lacks: [lack] });
    await insert(["a", guid(1)]);
    const row = { serverID: 1, name: "a", guid: guid(1) };
    const write = async (): Promise<unknown> => {
      await farm.register([server("shop-0")], never);
      await farm.mark([{ ...row, newGuid: guid(1) }], never);
      return farm.remove([row], never);
    };
    await expect(write()).rejects.toMatchObject({
      problem: { kind: "permission", reason: "GrantMissing", message: expect.stringContaining(grant) },
      outcome: "notApplied",
    });
    expect((await farm.read(never)).rows).not.toHaveLength(0);
  });

  test("that is given later is noticed by the next write", async () => {
    const {
      farm,
      user,
      test: { adminQuery },
    } = await rig({ lacks: ["CMS_WebFarmServer INSERT"] });
    await expect(farm.register([server("shop-0")], never)).rejects.toMatchObject({ problem: { reason: "GrantMissing" } });
    await adminQuery(`GRANT INSERT ON OBJECT::[dbo].[CMS_WebFarmServer] TO [${user}];`);
    expect((await farm.register([server("shop-0")], never)).read.rows).toHaveLength(1);
  });
});

scripted("when the server fails", () => {
  test("one bad row is found, the others are written", async () => {
    const { farm, faults } = await rig();
    await farm.facts(never);
    // Requests with more than one row meet a constraint, as long as the culprit is among them.
    faults.fail(/VALUES \(@n0, @g0\), /, { number: 2627, message: "Violation of UNIQUE KEY constraint" }, { times: 2 });
    faults.fail(/VALUES \(@n0, @g0\)\) AS v/, { number: 2627, message: "Violation of UNIQUE KEY constraint" });
    const { read, refused } = await farm.register([server("a", 1), server("b", 2), server("c", 3)], never);
    expect(refused).toMatchObject([
      { name: "a", problem: { kind: "refused", number: 2627, message: expect.stringContaining("Violation") } },
    ]);
    expect(read.rows.map(({ name }) => name)).toEqual(["b", "c"]);
  });

  test("a deadlock's victim is sent again, a few times", async () => {
    const { farm, faults, observed } = await rig();
    await farm.facts(never);
    faults.deadlock(/INSERT/, { times: 2 });
    expect((await farm.register([server("a")], never)).read.rows).toHaveLength(1);
    faults.deadlock(/INSERT/, { times: 10 });
    await expect(farm.register([server("b")], never)).rejects.toMatchObject({
      problem: { kind: "busy", reason: "Deadlock" },
      outcome: "notApplied",
    });
    expect(observed.filter((request) => request === "register1 busy")).toHaveLength(6);
  });

  test("a lost answer leaves the outcome unknown; the next pass reads what was done and repeats it without harm", async () => {
    const { farm, faults, rows } = await rig();
    await farm.facts(never);
    faults.dropAfter(/INSERT/);
    await expect(farm.register([server("a")], never)).rejects.toMatchObject({ problem: { kind: "unreachable" }, outcome: "unknown" });
    expect((await farm.read(never)).rows).toHaveLength(1);
    await farm.register([server("a")], never);
    expect(await rows()).toHaveLength(1);
  });

  test("a removal that runs late matches nothing once the row is another pod's", async () => {
    const {
      farm,
      faults,
      rows,
      databases,
      test: { adminQuery },
    } = await rig();
    await farm.register([server("shop-0", 1)], never);
    const [row] = await rows();
    const hold = faults.hold(/DELETE s FROM/, { attention: "unanswered" });
    const controller = new AbortController();
    const late = farm.remove([{ serverID: row?.serverID ?? 0, name: "shop-0", guid: guid(1) }], controller.signal);
    await hold.reached;
    await adminQuery(`UPDATE [dbo].[CMS_WebFarmServer] SET [ServerGUID] = '${guid(2)}';`);
    hold.release();
    expect(await late).toMatchObject({ bindings: 0, bindingsRemain: false });
    expect((await rows()).map(({ guid: mark }) => mark)).toEqual([guid(2)]);
    await databases.close();
  });

  test("a changed table is looked at again", async () => {
    const { farm, faults, observed } = await rig();
    await farm.facts(never);
    faults.fail(/^SET NOCOUNT[\s\S]*CMSWebFarmMode/, { number: 207, message: "Invalid column name 'ServerGUID'." });
    await expect(farm.read(never)).rejects.toMatchObject({ problem: { kind: "schema", reason: "TableChanged" } });
    observed.length = 0;
    await farm.read(never);
    expect(observed).toEqual(["probe ok", "read ok"]);
  });

  test("a lock that another holds is busy, and the connection is kept", async () => {
    const { farm, faults } = await rig();
    await farm.read(never);
    const { logins } = faults.counts;
    faults.fail(/INSERT/, { number: 1222, message: "Lock request time out period exceeded." });
    await expect(farm.register([server("a")], never)).rejects.toMatchObject({
      problem: { kind: "busy", reason: "LockTimeout" },
      outcome: "notApplied",
    });
    await farm.read(never);
    expect(faults.counts.logins).toBe(logins);
  });
});

describe("farms and targets", () => {
  const onScript = asksRealServer() ? test.skip : test;
  onScript("two farms with the same material share one pool; the last one's release closes it", async () => {
    const {
      databases,
      farm,
      faults,
      test: { connectionString },
    } = await rig();
    await farm.read(never);
    const material = {
      login: { kind: "connectionString", text: connectionString },
      schema: "dbo",
      multiSubnetFailover: false,
      applicationName,
    } as const;
    const before = faults.counts.sessions;
    const [a, b] = [farmKey("n", "a"), farmKey("n", "b")];
    for (const key of [a, b]) {
      const use = databases.use(key, material);
      if (use.kind === "refused") throw new Error(use.problem.message);
      await use.database.read(never);
    }
    expect(faults.counts.sessions).toBe(before + 1);
    databases.release(a);
    databases.release(b);
    await eventually(() => faults.counts.sessions === before);
  });

  test("material that cannot be read is refused without a connection", async () => {
    const { databases } = await rig();
    const use = databases.use(farmKey("n", "a"), {
      login: { kind: "connectionString", text: "Server=sql;Integrated Security=true" },
      ...{ schema: "dbo", multiSubnetFailover: false, applicationName },
    });
    expect(use).toMatchObject({ kind: "refused", problem: { kind: "configuration", reason: "KeywordNotSupported" } });
  });
});
