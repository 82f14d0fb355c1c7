// How many events one object may have, and which were written lately so that the same again is counted instead of written. The numbers
// are client-go's. It forgets the oldest; it sends nothing.
import type { Clock } from "../controller/clock.ts";

const burst = 25;
const refillMs = 300_000;
const seriesMs = 600_000;
const mostKept = 4_096;

interface Bucket {
  readonly tokens: number;
  readonly atMs: number;
}

export class EventLimits<T> {
  readonly #clock: Clock;
  readonly #buckets = new Map<string, Bucket>();
  readonly #recent = new Map<string, { readonly value: T; readonly atMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes one of the object's tokens: 25 at first, one more each five minutes. */
  mayWrite(object: string): boolean {
    const nowMs = this.#clock.monotonic();
    const before = this.#buckets.get(object) ?? { tokens: burst, atMs: nowMs };
    const tokens = Math.min(burst, before.tokens + (nowMs - before.atMs) / refillMs);
    const isAllowed = tokens >= 1;
    put(this.#buckets, object, { tokens: isAllowed ? tokens - 1 : tokens, atMs: nowMs });
    return isAllowed;
  }

  /** What was remembered under the key in the last ten minutes. */
  recent(key: string): T | undefined {
    const nowMs = this.#clock.monotonic();
    const found = this.#recent.get(key);
    if (found === undefined || nowMs - found.atMs > seriesMs) return undefined;
    return found.value;
  }

  remember(key: string, value: T): void {
    put(this.#recent, key, { value, atMs: this.#clock.monotonic() });
  }

  forget(key: string): void {
    this.#recent.delete(key);
  }
}

/** The newest last, so that the first is the one to forget. */
function put<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= mostKept) return;
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}
