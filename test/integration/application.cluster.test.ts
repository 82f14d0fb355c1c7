// An application that registers itself, on a real control plane, with the tables of Xperience by Kentico: the operator only takes away what
// pods left behind, knows after a crash of its own whose the rows were, and leaves everybody else's rows as they are.

import { afterAll, beforeAll, expect, it } from "@jest/globals";
import { setTimeout as pause } from "node:timers/promises";
import { connectCluster } from "../cluster/shared.ts";
import type { SharedCluster } from "../cluster/shared.ts";
import { createFarmWorld } from "../world/farmWorld.ts";
import type { FarmWorld, PodSummary } from "../world/farmWorld.ts";
import { startInstances } from "../world/instances.ts";
import { plantFarm } from "../world/plantedFarm.ts";
import type { PlantedFarm } from "../world/plantedFarm.ts";
import type { SpecPart } from "../world/manifests.ts";
import { removalOf } from "../world/removalLog.ts";
import { insertForeign, wholeRows } from "../world/wholeRow.ts";
import type { WholeRow } from "../world/wholeRow.ts";

const limitMs = 300_000;
/** Promise 3: the grace of a pod that this process never saw, and what is added to it. */
const unseenWaitMs = 40_000;

let cluster: SharedCluster;
const worlds: FarmWorld[] = [];
beforeAll(async () => {
  cluster = await connectCluster();
}, limitMs);
afterAll(async () => {
  for (const world of worlds) await world.close();
  await cluster.close();
}, limitMs);

interface Site {
  readonly world: FarmWorld;
  readonly farm: PlantedFarm;
  /** The name under which the product registers a pod: nobody can know all of it. */
  readonly nameOf: (pod: Pick<PodSummary, "name">) => string;
  readonly rows: () => Promise<readonly WholeRow[]>;
  /** So many pods live, each runs its instance and is Ready by its own row, and the operator has written down whose each row is. */
  readonly settled: (pods: number) => Promise<readonly PodSummary[]>;
  /** Ends the looking; what was seen that must not be: a living process without the row that it had. */
  readonly wrongs: () => Promise<readonly string[]>;
}

interface SiteOptions {
  readonly kind?: "Deployment" | "StatefulSet";
  readonly replicas: number;
  readonly spec?: SpecPart;
}

async function openSite(options: SiteOptions): Promise<Site> {
  const { kind = "Deployment", replicas, spec } = options;
  const world = await createFarmWorld({ cluster, kentico: { version: "xbyk" } });
  worlds.push(world);
  await insertForeign(world.database, { name: "ADMIN-01" });
  const farm = await plantFarm(world, {
    ...{ name: "shop", kind, replicas },
    spec: {
      registration: "Application",
      members: [{ name: "live", workloadRef: { apiVersion: "apps/v1", kind, name: "shop" }, serverName: "$(MACHINE_NAME)_*" }],
      removal: { nodeLostSeconds: 10 }, // a ping that comes late keeps the row for no longer
      ...spec,
    },
  });
  const nameOf = ({ name }: Pick<PodSummary, "name">): string => `${name}_AutoExternalWeb`;
  const instances = startInstances({ database: world.database, pods: farm.pods, nameOf });
  world.beforeClose(() => instances.stop());
  const rows = (): Promise<readonly WholeRow[]> => wholeRows(world.database);
  const guard = startGuard(farm, rows, nameOf);
  world.beforeClose(() => guard.stop());
  const settled = async (count: number): Promise<readonly PodSummary[]> => {
    let alive: readonly PodSummary[] = [];
    await farm.until(`${count} pods live, run, are Ready by rows of their own, and that is written down`, async () => {
      alive = (await farm.pods()).filter(({ phase, terminating }) => phase === "Running" && !terminating);
      const names = new Set((await rows()).map(({ ServerName }) => ServerName));
      const known = new Set(((await farm.status()).inventory ?? []).map(({ podUID }) => podUID));
      return (
        alive.length === count &&
        alive.every((pod) => pod.ready && pod.gate === "Registered" && names.has(nameOf(pod)) && known.has(pod.uid)) &&
        alive.every(({ uid }) => instances.isRegistered(uid)) &&
        known.size === count
      );
    });
    return alive;
  };
  return { ...{ world, farm, nameOf, rows, settled }, wrongs: guard.wrongs };
}

/** Looks all the while: whose process runs keeps the row that it had. */
function startGuard(
  farm: PlantedFarm,
  rows: Site["rows"],
  nameOf: Site["nameOf"],
): { readonly wrongs: Site["wrongs"]; readonly stop: () => Promise<void> } {
  const wrongs = new Set<string>();
  const had = new Set<string>();
  let isStopped = false;
  const running = async (): Promise<readonly PodSummary[]> => (await farm.pods()).filter(({ phase }) => phase === "Running");
  async function look(before: readonly PodSummary[]): Promise<readonly PodSummary[]> {
    const names = new Set((await rows()).map(({ ServerName }) => ServerName));
    const after = await running();
    for (const pod of after) {
      const ran = before.some(({ uid }) => uid === pod.uid);
      if (ran && had.has(pod.uid) && !names.has(nameOf(pod))) wrongs.add(`pod ${pod.name} (${pod.uid}) runs and its row has gone`);
      if (names.has(nameOf(pod))) had.add(pod.uid);
    }
    return after;
  }
  async function watch(): Promise<void> {
    let last: readonly PodSummary[] = [];
    while (!isStopped) {
      last = await look(last);
      await pause(100);
    }
    await look(last); // as it is in the end
  }
  const watching = watch();
  watching.catch(() => undefined); // told by stop
  const stop = async (): Promise<void> => {
    isStopped = true;
    await watching;
  };
  return {
    wrongs: async () => {
      await stop();
      return had.size === 0 ? ["nothing at all"] : [...wrongs];
    },
    stop,
  };
}

const named = (rows: readonly WholeRow[], name: string): WholeRow | undefined => rows.find(({ ServerName }) => ServerName === name);

it.concurrent(
  "takes away the rows of pods that end, crash, and vanish while it is killed, and no other row",
  async () => {
    const { world, farm, nameOf, rows, settled, wrongs } = await openSite({ replicas: 3 });
    const pods = await settled(3);
    expect(await farm.condition("SettingsCompatible")).toMatch(/^True\/SelfRegistering /);
    const before = await rows();
    expect(before).toHaveLength(4);
    await farm.until("the status counts them as Ready", async () => (await farm.status()).ready === 3);
    expect(await farm.status()).toMatchObject({ desired: 3, registered: 3, foreign: 1 });

    // One ends because the workload wants fewer: its row goes at once.
    await farm.scale(2);
    const [kept, also] = await settled(2);
    if (kept === undefined || also === undefined) throw new Error("Two pods must have been kept");
    await farm.until("the row of the pod that ended has gone", async () => (await rows()).length === 3);

    // One crashes in the sight of the operator.
    await world.kubectl("annotate", "pod", also.name, "--overwrite", "kubelet.test/behave=fail");
    await farm.until("the row of the pod that crashed has gone", async () => named(await rows(), nameOf(also)) === undefined);
    const [, next] = (await settled(2)).toSorted((a, b) => Number(a.uid !== kept.uid) - Number(b.uid !== kept.uid));
    if (next === undefined) throw new Error("There must be another pod");

    // One vanishes while the operator is killed: what was its own is known from the status, and waits.
    await world.operator.kill();
    await world.kubectl("delete", "pod", next.name, "--force", "--grace-period=0", "--wait=false");
    await farm.until("a new pod has registered itself", async () => (await rows()).length === 4);
    const restartedAtMs = Date.now();
    await world.restartOperator();
    await farm.until("the row has gone", async () => named(await rows(), nameOf(next)) === undefined, { timeoutMs: 150_000 });
    const removal = await removalOf(world, nameOf(next));
    expect(removal).toMatchObject({ evidence: "missing", podUID: "never seen" });
    expect(removal.atMs - restartedAtMs).toBeGreaterThanOrEqual(unseenWaitMs);

    await settled(2);
    const after = await rows();
    expect(after).toHaveLength(3);
    for (const name of ["ADMIN-01", nameOf(kept)]) expect(named(after, name)).toEqual(named(before, name));
    expect(await wrongs()).toEqual([]);
    expect(pods.map(({ gate }) => gate)).toEqual(["Registered", "Registered", "Registered"]);
  },
  limitMs,
);

it.concurrent(
  "keeps a StatefulSet's row for the pod that comes next, which uses it as it finds it, and takes it away when none is wanted",
  async () => {
    const { world, farm, nameOf, rows, settled, wrongs } = await openSite({ kind: "StatefulSet", replicas: 2 });
    const first = (await settled(2)).find(({ name }) => name === "shop-1");
    const before = await rows();
    await world.kubectl("delete", "pod", "shop-1", "--wait=false");
    const next = (await settled(2)).find(({ name }) => name === "shop-1"); // the deleted one counts no more
    expect(next?.uid).not.toBe(first?.uid);
    expect(await rows()).toEqual(before);
    await farm.scale(1);
    await farm.until("the row that nobody wants has gone", async () => named(await rows(), nameOf({ name: "shop-1" })) === undefined);
    await settled(1);
    expect(await wrongs()).toEqual([]);
  },
  limitMs,
);

it.concurrent(
  "asks a person about a silent row that it never saw alive, and never about one that pings",
  async () => {
    const other = "shop-7c9d8b6f5-x2vbd_AutoExternalWeb"; // of a Deployment of this name in another cluster
    const left = "shop-5d4c7b8f9-zzzzz_AutoExternalWeb";
    // Longer than from one read of the rows to the next: who pings is never silent for so long.
    const { world, farm, rows, settled, wrongs } = await openSite({ replicas: 1, spec: { removal: { nodeLostSeconds: 45 } } });
    const elsewhere = startInstances({
      database: world.database,
      pods: () => Promise.resolve([{ name: other, uid: "elsewhere", phase: "Running", restarts: 0 } as PodSummary]),
    });
    world.beforeClose(() => elsewhere.stop());
    await farm.until("the other cluster's instance has its row", () => elsewhere.isRegistered("elsewhere"));
    await insertForeign(world.database, { name: left });
    await settled(1);
    await farm.nudge();
    await farm.until("the silent row is Blocked", async () => (await farm.states())[left] === "Blocked/NeverSeenAlive", {
      timeoutMs: 150_000,
    });
    await farm.untilCondition("RemovalsBlocked", /^True\/NeverSeenAlive .*webfarm\.dev\/approve-removals=/);
    const { plan, foreign } = await farm.status();
    expect([plan?.unexplained?.map(({ name }) => name), foreign]).toEqual([[left], 2]);
    const before = await rows();
    await world.kubectl("annotate", "wf", "shop", "--overwrite", `webfarm.dev/approve-removals=${plan?.digest ?? ""}`);
    await farm.until("the row that a person approved has gone", async () => named(await rows(), left) === undefined);
    expect(await rows()).toEqual(before.filter(({ ServerName }) => ServerName !== left));
    expect(await wrongs()).toEqual([]);
  },
  limitMs,
);
