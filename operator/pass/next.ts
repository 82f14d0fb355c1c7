// When a farm is looked at again after a pass: at the next resync, or when the first of its waits is over. It never spins: what comes to
// nothing is tried later each time.

import type { Clock } from "../controller/clock.ts";
import type { Result } from "../controller/workers.ts";
import type { Assessment } from "../farm/conditions.ts";
import { isAlive } from "../farm/hasEnded.ts";
import type { Milliseconds } from "../farm/model.ts";
import { isComplete } from "../farm/observation.ts";
import type { Observation } from "../farm/observation.ts";
import type { Plan } from "../farm/plan.ts";
import { countActions, permitted } from "../farm/policy.ts";
import { isUnknown } from "../farm/unread.ts";
import type { Applied } from "./apply.ts";
import type { FarmState } from "./state.ts";

const firstRetryMs = 1_000;
const lastRetryMs = 30_000;
const unresolvedRetryMs = 1_000;
/** Pods that another WebFarm's workload surely has are looked at again when that could be read. */
const undecidedRetryMs = 5_000;
/** Credentials are read again this often while they do not do, so that a corrected Secret is soon tried. */
const longestFailureMs = 10_000;

interface NextOptions {
  readonly clock: Clock;
  readonly resyncMs: Milliseconds;
}

interface Done {
  readonly assessment: Assessment;
  readonly applied: Applied;
}

/** When this farm is looked at again: at the next resync, or when the first of its waits is over. */
export function nextLook(
  { clock, resyncMs }: NextOptions,
  done: Done,
  state: FarmState,
  reportWaits: readonly (Milliseconds | undefined)[],
): Result {
  const { assessment, applied } = done;
  const { observation, plan, outcome } = assessment;
  const { problem } = outcome;
  if (problem?.kind === "busy")
    return {
      kind: "failed",
      error: new Error(problem.message),
      ...(problem.retryAfterMs !== undefined && { retryAfterMs: problem.retryAfterMs }),
    };
  const waits = [
    resyncMs,
    ...reportWaits,
    plan.lookAgainMs,
    observation.table.kind === "unavailable" ? unavailableMs(clock, state) : undefined,
    applied.drainsAfterMs,
    openMs(done, state),
    unresolvedMs(observation, plan),
  ];
  const afterMs = Math.max(0, Math.min(...waits.filter((ms) => ms !== undefined)));
  return { kind: "again", afterMs, ...(applied.drainsAfterMs !== undefined && { priority: "background" as const }) };
}

const unavailableMs = (clock: Clock, { table: { failure } }: FarmState): Milliseconds =>
  failure === undefined ? longestFailureMs : Math.min(Math.max(failure.retryMs - clock.monotonic(), 0), longestFailureMs);

/** Something was to be written and was not, or is to be written now: soon, and later each time that nothing came of it. */
const openMs = ({ assessment, applied }: Done, state: FarmState): Milliseconds | undefined => {
  const { plan, authority, outcome } = assessment;
  const isOpen = outcome.problem !== undefined || countActions(permitted(plan, authority)) + plan.unconfirmed.length > 0;
  const isFruitless =
    isOpen && applied.drainsAfterMs === undefined && applied.registered.length + applied.marked.length + applied.removed.length === 0;
  state.fruitless = isFruitless ? state.fruitless + 1 : 0;
  // Rows that went have made room for pods that waited for it.
  if (applied.removed.length > 0 && permitted(plan, authority).inserts.length > 0) return 0;
  return isOpen ? Math.min(firstRetryMs * 2 ** Math.max(0, Math.min(state.fruitless, 10) - 1), lastRetryMs) : undefined;
};

/** Pods that nobody owns may be those of a workload that is not there yet, or cannot be read; so may those that wait for one. */
function unresolvedMs({ members: observed, pods }: Observation, { desired }: Plan): Milliseconds | undefined {
  if (desired.undecided.length > 0) return undecidedRetryMs;
  const owned = desired.claimed.filter(({ member }) => !isUnknown(member)).length + desired.taken.length;
  return observed.every(isComplete) || pods.pods.filter(isAlive).length <= owned ? undefined : unresolvedRetryMs;
}
