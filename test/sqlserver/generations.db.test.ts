// What the operator's requests do to the tables of every product generation, under the documented grants: rows added, marked, given
// another URL, removed, and what is left alone.
import { afterEach, describe, expect, jest, test } from "@jest/globals";

import { noPing } from "../../operator/farm/model.ts";
import { asksRealServer } from "../database/database.ts";
import { type KenticoVersion, kenticoVersions } from "../database/fixtures/kentico.ts";
import { eventually } from "./eventually.ts";
import { type FarmRig, type FarmRigOptions, guid, never, openFarm, server } from "./farmRig.ts";

jest.setTimeout(240_000);

const rigs: FarmRig[] = [];
afterEach(async () => {
  for (const { close } of rigs.splice(0)) await close();
});

async function rig(
  version: KenticoVersion,
  options: Omit<FarmRigOptions, "database"> & { readonly kentico?: object } = {},
): Promise<FarmRig> {
  const opened = await openFarm({ ...options, database: { kentico: { version, ...options.kentico } } });
  rigs.push(opened);
  return opened;
}

const hasUrl = (version: KenticoVersion): boolean => ["6", "7", "8.2"].includes(version);
const withUrl = kenticoVersions.filter(hasUrl);
const withPings = kenticoVersions.filter((version) => !hasUrl(version));
const products = { "6": "6", "7": "7-8", "8.2": "7-8", "10": "9-10", "11": "11", "12": "12-13", "13": "12-13", xbyk: "XbyK" } as const;

const onScript = asksRealServer() ? test.skip : test; // a real server does not say what has arrived

/** A server as its version needs it. */
const fitting = (version: KenticoVersion, name: string, number = 1): ReturnType<typeof server> & { readonly url?: string } => ({
  ...server(name, number),
  ...(hasUrl(version) && { url: `http://10.0.0.${number}` }),
});

describe.each(kenticoVersions)("version %s", (version) => {
  test("is known by its tables, and wants no other grants than the documented ones", async () => {
    const { farm } = await rig(version);
    const facts = await farm.facts(never);
    expect(facts).toMatchObject({ product: products[version], hasUrl: hasUrl(version), hasPings: !hasUrl(version) });
    expect(facts.foreignKeyDisabled).toBe(version === "10");
    expect(facts.notes.filter((note) => !note.startsWith("Encrypt="))).toEqual([]);
  });

  test.each([{ unknownDefaults: "zero" }, { optionalColumns: "absent" }, { schema: "dbo", foreignKeys: "untrusted" }])(
    "is known by its tables with %j",
    async (kentico) => {
      const { farm } = await rig(version, { kentico });
      expect(await farm.facts(never)).toMatchObject({
        product: products[version],
        foreignKeyDisabled: version === "10" && !("foreignKeys" in kentico),
      });
      await farm.register([fitting(version, "shop-0")], never);
      expect((await farm.read(never)).rows).toHaveLength(1);
    },
  );

  test("servers are added, enabled, once, and what was there stays as it is", async () => {
    const { farm, insert, rows } = await rig(version);
    await insert(["foreign", guid(9), "http://other"]);
    const [foreign] = await rows();
    const wanted = [fitting(version, "shop-0", 1), fitting(version, "shop-1", 2), fitting(version, "FOREIGN", 3)];
    const { refused } = await farm.register(wanted, never);
    const { read } = await farm.register(wanted, never);
    expect(refused).toEqual([]);
    expect(read.rows).toEqual(await rows());
    expect(read.rows).toEqual([
      foreign,
      { serverID: 2, name: "shop-0", guid: guid(1), enabled: true, ...(hasUrl(version) && { url: "http://10.0.0.1" }) },
      { serverID: 3, name: "shop-1", guid: guid(2), enabled: true, ...(hasUrl(version) && { url: "http://10.0.0.2" }) },
    ]);
  });

  onScript("a name is added once, whether or not an index forbids a second", async () => {
    const { farm, begin, rows, faults } = await rig(version);
    await farm.facts(never);
    // Another session has added it, and has not committed yet.
    const columns = hasUrl(version) ? ", [ServerURL]" : version === "10" || version === "xbyk" ? "" : ", [IsExternalWebAppServer]";
    const { commit } = await begin(
      `INSERT INTO [dbo].[CMS_WebFarmServer] ([ServerDisplayName], [ServerName], [ServerGUID], [ServerLastModified], [ServerEnabled]${columns}) VALUES (N'shop-0', N'shop-0', NEWID(), GETDATE(), 1${columns === "" ? "" : ", 0"});`,
    );
    const adding = farm.register([fitting(version, "shop-0")], never);
    await eventually(() =>
      faults.statements.some(({ text }) => text.includes("INSERT INTO [dbo].[CMS_WebFarmServer]") && text.includes("@n0")),
    );
    await commit();
    expect((await adding).refused).toEqual([]);
    expect(await rows()).toHaveLength(1);
  });

  test("a mark changes rows that are as they were read, once", async () => {
    const { farm, insert, rows, modified } = await rig(version);
    await insert(["a", guid(1), "http://a"], ["b", guid(2), "http://b"]);
    await modified("2001-01-01T00:00:00");
    const marks = [
      { serverID: 1, name: "a", guid: guid(1), newGuid: guid(11) },
      { serverID: 2, name: "b", guid: guid(99), newGuid: guid(12) },
    ];
    const { read } = await farm.mark(marks, never);
    expect(read.rows.map((row) => row.guid)).toEqual([guid(11), guid(2)]);
    expect(await rows()).toEqual(read.rows);
    expect(await modified()).toEqual([false, true]);
    await modified("2001-01-01T00:00:00");
    await farm.mark([{ serverID: 1, name: "a", guid: guid(11), newGuid: guid(11) }], never);
    expect(await modified()).toEqual([true, true]);
  });

  test("servers that are as they were read go, with their bindings and nobody else's; no task goes", async () => {
    const { farm, insert, bind, rows, count } = await rig(version);
    await insert(["a", guid(1)], ["b", guid(2)], ["c", guid(3)]);
    for (const serverID of [1, 2, 3]) await bind(serverID, 3);
    const removed = await farm.remove(
      [
        { serverID: 1, name: "a", guid: guid(1) },
        { serverID: 2, name: "b", guid: guid(99) },
        { serverID: 3, name: "x", guid: guid(3) },
      ],
      never,
    );
    expect(removed).toMatchObject({ bindings: 3, bindingsRemain: false, refused: [] });
    expect((await rows()).map(({ name }) => name)).toEqual(["b", "c"]);
    expect([await count("CMS_WebFarmServerTask"), await count("CMS_WebFarmTask")]).toEqual([6, 9]);
  });

  test("one that goes alone is as it was read, too", async () => {
    const { farm, insert, rows } = await rig(version);
    await insert(["a", guid(1)]);
    await farm.remove([{ serverID: 1, name: "a", guid: guid(2) }], never);
    expect(await rows()).toHaveLength(1);
    await farm.remove([{ serverID: 1, name: "a", guid: guid(1) }], never);
    expect(await rows()).toEqual([]);
  });

  test("settings that tell the mode are read, of all sites only", async () => {
    const {
      farm,
      test: { adminQuery },
    } = await rig(version);
    if (version !== "xbyk" && version !== "6")
      await adminQuery(
        "UPDATE [dbo].[CMS_SettingsKey] SET [SiteID] = 1 WHERE [KeyName] = N'CMSWebFarmMode' OR [KeyName] = N'CMSWebFarmUseDBUpdater';",
      );
    const { settings } = await farm.read(never);
    expect(settings).toMatchObject({ kind: "read", values: { CMSWebFarmMode: null, CMSWebFarmUseDBUpdater: null } });
    expect(settings?.values["CMSWebFarmGenerateServers"]).toBe(version === "7" || version === "8.2" ? "False" : null);
  });

  test("what removed servers left goes, and nothing of a server that is there", async () => {
    const {
      farm,
      insert,
      count,
      test: { adminQuery },
    } = await rig(version, { kentico: { foreignKeys: "disabled" } });
    await insert(["alive", guid(1)]);
    const tables = ["CMS_WebFarmServerTask", ...(hasUrl(version) ? [] : ["CMS_WebFarmServerMonitoring", "CMS_WebFarmServerLog"])];
    await adminQuery("INSERT INTO [dbo].[CMS_WebFarmServerTask] ([ServerID], [TaskID]) VALUES (1, 1), (77, 1);");
    if (!hasUrl(version)) {
      await adminQuery(
        "INSERT INTO [dbo].[CMS_WebFarmServerMonitoring] ([ServerID], [ServerPing]) VALUES (1, GETDATE()), (77, GETDATE());",
      );
      const logged = (serverID: number): string => `(${serverID}, GETDATE(), N'Healthy')`;
      for (let at = 0; at < 600; at += 300)
        await adminQuery(
          `INSERT INTO [dbo].[CMS_WebFarmServerLog] ([ServerID], [LogTime], [LogCode]) VALUES ${Array.from({ length: 300 }, () => logged(77)).join(", ")};`,
        );
      await adminQuery(`INSERT INTO [dbo].[CMS_WebFarmServerLog] ([ServerID], [LogTime], [LogCode]) VALUES ${logged(1)};`);
    }
    if (version !== "xbyk") {
      await adminQuery("INSERT INTO [dbo].[CMS_SearchTask] ([SearchTaskServerName]) VALUES (N'alive'), (N'gone');");
      tables.push("CMS_SearchTask");
    }
    await farm.sweep(
      [
        { serverID: 77, name: "gone" },
        { serverID: 1, name: "alive" },
      ],
      never,
    );
    for (const table of tables) expect([table, await count(table)]).toEqual([table, 1]);
  });
});

describe.each(withUrl)("version %s, with addresses", (version) => {
  test.each([
    ["another", "http://10.0.0.2"],
    ["one that differs in case only", "http://10.0.0.1/Shop"],
    ["one that ends in a blank", "http://10.0.0.1/shop "],
  ])("a mark with the same guid sets the URL: %s", async (_, url) => {
    const { farm, insert } = await rig(version);
    await insert(["a", guid(1), "http://10.0.0.1/shop"]);
    const { read } = await farm.mark([{ serverID: 1, name: "a", guid: guid(1), newGuid: guid(1), url }], never);
    expect(read.rows).toMatchObject([{ guid: guid(1), url }]);
  });

  test("a mark without a URL leaves it, and one that is there already touches nothing", async () => {
    const { farm, insert, modified } = await rig(version);
    await insert(["a", guid(1), "http://a"]);
    const { read } = await farm.mark([{ serverID: 1, name: "a", guid: guid(1), newGuid: guid(2) }], never);
    expect(read.rows).toMatchObject([{ guid: guid(2), url: "http://a" }]);
    await modified("2001-01-01T00:00:00");
    await farm.mark([{ serverID: 1, name: "a", guid: guid(2), newGuid: guid(2), url: "http://a" }], never);
    expect(await modified()).toEqual([true]);
  });

  test("of duplicates only the one that is named goes", async () => {
    const { farm, insert, rows } = await rig(version);
    await insert(["a", guid(1)], ["a", guid(1)]);
    await farm.remove([{ serverID: 2, name: "a", guid: guid(1) }], never);
    expect((await rows()).map(({ serverID }) => serverID)).toEqual([1]);
  });
});

describe.each(withPings)("version %s, with pings", (version) => {
  test("a row without a mark is adopted, or goes, as it was read", async () => {
    const { farm, insert, rows } = await rig(version);
    await insert(["a", null], ["b", null]);
    expect((await farm.mark([{ serverID: 1, name: "a", guid: null, newGuid: guid(1) }], never)).read.rows[0]).toMatchObject({
      guid: guid(1),
    });
    await farm.remove(
      [
        { serverID: 1, name: "a", guid: null },
        { serverID: 2, name: "b", guid: null },
      ],
      never,
    );
    expect((await rows()).map(({ name }) => name)).toEqual(["a"]);
  });

  test("a row goes only while its newest ping is the one that was read, alone and among others", async () => {
    const { farm, insert, rows, ping } = await rig(version);
    await insert(["a", null], ["b", null]);
    await ping(1);
    await ping(2);
    const { pings } = await farm.read(never);
    const removals = [1, 2].map((serverID) => ({
      serverID,
      name: serverID === 1 ? "a" : "b",
      guid: null,
      newestPing: pings?.get(serverID) ?? "",
    }));
    await ping(1);
    await farm.remove(removals.slice(0, 1), never);
    expect(await rows()).toHaveLength(2);
    await farm.remove(removals, never);
    expect((await rows()).map(({ name }) => name)).toEqual(["a"]);
    await farm.remove([{ serverID: 1, name: "a", guid: null }], never);
    expect(await rows()).toEqual([]);
  });

  test("a row that never pinged goes only while that is so", async () => {
    const { farm, insert, rows, ping } = await rig(version);
    await insert(["a", null], ["b", null]);
    await ping(2);
    const removals = [1, 2].map((serverID) => ({ serverID, name: serverID === 1 ? "a" : "b", guid: null, newestPing: noPing }));
    await farm.remove(removals, never);
    expect((await rows()).map(({ name }) => name)).toEqual(["b"]);
    await farm.remove(removals, never);
    expect((await rows()).map(({ name }) => name)).toEqual(["b"]);
  });

  test("a newest ping is not taken on trust where pings cannot be read", async () => {
    const { farm, insert, rows } = await rig(version, { lacks: ["CMS_WebFarmServerMonitoring SELECT"] });
    await insert(["a", guid(1)]);
    await expect(farm.remove([{ serverID: 1, name: "a", guid: guid(1), newestPing: "1" }], never)).rejects.toMatchObject({
      problem: { reason: "GrantMissing", message: expect.stringContaining("CMS_WebFarmServerMonitoring") },
    });
    expect(await rows()).toHaveLength(1);
  });

  test("a new server gets the table's newest ping, exactly, and the others none", async () => {
    const {
      farm,
      insert,
      pingsOf,
      test: { adminQuery },
    } = await rig(version);
    await insert(["old", guid(9)]);
    await adminQuery(
      "INSERT INTO [dbo].[CMS_WebFarmServerMonitoring] ([ServerID], [ServerPing]) VALUES (1, '2026-11-26T10:00:00.1234567'), (1, '2026-11-26T10:00:20.7654321'), (55, NULL);",
    );
    await farm.register([server("shop-0", 1), server("old", 2)], never, { copiesPing: true });
    await farm.register([server("shop-0", 1)], never, { copiesPing: true });
    await farm.register([server("shop-1", 2)], never);
    expect(await pingsOf(2)).toEqual(["2026-11-26 10:00:20.7654321"]);
    expect([(await pingsOf(1)).length, (await pingsOf(3)).length]).toEqual([2, 0]);
  });

  test("a row that another made under the name gets none", async () => {
    const { farm, insert, ping, pingsOf } = await rig(version);
    await insert(["old", guid(9)], ["quiet", guid(8)]);
    await ping(1);
    await farm.register([server("quiet", 1)], never, { copiesPing: true });
    expect(await pingsOf(2)).toEqual([]);
  });

  test("no ping, no copy", async () => {
    const { farm, count } = await rig(version);
    await farm.register([server("shop-0", 1)], never, { copiesPing: true });
    expect(await count("CMS_WebFarmServerMonitoring")).toBe(0);
  });

  test("without the grant no ping is copied, and the facts say so", async () => {
    const { farm, insert, ping, pingsOf } = await rig(version, { lacks: ["CMS_WebFarmServerMonitoring INSERT"] });
    await insert(["old", guid(9)]);
    await ping(1);
    await farm.register([server("shop-0", 1)], never, { copiesPing: true });
    expect(await pingsOf(2)).toEqual([]);
    expect((await farm.facts(never)).notes.join(" ")).toContain("GRANT INSERT ON [dbo].[CMS_WebFarmServerMonitoring]");
  });
});

describe.each(kenticoVersions)("version %s, with a limit", (version) => {
  const wanted = (first: number, count: number): readonly ReturnType<typeof fitting>[] =>
    Array.from({ length: count }, (_, index) => fitting(version, `shop-${first + index}`, first + index));

  test("the first of the servers get the places that enabled rows leave", async () => {
    const {
      farm,
      insert,
      rows,
      test: { adminQuery },
    } = await rig(version);
    await insert(["a", guid(91)], ["b", guid(92)], ["off", guid(93)]);
    await adminQuery("UPDATE [dbo].[CMS_WebFarmServer] SET [ServerEnabled] = 0 WHERE [ServerName] = N'off';");
    await farm.register([fitting(version, "a", 99), ...wanted(1, 5)], never, { mostServers: 4 });
    expect((await rows()).map(({ name }) => name)).toEqual(["a", "b", "off", "shop-1", "shop-2"]);
    await farm.register(wanted(1, 5), never, { mostServers: 1 });
    await farm.register(wanted(1, 5), never, { mostServers: 4 });
    expect(await rows()).toHaveLength(5);
  });

  onScript("one who counts waits for one who adds", async () => {
    const { farm, begin, rows, faults } = await rig(version);
    await farm.register(wanted(1, 2), never);
    // Copies a row under another name, enabled as it is.
    const columns = `[ServerDisplayName], [ServerGUID], [ServerLastModified], [ServerEnabled]${hasUrl(version) ? ", [ServerURL]" : version === "10" || version === "xbyk" ? "" : ", [IsExternalWebAppServer]"}`;
    const { commit } = await begin(
      `INSERT INTO [dbo].[CMS_WebFarmServer] ([ServerName], ${columns}) SELECT N'other', ${columns} FROM [dbo].[CMS_WebFarmServer] WHERE [ServerName] = N'shop-1';`,
    );
    const adding = farm.register(wanted(3, 3), never, { mostServers: 4 });
    await eventually(() =>
      faults.statements.some(({ text, parameters }) => text.includes("@most") && parameters.some(({ value }) => value === "shop-3")),
    );
    await commit();
    await adding;
    expect((await rows()).map(({ name }) => name)).toEqual(["shop-1", "shop-2", "other", "shop-3"]);
  });

  test("two leaders at once together keep it", async () => {
    const { farm, another, rows } = await rig(version);
    const others = another();
    await Promise.all([farm.facts(never), others.facts(never)]);
    await Promise.all([farm.register(wanted(1, 3), never, { mostServers: 4 }), others.register(wanted(11, 3), never, { mostServers: 4 })]);
    expect(await rows()).toHaveLength(4);
  });
});
