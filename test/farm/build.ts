// Builders of the core's values with good defaults, so that a case shows only what it is about. Everything they make is frozen: a test
// that passes proves that the core changed nothing that it was given.

import { markFor, podHash } from "../../operator/farm/mark.ts";
import type { MarkIdentity } from "../../operator/farm/mark.ts";
import { emptyMemory } from "../../operator/farm/memory.ts";
import type { FarmMemory } from "../../operator/farm/memory.ts";
import { farmKey } from "../../operator/farm/model.ts";
import type {
  DatabaseFacts,
  DatabaseProblem,
  FarmSettings,
  Pod,
  PodUid,
  PodView,
  SeenPod,
  ServerRow,
  TableRead,
  WebFarm,
  WorkloadRead,
} from "../../operator/farm/model.ts";
import type { MemberObservation, Observation, TableObservation } from "../../operator/farm/observation.ts";
import type { WebFarmSpec } from "../../operator/farm/resource.generated.ts";

export const identity: MarkIdentity = {
  ownerId: "eu-1/shop",
  formerOwnerIds: ["eu-1/old-shop"],
  namespaceUid: "0b5d9f0e-1c2d-4e3f-8a9b-0c1d2e3f4a5b",
};
export const otherCluster: MarkIdentity = { ...identity, namespaceUid: "ffffffff-1c2d-4e3f-8a9b-0c1d2e3f4a5b" };
/** An earlier life of the farm. */
export const formerOwner: MarkIdentity = { ...identity, ownerId: "eu-1/old-shop" };
export const otherOwner: MarkIdentity = { ...identity, ownerId: "eu-1/blog" };

/** Monotonic and wall clock of an observation unless a case says otherwise. */
export const nowMs = 1_000_000;
export const nowWallMs = Date.parse("2026-01-01T12:00:00Z");

export function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  if (value instanceof Map) for (const one of value.values()) deepFreeze(one);
  else for (const one of Object.values(value)) deepFreeze(one);
  return Object.freeze(value);
}

type Changes<T> = { readonly [K in keyof T]?: T[K] | undefined };

/** The defaults with the changes; `undefined` takes a field away. */
function changed<T extends object>(defaults: T, changes: Changes<T>): T {
  const all = Object.entries({ ...defaults, ...changes }).filter(([, value]) => value !== undefined);
  return deepFreeze(Object.fromEntries(all) as T);
}

export const uid = (text: string): PodUid => text as PodUid;

/** Alive, bound and not Ready yet; its UID follows from its name unless given. */
export function pod(changes: Changes<Pod> = {}): Pod {
  const name = changes.name ?? "shop-a";
  return changed<Pod>(
    {
      uid: uid(`uid-of-${name}`),
      namespace: "prod",
      name,
      labels: { app: "shop" },
      createdAtMs: 1_000,
      graceSeconds: 30,
      node: "node-1",
      hostNetwork: false,
      phase: "Running",
      ready: false,
      gate: "absent",
      running: true,
    },
    changes,
  );
}

export const unbound = (changes: Changes<Pod> = {}): Pod => pod({ node: undefined, phase: "Pending", running: false, ...changes });
export const terminating = (changes: Changes<Pod> = {}): Pod => pod({ deletionAtMs: 2_000, ...changes });
export const ended = (changes: Changes<Pod> = {}): Pod => pod({ phase: "Succeeded", running: false, ...changes });
/** A phase that the control plane set for a node that it could not ask. */
export const lost = (changes: Changes<Pod> = {}): Pod =>
  pod({ phase: "Failed", running: false, disruption: "DeletionByPodGC", ...changes });

/** A row with this pod's mark, under the pod's name. */
export function rowOf(of: Pod, changes: Changes<ServerRow> & { readonly by?: MarkIdentity } = {}): ServerRow {
  const { by = identity, ...rest } = changes;
  const name = rest.name ?? of.name;
  return changed<ServerRow>({ serverID: 1, name, guid: markFor(by, name, of.uid), enabled: true }, rest);
}

/** A row that a person or the product made. */
export const foreignRow = (changes: Changes<ServerRow> = {}): ServerRow =>
  changed<ServerRow>({ serverID: 900, name: "web-by-hand", guid: "2f1f7c0e-6a7c-4b1e-9d55-1d6f0d0c9a11", enabled: true }, changes);

export interface Gone {
  readonly pod: Pod;
  readonly presence?: "deleted" | "listedGone";
  readonly ended?: boolean;
  readonly returns?: number;
}

/** Pods in the cache, and pods that this process saw and that are gone. */
export function podView(pods: readonly Pod[], gone: readonly Gone[] = [], synced = true): PodView {
  const seen = new Map<string, SeenPod>();
  for (const one of gone) seen.set(podHash(one.pod.uid), { presence: "deleted", ended: false, ...one });
  for (const one of pods) seen.set(podHash(one.uid), { pod: one, presence: "present", ended: false });
  return deepFreeze({ synced, pods, seen: (hash) => seen.get(hash) });
}

export const deployment = (changes: Partial<Extract<WorkloadRead, { kind: "found" }>> = {}): WorkloadRead =>
  deepFreeze({
    kind: "found",
    uid: "uid-of-workload",
    selector: { matchLabels: { app: "shop" } },
    replicas: 0,
    deleting: false,
    ...changes,
  });

export const member = (changes: Changes<MemberObservation> = {}): MemberObservation =>
  changed<MemberObservation>(
    {
      name: "live",
      serverName: "$(POD_NAME)",
      url: "http://$(POD_IP)",
      workloadName: "Deployment shop",
      workload: deployment(),
      selector: { matchLabels: { app: "shop" } },
    },
    changes,
  );

export const spec = (changes: Changes<WebFarmSpec> = {}): WebFarmSpec =>
  changed<WebFarmSpec>(
    {
      policy: "Sync",
      registration: "Operator",
      suspend: false,
      database: { connectionStringSecretRef: { name: "kentico", key: "CMSConnectionString" }, schema: "dbo", multiSubnetFailover: false },
      members: [{ name: "live", workloadRef: { apiVersion: "apps/v1", kind: "Deployment", name: "shop" } }],
      adoption: "Never",
      deletionPolicy: "RemoveStale",
      readinessGate: { failOpenSeconds: 300 },
      removal: { nodeLostSeconds: 300 },
    },
    changes,
  );

export const farm = (changes: Changes<Omit<WebFarm, "spec">> & { readonly spec?: Changes<WebFarmSpec> } = {}): WebFarm => {
  const { spec: specChanges, ...rest } = changes;
  return changed<WebFarm>(
    {
      key: farmKey("prod", "shop"),
      namespace: "prod",
      name: "shop",
      uid: "uid-of-farm",
      resourceVersion: "1",
      generation: 1,
      createdAtMs: 500,
      finalizers: ["webfarm.dev/servers"],
      annotations: {},
      spec: spec(specChanges),
      status: {},
      unsupported: [],
    },
    rest,
  );
};

export const facts = (changes: Changes<DatabaseFacts> = {}): DatabaseFacts =>
  changed<DatabaseFacts>(
    {
      endpoint: "sql.example,1433",
      name: "Kentico",
      product: "12-13",
      engineVersion: "16.0.4",
      hasUrl: false,
      hasPings: false,
      foldsCase: true,
      notes: [],
    },
    changes,
  );

export const settings = (mode: string | null): FarmSettings => deepFreeze({ kind: "read", values: { CMSWebFarmMode: mode } });

export const problem = (changes: Changes<DatabaseProblem> = {}): DatabaseProblem =>
  changed<DatabaseProblem>({ kind: "unreachable", reason: "Unreachable", message: "The server does not answer.", stalled: false }, changes);

/** Rows in Manual mode; `pings` makes it a table that has pings. */
export function table(
  rows: readonly ServerRow[],
  changes: Changes<TableRead> & { readonly facts?: Changes<DatabaseFacts> } = {},
): TableObservation {
  const { facts: factChanges, ...read } = changes;
  return deepFreeze({
    kind: "read",
    read: changed<TableRead>({ rows, truncated: false, settings: settings("2") }, read),
    facts: facts({ hasPings: read.pings !== undefined, ...factChanges }),
  });
}

export const unavailable = (changes: Changes<DatabaseProblem> = {}): TableObservation =>
  deepFreeze({ kind: "unavailable", problem: problem(changes) });

export interface Scene extends Changes<Omit<Observation, "pods" | "table">> {
  readonly pods?: readonly Pod[];
  readonly gone?: readonly Gone[];
  readonly synced?: boolean;
  readonly rows?: readonly ServerRow[];
  readonly table?: TableObservation;
}

export function observation(scene: Scene = {}): Observation {
  const { pods = [], gone = [], synced = true, rows = [], table: given = table(rows), ...rest } = scene;
  return changed<Observation>(
    {
      farm: farm(),
      identity,
      members: [member()],
      statefulSets: [],
      pods: podView(pods, gone, synced),
      takenByOlder: new Map(),
      table: given,
      readOnly: false,
      nowMs,
    },
    rest,
  );
}

export const memory = (changes: Partial<FarmMemory> = {}): FarmMemory => deepFreeze({ ...emptyMemory, ...changes });
