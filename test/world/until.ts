// Waits for an observable condition, never for a time: the only waiting that tests of real parts do.

import { setTimeout as pause } from "node:timers/promises";

export interface UntilOptions {
  readonly timeoutMs?: number;
  readonly everyMs?: number;
  /** Added to the error: what was seen instead. */
  readonly seen?: () => unknown;
}

/** Resolves when `condition` is true; rejects after `timeoutMs` (60,000) with what it waited for. */
export async function until(what: string, condition: () => Promise<boolean> | boolean, options: UntilOptions = {}): Promise<void> {
  const { timeoutMs = 60_000, everyMs = 50 } = options;
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) {
      const seen = options.seen === undefined ? "" : `; seen: ${JSON.stringify(await options.seen())}`;
      throw new Error(`Waited ${timeoutMs / 1000} s in vain until ${what}${seen}`);
    }
    await pause(everyMs);
  }
}
