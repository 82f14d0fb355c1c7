// Ends every fault of a world and waits, on its clock, until each farm is as it should be: every living bound pod has its own row and an open
// gate, and every row of the farm is a pod's own or listed as needing a person. Shares no code with operator/.

import { workloadKey } from "./apiServer.ts";
import { isBeyondThisVersion } from "./beyond.ts";
import type { SimDatabase } from "./database.ts";
import { byAge, databaseOf, isFirstOfOwner, ownerOf } from "./farmFacts.ts";
import { look } from "./kubelet.ts";
import { namespacePart, ownerPart, partsOf, podPart } from "./marks.ts";
import type { FarmMember, FarmObject, PodObject, RowObject, WorkloadKind } from "./objects.ts";
import { isLive, saysEnded } from "./truth.ts";
import type { Cluster, Truth } from "./truth.ts";
import type { World } from "./world.ts";

/** Longer than every wait of the design, also where a rollout waits the 300 s of failOpenSeconds for each of its pods. */
export const mostConvergenceMs = 60 * 60_000;
/** Whatever was done is seen by then. */
const aResyncMs = 31_000;
/** Of one operator and farm: a workload that is not there while pods appear that nobody owns is looked for once a second. */
const mostPassesASecond = 1.5;
const passesAtOnce = 200;

/** Nothing goes wrong any more; operators run, nodes are back, processes that ignored their end obey. */
export async function endFaults(world: World): Promise<void> {
  const { truth } = world;
  for (const operator of world.operators.values()) {
    const { faults } = operator;
    faults.armed = [];
    faults.isApiSilent = faults.isDatabaseSilent = false;
    faults.forbidden.clear();
    operator.isStalled = false;
    operator.process?.resume();
    for (const effect of operator.process?.effects.values() ?? []) effect.fail(new Error("The connection was reset."));
  }
  for (const database of truth.databases.values()) database.isGone = false;
  for (const cluster of truth.clusters.values()) {
    cluster.cutNodes.clear();
    cluster.controllersRest = false;
  }
  for (const record of truth.records.values()) {
    record.isDeaf = false;
    if (truth.isAutomatic) look(truth, record);
  }
  for (const name of truth.clusters.keys()) {
    const own = [...world.operators.values()].filter(({ cluster }) => cluster === name);
    if (own.length > 0 && own.every(({ process }) => process === undefined)) own[0]?.start();
  }
  await world.settle();
}

/** Answers what is still wrong when the time is over; empty: converged. Returns as soon as nothing is wrong, and stays so when all is at rest. */
export async function untilConverged(world: World): Promise<readonly string[]> {
  await endFaults(world);
  const endMs = world.truth.nowMs + mostConvergenceMs;
  const passesBefore = new Map(world.processes().map((process) => [process.name, process.passes]));
  let wrong = await whenAtRest(world, endMs);
  if (wrong.length === 0) {
    await world.pass(aResyncMs);
    wrong = await whenAtRest(world, endMs);
  }
  const seconds = mostConvergenceMs / 1_000 - (endMs - world.truth.nowMs) / 1_000;
  const farms = Math.max(1, ...[...world.truth.clusters.values()].map(({ api }) => api.farms.size));
  const most = passesAtOnce + seconds * mostPassesASecond * farms;
  const spun = world
    .processes()
    .filter(({ name, passes }) => passes - (passesBefore.get(name) ?? 0) > most)
    .map(({ name, passes }) => `${name} made ${passes} passes`);
  return [...wrong, ...spun];
}

/** Until nothing is wrong, no kubelet has anything to do and no late statement is under way; or until there is no time left. */
async function whenAtRest(world: World, endMs: number): Promise<readonly string[]> {
  const { truth } = world;
  for (let wrong = whatIsWrong(truth); ; wrong = whatIsWrong(truth)) {
    const nextMs = world.nextDueMs();
    const isAtRest = wrong.length === 0 && truth.agenda.length === 0;
    if (isAtRest || truth.nowMs >= endMs || nextMs === Infinity) return wrong;
    await world.pass(Math.max(1, Math.min(nextMs, endMs) - truth.nowMs));
  }
}

/** One sentence for each thing that is not as it should be at rest. */
export function whatIsWrong(truth: Truth): readonly string[] {
  return [...truth.clusters].flatMap(([name, cluster]) =>
    [...cluster.api.farms.values()].flatMap((farm) =>
      wrongOf(truth, cluster, farm).map((text) => `${name}/${farm.namespace}/${farm.name}: ${text}`),
    ),
  );
}

function wrongOf(truth: Truth, cluster: Cluster, farm: FarmObject): readonly string[] {
  if (farm.deletionAtMs !== undefined) return ["it is still being deleted"];
  const { api } = cluster;
  const pods = [...api.pods.values()].filter((pod) => pod.namespace === farm.namespace && isWanted(pod));
  const claimed = pods.filter((pod) => isFirst(cluster, farm, pod));
  const databaseName = databaseOf(cluster, farm);
  const cannotWrite = databaseName === undefined || truth.database(databaseName).mode !== "2" || !isFirstOfOwner(cluster, farm);
  const closed = claimed
    .filter((pod) => pod.gate === "closed" && !(neverFailsOpen(farm) && (cannotWrite || isExcused(farm, pod))))
    .map((pod) => `the gate of pod ${pod.name} is closed`);
  if (!mayWrite(farm) || cannotWrite || isLeftAlone(farm, claimed)) return closed;
  const database = truth.database(databaseName);
  const rows = [...database.rows.values()];
  const pinged = pingedNames(truth, database);
  return [...closed, ...podsWithoutRow(cluster, farm, claimed, rows), ...rowsWithoutPod(cluster, farm, rows, pinged)];
}

/** The database of a farm that has had neither pods nor rows for ten minutes is not asked (promise 9), and the WebFarm says so. */
const isLeftAlone = (farm: FarmObject, claimed: readonly PodObject[]): boolean =>
  claimed.length === 0 &&
  ((farm.status["conditions"] ?? []) as readonly { readonly type: string; readonly reason: string }[]).some(
    ({ type, reason }) => type === "DatabaseReachable" && reason === "NotObserved",
  );

const isWanted = (pod: PodObject): boolean =>
  pod.node !== undefined && pod.deletionAtMs === undefined && pod.phase !== "Failed" && pod.phase !== "Succeeded";

const mayWrite = ({ spec }: FarmObject): boolean => spec.policy !== "Observe" && spec.suspend !== true && !isBeyondThisVersion(spec);

/** Then the gate of a pod that cannot have a row stays closed: a person wanted it so. */
const neverFailsOpen = ({ spec }: FarmObject): boolean => spec.readinessGate?.failOpenSeconds === 0;

/** The oldest farm that selects the pod has it. */
function isFirst(cluster: Cluster, farm: FarmObject, pod: PodObject): boolean {
  const selecting = [...cluster.api.farms.values()].filter(
    (one) => one.namespace === farm.namespace && one.spec.members.some((member) => selects(cluster, farm.namespace, member, pod)),
  );
  return selecting.toSorted(byAge)[0]?.uid === farm.uid;
}

function selects({ api }: Cluster, namespace: string, { selector, workloadRef }: FarmMember, pod: PodObject): boolean {
  const workload =
    workloadRef === undefined ? undefined : api.workloads.get(workloadKey(namespace, workloadRef.kind as WorkloadKind, workloadRef.name));
  const labels = selector?.matchLabels ?? workload?.labels;
  return labels !== undefined && Object.entries(labels).every(([name, value]) => pod.labels[name] === value);
}

interface Listed {
  readonly name: string;
  readonly state: string;
  readonly podUID?: string;
  readonly serverID?: number;
}

const listed = (farm: FarmObject): readonly Listed[] => (farm.status["servers"] ?? []) as readonly Listed[];

const isExcused = (farm: FarmObject, pod: PodObject): boolean =>
  listed(farm).some(({ podUID, state }) => podUID === pod.uid && (state === "Conflict" || state === "LimitReached"));

/** Names of servers as which a process of any pod pings that database: by these it keeps their rows, whatever their marks say. */
function pingedNames(truth: Truth, { name, pings }: SimDatabase): ReadonlySet<string> {
  const living = pings === undefined ? [] : [...truth.records.values()].filter((record) => isLive(record) && record.database === name);
  return new Set(living.map(({ last }) => last.name));
}

/** A pod that has none must be listed as in conflict, or as too many. */
function podsWithoutRow(cluster: Cluster, farm: FarmObject, pods: readonly PodObject[], rows: readonly RowObject[]): readonly string[] {
  const { ownerId, uid } = ownerOf(cluster, farm);
  return pods.flatMap((pod) => {
    const own = rows.filter((row) => {
      const parts = partsOf(row.guid);
      return parts?.pod === podPart(pod.uid) && parts.owner === ownerPart(ownerId, row.name) && parts.namespace === namespacePart(uid);
    });
    if (own.length === 1 || (own.length === 0 && (isExcused(farm, pod) || isFormerOwnersName(farm, pod, rows)))) return [];
    return [`pod ${pod.name} (${pod.uid}) has ${own.length} rows`];
  });
}

/** CreateOnly takes nothing over: a former owner's row of that name stays as it is, and the pod has none of its own. */
const isFormerOwnersName = ({ spec }: FarmObject, { name }: PodObject, rows: readonly RowObject[]): boolean =>
  spec.policy === "CreateOnly" &&
  rows.some(
    (row) =>
      row.name.toLowerCase() === name &&
      (spec.formerOwnerIds ?? []).some((former) => partsOf(row.guid)?.owner === ownerPart(former, row.name)),
  );

/**
 * A row of the farm is that of a pod that has not ended, or listed as one that needs a person. A pod that has not ended keeps the row of its
 * name, whatever its UID (promise 2), also where no member selects it and so nobody hands the row over.
 */
function rowsWithoutPod(cluster: Cluster, farm: FarmObject, rows: readonly RowObject[], pinged: ReadonlySet<string>): readonly string[] {
  if (farm.spec.policy !== "Sync") return [];
  const { ownerId } = ownerOf(cluster, farm);
  const owners = [ownerId, ...(farm.spec.formerOwnerIds ?? [])];
  const there = [...cluster.api.pods.values()].filter((pod) => !saysEnded(pod));
  const present = new Set(there.map((pod) => podPart(pod.uid)));
  const names = new Set(there.filter(({ namespace }) => namespace === farm.namespace).map(({ name }) => name));
  return rows.flatMap((row) => {
    const parts = partsOf(row.guid);
    if (parts === undefined || !owners.some((owner) => parts.owner === ownerPart(owner, row.name)) || present.has(parts.pod)) return [];
    if (names.has(row.name.toLowerCase()) || pinged.has(row.name.toLowerCase())) return [];
    const isListed = listed(farm).some(({ serverID, state }) => serverID === row.serverID && (state === "Blocked" || state === "Conflict"));
    return isListed ? [] : [`row ${row.serverID} ${row.name} is no pod's`];
  });
}
