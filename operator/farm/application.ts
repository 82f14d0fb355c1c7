// The plan of a farm whose application registers itself (registration: Application): it only removes what a crash left, and never inserts
// or changes a row. Rows come with the mark that the inventory stands for (inventory.ts), so that what is done about pods that ended or are
// missing is the same as elsewhere (rows.ts); here is what differs.
//
//   row                                        pod                            then
//   of one living pod, which has no other      alive; terminating             Registered or Disabled; Draining; remembered in the inventory
//   remembered                                 alive, but not ours any more   keep
//   remembered, and seen in use by that pod    ended                          remove; not while a StatefulSet wants the name
//   remembered                                 ended, and the row's pings go on   wait until they have stopped, then remove
//   remembered                                 missing; ended, use not seen   wait, then remove; not while a StatefulSet wants the name
//   of several living pods, or one of several  alive                          Conflict; it stays whose it was remembered to be, and each is shown
//   not remembered, named as a workload's pod  none, and no pings any more    Blocked: only by approval
//   any other                                  -                              count
//   none                                       alive                          Pending: the application has not registered it yet

import { approvalOf, isPublished } from "./approval.ts";
import { desiredServers, wantsRow } from "./desired.ts";
import type { ClaimedPod, Desired } from "./desired.ts";
import { isWrittenDown, matchRows, stored, withoutUnseenEnds } from "./inventory.ts";
import type { RowMatches } from "./inventory.ts";
import { kinship, readMark } from "./mark.ts";
import { rowKey } from "./memory.ts";
import type { FarmMemory } from "./memory.ts";
import type { Milliseconds, Pod, PodUid, ServerRow, TableRead } from "./model.ts";
import type { Observation } from "./observation.ts";
import type { Plan, ServerState, ServerView } from "./plan.ts";
import { isNameOfWorkload } from "./podNames.ts";
import { judgeOurRows } from "./rows.ts";
import { nodeLostMs } from "./rowVerdict.ts";
import type { RowVerdict } from "./rowVerdict.ts";
import { renderNamePattern } from "./serverName.ts";
import { isUnread, setThatWants } from "./statefulSet.ts";
import { whereabouts } from "./whereabouts.ts";

/** The reason of a pod whose application has not registered itself yet. */
const awaiting = "AwaitingRegistration";
const shortestPollMs = 1_000;
const longestPollMs = 30_000;

/** A row of no view is counted only. */
type Verdict = Omit<RowVerdict, "view"> & { readonly view?: ServerView };

/** `observation`: as withInventory gives it. */
export function planApplication(observation: Observation, memory: FarmMemory): Plan {
  const read = observation.table.kind === "read" ? inOrder(observation.table.read) : { rows: [], truncated: false };
  // Nobody is given a row here: the next pod of its name uses it as it finds it.
  const desired: Desired = { ...desiredServers(observation, []), holders: new Map() };
  const matches = matchRows(read.rows, desired.claimed);
  const lacking = judgePods(observation, desired, matches);
  const verdicts: readonly Verdict[] = [
    ...judgeOurRows(withoutUnseenEnds(observation, memory), memory, desired, read)
      .map(toldOfUnseenEnd(observation))
      .map(heldBack(observation, memory))
      .map((verdict) => ({ ...verdict, view: inConflict(verdict.view, lacking) })),
    ...(read.truncated ? [] : judgeUnknownRows(observation, memory, matches, read)),
  ];
  const ofRows = verdicts.flatMap(({ view }) => view ?? []);
  const shown = new Set(ofRows.flatMap(({ pod }) => pod?.uid ?? []));
  const views = [...ofRows, ...[...lacking].flatMap(([uid, view]) => (shown.has(uid) ? [] : [view]))];
  const needing = new Set(verdicts.flatMap(({ row, needsApproval }) => (needsApproval === true ? [row] : [])));
  const { synced } = observation.pods; // a cache that is not whole yet shows nothing that may be acted on
  return {
    desired,
    inserts: [],
    marks: [],
    removals: synced ? verdicts.flatMap(({ removal }) => removal ?? []) : [],
    unconfirmed: synced ? verdicts.flatMap(({ row, unconfirmed }) => (unconfirmed === true ? [row] : [])) : [],
    servers: [...views, ...judgeSharedRows(matches, read, views)],
    foreign: read.rows.filter(
      (row) => kinship(row, observation.identity).kind === "foreign" && matches.podsOf(row).length === 0 && !needing.has(row),
    ).length,
    blocked: verdicts.flatMap(({ row, view }) => (view?.state === "Blocked" ? [row] : [])),
    unexplained: [...needing],
    refused: [],
    lateQuota: 0,
    gone: verdicts.flatMap(({ gone }) => gone ?? []),
    ...soonest([awaitedRowsMs([...lacking.values()], observation, memory), ...verdicts.map(({ lookAgainMs }) => lookAgainMs)]),
  };
}

/**
 * How old the rows may be that are looked at: while pods wait for the application to register them, a tenth of the time that the one which was
 * seen last has waited. Undefined: nothing is awaited.
 */
export function awaitedRowsMs(
  servers: readonly ServerView[],
  { nowMs }: Observation,
  { boundSince }: FarmMemory,
): Milliseconds | undefined {
  const waited = servers.flatMap(({ reason, pod }) =>
    reason === awaiting && pod !== undefined ? [nowMs - (boundSince.get(pod.uid) ?? nowMs)] : [],
  );
  if (waited.length === 0) return undefined;
  // In steps, so that a pass which comes at that time finds the rows too old.
  return Math.min(longestPollMs, shortestPollMs * 2 ** Math.max(0, Math.floor(Math.log2(Math.min(...waited) / 10 / shortestPollMs))));
}

const inOrder = (read: TableRead): TableRead => ({ ...read, rows: read.rows.toSorted((a, b) => a.serverID - b.serverID) });

/** Those of the living pods that have no row of their own, or not for themselves alone, and why. */
function judgePods(observation: Observation, desired: Desired, matches: RowMatches): ReadonlyMap<PodUid, ServerView> {
  const lacking = desired.claimed.filter(wantsRow).flatMap((claim) => lackOf(claim, observation, matches) ?? []);
  return new Map(lacking.map((view) => [view.pod.uid, view]));
}

type PodView = ServerView & { readonly pod: Pod };

function lackOf(claim: ClaimedPod, { table }: Observation, { podsOf, rowsOf }: RowMatches): PodView | undefined {
  const { pod, member } = claim;
  const view = (state: ServerState, reason: string, message: string, row?: ServerRow): PodView => ({
    ...{ name: row?.name ?? pod.name, pod, member: member.name, state, reason, message },
    ...(row !== undefined && { row }),
  });
  const pattern = renderNamePattern(member.serverName, pod);
  if (!pattern.ok) return view("Conflict", "InvalidName", pattern.message);
  if (table.kind !== "read") {
    const message = table.kind === "unavailable" ? table.problem.message : "The database has not been read yet.";
    return view("Pending", "DatabaseUnavailable", message);
  }
  const [row, ...others] = rowsOf.get(pod.uid) ?? [];
  if (row === undefined) {
    const names = `${pattern.value.isPrefix ? "begins with" : "is"} "${pattern.value.text}"`;
    return view(
      "Pending",
      awaiting,
      `The application has not registered itself: there is no row whose name ${names}. If it had one that is gone, restart the pod: an instance that runs does not make its row anew.`,
    );
  }
  if (others.length > 0) {
    const ids = [row, ...others].map(({ serverID, name }) => `${serverID} ("${name}")`);
    const message = `Rows ${ids.slice(0, 10).join(", ")} match the pod's server name, which can be one row's only. ${cureOf(member.serverName)}`;
    return view("Conflict", "SeveralRows", message, row);
  }
  const rivals = podsOf(row).filter((other) => other.pod.uid !== pod.uid);
  if (rivals.length === 0) return undefined; // that one of them has the row is the row's to say
  const message = `Row ${row.serverID} matches the server name of pod ${rivals[0]?.pod.name ?? ""} too. ${isLoose(member.serverName) ? cureOf(member.serverName) : oneProcessOneName}`;
  return view("Conflict", "NameOfAnotherPod", message, row);
}

const oneProcessOneName =
  "Two processes must not run under one name, or one of them serves stale pages: let CMSWebFarmServerName be the pod's name, and serverName begin with it.";

/** One pod's name may be the beginning of another's (shop-1 and shop-10), unless there is a `_` behind it: no pod's name has one. */
const isLoose = (serverName: string): boolean => /[^_]\*$/.test(serverName);

/** A member's serverName cannot be changed. */
const cureOf = (serverName: string): string =>
  isLoose(serverName)
    ? `If ${serverName} matches rows of several pods (of shop-1 and of shop-10), put a member with serverName ${serverName.slice(0, -1)}_* in its place, where the product appends _ and more to the name; or let CMSWebFarmServerName be the pod's name (to version 13), and serverName $(POD_NAME). Else delete the rows that no process uses.`
    : "Delete those that no process uses, or put a member with a serverName that says more in its place.";

/** Rows that are named as living pods are, and that nothing else shows: whose they are cannot be told, so each is shown as it is. */
function judgeSharedRows({ podsOf }: RowMatches, { rows }: TableRead, shown: readonly ServerView[]): readonly ServerView[] {
  const listed = new Set(shown.flatMap(({ row }) => row?.serverID ?? []));
  return rows.flatMap((row): readonly ServerView[] => {
    const claims = podsOf(row);
    const [first] = claims;
    if (first === undefined || listed.has(row.serverID)) return [];
    const pods = claims.slice(0, 10).map(({ pod }) => pod.name);
    const whose = claims.length > 1 ? `any of the pods ${pods.join(", ")}` : `pod ${first.pod.name}, which other rows match too`;
    const message = `By its name this may be the row of ${whose}: whose it is nobody can tell, so it stays. ${cureOf(first.member.serverName)}`;
    return [{ name: row.name, row, state: "Conflict", reason: claims.length > 1 ? "NameOfAnotherPod" : "SeveralRows", message }];
  });
}

/** A pod that several rows match is in conflict, also where one of them was remembered as its own. */
function inConflict(view: ServerView, pods: ReadonlyMap<PodUid, ServerView>): ServerView {
  const lack = view.pod === undefined ? undefined : pods.get(view.pod.uid);
  if (lack?.reason !== "SeveralRows") return view;
  const { state, reason, message } = lack;
  return { ...view, state, reason, message };
}

/** A row that waits although its pod was seen to end says why. */
const toldOfUnseenEnd =
  (observation: Observation) =>
  (verdict: RowVerdict): RowVerdict => {
    const { row, view } = verdict;
    const mark = readMark(row.guid);
    const waits = view.reason === "ProcessMayLive" && mark !== undefined && whereabouts(mark.pod, observation).kind === "ended";
    if (!waits) return verdict;
    const message =
      "The pod has ended, but this operator did not see who used its row last: the next pod of its name may have, and its process may live. The row goes when that time is over.";
    return { ...verdict, view: { ...view, message } };
  };

/**
 * Nothing is removed before it is written down whose row it is. And a row whose pings went on when its pod had ended is in use by somebody
 * whom nobody here sees: a removal that repeated the newest ping came to nothing.
 */
function heldBack(observation: Observation, memory: FarmMemory): (verdict: RowVerdict) => RowVerdict {
  const isKnown = isWrittenDown(observation);
  return (verdict) => {
    const { row, removal } = verdict;
    if (removal === undefined || removal.evidence === "approved") return verdict;
    const { removal: _removal, ...rest } = verdict;
    if (!isKnown(row)) {
      const message = "The row is about to be removed, as soon as it is written down whose it is.";
      return { ...rest, view: { ...verdict.view, reason: "NotInInventory", message } };
    }
    const leftMs = removal.evidence === "ended" ? silenceLeftMs(row, observation, memory.silentSince) : 0;
    if (leftMs <= 0) return verdict;
    const message =
      "The pod has ended, but pings of this server still arrive: another process uses the row. It goes when they have stopped for removal.nodeLostSeconds.";
    return { ...rest, lookAgainMs: leftMs, view: { ...verdict.view, reason: "StillPings", message } };
  };
}

/** How long the server must not ping yet; 0: nobody waits for that. */
function silenceLeftMs(row: ServerRow, observation: Observation, since: FarmMemory["silentSince"]): Milliseconds {
  const watch = since.get(rowKey(row));
  return watch === undefined ? 0 : watch.sinceMs + nodeLostMs(observation) - observation.nowMs;
}

/**
 * Rows that no living pod matches and nobody remembers. Those that are named as the pods of a workload may be what a crash left that this
 * operator did not see: a person is asked, once nothing was heard of them for nodeLostSeconds. All others are somebody else's.
 */
function judgeUnknownRows(observation: Observation, memory: FarmMemory, matches: RowMatches, { rows }: TableRead): readonly Verdict[] {
  const isCandidate = mayBeLeftBehind(observation);
  const isWanted = (row: ServerRow): boolean => {
    const set = setThatWants(row.name, undefined, observation);
    return set !== undefined && !(isUnread(set) && isPublished(observation.farm, row));
  };
  return rows
    .filter((row) => isCandidate(row) && matches.podsOf(row).length === 0 && !isWanted(row))
    .map((row) => judgeUnknown(row, observation, memory));
}

/** Rows of which only the name says that they may be this farm's; no WebFarm wrote them. */
export function mayBeLeftBehind(observation: Observation): (row: ServerRow) => boolean {
  const isNamedAsPod = isNameOfWorkload(observation);
  return (row) =>
    observation.farm.spec.registration === "Application" &&
    kinship(row, observation.identity).kind === "foreign" &&
    readMark(stored(row).guid) === undefined &&
    isNamedAsPod(row.name);
}

function judgeUnknown(row: ServerRow, observation: Observation, memory: FarmMemory): Verdict {
  const approval = approvalOf(row, observation.approval);
  const watch = memory.missingSince.get(rowKey(row));
  const leftMs = Math.max(silenceLeftMs(row, observation, memory.missingSince), silenceLeftMs(row, observation, memory.silentSince));
  const view = (state: ServerState, reason: string, message: string): ServerView => ({ name: row.name, row, state, reason, message });
  if (leftMs > 0) return { row, lookAgainMs: leftMs };
  if (approval !== undefined) {
    const message = `A person approved the removal (digest ${approval.digest}); the row is about to be removed.`;
    return { row, needsApproval: true, removal: { row, evidence: "approved", approval }, view: view("Stale", "Approved", message) };
  }
  if (watch === undefined) return { row, unconfirmed: true };
  const message =
    "The row is named as a pod of this farm's workload, but its pod was never seen. It may be what a crash left, or another cluster's. It goes only by a person's approval.";
  return { row, needsApproval: true, view: view("Blocked", "NeverSeenAlive", message) };
}

function soonest(waits: readonly (Milliseconds | undefined)[]): { readonly lookAgainMs?: Milliseconds } {
  const known = waits.filter((ms) => ms !== undefined && ms !== Infinity).map(Number);
  return known.length === 0 ? {} : { lookAgainMs: Math.max(0, Math.min(...known)) };
}
