// The keyed work queue, in client-go's words: `queue` (order), `dirty` (needs work), `processing` (held by a worker). So one worker per
// key, no duplicates, no lost change. It holds each key at most once a set and never an event, so it is bounded by the number of keys.
import { type Backoff, reconcileBackoff } from "./backoff.ts";
import type { Clock, Timer } from "./clock.ts";
import { Fifo } from "./fifo.ts";
import type { Random } from "./random.ts";

/** `live`: the world changed. `background`: initial list, resync, long drains. Live keys go first. */
export type Priority = "live" | "background";

export interface QueueStats {
  /** Keys that wait for a worker, by priority (delayed keys are not among them). */
  readonly live: number;
  readonly background: number;
  /** How long the running keys have been held: all together, and the longest. */
  readonly unfinishedMs: number;
  readonly longestRunningMs: number;
}

/** What the queue tells its observer. `watch` is called once; the statistics are then read at each scrape. */
export interface QueueMetrics {
  watch(stats: () => QueueStats): void;
  added(): void;
  taken(waitedMs: number): void;
  finished(workedMs: number): void;
  retried(): void;
}

export interface WorkQueueOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics?: QueueMetrics;
  /** The value before the first failure of a key. */
  readonly backoff?: Backoff;
}

interface Dirty {
  priority: Priority;
  readonly sinceMs: number;
}

interface Waiter<K> {
  readonly give: (key: K | undefined) => void;
}

/** So many live keys in a row go before one that waits in the background: busy farms must not keep the others from their resync. */
export const liveInARow = 16;

export class WorkQueue<K extends string> {
  readonly #options: WorkQueueOptions;
  readonly #queue: Readonly<Record<Priority, Fifo<K>>> = { live: new Fifo<K>(), background: new Fifo<K>() };
  readonly #dirty = new Map<K, Dirty>();
  readonly #processing = new Map<K, { readonly priority: Priority; readonly sinceMs: number }>();
  readonly #delayed = new Map<K, { readonly atMs: number; priority: Priority; readonly timer: Timer }>();
  readonly #failures = new Map<K, Backoff>();
  readonly #waiters = new Set<Waiter<K>>();
  readonly #onDrained: (() => void)[] = [];
  #state: "open" | "draining" | "shut" = "open";
  #liveTaken = 0;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
    options.metrics?.watch(() => this.#stats());
  }

  /** Keys that wait for a worker now. */
  get length(): number {
    return this.#queue.live.length + this.#queue.background.length;
  }

  get isShuttingDown(): boolean {
    return this.#state !== "open";
  }

  /** Asks for a pass of this key that begins after this call. A key that waits in the background is promoted by a live add. */
  add(key: K, priority: Priority = "live"): void {
    if (this.#state !== "open") return;
    const dirty = this.#dirty.get(key);
    if (dirty === undefined) {
      this.#dirty.set(key, { priority, sinceMs: this.#options.clock.monotonic() });
      this.#options.metrics?.added();
      if (!this.#processing.has(key)) this.#enqueue(key, priority);
    } else if (dirty.priority === "background" && priority === "live") {
      dirty.priority = "live";
      if (this.#queue.background.delete(key)) this.#enqueue(key, "live");
    }
  }

  /** Adds the key after `ms`. Of several waits of one key the earliest time holds, and the highest priority. */
  addAfter(key: K, ms: number, priority: Priority = "live"): void {
    if (this.#state !== "open") return;
    if (ms <= 0) {
      this.add(key, priority);
      return;
    }
    const waiting = this.#delayed.get(key);
    const atMs = this.#options.clock.monotonic() + ms;
    const delayed = { atMs, priority: waiting?.priority === "live" ? "live" : priority };
    if (waiting !== undefined && waiting.atMs <= atMs) {
      waiting.priority = delayed.priority; // its timer is early enough
      return;
    }
    waiting?.timer.cancel();
    const timer = this.#options.clock.after(ms, () => this.#fallDue(key));
    this.#delayed.set(key, { ...delayed, timer });
  }

  /**
   * Adds the key after the backoff of its failures since the last `forget`, but not before `floorMs` (a Retry-After). Without a
   * priority it keeps the one with which its worker got it. Returns the wait.
   */
  addRateLimited(key: K, floorMs = 0, priority: Priority = this.#processing.get(key)?.priority ?? "live"): number {
    if (this.#state !== "open") return 0;
    const backoff = (this.#failures.get(key) ?? this.#options.backoff ?? reconcileBackoff).next(this.#options.random);
    this.#failures.set(key, backoff);
    this.#options.metrics?.retried();
    const waitMs = Math.max(floorMs, backoff.delayMs);
    this.addAfter(key, waitMs, priority);
    return waitMs;
  }

  /** The key succeeded, or is gone: its next failure starts the backoff anew. */
  forget(key: K): void {
    this.#failures.delete(key);
  }

  failuresOf(key: K): number {
    return this.#failures.get(key)?.failures ?? 0;
  }

  /** The next key, now or when there is one; the caller owes a `done`. Undefined: the queue was shut down, or the signal aborted. */
  get(signal?: AbortSignal): Promise<K | undefined> {
    if (signal?.aborted) return Promise.resolve(undefined);
    const key = this.#take();
    if (key !== undefined || this.#state === "shut") return Promise.resolve(key);
    return new Promise((resolve) => {
      const stopWaiting = (): void => waiter.give(undefined);
      const waiter: Waiter<K> = {
        give: (given) => {
          this.#waiters.delete(waiter);
          signal?.removeEventListener("abort", stopWaiting);
          resolve(given);
        },
      };
      this.#waiters.add(waiter);
      signal?.addEventListener("abort", stopWaiting, { once: true });
    });
  }

  /** Ends what `get` began. If the key was added meanwhile it is queued again. Throws when no worker holds the key. */
  done(key: K): void {
    const held = this.#processing.get(key);
    if (held === undefined) throw new Error(`Cannot end the pass of ${key}: no worker holds it`);
    this.#processing.delete(key);
    this.#options.metrics?.finished(this.#options.clock.monotonic() - held.sinceMs);
    const dirty = this.#dirty.get(key);
    if (dirty !== undefined) this.#enqueue(key, dirty.priority);
    this.#endIfDrained();
  }

  /** Takes no more keys and drops those that wait: whoever works next observes everything anew. Running keys keep their owner. */
  shutDown(): void {
    this.#close();
    this.#state = "shut";
    this.#queue.live.clear();
    this.#queue.background.clear();
    this.#dirty.clear();
    this.#dismiss();
    for (const resolve of this.#onDrained.splice(0)) resolve();
  }

  /** Takes no more keys; resolves when those that are queued or running have been worked off. Delayed keys are dropped. */
  shutDownWithDrain(): Promise<void> {
    if (this.#state === "open") {
      this.#close();
      this.#state = "draining";
      this.#endIfDrained();
    }
    return this.#state === "shut" ? Promise.resolve() : new Promise((resolve) => this.#onDrained.push(resolve));
  }

  #fallDue(key: K): void {
    const priority = this.#delayed.get(key)?.priority;
    this.#delayed.delete(key);
    this.add(key, priority);
  }

  #enqueue(key: K, priority: Priority): void {
    this.#queue[priority].push(key);
    const waiter = this.#waiters.values().next().value;
    if (waiter !== undefined) waiter.give(this.#take());
  }

  #take(): K | undefined {
    const { live, background } = this.#queue;
    const isBackgroundsTurn = live.length === 0 || (this.#liveTaken >= liveInARow && background.length > 0);
    const priority: Priority = isBackgroundsTurn ? "background" : "live";
    const key = this.#queue[priority].shift();
    if (key === undefined) return undefined;
    // Only a wait of the background counts: a long quiet queue must not owe it anything.
    this.#liveTaken = priority === "live" && background.length > 0 ? this.#liveTaken + 1 : 0;
    const nowMs = this.#options.clock.monotonic();
    this.#options.metrics?.taken(nowMs - (this.#dirty.get(key)?.sinceMs ?? nowMs));
    this.#dirty.delete(key);
    this.#processing.set(key, { priority, sinceMs: nowMs });
    return key;
  }

  #endIfDrained(): void {
    if (this.#state === "draining" && this.length === 0 && this.#processing.size === 0) this.shutDown();
  }

  #close(): void {
    for (const { timer } of this.#delayed.values()) timer.cancel();
    this.#delayed.clear();
  }

  #dismiss(): void {
    for (const waiter of [...this.#waiters]) waiter.give(undefined);
  }

  #stats(): QueueStats {
    const nowMs = this.#options.clock.monotonic();
    let unfinishedMs = 0;
    let longestRunningMs = 0;
    for (const { sinceMs } of this.#processing.values()) {
      unfinishedMs += nowMs - sinceMs;
      longestRunningMs = Math.max(longestRunningMs, nowMs - sinceMs);
    }
    return { live: this.#queue.live.length, background: this.#queue.background.length, unfinishedMs, longestRunningMs };
  }
}
