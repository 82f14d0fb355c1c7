// The clock of one simulated operator process: it shows the world's time, fires its timers only when it is told to, and knows what it means
// to be stopped: time goes on, and no timer fires before it runs again.

import { sleepWith } from "../../operator/controller/clock.ts";
import type { Clock, Timer } from "../../operator/controller/clock.ts";
import { originMs } from "./truth.ts";

interface Pending {
  readonly atMs: number;
  readonly sequence: number;
  readonly run: () => void;
}

export class SimClock implements Clock {
  readonly #nowMs: () => number;
  /** By how much its wall clock is wrong. */
  readonly #offsetMs: number;
  #pending: Pending[] = [];
  #sequence = 0;

  constructor(nowMs: () => number, offsetMs = 0) {
    this.#nowMs = nowMs;
    this.#offsetMs = offsetMs;
  }

  now(): number {
    return this.#nowMs() + this.#offsetMs;
  }

  monotonic(): number {
    return this.#nowMs() - originMs;
  }

  after(ms: number, run: () => void): Timer {
    const pending: Pending = { atMs: this.#nowMs() + Math.max(0, ms), sequence: this.#sequence++, run };
    this.#pending.push(pending);
    return { cancel: () => this.#drop(pending) };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepWith((wait, run) => this.after(wait, run), ms, signal);
  }

  /** World time of the next timer; Infinity where there is none. */
  get nextDueMs(): number {
    let first = Infinity;
    for (const { atMs } of this.#pending) if (atMs < first) first = atMs;
    return first;
  }

  /** Fires the first timer that is due. False: there is none. */
  fireDue(): boolean {
    const nowMs = this.#nowMs();
    let first: Pending | undefined;
    for (const one of this.#pending)
      if (one.atMs <= nowMs && (first === undefined || one.atMs < first.atMs || (one.atMs === first.atMs && one.sequence < first.sequence)))
        first = one;
    if (first === undefined) return false;
    this.#drop(first);
    first.run();
    return true;
  }

  /** How long until each timer is due, in their order. */
  waits(): readonly number[] {
    return this.#pending.map(({ atMs }) => atMs - this.#nowMs()).toSorted((a, b) => a - b);
  }

  #drop(pending: Pending): void {
    const at = this.#pending.indexOf(pending);
    if (at >= 0) this.#pending.splice(at, 1);
  }
}
