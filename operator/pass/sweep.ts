// Clears what removed servers leave in tables without foreign keys, after the commit and best effort: nothing depends on it.

import type { Logger } from "../controller/logger.ts";
import type { FarmDatabase } from "./ports.ts";
import type { FarmState } from "./state.ts";

/** Monitoring, log and search rows of removed servers, after the commit and best effort. */
export async function sweepRemoved(log: Logger, database: FarmDatabase | undefined, state: FarmState, signal: AbortSignal): Promise<void> {
  const due = state.sweeps;
  if (database === undefined || due.length === 0) return;
  state.sweeps = due.filter(({ left }) => left > 1).map(({ rows, left }) => ({ rows, left: left - 1 }));
  try {
    await database.sweep(
      due.flatMap(({ rows }) => rows),
      signal,
    );
  } catch (error) {
    const again = due.filter(({ left, isAgain }) => left === 1 && isAgain !== true).map((one) => ({ ...one, isAgain: true }));
    state.sweeps = [...state.sweeps, ...again];
    signal.throwIfAborted();
    const next = state.sweeps.length > 0 ? "the next pass tries again" : "they do no harm and stay";
    log.warn(`Could not sweep the monitoring, log and search rows of removed servers; ${next}`, { error });
  }
}
