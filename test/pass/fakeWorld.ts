// A cluster and a database in memory behind the ports of a pass, for tests of whole passes: what was asked is recorded, and each call can
// be made to fail, before or after it took effect. Pods are remembered by the real ledger.

import { markFor } from "../../operator/farm/mark.ts";
import type { MarkIdentity } from "../../operator/farm/mark.ts";
import { farmKey, noPing } from "../../operator/farm/model.ts";
import type {
  DatabaseFacts,
  DatabaseProblem,
  FarmKey,
  FarmSettings,
  Pod,
  ServerRow,
  TableRead,
  WebFarm,
  WorkloadRead,
} from "../../operator/farm/model.ts";
import type { WebFarmStatus } from "../../operator/farm/resource.generated.ts";
import { PodLedger } from "../../operator/kubernetes/podLedger.ts";
import type {
  Cluster,
  Databases,
  FarmDatabase,
  FarmEvent,
  FarmWrite,
  PassMetrics,
  ServiceAccountRead,
  WriteResult,
} from "../../operator/pass/ports.ts";
import { createReconciler } from "../../operator/reconcile.ts";
import type { Reconciler } from "../../operator/reconcile.ts";
import type { Result } from "../../operator/controller/workers.ts";
import { FakeClock } from "../controller/fakeClock.ts";
import { recordingLog } from "../controller/recordingLog.ts";
import { deployment, facts, farm as buildFarm, identity, settings } from "../farm/build.ts";

export class FakeDatabaseError extends Error {
  readonly problem: DatabaseProblem;
  readonly outcome: "notApplied" | "unknown";

  constructor(problem: Partial<DatabaseProblem> = {}, outcome: "notApplied" | "unknown" = "unknown") {
    super(problem.message ?? "The server does not answer.");
    this.problem = { kind: "unreachable", reason: "Timeout", message: this.message, stalled: false, ...problem };
    this.outcome = outcome;
  }
}

/** What a call that has this name does instead of answering; `after`: it took effect, and then it failed. */
export interface Fault {
  readonly when: "before" | "after";
  readonly error: Error;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** The farm of most tests, where a call names no other. */
const shop = buildFarm().key;

export class FakeWorld {
  readonly clock = new FakeClock();
  readonly log = recordingLog();
  readonly calls: string[] = [];
  readonly events: FarmEvent[] = [];
  readonly faults = new Map<string, Fault>();
  readonly gates = new Map<string, string>();
  readonly refusedRows = new Set<string>();
  /** Servers with more bindings than any number of requests deletes. */
  readonly endlessRows = new Set<string>();
  /** A trigger undoes what is written to these rows, and says nothing. */
  readonly undoneRows = new Set<string>();
  readonly secrets = new Map<string, Readonly<Record<string, string>>>([["kentico", { CMSConnectionString: "Server=sql;Password=hush" }]]);
  readonly serviceAccounts = new Map<string, ServiceAccountRead>();
  /** The Secret's text with which each write reached its database, in order. */
  readonly writtenTo: string[] = [];
  /** Evidence of each removed row, in order. */
  readonly evidence: string[] = [];
  /** Rows that wait for a person, as the metric of each farm says. */
  readonly blocked = new Map<FarmKey, number>();
  /** What each metric of a farm says; servers by state as they were told last. */
  readonly metrics = new Map<FarmKey, Parameters<PassMetrics["farm"]>[1]>();
  /** As the API server has them. */
  readonly farms = new Map<FarmKey, WebFarm>([[shop, buildFarm({ finalizers: [], spec: { ownerId: identity.ownerId } })]]);
  /** What the cache shows instead. */
  readonly stale = new Map<FarmKey, WebFarm>();
  /** Is told of each call right before it takes effect, or fails. */
  onCall: (name: string) => void = nothing;
  rows: ServerRow[] = [];
  /** Changes to what the database says of itself. */
  facts: Partial<DatabaseFacts> = {};
  /** Instead of the mode alone. */
  settings: FarmSettings | undefined;
  /** What a name is compared by: two names with one text are one. */
  collation: (name: string) => string = (name) => name.replace(/ +$/, "").toLowerCase();
  /** Servers that were given a ping with their row. */
  readonly quietlyBorn: string[] = [];
  /** Whether the caches have been delivered whole. */
  isSynced = { farms: true, pods: true };
  /** What the API server says of every workload, instead of `replicas` and `kind`. */
  workload: WorkloadRead | undefined;
  replicas = 1;
  kind: "Deployment" | "StatefulSet" = "Deployment";
  pings: Map<number, string> | undefined;
  /** CMSWebFarmMode. */
  mode: "1" | "2" = "2";
  /** What the API server has; the cache may differ. */
  live = new Map<string, Pod>();
  readonly #cached = new Map<string, Pod>();
  #ledger = new PodLedger();
  #version = 1;
  #lists = 1;
  #nextID = 1;

  readonly #given: Databases | undefined;
  reconciler: Reconciler;

  /** With `databases` the rows are those of a real one; then rows, pings, faults of its calls and refused rows are nobody's. */
  constructor(databases?: Databases) {
    this.#given = databases;
    this.reconciler = this.#process();
  }

  #workload(): WorkloadRead {
    const ordinals = { start: 0, count: this.replicas };
    return deployment({ replicas: this.replicas, ...(this.kind === "StatefulSet" && { ordinals }) });
  }

  #process(): Reconciler {
    return createReconciler({
      cluster: this.#cluster(),
      databases: this.#given ?? this.#databases(),
      clock: this.clock,
      log: this.log,
      metrics: {
        registered: nothing,
        removed: (evidence) => void this.evidence.push(evidence),
        gateOpened: nothing,
        farm: (key, told) => {
          this.blocked.set(key, told.blocked);
          this.metrics.set(key, { ...this.metrics.get(key), ...told });
        },
        forget: nothing,
      },
      resyncMs: 30_000,
      readOnly: false,
      identity: "test",
      version: "test",
    });
  }

  /** Another process takes over: it has seen what is there now, and remembers nothing. */
  restart(): void {
    this.#ledger = new PodLedger();
    this.#cached.clear();
    for (const pod of this.live.values()) this.see(pod);
    this.reconciler = this.#process();
  }

  /** Another process takes over that has watched the pods for as long as this one, and remembers nothing of the farm. */
  takeOver(): void {
    this.reconciler = this.#process();
  }

  /** The cache is made anew by a list: what is gone by now was last seen at some time before. */
  relist(): void {
    for (const pod of [...this.#cached.values()]) {
      if (this.live.get(pod.name)?.uid === pod.uid) continue;
      this.#cached.delete(pod.uid);
      this.#ledger.note(pod, undefined, "listed");
    }
    for (const pod of this.live.values()) this.see(pod);
    this.#lists += 1;
  }

  get farm(): WebFarm | undefined {
    return this.farms.get(shop);
  }

  /** One pass; the minimum between two writes has gone by. */
  pass(key = shop): Promise<Result> {
    this.clock.jump(20);
    return this.reconciler.reconcile(key, new AbortController().signal);
  }

  /** Passes until nothing is left to do before `untilMs` from now, as the queue would run them. Answers how many it took. */
  async settle(untilMs: number, key = shop): Promise<number> {
    const endMs = this.clock.monotonic() + untilMs;
    for (let passes = 1; ; passes += 1) {
      const result = await this.pass(key);
      const waitMs = result.kind === "again" ? result.afterMs : result.kind === "failed" ? 1_000 : Infinity;
      if (this.clock.monotonic() + waitMs >= endMs) {
        this.clock.jump(Math.max(0, endMs - this.clock.monotonic()));
        return passes;
      }
      if (passes > 2_000) throw new Error("The passes spin");
      this.clock.jump(waitMs);
    }
  }

  put(pod: Pod): void {
    this.live.set(pod.name, pod);
    this.see(pod);
  }

  /** Only the cache shows it. */
  see(pod: Pod): void {
    this.#ledger.note(this.#cached.get(pod.uid), pod, "event");
    this.#cached.set(pod.uid, pod);
  }

  /** Gone from API server and cache. */
  delete(pod: Pod, how: "event" | "listed" = "event"): void {
    this.live.delete(pod.name);
    this.#cached.delete(pod.uid);
    this.#ledger.note(pod, undefined, how);
  }

  insertRow(pod: Pod, name = pod.name, by: MarkIdentity = identity): ServerRow {
    return this.insertForeign({ name, guid: markFor(by, name, pod.uid) });
  }

  /** A row as a person would insert it. */
  insertForeign(changes: Partial<Omit<ServerRow, "serverID">>): ServerRow {
    const guid = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
    const row: ServerRow = { serverID: this.#nextID++, name: "by-hand", guid, enabled: true, ...changes };
    this.rows.push(row);
    return row;
  }

  /** Changes the spec, as a person would. */
  respec(changes: Partial<WebFarm["spec"]>, key = shop): void {
    const { spec, generation } = this.farms.get(key) ?? buildFarm();
    this.change({ spec: { ...spec, ...changes }, generation: generation + 1 }, key);
  }

  change(changes: Partial<WebFarm>, key = shop): void {
    const before = this.farms.get(key);
    if (before === undefined) throw new Error(`There is no WebFarm ${key}`);
    this.#version += 1;
    this.farms.set(key, { ...before, ...changes, resourceVersion: String(this.#version) });
  }

  annotate(name: string, value: string, key = shop): void {
    this.change({ annotations: { ...this.farms.get(key)?.annotations, [name]: value } }, key);
  }

  count(call: string): number {
    return this.calls.filter((one) => one === call).length;
  }

  condition(type: string, key = shop): { readonly status: string; readonly reason: string } | undefined {
    const found = this.farms.get(key)?.status.conditions?.find((one) => one.type === type);
    return found === undefined ? undefined : { status: found.status, reason: found.reason };
  }

  async #call<T>(name: string, effect: () => T): Promise<T> {
    await Promise.resolve();
    this.calls.push(name);
    this.onCall(name);
    const fault = this.faults.get(name);
    if (fault?.when === "before") throw fault.error;
    const answer = effect();
    if (fault !== undefined) throw fault.error;
    return answer;
  }

  #cluster(): Cluster {
    const farmWrite = (name: string, farm: WebFarm, changes: Partial<WebFarm>): Promise<FarmWrite> =>
      this.#call(name, (): FarmWrite => {
        const now = this.farms.get(farm.key);
        if (now?.uid !== farm.uid) return { kind: "gone" };
        if (farm.resourceVersion !== now.resourceVersion) return { kind: "conflict" };
        this.change(changes, farm.key);
        return { kind: "written", farm: this.farms.get(farm.key) ?? farm };
      });
    const cached = (key: FarmKey): WebFarm | undefined => this.stale.get(key) ?? this.farms.get(key);
    return {
      farm: cached,
      farmsIn: () => [...this.farms.keys()].flatMap((key) => cached(key) ?? []),
      pods: () => ({
        ...{ synced: this.isSynced.pods, lists: this.#lists },
        ...{ pods: [...this.#cached.values()], seen: (hash) => this.#ledger.seen(hash) },
      }),
      isSynced: () => this.isSynced.farms && this.isSynced.pods,
      namespaceUid: () => this.#call("namespaceUid", () => identity.namespaceUid),
      readWorkload: () => this.#call("readWorkload", () => this.workload ?? this.#workload()),
      readSecret: ({ name }) => this.#call("readSecret", () => this.secrets.get(name)),
      readConfigMap: () => this.#call("readConfigMap", () => undefined),
      readServiceAccount: ({ name }) => this.#call("readServiceAccount", () => this.serviceAccounts.get(name) ?? { kind: "absent" }),
      liveFarm: ({ namespace, name }) => this.#call("liveFarm", () => this.farms.get(farmKey(namespace, name))),
      livePod: ({ name }) => this.#call("livePod", () => this.live.get(name)),
      livePods: () => this.#call("livePods", () => [...this.live.values()]),
      openGate: ({ pod, reason }) =>
        this.#call("openGate", () => {
          this.gates.set(pod.name, reason);
          this.put({ ...pod, gate: "open" });
          return "opened" as const;
        }),
      patchStatus: (farm, status: WebFarmStatus) => farmWrite("patchStatus", farm, { status }),
      addFinalizer: (farm) => farmWrite("addFinalizer", farm, { finalizers: [...farm.finalizers, "webfarm.dev/servers"] }),
      removeFinalizer: (farm) => farmWrite("removeFinalizer", farm, { finalizers: [] }),
      record: (event) => void this.events.push(event),
    };
  }

  #databases(): Databases {
    return {
      use: (_key, { login }) => ({ kind: "usable", database: this.#database(login.kind === "connectionString" ? login.text : login.host) }),
      release: () => void this.calls.push("release"),
    };
  }

  #read(): TableRead {
    return { rows: this.rows.map((row) => ({ ...row })), truncated: false };
  }

  #write<T extends { readonly name: string }>(place: string, rows: readonly T[], effect: (row: T) => void): WriteResult {
    this.writtenTo.push(place);
    const refused = rows.filter(({ name }) => this.refusedRows.has(name));
    for (const row of rows) if (!refused.includes(row) && !this.undoneRows.has(row.name)) effect(row);
    const problem: DatabaseProblem = { kind: "refused", reason: "RowRefused", message: "A trigger says no.", stalled: true };
    return { read: this.#read(), refused: refused.map(({ name }) => ({ name, problem })) };
  }

  #database(place: string): FarmDatabase {
    const isEqual = (one: string, other: string): boolean => this.collation(one) === this.collation(other);
    const find = (wanted: Pick<ServerRow, "serverID" | "guid" | "name">): Mutable<ServerRow> | undefined =>
      this.rows.find(({ serverID, guid, name }) => serverID === wanted.serverID && guid === wanted.guid && isEqual(name, wanted.name));
    const isSilent = ({ serverID, newestPing }: { readonly serverID: number; readonly newestPing?: string }): boolean =>
      newestPing === undefined || (this.pings?.get(serverID) ?? noPing) === newestPing;
    return {
      facts: () =>
        this.#call("facts", () => ({ ...facts({ hasPings: this.pings !== undefined }), ...this.facts, foreignKeyDisabled: false })),
      read: () =>
        this.#call("read", () => ({
          ...this.#read(),
          settings: this.settings ?? settings(this.mode),
          ...(this.pings !== undefined && { pings: new Map(this.pings) }),
        })),
      register: (servers, _signal, { mostServers = Infinity, copiesPing = false } = {}) =>
        this.#call("register", () =>
          this.#write(place, servers, ({ name, guid, url }) => {
            const isFull = this.rows.filter(({ enabled }) => enabled).length >= mostServers;
            if (isFull || this.rows.some((row) => isEqual(row.name, name))) return;
            this.rows.push({ serverID: this.#nextID++, name, guid, enabled: true, ...(url !== undefined && { url }) });
            if (copiesPing) this.quietlyBorn.push(name);
          }),
        ),
      mark: (marks) =>
        this.#call("mark", () =>
          this.#write(place, marks, (mark) => {
            const row = find(mark);
            if (row === undefined) return;
            row.guid = mark.newGuid;
            if (mark.url !== undefined) row.url = mark.url;
          }),
        ),
      remove: (rows) =>
        this.#call("remove", () => ({
          ...this.#write(place, rows, (wanted) => {
            if (isSilent(wanted) && !this.endlessRows.has(wanted.name)) this.rows = this.rows.filter((row) => row !== find(wanted));
          }),
          bindings: rows.some(({ name }) => this.endlessRows.has(name)) ? 2_000 : 0,
          bindingsRemain: rows.some((row) => find(row) !== undefined && isSilent(row)),
        })),
      conflict: (name) => this.#call("conflict", () => this.rows.find((row) => isEqual(row.name, name))),
      sweep: () => this.#call("sweep", () => undefined),
    };
  }
}

const nothing = (): void => undefined;
