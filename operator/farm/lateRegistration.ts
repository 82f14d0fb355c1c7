// Paces the registration of pods that serve already: in 9 to 13 an instance that ran without a row restarts when it finds one, so all
// rows at once would take the whole site down. Pods that do not serve yet are never paced, nor are those of 6 to 8, which use a row as it comes.

import type { LateRegistration } from "./memory.ts";
import { lateRestartLimitMs } from "./memory.ts";
import type { Milliseconds, PodUid } from "./model.ts";
import type { TableObservation } from "./observation.ts";
import { readOnce } from "./unsynchronised.ts";

export interface LatePace<T> {
  readonly now: readonly T[];
  readonly later: readonly T[];
  readonly quota: number;
  /** When the pods under way are given up; absent while none is. */
  readonly lookAgainMs?: Milliseconds;
}

/** Whether an instance that runs without a row restarts when it finds one. */
export const restartsForRow = (table: TableObservation): boolean => table.kind === "read" && readOnce.has(table.facts.product);

/** Chooses which of the serving pods without a row are registered now; `nowMs` is monotonic. */
export function paceLate<T extends { readonly pod: { readonly uid: PodUid } }>(
  waiting: readonly T[],
  late: LateRegistration,
  nowMs: Milliseconds,
): LatePace<T> {
  const begun = [...late.restarting.values()].map(({ sinceMs }) => sinceMs);
  if (waiting.length === 0) return { now: [], later: [], quota: begun.length === 0 ? 0 : late.quota };
  const quota = late.quota > 0 ? late.quota : Math.max(1, Math.floor(waiting.length / 4));
  if (begun.length > 0) return { now: [], later: waiting, quota, lookAgainMs: Math.max(...begun) + lateRestartLimitMs - nowMs };
  return { now: waiting.slice(0, quota), later: waiting.slice(quota), quota };
}

/** The pace after these pods were registered. */
export const registeredLate = (late: LateRegistration, uids: readonly PodUid[], quota: number, nowMs: Milliseconds): LateRegistration => ({
  quota,
  restarting: new Map([...late.restarting, ...uids.map((uid) => [uid, { sinceMs: nowMs, seenNotReady: false }] as const)]),
});
