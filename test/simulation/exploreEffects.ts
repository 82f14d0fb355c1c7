// What an explored operator process asks of the world, as data: a call of a port with its arguments, which can be executed on any copy of
// the truth, at any time, once or never. The meaning of each call is simPorts.ts'; nothing is decided here.

import type { DatabaseMaterial, FarmKey, WorkloadRead } from "../../operator/farm/model.ts";
import type { Cluster, Databases, FarmDatabase } from "../../operator/pass/ports.ts";
import type { EffectKind } from "./effects.ts";
import { defaultCluster } from "./names.ts";
import type { SimCaches } from "./simCaches.ts";
import { simCluster, simDatabases } from "./simPorts.ts";
import type { PortOptions } from "./simPorts.ts";
import type { Truth } from "./truth.ts";

export type Outcome = { readonly kind: "value"; readonly value: unknown } | { readonly kind: "error"; readonly error: Error };

type ClusterCall = Exclude<keyof Cluster, "farm" | "farmsIn" | "pods" | "isSynced" | "record">;
type DatabaseCall = keyof FarmDatabase;

export type Call =
  | { readonly on: "cluster"; readonly method: ClusterCall; readonly args: readonly unknown[] }
  | {
      readonly on: "database";
      readonly method: DatabaseCall;
      readonly args: readonly unknown[];
      readonly farm: FarmKey;
      readonly material: DatabaseMaterial;
    };

export interface AskedEffect {
  /** Counted from the beginning of the pass. */
  readonly id: number;
  readonly kind: EffectKind;
  /** What is asked, for people. */
  readonly text: string;
  readonly sentAtMs: number;
  readonly call: Call;
}

export type Ask = (kind: EffectKind, text: string, call: Call, signal?: AbortSignal) => Promise<unknown>;

interface AskingOptions {
  readonly caches: SimCaches;
  readonly ask: Ask;
  readonly namespaceUids: Map<string, string>;
}

const finalizer = "webfarm.dev/servers";
type Args<K extends keyof Cluster> = Parameters<Cluster[K]>;

/** The cluster as a process sees it: caches answer at once, everything else is asked. */
export function askingCluster({ caches, ask, namespaceUids }: AskingOptions): Cluster {
  const asked = <Answer>(kind: EffectKind, text: string, method: ClusterCall, args: readonly unknown[], signal?: AbortSignal) =>
    ask(kind, text, { on: "cluster", method, args }, signal) as Promise<Answer>;
  const named = <Answer>(
    method: "liveFarm" | "livePod" | "readSecret" | "readConfigMap" | "readServiceAccount",
    [query]: Args<"livePod">,
  ): Promise<Answer> => {
    const { namespace, name, signal } = query;
    return asked<Answer>(kinds[method], `${namespace}/${name}`, method, [{ namespace, name }], signal);
  };
  return {
    farm: (key) => caches.farm(key),
    farmsIn: (namespace) => caches.farms().filter((farm) => farm.namespace === namespace),
    pods: (namespace) => caches.view(namespace),
    isSynced: (namespace) => caches.isFarmsSynced && caches.view(namespace).synced,
    record: () => undefined,
    namespaceUid: async (farm, signal) => {
      const known = namespaceUids.get(farm.uid);
      if (known !== undefined) return known;
      const uid = await asked<string>("api.namespace", farm.namespace, "namespaceUid", [farm], signal);
      namespaceUids.set(farm.uid, uid);
      return uid;
    },
    readWorkload: ({ namespace, ref, signal }) =>
      asked<WorkloadRead>("api.workload", `${ref.kind} ${ref.name}`, "readWorkload", [{ namespace, ref }], signal).catch(
        (error: unknown): WorkloadRead => {
          signal?.throwIfAborted();
          return { kind: "unknown", reason: "ApiUnreachable", message: error instanceof Error ? error.message : String(error) };
        },
      ),
    readSecret: (...args) => named("readSecret", args),
    readConfigMap: (...args) => named("readConfigMap", args),
    readServiceAccount: (...args) => named("readServiceAccount", args),
    liveFarm: (...args) => named("liveFarm", args),
    livePod: (...args) => named("livePod", args),
    livePods: ({ namespace, signal }) => asked("api.livePods", namespace, "livePods", [{ namespace }], signal),
    openGate: (opening, signal) =>
      asked("api.gate", `${opening.pod.name} ${opening.pod.uid} ${opening.reason}`, "openGate", [opening], signal),
    patchStatus: (farm, status, signal) => asked("api.status", farm.key, "patchStatus", [farm, status], signal),
    addFinalizer: (farm, signal) =>
      farm.finalizers.includes(finalizer)
        ? Promise.resolve({ kind: "unchanged" })
        : asked("api.finalizer", `set on ${farm.key}`, "addFinalizer", [farm], signal),
    removeFinalizer: (farm, signal) =>
      farm.finalizers.includes(finalizer)
        ? asked("api.finalizer", `taken off ${farm.key}`, "removeFinalizer", [farm], signal)
        : Promise.resolve({ kind: "unchanged" }),
  };
}

const kinds = {
  liveFarm: "api.liveFarm",
  livePod: "api.livePod",
  readSecret: "api.secret",
  readConfigMap: "api.configMap",
  readServiceAccount: "api.serviceAccount",
} as const satisfies Partial<Record<ClusterCall, EffectKind>>;

/** Any database: which one it is, the truth says when the call is executed. */
export function askingDatabases(ask: Ask): Databases {
  return { use: (farm, material) => ({ kind: "usable", database: askingDatabase(ask, farm, material) }), release: () => undefined };
}

function askingDatabase(ask: Ask, farm: FarmKey, material: DatabaseMaterial): FarmDatabase {
  const asked = <Answer>(method: DatabaseCall, text: string, args: readonly unknown[], signal: AbortSignal) =>
    ask(`sql.${method}`, text, { on: "database", method, args, farm, material }, signal) as Promise<Answer>;
  return {
    facts: (signal) => asked("facts", "", [], signal),
    read: (signal) => asked("read", "", [], signal),
    register: (servers, signal) => asked("register", servers.map(({ name, guid }) => `${name} ${guid}`).join(", "), [servers], signal),
    mark: (rows, signal) => asked("mark", rows.map(({ serverID, newGuid }) => `${serverID} ${newGuid}`).join(", "), [rows], signal),
    remove: (rows, signal) => asked("remove", rows.map(({ serverID, guid }) => `${serverID} ${guid}`).join(", "), [rows], signal),
    conflict: (name, signal) => asked("conflict", name, [name], signal),
    sweep: (removed, signal) => asked("sweep", removed.map(({ serverID }) => String(serverID)).join(", "), [removed], signal),
  };
}

/** Does on the truth what was asked, in the name of the operator that asked, and answers what it would hear. */
export function execute(truth: Truth, operator: string, { call, sentAtMs }: Pick<AskedEffect, "call" | "sentAtMs">): Outcome {
  let outcome: Outcome | undefined;
  const ports: PortOptions = {
    ...{ truth, cluster: defaultCluster, operator, process: operator, nowMs: () => sentAtMs, onEvent: () => undefined },
    caches: undefined as unknown as SimCaches, // what is asked is never answered from a cache
    send: (_what, run) => {
      outcome = attempt(run);
      return new Promise(() => undefined);
    },
  };
  const { signal } = new AbortController();
  if (call.on === "cluster") invoke(simCluster(ports), call.method, [...call.args, signal]);
  else {
    const use = simDatabases(ports).use(call.farm, call.material);
    if (use.kind === "refused") throw new Error(use.problem.message);
    invoke(use.database, call.method, [...call.args, signal]);
  }
  if (outcome === undefined) throw new Error(`Cannot execute ${call.method}: nothing was sent`);
  return outcome;
}

function attempt(run: () => unknown): Outcome {
  try {
    return { kind: "value", value: run() };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return { kind: "error", error };
  }
}

function invoke<Port extends object>(port: Port, method: keyof Port, args: readonly unknown[]): void {
  const call = port[method] as unknown as (...args: unknown[]) => Promise<unknown>;
  void call.apply(port, [...args]);
}
