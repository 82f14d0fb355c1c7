// The verdict on each row that carries our owner's mark: keep, hand over, remove or report. A row is never removed because it is missing
// something; only because its pod was seen to end, or has been missing for longer than its process can live (promises 2, 3 and 5).

import { approvalOf } from "./approval.ts";
import type { ApprovalRef } from "./approval.ts";
import type { ClaimedPod, Desired } from "./desired.ts";
import { wantsRow } from "./desired.ts";
import { noForeignRows, surplusRows } from "./duplicates.ts";
import type { ForeignRows } from "./duplicates.ts";
import { hasEnded, isAlive, phaseIsGuessed } from "./hasEnded.ts";
import { judgeLiving, judgeSurplus } from "./livingRows.ts";
import { kinship, markFor, readMark } from "./mark.ts";
import type { RowKinship } from "./mark.ts";
import { missingWindowMs, rowKey } from "./memory.ts";
import type { FarmMemory, RowKey } from "./memory.ts";
import type { Milliseconds, Pod, PodHash, PodUid, SeenPod, ServerRow, TableRead } from "./model.ts";
import type { Observation, OrdinalRange } from "./observation.ts";
import type { Removal, Remark, ServerView } from "./plan.ts";
import { serverUrl, urlObstacle, urlPart } from "./serverUrl.ts";
import { comparable, patternIndex, renderNamePattern, renderServerName } from "./serverName.ts";
import type { NamePattern } from "./serverName.ts";
import { isUnread, setThatWants } from "./statefulSet.ts";
import { rowView as view } from "./views.ts";
import { isTakenBack, whereabouts } from "./whereabouts.ts";
import type { Whereabouts } from "./whereabouts.ts";

export { whereabouts } from "./whereabouts.ts";

export interface RowVerdict {
  readonly row: ServerRow;
  readonly view: ServerView;
  readonly mark?: Remark;
  readonly removal?: Removal;
  readonly unconfirmed?: boolean;
  /** It goes, or is given to a pod, only by approval or when that is no longer needed. */
  readonly needsApproval?: boolean;
  readonly gone?: RowKey;
  readonly lookAgainMs?: Milliseconds;
}

/** A StatefulSet's successor of the name has this long to appear before the row goes. */
export const successorWaitMs = 60_000;
/** A set that could not be read is asked again this soon. */
const unreadSetMs = 1_000;
const gracePaddingMs = 10_000;
const smallestGraceSeconds = 30;

interface Context {
  readonly observation: Observation;
  readonly memory: FarmMemory;
  readonly desired: Desired;
  readonly claims: ReadonlyMap<PodUid, ClaimedPod>;
  readonly read: TableRead;
  readonly viewLooksWrong: boolean;
  /** Comparable names that a pod in the cache yields and that has not ended. */
  readonly livingNames: Pick<ReadonlySet<string>, "has">;
  /** Of each comparable name, the one row that another pod may get: ours, a former owner's, another cluster's; then the smallest ServerID. */
  readonly firstRows: ReadonlyMap<string, ServerRow>;
  /** Pods that have a row of this farm, other than a surplus one under their name: none of them gets a second one. */
  readonly owners: ReadonlySet<PodHash>;
  readonly nameOf: (row: ServerRow) => string;
  /** Of each surplus row of ours, the row of its name that stays. */
  readonly surplus: ReadonlyMap<ServerRow, ServerRow>;
  readonly foreign: ForeignRows;
}

/** `nameOf`: the comparable name under which a row is found. */
export interface RowNames {
  readonly nameOf: (row: ServerRow) => string;
  readonly foreign: ForeignRows;
}

export function judgeOurRows(
  observation: Observation,
  memory: FarmMemory,
  desired: Desired,
  read: TableRead,
  { nameOf, foreign }: RowNames = { nameOf: ({ name }) => comparable(name), foreign: noForeignRows },
): readonly RowVerdict[] {
  const kin = read.rows.flatMap((row) => {
    const kind = kinship(row, observation.identity);
    return kind.kind === "foreign" ? [] : [{ row, kind: kind.kind, pod: kind.pod, where: whereabouts(kind.pod, observation) }];
  });
  const ours = kin.filter(({ kind }) => kind === "ours");
  const viewLooksWrong = looksWrong(observation, memory, desired, ours, read);
  const livingNames = namesOfLiving(observation);
  // The application's rows are its own affair.
  const surplus = observation.farm.spec.registration === "Operator" ? surplusRows(ours.map(({ row }) => row)) : new Map<never, never>();
  const context: Context = {
    observation,
    memory,
    desired,
    claims: new Map(desired.claimed.map((claim) => [claim.pod.uid, claim])),
    read,
    livingNames,
    viewLooksWrong,
    firstRows: firstRows(kin, nameOf),
    owners: new Set(
      ours.filter(({ row, pod }) => !surplus.has(row) || desired.holders.get(nameOf(row))?.hash !== pod).map(({ pod }) => pod),
    ),
    nameOf,
    surplus,
    foreign,
  };
  return kin.map(({ row, kind, where }) => {
    switch (kind) {
      case "ours":
        return judgeOurs(row, where, context);
      case "formerOwner":
        return judgeFormerOwners(row, where, context);
      case "otherCluster":
        return judgeOtherClusters(row, context);
    }
  });
}

/** As the live read will judge it: every member's template on every pod, whoever selects it, so that nothing is asked for in vain. */
function namesOfLiving({ pods, members }: Observation): Context["livingNames"] {
  const templates = [...new Set(members.map(({ serverName }) => serverName))];
  const living = pods.pods.filter((pod) => !hasEnded(pod));
  const names = new Set(
    living.flatMap((pod) => [pod.name, ...templates.flatMap((template) => renderedName(template, pod))]).map(comparable),
  );
  const prefixed = templates.filter((template) => template.endsWith("*"));
  const yielding = patternIndex(living.flatMap((pod) => prefixed.flatMap((template) => renderedPattern(template, pod))));
  return { has: (name) => names.has(name) || yielding(name).length > 0 };
}

function renderedPattern(template: string, pod: Pod): readonly { readonly pattern: NamePattern; readonly value: Pod }[] {
  const pattern = renderNamePattern(template, pod);
  return pattern.ok ? [{ pattern: pattern.value, value: pod }] : [];
}

function renderedName(template: string, pod: Pod): readonly string[] {
  const name = renderServerName(template, pod);
  return name.ok ? [name.value] : [];
}

type KinKind = Exclude<RowKinship["kind"], "foreign">;

const nearestLast: readonly KinKind[] = ["otherCluster", "formerOwner", "ours"];

function firstRows(
  kin: readonly { readonly row: ServerRow; readonly kind: KinKind }[],
  nameOf: (row: ServerRow) => string,
): ReadonlyMap<string, ServerRow> {
  const worstFirst = kin.toSorted((a, b) => nearestLast.indexOf(a.kind) - nearestLast.indexOf(b.kind) || b.row.serverID - a.row.serverID);
  return new Map(worstFirst.map(({ row }) => [nameOf(row), row]));
}

/** The pod that this row is to be given to: it holds the row's name and has no row yet. */
function takerOf(row: ServerRow, { desired, firstRows, owners, nameOf }: Context): ClaimedPod | undefined {
  const claim = desired.holders.get(nameOf(row));
  if (claim === undefined || !wantsRow(claim) || owners.has(claim.hash)) return undefined;
  return firstRows.get(nameOf(row)) === row ? claim : undefined;
}

/** Promise 5: at least three rows, and more than half of the farm's, miss their pod, while fewer than half of the wanted pods are alive. */
function looksWrong(
  observation: Observation,
  memory: FarmMemory,
  desired: Desired,
  ours: readonly { readonly where: Whereabouts }[],
  read: TableRead,
): boolean {
  const counts = observation.members.map(({ workload }) =>
    workload.kind === "found" ? workload.replicas : workload.kind === "unknown" ? undefined : 0,
  );
  const isUnsure = counts.includes(undefined); // who cannot say how many pods there should be cannot call the view right
  const wanted = counts.reduce<number>((sum, count) => sum + (count ?? 0), 0);
  const present = new Set(read.rows.map(({ serverID }) => serverID));
  const removedByUs = [...memory.removedAsMissing.keys()].filter((serverID) => !present.has(serverID)).length;
  // Nobody knows what a process before this one removed: as long as it would count, as many as there should be rows.
  const mayBeRemoved = isJustBegun(observation, memory) ? Math.max(0, wanted - ours.length) : 0;
  const removed = Math.max(removedByUs, mayBeRemoved);
  const missing = ours.filter(({ where }) => where.kind === "missing").length + removed;
  if (missing < 3 || missing * 2 <= ours.length + removed) return false;
  const alive = desired.claimed.filter(({ pod }) => isAlive(pod)).length;
  return isUnsure || alive * 2 < wanted;
}

const isJustBegun = ({ nowMs }: Observation, { sinceMs }: FarmMemory): boolean =>
  sinceMs !== undefined && nowMs - sinceMs < missingWindowMs;

function judgeOurs(row: ServerRow, where: Whereabouts, context: Context): RowVerdict {
  const { farm } = context.observation;
  if (farm.deletionAtMs !== undefined && farm.spec.deletionPolicy === "RemoveAll") {
    const pod = where.kind === "missing" ? where.last?.pod : where.pod;
    const removal: Removal = { row, evidence: "removeAll", ...(pod !== undefined && { pod }) };
    return { row, removal, view: view(row, "Stale", "RemoveAll", "The WebFarm is being deleted with deletionPolicy RemoveAll.", pod) };
  }
  const kept = context.surplus.get(row);
  if (kept !== undefined) return judgeSurplus(row, kept, where, context);
  switch (where.kind) {
    case "alive":
      return judgeLiving(row, where.pod, context);
    case "draining":
      return {
        row,
        view: view(row, "Draining", "PodTerminating", drainingMessage(where.pod), where.pod, claimOf(where.pod, context)?.member.name),
      };
    case "ended":
    case "missing":
      return judgeGone(row, where, context);
  }
}

const claimOf = (pod: Pod, { claims }: Context): ClaimedPod | undefined => claims.get(pod.uid);

function drainingMessage(pod: Pod): string {
  const node = pod.node ?? "";
  if (phaseIsGuessed(pod)) {
    return `Node ${node} was lost and the pod's process may live on. If the node is really off, taint it node.kubernetes.io/out-of-service=nodeshutdown:NoExecute.`;
  }
  return `The pod ends and its process may still live; the row stays until it has ended. If node ${node} is dead, taint it node.kubernetes.io/out-of-service=nodeshutdown:NoExecute.`;
}

/** A row of ours whose pod is not to be seen alive: the next pod of its name gets it, or it goes. */
function judgeGone(row: ServerRow, where: Extract<Whereabouts, { kind: "ended" | "missing" }>, context: Context): RowVerdict {
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
  if (isUnread(set)) return `StatefulSet ${set.name} cannot be read and may want a pod of this name; the row waits a while for an answer.`;
  return farm.spec.registration === "Application"
    ? "The StatefulSet wants a pod of this name, which will use the row as it finds it."
    : "The StatefulSet wants a pod of this name; the row waits up to a minute for it.";
}

const nameInUse = "A pod of this name exists and has not ended; the row stays.";

/** While an approval holds, what is left of its set goes by it, also when the view looks right again because some of it has gone. */
function judgeUnexplained(row: ServerRow, last: SeenPod | undefined, context: Context): RowVerdict {
  const message =
    "Most of the farm's rows miss their pod and most of its pods are not to be seen, so this view may be wrong. Nothing is removed before the pods are back or a person approves.";
  return blocked(row, "UnexplainedAbsence", message, context, last?.pod);
}

function judgeMissing(row: ServerRow, last: SeenPod | undefined, context: Context): RowVerdict {
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
function missingWaitMs(last: SeenPod | undefined, { observation, desired, read }: Context): Milliseconds {
  const graces = desired.claimed.map(({ pod }) => pod.graceSeconds);
  const graceMs = (last === undefined ? Math.max(smallestGraceSeconds, ...graces) : last.pod.graceSeconds) * 1000 + gracePaddingMs;
  const lastStateUnknown = last === undefined || last.presence === "listedGone" || isTakenBack(last.pod);
  const nodeMayBeLost = (last !== undefined && phaseIsGuessed(last.pod)) || (lastStateUnknown && read.pings === undefined);
  return nodeMayBeLost ? Math.max(graceMs, nodeLostMs(observation)) : graceMs;
}

export const nodeLostMs = ({ farm }: Observation): Milliseconds => (farm.spec.removal?.nodeLostSeconds ?? 300) * 1000;

/** A row of this owner that another cluster registered: its own while it pings; a pod of ours may have it when the pings have stopped. */
function judgeOtherClusters(row: ServerRow, context: Context): RowVerdict {
  const { observation, memory } = context;
  const claim = takerOf(row, context);
  if (claim === undefined) {
    const message =
      "The row has this farm's owner but was registered in another cluster, or before this namespace was made anew. It goes only by a person's approval.";
    return blocked(row, "OtherCluster", message, context);
  }
  const silence = memory.silentSince.get(rowKey(row));
  const leftMs = silence === undefined ? nodeLostMs(observation) : silence.sinceMs + nodeLostMs(observation) - observation.nowMs;
  const message =
    "A row with this farm's owner and this name was registered in another cluster. Two clusters must not share an ownerId and a database; it is taken over when its server has sent no ping for removal.nodeLostSeconds, or by a person's approval.";
  const conflict = { row, needsApproval: true, view: view(row, "Conflict", "OtherCluster", message, claim.pod, claim.member.name) };
  if (urlObstacle(claim, row.name, serverUrl(claim, observation)) !== undefined) return conflict;
  const approval = approvalOf(row, observation.approval);
  if (approval !== undefined) return { ...conflict, mark: takeOver(row, claim, context, approval) };
  if (context.read.pings === undefined) return conflict;
  return leftMs > 0 ? { ...conflict, lookAgainMs: leftMs } : { ...conflict, mark: takeOver(row, claim, context) };
}

const takeOver = (row: ServerRow, claim: ClaimedPod, { observation }: Context, approval?: ApprovalRef): Remark => ({
  kind: "takeOver",
  row,
  claim,
  newGuid: markFor(observation.identity, row.name, claim.pod.uid),
  ...urlPart(serverUrl(claim, observation)),
  ...(approval !== undefined && { approval }),
});

/** A row of the farm's earlier life: the pod that wants its name gets it; without a living pod it goes only by approval. */
function judgeFormerOwners(row: ServerRow, where: Whereabouts, context: Context): RowVerdict {
  const claim = takerOf(row, context);
  const pod = where.kind === "missing" ? where.last?.pod : where.pod;
  const isLiving = where.kind === "alive" || where.kind === "draining";
  if (claim !== undefined && (!isLiving || pod?.uid === claim.pod.uid)) {
    const message = "A former owner's row of this name is given to this pod.";
    const obstacle = urlObstacle(claim, row.name, serverUrl(claim, context.observation));
    if (obstacle !== undefined) return { row, view: { ...obstacle, row } };
    return {
      row,
      mark: takeOver(row, claim, context),
      view: view(row, "Pending", "FormerOwner", message, claim.pod, claim.member.name),
    };
  }
  if (isLiving && where.kind === "draining") return { row, view: view(row, "Draining", "PodTerminating", drainingMessage(where.pod), pod) };
  if (isLiving) {
    const message =
      "The row is a former owner's and its pod lives, but does not want this name of this farm. If another WebFarm still has that ownerId, take it out of spec.formerOwnerIds or delete that WebFarm.";
    return { row, view: view(row, "Conflict", "FormerOwner", message, pod) };
  }
  const message = "The row is a former owner's and its pod is not to be found. It goes only by a person's approval.";
  return blocked(row, "FormerOwner", message, context, pod);
}

/** As the live read will judge it: a pod of the row's name or mark has not ended. */
function isHeld(row: ServerRow, { livingNames, observation, nameOf }: Context): boolean {
  const mark = readMark(row.guid);
  const where = mark && whereabouts(mark.pod, observation).kind;
  return livingNames.has(nameOf(row)) || where === "alive" || where === "draining";
}

/** A row that needs a person: it stays, or goes because one approved it. */
function blocked(row: ServerRow, reason: string, message: string, context: Context, pod?: Pod): RowVerdict {
  const approval = approvalOf(row, context.observation.approval);
  if (approval === undefined) return { row, needsApproval: true, view: view(row, "Blocked", reason, message, pod) };
  if (isHeld(row, context)) return { row, needsApproval: true, view: view(row, "Stale", "NameInUse", nameInUse, pod) };
  return {
    row,
    needsApproval: true,
    removal: { row, evidence: "approved", approval, ...(pod !== undefined && { pod }) },
    view: view(row, "Stale", "Approved", `A person approved the removal (digest ${approval.digest}); the row is about to be removed.`, pod),
  };
}
