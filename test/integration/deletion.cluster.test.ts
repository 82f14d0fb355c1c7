// What deleting a WebFarm leaves behind, in whatever order a person deletes things, on a real control plane: the rows that deletionPolicy
// promises, no WebFarm or namespace that hangs, and no row of a process that still runs.

import { afterAll, beforeAll, expect, it } from "@jest/globals";
import { createFarmWorld } from "../world/farmWorld.ts";
import type { FarmWorld } from "../world/farmWorld.ts";
import { secret } from "../world/manifests.ts";
import type { SpecPart } from "../world/manifests.ts";
import { markOf } from "../world/mark.ts";
import { plantFarm } from "../world/plantedFarm.ts";
import type { PlantedFarm } from "../world/plantedFarm.ts";
import { insertForeign } from "../world/wholeRow.ts";

const limitMs = 300_000;
/** From the deletion to the release, where rows have to be looked after. */
const shortestMs = 10_000;
/** A deleted pod that behaves so ends when it is told to go on: until then a WebFarm that waits for rows waits for its row, two minutes at most. */
const hang = "kubelet.test/behave=hang";
const goOn = "kubelet.test/behave-";

let world: FarmWorld;
beforeAll(async () => {
  world = await createFarmWorld();
}, 240_000);
afterAll(() => world.close(), 120_000);

const isThere = async (name: string): Promise<boolean> =>
  (await world.kubectl("get", "wf", name, "--ignore-not-found", "-o", "name")) !== "";

/** Waits until the WebFarm is gone; resolves to the milliseconds since `since`. */
async function released(farm: PlantedFarm, since: number): Promise<number> {
  await farm.until("the WebFarm is gone", async () => !(await isThere(farm.name)), { seen: () => world.operator.lines.slice(-5) });
  return performance.now() - since;
}

/** Why the operator released the WebFarm, in its own word: NothingToDo where it looked after no row, so waited for nothing. */
const reasonOfRelease = async (farm: PlantedFarm): Promise<unknown> => {
  const find = (): unknown =>
    world.operator.lines.find((line) => /^Released a WebFarm/.test(line.message) && line["farm"] === `${world.namespace}/${farm.name}`)?.[
      "reason"
    ];
  await farm.until("the log tells of the release", () => find() !== undefined);
  return find();
};

const tellPods = (farm: PlantedFarm, annotation: string): Promise<string> =>
  world.kubectl("annotate", "pods", "-l", `app=${farm.name}`, "--overwrite", annotation);

const startDeletion = async (...objects: readonly string[]): Promise<number> => {
  const since = performance.now();
  await world.kubectl("delete", "--wait=false", ...objects);
  return since;
};

it.concurrent(
  "leaves neither a namespace that hangs nor a row when the whole namespace is deleted",
  async () => {
    const other = await createFarmWorld({ cluster: world.cluster });
    try {
      const farm = await plantFarm(other, { name: "whole", replicas: 3 });
      await farm.settled({ pods: 3, rows: 3, gate: "Registered" });
      await world.cluster.kubectl(["delete", "namespace", other.namespace, "--wait=false"]);
      const isGone = async (): Promise<boolean> =>
        (await world.cluster.kubectl(["get", "namespace", other.namespace, "--ignore-not-found", "-o", "name"])) === "";
      await other.until("the namespace is gone", isGone, { timeoutMs: 180_000 });
      expect(await other.rows()).toEqual([]);
      expect(await other.operator.stop()).toBe(0);
    } finally {
      await other.close();
    }
  },
  limitMs,
);

it.concurrent(
  "RemoveStale leaves the rows of a workload that lives on, registers nobody any more, and removes those of pods that end meanwhile",
  async () => {
    // As long as the last pod ends, its row is waited for: time to look at everything else.
    const farm = await plantFarm(world, { name: "staying", kind: "StatefulSet", replicas: 4, graceSeconds: 200 });
    await farm.settled({ pods: 4, rows: 4, gate: "Registered" });
    const before = await farm.rows();
    await world.kubectl("annotate", "pod", "staying-3", hang);
    const since = await startDeletion("wf/staying");
    await farm.scale(2);
    await farm.until("the row of the pod that ended has gone", async () => (await farm.rows()).length === 3);
    await farm.scale(3);
    await farm.until("the gate of the next pod opens without a row", async () => {
      const next = (await farm.pods()).find(({ name }) => name === "staying-2");
      return next?.gate === "Deleting" && next.ready;
    });
    expect(await isThere("staying")).toBe(true);
    expect(await farm.rows()).toEqual([...before.slice(0, 2), before[3]]);
    await world.kubectl("annotate", "pod", "staying-3", goOn);
    expect(await released(farm, since)).toBeGreaterThan(shortestMs);
    expect(await farm.rows()).toEqual(before.slice(0, 2));
    // The same name in the same namespace is the same owner: whoever made a mistake applies the file again.
    await plantFarm(world, { name: "staying", kind: "StatefulSet", parts: "farm" });
    await farm.until("all three have their rows", async () => (await farm.rows()).length === 3);
    expect((await farm.rows()).slice(0, 2)).toEqual(before.slice(0, 2));
  },
  limitMs,
);

it.concurrent(
  "RemoveAll removes the rows of living pods too, but neither foreign ones nor those of another cluster",
  async () => {
    const ownerId = "test/emptied";
    const elsewhere = markOf({ ownerId, namespaceUid: "another cluster", server: "emptied-elsewhere", pod: "a pod there" });
    await insertForeign(world.database, { name: "emptied-elsewhere", guid: elsewhere });
    await insertForeign(world.database, { name: "emptied-by-hand" });
    const farm = await plantFarm(world, { name: "emptied", replicas: 2, spec: { ownerId, deletionPolicy: "RemoveAll" } });
    await farm.settled({ pods: 2, rows: 4, gate: "Registered" });
    const foreign = (await farm.rows()).filter(({ ServerName }) => /elsewhere|by-hand/.test(ServerName));
    expect(await released(farm, await startDeletion("wf/emptied"))).toBeGreaterThan(shortestMs);
    expect(await farm.rows()).toEqual(foreign);
    expect(await farm.pods()).toHaveLength(2);
  },
  limitMs,
);

it.concurrent.each<{ name: string; spec?: SpecPart; then?: SpecPart; annotate?: string }>([
  { name: "retained", spec: { deletionPolicy: "Retain" } },
  { name: "skipped", annotate: "webfarm.dev/skip-cleanup=true" },
  { name: "sleeping", then: { suspend: true } },
  { name: "watched", then: { policy: "Observe" } },
  { name: "creating", then: { policy: "CreateOnly", deletionPolicy: "RemoveAll" } },
])(
  "is released at once and leaves all rows where it may not remove any ($name)",
  async ({ name, spec, then, annotate }) => {
    const farm = await plantFarm(world, { name, replicas: 2, spec: { ...spec } });
    await farm.settled({ pods: 2, rows: 2, gate: "Registered" });
    const before = await farm.rows();
    if (then !== undefined) await farm.change(then);
    if (annotate !== undefined) await world.kubectl("annotate", "wf", name, annotate);
    expect(await farm.finalizers()).toContain("webfarm.dev/servers");
    await tellPods(farm, hang); // until it is released no pod ends, so a WebFarm that looked after their rows would have to wait
    await released(farm, await startDeletion(`wf/${name}`, `deployment/${name}`));
    expect(await reasonOfRelease(farm)).toBe("NothingToDo");
    expect(await farm.rows()).toEqual(before);
    await tellPods(farm, goOn);
    await farm.until("its pods have ended", async () => (await farm.pods()).length === 0);
    expect(await farm.rows()).toEqual(before);
  },
  limitMs,
);

it.concurrent.each<{ name: string; what: string; order: readonly (readonly string[])[] }>([
  { name: "first", what: "the workload first", order: [["deployment"], ["wf"]] },
  { name: "last", what: "the workload last", order: [["wf"], ["deployment"]] },
  { name: "together", what: "both at once", order: [["wf", "deployment"]] },
  { name: "unsecret", what: "the Secret before both", order: [["secret"], ["wf", "deployment"]] },
  { name: "swd", what: "the Secret, the WebFarm, the workload", order: [["secret"], ["wf"], ["deployment"]] },
  { name: "sdw", what: "the Secret, the workload, the WebFarm", order: [["secret"], ["deployment"], ["wf"]] },
  { name: "wsd", what: "the WebFarm, the Secret, the workload", order: [["wf"], ["secret"], ["deployment"]] },
  { name: "dsw", what: "the workload, the Secret, the WebFarm", order: [["deployment"], ["secret"], ["wf"]] },
  { name: "wds", what: "the WebFarm, the workload, the Secret", order: [["wf"], ["deployment"], ["secret"]] },
  { name: "all", what: "all three at once", order: [["deployment", "secret", "wf"]] },
])(
  "removes every row when WebFarm and workload are deleted, $what: each after its pod has ended",
  async ({ name, order }) => {
    await world.apply(
      secret(world.namespace, name, { CMSConnectionString: world.database.connectionStringFor(await world.database.createLogin()) }),
    );
    const spec: SpecPart = { database: { connectionStringSecretRef: { name, key: "CMSConnectionString" } } };
    const farm = await plantFarm(world, { name, replicas: 3, spec, annotations: { "kubelet.test/stop-ms": "1500" } });
    await farm.settled({ pods: 3, rows: 3, gate: "Registered" });
    let since = 0;
    // What the operator asks is answered when everything is deleted: else a WebFarm whose workload lives on would be released, however slowly
    // a person deletes one after the other. A real server cannot be held up.
    const held = world.database.faults?.hold(/./, { applicationName: new RegExp(`/${name}$`), times: Infinity });
    for (const kinds of order) {
      const now = await startDeletion(...kinds.map((kind) => `${kind}/${name}`));
      if (kinds.includes("wf")) since = now;
    }
    held?.release();
    const running = async (): Promise<readonly string[]> =>
      (await farm.pods()).filter(({ phase }) => phase === "Running").map((pod) => pod.name);
    await farm.until("no row is there", async () => {
      const before = await running();
      const rows = (await farm.rows()).map(({ ServerName }) => ServerName);
      const after = await running();
      expect(before.filter((pod) => after.includes(pod) && !rows.includes(pod))).toEqual([]);
      return rows.length === 0;
    });
    expect(await released(farm, since)).toBeGreaterThan(shortestMs);
  },
  limitMs,
);

it.concurrent(
  "does not wait for rows that need a person, leaves them, and removes those that one approved",
  async () => {
    const ownerId = "test/needing";
    const elsewhere = (server: string): string => markOf({ ownerId, namespaceUid: "another cluster", server, pod: "a pod there" });
    await insertForeign(world.database, { name: "needing-old-1", guid: elsewhere("needing-old-1") });
    const farm = await plantFarm(world, { name: "needing", replicas: 2, spec: { ownerId } });
    await farm.settled({ pods: 2, rows: 3, gate: "Registered" });
    await farm.until("the row waits for a person", async () => (await farm.status()).blocked === 1);
    const { plan } = await farm.status();
    await tellPods(farm, hang); // so that the WebFarm is still there when the person comes
    const since = await startDeletion("deployment/needing", "wf/needing");
    await world.kubectl("annotate", "wf", "needing", `webfarm.dev/approve-removals=${plan?.digest ?? ""}`);
    await farm.until("the row that needed a person has gone", async () => (await farm.rows()).length === 2);
    await tellPods(farm, goOn);
    await farm.until("no row is left", async () => (await farm.rows()).length === 0);
    await released(farm, since);

    await insertForeign(world.database, { name: "needing-old-2", guid: elsewhere("needing-old-2") });
    await plantFarm(world, { name: "needing", parts: "farm", spec: { ownerId } });
    await farm.until("another row waits for a person", async () => (await farm.status()).blocked === 1);
    const [left] = await farm.rows();
    await plantFarm(world, { name: "needing", replicas: 2, parts: "workload" });
    await farm.settled({ pods: 2, rows: 3, gate: "Registered" });
    const again = await startDeletion("deployment/needing", "wf/needing");
    await released(farm, again);
    expect(await farm.rows()).toEqual([left]);
  },
  limitMs,
);

it.concurrent(
  "goes at once where it never wrote, because it has no finalizer",
  async () => {
    const farm = await plantFarm(world, { name: "onlooker", spec: { policy: "Observe" } });
    await farm.settled({ pods: 1, rows: 0, gate: "Observe" });
    expect(await farm.finalizers()).toBe("");
    await startDeletion("wf/onlooker");
    expect(await isThere("onlooker")).toBe(false); // the API server waits for nobody
  },
  limitMs,
);
