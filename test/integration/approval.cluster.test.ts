// Rows that need a person, on a real control plane: what kubectl shows of them, that exactly what was approved goes and no digest works
// twice, also when the operator is killed in the middle, and that rows of a farm's earlier life come over to it.

import { afterAll, beforeAll, expect, it } from "@jest/globals";
import type { SharedCluster } from "../cluster/shared.ts";
import { connectCluster } from "../cluster/shared.ts";
import { asksRealServer } from "../database/database.ts";
import { createFarmWorld } from "../world/farmWorld.ts";
import type { FarmWorld } from "../world/farmWorld.ts";
import { webFarm } from "../world/manifests.ts";
import { markOf } from "../world/mark.ts";
import type { LogLine } from "../world/operatorProcess.ts";
import { allowPods, forbidPods } from "../world/podQuota.ts";
import { plantFarm } from "../world/plantedFarm.ts";
import type { PlantedFarm } from "../world/plantedFarm.ts";
import { story } from "../world/shopFarm.ts";
import type { ShopFarm } from "../world/shopFarm.ts";
import { insertForeign, podPart } from "../world/wholeRow.ts";

const limitMs = 300_000;
/** A real server has no fault script. */
const itWithFaults = asksRealServer() ? it.skip : it.concurrent;
const operators = /^webfarm-operator/;

let cluster: SharedCluster;
let world: FarmWorld;
const worlds: FarmWorld[] = [];
beforeAll(async () => {
  cluster = await connectCluster();
  world = await newWorld();
}, limitMs);
afterAll(async () => {
  for (const made of worlds) await made.close();
  await cluster.close();
}, limitMs);

async function newWorld(): Promise<FarmWorld> {
  const made = await createFarmWorld({ cluster });
  worlds.push(made);
  return made;
}

const elsewhere = async (ownerId: string, ...names: readonly string[]): Promise<void> => {
  for (const name of names)
    await insertForeign(world.database, {
      name,
      guid: markOf({ ownerId, namespaceUid: "another cluster", server: name, pod: "a pod there" }),
    });
};

const approve = (of: FarmWorld, name: string, digest: string): Promise<string> =>
  of.kubectl("annotate", "--overwrite", "wf", name, `webfarm.dev/approve-removals=${digest}`);

/** READY, DESIRED, REGISTERED, STALE and BLOCKED of `kubectl get wf`. */
const shown = async (name: string): Promise<readonly string[]> =>
  (await world.kubectl("get", "wf", name, "--no-headers")).trim().split(/\s+/).slice(1, 6);

/** What RemovalBlocked events of the farm say. */
async function blockedNotes(name: string): Promise<readonly string[]> {
  const path = "jsonpath={range .items[?(@.reason=='RemovalBlocked')]}{.regarding.name}{'\\t'}{.note}{'\\n'}{end}";
  const lines = (await world.kubectl("get", "events.events.k8s.io", "-o", path)).split("\n");
  return lines.flatMap((line) => (line.startsWith(`${name}\t`) ? [line.slice(name.length + 1)] : []));
}

const names = async (farm: PlantedFarm): Promise<readonly string[]> => (await farm.rows()).map(({ ServerName }) => ServerName);
const digestOf = async (farm: Pick<PlantedFarm | ShopFarm, "status">): Promise<string> => (await farm.status()).plan?.digest ?? "";

/** Runs the command of an event's note as a person would: copied into a shell. */
async function obey(note: string): Promise<void> {
  const command = /kubectl (annotate --overwrite webfarm -n \S+ \S+ webfarm\.dev\/approve-removals=[0-9a-f]+)/.exec(note)?.[1];
  if (command === undefined) throw new Error(`The event names no command: ${note}`);
  await world.cluster.kubectl(command.split(" "));
}

it.concurrent(
  "shows rows of another cluster, removes those that a person approves by the event's own command, and takes no digest twice",
  async () => {
    const ownerId = "test/stranded";
    await elsewhere(ownerId, "stranded-old-1", "stranded-old-2");
    const farm = await plantFarm(world, { name: "stranded", spec: { ownerId } });
    await farm.settled({ pods: 1, rows: 3, gate: "Registered" });
    const [pod = ""] = (await farm.pods()).map(({ name }) => name);
    await farm.untilCondition("RemovalsBlocked", /^True\/OtherCluster .*stranded-old-1, stranded-old-2/);
    await farm.until("kubectl counts them", async () => (await shown("stranded")).join() === "True,1,1,0,2");
    const first = await digestOf(farm);
    expect((await farm.status()).plan?.unexplained?.map(({ name }) => name)).toEqual(["stranded-old-1", "stranded-old-2"]);
    await farm.until("an event names the digest", async () => (await blockedNotes("stranded")).some((note) => note.includes(first)));
    expect(await world.kubectl("describe", "wf", "stranded")).toMatch(new RegExp(`Warning +RemovalBlocked .*${first}`));
    expect(await world.operator.metrics()).toContain(`webfarm_removals_blocked{namespace="${world.namespace}",name="stranded"} 2`);

    await obey((await blockedNotes("stranded")).find((note) => note.includes(first)) ?? "");
    await farm.until("both have gone", async () => (await farm.rows()).length === 1);
    expect(await names(farm)).toEqual([pod]);
    await farm.until("kubectl counts none", async () => (await shown("stranded")).join() === "True,1,1,0,0");
    expect((await farm.status()).plan).toBeUndefined();
    const removals = (): readonly LogLine[] =>
      world.operator.lines.filter(({ digest, evidence }) => digest === first && evidence === "approved");
    await farm.until("the log has told it all", () => removals().length >= 4);
    expect(removals().map(({ server, approver }) => [server, approver])).toEqual(
      ["stranded-old-1", "stranded-old-2", "stranded-old-1", "stranded-old-2"].map((server) => [server, "kubectl-annotate"]),
    );

    await elsewhere(ownerId, "stranded-old-1"); // the same name and mark in another row
    await farm.nudge();
    await farm.until("it waits for a person", async () => (await farm.status()).blocked === 1);
    const second = await digestOf(farm);
    expect(second).not.toBe(first);
    await approve(world, "stranded", first);
    await farm.nudge();
    await farm.scale(2); // passes go on
    await farm.settled({ pods: 2, rows: 3, gate: "Registered" });
    expect([await digestOf(farm), (await farm.status()).plan?.approved]).toEqual([second, undefined]);
    await approve(world, "stranded", second);
    await farm.settled({ pods: 2, rows: 2 });
  },
  limitMs,
);

it.concurrent(
  "does not begin an approval under UpsertOnly, and does when the policy becomes Sync",
  async () => {
    const ownerId = "test/hesitant";
    await elsewhere(ownerId, "hesitant-old");
    const farm = await plantFarm(world, { name: "hesitant", spec: { ownerId, policy: "UpsertOnly" } });
    await farm.settled({ pods: 1, rows: 2, gate: "Registered" });
    await farm.untilCondition("RemovalsBlocked", /^True\/OtherCluster .*with policy Sync/);
    const digest = await digestOf(farm);
    await approve(world, "hesitant", digest);
    await farm.scale(2);
    await farm.settled({ pods: 2, rows: 3, gate: "Registered" });
    expect([await digestOf(farm), (await farm.status()).plan?.approved]).toEqual([digest, undefined]);
    await farm.change({ policy: "Sync" });
    await farm.settled({ pods: 2, rows: 2 });
  },
  limitMs,
);

itWithFaults(
  "believes a view that looks wrong when a person approves, and a new operator goes on when the first is killed before the removal",
  story(async (open) => {
    const own = await newWorld();
    const farm = await open(own, { name: "lost", kind: "StatefulSet", replicas: 3 });
    await farm.settled(3);
    const before = await farm.rows();
    await forbidPods(own);
    await own.kubectl("delete", "pod", ...before.map(({ ServerName }) => ServerName), "--force", "--grace-period=0", "--wait=false");
    await farm.until("its rows are Blocked", async () => (await farm.status()).blocked === 3);
    expect(await own.condition("RemovalsBlocked", "lost")).toBe("True/UnexplainedAbsence");

    const held = farm.database.faults?.hold(/DELETE s FROM/, { attention: "unanswered", applicationName: operators, times: Infinity });
    if (held === undefined) throw new Error("There is no fault script");
    const digest = await digestOf(farm);
    await approve(own, "lost", digest);
    await held.reached;
    const { approved } = (await farm.status()).plan ?? {};
    expect(approved?.digest).toBe(digest); // written down before the statement was sent
    expect(await farm.rows()).toEqual(before);
    await own.operator.kill();
    held.remove(); // what it sent stays held

    await own.restartOperator();
    await farm.until("the rows have gone", async () => (await farm.rows()).length === 0);
    const removals = (): readonly LogLine[] => own.operator.lines.filter(({ evidence }) => evidence === "approved");
    await farm.until("the log says by whose leave", () => removals().length > 0);
    expect(new Set(removals().map((line) => line["digest"]))).toEqual(new Set([digest]));
    await allowPods(own);
    await farm.scale(2); // the workload's controller, which has backed off, looks at once
    await farm.settled(2);
    const after = await farm.rows();
    held.release(); // the dead process's statement finds no row that it knew
    await held.finished;
    expect(await farm.rows()).toEqual(after);
    await farm.until("nothing is published", async () => (await farm.status()).plan === undefined);
  }),
  limitMs,
);

it.concurrent(
  "takes over the rows of a former owner from living pods without a restart, and those without a pod by approval only",
  async () => {
    const farm = await plantFarm(world, { name: "renamed", replicas: 2, spec: { ownerId: "test/before", deletionPolicy: "Retain" } });
    await farm.settled({ pods: 2, rows: 2, gate: "Registered" });
    const [living, ended] = await farm.rows();
    await world.kubectl("delete", "wf", "renamed", "--timeout=90s");
    await farm.scale(1);
    await farm.until("one pod has ended", async () => (await farm.pods()).length === 1);
    const [pod] = await farm.pods();
    const members = [{ name: "live", workloadRef: { apiVersion: "apps/v1", kind: "Deployment", name: "renamed" } }];
    await world.apply(webFarm(world.namespace, "renamed", { ownerId: "test/after", formerOwnerIds: ["test/before"], members }));
    await farm.until("one row waits for a person", async () => (await farm.status()).blocked === 1);
    await farm.until("the living pod's row is the farm's", async () => (await farm.status()).registered === 1);

    const rows = await farm.rows();
    expect(rows.map(({ ServerID }) => ServerID).toSorted()).toEqual([living, ended].map((row) => row?.ServerID ?? 0).toSorted());
    const own = rows.find(({ ServerName }) => ServerName === pod?.name);
    const namespaceUid = await world.cluster.kubectl(["get", "namespace", world.namespace, "-o", "jsonpath={.metadata.uid}"]);
    const mark = markOf({ ownerId: "test/after", namespaceUid, server: pod?.name ?? "", pod: pod?.uid ?? "" });
    expect(own?.ServerGUID?.toLowerCase()).toBe(mark);
    expect(mark.endsWith(podPart(pod?.uid ?? ""))).toBe(true);
    expect(pod?.restarts).toBe(0);
    expect(await farm.condition("RemovalsBlocked")).toMatch(/^True\/FormerOwner /);
    await approve(world, "renamed", await digestOf(farm));
    await farm.settled({ pods: 1, rows: 1 });
    expect(await farm.rows()).toEqual([own]);
  },
  limitMs,
);

it.concurrent(
  "lets only the older of two WebFarms with one owner write, and deletes the younger at once without harm",
  async () => {
    const ownerId = "test/twin";
    const farm = await plantFarm(world, { name: "twin", replicas: 2, spec: { ownerId } });
    await farm.settled({ pods: 2, rows: 2, gate: "Registered" });
    const created = Date.parse(await world.kubectl("get", "wf", "twin", "-o", "jsonpath={.metadata.creationTimestamp}"));
    await farm.until("the API server's clock, which counts whole seconds, can tell them apart", () => Date.now() >= created + 1_000);
    const before = await farm.rows();
    const other = await plantFarm(world, { name: "younger-twin", gate: "without", spec: { ownerId, deletionPolicy: "RemoveAll" } });
    await other.untilCondition("OwnershipConflict", /^True\/OwnerIdInUse .*\/twin is older/);
    expect(await other.condition("Ready")).toMatch(/^False\/OwnerIdInUse /);
    await other.settled({ pods: 1, rows: 0 });
    expect(await farm.condition("OwnershipConflict")).toMatch(/^False\//);
    expect(await other.finalizers()).toBe(""); // so nothing holds it, not even the least time of a deletion with RemoveAll
    await world.kubectl("delete", "wf", "younger-twin", "--timeout=90s");
    expect(await farm.rows()).toEqual(before);

    await plantFarm(world, { name: "younger-twin", parts: "farm", spec: { ownerId } });
    await other.untilCondition("OwnershipConflict", /^True\/OwnerIdInUse /);
    await farm.change({ deletionPolicy: "Retain" });
    await world.kubectl("delete", "wf", "twin", "--timeout=90s");
    await other.settled({ pods: 1, rows: 1 });
    expect(await farm.rows()).toEqual(before);
  },
  limitMs,
);
