// What is really so in the simulated world: the time, API servers, the processes of pods wherever they run, databases, and a history of
// every committed change. Plain synchronous state: no promise, nothing from operator/. Kubelets and controllers act on it from files of
// their own, and operators only through effects.

import { isDeepStrictEqual } from "node:util";
import { ApiServer, key } from "./apiServer.ts";
import { SimDatabase } from "./database.ts";
import type { Look } from "./looks.ts";
import type { FarmChange, GateOpening, LeaseWrite, PodObject, Process, RowChange, WallMs } from "./objects.ts";

export const originMs: WallMs = Date.UTC(2026, 0, 1);

/** Everything about a pod that no store holds: what a restore of the store never takes back. */
export interface PodRecord {
  readonly uid: string;
  readonly cluster: string;
  /** The last state that the API server had of it. */
  last: PodObject;
  isStored: boolean;
  /** When the object was last removed from the store. */
  goneAtMs: WallMs | undefined;
  boundAtMs: WallMs | undefined;
  process: Process;
  containersReady: boolean;
  /** How long the process takes to end after it was told to. */
  stopMs: number;
  /** Lives on whatever it is told, until it is said to end. */
  isDeaf: boolean;
  /** How the pod ended, while its node could not say so. */
  unreported: "Succeeded" | "Failed" | undefined;
  /** Of its Deployment, when it was made. */
  readonly revision: number;
  /** Its labels or its controller were changed at some time. */
  wasReassigned: boolean;
  /** Where the process writes, by the connection string that it was started with. */
  database: string | undefined;
}

export type Task =
  | { readonly kind: "bind" | "start" | "ready" | "exit" | "reap" | "restart" | "rebirth"; readonly uid: string }
  /** A statement that was sent long ago; `text` is what tells it from others. */
  | { readonly kind: "statement"; readonly text: string; readonly run: () => void };

interface Due {
  readonly atMs: WallMs;
  readonly sequence: number;
  readonly task: Task;
}

export interface Cluster {
  readonly api: ApiServer;
  readonly cutNodes: Set<string>;
  /** Nobody makes or deletes pods for workloads: an upgrade of the control plane. */
  controllersRest: boolean;
  /** When the store was last taken back. */
  restoredAtMs: WallMs | undefined;
  /** How often it was. */
  restores: number;
  /** Of each workload, how many pods it has made: their names never come back. */
  readonly made: Map<string, number>;
}

export interface Witness {
  row(change: RowChange): void;
  gate(opening: GateOpening): void;
  farm(change: FarmChange): void;
  lease(write: LeaseWrite): void;
  /** Not a commit: what a process was shown by a live read. */
  look(look: Look): void;
}

export class Truth {
  nowMs: WallMs = originMs;
  /** Kubelets and controllers act by themselves; otherwise only by steps. */
  isAutomatic = true;
  readonly clusters = new Map<string, Cluster>();
  readonly databases = new Map<string, SimDatabase>();
  readonly records = new Map<string, PodRecord>();
  readonly rowChanges: RowChange[] = [];
  readonly gateOpenings: GateOpening[] = [];
  /** Operator processes whose live reads are told, each from its start; and the last state in which each has seen each pod, by UID. */
  readonly watchedProcesses = new Map<string, Map<string, PodObject>>();
  /** Told of each committed change in the moment in which it is committed. */
  onCommit: Witness = { row: () => undefined, gate: () => undefined, farm: () => undefined, lease: () => undefined, look: () => undefined };
  /** Called for each pod that was written or removed, and for all after a restore. */
  onPod: (record: PodRecord) => void = () => undefined;
  readonly #restoresKnown = new Map<string, number>();
  #agenda: Due[] = [];
  #sequence = 0;
  readonly #made = new Map<string, number>();

  cluster(name: string): Cluster {
    const known = this.clusters.get(name);
    if (known !== undefined) return known;
    const api = new ApiServer(name);
    const cluster: Cluster = { api, cutNodes: new Set(), controllersRest: false, made: new Map(), restoredAtMs: undefined, restores: 0 };
    api.onFarm = (before, after) => this.onCommit.farm({ atMs: this.nowMs, cluster: name, before, after });
    api.watchers.add({
      onEvent: (event) => {
        if (event.resource === "pods") this.#notePod(name, event.object, event.type === "put");
      },
      onRestore: () => this.#noteRestore(name, api),
    });
    this.clusters.set(name, cluster);
    return cluster;
  }

  database(name: string): SimDatabase {
    const known = this.databases.get(name);
    if (known !== undefined) return known;
    const database = new SimDatabase(name, (change) => {
      const committed = { ...change, atMs: this.nowMs };
      this.rowChanges.push(committed);
      this.onCommit.row(committed);
    });
    this.databases.set(name, database);
    return database;
  }

  noteGate(opening: Omit<GateOpening, "atMs">): void {
    const committed = { ...opening, atMs: this.nowMs };
    this.gateOpenings.push(committed);
    this.onCommit.gate(committed);
  }

  /** A list has shown the process what the store is now, and that it went back if it did. */
  notePodsListed(process: string, cluster: string): void {
    this.#restoresKnown.set(process, this.cluster(cluster).restores);
  }

  /** The store went back and nothing has shown it to the process: its lists had versions that had grown past those that it knew. */
  isUnaware(process: string, cluster: string): boolean {
    const known = this.#restoresKnown.get(process);
    return known !== undefined && known < this.cluster(cluster).restores;
  }

  noteLook(look: Omit<Look, "atMs">): void {
    this.onCommit.look({ ...look, atMs: this.nowMs });
  }

  noteLease(write: Omit<LeaseWrite, "atMs">): void {
    this.onCommit.lease({ ...write, atMs: this.nowMs });
  }

  /** Never twice the same, also not after a restore. */
  newUid(kind: string): string {
    const count = (this.#made.get(kind) ?? 0) + 1;
    this.#made.set(kind, count);
    return `${kind}-${String(count).padStart(4, "0")}`;
  }

  /** Of a pod that was just made, before it is put into the store. */
  newRecord(cluster: string, pod: PodObject, revision: number): PodRecord {
    const record: PodRecord = {
      uid: pod.uid,
      cluster,
      last: pod,
      isStored: false,
      goneAtMs: undefined,
      boundAtMs: undefined,
      process: { restarting: false, rebirths: 0 },
      containersReady: false,
      stopMs: 2_000,
      isDeaf: false,
      unreported: undefined,
      revision,
      wasReassigned: false,
      database: undefined,
    };
    this.records.set(pod.uid, record);
    return record;
  }

  recordOf(uid: string): PodRecord {
    const record = this.records.get(uid);
    if (record === undefined) throw new Error(`There never was a pod with UID ${uid}`);
    return record;
  }

  /** The object as the API server has it. */
  stored({ cluster, last }: PodRecord): PodObject | undefined {
    const pod = this.cluster(cluster).api.pods.get(key(last.namespace, last.name));
    return pod?.uid === last.uid ? pod : undefined;
  }

  isReachable({ cluster, last }: PodRecord): boolean {
    return last.node !== undefined && !this.cluster(cluster).cutNodes.has(last.node);
  }

  schedule(afterMs: number, task: Task): void {
    this.#agenda.push({ atMs: this.nowMs + afterMs, sequence: this.#sequence++, task });
  }

  /** Unless the same is due already. */
  scheduleOnce(afterMs: number, task: Extract<Task, { readonly uid: string }>): void {
    if (!this.isDue(task)) this.schedule(afterMs, task);
  }

  isDue({ kind, uid }: Extract<Task, { readonly uid: string }>): boolean {
    return this.#agenda.some(({ task }) => task.kind === kind && "uid" in task && task.uid === uid);
  }

  cancel({ kind, uid }: Extract<Task, { readonly uid: string }>): void {
    this.#agenda = this.#agenda.filter(({ task }) => !(task.kind === kind && "uid" in task && task.uid === uid));
  }

  /** When the next task falls due; Infinity where there is none. */
  get nextDueMs(): WallMs {
    let first = Infinity;
    for (const { atMs } of this.#agenda) if (atMs < first) first = atMs;
    return first;
  }

  /** The first task that is due by now. */
  takeDue(): Task | undefined {
    let first: Due | undefined;
    for (const due of this.#agenda)
      if (
        due.atMs <= this.nowMs &&
        (first === undefined || due.atMs < first.atMs || (due.atMs === first.atMs && due.sequence < first.sequence))
      )
        first = due;
    if (first === undefined) return undefined;
    this.#agenda = this.#agenda.filter((due) => due !== first);
    return first.task;
  }

  get agenda(): readonly { readonly atMs: WallMs; readonly task: Task }[] {
    return this.#agenda;
  }

  #notePod(cluster: string, pod: PodObject, isStored: boolean): void {
    const record = this.records.get(pod.uid) ?? this.newRecord(cluster, pod, 0);
    record.wasReassigned ||= isReassigned(record.last, pod);
    record.last = pod;
    record.isStored = isStored;
    record.goneAtMs = isStored ? undefined : this.nowMs;
    if (pod.node !== undefined) record.boundAtMs ??= this.nowMs;
    this.onPod(record);
  }

  #noteRestore(cluster: string, api: ApiServer): void {
    this.cluster(cluster).restoredAtMs = this.nowMs;
    this.cluster(cluster).restores += 1;
    for (const record of this.records.values()) {
      if (record.cluster !== cluster) continue;
      const pod = api.pods.get(key(record.last.namespace, record.last.name));
      const isStored = pod?.uid === record.uid;
      if (isStored) record.last = pod;
      if (record.isStored && !isStored) record.goneAtMs = this.nowMs;
      if (isStored) record.goneAtMs = undefined;
      record.isStored = isStored;
    }
    for (const record of this.records.values()) if (record.cluster === cluster) this.onPod(record);
  }
}

const isReassigned = (before: PodObject, { labels, controller }: PodObject): boolean =>
  controller?.uid !== before.controller?.uid || (labels !== before.labels && !isDeepStrictEqual(labels, before.labels));

/** A container of the pod has started, and the kubelet has not ended it for good. */
export const isLive = ({ process }: Pick<PodRecord, "process">): boolean =>
  process.startedAtMs !== undefined && process.endedAtMs === undefined;

const guesses: ReadonlySet<string> = new Set(["DeletionByPodGC", "DeletionByTaintManager"]);

/** The kubelet itself has said that the pod is over, or none ever had it. */
export function saysEnded(pod: PodObject): boolean {
  if (pod.node === undefined && pod.deletionAtMs !== undefined) return true;
  const isTerminal = pod.phase === "Succeeded" || pod.phase === "Failed";
  return isTerminal && !pod.running && !guesses.has(pod.disruption ?? "");
}
