// What a pass needs of the cluster and of the database, as the small interfaces that the adapters fulfil. No adapter is imported here.

import type {
  DatabaseFacts,
  DatabaseMaterial,
  DatabaseProblem,
  FarmKey,
  Pod,
  PodView,
  ServerName,
  ServerRow,
  TableRead,
  WebFarm,
  WorkloadRead,
} from "../farm/model.ts";
import type { GateOpening } from "../farm/gates.ts";
import type { WebFarmStatus, WorkloadRef } from "../farm/resource.generated.ts";

export type FarmWrite =
  | { readonly kind: "written"; readonly farm: WebFarm }
  | { readonly kind: "unchanged" }
  | { readonly kind: "conflict" }
  | { readonly kind: "gone" };

export interface ObjectName {
  readonly namespace: string;
  readonly name: string;
  readonly signal?: AbortSignal;
}

/** `absent`: a clean 404. `forbidden`: a 403. */
export type ServiceAccountRead =
  | { readonly kind: "found"; readonly annotations: Readonly<Record<string, string>> }
  | { readonly kind: "absent" }
  | { readonly kind: "forbidden" };

export interface FarmEvent {
  readonly farm: WebFarm;
  /** About this pod; absent: about the farm. */
  readonly pod?: Pod;
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly action: string;
  readonly note: string;
}

/** The API server. `farm`, `farmsIn`, `pods` and `isSynced` answer from caches; all else asks, and rejects when the answer is not sure. */
export interface Cluster {
  farm(key: FarmKey): WebFarm | undefined;
  farmsIn(namespace: string): readonly WebFarm[];
  pods(namespace: string): PodView;
  /** The namespace's farms and pods have been delivered whole since the start. */
  isSynced(namespace: string): boolean;
  /** Of the namespace that this very WebFarm is in; rejects when it is not there any more. */
  namespaceUid(farm: WebFarm, signal: AbortSignal): Promise<string>;
  readWorkload(query: { readonly namespace: string; readonly ref: WorkloadRef; readonly signal?: AbortSignal }): Promise<WorkloadRead>;
  /** Undefined: a clean 404. */
  readSecret(name: ObjectName): Promise<Readonly<Record<string, string>> | undefined>;
  readConfigMap(name: ObjectName): Promise<Readonly<Record<string, string>> | undefined>;
  readServiceAccount(name: ObjectName): Promise<ServiceAccountRead>;
  /** As the API server has it now; undefined: a clean 404. */
  liveFarm(name: ObjectName): Promise<WebFarm | undefined>;
  livePod(name: ObjectName): Promise<Pod | undefined>;
  livePods(query: { readonly namespace: string; readonly signal?: AbortSignal }): Promise<readonly Pod[]>;
  openGate(opening: GateOpening, signal: AbortSignal): Promise<"opened" | "gone">;
  patchStatus(farm: WebFarm, status: WebFarmStatus, signal: AbortSignal): Promise<FarmWrite>;
  addFinalizer(farm: WebFarm, signal: AbortSignal): Promise<FarmWrite>;
  removeFinalizer(farm: WebFarm, signal: AbortSignal): Promise<FarmWrite>;
  record(event: FarmEvent): void;
}

export interface Databases {
  use(
    key: FarmKey,
    material: DatabaseMaterial,
  ): { readonly kind: "usable"; readonly database: FarmDatabase } | { readonly kind: "refused"; readonly problem: DatabaseProblem };
  release(key: FarmKey): void;
}

export interface NewServer {
  readonly name: ServerName;
  readonly guid: string;
  /** Where the table has ServerURL. */
  readonly url?: string;
}

export interface Registering {
  /** Enabled rows that the table may have afterwards: the first of the servers get the places that are left. Absent: no limit. */
  readonly mostServers?: number;
  /** Gives each new row the table's newest ping, where there is one: a row without any is reported as not responding at once. */
  readonly copiesPing?: boolean;
}

export interface WriteResult {
  /** The rows after the last request: the truth about what was written. */
  readonly read: TableRead;
  readonly refused: readonly { readonly name: string; readonly problem: DatabaseProblem }[];
}

/** Each method rejects with a DatabaseFailure. */
export interface FarmDatabase {
  facts(signal: AbortSignal): Promise<DatabaseFacts & { readonly foreignKeyDisabled: boolean }>;
  read(signal: AbortSignal): Promise<TableRead>;
  register(servers: readonly NewServer[], signal: AbortSignal, how?: Registering): Promise<WriteResult>;
  /** `newGuid` may be the same, to set the URL only. */
  mark(
    rows: readonly {
      readonly serverID: number;
      readonly name: string;
      readonly guid: string | null;
      readonly newGuid: string;
      readonly url?: string;
    }[],
    signal: AbortSignal,
  ): Promise<WriteResult>;
  /** With `newestPing` only while that is the newest one (as TableRead has it; `noPing`: while there is none): a row without a mark says nothing of its process. */
  remove(
    rows: readonly { readonly serverID: number; readonly name: string; readonly guid: string | null; readonly newestPing?: string }[],
    signal: AbortSignal,
  ): Promise<WriteResult & { readonly bindings: number; readonly bindingsRemain: boolean }>;
  conflict(name: string, signal: AbortSignal): Promise<ServerRow | undefined>;
  sweep(removed: readonly { readonly serverID: number; readonly name: string }[], signal: AbortSignal): Promise<void>;
}

export interface DatabaseFailure extends Error {
  readonly problem: DatabaseProblem;
  /** `unknown`: the statement may have been executed, or may yet be. */
  readonly outcome: "notApplied" | "unknown";
}

export const isDatabaseFailure = (error: unknown): error is DatabaseFailure =>
  error instanceof Error && typeof (error as Partial<DatabaseFailure>).problem === "object" && "outcome" in error;

/** Counters and durations; seconds. */
export interface PassMetrics {
  registered(seconds: number | undefined): void;
  removed(evidence: string, seconds: number | undefined): void;
  gateOpened(reason: string): void;
  farm(
    key: FarmKey,
    state: {
      /** Absent while the rows are not known. */
      readonly states?: Readonly<Record<string, number>>;
      readonly foreign: number;
      readonly blocked: number;
      readonly ready: boolean;
    },
  ): void;
  forget(key: FarmKey): void;
}
