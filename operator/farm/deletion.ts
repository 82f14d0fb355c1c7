// When a WebFarm that is being deleted may go: its finalizer waits for the rows that deletionPolicy promises to remove, never for ever,
// and never for rows that need a person.

import { hasEnded } from "./hasEnded.ts";
import { kinship } from "./mark.ts";
import type { FarmMemory } from "./memory.ts";
import type { Milliseconds, Pod, ServerRow } from "./model.ts";
import type { MemberObservation, Observation } from "./observation.ts";
import type { Plan } from "./plan.ts";
import { isSilencedByPerson } from "./policy.ts";
import type { Authority } from "./policy.ts";
import { whereabouts } from "./whereabouts.ts";

export const finalizer = "webfarm.dev/servers";
export const skipCleanupAnnotation = "webfarm.dev/skip-cleanup";

const shortestMs = 10_000;
const limitMs = 120_000;
const gracePaddingMs = 30_000;

export type Release =
  /** `left`: the rows that were to be removed, as far as they are known; of a clean release those that only a person may remove. */
  | { readonly kind: "release"; readonly reason: "NothingToDo" | "Clean" | "TimedOut"; readonly left: readonly ServerRow[] }
  | { readonly kind: "wait"; readonly lookAgainMs: Milliseconds };

/** The farm leaves its rows as they are: nothing has to be read or waited for. */
export function leavesRows(observation: Pick<Observation, "farm">, authority: Authority): boolean {
  const { spec, annotations } = observation.farm;
  return (
    spec.policy !== "Sync" ||
    authority.silence === "OwnerIdInUse" || // the rows are the older WebFarm's
    spec.deletionPolicy === "Retain" ||
    isSilencedByPerson(authority) ||
    annotations[skipCleanupAnnotation] === "true"
  );
}

/** `nowWallMs` is the wall clock; `readIsFresh`: the rows were read with no statement of ours open, after the deletion began. */
export function releaseOf(
  input: { readonly observation: Observation; readonly memory: FarmMemory; readonly plan: Plan; readonly authority: Authority },
  moment: { readonly nowWallMs: Milliseconds; readonly readIsFresh: boolean },
): Release {
  const { observation, memory, plan, authority } = input;
  const { farm, nowMs, pods } = observation;
  if (leavesRows(observation, authority)) return { kind: "release", reason: "NothingToDo", left: [] };
  const seenMs = nowMs - (memory.deletingSinceMs ?? nowMs);
  const elapsedMs = pods.synced ? Math.max(seenMs, moment.nowWallMs - (farm.deletionAtMs ?? moment.nowWallMs)) : seenMs;
  const graces = remainingPods(observation, plan).map(({ graceSeconds }) => graceSeconds * 1000 + gracePaddingMs);
  const mostMs = Math.max(limitMs, ...graces);
  const waiting = rowsToWaitFor(observation, plan);
  const left = [...new Set([...(waiting ?? []), ...plan.blocked])];
  if (elapsedMs >= mostMs && seenMs >= shortestMs) return { kind: "release", reason: "TimedOut", left };
  if (seenMs >= shortestMs && moment.readIsFresh && pods.synced && waiting?.length === 0) return { kind: "release", reason: "Clean", left };
  return { kind: "wait", lookAgainMs: seenMs < shortestMs ? shortestMs - seenMs : Math.min(5_000, Math.max(0, mostMs - elapsedMs)) };
}

/** The farm's pods that have not ended, also those that no member selects any more because its workload is gone. */
function remainingPods({ table, identity, pods }: Observation, plan: Plan): readonly Pod[] {
  const rows = table.kind === "read" ? table.read.rows : [];
  const ofRows = rows.flatMap((row) => {
    const kin = kinship(row, identity);
    const where = kin.kind === "ours" ? whereabouts(kin.pod, { pods }) : undefined;
    return where?.kind === "alive" || where?.kind === "draining" ? [where.pod] : [];
  });
  return [...plan.desired.claimed.map(({ pod }) => pod), ...ofRows].filter((pod) => !hasEnded(pod));
}

/** Undefined while the rows are not known. */
function rowsToWaitFor(observation: Observation, plan: Plan): readonly ServerRow[] | undefined {
  const { table, identity, farm, members } = observation;
  if (table.kind !== "read") return undefined;
  // A workload that cannot be read may be going: its rows are waited for, and named when the time is over.
  const isUnread = members.some(({ workload }) => workload.kind === "unknown");
  // Without it nobody can call the view right, so it says nothing of whether these rows need a person.
  const blocked = isUnread ? new Set() : new Set(plan.blocked.map(({ serverID }) => serverID));
  const goingMembers = new Set(members.filter(({ workload }) => mayBeGoing(workload)).map(({ name }) => name));
  return table.read.rows.filter((row) => {
    const kin = kinship(row, identity);
    if (kin.kind !== "ours" || blocked.has(row.serverID)) return false;
    if (farm.spec.deletionPolicy === "RemoveAll") return true;
    const where = whereabouts(kin.pod, observation);
    if (where.kind === "ended" || where.kind === "missing") return true;
    const claim = plan.desired.claimed.find(({ pod }) => pod.uid === where.pod.uid);
    // A pod that no member selects any more: its workload is gone, or it was relabelled; a terminating one is waited for.
    return claim === undefined ? goingMembers.size > 0 || where.kind === "draining" : goingMembers.has(claim.member.name);
  });
}

function mayBeGoing(workload: MemberObservation["workload"]): boolean {
  switch (workload.kind) {
    case "found":
      return workload.deleting;
    case "selected":
      return false;
    case "absent":
    case "unknown":
      return true;
  }
}
