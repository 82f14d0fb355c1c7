// How long to wait after a failure. A backoff is an immutable value: `next` gives the value after one more failure, and to reset is
// to go back to the first value. It never sleeps and has no randomness of its own.
import type { Random } from "./random.ts";

export interface Backoff {
  /** How long to wait now; 0 before the first failure. */
  readonly delayMs: number;
  /** How many failures this value stands for. */
  readonly failures: number;
  next(random: Random): Backoff;
}

/**
 * Decorrelated jitter: each delay lies between `minMs` and three times the one before, never above `maxMs`.
 * The first lies below twice `minMs`, so that one lost connection is repaired quickly.
 * https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export function decorrelatedJitter({ minMs, maxMs }: { readonly minMs: number; readonly maxMs: number }): Backoff {
  const after = (delayMs: number, failures: number): Backoff => ({
    delayMs,
    failures,
    next: (random) => {
      const highestMs = Math.min(maxMs, failures === 0 ? 2 * minMs : 3 * delayMs);
      return after(minMs + random() * (highestMs - minMs), failures + 1);
    },
  });
  return after(0, 0);
}

/**
 * Doubles from `firstMs` up to `maxMs`. `jitter` (0 to 1) is the share of a delay that randomness may take away, so that farms that
 * failed together do not come back together.
 */
export function exponential({
  firstMs,
  maxMs,
  jitter,
}: {
  readonly firstMs: number;
  readonly maxMs: number;
  readonly jitter: number;
}): Backoff {
  const after = (delayMs: number, failures: number): Backoff => ({
    delayMs,
    failures,
    next: (random) => after(Math.min(maxMs, firstMs * 2 ** failures) * (1 - jitter * random()), failures + 1),
  });
  return after(0, 0);
}

/** client-go's bounds for a reflector that lost its watch. */
export const watchBackoff = decorrelatedJitter({ minMs: 800, maxMs: 30_000 });

/** For a key whose reconcile failed: client-go's 5 ms doubling, capped at a minute so that a repaired database is found soon. */
export const reconcileBackoff = exponential({ firstMs: 5, maxMs: 60_000, jitter: 0.1 });
