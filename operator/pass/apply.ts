// Does what a plan permits: first what keeps serving (insert, hand over), then what removes, each removal only with evidence from a live
// read made now. What the database reads back is the truth; a failure ends the pass's writes and nothing is taken for done. Only a request
// that the server refused, for what it asks or for want of a grant, keeps nothing else from being done.

import type { Outcome } from "../farm/conditions.ts";
import { approvalInForce } from "../farm/approval.ts";
import { confirmGone, mayTakeRow } from "../farm/confirm.ts";
import type { ConfirmedGone } from "../farm/confirm.ts";
import { isSurplus, sureName } from "../farm/duplicates.ts";
import { registeredLate } from "../farm/lateRegistration.ts";
import { enabledRows, mostServers } from "../farm/limit.ts";
import { returnsOf, rowKey } from "../farm/memory.ts";
import { readMark } from "../farm/mark.ts";
import type { Refusal } from "../farm/memory.ts";
import type { DatabaseProblem, Milliseconds, ServerName, ServerRow } from "../farm/model.ts";
import type { Insert, Remark } from "../farm/plan.ts";
import type { Actions } from "../farm/policy.ts";
import { pingsArrive } from "../farm/quietBirth.ts";
import { comparable } from "../farm/serverName.ts";
import { noteInserted } from "../farm/unsynchronised.ts";
import { whereabouts } from "../farm/whereabouts.ts";
import { isNewMark, isTrue, liveNeeds, noteWaits, readLive } from "./liveReads.ts";
import { isDatabaseFailure } from "./ports.ts";
import type { Registering, WriteResult } from "./ports.ts";
import { drainsAfterMs, dueRemovals, forgetUnconfirmed, remove } from "./removal.ts";
import type { FarmState } from "./state.ts";
import { unanswered } from "./unanswered.ts";
import { noteUnwritten } from "./unwritten.ts";
import { aboutApproval, isInTime, written } from "./writing.ts";
import type { Pass, RefusedRows } from "./writing.ts";

export interface Applied {
  readonly outcome: Outcome;
  readonly registered: readonly Insert[];
  readonly marked: readonly Remark[];
  readonly removed: readonly ConfirmedGone[];
  /** When more bindings of rows that are to be removed may go: at low priority. Undefined: none is under way. */
  readonly drainsAfterMs?: Milliseconds;
}

export async function apply(pass: Pass, wanted: Actions): Promise<Applied> {
  const { actions: open, refused } = withoutRefused(wanted, pass.state);
  const done = { registered: [] as Insert[], marked: [] as Remark[], removed: [] as ConfirmedGone[], refused: [...refused] };
  const removals = dueRemovals(pass, open.removals);
  let problem: DatabaseProblem | undefined;
  let isCutShort = false;
  const unlessRefused = async <T>(write: () => Promise<readonly T[]>): Promise<readonly T[]> => {
    try {
      return await write();
    } catch (error) {
      if (!isDatabaseFailure(error) || !concernsOneRequest.has(error.problem.kind)) throw error;
      problem ??= error.problem;
      return [];
    }
  };
  try {
    done.registered.push(...(await unlessRefused(() => register(pass, open.inserts, done.refused))));
    const { actions, problem: unapproved } = await stillApproved(pass, { ...open, removals });
    const needed = liveNeeds(pass, actions);
    const { live, atMs, problem: unread } = await readLive(pass, needed);
    problem ??= unread ?? unapproved;
    noteWaits(pass, live);
    const marks = actions.marks
      .filter(isRowFree(pass))
      .filter((remark) => !isNewMark(remark) || isTrue(live(remark.claim.pod.name), (read) => mayTakeRow(remark, read)));
    done.marked.push(...(await unlessRefused(() => mark(pass, marks, done.refused))));
    const confirmed = actions.removals
      .filter(isStillSo(pass))
      .flatMap((removal) => confirmGone(removal, live(comparable(removal.row.name)), pass.observation.members, atMs) ?? []);
    if ((unread ?? unapproved) === undefined) forgetUnconfirmed(pass, removals, confirmed); // what was not answered says nothing
    await remove(pass, confirmed, done);
  } catch (error) {
    pass.signal.throwIfAborted();
    if (!isDatabaseFailure(error)) throw error;
    pass.state.table = { ...pass.state.table, dirty: true };
    isCutShort = true;
    problem ??= error.problem;
  }
  if (done.registered.length + done.marked.length + done.removed.length > 0) {
    pass.state.lastChangeWallMs = pass.clock.now();
  }
  const outcome = { refused: done.refused, ...(problem !== undefined && { problem }) };
  const drainsMs = !isCutShort ? drainsAfterMs(pass, open.removals) : undefined; // else it is tried again later each time
  return { ...done, outcome, ...(drainsMs !== undefined && { drainsAfterMs: drainsMs }) };
}

/** The connection is well, and what else is asked may be granted. */
const concernsOneRequest: ReadonlySet<DatabaseProblem["kind"]> = new Set(["refused", "permission"]);

/** The store may have gone back since the plan was made: then the end that was seen, or waited for, is an end no more. */
const isStillSo =
  ({ observation, state }: Pass) =>
  ({ row, evidence }: Actions["removals"][number]): boolean => {
    const mark = readMark(row.guid);
    switch (evidence) {
      case "ended":
        return mark !== undefined && whereabouts(mark.pod, observation).kind === "ended";
      case "missing": {
        const returns = state.memory.missingSince.get(rowKey(row))?.returns;
        return returns === undefined || returns === returnsOf(row.guid, observation.pods);
      }
      case "surplus":
        return isSurplus(row, state.table.read?.rows ?? [], observation.identity);
      case "removeAll":
      case "approved":
        return true;
    }
  };

/** The same of a row that is to be given away: the pod that it was made for is not there again. */
const isRowFree =
  ({ observation }: Pass) =>
  ({ row, claim }: Remark): boolean => {
    const mark = readMark(row.guid);
    if (mark === undefined || mark.pod === claim.hash) return true;
    const { kind } = whereabouts(mark.pod, observation);
    return kind === "ended" || kind === "missing";
  };

/** Rows that the server would not change or delete a moment ago are not tried again before their time. */
function withoutRefused(wanted: Actions, { memory }: FarmState): { readonly actions: Actions; readonly refused: Outcome["refused"] } {
  const refusalOf = ({ row }: { readonly row: ServerRow }): Refusal | undefined => memory.refusals.get(comparable(row.name));
  const isOpen = (one: { readonly row: ServerRow }): boolean => refusalOf(one) === undefined;
  const refused = [...wanted.marks, ...wanted.removals].flatMap((one) => {
    const refusal = refusalOf(one);
    return refusal === undefined ? [] : [{ name: one.row.name, problem: problemFrom(refusal) }];
  });
  return { actions: { ...wanted, marks: wanted.marks.filter(isOpen), removals: wanted.removals.filter(isOpen) }, refused };
}

/**
 * What a person approved is done only while the API server itself says that the approval holds: a cache may show one that is over, and
 * a digest never works twice.
 */
async function stillApproved(pass: Pass, actions: Actions): Promise<{ readonly actions: Actions; readonly problem?: DatabaseProblem }> {
  const { farm } = pass.observation;
  const digests = new Set([...actions.marks, ...actions.removals].flatMap(({ approval }) => approval?.digest ?? []));
  if (digests.size === 0) return { actions };
  const holding = (digest: string | undefined): Actions => {
    const holds = ({ approval }: { readonly approval?: { readonly digest: string } }): boolean =>
      approval === undefined || approval.digest === digest;
    return { ...actions, marks: actions.marks.filter(holds), removals: actions.removals.filter(holds) };
  };
  try {
    const live = await pass.cluster.liveFarm({ namespace: farm.namespace, name: farm.name, signal: pass.signal });
    return { actions: holding(live?.uid === farm.uid ? approvalInForce(live, pass.clock.now())?.digest : undefined) };
  } catch (error) {
    pass.signal.throwIfAborted();
    const what = "The WebFarm cannot be read from the API server, so nothing that was approved is done";
    return { actions: holding(undefined), problem: unanswered("LiveReadFailed", what, error) };
  }
}

const problemFrom = ({ reason, message, stalled = false }: Refusal): DatabaseProblem => ({ kind: "refused", reason, message, stalled });

async function register(pass: Pass, inserts: readonly Insert[], refused: RefusedRows): Promise<readonly Insert[]> {
  if (inserts.length === 0) return [];
  const { state, clock } = pass;
  const servers = inserts.map(({ name, guid, url }) => ({ name, guid, ...(url !== undefined && { url }) }));
  const before = state.table.read?.rows ?? [];
  const result = await written(pass, () => pass.database.register(servers, pass.signal, registering(pass)), refused);
  const present = new Set(result.read.rows.flatMap(({ guid }) => guid?.toLowerCase() ?? []));
  const registered = inserts.filter(({ guid }) => present.has(guid));
  noteLivesAlone(pass, before, result);
  const unwritten: string[] = [];
  for (const name of unexplained(pass, inserts, result)) if (!(await explainsConflict(pass, name))) unwritten.push(name);
  noteUnwritten(pass, { tried: inserts.map(({ name }) => name), unwritten }, refused);
  const late = registered.filter((insert) => insert.late).map(({ claim }) => claim.pod.uid);
  state.memory = { ...state.memory, late: registeredLate(state.memory.late, late, pass.plan.lateQuota, clock.monotonic()) };
  for (const { name, claim } of registered) {
    const since = state.memory.boundSince.get(claim.pod.uid);
    pass.metrics.registered(since === undefined ? undefined : (clock.monotonic() - since) / 1000);
    pass.log.info("Registered the pod's server", { server: name, pod: claim.pod.name, podUID: claim.pod.uid, member: claim.member.name });
  }
  return registered;
}

/** Names that were neither inserted, nor refused, nor found as they are. Where no place is left nothing can be said of them. */
function unexplained({ observation }: Pass, inserts: readonly Insert[], { read, refused }: WriteResult): readonly ServerName[] {
  if (enabledRows(read.rows) >= (mostServers(observation) ?? Infinity)) return [];
  const names = new Set([...read.rows.map(sureName), ...refused.map(({ name }) => name)]);
  return inserts.map(({ name }) => name).filter((name) => !names.has(name));
}

function registering({ observation, state, clock }: Pass): Registering {
  const most = mostServers(observation);
  return {
    ...(most !== undefined && { mostServers: most }),
    ...(pingsArrive(state.memory.pingAfterMs, clock.monotonic()) && { copiesPing: true }),
  };
}

/** Whoever ran alone until these rows were inserted does not see them. */
function noteLivesAlone({ state, plan }: Pass, before: readonly ServerRow[], { read }: WriteResult): void {
  const inserted = new Set(plan.inserts.map(({ guid }) => guid));
  const processes = noteInserted(state.memory.processes, { before, after: read.rows, inserted });
  state.memory = { ...state.memory, processes };
}

/** A name that was neither written nor found is another row's in the database's eyes, unless that has gone again or nothing was written. */
async function explainsConflict(pass: Pass, name: string): Promise<boolean> {
  const row = await pass.database.conflict(name, pass.signal);
  if (row === undefined) return false;
  const { memory } = pass.state;
  const equalNames = new Map([...memory.equalNames, [comparable(name), { serverID: row.serverID, name: row.name }]]);
  pass.state.memory = { ...memory, equalNames };
  return true;
}

async function mark(pass: Pass, wanted: readonly Remark[], refused: RefusedRows): Promise<readonly Remark[]> {
  const marks = wanted.filter((one) => isInTime(pass, one));
  if (marks.length === 0) return [];
  const rows = marks.map(({ row, newGuid, url }) => ({
    ...{ serverID: row.serverID, name: row.name, guid: row.guid, newGuid },
    ...(url !== undefined && { url }),
  }));
  const result = await written(pass, () => pass.database.mark(rows, pass.signal), refused);
  const now = new Map(result.read.rows.map((row) => [row.serverID, row]));
  const marked = marks.filter(({ row, newGuid, url }) => {
    const found = now.get(row.serverID);
    return found?.guid?.toLowerCase() === newGuid.toLowerCase() && (url === undefined || found.url === url);
  });
  const names = new Set(result.refused.map(({ name }) => name));
  const unwritten = marks.filter(
    (one) => !marked.includes(one) && !names.has(one.row.name) && isAsBefore(one.row, now.get(one.row.serverID)),
  );
  noteUnwritten(pass, { tried: marks.map(nameOfRow), unwritten: unwritten.map(nameOfRow) }, refused);
  for (const { kind, row, claim, url, approval } of marked) {
    if (kind !== "url") pass.metrics.registered(undefined);
    pass.log.info(markMessages[kind], {
      ...aboutApproval(approval),
      ...(url !== undefined && { url }),
      server: row.name,
      serverID: row.serverID,
      pod: claim.pod.name,
      podUID: claim.pod.uid,
      was: row.guid,
    });
  }
  return marked;
}

const nameOfRow = ({ row }: Remark): string => row.name;

const isAsBefore = (before: ServerRow, now: ServerRow | undefined): boolean =>
  now?.name === before.name && now.guid === before.guid && now.url === before.url;

const markMessages: Readonly<Record<Remark["kind"], string>> = {
  handOver: "Gave the row to the next pod of its name",
  takeOver: "Gave a row of another cluster or owner to the pod of its name",
  adopt: "Gave a foreign row to the pod of its name",
  url: "Set the URL of the pod's server",
};
