// The life of a pod and of its row, on a real control plane: the row is there before the traffic and goes after the process, for every
// kind of workload and every way in which a pod can end.

import { afterAll, beforeAll, expect, it } from "@jest/globals";
import { asksRealServer } from "../database/database.ts";
import type { Rule } from "../database/faults.ts";
import { createFarmWorld } from "../world/farmWorld.ts";
import type { FarmWorld, PodSummary } from "../world/farmWorld.ts";
import { openShopDatabase, story } from "../world/shopFarm.ts";
import type { ShopFarm } from "../world/shopFarm.ts";

const limitMs = 300_000;
const lockTimeout = { number: 1222 };
/** However long a test takes, its gates do not open for that. */
const neverOpen = { readinessGate: { failOpenSeconds: 0 } };
/** A real server has no fault script: nothing is refused there. */
const itWithFaults = asksRealServer() ? it.skip : it.concurrent;

let world: FarmWorld;
beforeAll(async () => {
  world = await createFarmWorld();
}, 240_000);
afterAll(() => world.close(), 180_000);

const kinds = [
  { what: "a Deployment", options: { name: "deployed", kind: "Deployment" } },
  { what: "a StatefulSet", options: { name: "set", kind: "StatefulSet" } },
  { what: "a DaemonSet", options: { name: "everywhere", kind: "DaemonSet" } },
  { what: "a member that selects pods", options: { name: "selected", kind: "ReplicaSet", by: "selector" } },
] as const;

it.concurrent.each(kinds)(
  "keeps the row of each pod of $what until the pod's process has ended, and then removes it",
  story(async (open, { options }) => {
    const farm = await open(world, options);
    await farm.settled(3);
    const before = await farm.rows();
    const annotatePods = (annotation: string): Promise<unknown> =>
      world.kubectl("annotate", "pods", "-l", `farm=${farm.name}`, "--overwrite", annotation);
    await annotatePods("kubelet.test/behave=hang"); // whoever is told to end does not, until it is let go
    await shrink(farm, options.kind);
    const left = options.kind === "DaemonSet" ? 0 : 1;
    await farm.until("the farm shows the pods that end as Draining", async () => {
      const draining = (await farm.status()).servers?.filter(({ state }) => state === "Draining") ?? [];
      return draining.length === 3 - left;
    });
    expect(await farm.rows()).toEqual(before);
    await annotatePods("kubelet.test/behave-");
    await farm.settled(left);
  }),
  limitMs,
);

/** Down to one pod; a DaemonSet, which has no number, to none. */
async function shrink(farm: ShopFarm, kind: string): Promise<void> {
  const elsewhere = { spec: { template: { spec: { nodeSelector: { nowhere: "true" } } } } };
  if (kind === "DaemonSet") await world.kubectl("patch", "daemonset", farm.name, "-p", JSON.stringify(elsewhere));
  else await farm.scale(1);
}

for (const { what, options } of kinds)
  itWithFaults(
    `lets no pod of ${what} be Ready before its row is committed`,
    story(async (open) => {
      const database = await openShopDatabase();
      const refused = database.faults?.fail(/INSERT INTO/, lockTimeout, { times: Infinity });
      const farm = await open(world, { ...options, name: `${options.name}-refused`, database, spec: neverOpen });
      await farm.until("all containers are ready", async () => {
        const pods = await farm.alive();
        return pods.length === 3 && pods.every(({ waitsForGate }) => waitsForGate);
      });
      await passesMore(farm, refused);
      expect((await farm.alive()).map(({ waitsForGate }) => waitsForGate)).toEqual([true, true, true]);
      expect(await farm.rows()).toEqual([]);
      refused?.remove();
      await farm.settled(3);
    }),
    limitMs,
  );

it.concurrent(
  "leaves the row of a pod whose container crashes and restarts as it is, to the byte",
  story(async (open) => {
    const farm = await open(world, { name: "crashing", replicas: 2 });
    await farm.settled(2);
    const before = await farm.rows();
    const { name } = await firstOf(farm);
    await farm.annotate(name, "kubelet.test/behave=crash", "kubelet.test/crashes=2");
    await farm.until("the container has restarted twice and is Ready", async () => {
      const pod = (await farm.pods()).find((candidate) => candidate.name === name);
      return pod?.restarts === 2 && pod.ready;
    });
    expect(await farm.rows()).toEqual(before);
  }),
  limitMs,
);

it.concurrent.each([
  { behave: "evict", phase: "Failed" },
  { behave: "complete", phase: "Succeeded" },
])(
  "removes the row of a pod that ended by itself ($behave), although its object stays",
  story(async (open, { behave, phase }) => {
    const farm = await open(world, { name: `ends-${behave}`, replicas: 2 });
    await farm.settled(2);
    const { name } = await firstOf(farm);
    await farm.annotate(name, `kubelet.test/behave=${behave}`);
    await farm.until("its row has gone", async () => (await farm.row(name)) === undefined);
    expect((await farm.pods()).find((pod) => pod.name === name)).toMatchObject({ phase, terminating: false });
    await farm.settled(2); // of its replacement too
  }),
  limitMs,
);

it.concurrent(
  "keeps the row of a pod that does not end because its node is lost, and names the node and the taint that would end it",
  story(async (open) => {
    const farm = await open(world, { name: "hung", replicas: 2 });
    await farm.settled(2);
    const { name, node } = await firstOf(farm);
    const before = await farm.row(name);
    await farm.annotate(name, "kubelet.test/behave=node-lost");
    await farm.deletePod(name);
    await farm.until("the farm shows it as Draining", async () => (await farm.server(name))?.state === "Draining");
    expect((await farm.server(name))?.message).toMatch(new RegExp(`\\b${node}\\b.*node\\.kubernetes\\.io/out-of-service`));
    await farm.until("its replacement has a row too", async () => (await farm.rows()).length === 3); // later none is written any more
    await farm.scale(0);
    await farm.until("the rows of the others have gone", async () => (await farm.rows()).length === 1);
    expect(await farm.rows()).toEqual([before]);
    await farm.deletePod(name, "by force");
  }),
  limitMs,
);

it.concurrent(
  "keeps the row of a pod that lost its labels until that pod has ended",
  story(async (open) => {
    const farm = await open(world, { name: "relabelled", replicas: 2 });
    await farm.settled(2);
    const { name } = await firstOf(farm);
    const before = await farm.row(name);
    await world.kubectl("label", "pod", name, "--overwrite", "app=none");
    await farm.settled(3); // the workload replaces it
    expect(await farm.row(name)).toEqual(before);
    await farm.deletePod(name);
    await farm.settled(2);
    expect(await farm.row(name)).toBeUndefined();
  }),
  limitMs,
);

it.concurrent(
  "gives the row of a StatefulSet's pod to the next pod of its name, and opens that pod's gate only then",
  story(async (open) => {
    const farm = await open(world, { name: "replaced", kind: "StatefulSet", replicas: 2, spec: neverOpen });
    await farm.settled(2);
    const old = await firstOf(farm);
    const before = await farm.row(old.name);
    const refused = farm.database.faults?.fail(/^UPDATE s SET/m, lockTimeout, { times: Infinity });
    await farm.deletePod(old.name);
    if (refused !== undefined) {
      await farm.until("the containers of the next pod are ready", async () => {
        const pod = await firstOf(farm);
        return pod.name === old.name && pod.uid !== old.uid && pod.waitsForGate;
      });
      await passesMore(farm, refused);
      expect(await firstOf(farm)).toMatchObject({ name: old.name, waitsForGate: true });
      expect(await farm.row(old.name)).toEqual(before);
      refused.remove();
    }
    await farm.until("the next pod is Ready", async () => {
      const pod = await firstOf(farm);
      return pod.name === old.name && pod.uid !== old.uid && pod.ready;
    });
    const after = await farm.row(old.name);
    expect(after?.ServerID).toBe(before?.ServerID);
    expect(after?.ServerGUID).not.toBe(before?.ServerGUID);
    await farm.settled(2);
  }),
  limitMs,
);

it.concurrent(
  "replaces the rows one by one in a rolling update, each before its pod is Ready and after its pod has ended",
  story(async (open) => {
    const farm = await open(world, { name: "rolling", replicas: 3, annotations: { "kubelet.test/stop-ms": "1000" } });
    await farm.settled(3);
    const before = await farm.names();
    await world.kubectl("set", "image", "deployment/rolling", "web=shop:2");
    await farm.until("all pods are new", async () => {
      const names = (await farm.alive()).map(({ name }) => name);
      return names.length > 0 && names.every((name) => !before.includes(name));
    });
    await farm.settled(3);
  }),
  limitMs,
);

/** Resolves when two more passes have come to a write that is refused: what the first of them thinks of the gates is done. */
async function passesMore(farm: ShopFarm, refused: Rule | undefined): Promise<void> {
  const met = refused?.met ?? 0;
  for (const more of [1, 2]) {
    await farm.nudge(); // of itself it tries again later each time
    await farm.until("another pass has tried to write", () => (refused?.met ?? Infinity) >= met + more);
  }
}

/** The first of the living pods, by name. */
async function firstOf(farm: ShopFarm): Promise<PodSummary> {
  const [first] = await farm.alive();
  if (first === undefined) throw new Error(`${farm.name} has no living pod`);
  return first;
}
