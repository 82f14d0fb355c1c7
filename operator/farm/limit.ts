// How many servers may be enabled (spec.maxServers: the licence), and which pods get the places that are left. The number that counts is the
// one that the insert finds in its own transaction; what is counted here only spares it what is hopeless.

import { isOlder } from "./desired.ts";
import type { Pod, ServerRow } from "./model.ts";
import type { Observation } from "./observation.ts";

/** Enabled rows that the table may have; undefined: no limit. */
export const mostServers = ({ farm }: Pick<Observation, "farm">): number | undefined =>
  (farm.spec.maxServers ?? 0) > 0 ? farm.spec.maxServers : undefined;

/** Enabled rows of the whole table, whoever's they are: the licence counts them all. */
export const enabledRows = (rows: readonly ServerRow[]): number => rows.filter(({ enabled }) => enabled).length;

export interface Admission<T> {
  /** In the order in which they get their places. */
  readonly admitted: readonly T[];
  readonly waiting: readonly T[];
}

/** Running pods come before starting ones, then the oldest first. */
export function admit<T extends { readonly pod: Pod }>(
  candidates: readonly T[],
  observation: Pick<Observation, "farm">,
  rows: readonly ServerRow[],
): Admission<T> {
  const most = mostServers(observation);
  if (most === undefined) return { admitted: candidates, waiting: [] };
  const ordered = candidates.toSorted((a, b) => Number(b.pod.running) - Number(a.pod.running) || (isOlder(a.pod, b.pod) ? -1 : 1));
  const places = Math.max(0, most - enabledRows(rows));
  return { admitted: ordered.slice(0, places), waiting: ordered.slice(places) };
}
