// What the simulated API servers, kubelets and databases hold, as immutable values: a change makes a new value. Only types; nothing here
// comes from operator/, so that the checker can read all of it without sharing a word with what it judges.

/** Wall clock milliseconds since 1970. */
export type WallMs = number;

export interface PodObject {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly createdAtMs: WallMs;
  /** When it must be gone: deletionTimestamp. */
  readonly deletionAtMs?: WallMs;
  readonly graceSeconds: number;
  /** Absent: not bound. */
  readonly node?: string;
  readonly hostNetwork: boolean;
  readonly phase: "Pending" | "Running" | "Succeeded" | "Failed";
  readonly ip?: string;
  readonly ready: boolean;
  readonly gate: "absent" | "closed" | "open";
  /** A container has a status `running`. */
  readonly running: boolean;
  /** Reason of the condition DisruptionTarget while it is True. */
  readonly disruption?: string;
  readonly controller?: { readonly apiVersion: string; readonly kind: string; readonly name: string; readonly uid: string };
}

/** A WebFarm as the API server sends it: `spec` as a person wrote it, without defaults. */
export interface FarmObject {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly resourceVersion: string;
  readonly generation: number;
  readonly createdAtMs: WallMs;
  readonly deletionAtMs?: WallMs;
  readonly finalizers: readonly string[];
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: FarmSpec;
  readonly status: Readonly<Record<string, unknown>>;
}

export interface FarmSpec {
  readonly policy: string;
  readonly registration: string;
  readonly database: { readonly connectionStringSecretRef: { readonly name: string; readonly key: string } };
  readonly members: readonly FarmMember[];
  readonly ownerId?: string;
  readonly formerOwnerIds?: readonly string[];
  readonly suspend?: boolean;
  readonly adoption?: string;
  readonly deletionPolicy?: string;
  readonly readinessGate?: { readonly failOpenSeconds: number };
  readonly removal?: { readonly nodeLostSeconds: number };
  /** What a newer version of the resource may have. */
  readonly [newer: string]: unknown;
}

export interface FarmMember {
  readonly name: string;
  readonly workloadRef?: { readonly apiVersion: string; readonly kind: string; readonly name: string };
  readonly selector?: { readonly matchLabels: Readonly<Record<string, string>> };
  readonly serverName?: string;
}

export type WorkloadKind = "Deployment" | "StatefulSet";

export interface WorkloadObject {
  readonly kind: WorkloadKind;
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly replicas: number;
  /** Labels of its selector and of the pods that it makes. */
  readonly labels: Readonly<Record<string, string>>;
  /** Changes with each rollout. */
  readonly revision: number;
  readonly graceSeconds: number;
  readonly hasGate: boolean;
  /** Set while the deletion waits for the pods (foreground). */
  readonly deletionAtMs?: WallMs;
}

export interface LeaseObject {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly holder: string;
  readonly leaseSeconds: number;
  readonly acquiredAtMs: WallMs;
  readonly renewedAtMs: WallMs;
  readonly transitions: number;
  readonly resourceVersion: string;
}

export interface NamespaceObject {
  readonly name: string;
  readonly uid: string;
  readonly deletionAtMs?: WallMs;
}

export interface SecretObject {
  readonly namespace: string;
  readonly name: string;
  readonly data: Readonly<Record<string, string>>;
}

/** One line of a watch. `delete` carries the last state. */
export type WatchEvent =
  | { readonly resource: "pods"; readonly type: "put" | "delete"; readonly object: PodObject; readonly version: number }
  | { readonly resource: "farms"; readonly type: "put" | "delete"; readonly object: FarmObject; readonly version: number }
  | { readonly resource: "leases"; readonly type: "put" | "delete"; readonly object: LeaseObject; readonly version: number };

/** The container of a pod, which may live on when the pod's object is gone. */
export interface Process {
  readonly startedAtMs?: WallMs;
  readonly endedAtMs?: WallMs;
  /** The kubelet is about to start the container again. */
  readonly restarting: boolean;
  /** How often the kubelet began anew with a UID that it had already ended: only when the store went back in time. */
  readonly rebirths: number;
  readonly rebornAtMs?: WallMs;
}

/** A row of CMS_WebFarmServer. */
export interface RowObject {
  readonly serverID: number;
  readonly name: string;
  /** Lower case with dashes. */
  readonly guid: string | null;
  readonly enabled: boolean;
}

/** A committed change of a row. */
export interface RowChange {
  readonly atMs: WallMs;
  readonly database: string;
  /** Absent: inserted. */
  readonly before?: RowObject;
  /** Absent: deleted. */
  readonly after?: RowObject;
  readonly by: Writer;
}

export type Writer =
  | { readonly kind: "person" }
  | { readonly kind: "restore" }
  /** `process`: the name of the operator and the number of its start, "A1". */
  | {
      readonly kind: "operator";
      readonly operator: string;
      readonly process: string;
      readonly statement: "register" | "mark" | "remove" | "sweep";
      readonly farm: string;
      readonly cluster: string;
      readonly sentAtMs: WallMs;
    };

export interface GateOpening {
  readonly atMs: WallMs;
  readonly cluster: string;
  readonly pod: PodObject;
  readonly reason: string;
  readonly by: string;
  readonly sentAtMs: WallMs;
}

/** A status that was written to a WebFarm, or an annotation that a person set. */
export interface FarmChange {
  readonly atMs: WallMs;
  readonly cluster: string;
  readonly before: FarmObject | undefined;
  /** Absent: gone. */
  readonly after: FarmObject | undefined;
}

export interface LeaseWrite {
  readonly atMs: WallMs;
  readonly cluster: string;
  /** The process that wrote it. */
  readonly by: string;
  readonly lease: LeaseObject;
}
