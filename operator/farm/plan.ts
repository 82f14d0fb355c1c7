// From an observation to what is to be done about each row and each pod. Pure: it asks for removals, but only a live read made after it
// (rows.ts has the evidence, reconcile.ts does the reading) turns one into a statement.
//
//   row                      pod of the row          a pod wants the name   then
//   ours                     alive                   -                      keep (Registered, or Disabled by a person)
//   ours                     terminating             -                      keep (Draining)
//   ours                     ended or missing        yes                    give it that pod's mark
//   ours                     ended                   no                     remove
//   ours                     missing                 no                     wait, then remove
//   ours, another cluster's  any                     yes                    Conflict; that pod's mark once its pings have stopped
//   ours, another cluster's  any                     no                     Blocked
//   a former owner's         not another pod's       yes                    give it that pod's mark
//   a former owner's         ended or missing        no                     Blocked
//   foreign                  -                       yes                    Conflict
//   foreign                  -                       no                     count
//
//   foreign, adopted         -                       yes                    give it that pod's mark (spec.adoption)
//   none                     -                       yes                    insert
//
// What is Blocked, and what is another cluster's and in Conflict, may be approved by a person; then it goes, or gets that pod's mark.
// Of several rows of ours with one name the first stays and the others go. Where the table has ServerURL it travels with each insert and each
// mark, and is set right in the rows of living pods. Inserts end where spec.maxServers does.

import { adoption } from "./adoption.ts";
import type { Adoption } from "./adoption.ts";
import { planApplication } from "./application.ts";
import type { ApprovalRef } from "./approval.ts";
import { desiredServers, wantsRow } from "./desired.ts";
import type { ClaimedPod, Desired } from "./desired.ts";
import { foreignRows } from "./duplicates.ts";
import type { ForeignRows } from "./duplicates.ts";
import { rowNames } from "./equalNames.ts";
import { paceLate, restartsForRow } from "./lateRegistration.ts";
import { admit } from "./limit.ts";
import { kinship, markFor } from "./mark.ts";
import type { RowKinship } from "./mark.ts";
import type { FarmMemory, Refusal, RowKey } from "./memory.ts";
import type { Milliseconds, Pod, PodUid, ServerName, ServerRow, TableRead } from "./model.ts";
import { isComplete } from "./observation.ts";
import type { Observation } from "./observation.ts";
import { judgeOurRows } from "./rows.ts";
import type { RowVerdict } from "./rowVerdict.ts";
import { comparable } from "./serverName.ts";
import { serverUrl, urlObstacle, urlPart } from "./serverUrl.ts";
import { isUnknown } from "./unread.ts";
import { claimView, podView } from "./views.ts";

export type ServerState =
  "Blocked" | "Conflict" | "LimitReached" | "Stale" | "Draining" | "Unsynchronised" | "Disabled" | "Pending" | "Registered";

/** One line of status.servers: a row, a pod, or both. */
export interface ServerView {
  readonly name: string;
  readonly state: ServerState;
  readonly reason: string;
  readonly message: string;
  readonly row?: ServerRow;
  readonly pod?: Pod;
  readonly member?: string;
}

export interface Insert {
  readonly name: ServerName;
  readonly guid: string;
  readonly claim: ClaimedPod;
  readonly late: boolean;
  /** Where the table has ServerURL. */
  readonly url?: string;
}

/**
 * Give a row another pod's mark: the next pod of its name (`handOver`), a pod of this cluster (`takeOver`), or a pod whose name a foreign row
 * has (`adopt`). `url`: the mark stays as it is, only the URL is set.
 */
export interface Remark {
  readonly kind: "handOver" | "takeOver" | "adopt" | "url";
  readonly row: ServerRow;
  readonly newGuid: string;
  readonly claim: ClaimedPod;
  /** Where the table has ServerURL. */
  readonly url?: string;
  /** It is done because a person approved it. */
  readonly approval?: ApprovalRef;
}

/**
 * What a removal rests on until the live read: its pod was seen to end, it was missing long enough, the user wants no rows left, a
 * person approved it, or another row of ours has the same name and stays.
 */
export type Evidence = "ended" | "missing" | "removeAll" | "approved" | "surplus";

export interface Removal {
  readonly row: ServerRow;
  readonly evidence: Evidence;
  /** Where known: the pod that the row was made for. */
  readonly pod?: Pod;
  /** With the evidence `approved`. */
  readonly approval?: ApprovalRef;
  /** With the evidence `surplus`: the row of the name that stays. */
  readonly kept?: ServerRow;
}

export interface Plan {
  readonly desired: Desired;
  readonly inserts: readonly Insert[];
  readonly marks: readonly Remark[];
  readonly removals: readonly Removal[];
  /** Rows whose pod is missing and whose wait begins with a live read. */
  readonly unconfirmed: readonly ServerRow[];
  readonly servers: readonly ServerView[];
  readonly foreign: number;
  /** Rows that go only by a person's approval and have none yet. */
  readonly blocked: readonly ServerRow[];
  /** Those, and the ones that are approved and still there, or that another cluster's server keeps from a pod: what is published. */
  readonly unexplained: readonly ServerRow[];
  /** Inserts that the server refused before and that are not tried again yet. */
  readonly refused: readonly { readonly name: string; readonly refusal: Refusal }[];
  /** First time at which something in this plan changes by itself, from now. */
  readonly lookAgainMs?: Milliseconds;
  readonly lateQuota: number;
  /** Rows, by the moment from which their pod is not to be seen alive any more. */
  readonly gone: readonly RowKey[];
}

const noRows: TableRead = { rows: [], truncated: false };

export function planFarm(observation: Observation, memory: FarmMemory): Plan {
  if (observation.farm.spec.registration === "Application") return planApplication(observation, memory);
  const read = observation.table.kind === "read" ? inOrder(observation.table.read) : noRows;
  const facts = observation.table.kind === "read" ? observation.table.facts : undefined;
  const names = { nameOf: rowNames(memory.equalNames), foreign: foreignRows(read.rows, observation.identity, facts) };
  const desired = desiredServers(observation, read.rows, names.nameOf);
  const verdicts = judgeOurRows(observation, memory, desired, read, names);
  const pods = planPods({ observation, memory, desired, read, verdicts, ...names, marked: markedRows(observation, read, names.nameOf) });
  const { synced } = observation.pods; // a cache that is not whole yet shows nothing that may be acted on
  return {
    desired,
    inserts: synced ? pods.inserts : [],
    marks: synced ? [...verdicts.flatMap((verdict) => verdict.mark ?? []), ...pods.marks] : [],
    removals: synced ? verdicts.flatMap((verdict) => verdict.removal ?? []) : [],
    unconfirmed: synced ? verdicts.flatMap((verdict) => (verdict.unconfirmed === true ? [verdict.row] : [])) : [],
    servers: [...verdicts.map((verdict) => verdict.view), ...pods.views],
    foreign: read.rows.filter((row) => kinship(row, observation.identity).kind === "foreign").length,
    blocked: verdicts.flatMap((verdict) => (verdict.view.state === "Blocked" ? [verdict.row] : [])),
    unexplained: verdicts.flatMap((verdict) => (verdict.needsApproval === true ? [verdict.row] : [])),
    refused: pods.refused,
    lateQuota: pods.lateQuota,
    gone: verdicts.flatMap((verdict) => verdict.gone ?? []),
    ...soonest([pods.lookAgainMs, ...verdicts.map((verdict) => verdict.lookAgainMs)]),
  };
}

/** A database gives rows in no order; two plans of the same rows are the same. */
const inOrder = (read: TableRead): TableRead => ({ ...read, rows: read.rows.toSorted((a, b) => a.serverID - b.serverID) });

/** Of each name under which rows with a mark of this farm's owners are found, the first. */
const markedRows = ({ identity }: Observation, { rows }: TableRead, nameOf: (row: ServerRow) => string): ReadonlyMap<string, ServerRow> =>
  new Map(
    rows
      .filter((row) => kinship(row, identity).kind !== "foreign")
      .toReversed()
      .map((row) => [nameOf(row), row]),
  );

interface PodsPlan {
  readonly inserts: readonly Insert[];
  /** Adoptions. */
  readonly marks: readonly Remark[];
  readonly views: readonly ServerView[];
  readonly refused: Plan["refused"];
  readonly lateQuota: number;
  readonly lookAgainMs?: Milliseconds;
}

interface Context {
  readonly observation: Observation;
  readonly memory: FarmMemory;
  readonly desired: Desired;
  readonly read: TableRead;
  readonly verdicts: readonly RowVerdict[];
  readonly foreign: ForeignRows;
  readonly marked: ReadonlyMap<string, ServerRow>;
}

/** Pods that have no row of their own: insert, adopt, or say why not. */
function planPods(context: Context): PodsPlan {
  const { observation, memory, desired, read, verdicts } = context;
  const views: ServerView[] = desired.taken.map(({ pod, by }) =>
    podView(pod, "Conflict", "OtherWebFarm", `WebFarm ${by} selects this pod too and is older. Change the selector of one of them.`),
  );
  views.push(
    ...desired.undecided.map(({ pod, by }) =>
      podView(
        pod,
        "Pending",
        "WorkloadUnresolved",
        `The pod is of a workload that the older WebFarm ${by} names and that cannot be read; see condition WorkloadsResolved there.`,
      ),
    ),
  );
  const spokenFor = new Set<PodUid>(verdicts.flatMap((verdict) => verdict.view.pod?.uid ?? []));
  const candidates: Candidate[] = [];
  const refused: Plan["refused"][number][] = [];
  const marks: Remark[] = [];
  for (const claim of desired.claimed) {
    if (!wantsRow(claim) || spokenFor.has(claim.pod.uid)) continue;
    const adopted = claim.name.ok ? adoptionOf(context, claim, claim.name.value) : undefined;
    if (adopted?.mark !== undefined) marks.push(adopted.mark);
    const obstacle = adopted?.view ?? obstacleTo(context, claim);
    const refusal = claim.name.ok ? memory.refusals.get(comparable(claim.name.value)) : undefined;
    if (claim.name.ok && refusal !== undefined && obstacle?.reason === refusal.reason) refused.push({ name: claim.name.value, refusal });
    if (!claim.name.ok || obstacle !== undefined)
      views.push(obstacle ?? podView(claim.pod, "Conflict", "InvalidName", claim.name.ok ? "" : claim.name.message));
    else candidates.push({ claim, pod: claim.pod, name: claim.name.value });
  }
  const { admitted, waiting } = admit(candidates, observation, read.rows);
  const isLate = ({ pod }: Candidate): boolean => pod.ready && restartsForRow(observation.table);
  const pace = paceLate(admitted.filter(isLate), memory.late, observation.nowMs);
  const lateNow = new Set(pace.now);
  const now = admitted.filter((candidate) => !isLate(candidate) || lateNow.has(candidate));
  views.push(...waiting.map(({ claim, name }) => claimView(claim, name, "LimitReached", "LimitReached", limitMessage(observation))));
  views.push(...now.map(({ claim, name }) => claimView(claim, name, "Pending", "AwaitingRow", "The row is about to be written.")));
  views.push(...pace.later.map(({ claim, name }) => claimView(claim, name, "Pending", "LateRegistration", lateMessage)));
  return {
    inserts: now.map((candidate) => ({
      name: candidate.name,
      claim: candidate.claim,
      guid: markFor(observation.identity, candidate.name, candidate.pod.uid),
      late: isLate(candidate),
      ...urlPart(serverUrl(candidate.claim, observation)),
    })),
    marks,
    views,
    refused,
    lateQuota: pace.quota,
    ...soonest([pace.lookAgainMs, ...refused.map(({ refusal }) => refusal.retryMs - observation.nowMs)]),
  };
}

function soonest(waits: readonly (Milliseconds | undefined)[]): { readonly lookAgainMs?: Milliseconds } {
  const known = waits.filter((ms) => ms !== undefined);
  return known.length === 0 ? {} : { lookAgainMs: Math.max(0, Math.min(...known)) };
}

interface Candidate {
  readonly claim: ClaimedPod;
  readonly pod: Pod;
  readonly name: ServerName;
}

const lateMessage =
  "The pod served before it had a row, and restarts when it finds one: rows are written for a quarter of such pods at a time, so that the site stays up.";

const limitMessage = ({ farm }: Observation): string =>
  `All ${farm.spec.maxServers ?? 0} servers of spec.maxServers are taken; see condition LimitReached.`;

/** Whether a foreign row has the pod's name, and what comes of it; undefined: there is none, or the name is another pod's. */
function adoptionOf(
  { observation, memory, desired, read, foreign, marked }: Context,
  claim: ClaimedPod,
  name: ServerName,
): Adoption | undefined {
  const key = comparable(name);
  if (desired.holders.get(key)?.pod.uid !== claim.pod.uid || marked.has(key)) return undefined;
  const equal = memory.equalNames.get(key);
  const twin = read.rows.find(({ serverID, name: rowName }) => serverID === equal?.serverID && rowName === equal.name);
  const rows = [...foreign.named(name), ...(twin === undefined ? [] : [twin])];
  // A row that only looks alike is no reason to take it; beside one that has the name it is a reason to take none.
  return rows.length === 0 ? undefined : adoption([...new Set([...rows, ...foreign.alike(name)])], claim, name, observation);
}

/** What makes two pods' names one, and the cure. A member's serverName cannot be changed. */
function whyOneName({ member, pod }: ClaimedPod, holder: ClaimedPod): string {
  if (member.name !== holder.member.name)
    return `Two members must not yield one name: put one with another serverName in the place of ${member.name} or ${holder.member.name}.`;
  const isCut = pod.os === "windows" && member.serverName.includes("$(MACHINE_NAME)");
  const cause = isCut ? `, as Windows cuts a machine's name to 15 characters,` : "";
  return `Both are pods of member ${member.name}, whose serverName ${member.serverName}${cause} gives them one name: put a member with $(POD_NAME) in its place, and let CMSWebFarmServerName be the pod's name.`;
}

function obstacleTo({ observation, memory, desired, marked }: Context, claim: ClaimedPod): ServerView | undefined {
  if (!claim.name.ok) return undefined;
  const name = claim.name.value;
  if (isUnknown(claim.member)) return unresolved(claim, name);
  const holder = desired.holders.get(comparable(name));
  if (holder !== undefined && holder.pod.uid !== claim.pod.uid) {
    return claimView(
      claim,
      name,
      "Conflict",
      "NameOfAnotherPod",
      `Pod ${holder.pod.name} has this server name until it has ended. ${whyOneName(claim, holder)}`,
    );
  }
  if (observation.table.kind !== "read") {
    const message = observation.table.kind === "unavailable" ? observation.table.problem.message : "The database has not been read yet.";
    return claimView(claim, name, "Pending", "DatabaseUnavailable", message);
  }
  const row = marked.get(comparable(name));
  if (row !== undefined && hasPodsOfOurs.has(kinship(row, observation.identity).kind)) {
    const message = `Row ${row.serverID} of this name belongs to another pod that has not ended.`;
    return { ...claimView(claim, name, "Conflict", "NameOfAnotherPod", message), row };
  }
  if (row !== undefined) {
    const message = `Row ${row.serverID} has this name and is not ours. Delete it in the administration, or give the member another serverName.`;
    return { ...claimView(claim, name, "Conflict", "ForeignRow", message), row };
  }
  const url = urlObstacle(claim, name, serverUrl(claim, observation));
  if (url !== undefined) return url;
  const refusal = memory.refusals.get(comparable(name));
  if (refusal !== undefined) return claimView(claim, name, "Pending", refusal.reason, refusal.message);
  return isComplete(claim.member) ? undefined : unresolved(claim, name);
}

const unresolved = (claim: ClaimedPod, name: ServerName): ServerView =>
  claimView(claim, name, "Pending", "WorkloadUnresolved", `${claim.member.workloadName} cannot be read; see condition WorkloadsResolved.`);

const hasPodsOfOurs: ReadonlySet<RowKinship["kind"]> = new Set(["ours", "formerOwner"] as const);
