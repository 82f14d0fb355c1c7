// The simulated world as tests use it: a truth, operators, one clock for all of them. Steps change it; time passes only when a step says so,
// and then everything that falls due on the way happens in its order. It never waits for real time and is the same each time.

import type { Logger } from "../../operator/controller/logger.ts";
import type { FarmEvent } from "../../operator/pass/ports.ts";
import { prompt } from "./effects.ts";
import type { Effect, Scheduler } from "./effects.ts";
import { Inapplicable } from "./inapplicable.ts";
import { perform, startKubelets } from "./kubelet.ts";
import { defaultCluster } from "./names.ts";
import { SimOperator } from "./simOperator.ts";
import type { SimProcess } from "./simProcess.ts";
import type { Step } from "./steps.ts";
import { applyStep } from "./applyStep.ts";
import { Truth } from "./truth.ts";
import { runControllers } from "./workloads.ts";

export interface WorldOptions {
  /** `prompt` (the default): effects are executed and answered at once. */
  readonly scheduler?: Scheduler;
  /** Watches deliver by themselves; otherwise only when told to (`process.caches.deliverOf`). Default true. */
  readonly deliversEvents?: boolean;
  /** Kubelets and controllers act by themselves; otherwise only by steps. Default true. */
  readonly isAutomatic?: boolean;
  readonly isReadOnly?: boolean;
  /** Operators compete for the Lease of their cluster. Default false: each writes. */
  readonly isElected?: boolean;
  readonly log?: Logger;
}

const silent: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing, child: () => silent };

/** More than this between two settled states is a world that spins. */
const mostRounds = 2_000;
const mostDue = 20_000;

export class World {
  readonly truth = new Truth();
  readonly operators = new Map<string, SimOperator>();
  /** What operators told people, newest last. */
  readonly events: { readonly operator: string; readonly event: FarmEvent }[] = [];
  scheduler: Scheduler;
  readonly #options: WorldOptions;
  #effects = 0;

  constructor(options: WorldOptions = {}) {
    this.#options = options;
    this.scheduler = options.scheduler ?? prompt;
    this.truth.isAutomatic = options.isAutomatic ?? true;
    startKubelets(this.truth);
  }

  /** Does the step and lets everything settle. Throws Inapplicable. */
  async apply(step: Step): Promise<void> {
    if (step.kind === "timePasses") await this.pass(step.duration);
    else {
      applyStep(this, step);
      await this.settle();
    }
  }

  /** False: the step was inapplicable, and nothing has changed. */
  async applyIfPossible(step: Step): Promise<boolean> {
    try {
      await this.apply(step);
      return true;
    } catch (error) {
      if (error instanceof Inapplicable) return false;
      throw error;
    }
  }

  /** Lets `ms` pass, and everything that falls due in that time happen. */
  async pass(ms: number): Promise<void> {
    const { truth } = this;
    const untilMs = truth.nowMs + ms;
    await this.settle();
    for (let count = 0; ; count += 1) {
      const nextMs = this.nextDueMs();
      if (nextMs > untilMs) break;
      if (count > mostDue) throw new Error(`The world spins: ${mostDue} things fell due within ${ms} ms`);
      truth.nowMs = Math.max(truth.nowMs, nextMs);
      this.fireDue();
      await this.settle();
    }
    truth.nowMs = untilMs;
  }

  /** When something happens next by itself; Infinity: never. */
  nextDueMs(): number {
    let nextMs = this.truth.nextDueMs;
    for (const { process } of this.operators.values()) {
      if (process === undefined) continue;
      nextMs = Math.min(nextMs, process.pausedUntilMs ?? process.clock.nextDueMs);
    }
    return nextMs;
  }

  /** Does the first thing that is due by now: kubelets and late statements before processes that wake up, these before timers. */
  fireDue(): void {
    const { truth } = this;
    const task = truth.takeDue();
    if (task !== undefined) {
      if (task.kind === "statement") task.run();
      else perform(truth, task);
      return;
    }
    for (const process of this.processes()) {
      if (process.pausedUntilMs !== undefined && process.pausedUntilMs <= truth.nowMs) {
        process.resume();
        return;
      }
    }
    for (const process of this.processes()) if (process.isRunning && process.clock.fireDue()) return;
  }

  /** Until nothing happens any more without time passing or somebody deciding. */
  async settle(): Promise<void> {
    for (let round = 0; round < mostRounds; round += 1) {
      if (this.truth.isAutomatic) runControllers(this.truth);
      const version = this.#version();
      if (this.#deliversEvents) this.#deliver();
      await drained();
      if (version === this.#version() && !(this.#deliversEvents && this.#hasUndelivered())) return;
    }
    throw new Error(`The world does not settle within ${mostRounds} rounds`);
  }

  operator(name: string, cluster = defaultCluster): SimOperator {
    const known = this.operators.get(name);
    if (known !== undefined) return known;
    const made = new SimOperator({
      ...{
        truth: this.truth,
        name,
        cluster,
        readOnly: this.#options.isReadOnly ?? false,
        isElected: this.#options.isElected ?? false,
        log: this.#options.log ?? silent,
      },
      scheduler: () => this.scheduler,
      nextEffectId: () => (this.#effects += 1),
      onEvent: (event, operator) => void this.events.push({ operator, event }),
    });
    this.operators.set(name, made);
    return made;
  }

  /** Of operators that run or are paused. */
  processes(): readonly SimProcess[] {
    return [...this.operators.values()].flatMap(({ process }) => process ?? []);
  }

  /** Sent and not answered, oldest first. */
  effects(): readonly Effect[] {
    return this.processes().flatMap(({ effects }) => [...effects.values()]);
  }

  /** How many effects were ever sent. */
  get effectsSent(): number {
    return this.#effects;
  }

  get #deliversEvents(): boolean {
    return this.#options.deliversEvents ?? true;
  }

  #version(): number {
    let sum = 0;
    for (const { api } of this.truth.clusters.values()) sum += api.version;
    return sum;
  }

  *#listening(): Iterable<SimProcess> {
    for (const { process, isStalled } of this.operators.values()) if (process?.isRunning === true && !isStalled) yield process;
  }

  #deliver(): void {
    for (const { caches } of this.#listening()) while (caches.deliverOne());
  }

  #hasUndelivered(): boolean {
    for (const { caches } of this.#listening()) if (caches.hasUndelivered) return true;
    return false;
  }
}

/** Every promise that can be settled is; whatever they woke has run. A tick asked for from a microtask comes after all microtasks. */
async function drained(): Promise<void> {
  await Promise.resolve();
  await new Promise<void>((resolve) => process.nextTick(resolve));
}

function nothing(): void {
  return undefined;
}
