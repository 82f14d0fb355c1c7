// Requests to one place, one at a time, none waited for longer than it is worth, whether or not the place obeys its signal. It says once in
// the log that the place cannot be reached and once that it can again; it never retries.
import type { Clock } from "./clock.ts";
import type { Logger } from "./logger.ts";

export interface Attempts {
  /** Rejects with what `run` rejects with, after `limitMs`, or when interrupted. What was sent may still have its effect. */
  run<T>(limitMs: number, run: (signal: AbortSignal) => Promise<T>): Promise<T>;
  /** Ends the waiting for the request under way, if there is one. */
  interrupt(reason: Error): void;
  /** The caller found that an attempt failed, and goes on. */
  failed(error: unknown): void;
  /** Since the last failure nothing has been answered. */
  isFailing(): boolean;
  /** All that the caller wants of the place works: an answer to one kind of request says nothing of another that is forbidden. */
  recovered(): void;
}

/** `place`: as in "The lease cannot be reached". */
export function createAttempts({ clock, log, place }: { readonly clock: Clock; readonly log: Logger; readonly place: string }): Attempts {
  let current: AbortController | undefined;
  let isFailing = false;
  /** Since when it is said to be out of reach. */
  let toldSinceMs: number | undefined;

  return {
    async run(limitMs, run) {
      const limit = new AbortController();
      current = limit;
      const timer = clock.after(limitMs, () => limit.abort(new Error(`Cannot reach the ${place}: no answer within ${limitMs} ms`)));
      try {
        const answer = await Promise.race([run(limit.signal), whenAborted(limit.signal)]);
        isFailing = false;
        return answer;
      } finally {
        timer.cancel();
        current = undefined;
      }
    },
    interrupt: (reason) => current?.abort(reason),
    failed(error) {
      isFailing = true;
      if (toldSinceMs === undefined) log.warn(`The ${place} cannot be reached`, { error });
      else log.debug(`The ${place} still cannot be reached`, { error });
      toldSinceMs ??= clock.monotonic();
    },
    isFailing: () => isFailing,
    recovered() {
      if (toldSinceMs === undefined) return;
      log.info(`The ${place} can be reached again`, { durationMs: Math.round(clock.monotonic() - toldSinceMs) });
      toldSinceMs = undefined;
    },
  };
}

function whenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true }));
}
