// What must not happen whatever goes wrong, on a real control plane: foreign rows, statements that run late or lose their answer, a database
// that is away, two WebFarms or two operators that want the same pods, and a farm in which nothing happens.

import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, expect, it } from "@jest/globals";
import type { SharedCluster } from "../cluster/shared.ts";
import { connectCluster } from "../cluster/shared.ts";
import { asksRealServer } from "../database/database.ts";
import type { Faults } from "../database/faults.ts";
import { apiReads } from "../world/apiReads.ts";
import { createFarmWorld } from "../world/farmWorld.ts";
import type { FarmWorld } from "../world/farmWorld.ts";
import { usual } from "../world/generations.ts";
import { webFarm } from "../world/manifests.ts";
import { openShopDatabase, story } from "../world/shopFarm.ts";
import type { ShopFarm } from "../world/shopFarm.ts";
import { isRowOf } from "../world/wholeRow.ts";

const limitMs = 240_000;
/** A real server has no fault script and no record of what arrived. */
const itWithFaults = asksRealServer() ? it.skip : it.concurrent;
const operators = /^webfarm-operator/;

let cluster: SharedCluster;
let world: FarmWorld;
const worlds: FarmWorld[] = [];
beforeAll(async () => {
  cluster = await connectCluster();
  world = await newWorld();
}, 60_000);
afterAll(async () => {
  for (const made of worlds) await made.close();
  await cluster.close();
}, 60_000);

/** For stories that kill the operator or need it for themselves. */
async function newWorld(): Promise<FarmWorld> {
  const made = await createFarmWorld({ cluster });
  worlds.push(made);
  return made;
}

function faultsOf({ database }: Pick<ShopFarm, "database">): Faults {
  if (database.faults === undefined) throw new Error("A real server has no fault script");
  return database.faults;
}

itWithFaults(
  "reads the rows once in 30 s and writes nothing anywhere while nothing happens",
  story(async (open) => {
    const quiet = await newWorld();
    const farm = await open(quiet, { name: "quiet", replicas: 3, foreign: [{ name: "ADMIN-01" }] });
    await farm.settled(3);
    await farm.until("its status is the last one", async () => {
      const { ready, servers = [] } = await farm.status();
      return (
        ready === 3 &&
        servers.every(({ state }) => state === "Registered") &&
        (await quiet.condition("Synced", farm.name)) === "True/UpToDate"
      );
    });
    await farm.witness.stop(); // whose statements are no silence
    let seen = await twoReads(quiet, farm);
    // What the last change brought besides the status, such as an event, may still have been under way.
    for (let look = 2; look <= 3 && !isDeepStrictEqual(seen, silence); look += 1) seen = await twoReads(quiet, farm);
    expect(seen).toEqual(silence);
  }),
  limitMs,
);

interface Silence {
  readonly isOnceIn30Seconds: boolean;
  readonly writes: readonly string[];
  readonly changed: readonly string[];
}

const silence: Silence = { isOnceIn30Seconds: true, writes: [], changed: [] };

/** What happened from now to the operator's second statement: its writes, and the objects and rows that are there after it only. */
async function twoReads(of: FarmWorld, farm: ShopFarm): Promise<Silence> {
  const faults = faultsOf(farm);
  const before = new Set(await versions(of, farm));
  faults.forget();
  const sent = (): readonly { readonly at: number; readonly text: string }[] =>
    faults.statements.filter(({ applicationName }) => operators.test(applicationName));
  await farm.until("the rows were read twice", () => sent().length >= 2, { timeoutMs: 90_000, everyMs: 500 });
  const after = await versions(of, farm);
  const [first, second] = sent();
  return {
    isOnceIn30Seconds: (second?.at ?? 0) - (first?.at ?? 0) > 25_000,
    writes: sent().flatMap(({ text }) => (/INSERT|UPDATE [a-z]|DELETE/.test(text) ? [text] : [])),
    changed: after.filter((version) => !before.has(version)),
  };
}

/** Everything that a write would change: all objects with their versions, and all rows. */
async function versions(of: FarmWorld, farm: ShopFarm): Promise<readonly string[]> {
  const read = apiReads(of.cluster);
  const paths = [
    `/apis/webfarm.dev/v1alpha1/namespaces/${of.namespace}/webfarms`,
    `/api/v1/namespaces/${of.namespace}/pods`,
    `/apis/events.k8s.io/v1/namespaces/${of.namespace}/events`,
  ];
  const lists = (await Promise.all(paths.map(read))) as { items: { metadata: { name: string; resourceVersion: string } }[] }[];
  const objects = lists.flatMap(({ items }) => items.map(({ metadata }) => `${metadata.name}@${metadata.resourceVersion}`));
  return [...objects, ...(await farm.rows()).map((row) => JSON.stringify(row))];
}

it.concurrent(
  "leaves foreign rows as they are, to the byte, through scaling, a hard kill, a replaced pod and the removal of everything that is ours",
  story(async (open) => {
    const foreign = [
      { name: "ADMIN-01", guid: "3f2504e0-4f89-41d3-9a0c-0305e82c3301" },
      { name: "old.editing", guid: null, enabled: 0 as const },
      { name: "guarded-2", guid: "637ae912-50a6-861e-87dc-203a54f25910" }, // another owner's mark, and a name that the set may want
    ];
    const farm = await open(world, {
      ...{ name: "guarded", kind: "StatefulSet", replicas: 1, foreign },
      spec: { deletionPolicy: "RemoveAll" },
    });
    const foreignRows = async (): Promise<unknown> =>
      (await farm.rows()).filter(({ ServerName }) => foreign.some(({ name }) => name === ServerName));
    const before = await foreignRows();
    await farm.settled(1);
    await farm.scale(2);
    await farm.settled(2);
    await farm.deletePod("guarded-1", "by force");
    await farm.settled(2);
    await farm.scale(1);
    await farm.settled(1);
    expect((await farm.status()).foreign).toBe(3);
    expect(await foreignRows()).toEqual(before);
    await farm.witness.stop(); // RemoveAll is to remove the rows of living pods too
    await world.kubectl("delete", "wf", "guarded", "--timeout=60s");
    expect(await farm.rows()).toEqual(before);
  }),
  limitMs,
);

it.concurrent(
  "does not take a foreign row that has a live pod's name: Conflict, and the gate opens only by failOpenSeconds",
  story(async (open) => {
    const foreign = [{ name: "taken-0", guid: "3f2504e0-4f89-41d3-9a0c-0305e82c3302" }];
    const farm = await open(world, {
      ...{ name: "taken", kind: "StatefulSet", replicas: 1, foreign },
      spec: { readinessGate: { failOpenSeconds: 600 } },
    });
    const before = await farm.rows();
    await farm.until("the conflict is told", async () => (await farm.server("taken-0"))?.reason === "ForeignRow");
    expect(await world.condition("OwnershipConflict", "taken")).toBe("True/ForeignRow");
    expect(await farm.status()).toMatchObject({ desired: 1, registered: 0, foreign: 1 });
    await farm.until("only the gate is shut", async () => (await farm.alive()).every(({ waitsForGate }) => waitsForGate));
    await failOpenAfter(farm, 4);
    await farm.until("the gate opens", async () => (await farm.alive()).every(({ ready }) => ready));
    expect((await farm.alive()).map(({ gate }) => gate)).toEqual(["FailOpen"]);
    expect(await farm.rows()).toEqual(before);

    await farm.database.adminQuery("DELETE FROM CMS_WebFarmServer WHERE ServerName = N'taken-0'");
    await world.kubectl("annotate", "wf", "taken", "webfarm.dev/reconcile-at=now");
    await farm.until("the pod has its row once a person deleted the other", async () => {
      const [[pod], rows] = [await farm.alive(), await farm.rows()];
      return pod !== undefined && rows.some((row) => isRowOf(pod, row));
    });
    await farm.until("the conflict is over", async () => (await world.condition("OwnershipConflict", "taken")) === "False/NoConflict");
  }),
  limitMs,
);

async function failOpenAfter({ name }: ShopFarm, failOpenSeconds: number): Promise<void> {
  await world.kubectl("patch", "wf", name, "--type=merge", "-p", JSON.stringify({ spec: { readinessGate: { failOpenSeconds } } }));
}

itWithFaults(
  "lets a removal that runs late match nothing: the next pod of the name was registered meanwhile by another operator",
  story(async (open) => {
    const own = await newWorld();
    const farm = await open(own, { name: "late", kind: "StatefulSet", replicas: 2 });
    await farm.settled(2);
    const before = await farm.row("late-1");
    const late = faultsOf(farm).hold(/DELETE s FROM/, { attention: "unanswered", applicationName: operators });
    await farm.scale(1);
    await late.reached;
    await own.operator.kill();
    await farm.scale(2);
    await farm.until("the next pod waits for its row", async () => (await farm.alive()).some(({ waitsForGate }) => waitsForGate));
    await own.restartOperator();
    await farm.settled(2);
    const registered = await farm.rows();
    expect(await farm.row("late-1")).toMatchObject({ ServerID: before?.ServerID });

    late.release();
    await late.finished;
    expect(await farm.rows()).toEqual(registered);
    await farm.settled(2);
  }),
  limitMs,
);

itWithFaults(
  "removes what a late insert wrote after its pod had ended",
  story(async (open) => {
    const database = await openShopDatabase();
    const farm = await open(world, { name: "afterwards", replicas: 0, database });
    const faults = faultsOf(farm);
    const late = faults.hold(/INSERT INTO/, { attention: "unanswered", applicationName: operators });
    await farm.scale(1);
    await late.reached;
    const pods = await farm.alive();
    await farm.scale(0);
    await farm.until("the pod has ended", async () => (await farm.pods()).length === 0);
    await farm.until("the operator has given the insert up and read the rows", () => {
      const sent = faults.statements.filter(({ applicationName }) => operators.test(applicationName));
      return sent.length > sent.findIndex(({ text }) => text.includes("INSERT INTO")) + 1;
    });
    expect(await farm.rows()).toEqual([]);

    const removal = faults.hold(/DELETE s FROM/, { applicationName: operators });
    late.release();
    await late.finished;
    const rows = await farm.rows();
    expect(pods.map((pod) => rows.some((row) => isRowOf(pod, row)))).toEqual([true]);
    removal.release();
    await farm.nudge();
    await farm.until("its row has gone", async () => (await farm.rows()).length === 0);
    await farm.until("the farm is in order", async () => (await world.condition("Synced", farm.name)) === "True/UpToDate");
  }),
  limitMs,
);

itWithFaults(
  "is right after each kind of write whose answer never came: insert, hand-over, removal",
  story(async (open) => {
    const database = await openShopDatabase();
    const loseAnswer = (pattern: RegExp): { readonly reached: Promise<void> } =>
      faultsOf({ database }).dropAfter(pattern, { applicationName: operators });
    const insert = loseAnswer(/INSERT INTO/);
    const farm = await open(world, { name: "unanswered", kind: "StatefulSet", replicas: 2, database });
    await insert.reached;
    await farm.settled(2);
    const ids = (await farm.rows()).map(({ ServerID }) => ServerID);
    const handOver = loseAnswer(/^UPDATE s SET/m);
    await farm.deletePod("unanswered-0");
    await handOver.reached;
    await farm.settled(2);
    expect((await farm.rows()).map(({ ServerID }) => ServerID)).toEqual(ids);
    const removal = loseAnswer(/DELETE s FROM/);
    await farm.scale(0);
    await removal.reached;
    await farm.settled(0);
    await farm.until("the farm is in order", async () => {
      const { servers } = await farm.status();
      return servers?.length === 0 && (await world.condition("Synced", farm.name)) === "True/UpToDate";
    });
  }),
  limitMs,
);

itWithFaults(
  "removes nothing and lets a rollout finish while the database is away, and repairs the rows by itself when it is back",
  story(async (open) => {
    const farm = await open(world, { name: "away", replicas: 2 });
    await farm.settled(2);
    await failOpenAfter(farm, 3);
    const before = await farm.rows();
    const faults = faultsOf(farm);
    const cut = faults.dropBefore(/./, { applicationName: operators, times: Infinity });
    faults.refuseConnections(); // the test's own connection is open and stays
    await world.kubectl("set", "image", "deployment/away", "web=shop:2");
    await farm.until("the rollout has finished", async () => {
      const pods = await farm.pods();
      return pods.length === 2 && pods.every(({ name, ready }) => ready && !before.some(({ ServerName }) => ServerName === name));
    });
    expect((await farm.pods()).map(({ gate }) => gate)).toEqual(["FailOpen", "FailOpen"]);
    await farm.until("the farm says so", async () => (await world.condition("DatabaseReachable", "away"))?.startsWith("False/") ?? false);
    expect(await world.condition("Ready", "away")).toBe(await world.condition("DatabaseReachable", "away"));
    expect(await farm.rows()).toEqual(before);

    cut.remove();
    await faults.acceptConnections();
    // Both serve already. In the generations that have pings they restart when they find a row: one after the other.
    if (usual.hasPings) {
      await farm.until("the old rows have gone and the first pod has its own", async () => (await registeredPods(farm)).length === 1);
      const [first = ""] = await registeredPods(farm);
      await farm.until("the status says so of each", async () => {
        const reasons = (await farm.status()).servers?.map(({ reason }) => reason).toSorted();
        return isDeepStrictEqual(reasons, ["LateRegistration", "Registered"]);
      });
      await farm.annotate(first, "kubelet.test/behave=crash");
    }
    await farm.until("each pod has its row", async () => (await registeredPods(farm)).length === 2);
    await farm.until("it says that all is well", async () => (await world.condition("Ready", "away")) === "True/Ready");
    await farm.until("both events were written", async () => {
      const reasons = await eventReasons("away");
      return reasons.includes("DatabaseUnreachable") && reasons.includes("DatabaseReachable");
    });
  }),
  limitMs,
);

/** Names of the living pods whose rows are there, where no other row is. */
async function registeredPods(farm: ShopFarm): Promise<readonly string[]> {
  const [pods, rows] = [await farm.alive(), await farm.rows()];
  const own = pods.filter((pod) => rows.some((row) => isRowOf(pod, row))).map(({ name }) => name);
  return own.length === rows.length ? own : [];
}

async function eventReasons(farm: string): Promise<readonly string[]> {
  const { items } = (await apiReads(world.cluster)(`/apis/events.k8s.io/v1/namespaces/${world.namespace}/events`)) as {
    items: { reason: string; regarding: { kind: string; name: string } }[];
  };
  return items.filter(({ regarding }) => regarding.kind === "WebFarm" && regarding.name === farm).map(({ reason }) => reason);
}

it.concurrent(
  "gives pods that two WebFarms select to the older one; the other only says so",
  story(async (open) => {
    const farm = await open(world, { name: "elder", replicas: 2 });
    await farm.settled(2);
    const before = await farm.rows();
    const workload = { name: "live", workloadRef: { apiVersion: "apps/v1", kind: "Deployment", name: "elder" } };
    const database = { connectionStringSecretRef: { name: "elder", key: "CMSConnectionString" } };
    const created = Date.parse(await world.kubectl("get", "wf", "elder", "-o", "jsonpath={.metadata.creationTimestamp}"));
    await farm.until("the API server's clock, which counts whole seconds, can tell them apart", () => Date.now() >= created + 1_000);
    await world.apply(webFarm(world.namespace, "younger", { database, members: [workload] }));
    await farm.until("the younger says that it has none of them", async () => {
      const { servers = [] } = await world.status("younger");
      return servers.length === 2 && servers.every(({ state, reason }) => state === "Conflict" && reason === "OtherWebFarm");
    });
    expect(await world.condition("OwnershipConflict", "younger")).toBe("True/OtherWebFarm");
    expect(await world.status("younger")).toMatchObject({ desired: 0, registered: 0, foreign: 2 });
    await farm.scale(3);
    await farm.settled(3);
    expect((await farm.rows()).slice(0, 2)).toEqual(before);
    await farm.until("the elder counts all three as its own", async () => {
      const { registered, foreign } = await farm.status();
      return registered === 3 && foreign === 0;
    });
    await farm.scale(1);
    await farm.settled(1);
  }),
  limitMs,
);

it.concurrent(
  "does no harm when two operators run at once",
  story(async (open) => {
    const own = await newWorld();
    const [one, other] = [own.operator, await own.restartOperator()];
    const pods = await open(own, { name: "pods", replicas: 2 });
    const set = await open(own, { name: "set", kind: "StatefulSet", replicas: 3 });
    await Promise.all([pods.settled(2), set.settled(3)]);
    const ids = (await set.rows()).map(({ ServerID }) => ServerID);
    await pods.scale(6);
    for (const name of ["set-0", "set-1", "set-2"]) await set.deletePod(name);
    await Promise.all([pods.settled(6), set.settled(3)]);
    expect((await set.rows()).map(({ ServerID }) => ServerID)).toEqual(ids);
    await own.kubectl("set", "image", "deployment/pods", "web=shop:2");
    await Promise.all([pods.scale(3), set.scale(1)]);
    await Promise.all([pods.settled(3), set.settled(1)]);
    const inOrder = (name: string, registered: number): ((metrics: string) => boolean) => {
      const state = `webfarm_servers{namespace="${own.namespace}",name="${name}",state=`;
      return (metrics) =>
        metrics.includes(`${state}"Registered"} ${registered}\n`) && !new RegExp(`${state}"Conflict"} [1-9]`).test(metrics);
    };
    for (const operator of [one, other]) {
      await set.until("each of the two sees all in order", async () => {
        const metrics = await operator.metrics();
        return inOrder("pods", 3)(metrics) && inOrder("set", 1)(metrics);
      });
      expect(operator.lines.filter(({ level }) => level === "warn" || level === "error")).toEqual([]); // nothing was refused
    }
    await one.kill();
  }),
  limitMs,
);
