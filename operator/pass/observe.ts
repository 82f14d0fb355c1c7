// Gathers what one pass decides by: members, pods, and the rows, which are read only when what is known of them is too old. It writes
// nothing, and what could not be had is in the observation as such.

import type { Clock } from "../controller/clock.ts";
import { kinship } from "../farm/mark.ts";
import type { MarkIdentity } from "../farm/mark.ts";
import type { DatabaseProblem, FarmKey, Milliseconds, ServerRow, TableRead, WebFarm } from "../farm/model.ts";
import type { Observation, TableObservation } from "../farm/observation.ts";
import { mayBeLeftBehind } from "../farm/application.ts";
import { approvalInForce } from "../farm/approval.ts";
import { leavesRows } from "../farm/deletion.ts";
import { isOlder } from "../farm/desired.ts";
import { withInventory } from "../farm/inventory.ts";
import { emptyMemory } from "../farm/memory.ts";
import { authorityOf } from "../farm/policy.ts";
import { arrivedAfterMs } from "../farm/quietBirth.ts";
import { matches } from "../farm/selector.ts";
import { readCredentials } from "./credentials.ts";
import type { Freshness, Members } from "./members.ts";
import { isDatabaseFailure } from "./ports.ts";
import type { Cluster, Databases, FarmDatabase } from "./ports.ts";
import type { FarmState, TableCache } from "./state.ts";
import { unanswered } from "./unanswered.ts";

export interface ObserveOptions {
  readonly cluster: Cluster;
  readonly databases: Databases;
  readonly members: Members;
  readonly clock: Clock;
  readonly resyncMs: Milliseconds;
  readonly version: string;
  readonly readOnly: boolean;
}

export interface Observed {
  readonly observation: Observation;
  /** How new what the workloads want is. */
  readonly freshness: Freshness;
  /** Absent where the rows could not be, or need not be read. */
  readonly database?: FarmDatabase;
}

const reconcileAnnotation = "webfarm.dev/reconcile-at";
const idleAfterMs = 10 * 60_000;
/** Credentials that did not do are read again so often: a corrected Secret is soon tried. */
const failedRereadMs = 5_000;
const firstRetryMs = 500;
const lastRetryMs = 30_000;

export async function observe(options: ObserveOptions, farm: WebFarm, state: FarmState, signal: AbortSignal): Promise<Observed> {
  const { cluster, members: resolver, clock } = options;
  const view = cluster.pods(farm.namespace);
  const pods = cluster.isSynced(farm.namespace) ? view : { ...view, synced: false };
  const rowPods = [...state.rowPods].flatMap((hash) => pods.seen(hash) ?? []);
  const isSetPodGone = rowPods.some(
    ({ pod, ended, presence }) => (ended || presence !== "present") && pod.controller?.kind === "StatefulSet",
  );
  // Whether a StatefulSet still wants the name of a pod that has just gone is not to be told from what it wanted half a minute ago.
  const freshness = state.hasGoneRows || isSetPodGone || farm.deletionAtMs !== undefined ? "now" : "settled";
  const [namespace, members, ofOlder] = await Promise.all([
    namespaceOf(options, farm, signal),
    resolver.resolve(farm, freshness, signal),
    resolver.ofOlder(farm, pods.pods, signal),
  ]);
  const identity = namespace.identity;
  const lastPods = rowPods.map(({ pod }) => pod);
  const statefulSets = await resolver.statefulSets(farm, lastPods, freshness, signal);
  const approval = approvalInForce(farm, clock.now());
  const holder = ownerIdHolder(options, farm, identity);
  const base = {
    ...{ farm, identity, members, statefulSets, pods, ...ofOlder, readOnly: options.readOnly, nowMs: clock.monotonic() },
    ...(approval !== undefined && { approval }),
    ...(holder !== undefined && { ownerIdHolder: holder }),
  };
  const unread: Observation = {
    ...base,
    table: { kind: "notAsked", ...(state.table.facts !== undefined && { facts: state.table.facts }) },
  };
  if (needsNoDatabase(unread, state)) return { observation: unread, freshness };
  // Without it no row can be told from another's; gates, status and a deletion go on.
  if (namespace.problem !== undefined) {
    forgetFailure(state);
    return { observation: { ...base, table: { kind: "unavailable", problem: namespace.problem } }, freshness };
  }
  const { table, database } = await readTable(options, farm, state, signal);
  const observation = withInventory({ ...base, table, nowMs: clock.monotonic() }, state.memory);
  return { observation, freshness, ...(database !== undefined && { database }) };
}

async function namespaceOf(
  { cluster }: ObserveOptions,
  farm: WebFarm,
  signal: AbortSignal,
): Promise<{ readonly identity: MarkIdentity; readonly problem?: DatabaseProblem }> {
  const { formerOwnerIds = [] } = farm.spec;
  try {
    const namespaceUid = await cluster.namespaceUid(farm, signal);
    return { identity: { ownerId: ownerIdOf(farm, namespaceUid), formerOwnerIds, namespaceUid } };
  } catch (error) {
    signal.throwIfAborted();
    const what = `The UID of namespace ${farm.namespace} cannot be read, so the farm's rows cannot be told from others; the operator needs get on namespaces`;
    return {
      identity: { ownerId: farm.spec.ownerId ?? farm.status.ownerId ?? "", formerOwnerIds, namespaceUid: "" },
      problem: unanswered("NamespaceUnreadable", what, error),
    };
  }
}

const ownerIdOf = ({ spec, name }: WebFarm, namespaceUid: string): string => spec.ownerId ?? `${namespaceUid}/${name}`;

/** The older WebFarm of the namespace that has the same owner. Only one may write: their rows have the same marks. */
function ownerIdHolder({ cluster }: ObserveOptions, farm: WebFarm, { ownerId, namespaceUid }: MarkIdentity): FarmKey | undefined {
  return cluster
    .farmsIn(farm.namespace)
    .find((other) => other.uid !== farm.uid && isOlder(other, farm) && ownerIdOf(other, namespaceUid) === ownerId)?.key;
}

/** A farm that goes and leaves its rows, or that has had neither pods nor rows for ten minutes. */
function needsNoDatabase(unread: Observation, state: FarmState): boolean {
  const { farm } = unread;
  if (farm.deletionAtMs !== undefined) return leavesRows(unread, authorityOf(unread));
  const hasPods = (): boolean =>
    unread.pods.pods.some((pod) => unread.members.some(({ selector }) => selector !== undefined && matches(selector, pod.labels)));
  const isLeft = mayBeLeftBehind(unread);
  const hasRows = (): boolean =>
    rowsAsLastRead(unread, state).some((row) => kinship(row, unread.identity).kind !== "foreign" || isLeft(row));
  // Only a read can say that there is no row: a database that could not be asked may hold those of pods that are gone.
  const isKnown = state.table.read !== undefined && !state.table.dirty;
  if (!isKnown || isAskedAnew(farm, state.table) || hasRows() || hasPods()) state.lastBusyMs = unread.nowMs;
  return unread.nowMs - state.lastBusyMs >= idleAfterMs;
}

function rowsAsLastRead(unread: Observation, { table: { read, facts }, memory }: FarmState): readonly ServerRow[] {
  if (read === undefined || facts === undefined) return [];
  const { table } = withInventory({ ...unread, table: { kind: "read", read, facts } }, memory);
  return table.kind === "read" ? table.read.rows : [];
}

/** The spec has changed, or a person asks for a pass, since the rows were read. */
const isAskedAnew = (farm: WebFarm, cache: TableCache): boolean =>
  cache.generation !== farm.generation || cache.forcedBy !== farm.annotations[reconcileAnnotation];

async function readTable(
  options: ObserveOptions,
  farm: WebFarm,
  state: FarmState,
  signal: AbortSignal,
): Promise<{ readonly table: TableObservation; readonly database?: FarmDatabase }> {
  const { clock } = options;
  const { facts: factsBefore, failure: failureBefore } = state.table;
  const forcedBy = farm.annotations[reconcileAnnotation];
  const isAsked = isAskedAnew(farm, state.table);
  const before = state.credentials?.material;
  const unavailable = (problem: DatabaseProblem): { readonly table: TableObservation } => ({
    table: { kind: "unavailable", problem, ...(factsBefore !== undefined && { facts: factsBefore }) },
  });
  const withoutCredentials = (problem: DatabaseProblem): { readonly table: TableObservation } => {
    forgetFailure(state);
    return unavailable(problem);
  };
  const isForPerson = failureBefore?.problem.stalled ?? false; // a wrong login, database or host: often a wrong Secret
  const isDue = isAsked || (isForPerson && clock.monotonic() - (state.credentials?.atMs ?? -Infinity) >= failedRereadMs);
  const read = await readCredentials({ ...options, farm, cache: state.credentials, isDue, signal }).catch((error: unknown) =>
    unanswered("CredentialsUnreadable", "The database's credentials cannot be read from the API server", error),
  );
  if ("reason" in read) return withoutCredentials(read);
  state.credentials = read.cache;
  if (read.credentials.kind === "refused") return withoutCredentials(read.credentials.problem);
  const { material } = read.credentials;
  const materialChanged = JSON.stringify(material) !== JSON.stringify(before);
  if (materialChanged) forgetDatabase(state); // it may be another one
  const cache = state.table;
  if (cache.failure !== undefined && !isAsked && !materialChanged && clock.monotonic() < cache.failure.retryMs)
    return unavailable(cache.failure.problem);
  const used = options.databases.use(farm.key, material);
  if (used.kind === "refused") {
    state.table = failed(cache, used.problem, { farm, forcedBy, nowMs: clock.monotonic() });
    return unavailable(used.problem);
  }
  const { database } = used;
  const isFresh =
    cache.read !== undefined &&
    cache.facts !== undefined &&
    !cache.dirty &&
    !isAsked &&
    cache.failure === undefined &&
    (farm.deletionAtMs === undefined || cache.atMs >= (state.memory.deletingSinceMs ?? Infinity)) && // a release rests on a later read
    clock.monotonic() - cache.atMs < options.resyncMs;
  if (isFresh) return { table: { kind: "read", read: cache.read, facts: cache.facts }, database };
  if (state.isReading) {
    // Once without it, so that gates and status do not wait for a database that takes every pass its whole time.
    state.isReading = false;
    state.table = failed(cache, passTimedOut, { farm, forcedBy, nowMs: clock.monotonic() });
    return unavailable(passTimedOut);
  }
  state.isReading = true;
  try {
    const facts = await database.facts(signal);
    const read = await database.read(signal);
    state.isReading = false;
    notePings(state, read);
    const { missedPings } = cache;
    state.table = {
      read,
      facts,
      atMs: clock.monotonic(),
      generation: farm.generation,
      forcedBy,
      dirty: false,
      ...(missedPings && { missedPings }),
    };
    return { table: { kind: "read", read, facts }, database };
  } catch (error) {
    signal.throwIfAborted();
    if (!isDatabaseFailure(error)) throw error;
    state.isReading = false;
    state.table = failed(cache, error.problem, { farm, forcedBy, nowMs: clock.monotonic() });
    return unavailable(error.problem);
  }
}

/** What is remembered by ServerID says nothing of another database's rows, whether or not that one can be read. */
function forgetDatabase(state: FarmState): void {
  const { pingAfterMs: _arrived, ...memory } = state.memory;
  state.memory = { ...memory, users: emptyMemory.users };
  state.removals = new Map();
  state.sweeps = [];
  const { read: _before, ...table } = state.table;
  state.table = { ...table, dirty: true };
}

const passTimedOut: DatabaseProblem = {
  kind: "unreachable",
  reason: "Timeout",
  message: "The database took the whole time of a pass and did not answer; it is asked again.",
  stalled: false,
};

/** When pings arrived, as the last two reads that differ show. */
function notePings(state: FarmState, { pings }: TableRead): void {
  const { read: before, atMs } = state.table;
  const arrivedMs = arrivedAfterMs({ pings: before?.pings, atMs }, pings);
  if (arrivedMs !== undefined) state.memory = { ...state.memory, pingAfterMs: arrivedMs };
}

/** The database was not asked: what it failed with before does not say any more when to look again. */
function forgetFailure(state: FarmState): void {
  const { failure: _before, ...rest } = state.table;
  state.table = { ...rest, dirty: true, missedPings: true };
}

function failed(
  cache: TableCache,
  problem: DatabaseProblem,
  at: { readonly farm: WebFarm; readonly forcedBy: string | undefined; readonly nowMs: Milliseconds },
): TableCache {
  const count = (cache.failure?.count ?? 0) + 1;
  const delayMs = Math.max(
    problem.retryAfterMs ?? 0,
    problem.stalled ? lastRetryMs : Math.min(lastRetryMs, firstRetryMs * 2 ** Math.min(count - 1, 10)),
  );
  return {
    ...cache,
    generation: at.farm.generation,
    forcedBy: at.forcedBy,
    dirty: true,
    missedPings: true,
    failure: { problem, count, retryMs: at.nowMs + delayMs },
  };
}

/** What a write read back replaces the rows; pings and settings stay as they were read. */
export function readBack(state: FarmState, read: TableRead): void {
  const { pings, settings } = state.table.read ?? {};
  state.table = {
    ...state.table,
    read: {
      rows: read.rows,
      truncated: read.truncated,
      ...(pings !== undefined && { pings }),
      ...(settings !== undefined && { settings }),
    },
    dirty: false,
  };
}

export const withRows = (observation: Observation, state: FarmState): Observation => {
  const { table } = observation;
  return table.kind === "read" && state.table.read !== undefined
    ? withInventory({ ...observation, table: { ...table, read: state.table.read } }, state.memory)
    : observation;
};
