// A clock that moves only when a test says so: `advance` fires the timers that fall due, in order, and lets what they woke settle
// before the next. It never waits for real time.
import { type Clock, sleepWith, type Timer } from "../../operator/controller/clock.ts";

interface Pending {
  readonly atMs: number;
  readonly sequence: number;
  readonly run: () => void;
}

export class FakeClock implements Clock {
  readonly #originMs: number;
  readonly #pending = new Set<Pending>();
  #elapsedMs = 0;
  #sequence = 0;

  /** `startMs`: what `now()` says first. */
  constructor(startMs: number = Date.UTC(2026, 0, 1)) {
    this.#originMs = startMs;
  }

  now(): number {
    return this.#originMs + this.#elapsedMs;
  }

  monotonic(): number {
    return this.#elapsedMs;
  }

  after(ms: number, run: () => void): Timer {
    const pending: Pending = { atMs: this.#elapsedMs + Math.max(0, ms), sequence: this.#sequence++, run };
    this.#pending.add(pending);
    return { cancel: () => void this.#pending.delete(pending) };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepWith((wait, run) => this.after(wait, run), ms, signal);
  }

  /** Moves time by `ms`. Timers set by what fires are fired too when they fall within it. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#elapsedMs + ms;
    await settle();
    for (let due = this.#next(); due !== undefined && due.atMs <= untilMs; due = this.#next()) {
      this.#elapsedMs = Math.max(this.#elapsedMs, due.atMs);
      this.#pending.delete(due);
      due.run();
      await settle();
    }
    this.#elapsedMs = untilMs;
    await settle();
  }

  /** Moves time to the next timer and fires it. False: there is none. */
  async advanceToNext(): Promise<boolean> {
    await settle();
    const next = this.#next();
    if (next === undefined) return false;
    await this.advance(next.atMs - this.#elapsedMs);
    return true;
  }

  /** Moves time without firing anything, as a process that was stopped or starved sees it; the next `advance` fires what is late. */
  jump(ms: number): void {
    this.#elapsedMs += ms;
  }

  get pendingTimers(): number {
    return this.#pending.size;
  }

  #next(): Pending | undefined {
    let first: Pending | undefined;
    for (const pending of this.#pending) {
      if (first === undefined || pending.atMs < first.atMs || (pending.atMs === first.atMs && pending.sequence < first.sequence))
        first = pending;
    }
    return first;
  }
}

/** Lets all microtasks, and what they queue, run. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
