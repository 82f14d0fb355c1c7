// Does what a plan permits: first what keeps serving (insert, hand over), then what removes, each removal only with evidence from a live
// read made now. What the database reads back is the truth; a failure ends the pass's writes and nothing is taken for done.

import type { Clock } from "../controller/clock.ts";
import type { Logger } from "../controller/logger.ts";
import type { Outcome } from "../farm/conditions.ts";
import { approvalInForce } from "../farm/approval.ts";
import type { ApprovalRef } from "../farm/approval.ts";
import { confirmGone, isPodMissing, mayTakeRow, namesArePodNames, needsProof } from "../farm/confirm.ts";
import type { ConfirmedGone, LiveRead } from "../farm/confirm.ts";
import { isSurplus, sureName } from "../farm/duplicates.ts";
import { stored } from "../farm/inventory.ts";
import { registeredLate } from "../farm/lateRegistration.ts";
import { enabledRows, mostServers } from "../farm/limit.ts";
import { returnsOf, rowKey } from "../farm/memory.ts";
import { readMark } from "../farm/mark.ts";
import type { PingWatch, Refusal, RowKey } from "../farm/memory.ts";
import type { DatabaseProblem, Pod, PodView, ServerName, ServerRow } from "../farm/model.ts";
import type { Observation } from "../farm/observation.ts";
import type { Insert, Plan, Remark } from "../farm/plan.ts";
import type { Actions } from "../farm/policy.ts";
import { pingsArrive } from "../farm/quietBirth.ts";
import { whereabouts } from "../farm/rows.ts";
import { comparable } from "../farm/serverName.ts";
import { noteInserted } from "../farm/unsynchronised.ts";
import { readBack } from "./observe.ts";
import { isDatabaseFailure } from "./ports.ts";
import type { Cluster, FarmDatabase, PassMetrics, Registering, WriteResult } from "./ports.ts";
import type { FarmState } from "./state.ts";
import { unanswered } from "./unanswered.ts";
import { watchOf } from "./waits.ts";

export interface ApplyOptions {
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: PassMetrics;
  readonly identity: string;
}

export interface Applied {
  readonly outcome: Outcome;
  readonly registered: readonly Insert[];
  readonly marked: readonly Remark[];
  readonly removed: readonly ConfirmedGone[];
  /** Bindings of rows that are to be removed are left: come back soon, at low priority. */
  readonly bindingsRemain: boolean;
}

/** More single reads than this are one consistent LIST. */
const mostSingleReads = 20;
const removeRequests = 2;
const refusalRetryMs = 30_000;

interface Pass extends ApplyOptions {
  readonly observation: Observation;
  readonly plan: Plan;
  readonly database: FarmDatabase;
  readonly state: FarmState;
  readonly signal: AbortSignal;
}

export async function apply(pass: Pass, wanted: Actions): Promise<Applied> {
  const { actions: open, refused } = withoutRefused(wanted, pass.state);
  const done = { registered: [] as Insert[], marked: [] as Remark[], removed: [] as ConfirmedGone[], refused: [...refused] };
  let bindingsRemain = false;
  let problem: DatabaseProblem | undefined;
  try {
    done.registered.push(...(await register(pass, open.inserts, done.refused)));
    const { actions, problem: unapproved } = await stillApproved(pass, open);
    const needed = liveNeeds(pass, actions);
    const { live, problem: unread } = await readLive(pass, needed);
    problem = unread ?? unapproved;
    noteWaits(pass, live);
    done.marked.push(
      ...(await mark(
        pass,
        actions.marks
          .filter(isRowFree(pass))
          .filter((remark) => !isNewMark(remark) || isTrue(live(remark.claim.pod.name), (read) => mayTakeRow(remark, read))),
        done.refused,
      )),
    );
    const atMs = pass.clock.now();
    const confirmed = actions.removals
      .filter(isStillSo(pass))
      .flatMap((removal) => confirmGone(removal, live(comparable(removal.row.name)), pass.observation.members, atMs) ?? []);
    const removal = await remove(pass, confirmed, done.refused);
    done.removed.push(...removal.removed);
    bindingsRemain = removal.bindingsRemain;
  } catch (error) {
    pass.signal.throwIfAborted();
    if (!isDatabaseFailure(error)) throw error;
    pass.state.table = { ...pass.state.table, dirty: true };
    problem = error.problem;
  }
  if (done.registered.length + done.marked.length + done.removed.length > 0) {
    pass.state.lastChangeWallMs = pass.clock.now();
  }
  return { ...done, bindingsRemain, outcome: { refused: done.refused, ...(problem !== undefined && { problem }) } };
}

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

/** A mark that the row has already says nothing new of the pod. */
const isNewMark = ({ kind }: Remark): boolean => kind !== "url";

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

/** Asked again right before each statement: what was read before may have taken its time. */
const isInTime = ({ clock }: Pass, { approval }: { readonly approval?: ApprovalRef }): boolean =>
  approval === undefined || clock.now() < approval.untilMs;

const problemFrom = ({ reason, message, stalled = false }: Refusal): DatabaseProblem => ({ kind: "refused", reason, message, stalled });

const isTrue = <T>(value: T | undefined, test: (value: T) => boolean): boolean => value !== undefined && test(value);

async function register(pass: Pass, inserts: readonly Insert[], refused: Outcome["refused"][number][]): Promise<readonly Insert[]> {
  if (inserts.length === 0) return [];
  const { state, clock } = pass;
  const servers = inserts.map(({ name, guid, url }) => ({ name, guid, ...(url !== undefined && { url }) }));
  const before = state.table.read?.rows ?? [];
  const result = await written(pass, () => pass.database.register(servers, pass.signal, registering(pass)), refused);
  const present = new Set(result.read.rows.flatMap(({ guid }) => guid?.toLowerCase() ?? []));
  const registered = inserts.filter(({ guid }) => present.has(guid));
  noteLivesAlone(pass, before, result);
  for (const name of unexplained(pass, inserts, result)) await explainConflict(pass, name);
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

/** A name that was neither written nor found is another row's in the database's eyes. */
async function explainConflict(pass: Pass, name: string): Promise<void> {
  const row = await pass.database.conflict(name, pass.signal);
  if (row === undefined) return; // gone again: the next pass inserts it
  const { memory } = pass.state;
  const equalNames = new Map([...memory.equalNames, [comparable(name), { serverID: row.serverID, name: row.name }]]);
  pass.state.memory = { ...memory, equalNames };
}

function refuse({ state, clock }: Pass, name: string, why: Omit<Refusal, "retryMs">): void {
  state.memory = {
    ...state.memory,
    refusals: new Map([...state.memory.refusals, [comparable(name), { ...why, retryMs: clock.monotonic() + refusalRetryMs }]]),
  };
}

async function mark(pass: Pass, wanted: readonly Remark[], refused: Outcome["refused"][number][]): Promise<readonly Remark[]> {
  const marks = wanted.filter((one) => isInTime(pass, one));
  if (marks.length === 0) return [];
  const rows = marks.map(({ row, newGuid, url }) => ({
    ...{ serverID: row.serverID, name: row.name, guid: row.guid, newGuid },
    ...(url !== undefined && { url }),
  }));
  const { read } = await written(pass, () => pass.database.mark(rows, pass.signal), refused);
  const now = new Map(read.rows.map((row) => [row.serverID, row]));
  const marked = marks.filter(({ row, newGuid, url }) => {
    const found = now.get(row.serverID);
    return found?.guid?.toLowerCase() === newGuid.toLowerCase() && (url === undefined || found.url === url);
  });
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

const markMessages: Readonly<Record<Remark["kind"], string>> = {
  handOver: "Gave the row to the next pod of its name",
  takeOver: "Gave a row of another cluster or owner to the pod of its name",
  adopt: "Gave a foreign row to the pod of its name",
  url: "Set the URL of the pod's server",
};

async function remove(
  pass: Pass,
  confirmed: readonly ConfirmedGone[],
  refused: Outcome["refused"][number][],
): Promise<{ readonly removed: readonly ConfirmedGone[]; readonly bindingsRemain: boolean }> {
  const { state } = pass;
  let open = confirmed.filter((one) => isInTime(pass, one));
  const removed: ConfirmedGone[] = [];
  let bindings = 0;
  for (const gone of open) pass.log.info("Removing the server of a pod that is gone", aboutRemoval(pass, gone));
  for (let request = 0; request < removeRequests && open.length > 0; request += 1) {
    const rows = open.map(({ row }) => ({ serverID: row.serverID, name: row.name, guid: stored(row).guid, ...newestPingOf(pass, row) }));
    noteAsked(pass, open);
    const result = await written(pass, () => pass.database.remove(rows, pass.signal), refused);
    bindings += result.bindings;
    const left = new Map(result.read.rows.map((row) => [row.serverID, rowKey(row)]));
    const gone = open.filter(({ row }) => !left.has(row.serverID));
    removed.push(...gone);
    open = open.filter(({ row }) => left.get(row.serverID) === rowKey(stored(row))); // a row that changed meanwhile is another pod's
    for (const one of gone) noteRemoved(pass, one, bindings);
    if (!result.bindingsRemain) break;
    open = open.filter((one) => isInTime(pass, one));
  }
  for (const { row } of open)
    pass.log.info("The server's row stays for now", {
      server: row.name,
      serverID: row.serverID,
      reason: "it has bindings left, or changed since it was read",
    });
  if (removed.length > 0) {
    state.sweeps = [
      ...state.sweeps,
      {
        rows: removed.map(({ row }) => ({ serverID: row.serverID, name: row.name })),
        left: state.table.facts?.foreignKeyDisabled === true ? 3 : 1,
      },
    ];
  }
  return { removed, bindingsRemain: open.length > 0 && bindings > 0 };
}

/** Before the answer, which may be lost. */
function noteAsked(pass: Pass, open: readonly ConfirmedGone[]): void {
  const { state, clock } = pass;
  const missing = open.filter(({ evidence }) => evidence === "missing").map(({ row }) => [row.serverID, clock.monotonic()] as const);
  state.memory = {
    ...state.memory,
    removedAsMissing: new Map([...state.memory.removedAsMissing, ...missing]),
    silentSince: new Map([...watched(pass, open), ...state.memory.silentSince]),
  };
}

/** From now on a new ping of what is asked to go says that somebody uses it: then it must be silent for long first. */
function watched({ observation, state }: Pass, open: readonly ConfirmedGone[]): readonly (readonly [RowKey, PingWatch])[] {
  if (observation.farm.spec.registration !== "Application" || state.table.read?.pings === undefined) return [];
  return open.map(({ row }) => [rowKey(row), watchOf(state, row, -Infinity)]);
}

/** Of a row that the application wrote: whoever uses it pings, and then it stays. */
function newestPingOf({ observation: { farm, table } }: Pass, { serverID }: ServerRow): { readonly newestPing?: string } {
  if (farm.spec.registration !== "Application" || table.kind !== "read") return {};
  const ping = table.read.pings?.get(serverID);
  return ping === undefined ? {} : { newestPing: ping };
}

function noteRemoved(pass: Pass, gone: ConfirmedGone, bindings: number): void {
  const since = pass.state.memory.goneSince.get(rowKey(gone.row)) ?? pass.observation.nowMs;
  pass.metrics.removed(gone.evidence, gone.evidence === "ended" ? (pass.clock.monotonic() - since) / 1000 : undefined);
  pass.log.info("Removed the server of a pod that is gone", { ...aboutRemoval(pass, gone), bindings });
}

const aboutRemoval = ({ identity }: Pass, { row, evidence, atMs, pod, approval }: ConfirmedGone): Readonly<Record<string, unknown>> => ({
  server: row.name,
  serverID: row.serverID,
  guid: stored(row).guid,
  podUID: pod?.uid ?? "never seen",
  evidence,
  evidenceAt: new Date(atMs).toISOString(),
  ...aboutApproval(approval),
  identity,
});

const aboutApproval = (approval: ApprovalRef | undefined): Pick<ApprovalRef, "digest" | "approver"> | undefined =>
  approval && { digest: approval.digest, ...(approval.approver !== undefined && { approver: approval.approver }) };

/** Runs a write, takes what it read back for the truth, and keeps the rows that the server refused out of the next passes for a while. */
async function written<T extends WriteResult>(pass: Pass, write: () => Promise<T>, refused: Outcome["refused"][number][]): Promise<T> {
  const { state, clock } = pass;
  state.lastWriteMs = clock.monotonic();
  state.table = { ...state.table, dirty: true }; // until it is known what became of it, also when this pass is cut off
  const result = await write();
  readBack(state, result.read);
  for (const one of result.refused) {
    refused.push(one);
    refuse(pass, one.name, one.problem);
  }
  return result;
}

interface LiveNeeds {
  /** Of the rows that may go or begin to wait, and of the pods that are to get a row. */
  readonly names: ReadonlySet<string>;
  /** `all`: only a list of the namespace answers. */
  readonly how: "named" | "all";
}

function liveNeeds(pass: Pass, { marks, removals }: Actions): LiveNeeds {
  const { members, pods } = pass.observation;
  const unproven = removals.filter(needsProof);
  const names = new Set([
    ...unproven.map(({ row }) => comparable(row.name)),
    ...pass.plan.unconfirmed.map(({ name }) => comparable(name)),
    ...marks.filter(isNewMark).map(({ claim }) => claim.pod.name),
  ]);
  // A row of a pod that was never seen, or of a member that is no more, may have another name than its pod.
  const isPodsName = (row: ServerRow, pod: Pod | undefined): boolean => pod?.name === comparable(row.name);
  const isNamed =
    names.size <= mostSingleReads &&
    namesArePodNames(members) &&
    unproven.every(({ row, pod }) => isPodsName(row, pod)) &&
    pass.plan.unconfirmed.every((row) => isPodsName(row, podOf(row, pods)));
  return { names, how: isNamed ? "named" : "all" };
}

function podOf(row: ServerRow, pods: PodView): Pod | undefined {
  const mark = readMark(row.guid);
  return mark === undefined ? undefined : pods.seen(mark.pod)?.pod;
}

type Live = (name: string) => LiveRead | undefined;

interface LiveReads {
  readonly live: Live;
  /** Why there is no answer: then nothing is handed over or removed. An error is never "not found". */
  readonly problem?: DatabaseProblem;
}

async function readLive(pass: Pass, { names, how }: LiveNeeds): Promise<LiveReads> {
  const { cluster, observation, signal } = pass;
  const { namespace } = observation.farm;
  if (names.size === 0) return { live: () => undefined };
  try {
    if (how === "all") {
      const listed: LiveRead = { kind: "listed", pods: await cluster.livePods({ namespace, signal }) };
      return { live: () => listed };
    }
    const read = async (name: string): Promise<[string, LiveRead]> => [
      name,
      { kind: "named", name, pod: await cluster.livePod({ namespace, name, signal }) },
    ];
    const reads = new Map(await Promise.all([...names].map(read)));
    return { live: (name) => reads.get(name) };
  } catch (error) {
    signal.throwIfAborted();
    const what = "The pods cannot be read from the API server, so no row is removed or handed over";
    return { live: () => undefined, problem: unanswered("LiveReadFailed", what, error) };
  }
}

/** The wait for a missing pod begins when a live read finds it gone, and is forgotten when one finds it. */
function noteWaits(pass: Pass, live: Live): void {
  const { state, plan, clock, observation } = pass;
  const missingSince = new Map(state.memory.missingSince);
  for (const row of plan.unconfirmed) {
    if (isTrue(live(comparable(row.name)), (read) => isPodMissing(row, read)))
      missingSince.set(rowKey(row), { ...watchOf(state, row, clock.monotonic()), returns: returnsOf(row.guid, observation.pods) });
  }
  for (const { row, evidence } of plan.removals) {
    const read = live(comparable(row.name));
    if (evidence === "missing" && read !== undefined && !isPodMissing(row, read)) missingSince.delete(rowKey(row));
  }
  state.memory = { ...state.memory, missingSince };
}
