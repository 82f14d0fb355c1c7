// Names that a database takes for one although they are not the same, under the collations that sites have: whole passes against a database
// that compares by each, or whose columns compare by another than itself. What is equal in their eyes is a Conflict, and adopted where the
// farm asks for that; what is not is left alone.

import { afterEach, describe, expect, test } from "@jest/globals";
import type { Pod } from "../../operator/farm/model.ts";
import { whereTaken } from "../database/database.ts";
import { kenticoBatches } from "../database/fixtures/kentico.ts";
import type { KenticoVersion } from "../database/fixtures/kentico.ts";
import { ended, farm as buildFarm, identity, pod } from "../farm/build.ts";
import { FakeWorld } from "../pass/fakeWorld.ts";
import { type FarmRig, guid, never, openFarm, server } from "../sqlserver/farmRig.ts";
import { insertForeign, wholeRows } from "../world/wholeRow.ts";
import type { WholeRow } from "../world/wholeRow.ts";

/** Each pod, and the name of a row that a person made, which differs from the pod's in this. */
const spellings = {
  case: ["shop-i0", "SHOP-I0"],
  "case, without i": ["shop-a1", "SHOP-A1"],
  accents: ["shop-a2", "shóp-a2"],
  width: ["shop-a3", "ｓhop-a3"],
  "trailing blanks": ["shop-a4", "shop-a4  "],
  "leading blanks": ["shop-a5", " shop-a5"],
} as const;
type Spelling = keyof typeof spellings;

/** What each collation takes for equal. https://learn.microsoft.com/sql/t-sql/statements/windows-collation-name-transact-sql */
const equalIn: Readonly<Record<string, readonly Spelling[]>> = {
  SQL_Latin1_General_CP1_CI_AS: ["case", "case, without i", "width", "trailing blanks"],
  Latin1_General_CS_AS: ["width", "trailing blanks"],
  Latin1_General_CI_AI: ["case", "case, without i", "accents", "width", "trailing blanks"],
  Latin1_General_CI_AS_KS_WS: ["case", "case, without i", "trailing blanks"],
  Turkish_CI_AS: ["case, without i", "width", "trailing blanks"], // I is ı's capital, and i's is İ
  Japanese_CI_AS: ["case", "case, without i", "width", "trailing blanks"],
  Latin1_General_BIN2: ["trailing blanks"],
};

let opened: FarmRig | undefined;
afterEach(async () => {
  await opened?.close();
  opened = undefined;
});

interface Stage {
  readonly world: FakeWorld;
  readonly pods: readonly Pod[];
  readonly rows: () => Promise<readonly WholeRow[]>;
  readonly names: () => Promise<readonly string[]>;
  readonly states: () => Readonly<Record<string, string>>;
}

interface Tables {
  readonly version: KenticoVersion;
  /** The collation of each column of text. */
  readonly columns: string;
  /** Of the database: that of what names none. */
  readonly database: string;
}

const openTables = async ({ version, columns, database }: Tables): Promise<FarmRig> =>
  await openFarm({ database: { kentico: { version, ...(columns !== database && { textCollation: columns }) }, collation: database } });

async function open(tables: Tables): Promise<Stage> {
  const rig = await openTables(tables);
  opened = rig;
  const world = new FakeWorld(rig.databases);
  world.secrets.set("kentico", { CMSConnectionString: rig.test.connectionString });
  world.replicas = Object.keys(spellings).length;
  const pods = Object.values(spellings).map(([name], index) => pod({ name, ip: `10.0.0.${index + 1}` }));
  for (const [, foreign] of Object.values(spellings)) await insertForeign(rig.test, { name: foreign });
  for (const one of pods) world.put(one);
  const rows = async (): Promise<readonly WholeRow[]> => await wholeRows(rig.test);
  return {
    ...{ world, pods, rows },
    names: async () => (await rows()).map(({ ServerName }) => ServerName).toSorted(),
    states: () => Object.fromEntries((world.farm?.status.servers ?? []).map(({ pod: name, state }) => [name ?? "", state])),
  };
}

const ask = (world: FakeWorld, adoption: "Never" | "MatchingNames"): void => {
  const { spec } = buildFarm({ spec: { ownerId: identity.ownerId, adoption, maxServers: 0, webFarmMode: "Manual" } });
  world.change({ spec, generation: (world.farm?.generation ?? 0) + 1 });
};

const onEach = (pairs: readonly Omit<Tables, "version">[]): readonly Tables[] =>
  pairs.flatMap((pair) => (["13", "7"] as const).map((version) => ({ ...pair, version })));

const ofTheDatabase = onEach(Object.keys(equalIn).map((collation) => ({ columns: collation, database: collation })));

/** As a database is left whose own collation was changed, or that was scripted from another. */
const ofTheirOwn = onEach([
  { columns: "SQL_Latin1_General_CP1_CI_AS", database: "Latin1_General_CS_AS" },
  { columns: "Latin1_General_CS_AS", database: "SQL_Latin1_General_CP1_CI_AS" },
  { columns: "Turkish_CI_AS", database: "SQL_Latin1_General_CP1_CI_AS" },
  { columns: "SQL_Latin1_General_CP1_CI_AS", database: "Turkish_CI_AS" },
  { columns: "Latin1_General_CI_AI", database: "Latin1_General_BIN2" },
]);

test.each([...ofTheDatabase, ...ofTheirOwn])(
  "in columns of $columns in a database of $database on Kentico $version, a row of a name that is equal to them is a Conflict until it is adopted",
  whereTaken(async (tables) => {
    const { world, pods, rows, names, states } = await open(tables);
    const equal = equalIn[tables.columns] ?? [];
    const of = (spelling: Spelling): { readonly own: string; readonly foreign: string } => ({
      own: spellings[spelling][0],
      foreign: spellings[spelling][1],
    });
    const all = Object.keys(spellings) as readonly Spelling[];
    const others = all.filter((spelling) => !equal.includes(spelling));
    const foreign = await rows();

    ask(world, "Never");
    await world.settle(5_000);
    expect(states()).toEqual(Object.fromEntries(all.map((one) => [of(one).own, equal.includes(one) ? "Conflict" : "Registered"])));
    expect(await names()).toEqual([...all.map((one) => of(one).foreign), ...others.map((one) => of(one).own)].toSorted());
    expect((await rows()).slice(0, foreign.length)).toEqual(foreign);

    ask(world, "MatchingNames");
    await world.settle(5_000);
    expect(states()).toEqual(Object.fromEntries(all.map((one) => [of(one).own, "Registered"])));
    const adopted = new Set<string>(equal.map((one) => of(one).foreign));
    const untouched = foreign.filter(({ ServerName }) => !adopted.has(ServerName));
    expect((await rows()).filter(({ ServerID }) => untouched.some((row) => row.ServerID === ServerID))).toEqual(untouched);
    expect(await names()).toEqual([...all.map((one) => of(one).foreign), ...others.map((one) => of(one).own)].toSorted());

    for (const { name, uid } of pods) world.put(ended({ name, uid }));
    await world.settle(60_000);
    expect(await rows()).toEqual(untouched);
  }),
);

/** Of the search tasks that are left, sorted. */
async function searchTasks({ test: { adminQuery } }: FarmRig): Promise<readonly string[]> {
  const tasks = await adminQuery<{ readonly name: string }>("SELECT SearchTaskServerName AS name FROM CMS_SearchTask");
  return tasks.map(({ name }) => name).toSorted();
}

describe.each(ofTheirOwn)("columns of $columns in a database of $database on Kentico $version", (tables) => {
  const isEqual = (equalIn[tables.columns] ?? []).includes("case");
  const [name, foreign] = spellings.case;
  const hasPings = tables.version === "13";

  async function openWithForeign(): Promise<{ readonly rig: FarmRig; readonly serverID: number }> {
    const rig = await openTables(tables);
    opened = rig;
    await rig.insert([foreign, guid(1), "http://a"]);
    const [row] = await rig.rows();
    return { rig, serverID: row?.serverID ?? 0 };
  }

  test(
    "a name is registered, with the newest ping, where none is equal to them, and the one that is equal is told",
    whereTaken(async () => {
      const { rig, serverID } = await openWithForeign();
      if (hasPings) await rig.ping(serverID);
      const { read, refused } = await rig.farm.register([{ ...server(name, 2), url: "http://b" }], never, { copiesPing: true });
      expect(refused).toEqual([]);
      expect(read.rows.map((row) => row.name)).toEqual(isEqual ? [foreign] : [foreign, name]);
      const added = read.rows.find((row) => row.name === name);
      if (added !== undefined && hasPings) expect(await rig.pingsOf(added.serverID)).toEqual(await rig.pingsOf(serverID));
      expect(await rig.farm.conflict(name, never)).toMatchObject({ name: isEqual ? foreign : name });
      expect(await rig.farm.conflict("shop-other", never)).toBeUndefined();
    }),
  );

  test(
    "a row is marked and removed with its bindings if its name is equal to them to what was read",
    whereTaken(async () => {
      const { rig, serverID } = await openWithForeign();
      await rig.bind(serverID, 3);
      const marked = await rig.farm.mark([{ serverID, name, guid: guid(1), newGuid: guid(2), url: "http://b" }], never);
      expect(marked.read.rows).toMatchObject([{ name: foreign, guid: guid(isEqual ? 2 : 1) }]);
      if (tables.version === "7") expect(marked.read.rows).toMatchObject([{ url: isEqual ? "http://b" : "http://a" }]);
      const again = await rig.farm.mark([{ serverID, name: foreign, guid: guid(isEqual ? 2 : 1), newGuid: guid(3) }], never);
      expect(again.read.rows).toMatchObject([{ guid: guid(3) }]);
      const removed = await rig.farm.remove([{ serverID, name, guid: guid(3) }], never);
      expect([removed.bindings, removed.read.rows.length]).toEqual(isEqual ? [3, 0] : [0, 1]);
      const atLast = await rig.farm.remove([{ serverID, name: foreign, guid: guid(3) }], never);
      expect([atLast.bindings, atLast.read.rows.length]).toEqual(isEqual ? [0, 0] : [3, 0]);
    }),
  );

  test(
    "a removed server's search tasks are swept if its name is equal to them, and no server is there whose name is",
    whereTaken(async () => {
      const { rig } = await openWithForeign();
      for (const task of [name, foreign, "shop-i7", "SHOP-I7"])
        await rig.test.adminQuery("INSERT INTO CMS_SearchTask (SearchTaskServerName) VALUES (@task)", { task });
      await rig.farm.sweep(
        [
          { serverID: 98, name },
          { serverID: 99, name: "shop-i7" },
        ],
        never,
      );
      expect(await searchTasks(rig)).toEqual((isEqual ? [name, foreign] : [foreign, "SHOP-I7"]).toSorted());
    }),
  );
});

/** What runs into a column that was changed behind the operator's back fails once at most: then the tables are looked at anew. */
async function onceMore<Result>(write: () => Promise<Result>): Promise<Result> {
  try {
    return await write();
  } catch (error) {
    expect(error).toMatchObject({ problem: { kind: "schema", reason: "TableChanged", stalled: false }, outcome: "notApplied" });
    return await write();
  }
}

test(
  "a column that is given another collation while the operator runs is compared by that",
  whereTaken(async () => {
    const rig = await openTables({ version: "13", columns: "Latin1_General_CS_AS", database: "Latin1_General_CS_AS" });
    opened = rig;
    await rig.insert(["SHOP-0", guid(1)]);
    await rig.farm.read(never);
    for (const change of [
      "DROP INDEX [IX_CMS_WebFarmServer_ServerName] ON [CMS_WebFarmServer];",
      "ALTER TABLE [CMS_WebFarmServer] DROP CONSTRAINT [DF_CMS_WebFarmServer_ServerName];",
      "ALTER TABLE [CMS_WebFarmServer] ALTER COLUMN [ServerName] nvarchar(300) COLLATE Latin1_General_CI_AS NOT NULL;",
      "CREATE UNIQUE INDEX [IX_CMS_WebFarmServer_ServerName] ON [CMS_WebFarmServer] ([ServerName]);",
    ])
      await rig.test.adminQuery(change);
    const { read, refused } = await onceMore(() => rig.farm.register([server("shop-0", 2)], never));
    expect([read.rows.map((row) => row.name), refused]).toEqual([["SHOP-0"], []]);
    expect(await rig.farm.conflict("shop-0", never)).toMatchObject({ name: "SHOP-0" });
  }),
);

test(
  "names of tables and columns are used as the database spells them, where case counts",
  whereTaken(async () => {
    const rig = await openFarm({ database: { collation: "Latin1_General_CS_AS" } });
    opened = rig;
    const { adminQuery, connectionString } = rig.test;
    const inLowerCase = (sql: string): string => sql.replaceAll(/\[[^\]]+\]/g, (name) => name.toLowerCase());
    for (const batch of kenticoBatches({ version: "13" })) await adminQuery(inLowerCase(batch));
    const names = async (): Promise<readonly unknown[]> => await adminQuery("SELECT servername FROM cms_webfarmserver");
    const world = new FakeWorld(rig.databases);
    world.secrets.set("kentico", { CMSConnectionString: connectionString });
    world.replicas = 1;
    world.put(pod());
    await world.settle(5_000);
    expect(world.condition("Ready")).toEqual({ status: "True", reason: "Ready" });
    expect(await names()).toEqual([{ servername: "shop-a" }]);
    world.put(ended());
    await world.settle(5_000);
    expect(await names()).toEqual([]);
  }),
);
