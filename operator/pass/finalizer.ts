// Holds a WebFarm by its finalizer before the first write, and lets it go when deletion.ts says so.

import type { Clock } from "../controller/clock.ts";
import type { Logger } from "../controller/logger.ts";
import type { Result } from "../controller/workers.ts";
import type { Assessment } from "../farm/conditions.ts";
import { finalizer, releaseOf } from "../farm/deletion.ts";
import type { Release } from "../farm/deletion.ts";
import { inventoryOf } from "../farm/inventory.ts";
import type { DatabaseProblem, Milliseconds, WebFarm } from "../farm/model.ts";
import { countActions } from "../farm/policy.ts";
import type { Actions } from "../farm/policy.ts";
import type { Decision } from "./decide.ts";
import type { Cluster } from "./ports.ts";
import { withWritten } from "./state.ts";
import type { FarmState } from "./state.ts";
import { unanswered } from "./unanswered.ts";

const firstConflictRetryMs = 100;
const lastConflictRetryMs = 5_000;
/** The watch tells that it has gone; but a store that was taken back before it did has it again, as it was, and tells nothing. */
const lookAfterReleaseMs = 30_000;

/** When somebody else has changed the object meanwhile: the watch will soon bring it, or lags behind for long. */
export function afterLostRace(state: FarmState): Result {
  state.lostRaces += 1;
  return { kind: "again", afterMs: Math.min(lastConflictRetryMs, firstConflictRetryMs * 2 ** Math.min(10, state.lostRaces - 1)) };
}

/** `lost`: the object has changed meanwhile, and the watch will bring it. */
export type FinalizerHold = { readonly kind: "held" | "lost" } | { readonly kind: "failed"; readonly error: unknown };

/** The finalizer is there before the first write. Where it cannot be written nothing is; the gates still open in time. */
export async function holdFinalizer(
  cluster: Cluster,
  decision: Pick<Decision, "observation" | "authority">,
  actions: Actions,
  state: FarmState,
  signal: AbortSignal,
): Promise<FinalizerHold> {
  const { farm } = decision.observation;
  if ((countActions(actions) === 0 && !hasRowsToRemove(decision)) || farm.finalizers.includes(finalizer)) return { kind: "held" };
  try {
    const write = await cluster.addFinalizer(farm, signal);
    if (write.kind === "written") state.status = withWritten(state.status, farm, write.farm);
    return { kind: write.kind === "written" || write.kind === "unchanged" ? "held" : "lost" };
  } catch (error) {
    signal.throwIfAborted();
    return { kind: "failed", error };
  }
}

/** Rows that the application writes may be there long before this farm's first write, and its deletion is to remove them. */
const hasRowsToRemove = ({ observation, authority }: Pick<Decision, "observation" | "authority">): boolean =>
  authority.remove && observation.farm.spec.registration === "Application" && inventoryOf(observation).length > 0;

/** What a farm without its finalizer is told. */
export const finalizerProblem = (error: unknown): DatabaseProblem =>
  unanswered("FinalizerNotWritten", "Nothing is written before the WebFarm has its finalizer, and that cannot be written", error);

export function releaseNow(clock: Clock, assessment: Assessment, state: FarmState): Release | undefined {
  const { farm } = assessment.observation;
  return farm.deletionAtMs === undefined
    ? undefined
    : releaseOf({ ...assessment, memory: state.memory }, momentOf(clock, assessment, state));
}

const momentOf = (clock: Clock, { observation }: Assessment, state: FarmState): { nowWallMs: Milliseconds; readIsFresh: boolean } => ({
  nowWallMs: clock.now(),
  readIsFresh: observation.table.kind === "read" && !state.table.dirty && state.table.atMs >= (state.memory.deletingSinceMs ?? Infinity),
});

interface ReleaseOptions {
  readonly cluster: Cluster;
  readonly log: Logger;
}

/** It is told when it is done: who loses the race, or leads no more, has released nothing. */
export async function letGo(
  options: ReleaseOptions,
  farm: WebFarm,
  release: Extract<Release, { kind: "release" }>,
  state: FarmState,
  signal: AbortSignal,
): Promise<Result> {
  const write = await options.cluster.removeFinalizer(farm, signal);
  if (write.kind === "conflict") return afterLostRace(state);
  tellRelease(options, farm, release);
  return { kind: "again", afterMs: lookAfterReleaseMs };
}

function tellRelease({ cluster, log }: ReleaseOptions, farm: WebFarm, { reason, left }: Extract<Release, { kind: "release" }>): void {
  if (reason !== "TimedOut" && left.length === 0) {
    log.info("Released a WebFarm", { farm: farm.key, reason });
    return;
  }
  const names = left.slice(0, 20).map(({ name, serverID }) => `${name} (ServerID ${serverID})`);
  const which = reason === "Clean" ? `${left.length} rows that only a person may remove` : `${left.length} rows`;
  const note =
    left.length === 0
      ? "The WebFarm is released although its pods or rows could not be read in time: look in CMS_WebFarmServer whether it left any."
      : `The WebFarm is released and leaves ${which}: ${names.join(", ")}. Delete those that no process uses in the administration.`;
  log.warn("Released a WebFarm whose rows are not all removed", { farm: farm.key, reason, rows: names });
  cluster.record({ farm, type: "Warning", reason: "ServersLeft", action: "Release", note });
}
