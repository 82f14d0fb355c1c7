// The kubelets and the scheduler: what becomes of a pod's object and of its process. A kubelet looks at what is (level, not edge), reports
// what its process does, and hears nothing and says nothing while its node is cut off. It never acts by itself where the truth is not
// automatic: then each of its deeds is a step.

import type { PodObject } from "./objects.ts";
import { databaseOf, refreshPings } from "./pings.ts";
import { isLive, saysEnded } from "./truth.ts";
import type { PodRecord, Task, Truth } from "./truth.ts";

const bindMs = 100;
const startMs = 1_000;
const readyMs = 2_000;
const reapMs = 100;
const restartMs = 10_000;
/** A process whose pod's object is gone has no grace left. */
const killMs = 2_000;
const nodes = ["n1", "n2", "n3"] as const;

/** Puts kubelets to work: from now on each change of a pod is looked at. */
export function startKubelets(truth: Truth): void {
  truth.onPod = (record) => {
    if (truth.isAutomatic) look(truth, record);
  };
}

/** What a kubelet (before there is one: the scheduler) makes of a pod as it is now. */
export function look(truth: Truth, record: PodRecord): void {
  const pod = truth.stored(record);
  if (pod !== undefined && pod.node === undefined) {
    truth.scheduleOnce(bindMs, { kind: "bind", uid: record.uid });
    return;
  }
  if (!truth.isReachable(record)) return;
  if (pod === undefined) {
    if (isLive(record) && !record.isDeaf) truth.scheduleOnce(killMs, { kind: "exit", uid: record.uid });
    return;
  }
  if (report(truth, record, pod)) return; // the write is looked at again
  if (pod.deletionAtMs !== undefined || (pod.phase === "Failed" && isLive(record))) {
    stop(truth, record, pod);
    return;
  }
  if (saysEnded(pod)) return;
  if (record.process.endedAtMs !== undefined) truth.scheduleOnce(startMs, { kind: "rebirth", uid: record.uid });
  else if (record.process.startedAtMs === undefined) truth.scheduleOnce(startMs, { kind: "start", uid: record.uid });
  else if (!record.containersReady && !record.process.restarting) truth.scheduleOnce(readyMs, { kind: "ready", uid: record.uid });
}

function stop(truth: Truth, record: PodRecord, pod: PodObject): void {
  const { uid } = record;
  if (isLive(record)) {
    if (!record.isDeaf) truth.scheduleOnce(Math.min(record.stopMs, pod.graceSeconds * 1_000), { kind: "exit", uid });
    return;
  }
  truth.cancel({ kind: "start", uid });
  if (pod.phase !== "Succeeded" && pod.phase !== "Failed") {
    const { disruption: _guess, ...known } = pod;
    put(truth, { ...known, phase: "Failed", running: false, ready: false });
    return;
  }
  truth.scheduleOnce(reapMs, { kind: "reap", uid });
}

/** Says what the process does, where the object says otherwise. True: it wrote. */
function report(truth: Truth, record: PodRecord, pod: PodObject): boolean {
  if (record.unreported !== undefined) {
    const phase = record.unreported;
    record.unreported = undefined;
    const { disruption: _guess, ...known } = pod;
    put(truth, { ...known, phase, running: false, ready: false });
    return true;
  }
  if (!isLive(record) || pod.phase === "Failed" || pod.phase === "Succeeded") return false;
  const running = !record.process.restarting;
  const ready = running && record.containersReady && pod.gate !== "closed" && pod.deletionAtMs === undefined;
  if (pod.phase === "Running" && pod.running === running && pod.ready === ready) return false;
  put(truth, { ...pod, phase: "Running", running, ready, ip: pod.ip ?? ipOf(record) });
  return true;
}

const put = (truth: Truth, pod: PodObject): PodObject => truth.cluster(truth.recordOf(pod.uid).cluster).api.putPod(pod);

const ipOf = (record: PodRecord): string => `10.0.0.${Number(record.uid.slice(-4)) % 250}`;

/** Does what fell due. */
export function perform(truth: Truth, { kind, uid }: Extract<Task, { readonly uid: string }>): void {
  const record = truth.recordOf(uid);
  switch (kind) {
    case "bind":
      bind(truth, record, nodes[Number(uid.slice(-4)) % nodes.length === 0 ? 2 : (Number(uid.slice(-4)) % nodes.length) - 1] ?? "n1");
      return;
    case "start":
      start(truth, record);
      return;
    case "ready":
      becomeReady(truth, record);
      return;
    case "exit":
      exit(truth, record, "Succeeded");
      return;
    case "reap":
      reap(truth, record);
      return;
    case "restart":
      restart(truth, record);
      return;
    case "rebirth":
      rebirth(truth, record);
  }
}

export function bind(truth: Truth, record: PodRecord, node: string): void {
  const pod = truth.stored(record);
  if (pod?.node === undefined && pod?.deletionAtMs === undefined && pod !== undefined) put(truth, { ...pod, node });
}

/** The container starts, unless its kubelet knows that it should not: one that hears nothing starts what it was told to. */
export function start(truth: Truth, record: PodRecord): void {
  if (record.process.startedAtMs !== undefined) return;
  const pod = truth.stored(record);
  if (truth.isReachable(record) && (pod === undefined || pod.deletionAtMs !== undefined)) return;
  record.process = { ...record.process, startedAtMs: truth.nowMs };
  record.database = databaseOf(truth, record);
  update(truth, record);
}

export function becomeReady(truth: Truth, record: PodRecord): void {
  if (!isLive(record)) return;
  record.containersReady = true;
  update(truth, record);
}

/** The container ends for good, and the kubelet says so if it can. */
export function exit(truth: Truth, record: PodRecord, phase: "Succeeded" | "Failed"): void {
  if (!isLive(record)) return;
  refreshPings(truth);
  record.process = { ...record.process, endedAtMs: truth.nowMs, restarting: false };
  record.containersReady = false;
  record.unreported = phase;
  truth.cancel({ kind: "exit", uid: record.uid });
  truth.cancel({ kind: "restart", uid: record.uid });
  const pod = truth.stored(record);
  if (pod === undefined) record.unreported = undefined;
  else if (truth.isReachable(record)) {
    report(truth, record, pod);
  }
}

/** The kubelet removes the object of a pod that it has ended. */
export function reap(truth: Truth, record: PodRecord): void {
  const pod = truth.stored(record);
  if (pod?.deletionAtMs === undefined || isLive(record) || !truth.isReachable(record)) return;
  truth.cluster(record.cluster).api.removePod(pod);
}

/** The container has crashed and is to be started again. */
export function crash(truth: Truth, record: PodRecord): void {
  if (!isLive(record)) return;
  record.process = { ...record.process, restarting: true };
  record.containersReady = false;
  update(truth, record);
  if (truth.isAutomatic) truth.scheduleOnce(restartMs, { kind: "restart", uid: record.uid });
}

export function restart(truth: Truth, record: PodRecord): void {
  if (!isLive(record)) return;
  record.process = { ...record.process, restarting: false };
  update(truth, record);
}

/** The store went back to a time in which this pod had not ended: its kubelet has forgotten it and begins anew. */
export function rebirth(truth: Truth, record: PodRecord): void {
  const pod = truth.stored(record);
  if (pod === undefined || pod.deletionAtMs !== undefined || saysEnded(pod) || isLive(record)) return;
  const { endedAtMs: _ended, ...process } = record.process;
  record.process = { ...process, rebirths: process.rebirths + 1, rebornAtMs: truth.nowMs };
  update(truth, record);
}

function update(truth: Truth, record: PodRecord): void {
  const pod = truth.stored(record);
  if (pod === undefined || !truth.isReachable(record)) return;
  report(truth, record, pod);
}

/** Somebody deletes the pod. A pod without a node goes at once. */
export function deletePod(truth: Truth, record: PodRecord, how: "graceful" | "force"): void {
  const pod = truth.stored(record);
  if (pod === undefined) return;
  const { api } = truth.cluster(record.cluster);
  if (how === "force" || pod.node === undefined) api.removePod(pod);
  else if (pod.deletionAtMs === undefined) api.putPod({ ...pod, deletionAtMs: truth.nowMs + pod.graceSeconds * 1_000, ready: false });
}

/** The node hears and says nothing; its processes go on. */
export function cutNode(truth: Truth, cluster: string, node: string): void {
  truth.cluster(cluster).cutNodes.add(node);
}

export function rejoinNode(truth: Truth, cluster: string, node: string): void {
  truth.cluster(cluster).cutNodes.delete(node);
  for (const record of podsOn(truth, cluster, node)) truth.onPod(record);
}

/** The control plane gives up a node: by taint the pods are to end when they can, by PodGC their objects go now. */
export function giveUpNode(truth: Truth, cluster: string, node: string, by: "taint" | "collector"): void {
  const { api } = truth.cluster(cluster);
  for (const record of podsOn(truth, cluster, node)) {
    const pod = truth.stored(record);
    if (pod === undefined) continue;
    if (by === "taint") {
      if (pod.deletionAtMs !== undefined) continue;
      const deletionAtMs = truth.nowMs + pod.graceSeconds * 1_000;
      api.putPod({ ...pod, deletionAtMs, disruption: "DeletionByTaintManager", ready: false });
    } else {
      const isOver = saysEnded(pod);
      api.removePod(isOver ? pod : api.putPod({ ...pod, phase: "Failed", disruption: "DeletionByPodGC", ready: false }));
    }
  }
}

const podsOn = (truth: Truth, cluster: string, node: string): readonly PodRecord[] =>
  [...truth.records.values()].filter((record) => record.cluster === cluster && record.last.node === node);
