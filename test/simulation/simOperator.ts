// One operator in the simulated world: the real queue, workers, reconciler, ledgers and caches behind simulated ports. A start makes a new
// process with nothing in its memory; a crash loses everything but what was sent. It is wired as operator/operator.ts is.

import type { Logger } from "../../operator/controller/logger.ts";
import { startWorkers } from "../../operator/controller/workers.ts";
import { WorkQueue } from "../../operator/controller/workQueue.ts";
import type { FarmKey, WebFarm } from "../../operator/farm/model.ts";
import type { FarmEvent } from "../../operator/pass/ports.ts";
import { createReconciler } from "../../operator/reconcile.ts";
import { executeLate, noFaults, obstacle, takeFault, timeout } from "./effects.ts";
import type { Effect, EffectKind, EffectState, FaultAction, Faults, Scheduler } from "./effects.ts";
import { SimCaches } from "./simCaches.ts";
import { SimClock } from "./simClock.ts";
import { simCluster, simDatabases } from "./simPorts.ts";
import type { Send } from "./simPorts.ts";
import type { Truth } from "./truth.ts";

export interface SimOperatorOptions {
  readonly truth: Truth;
  readonly name: string;
  /** Of which it is an operator. */
  readonly cluster: string;
  readonly scheduler: () => Scheduler;
  readonly nextEffectId: () => number;
  readonly log: Logger;
  readonly onEvent: (event: FarmEvent, operator: string) => void;
  /** WEBFARM_READ_ONLY */
  readonly readOnly: boolean;
}

const resyncMs = 30_000;
const passTimeoutMs = 60_000;
const workers = 4;

/** A name, its faults, and at most one running process. */
export class SimOperator {
  readonly name: string;
  readonly cluster: string;
  readonly faults: Faults = noFaults();
  process: SimProcess | undefined;
  /** Its watches deliver nothing. */
  isStalled = false;
  readonly #options: SimOperatorOptions;
  #starts = 0;

  constructor(options: SimOperatorOptions) {
    this.#options = options;
    this.name = options.name;
    this.cluster = options.cluster;
  }

  /** Crashes what runs. */
  start(): void {
    this.crash();
    this.#starts += 1;
    this.process = new SimProcess(this, `${this.name}${this.#starts}`, this.#options);
  }

  crash(): void {
    this.process?.die();
    this.process = undefined;
  }
}

export class SimProcess {
  readonly name: string;
  readonly clock: SimClock;
  readonly caches: SimCaches;
  readonly queue: WorkQueue<FarmKey>;
  /** Sent and not answered; those of a dead process are gone from here. */
  readonly effects = new Map<number, SimEffect>();
  passes = 0;
  isDead = false;
  /** Until when it is stopped (SIGSTOP); undefined: it runs. */
  pausedUntilMs: number | undefined;
  readonly #operator: SimOperator;
  readonly #options: SimOperatorOptions;
  readonly #unwatch: () => void;
  #held: (() => void)[] = [];

  constructor(operator: SimOperator, name: string, options: SimOperatorOptions) {
    const { truth } = options;
    this.name = name;
    this.#operator = operator;
    this.#options = options;
    this.clock = new SimClock(() => truth.nowMs);
    const { clock } = this;
    const random = (): number => 0.5;
    const queue = new WorkQueue<FarmKey>({ clock, random });
    this.queue = queue;
    const addAll = (farms: readonly WebFarm[]): void => {
      for (const { key } of farms) queue.add(key, "background");
    };
    const { api } = truth.cluster(options.cluster);
    const caches = new SimCaches({
      api,
      onPod: (before, after) => {
        const namespace = (after ?? before)?.namespace ?? "";
        for (const key of reconciler.farmsFor(namespace, before, after)) queue.add(key);
      },
      onPodsSynced: (namespace) => addAll(caches.farms().filter((farm) => farm.namespace === namespace)),
      onFarm: (before, after) => {
        const farm = after ?? before;
        if (farm === undefined || !isOfInterest(before, after)) return;
        followPods();
        if (after === undefined && !caches.farms().some(({ namespace }) => namespace === farm.namespace))
          cluster.forgetNamespace(farm.namespace);
        queue.add(farm.key);
        addAll(caches.farms().filter(({ namespace }) => namespace === farm.namespace));
      },
      onFarmsSynced: () => {
        followPods();
        addAll(caches.farms());
      },
      onLease: () => undefined,
    });
    const followPods = (): void => {
      if (caches.isFarmsSynced) caches.follow(new Set(caches.farms().map(({ namespace }) => namespace)));
    };
    this.caches = caches;
    const ports = {
      ...{ truth, cluster: options.cluster, caches, send: this.#send, operator: operator.name, process: name },
      ...{ nowMs: () => truth.nowMs, onEvent: (event: FarmEvent) => options.onEvent(event, name) },
    };
    const cluster = simCluster(ports);
    const reconciler = createReconciler({
      ...{ cluster, databases: simDatabases(ports), clock, log: options.log, metrics: silentMetrics },
      ...{ resyncMs, readOnly: options.readOnly, identity: name, version: "simulated" },
    });
    api.watchers.add(caches);
    this.#unwatch = () => void api.watchers.delete(caches);
    startWorkers<FarmKey>({
      ...{ queue, count: workers, clock, log: options.log, passTimeoutMs, metrics: silentMetrics },
      reconcile: (key, signal) => {
        this.passes += 1;
        return reconciler.reconcile(key, signal);
      },
    });
  }

  get isRunning(): boolean {
    return !this.isDead && this.pausedUntilMs === undefined;
  }

  /** Nothing of it ever runs again; what it sent may still be executed. */
  die(): void {
    this.isDead = true;
    this.#held = [];
    this.effects.clear();
    this.#unwatch();
  }

  pause(forMs: number): void {
    this.pausedUntilMs = this.#options.truth.nowMs + forMs;
  }

  /** What arrived meanwhile is heard first, then the timers fire. */
  resume(): void {
    this.pausedUntilMs = undefined;
    for (const hear of this.#held.splice(0)) hear();
  }

  /** Calls `hear` as soon as the process runs; never, once it is dead. */
  whenRunning(hear: () => void): void {
    if (this.isDead) return;
    if (this.pausedUntilMs === undefined) hear();
    else this.#held.push(hear);
  }

  readonly #send: Send = (what, run, signal) => {
    if (this.isDead) return new Promise(() => undefined);
    const { promise, resolve, reject } = Promise.withResolvers<ReturnType<typeof run>>();
    const settled = { resolve: resolve as (value: unknown) => void, reject };
    const effect = new SimEffect(this, { ...what, id: this.#options.nextEffectId(), sentAtMs: this.#options.truth.nowMs }, run, settled);
    this.effects.set(effect.id, effect);
    this.whenRunning(() => this.#dispatch(effect));
    if (effect.state !== "answered" && signal !== undefined) effect.abandonOn(signal);
    return promise;
  };

  #dispatch(effect: SimEffect): void {
    const { faults } = this.#operator;
    const inTheWay = obstacle(faults, effect.kind);
    if (inTheWay !== undefined) effect.fail(inTheWay);
    else {
      const action = takeFault(faults, effect.kind);
      if (action === undefined) this.#options.scheduler().sent(effect);
      else this.#misfortune(effect, action);
    }
  }

  #misfortune(effect: SimEffect, action: FaultAction): void {
    switch (action.kind) {
      case "executesLate":
        executeLate(this.#options.truth, effect, action.afterMs);
        effect.fail(timeout(effect.kind));
        return;
      case "losesReply":
        effect.execute();
        effect.fail(timeout(effect.kind));
        return;
      case "isNotApplied":
        effect.fail(timeout(effect.kind));
        return;
      case "isRefused":
        effect.fail(new Error(`403: ${effect.kind} is forbidden.`));
        return;
      case "hangs":
        return;
      case "meetsChange":
        touchFarms(this.#options.truth, this.#operator.cluster);
        this.#options.scheduler().sent(effect);
        return;
      case "crashBefore":
        this.#operator.crash();
        return;
      case "crashAfter":
        effect.execute();
        this.#operator.crash();
        return;
      case "pauseBefore":
        // What is on the wire is executed when the process runs again: it had not left the machine.
        this.pause(action.forMs);
        this.whenRunning(() => this.#dispatch(effect));
        return;
      case "pauseAfter":
        this.pause(action.forMs);
        effect.execute();
        effect.answer();
    }
  }

  get operator(): SimOperator {
    return this.#operator;
  }
}

type Outcome = { readonly kind: "value"; readonly value: unknown } | { readonly kind: "error"; readonly error: Error };

export class SimEffect implements Effect {
  readonly id: number;
  readonly kind: EffectKind;
  readonly text: string;
  readonly sentAtMs: number;
  state: EffectState = "sent";
  readonly #process: SimProcess;
  readonly #run: () => unknown;
  readonly #settled: { resolve(value: unknown): void; reject(error: unknown): void };
  #outcome: Outcome | undefined;

  constructor(
    process: SimProcess,
    what: { readonly id: number; readonly kind: EffectKind; readonly text: string; readonly sentAtMs: number },
    run: () => unknown,
    settled: { resolve(value: unknown): void; reject(error: unknown): void },
  ) {
    this.#process = process;
    this.#run = run;
    this.#settled = settled;
    this.id = what.id;
    this.kind = what.kind;
    this.text = what.text;
    this.sentAtMs = what.sentAtMs;
  }

  get process(): string {
    return this.#process.name;
  }

  get operator(): string {
    return this.#process.operator.name;
  }

  execute(): void {
    if (this.#outcome !== undefined) throw new Error(`Cannot execute ${this.kind} of ${this.process} twice`);
    try {
      this.#outcome = { kind: "value", value: this.#run() };
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      this.#outcome = { kind: "error", error };
    }
    if (this.state === "sent") this.state = "executed";
  }

  answer(): void {
    const outcome = this.#outcome;
    if (outcome === undefined) throw new Error(`Cannot answer ${this.kind} of ${this.process} before it is executed`);
    this.#close();
    this.#process.whenRunning(() => {
      if (outcome.kind === "value") this.#settled.resolve(outcome.value);
      else this.#settled.reject(outcome.error);
    });
  }

  fail(error: Error): void {
    this.#close();
    this.#process.whenRunning(() => this.#settled.reject(error));
  }

  /** The caller gives up when its pass is aborted; what was sent goes its way. */
  abandonOn(signal: AbortSignal): void {
    signal.addEventListener("abort", () => {
      if (this.state === "answered") return;
      this.fail(signal.reason instanceof Error ? signal.reason : new Error("The pass was aborted"));
    });
  }

  #close(): void {
    this.state = "answered";
    this.#process.effects.delete(this.id);
  }
}

/** Somebody writes to every WebFarm without changing it: its version is another one. */
function touchFarms(truth: Truth, cluster: string): void {
  const { api } = truth.cluster(cluster);
  for (const farm of [...api.farms.values()]) api.putFarm(farm);
}

const ignore = (): void => undefined;
/** Nobody looks at the numbers of a simulated process. */
const silentMetrics = {
  ...{ registered: ignore, removed: ignore, gateOpened: ignore, farm: ignore, forget: ignore },
  ...{ workersStarted: ignore, passStarted: ignore, passEnded: ignore, passTimedOut: ignore, passPanicked: ignore },
};

/** As in operator/operator.ts: our own status writes come back as changes too; they are nothing to act on. */
function isOfInterest(before: WebFarm | undefined, after: WebFarm | undefined): boolean {
  if (before === undefined || after === undefined) return true;
  return (
    before.generation !== after.generation ||
    before.deletionAtMs !== after.deletionAtMs ||
    before.finalizers.join() !== after.finalizers.join() ||
    JSON.stringify(before.annotations) !== JSON.stringify(after.annotations)
  );
}
