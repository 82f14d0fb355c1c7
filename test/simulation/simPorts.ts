// The ports of a pass (operator/pass/ports.ts) on the simulated world: caches answer at once, all else is an effect. What an effect does on
// the truth is here; when it does it, and what its caller hears, is decided elsewhere.

import type { DatabaseMaterial, FarmKey, Pod, ServerRow, TableRead, WebFarm, WorkloadRead } from "../../operator/farm/model.ts";
import type { WebFarmStatus } from "../../operator/farm/resource.generated.ts";
import type { Cluster, Databases, FarmDatabase, FarmEvent, FarmWrite, WriteResult } from "../../operator/pass/ports.ts";
import { key, workloadKey } from "./apiServer.ts";
import type { SimDatabase } from "./database.ts";
import { decoded } from "./decoded.ts";
import { SimDatabaseFailure } from "./effects.ts";
import type { EffectKind } from "./effects.ts";
import type { FarmObject, WorkloadKind, Writer } from "./objects.ts";
import { refreshPings } from "./pings.ts";
import { asPod } from "./simCaches.ts";
import type { SimCaches } from "./simCaches.ts";
import type { Truth } from "./truth.ts";

/** Sends an effect: `run` is executed on the truth, at most once, when it is decided. */
export type Send = <T>(what: { readonly kind: EffectKind; readonly text: string }, run: () => T, signal?: AbortSignal) => Promise<T>;

export interface PortOptions {
  readonly truth: Truth;
  readonly cluster: string;
  readonly caches: SimCaches;
  readonly send: Send;
  readonly operator: string;
  readonly process: string;
  /** When the effect that is sent now is sent. */
  readonly nowMs: () => number;
  readonly onEvent: (event: FarmEvent) => void;
}

const finalizer = "webfarm.dev/servers";

export function simCluster({
  truth,
  cluster,
  caches,
  send,
  process,
  nowMs,
  onEvent,
}: PortOptions): Cluster & { forgetFarm(uid: string): void } {
  const { api } = truth.cluster(cluster);
  const namespaceUids = new Map<string, string>();

  /** Conditional on the version that was observed, as operator/kubernetes/farmWrites.ts. */
  const write = (
    what: "status" | "finalizer",
    farm: WebFarm,
    change: (now: FarmObject) => FarmObject | "removed",
    signal: AbortSignal,
  ): Promise<FarmWrite> =>
    send<FarmWrite>(
      { kind: `api.${what}`, text: farm.key },
      () => {
        const now = api.farms.get(key(farm.namespace, farm.name));
        if (now === undefined) return { kind: "gone" };
        if (now.uid !== farm.uid || now.resourceVersion !== farm.resourceVersion) return { kind: "conflict" };
        const next = change(now);
        if (next !== "removed") return { kind: "written", farm: decoded(api.putFarm(next)) };
        api.removeFarm(now);
        return { kind: "written", farm: { ...farm, finalizers: [] } };
      },
      signal,
    );

  return {
    farm: (farmKey) => caches.farm(farmKey),
    farmsIn: (namespace) => caches.farms().filter((farm) => farm.namespace === namespace),
    pods: (namespace) => caches.view(namespace),
    isSynced: (namespace) => caches.isFarmsSynced && caches.view(namespace).synced,
    // As operator/kubernetes/namespaces.ts: a namespace, then its WebFarm, which tells that it was the one asked for.
    namespaceUid: async (farm, signal) => {
      const known = namespaceUids.get(farm.uid);
      if (known !== undefined) return known;
      const uid = await send(
        { kind: "api.namespace", text: farm.namespace },
        () => {
          const found = api.namespaces.get(farm.namespace);
          if (found === undefined) throw new Error(`404: there is no namespace ${farm.namespace}`);
          return found.uid;
        },
        signal,
      );
      const now = await send({ kind: "api.namespace", text: farm.key }, () => api.farms.get(key(farm.namespace, farm.name)), signal);
      if (now?.uid !== farm.uid) throw new Error(`WebFarm ${farm.key} is not there any more`);
      namespaceUids.set(farm.uid, uid);
      return uid;
    },
    forgetFarm: (uid) => void namespaceUids.delete(uid),
    readWorkload: ({ namespace, ref, signal }) =>
      send<WorkloadRead>(
        { kind: "api.workload", text: `${namespace}/${ref.kind}/${ref.name}` },
        () => {
          const found = api.workloads.get(workloadKey(namespace, ref.kind as WorkloadKind, ref.name));
          if (found === undefined) return { kind: "absent" };
          const ordinals = { start: 0, count: found.replicas };
          return {
            kind: "found",
            uid: found.uid,
            selector: { matchLabels: found.labels },
            replicas: found.replicas,
            deleting: found.deletionAtMs !== undefined,
            ...(found.kind === "StatefulSet" && { ordinals }),
          };
        },
        signal,
      ).catch((error: unknown): WorkloadRead => {
        signal?.throwIfAborted();
        return { kind: "unknown", reason: "ApiUnreachable", message: error instanceof Error ? error.message : String(error) };
      }),
    readSecret: ({ namespace, name, signal }) =>
      send({ kind: "api.secret", text: key(namespace, name) }, () => api.secrets.get(key(namespace, name))?.data, signal),
    readConfigMap: ({ namespace, name, signal }) => send({ kind: "api.configMap", text: key(namespace, name) }, () => undefined, signal),
    readServiceAccount: ({ namespace, name, signal }) =>
      send({ kind: "api.serviceAccount", text: key(namespace, name) }, () => ({ kind: "absent" }), signal),
    liveFarm: ({ namespace, name, signal }) =>
      send(
        { kind: "api.liveFarm", text: key(namespace, name) },
        () => {
          const farm = api.farms.get(key(namespace, name));
          return farm === undefined ? undefined : decoded(farm);
        },
        signal,
      ),
    livePod: ({ namespace, name, signal }) =>
      send<Pod | undefined>(
        { kind: "api.livePod", text: key(namespace, name) },
        () => {
          const pod = api.pods.get(key(namespace, name));
          truth.noteLook({ process, namespace, name, pods: pod === undefined ? [] : [pod] });
          return pod === undefined ? undefined : asPod(pod);
        },
        signal,
      ),
    livePods: ({ namespace, signal }) =>
      send(
        { kind: "api.livePods", text: namespace },
        () => {
          const pods = [...api.pods.values()].filter((pod) => pod.namespace === namespace);
          truth.noteLook({ process, namespace, pods });
          return pods.map(asPod);
        },
        signal,
      ),
    openGate: ({ pod, reason }, signal) => {
      const sentAtMs = nowMs();
      return send(
        { kind: "api.gate", text: `${pod.name} ${pod.uid} ${reason}` },
        () => {
          const now = api.pods.get(key(pod.namespace, pod.name));
          if (now?.uid !== pod.uid) return "gone";
          truth.noteGate({ cluster, pod: now, reason, by: process, sentAtMs });
          api.putPod({ ...now, gate: now.gate === "absent" ? "absent" : "open" });
          return "opened";
        },
        signal,
      );
    },
    patchStatus: (farm, status: WebFarmStatus, signal) =>
      write("status", farm, (now) => ({ ...now, status: status as unknown as FarmObject["status"] }), signal),
    addFinalizer: (farm, signal) =>
      farm.finalizers.includes(finalizer)
        ? Promise.resolve({ kind: "unchanged" })
        : write("finalizer", farm, (now) => ({ ...now, finalizers: [...now.finalizers, finalizer] }), signal),
    removeFinalizer: (farm, signal) =>
      farm.finalizers.includes(finalizer)
        ? write(
            "finalizer",
            farm,
            (now) => {
              const finalizers = now.finalizers.filter((one) => one !== finalizer);
              return finalizers.length === 0 && now.deletionAtMs !== undefined ? "removed" : { ...now, finalizers };
            },
            signal,
          )
        : Promise.resolve({ kind: "unchanged" }),
    record: (event) => onEvent(event),
  };
}

export function simDatabases(options: PortOptions): Databases {
  return {
    use: (farm, material) => {
      const name = databaseOf(material);
      if (name !== undefined) return { kind: "usable", database: simDatabase(options, farm, options.truth.database(name)) };
      const message = "The connection string names no database.";
      return { kind: "refused", problem: { kind: "configuration", reason: "InvalidConnectionString", message, stalled: true } };
    },
    release: () => undefined,
  };
}

function databaseOf({ login }: DatabaseMaterial): string | undefined {
  return login.kind !== "connectionString" ? login.database : /(?:^|;)Database=([^;]+)/.exec(login.text)?.[1];
}

type Statement = "read" | "facts" | "conflict" | "register" | "mark" | "remove" | "sweep";

function simDatabase(options: PortOptions, farm: FarmKey, database: SimDatabase): FarmDatabase {
  const { truth, send, operator, process, cluster, nowMs } = options;
  const rows = (): readonly ServerRow[] => [...database.rows.values()];
  const back = (): TableRead => ({ rows: rows(), truncated: false });
  const written = (): WriteResult => ({ read: back(), refused: [] });
  const ask = <T>(statement: Statement, text: string, run: () => T, signal: AbortSignal): Promise<T> =>
    send(
      { kind: `sql.${statement}`, text: `${database.name} ${text}` },
      () => {
        if (database.isGone) throw new SimDatabaseFailure("notApplied", "The database cannot be opened.");
        return run();
      },
      signal,
    );
  const writer = (statement: "register" | "mark" | "remove" | "sweep"): Writer => ({
    ...{ kind: "operator", operator, process, statement, farm, cluster },
    sentAtMs: nowMs(),
  });
  return {
    facts: (signal) =>
      ask(
        "facts",
        "",
        () => ({
          ...{
            endpoint: "sql.example,1433",
            name: database.name,
            product: "12-13",
            engineVersion: "16.0",
            hasUrl: false,
            foldsCase: true,
            notes: [],
          },
          ...{ hasPings: database.pings !== undefined, foreignKeyDisabled: false },
        }),
        signal,
      ),
    read: (signal) =>
      ask(
        "read",
        "",
        () => ({
          ...(refreshPings(truth), back()),
          ...(database.pings !== undefined && { pings: new Map(database.pings) }),
          settings: { kind: "read", values: { CMSWebFarmMode: database.mode } },
        }),
        signal,
      ),
    register: (servers, signal, { mostServers } = {}) => {
      const by = writer("register");
      return ask(
        "register",
        servers.map(({ name, guid }) => `${name} ${guid}`).join(", "),
        () => {
          database.register(servers, by, mostServers);
          return written();
        },
        signal,
      );
    },
    mark: (marks, signal) => {
      const by = writer("mark");
      return ask(
        "mark",
        marks.map(({ serverID, newGuid }) => `${serverID} ${newGuid}`).join(", "),
        () => {
          database.mark(marks, by);
          return written();
        },
        signal,
      );
    },
    remove: (removals, signal) => {
      const by = writer("remove");
      return ask(
        "remove",
        removals.map(({ serverID, guid }) => `${serverID} ${guid}`).join(", "),
        () => {
          const bindings = database.remove(removals, by);
          const isThere = ({ serverID, guid }: { serverID: number; guid: string | null }): boolean =>
            database.rows.get(serverID)?.guid === guid;
          return { ...written(), bindings, bindingsRemain: removals.some(isThere) };
        },
        signal,
      );
    },
    conflict: (name, signal) => ask("conflict", name, () => database.rowNamed(name), signal),
    sweep: (removed, signal) => ask("sweep", removed.map(({ serverID }) => String(serverID)).join(", "), () => undefined, signal),
  };
}
