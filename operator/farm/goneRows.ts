// The verdict on rows of ours whose pod is not to be seen alive: the next pod of the name gets the row, or it goes when its pod has ended, or
// has been missing for longer than its process can live (promise 3); not while the view looks wrong (promise 5).

import { approvalOf } from "./approval.ts";
import { phaseIsGuessed } from "./hasEnded.ts";
import { markFor } from "./mark.ts";
import { rowKey } from "./memory.ts";
import type { Milliseconds, SeenPod, ServerRow } from "./model.ts";
import type { Observation, OrdinalRange } from "./observation.ts";
import type { Removal, Remark, ServerView } from "./plan.ts";
import { blocked, nameInUse, nodeLostMs, takerOf } from "./rowVerdict.ts";
import type { RowContext, RowVerdict } from "./rowVerdict.ts";
import { serverUrl, urlObstacle, urlPart } from "./serverUrl.ts";
import { isUnread, setThatWants } from "./statefulSet.ts";
import { rowView as view } from "./views.ts";
import { isTakenBack } from "./whereabouts.ts";
import type { Whereabouts } from "./whereabouts.ts";

/** A StatefulSet's successor of the name has this long to appear before the row goes. */
export const successorWaitMs = 60_000;
/** A set that could not be read is asked again this soon. */
const unreadSetMs = 1_000;
const gracePaddingMs = 10_000;
const smallestGraceSeconds = 30;

/** A row of ours whose pod is not to be seen alive: the next pod of its name gets it, or it goes. */
export function judgeGone(row: ServerRow, where: Extract<Whereabouts, { kind: "ended" | "missing" }>, context: RowContext): RowVerdict {
  const { observation, memory, livingNames } = context;
  const key = rowKey(row);
  const lastPod = where.kind === "ended" ? where.pod : where.last?.pod;
  const stale = (reason: string, message: string): ServerView => view(row, "Stale", reason, message, lastPod);
  const successor = takerOf(row, context);
  if (successor !== undefined) {
    const url = serverUrl(successor, observation);
    const obstacle = urlObstacle(successor, row.name, url);
    if (obstacle !== undefined) return { row, gone: key, view: { ...obstacle, row } };
    const newGuid = markFor(observation.identity, row.name, successor.pod.uid);
    const mark: Remark = { kind: "handOver", row, claim: successor, newGuid, ...urlPart(url) };
    return {
      row,
      mark,
      gone: key,
      view: view(
        row,
        "Pending",
        "ReplacesPredecessor",
        "The row of the name's last pod is given to this pod.",
        successor.pod,
        successor.member.name,
      ),
    };
  }
  if (livingNames.has(context.nameOf(row))) return { row, gone: key, view: stale("NameInUse", nameInUse) };
  // What a person is to judge, or has judged, waits for no successor: after a restart that wait would begin anew and end the approval.
  const isForPerson = context.viewLooksWrong || approvalOf(row, observation.approval) !== undefined;
  if (where.kind === "missing" && isForPerson) return { ...judgeUnexplained(row, where.last, context), gone: key };
  const goneSinceMs = memory.goneSince.get(key) ?? observation.nowMs;
  const mayWait = observation.nowMs - goneSinceMs < successorWaitOf(observation);
  const set = mayWait ? setThatWants(row.name, lastPod, observation) : undefined;
  const heldMs = set === undefined ? 0 : heldUntilMs(goneSinceMs, set, observation) - observation.nowMs;
  if (set !== undefined && heldMs > 0) {
    return {
      row,
      gone: key,
      lookAgainMs: isUnread(set) ? Math.min(heldMs, unreadSetMs) : heldMs,
      // The wait for a process that may live runs beside this one.
      ...(where.kind === "missing" && !memory.missingSince.has(key) && { unconfirmed: true }),
      view: stale("AwaitingSuccessor", awaitingSuccessor(observation, set)),
    };
  }
  if (where.kind === "ended") {
    return {
      row,
      gone: key,
      removal: { row, evidence: "ended", pod: where.pod },
      view: stale("PodEnded", "The pod has ended; the row is about to be removed."),
    };
  }
  return { ...judgeMissing(row, where.last, context), gone: key };
}

/** A row that the application wrote is the successor's as it finds it, so it is kept for as long as there is to be one. */
const successorWaitOf = ({ farm }: Observation): Milliseconds => (farm.spec.registration === "Application" ? Infinity : successorWaitMs);

/** A set that stays unreadable holds no row for ever. */
function heldUntilMs(goneSinceMs: Milliseconds, { unreadSinceMs }: OrdinalRange, observation: Observation): Milliseconds {
  const untilMs = goneSinceMs + successorWaitOf(observation);
  if (unreadSinceMs === undefined) return untilMs;
  return Math.min(untilMs, Math.max(goneSinceMs, unreadSinceMs) + Math.max(successorWaitMs, nodeLostMs(observation)));
}

function awaitingSuccessor({ farm }: Observation, set: OrdinalRange): string {
  if (isUnread(set))
    return `StatefulSet ${set.name} cannot be read and may want a pod of this name; the row waits a while for an answer (see condition WorkloadsResolved).`;
  return farm.spec.registration === "Application"
    ? "The StatefulSet wants a pod of this name, which will use the row as it finds it."
    : "The StatefulSet wants a pod of this name; the row waits up to a minute for it.";
}

/** While an approval holds, what is left of its set goes by it, also when the view looks right again because some of it has gone. */
function judgeUnexplained(row: ServerRow, last: SeenPod | undefined, context: RowContext): RowVerdict {
  const message =
    "Most of the farm's rows miss their pod and most of its pods are not to be seen, so this view may be wrong. Nothing is removed before the pods are back or a person approves.";
  return blocked(row, "UnexplainedAbsence", message, context, last?.pod);
}

function judgeMissing(row: ServerRow, last: SeenPod | undefined, context: RowContext): RowVerdict {
  const { observation, memory } = context;
  const watch = memory.missingSince.get(rowKey(row));
  if (watch === undefined) {
    return {
      row,
      unconfirmed: true,
      view: view(
        row,
        "Stale",
        "PodMissing",
        "The pod is gone and its end was not seen; whether it is really gone is being read.",
        last?.pod,
      ),
    };
  }
  const waitMs = missingWaitMs(last, context);
  const leftMs = watch.sinceMs + waitMs - observation.nowMs;
  if (leftMs > 0) {
    const message = `The pod is gone and its end was not seen. Its process may live for ${Math.ceil(waitMs / 1000)} s after it was found gone; then the row is removed.`;
    return { row, lookAgainMs: leftMs, view: view(row, "Stale", "ProcessMayLive", message, last?.pod) };
  }
  const removal: Removal = { row, evidence: "missing", ...(last !== undefined && { pod: last.pod }) };
  return {
    row,
    removal,
    view: view(
      row,
      "Stale",
      "PodMissing",
      "The pod has been gone for longer than its process can live; the row is about to be removed.",
      last?.pod,
    ),
  };
}

/** How long after a pod was found gone its process may live (promise 3). */
function missingWaitMs(last: SeenPod | undefined, { observation, desired, read }: RowContext): Milliseconds {
  const graces = desired.claimed.map(({ pod }) => pod.graceSeconds);
  const graceMs = (last === undefined ? Math.max(smallestGraceSeconds, ...graces) : last.pod.graceSeconds) * 1000 + gracePaddingMs;
  const lastStateUnknown = last === undefined || last.presence === "listedGone" || isTakenBack(last.pod);
  const nodeMayBeLost = (last !== undefined && phaseIsGuessed(last.pod)) || (lastStateUnknown && read.pings === undefined);
  return nodeMayBeLost ? Math.max(graceMs, nodeLostMs(observation)) : graceMs;
}
