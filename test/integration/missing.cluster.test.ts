// Pods whose end nobody saw, on a real control plane: their rows wait for as long as a process can live, a restarted operator repairs what
// it missed, and where most of a farm is missing nothing goes.

import { afterAll, beforeAll, expect, it } from "@jest/globals";
import type { SharedCluster } from "../cluster/shared.ts";
import { connectCluster } from "../cluster/shared.ts";
import { createFarmWorld } from "../world/farmWorld.ts";
import type { FarmWorld } from "../world/farmWorld.ts";
import { allowPods, forbidPods } from "../world/podQuota.ts";
import { removalOf } from "../world/removalLog.ts";
import { story } from "../world/shopFarm.ts";
import type { ShopFarm } from "../world/shopFarm.ts";

const limitMs = 300_000;
/** What promise 3 adds to a pod's grace. */
const paddingMs = 10_000;
/** The same with the grace of a pod that this process never saw. Where the product does not ping, nodeLostSeconds is that whole wait. */
const unseenWaitMs = 30_000 + paddingMs;
const unseenSpec = { removal: { nodeLostSeconds: unseenWaitMs / 1_000 } };

let cluster: SharedCluster;
const worlds: FarmWorld[] = [];
beforeAll(async () => {
  cluster = await connectCluster();
}, limitMs);
afterAll(async () => {
  for (const world of worlds) await world.close();
  await cluster.close();
}, limitMs);

async function newWorld(): Promise<FarmWorld> {
  const world = await createFarmWorld({ cluster });
  worlds.push(world);
  return world;
}

it.concurrent(
  "keeps the row of a pod that was deleted by force for its grace period and 10 s, and then removes it",
  story(async (open) => {
    const world = await newWorld();
    const [short, long] = [await open(world, { name: "short", graceSeconds: 3 }), await open(world, { name: "long", graceSeconds: 600 })];
    await Promise.all([short.settled(3), long.settled(3)]);
    const [goes, stays] = [(await short.rows())[0], (await long.rows())[0]];
    if (goes === undefined || stays === undefined) throw new Error("Both farms must have rows");
    const uid = (await short.pods()).find(({ name }) => name === goes.ServerName)?.uid;
    const deletedAtMs = Date.now();
    await Promise.all([short.deletePod(goes.ServerName, "by force"), long.deletePod(stays.ServerName, "by force")]);
    await short.settled(3);
    const removal = await removalOf(world, goes.ServerName);
    expect(removal).toMatchObject({ serverID: goes.ServerID, evidence: "missing", podUID: uid });
    expect(removal.atMs - deletedAtMs).toBeGreaterThanOrEqual(3_000 + paddingMs);

    await long.until("the farm shows the row as one that waits, and the next pod's as registered", async () => {
      const { stale, registered } = await long.status();
      return stale === 1 && registered === 3 && (await long.server(stays.ServerName))?.reason === "ProcessMayLive";
    });
    expect(await long.row(stays.ServerName)).toEqual(stays);
  }),
  limitMs,
);

it.concurrent(
  "repairs the rows after the operator was killed while pods changed: new pods at once, unseen ends after their wait",
  story(async (open) => {
    const world = await newWorld();
    const shop = await open(world, { name: "shop", replicas: 3, spec: unseenSpec });
    const set = await open(world, { name: "set", kind: "StatefulSet", replicas: 2 });
    await Promise.all([shop.settled(3), set.settled(2)]);
    const [unseen = ""] = await shop.names();
    const unseenRow = await shop.row(unseen);
    const successors = (await set.rows()).map(({ ServerID }) => ServerID);
    await world.operator.kill();
    await Promise.all([shop.deletePod(unseen), set.deletePod("set-0")]);
    await Promise.all([shop, set].map((farm) => farm.until("a new pod waits for its row", async () => hasWaitingPod(farm))));
    await shop.until("nothing tells of the old one's end", async () => (await shop.pods()).every(({ name }) => name !== unseen));
    await shop.scale(4);

    const restartedAtMs = Date.now();
    await world.restartOperator();
    await shop.until("every living pod is Ready", async () => {
      const pods = await shop.alive();
      return pods.length === 4 && pods.every(({ ready, gate }) => ready && gate === "Registered");
    });
    await set.settled(2);
    expect((await set.rows()).map(({ ServerID }) => ServerID)).toEqual(successors);
    await shop.settled(4);
    const removal = await removalOf(world, unseen);
    expect(removal).toMatchObject({ serverID: unseenRow?.ServerID, evidence: "missing", podUID: "never seen" });
    expect(removal.atMs - restartedAtMs).toBeGreaterThanOrEqual(unseenWaitMs);
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
    const emptied = await open(world, { name: "emptied", replicas: 4, spec: unseenSpec });
    const other = await open(world, { name: "other", replicas: 3 });
    await Promise.all([emptied.settled(4), other.settled(3)]);
    const before = await emptied.rows();
    const names = before.map(({ ServerName }) => ServerName);
    await forbidPods(world);
    world.operator.signal("SIGSTOP"); // until all have gone: the first one's wait is short
    await world.kubectl("delete", "pod", ...names, "--force", "--grace-period=0", "--wait=false");
    await emptied.until("no pod is left", async () => (await emptied.pods()).length === 0);
    world.operator.signal("SIGCONT");
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
    const restartedAtMs = Date.now();
    await world.restartOperator();
    const blocked = `webfarm_removals_blocked{namespace="${world.namespace}",name="emptied"} 4`;
    await emptied.until("the new process has found its rows Blocked too", async () => (await world.operator.metrics()).includes(blocked));
    expect(await emptied.rows()).toEqual(before);

    await allowPods(world);
    await emptied.scale(5); // the workload's controller, which has backed off, looks at once
    await emptied.until("new pods are Ready", async () => {
      const pods = await emptied.alive();
      return pods.length === 5 && pods.every(({ ready, gate }) => ready && gate === "Registered");
    });
    await emptied.until("nothing is Blocked", async () => (await world.condition("RemovalsBlocked", "emptied")) === "False/NothingBlocked");
    await emptied.settled(5); // the old rows only waited
    for (const name of names) {
      const removal = await removalOf(world, name);
      expect(removal.evidence).toBe("missing");
      expect(removal.atMs - restartedAtMs).toBeGreaterThanOrEqual(unseenWaitMs);
    }
  }),
  limitMs,
);
