// Adds up what came about in many schedules, in one worker or in all of them. Plain data, as it travels between threads.

import { happenings } from "./campaignCoverage.ts";
import type { Happening } from "./campaignCoverage.ts";
import type { Outcome } from "./campaignRun.ts";

type Counted = Readonly<Record<string, number>>;

export interface Totals {
  readonly schedules: number;
  readonly steps: number;
  readonly passes: number;
  readonly effects: number;
  readonly rowChanges: number;
  /** Simulated time of all schedules. */
  readonly simulatedMs: number;
  /** Schedules in which each came about. */
  readonly happened: Counted;
  /** How often an armed fault met an effect, by what it did. */
  readonly faults: Counted;
  /** How often each kind of step was done. */
  readonly stepKinds: Counted;
  /** Rows that went, by the evidence that the operator named. */
  readonly removals: Counted;
  /** What the checker counted apart (test/simulation/checker.ts). */
  readonly judged: Counted;
  readonly slowest: { readonly seed: string; readonly ms: number };
}

export const noTotals: Totals = {
  ...{ schedules: 0, steps: 0, passes: 0, effects: 0, rowChanges: 0, simulatedMs: 0 },
  ...{ happened: {}, faults: {}, stepKinds: {}, removals: {}, judged: {} },
  slowest: { seed: "", ms: 0 },
};

export function totalsOf({ steps, coverage }: Outcome, { seed, ms }: { readonly seed: string; readonly ms: number }): Totals {
  return {
    ...{ schedules: 1, steps: steps.length, passes: coverage.passes, effects: coverage.effects, rowChanges: coverage.rowChanges },
    simulatedMs: coverage.simulatedMs,
    happened: Object.fromEntries([...coverage.happened].map((happening) => [happening, 1])),
    faults: Object.fromEntries(coverage.faults),
    stepKinds: Object.fromEntries(coverage.steps),
    removals: Object.fromEntries(coverage.removals),
    judged: { ...coverage.counts },
    slowest: { seed, ms },
  };
}

export function added(a: Totals, b: Totals): Totals {
  return {
    schedules: a.schedules + b.schedules,
    steps: a.steps + b.steps,
    passes: a.passes + b.passes,
    effects: a.effects + b.effects,
    rowChanges: a.rowChanges + b.rowChanges,
    simulatedMs: a.simulatedMs + b.simulatedMs,
    happened: sum(a.happened, b.happened),
    faults: sum(a.faults, b.faults),
    stepKinds: sum(a.stepKinds, b.stepKinds),
    removals: sum(a.removals, b.removals),
    judged: sum(a.judged, b.judged),
    slowest: a.slowest.ms >= b.slowest.ms ? a.slowest : b.slowest,
  };
}

function sum(a: Counted, b: Counted): Counted {
  const counted: Record<string, number> = { ...a };
  for (const [name, count] of Object.entries(b)) counted[name] = (counted[name] ?? 0) + count;
  return counted;
}

/** What never came about: a campaign without it has not looked there. */
export const missed = ({ happened }: Totals): readonly Happening[] => happenings.filter((one) => happened[one] === undefined);
