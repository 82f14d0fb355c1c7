// The main job on every generation of the product, on a real control plane and with an operator process of its own each: rows before
// traffic, rows gone when processes have ended, URLs where the table has them, through scaling, a rollout and a crash of the operator. And
// settings under which the operator must not write: nothing is written, and the farm says what to change.

import { afterAll, beforeAll, expect, it } from "@jest/globals";
import type { WebFarmSpec } from "../../operator/farm/resource.generated.ts";
import { connectCluster } from "../cluster/shared.ts";
import type { SharedCluster } from "../cluster/shared.ts";
import { createFarmWorld } from "../world/farmWorld.ts";
import type { FarmWorld, PodSummary } from "../world/farmWorld.ts";
import { generations } from "../world/generations.ts";
import type { Generation } from "../world/generations.ts";
import { startInstances } from "../world/instances.ts";
import type { Instances } from "../world/instances.ts";
import { story } from "../world/shopFarm.ts";
import type { OpenShopFarm, ShopFarm } from "../world/shopFarm.ts";
import type { WholeRow } from "../world/wholeRow.ts";

const limitMs = 300_000;
const foreign = [{ name: "ADMIN-01", guid: "3f2504e0-4f89-41d3-9a0c-0305e82c3301" }];
/** Names that stay when a pod is replaced, on some; both kinds on tables with and without ServerURL. */
const sets: readonly string[] = ["7", "10"];

let cluster: SharedCluster;
/** Whose operator is not killed. */
let calm: FarmWorld;
const worlds: FarmWorld[] = [];

beforeAll(async () => {
  cluster = await connectCluster();
  calm = await openWorld();
}, limitMs);
afterAll(async () => {
  for (const world of worlds) await world.close();
  await cluster.close();
}, limitMs);

async function openWorld(): Promise<FarmWorld> {
  const world = await createFarmWorld({ cluster });
  worlds.push(world);
  return world;
}

const named = generations.map((generation) => ({ name: `v${generation.version.replace(".", "-")}`, ...generation }));
type Named = (typeof named)[number];
type WithOperator = Named & Required<Pick<Generation, "operator">>;
type WithApplication = Named & Required<Pick<Generation, "application">>;

it.concurrent.each(named.filter((generation): generation is WithOperator => generation.operator !== undefined))(
  "does the main job on Kentico $version",
  story(async (open, generation) => {
    await mainJob(open, generation);
  }),
  limitMs,
);

async function mainJob(open: OpenShopFarm, { name, version, product, operator }: WithOperator): Promise<void> {
  const world = await openWorld();
  const kind = sets.includes(version) ? "StatefulSet" : "Deployment";
  const farm = await open(world, { ...{ name, kind, kentico: operator.kentico, spec: operator.spec, foreign, replicas: 2 } });
  const others = async (): Promise<readonly WholeRow[]> => (await farm.rows()).filter(({ ServerName }) => ServerName === "ADMIN-01");
  const before = await others();

  await settled(farm, 2);
  await farm.until("the status says which product it is, and why rows may be written", async () => {
    const { database } = await farm.status();
    return database?.product === product && (await farm.condition("SettingsCompatible")).startsWith(`True/${operator.reason} `);
  });
  await changeUrl(farm);
  await farm.scale(3);
  await settled(farm, 3);
  await farm.scale(2);
  await settled(farm, 2);
  await rollOut(farm, () => world.kubectl("set", "image", `${kind}/${name}`, "web=shop:2"));
  await crash(world, farm);
  expect(await others()).toEqual(before);
}

/** With, where the table has ServerURL, each row's URL that of its pod. */
async function settled(farm: ShopFarm, pods: number): Promise<void> {
  await farm.settled(pods);
  expect(await wrongUrls(farm)).toEqual([]);
}

async function wrongUrls(farm: ShopFarm): Promise<readonly WholeRow[]> {
  const urls = new Map((await farm.alive()).map(({ name, ip }) => [name, `http://${ip}`]));
  return (await farm.rows()).filter(
    ({ ServerName, ServerURL }) => ServerURL !== undefined && urls.has(ServerName) && ServerURL !== urls.get(ServerName),
  );
}

/** A URL that a person changed is set right. */
async function changeUrl(farm: ShopFarm): Promise<void> {
  const [row] = (await farm.rows()).filter(({ ServerName, ServerURL }) => ServerURL !== undefined && ServerName !== "ADMIN-01");
  if (row === undefined) return;
  await farm.database.adminQuery("UPDATE CMS_WebFarmServer SET ServerURL = N'http://10.9.9.9' WHERE ServerID = @id", { id: row.ServerID });
  await farm.nudge();
  await farm.until("the URL is the pod's again", async () => (await wrongUrls(farm)).length === 0);
  expect((await farm.row(row.ServerName))?.ServerID).toBe(row.ServerID);
}

async function rollOut(farm: ShopFarm, change: () => Promise<unknown>): Promise<void> {
  const uids = async (): Promise<readonly string[]> => (await farm.alive()).map(({ uid }) => uid);
  const old = await uids();
  await change();
  await farm.until("all pods are new", async () => {
    const now = await uids();
    return now.length > 0 && now.every((uid) => !old.includes(uid));
  });
  await settled(farm, 2);
}

/** A pod ends and another comes while no operator runs: no traffic before the next one has come, and then all is right. */
async function crash(world: FarmWorld, farm: ShopFarm): Promise<void> {
  const [pod] = await farm.alive();
  if (pod === undefined) throw new Error(`${farm.name} has no living pod`);
  await world.operator.kill();
  await farm.annotate(pod.name, "kubelet.test/behave=evict");
  await farm.until("the pod that comes in its place waits for its row", async () => {
    const alive = await farm.alive();
    return alive.length === 2 && alive.every(({ uid }) => uid !== pod.uid) && alive.some(({ waitsForGate }) => waitsForGate);
  });
  await world.restartOperator();
  await settled(farm, 2);
}

it.concurrent.each(named.filter((generation): generation is WithApplication => generation.application !== undefined))(
  "removes what a crash left on Kentico $version where the application registers itself, and writes nothing else",
  story(async (open, { name: version, application }) => {
    const name = `${version}-self`;
    const farm = await open(calm, {
      ...{ name, kentico: application.kentico, foreign, replicas: 2 },
      isRowOf: (pod, row) => row.ServerName === serverOf(pod),
      spec: {
        registration: "Application",
        members: [selfRegistering(name)],
        removal: { nodeLostSeconds: 10 }, // a ping that comes late keeps the row for no longer
      },
    });
    const instances = startInstances({ database: farm.database, pods: farm.pods, nameOf: serverOf });
    try {
      await reap(farm, instances);
    } finally {
      await instances.stop();
    }
  }),
  limitMs,
);

/** The product appends to the name of the machine what nobody can know. */
const serverOf = ({ name }: Pick<PodSummary, "name">): string => `${name}_web`;

const selfRegistering = (workload: string): WebFarmSpec["members"][number] => ({
  name: "live",
  workloadRef: { apiVersion: "apps/v1", kind: "Deployment", name: workload },
  serverName: "$(POD_NAME)*",
});

async function reap(farm: ShopFarm, instances: Instances): Promise<void> {
  const registeredThemselves = async (): Promise<void> =>
    await farm.until("two pods are Ready, and the rows besides the foreign one are theirs", async () => {
      const alive = await farm.alive();
      const wanted = ["ADMIN-01", ...alive.map(serverOf)].toSorted();
      const run = alive.every(({ uid, ready }) => ready && instances.isRegistered(uid));
      return alive.length === 2 && run && isSame(wanted, (await farm.names()).toSorted());
    });
  await registeredThemselves();
  await farm.until("the operator knows whose the rows are", async () => (await farm.status()).inventory?.length === 2);
  const before = await farm.rows();
  const [pod] = await farm.alive();
  if (pod === undefined) throw new Error(`${farm.name} has no living pod`);
  await farm.annotate(pod.name, "kubelet.test/behave=fail");
  await farm.until("the row that it left is gone", async () => !(await farm.names()).includes(serverOf(pod)));
  await registeredThemselves();
  const after = await farm.rows();
  const stayed = after.filter(({ ServerID }) => before.some((row) => row.ServerID === ServerID));
  expect(stayed).toEqual(before.filter(({ ServerName }) => ServerName !== serverOf(pod)));
}

const isSame = (one: readonly string[], other: readonly string[]): boolean => JSON.stringify(one) === JSON.stringify(other);

it.concurrent(
  "writes nothing where the settings do not go together with the farm, says what to change, and lets pods go on without rows",
  story(async (open) => {
    const all = named.flatMap(({ name, refused }) => refused.map((one, index) => ({ ...one, name: `${name}-${index}` })));
    await Promise.all(
      all.map(async ({ name, what, kentico, spec, reason }) => {
        const farm = await open(calm, {
          ...{ name, kentico, foreign, replicas: 1 },
          spec: { ...spec, readinessGate: { failOpenSeconds: 2 } },
        });
        await farm.until(`SettingsCompatible says ${reason} (${what})`, async () =>
          (await farm.condition("SettingsCompatible")).startsWith(`False/${reason} `),
        );
        await farm.until("the gate is open without a row", async () => (await farm.alive()).some(({ gate }) => gate === "FailOpen"));
        expect(await farm.condition("Ready")).toMatch(/^False\//);
        expect(await farm.names()).toEqual(["ADMIN-01"]);
      }),
    );
  }),
  limitMs,
);
