// The only source of time: wall clock for what people read, monotonic clock for durations, timers for waiting.
// It never decides anything; tests pass test/controller/fakeClock.ts instead.

export interface Timer {
  /** Idempotent; harmless after the timer has fired. */
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since the epoch. May jump: for timestamps only. */
  now(): number;
  /** Milliseconds from an arbitrary origin. Never goes back: for durations and deadlines. */
  monotonic(): number;
  /** Calls `run` once, `ms` from now (at once in the next turn when `ms` is not positive). */
  after(ms: number, run: () => void): Timer;
  /** Resolves after `ms`; rejects with the signal's reason, also when it was aborted before. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

// setTimeout takes a longer delay for 1 ms and fires at once: https://nodejs.org/api/timers.html#settimeoutcallback-delay-args
const longestTimeoutMs = 2 ** 31 - 1;

function afterOnThisHost(ms: number, run: () => void): Timer {
  const dueMs = performance.now() + ms;
  const wait = (leftMs: number): NodeJS.Timeout => setTimeout(check, Math.min(longestTimeoutMs, Math.max(0, Math.ceil(leftMs))));
  const check = (): void => {
    // Node counts from the start of its turn, so it may fire some milliseconds early.
    const leftMs = dueMs - performance.now();
    if (leftMs > 0) handle = wait(leftMs);
    else run();
  };
  let handle = wait(ms);
  return { cancel: () => clearTimeout(handle) };
}

/** A clock's `sleep`, made of its `after`. */
export function sleepWith(after: Clock["after"], ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (): void => reject(abortReason(signal));
    if (signal?.aborted) {
      fail();
      return;
    }
    const onAbort = (): void => {
      timer.cancel();
      fail();
    };
    const timer = after(ms, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

function abortReason(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason;
  return reason instanceof Error ? reason : new Error(`Cannot wait on: the wait was aborted (${String(reason)})`);
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: afterOnThisHost,
  sleep: (ms, signal) => sleepWith(afterOnThisHost, ms, signal),
};
