// Deployments, StatefulSets, the garbage collector and namespaces: they make and delete pods' objects until these are as wanted. Names of a
// Deployment's pods are letters in the order of their making (shop-a, shop-b, ...) and never come back; UIDs never do.

import { key, workloadKey } from "./apiServer.ts";
import { deletePod } from "./kubelet.ts";
import type { PodObject, WorkloadKind, WorkloadObject } from "./objects.ts";
import type { Cluster, PodRecord, Truth } from "./truth.ts";

const mostRounds = 200;

/** Until nothing is left to do; throws where they never agree. */
export function runControllers(truth: Truth): void {
  for (const [name, cluster] of truth.clusters) {
    if (cluster.controllersRest) continue;
    let rounds = 0;
    while (namespaces(truth, cluster) || collect(truth, name, cluster) || workloads(truth, name, cluster)) {
      rounds += 1;
      if (rounds > mostRounds) throw new Error(`The controllers of cluster ${name} do not come to rest`);
    }
  }
}

function workloads(truth: Truth, name: string, cluster: Cluster): boolean {
  for (const workload of cluster.api.workloads.values()) {
    const isBusy =
      workload.kind === "Deployment" ? deployment(truth, name, cluster, workload) : statefulSet(truth, name, cluster, workload);
    if (isBusy) return true;
  }
  return false;
}

const ownedBy = (truth: Truth, { api }: Cluster, workload: WorkloadObject): readonly PodObject[] =>
  [...api.pods.values()].filter(({ controller }) => controller?.uid === workload.uid);

const isActive = (pod: PodObject): boolean => pod.deletionAtMs === undefined && pod.phase !== "Failed" && pod.phase !== "Succeeded";

/** One step towards the wanted pods. True: it did something. */
function deployment(truth: Truth, name: string, cluster: Cluster, workload: WorkloadObject): boolean {
  if (workload.deletionAtMs !== undefined) return false;
  const active = ownedBy(truth, cluster, workload).filter(isActive);
  const isNew = (pod: PodObject): boolean => truth.recordOf(pod.uid).revision === workload.revision;
  const fresh = active.filter(isNew);
  const old = active.filter((pod) => !isNew(pod));
  const surge = old.length > 0 ? 1 : 0;
  if (fresh.length < workload.replicas && active.length < workload.replicas + surge) {
    makePod(truth, name, workload);
    return true;
  }
  const surplus = fresh.length > workload.replicas ? leastUseful(fresh) : spareOld(old, active, workload.replicas);
  if (surplus === undefined) return false;
  deletePod(truth, truth.recordOf(surplus.uid), "graceful");
  return true;
}

/** An old pod that may go without leaving fewer Ready ones than wanted. */
function spareOld(old: readonly PodObject[], active: readonly PodObject[], replicas: number): PodObject | undefined {
  const idle = old.find(({ ready }) => !ready);
  if (idle !== undefined && active.length > replicas) return idle;
  return active.filter(({ ready }) => ready).length > replicas ? old[0] : undefined;
}

const leastUseful = (pods: readonly PodObject[]): PodObject | undefined =>
  pods.toSorted((a, b) => Number(a.ready) - Number(b.ready) || Number(a.running) - Number(b.running) || (a.uid < b.uid ? 1 : -1))[0];

function statefulSet(truth: Truth, name: string, cluster: Cluster, workload: WorkloadObject): boolean {
  if (workload.deletionAtMs !== undefined) return false;
  for (let ordinal = 0; ordinal < workload.replicas; ordinal += 1) {
    const pod = cluster.api.pods.get(key(workload.namespace, `${workload.name}-${ordinal}`));
    if (pod === undefined) {
      makePod(truth, name, workload, ordinal);
      return true;
    }
    // A set deletes a pod that has ended, to make it anew.
    if (pod.controller?.uid === workload.uid && pod.deletionAtMs === undefined && !isActive(pod)) {
      deletePod(truth, truth.recordOf(pod.uid), "graceful");
      return true;
    }
  }
  const surplus = ownedBy(truth, cluster, workload).find((pod) => isActive(pod) && ordinalOf(pod.name) >= workload.replicas);
  if (surplus === undefined) return false;
  deletePod(truth, truth.recordOf(surplus.uid), "graceful");
  return true;
}

const ordinalOf = (name: string): number => Number(name.slice(name.lastIndexOf("-") + 1));

/** a, b, ... z, aa, ab, ... */
export function letters(count: number): string {
  const last = String.fromCharCode("a".charCodeAt(0) + (count % 26));
  return count < 26 ? last : letters(Math.floor(count / 26) - 1) + last;
}

/** A new pod of the workload, not bound yet. */
export function makePod(truth: Truth, cluster: string, workload: WorkloadObject, ordinal?: number): PodRecord {
  const { api, made } = truth.cluster(cluster);
  const at = workloadKey(workload.namespace, workload.kind, workload.name);
  const count = made.get(at) ?? 0;
  made.set(at, count + 1);
  const pod: PodObject = {
    uid: truth.newUid("pod"),
    namespace: workload.namespace,
    name: `${workload.name}-${ordinal ?? letters(count)}`,
    labels: workload.labels,
    createdAtMs: truth.nowMs,
    graceSeconds: workload.graceSeconds,
    hostNetwork: false,
    phase: "Pending",
    ready: false,
    gate: workload.hasGate ? "closed" : "absent",
    running: false,
    controller: controllerOf(workload),
  };
  const record = truth.newRecord(cluster, pod, workload.revision);
  api.putPod(pod);
  return record;
}

export const controllerOf = ({ kind, name, uid }: WorkloadObject): NonNullable<PodObject["controller"]> => ({
  ...{ apiVersion: "apps/v1", uid },
  ...(kind === "Deployment" ? { kind: "ReplicaSet", name: `${name}-6f7c9d5b8` } : { kind: "StatefulSet", name }),
});

/** Pods whose controller is gone go too; a namespace takes everything in it along. */
function collect(truth: Truth, name: string, { api }: Cluster): boolean {
  const owners = new Set([...api.workloads.values()].map(({ uid }) => uid));
  for (const pod of api.pods.values()) {
    const isLeft = pod.controller !== undefined && !owners.has(pod.controller.uid);
    const isGoing = api.namespaces.get(pod.namespace)?.deletionAtMs !== undefined;
    if ((!isLeft && !isGoing) || pod.deletionAtMs !== undefined) continue;
    deletePod(truth, truth.recordOf(pod.uid), "graceful");
    return true;
  }
  return false;
}

function namespaces(truth: Truth, { api }: Cluster): boolean {
  for (const namespace of api.namespaces.values()) {
    if (namespace.deletionAtMs === undefined) continue;
    const inside = <T extends { readonly namespace: string }>(objects: ReadonlyMap<string, T>): readonly T[] =>
      [...objects.values()].filter((object) => object.namespace === namespace.name);
    for (const workload of inside(api.workloads)) api.removeWorkload(workload);
    for (const secret of inside(api.secrets)) api.removeSecret(secret.namespace, secret.name);
    for (const farm of inside(api.farms)) deleteFarm(truth, api, farm.namespace, farm.name);
    if (inside(api.pods).length + inside(api.farms).length > 0) continue;
    api.removeNamespace(namespace);
    return true;
  }
  return false;
}

/** Gone at once without finalizers; else marked, and gone with the last of them. */
export function deleteFarm(truth: Truth, api: Cluster["api"], namespace: string, name: string): void {
  const farm = api.farms.get(key(namespace, name));
  if (farm === undefined) return;
  if (farm.finalizers.length === 0) api.removeFarm(farm);
  else if (farm.deletionAtMs === undefined) api.putFarm({ ...farm, deletionAtMs: truth.nowMs, generation: farm.generation + 1 });
}

export const findWorkload = ({ api }: Cluster, namespace: string, name: string, kind: WorkloadKind): WorkloadObject | undefined =>
  api.workloads.get(workloadKey(namespace, kind, name));
