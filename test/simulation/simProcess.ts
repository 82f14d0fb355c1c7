// One process of a simulated operator: caches that are always warm, and a term while it may write, wired as operator/operator.ts is. Whatever
// it does beyond itself is an effect. When it dies everything is lost but what was sent; while it is stopped nothing in it moves.

import { createElection } from "../../operator/controller/election.ts";
import type { Election } from "../../operator/controller/election.ts";
import { isOfInterest } from "../../operator/farm/interest.ts";
import type { WebFarm } from "../../operator/farm/model.ts";
import type { FarmEvent } from "../../operator/pass/ports.ts";
import { executeLate, obstacle, takeFault, timeout } from "./effects.ts";
import type { FaultAction } from "./effects.ts";
import type { PodObject } from "./objects.ts";
import { asPodObject, SimCaches } from "./simCaches.ts";
import { SimClock } from "./simClock.ts";
import { SimEffect } from "./simEffect.ts";
import { SimLeaseStore } from "./simLease.ts";
import type { SimOperator, SimOperatorOptions } from "./simOperator.ts";
import { simCluster, simDatabases } from "./simPorts.ts";
import type { Send } from "./simPorts.ts";
import { SimTerm } from "./simTerm.ts";
import type { Truth } from "./truth.ts";

const stopGraceMs = 5_000;

export class SimProcess {
  /** Unique: the name of the operator and the number of its start. */
  readonly name: string;
  readonly operator: SimOperator;
  readonly clock: SimClock;
  readonly caches: SimCaches;
  /** While it leads, or always where there is no election. */
  term: SimTerm | undefined;
  readonly election: Election | undefined;
  /** Sent and not answered; those of a dead process are gone from here. */
  readonly effects = new Map<number, SimEffect>();
  passes = 0;
  isDead = false;
  /** Until when it is stopped (SIGSTOP); undefined: it runs. */
  pausedUntilMs: number | undefined;
  readonly #options: SimOperatorOptions;
  readonly #unwatch: () => void;
  #held: (() => void)[] = [];

  constructor(operator: SimOperator, name: string, options: SimOperatorOptions) {
    const { truth, log } = options;
    this.name = name;
    this.operator = operator;
    this.#options = options;
    this.clock = new SimClock(() => truth.nowMs);
    const { clock } = this;
    const { api } = truth.cluster(options.cluster);
    const store = new SimLeaseStore({ truth, cluster: options.cluster, send: this.#send, process: name });
    const seen = new Map<string, PodObject>();
    const addAll = (farms: readonly WebFarm[]): void => {
      for (const { key } of farms) this.term?.add(key, "background");
    };
    const caches = new SimCaches({
      api,
      onPod: (before, after) => {
        const pod = after ?? before;
        if (pod === undefined) return;
        seen.set(pod.uid, asPodObject(pod));
        this.term?.podChanged(pod.namespace, before, after);
      },
      onPodsListed: () => truth.notePodsListed(name, options.cluster),
      onPodsSynced: (namespace) => addAll(caches.farms().filter((farm) => farm.namespace === namespace)),
      onFarm: (before, after) => {
        const farm = after ?? before;
        if (farm === undefined || !isOfInterest(before, after)) return;
        followPods();
        if (after === undefined) cluster.forgetFarm(farm.uid);
        this.term?.add(farm.key);
        addAll(caches.farms().filter(({ namespace }) => namespace === farm.namespace));
      },
      onFarmsSynced: () => {
        followPods();
        addAll(caches.farms());
      },
      onLease: (lease) => store.heard(lease),
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
    const begin = (mayWrite: () => boolean): void => {
      this.term = new SimTerm({
        ...{ cluster, databases: simDatabases(ports), clock, log, mayWrite, identity: name, readOnly: options.readOnly },
        keys: caches.farms().map(({ key }) => key),
        onPass: () => (this.passes += 1),
      });
    };
    truth.watchedProcesses.set(name, seen);
    api.watchers.add(caches);
    this.#unwatch = () => void api.watchers.delete(caches);
    if (options.isElected) {
      const election = createElection({
        ...{ store, clock, log, identity: name, random: () => 0.5 },
        onAcquired: () => begin(() => election.isHeld()),
        onLost: () => this.#endTerm(0),
      });
      this.election = election;
      election.start();
    } else {
      this.election = undefined;
      begin(() => true);
    }
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

  /** SIGTERM: ends its passes, lets its lease go, and is no more. */
  async stop(): Promise<void> {
    if (this.election === undefined) await this.#endTerm(stopGraceMs);
    else await this.election.stop(() => this.#endTerm(stopGraceMs));
    this.die();
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

  async #endTerm(graceMs: number): Promise<void> {
    await this.term?.end(graceMs);
    this.term = undefined;
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
    const { faults } = this.operator;
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
        touchFarms(this.#options.truth, this.operator.cluster);
        this.#options.scheduler().sent(effect);
        return;
      case "crashBefore":
        this.operator.crash();
        return;
      case "crashAfter":
        effect.execute();
        this.operator.crash();
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
}

/** Somebody writes to every WebFarm without changing it: its version is another one. */
function touchFarms(truth: Truth, cluster: string): void {
  const { api } = truth.cluster(cluster);
  for (const farm of [...api.farms.values()]) api.putFarm(farm);
}
