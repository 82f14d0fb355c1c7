// Pods whose end nobody saw, on a real control plane: their rows wait for as long as a process can live, a restarted operator repairs what
// it missed, and where most of a farm is missing nothing goes.

import { afterAll, beforeAll, expect, it } from "@jest/globals";
import type { SharedCluster } from "../cluster/shared.ts";
import { connectCluster } from "../cluster/shared.ts";
import { createFarmWorld } from "../world/farmWorld.ts";
import type { FarmWorld } from "../world/farmWorld.ts";
import { story } from "../world/shopFarm.ts";
import type { ShopFarm } from "../world/shopFarm.ts";

const limitMs = 110_000;
/** What promise 3 adds to a pod's grace, and the grace of a pod that this process never saw. */
const paddingMs = 10_000;
const unseenGraceMs = 30_000;

let cluster: SharedCluster;
const worlds: FarmWorld[] = [];
beforeAll(async () => {
  cluster = await connectCluster();
}, 60_000);
afterAll(async () => {
  for (const world of worlds) await world.close();
  await cluster.close();
}, 60_000);

async function newWorld(): Promise<FarmWorld> {
  const world = await createFarmWorld({ cluster });
  worlds.push(world);
  return world;
}

const reasonOf = async (farm: ShopFarm, name: string): Promise<string | undefined> => (await farm.server(name))?.reason;

it.concurrent(
  "keeps the row of a pod that was deleted by force for its grace period and 10 s, and then removes it",
  story(async (open) => {
    const world = await newWorld();
    const farm = await open(world, { name: "forced", replicas: 3, graceSeconds: 3 });
    await farm.settled(3);
    const name = (await farm.names())[0] ?? "";
    const before = await farm.row(name);
    const deletedAtMs = performance.now();
    await farm.deletePod(name, "by force");
    await farm.until("the farm shows its row as Stale", async () => (await reasonOf(farm, name)) === "ProcessMayLive");
    expect(await farm.status()).toMatchObject({ desired: 3, stale: 1 });
    expect(await farm.row(name)).toEqual(before);
    await farm.until("its row has gone", async () => (await farm.row(name)) === undefined);
    const waitedMs = performance.now() - deletedAtMs;
    expect(waitedMs).toBeGreaterThanOrEqual(3_000 + paddingMs);
    expect(waitedMs).toBeLessThan(3_000 + paddingMs + 5_000);
    await farm.settled(3);
  }),
  limitMs,
);

it.concurrent(
  "repairs the rows after the operator was killed while pods changed: new pods at once, unseen ends after their wait",
  story(async (open) => {
    const world = await newWorld();
    // Where the product does not ping, nodeLostSeconds is the whole wait.
    const spec = { removal: { nodeLostSeconds: (unseenGraceMs + paddingMs) / 1_000 } };
    const shop = await open(world, { name: "shop", replicas: 3, spec });
    const set = await open(world, { name: "set", kind: "StatefulSet", replicas: 2 });
    await Promise.all([shop.settled(3), set.settled(2)]);
    const [unseen = ""] = await shop.names();
    const unseenRow = await shop.row(unseen);
    const successors = (await set.rows()).map(({ ServerID }) => ServerID);
    await world.operator.kill();
    await Promise.all([shop.deletePod(unseen), set.deletePod("set-0")]);
    await Promise.all([shop, set].map((farm) => farm.until("new pods wait for their rows", async () => hasWaitingPod(farm))));
    await shop.scale(4);

    const restartedAtMs = performance.now();
    await world.restartOperator();
    await shop.until("every living pod is Ready", async () => {
      const pods = await shop.alive();
      return pods.length === 4 && pods.every(({ ready, gate }) => ready && gate === "Registered");
    });
    await set.settled(2);
    expect((await set.rows()).map(({ ServerID }) => ServerID)).toEqual(successors);
    expect(await shop.row(unseen)).toEqual(unseenRow);
    await shop.settled(4);
    expect(performance.now() - restartedAtMs).toBeGreaterThanOrEqual(unseenGraceMs + paddingMs);
  }),
  limitMs,
);

async function hasWaitingPod(farm: ShopFarm): Promise<boolean> {
  return (await farm.alive()).some(({ waitsForGate }) => waitsForGate);
}

it.concurrent(
  "removes nothing while most rows miss their pods and most pods are not to be seen, also not after a restart",
  story(async (open) => {
    const world = await newWorld();
    const emptied = await open(world, { name: "emptied", replicas: 4 });
    const other = await open(world, { name: "other", replicas: 3 });
    await Promise.all([emptied.settled(4), other.settled(3)]);
    const before = await emptied.rows();
    await world.apply({ apiVersion: "v1", kind: "ResourceQuota", metadata: { name: "no-pods" }, spec: { hard: { pods: "0" } } });
    for (const { ServerName } of before) await emptied.deletePod(ServerName, "by force");
    await emptied.until("its rows are Blocked", async () => (await emptied.status()).blocked === 4);
    expect(await world.condition("RemovalsBlocked", "emptied")).toBe("True/UnexplainedAbsence");
    const servers = (await emptied.status()).servers ?? [];
    expect(servers.map(({ state }) => state)).toEqual(["Blocked", "Blocked", "Blocked", "Blocked"]);

    // A pod of a farm that looks right goes in the same way, and its row with it: so the wait of those that stay is over too.
    const [missing = ""] = await other.names();
    await other.deletePod(missing, "by force");
    await other.until("the row of its missing pod has gone", async () => (await other.row(missing)) === undefined);
    expect(await emptied.rows()).toEqual(before);

    await world.operator.kill();
    await world.restartOperator();
    const blocked = `webfarm_removals_blocked{namespace="${world.namespace}",name="emptied"} 4`;
    await emptied.until("the new process has found its rows Blocked too", async () => (await world.operator.metrics()).includes(blocked));
    expect(await emptied.rows()).toEqual(before);

    await world.kubectl("delete", "resourcequota", "no-pods");
    await emptied.scale(5); // the workload's controller, which has backed off, looks at once
    await emptied.until("new pods are Ready and the old rows only wait", async () => {
      const [pods, servers] = [await emptied.alive(), (await emptied.status()).servers ?? []];
      const isWaiting = servers.filter(({ reason }) => reason === "ProcessMayLive").length === 4;
      return pods.length === 5 && pods.every(({ ready, gate }) => ready && gate === "Registered") && isWaiting;
    });
    expect(await world.condition("RemovalsBlocked", "emptied")).toBe("False/NothingBlocked");
    expect((await emptied.rows()).slice(0, 4)).toEqual(before);
  }),
  limitMs,
);
