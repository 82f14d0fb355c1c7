// Names that a database takes for one although they are not the same, under the collations that sites have: whole passes against a database
// that compares by each. What is equal in its eyes is a Conflict, and adopted where the farm asks for that; what is not is left alone.

import { afterEach, expect, test } from "@jest/globals";
import type { Pod } from "../../operator/farm/model.ts";
import { kenticoBatches } from "../database/fixtures/kentico.ts";
import type { KenticoVersion } from "../database/fixtures/kentico.ts";
import { ended, farm as buildFarm, identity, pod } from "../farm/build.ts";
import { FakeWorld } from "../pass/fakeWorld.ts";
import { type FarmRig, openFarm } from "../sqlserver/farmRig.ts";
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

async function open(version: KenticoVersion, collation: string): Promise<Stage> {
  const rig = await openFarm({ database: { kentico: { version }, collation } });
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

const cases = Object.keys(equalIn).flatMap((collation) => (["13", "7"] as const).map((version) => [collation, version] as const));

test.each(cases)(
  "in %s on Kentico %s, a row of a name that is equal to the database is a Conflict until it is adopted",
  async (collation, version) => {
    const { world, pods, rows, names, states } = await open(version, collation);
    const equal = equalIn[collation] ?? [];
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
  },
);

test("names of tables and columns are used as the database spells them, where case counts", async () => {
  const rig = await openFarm({ database: { collation: "Latin1_General_CS_AS" } });
  opened = rig;
  const { adminQuery, database, connectionString } = rig.test;
  const inLowerCase = (sql: string): string => sql.replaceAll(/\[[^\]]+\]/g, (name) => name.toLowerCase());
  for (const batch of kenticoBatches({ version: "13", database })) await adminQuery(inLowerCase(batch));
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
});
