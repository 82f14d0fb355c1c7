// One operator process as a machine that an explorer feeds: the real queue, workers, reconciler, ledger and caches, of which each input (an
// event of a watch, an answer, a moment in which timers are due) is given by hand with its time. It is deterministic: the same inputs make
// the same process. It touches no truth; what it wants done it asks for.

import type { Logger } from "../../operator/controller/logger.ts";
import { startWorkers } from "../../operator/controller/workers.ts";
import { WorkQueue } from "../../operator/controller/workQueue.ts";
import { isOfInterest } from "../../operator/farm/interest.ts";
import type { FarmKey, Pod, PodUid, SeenPod, WebFarm } from "../../operator/farm/model.ts";
import { podHash } from "../../operator/farm/mark.ts";
import type { ReadWorkload } from "../../operator/pass/members.ts";
import type { FarmState, FarmStates } from "../../operator/pass/state.ts";
import { createReconciler } from "../../operator/reconcile.ts";
import { ApiServer, key } from "./apiServer.ts";
import { askingCluster, askingDatabases } from "./exploreEffects.ts";
import type { Ask, AskedEffect, Call, Outcome } from "./exploreEffects.ts";
import { defaultNamespace } from "./names.ts";
import type { FarmObject, PodObject, WatchEvent } from "./objects.ts";
import { SimCaches } from "./simCaches.ts";
import { SimClock } from "./simClock.ts";
import type { Timer } from "../../operator/controller/clock.ts";

export type StreamName = "farms" | "pods";

/** What happens to a process, at `atMs`. */
export type Input = { readonly atMs: number } & (
  | { readonly kind: "starts" | "timers" | "breaksOff" }
  | { readonly kind: "hears"; readonly stream: StreamName; readonly events: readonly WatchEvent[] }
  | { readonly kind: "lists"; readonly farms: readonly FarmObject[]; readonly version: number; readonly stream: "farms" }
  | { readonly kind: "lists"; readonly pods: readonly PodObject[]; readonly version: number; readonly stream: "pods" }
  | { readonly kind: "answer"; readonly effect: number; readonly outcome: Outcome }
);

/** Answers at once what nothing in this world can change; undefined: it has to be decided. */
export type Constants = (call: Call) => Outcome | undefined;

const silent: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore, child: () => silent };
const silentMetrics = {
  ...{ registered: ignore, removed: ignore, gateOpened: ignore, farm: ignore, forget: ignore },
  ...{ workersStarted: ignore, passStarted: ignore, passEnded: ignore, passTimedOut: ignore, passPanicked: ignore },
};

/** Time passes in such steps; every wait of the design is a multiple of it, and a timer may always fire late. */
export const stepMs = 10_000;
/** Between two writes: no other clock can tell whether they passed. */
const momentMs = 10;

/** Fires at whole steps, and after a moment at once. */
class SteppedClock extends SimClock {
  override after(ms: number, run: () => void): Timer {
    if (ms <= momentMs) return super.after(0, run);
    const nowMs = this.now();
    return super.after(Math.ceil((nowMs + ms) / stepMs) * stepMs - nowMs, run);
  }
}

interface Open extends AskedEffect {
  settle(outcome: Outcome): void;
}

/** A state of a farm as it is at rest. */
export interface RememberedFarm {
  readonly uid: string;
  /** What was written is better than the cache. */
  readonly isTrusted: boolean;
  readonly state: FarmState;
}

export interface Memory {
  readonly states: ReadonlyMap<FarmKey, RememberedFarm>;
  readonly workloads: ReadonlyMap<string, ReadWorkload>;
  readonly namespaceUids: ReadonlyMap<string, string>;
  readonly farms: { readonly synced: boolean; readonly objects: readonly FarmObject[] };
  readonly pods: { readonly synced: boolean; readonly objects: readonly Pod[] };
  readonly ledger: readonly SeenPod[];
  /** Watches that wait for a list. */
  readonly lists: readonly string[];
  readonly failures: readonly number[];
  readonly dueMs: readonly number[];
}

/** One farm, one key: priorities decide nothing. */
export class ExploredProcess {
  #nowMs = 0;
  #nextEffect = 0;
  #running = 0;
  readonly #open = new Map<number, Open>();
  readonly #clock = new SteppedClock(() => this.#nowMs);
  readonly #api = new ApiServer("as listed");
  readonly #queue: WorkQueue<FarmKey>;
  readonly #caches: SimCaches;
  readonly #states: FarmStates = new Map();
  readonly #workloads = new Map<string, ReadWorkload>();
  readonly #namespaceUids = new Map<string, string>();
  readonly #uids = new Set<string>();
  /** Those in the cache, as they were sent. */
  readonly #farms = new Map<string, FarmObject>();
  #isReviving = false;
  readonly #constants: Constants;

  constructor(constants: Constants) {
    this.#constants = constants;
    const clock = this.#clock;
    const queue = new WorkQueue<FarmKey>({ clock, random: () => 0.5 });
    const add = (farm: FarmKey): void => {
      if (!this.#isReviving) queue.add(farm);
    };
    const addAll = (farms: readonly WebFarm[]): void => {
      for (const farm of farms) add(farm.key);
    };
    const followPods = (): void => {
      if (caches.isFarmsSynced) caches.follow(new Set(caches.farms().map(({ namespace }) => namespace)));
    };
    const caches: SimCaches = new SimCaches({
      api: this.#api,
      onPod: (before, after) => {
        for (const farm of reconciler.farmsFor((after ?? before)?.namespace ?? "", before, after)) add(farm);
      },
      onPodsSynced: (namespace) => addAll(caches.farms().filter((farm) => farm.namespace === namespace)),
      onFarm: (before, after) => {
        const farm = after ?? before;
        if (farm === undefined || !isOfInterest(before, after)) return;
        followPods();
        if (after === undefined) this.#namespaceUids.delete(farm.uid);
        add(farm.key);
        addAll(caches.farms().filter(({ namespace }) => namespace === farm.namespace));
      },
      onFarmsSynced: () => {
        followPods();
        addAll(caches.farms());
      },
      onLease: ignore,
    });
    const cluster = askingCluster({ caches, ask: this.#ask, namespaceUids: this.#namespaceUids });
    const reconciler = createReconciler({
      ...{ cluster, databases: askingDatabases(this.#ask), clock, log: silent, metrics: silentMetrics },
      ...{ resyncMs: 30_000, readOnly: false, identity: "explored", version: "simulated" },
      ...{ states: this.#states, workloads: this.#workloads },
    });
    startWorkers<FarmKey>({
      ...{ queue, count: 2, clock, log: silent, passTimeoutMs: 60_000, metrics: silentMetrics },
      reconcile: async (farm, signal) => {
        this.#running += 1;
        try {
          return await reconciler.reconcile(farm, signal);
        } finally {
          this.#running -= 1;
        }
      },
    });
    this.#queue = queue;
    this.#caches = caches;
  }

  /** Makes this new process one that has this memory at `atMs`. Whether that could be done its own memory shows. */
  async revive(memory: Memory, atMs: number): Promise<void> {
    this.#nowMs = atMs;
    this.#isReviving = true;
    for (const [name, uid] of memory.namespaceUids) this.#namespaceUids.set(name, uid);
    for (const [name, read] of memory.workloads) this.#workloads.set(name, read);
    this.#reviveCaches(memory);
    for (const [name, one] of memory.states) this.#states.set(name, this.#revived(name, one));
    this.#isReviving = false;
    const [farm] = memory.farms.objects;
    const key = farm === undefined ? undefined : (`${farm.namespace}/${farm.name}` as FarmKey);
    for (const dueMs of memory.dueMs) if (key !== undefined) this.#queue.addAfter(key, dueMs - atMs, "background");
    await drained();
  }

  #reviveCaches({ farms, pods, ledger }: Memory): void {
    const put = (object: PodObject, type: "put" | "delete" = "put"): void => this.#hear({ resource: "pods", type, object, version: 0 });
    const putEnding = ({ pod, ended }: SeenPod): void => {
      const object = pod as unknown as PodObject;
      const { disruption: _guess, ...known } = object;
      if (ended) put({ ...known, phase: "Failed", running: false });
      put(object);
    };
    const relist = (): void => {
      this.#list({ kind: "lists", stream: "farms", farms: farms.objects, version: 0, atMs: this.#nowMs });
      this.#list({ kind: "lists", stream: "pods", pods: [], version: 0, atMs: this.#nowMs });
    };
    if (farms.synced) relist();
    const missed = ledger.filter(({ presence }) => presence === "listedGone");
    for (const one of missed) putEnding(one);
    if (missed.length > 0) {
      this.#caches.breakOff();
      relist();
    }
    for (const one of ledger) {
      if (one.presence !== "deleted") continue;
      putEnding(one);
      put(one.pod as unknown as PodObject, "delete");
    }
    for (const pod of pods.objects) for (const one of ledger) if (one.pod.uid === pod.uid) putEnding(one);
  }

  #revived(name: FarmKey, { uid, isTrusted, state }: RememberedFarm): { readonly uid: string; readonly state: FarmState } {
    const { written, ...status } = state.status;
    const cached = this.#caches.farm(name);
    const trusted = isTrusted && written !== undefined && cached !== undefined;
    return { uid, state: { ...state, status: { ...status, ...(trusted && { written: { cached, farm: written.farm } }) } } };
  }

  /** Until it has nothing left to do but to wait. */
  async feed(input: Input): Promise<void> {
    this.#nowMs = input.atMs;
    if (!this.isBusy) this.#nextEffect = 0;
    switch (input.kind) {
      case "starts":
        break;
      case "breaksOff":
        this.#caches.breakOff();
        break;
      case "hears":
        for (const event of input.events) this.#hear(event);
        break;
      case "lists":
        this.#list(input);
        break;
      case "answer":
        this.#answer(input.effect, input.outcome);
        break;
      case "timers":
        break;
    }
    do await drained();
    while (this.#clock.fireDue());
    if (!this.isBusy && this.#queue.length > 0) throw new Error("A key waits although no pass runs");
  }

  /** A pass runs, or something is asked that nobody waits for any more but whose answer would still be kept. */
  get isBusy(): boolean {
    return this.#running > 0 || this.#open.size > 0;
  }

  /** It watches pods. */
  get followsPods(): boolean {
    return this.#caches.isFarmsSynced && this.#caches.farms().length > 0;
  }

  get asked(): readonly AskedEffect[] {
    return [...this.#open.values()].map(({ id, kind, text, sentAtMs, call }) => ({ id, kind, text, sentAtMs, call }));
  }

  get nextDueMs(): number {
    return this.#clock.nextDueMs;
  }

  /** Everything that decides what an idle process does next. */
  memory(): Memory {
    const view = this.#caches.view(defaultNamespace);
    return {
      states: new Map([...this.#states].map(([name, one]) => [name, this.#rememberedFarm(name, one)])),
      ...{ workloads: new Map(this.#workloads), namespaceUids: new Map(this.#namespaceUids) },
      farms: { synced: this.#caches.isFarmsSynced, objects: this.#caches.farms().flatMap(({ uid }) => this.#farms.get(uid) ?? []) },
      pods: { synced: view.synced, objects: view.pods },
      ledger: [...this.#uids].toSorted().flatMap((uid) => view.seen(podHash(uid as PodUid)) ?? []),
      lists: this.#caches.undelivered(),
      failures: this.#caches.farms().map((farm) => this.#queue.failuresOf(farm.key)),
      dueMs: this.#clock.waits().map((ms) => this.#nowMs + ms),
    };
  }

  /** What was written counts only while the cache has the very object on which it was written; which object that is, no text can say. */
  #rememberedFarm(name: FarmKey, { uid, state }: { readonly uid: string; readonly state: FarmState }): RememberedFarm {
    const { written, ...status } = state.status;
    const isTrusted = written !== undefined && written.cached === this.#caches.farm(name);
    return {
      uid,
      isTrusted,
      state: { ...state, status: isTrusted ? { ...status, written: { ...written, cached: written.farm } } : status },
    };
  }

  readonly #ask: Ask = (kind, text, call, signal) => {
    const known = this.#constants(call);
    if (known !== undefined) return known.kind === "value" ? Promise.resolve(known.value) : Promise.reject(known.error);
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const id = this.#nextEffect++;
    const settle = (outcome: Outcome): void => {
      this.#open.delete(id);
      if (outcome.kind === "value") resolve(outcome.value);
      else reject(outcome.error);
    };
    this.#open.set(id, { id, kind, text, call, sentAtMs: this.#nowMs, settle });
    signal?.addEventListener("abort", () => {
      if (this.#open.has(id)) settle({ kind: "error", error: signal.reason as Error });
    });
    return promise;
  };

  #answer(id: number, outcome: Outcome): void {
    const open = this.#open.get(id);
    if (open === undefined) throw new Error(`Cannot answer effect ${id}: it is not open`);
    open.settle(outcome);
  }

  #hear(event: WatchEvent): void {
    if (event.resource === "pods") this.#uids.add(event.object.uid);
    if (event.resource === "farms") {
      if (event.type === "put") this.#farms.set(event.object.uid, event.object);
      else this.#farms.delete(event.object.uid);
    }
    this.#caches.onEvent(event);
    if (!this.#caches.deliverOf(event.resource === "pods" ? `pods ${event.object.namespace}` : "farms"))
      throw new Error("An event was heard of a watch that does not run");
  }

  #list(input: Extract<Input, { kind: "lists" }>): void {
    this.#api.version = input.version;
    if (input.stream === "farms") {
      this.#api.farms.clear();
      this.#farms.clear();
      for (const farm of input.farms) {
        this.#farms.set(farm.uid, farm);
        this.#api.farms.set(key(farm.namespace, farm.name), farm);
      }
    } else {
      this.#api.pods.clear();
      for (const pod of input.pods) {
        this.#uids.add(pod.uid);
        this.#api.pods.set(key(pod.namespace, pod.name), pod);
      }
    }
    if (!this.#caches.deliverOf(input.stream === "farms" ? "farms" : `pods ${defaultNamespace}`))
      throw new Error(`A list of ${input.stream} came that nobody waits for`);
  }
}

/** Every promise that can be settled is. A tick asked for from a microtask comes after all microtasks. */
async function drained(): Promise<void> {
  await Promise.resolve();
  await new Promise<void>((resolve) => process.nextTick(resolve));
}

function ignore(): void {
  return undefined;
}
