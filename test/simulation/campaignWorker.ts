// One thread of the campaign: runs its share of the schedules, and tells its totals every second and each schedule that fails.

import { parentPort, workerData } from "node:worker_threads";
import { runSchedule } from "./campaignRun.ts";
import { added, noTotals, totalsOf } from "./campaignTotals.ts";
import type { Totals } from "./campaignTotals.ts";
import { generated } from "./generate.ts";

export interface Share {
  readonly campaign: string;
  /** This worker runs every `step`-th schedule from `first` on, and none from `end` on. */
  readonly end: number;
  readonly first: number;
  readonly step: number;
}

export type Told =
  /** What was done since the last time. */
  { readonly kind: "progress" | "done"; readonly totals: Totals } | { readonly kind: "failed"; readonly seed: string };

/** Each schedule's seed follows from the campaign's and its number. */
export const seedOf = (campaign: string, index: number): string => `${campaign}-${index}`;

const tellEveryMs = 1_000;

async function runShare({ campaign, end, first, step }: Share, tell: (told: Told) => void): Promise<void> {
  let totals = noTotals;
  let toldMs = performance.now();
  for (let index = first; index < end; index += step) {
    const seed = seedOf(campaign, index);
    const startedMs = performance.now();
    const outcome = await runSchedule(generated(seed));
    const endedMs = performance.now();
    totals = added(totals, totalsOf(outcome, { seed, ms: endedMs - startedMs }));
    if (outcome.wrong !== undefined) tell({ kind: "failed", seed });
    if (endedMs - toldMs < tellEveryMs) continue;
    tell({ kind: "progress", totals });
    totals = noTotals;
    toldMs = endedMs;
    await new Promise((resolve) => setImmediate(resolve)); // messages of a thread travel only between its turns
  }
  tell({ kind: "done", totals });
}

if (parentPort !== null) {
  const port = parentPort;
  await runShare(workerData as Share, (told) => port.postMessage(told));
}
