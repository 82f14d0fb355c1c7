// Removes servers, most of them of pods that are gone: each with what little is bound to it at once, a long one a piece at a time with
// pauses, so that whoever inserts meanwhile waits for one piece at most. What was asked for is remembered until its end is read, whatever
// became of the answer. Each request needs a ConfirmedGone of its own pass; nothing here is needed to go on after a restart.

import type { ConfirmedGone } from "../farm/confirm.ts";
import { stored } from "../farm/inventory.ts";
import { rowKey } from "../farm/memory.ts";
import type { PingWatch, RowKey } from "../farm/memory.ts";
import { noPing } from "../farm/model.ts";
import type { Milliseconds, ServerRow } from "../farm/model.ts";
import type { Removal } from "../farm/plan.ts";
import type { FarmState, OpenRemoval } from "./state.ts";
import { watchOf } from "./waits.ts";
import { aboutApproval, isInTime, written } from "./writing.ts";
import type { Pass, RefusedRows } from "./writing.ts";

/** Of a pass, for rows that it did not find to be long. A long one is asked for once a pass. */
const firstRequests = 2;
/** A long removal leaves others four times the time that its request took, but no less than this. */
const pauseFactor = 4;
const shortestPauseMs = 100;
const tellEveryMs = 60_000;

export interface Asked {
  readonly removed: ConfirmedGone[];
  readonly refused: RefusedRows;
}

const keyOf = (row: ServerRow): RowKey => rowKey(stored(row));
const isLong = ({ state }: Pass, row: ServerRow): boolean => state.removals.get(keyOf(row))?.isLong === true;

/**
 * Those that may be asked for now: of the long ones that which was not asked for longest, and none in a pass that comes between two pieces, for
 * a pod's sake.
 */
export function dueRemovals(pass: Pass, removals: readonly Removal[]): readonly Removal[] {
  const [next] = removals.filter(({ row }) => isLong(pass, row)).toSorted((a, b) => lastAskedMs(pass, a) - lastAskedMs(pass, b));
  const isDue = pass.clock.monotonic() >= pass.state.drainAtMs;
  return removals.filter((removal) => !isLong(pass, removal.row) || (isDue && removal === next));
}

const lastAskedMs = ({ state }: Pass, { row }: Removal): Milliseconds => state.removals.get(keyOf(row))?.askedMs ?? -Infinity;

/** When the next piece of the long ones among these is due; undefined: none is long. */
export function drainsAfterMs(pass: Pass, removals: readonly Removal[]): Milliseconds | undefined {
  const isDraining = removals.some(({ row }) => isLong(pass, row));
  return isDraining ? Math.max(0, pass.state.drainAtMs - pass.clock.monotonic()) : undefined;
}

/** One whose row may be in use again, by a live read, is under way no more. */
export function forgetUnconfirmed({ state }: Pass, wanted: readonly Removal[], confirmed: readonly ConfirmedGone[]): void {
  const goes = new Set(confirmed.map(({ row }) => keyOf(row)));
  forget(state, new Set(wanted.map(({ row }) => keyOf(row)).filter((key) => !goes.has(key))));
}

function forget(state: FarmState, keys: ReadonlySet<RowKey>): void {
  if (keys.size > 0) state.removals = new Map([...state.removals].filter(([key]) => !keys.has(key)));
}

/** Those that no plan wants any more, for whatever reason, are under way no more. */
export function forgetUnwanted(state: FarmState, wanted: readonly Removal[]): void {
  const keys = new Set(wanted.map(({ row }) => keyOf(row)));
  forget(state, new Set([...state.removals.keys()].filter((key) => !keys.has(key))));
}

/** `asked` grows with each answer, so that it tells what went also when a later request fails. */
export async function remove(pass: Pass, confirmed: readonly ConfirmedGone[], asked: Asked): Promise<void> {
  const long = confirmed.filter(({ row }) => isLong(pass, row));
  const others = confirmed.filter((one) => !long.includes(one));
  await ask(pass, others, firstRequests, asked);
  await ask(pass, long, 1, asked);
}

async function ask(pass: Pass, confirmed: readonly ConfirmedGone[], most: number, asked: Asked): Promise<void> {
  const { state } = pass;
  let open = confirmed;
  let bindings = 0;
  for (let request = 0; request < most; request += 1) {
    open = open.filter((one) => isInTime(pass, one));
    if (open.length === 0) return;
    const rows = open.map(({ row }) => ({ serverID: row.serverID, name: row.name, guid: stored(row).guid, ...newestPingOf(pass, row) }));
    noteAsked(pass, open);
    const send = (): ReturnType<typeof pass.database.remove> => pass.database.remove(rows, pass.signal);
    const result = await written(pass, () => (most === 1 ? thenPaused(pass, send) : send()), asked.refused);
    bindings = result.bindings;
    addBindings(pass, open, bindings);
    asked.removed.push(...noteRemoved(pass, state));
    open = open.filter(({ row }) => state.removals.has(keyOf(row)));
    if (!result.bindingsRemain || bindings === 0) break;
  }
  const refused = new Set(asked.refused.map(({ name }) => name));
  for (const { row } of open) if (!refused.has(row.name)) noteLeft(pass, row, bindings);
}

/** Whatever becomes of a piece of a long removal, the next one leaves others their time. */
async function thenPaused<T>(pass: Pass, send: () => Promise<T>): Promise<T> {
  const sentMs = pass.clock.monotonic();
  try {
    return await send();
  } finally {
    pauseAfter(pass, pass.clock.monotonic() - sentMs);
  }
}

/** A farm that goes inserts nothing that could wait. */
function pauseAfter({ state, clock, observation: { farm } }: Pass, tookMs: Milliseconds): void {
  state.drainAtMs = clock.monotonic() + (farm.deletionAtMs === undefined ? Math.max(shortestPauseMs, pauseFactor * tookMs) : 0);
}

/** Before the answer, which may be lost. */
function noteAsked(pass: Pass, open: readonly ConfirmedGone[]): void {
  const { state, clock } = pass;
  const nowMs = clock.monotonic();
  for (const gone of open) if (!state.removals.has(keyOf(gone.row))) pass.log.info("Removing the server", aboutRemoval(pass, gone));
  const asked = open.map((gone): [RowKey, OpenRemoval] => {
    const before = state.removals.get(keyOf(gone.row));
    const goneMs = before?.goneMs ?? state.memory.goneSince.get(rowKey(gone.row)) ?? pass.observation.nowMs;
    return [keyOf(gone.row), { bindings: 0, ...before, gone, goneMs, askedMs: nowMs }];
  });
  state.removals = new Map([...state.removals, ...asked]);
  const missing = open.filter(({ evidence }) => evidence === "missing").map(({ row }) => [row.serverID, nowMs] as const);
  state.memory = {
    ...state.memory,
    removedAsMissing: new Map([...state.memory.removedAsMissing, ...missing]),
    silentSince: new Map([...watched(pass, open), ...state.memory.silentSince]),
  };
}

/** Requests of several rows say only how many went together. */
function addBindings({ state }: Pass, open: readonly ConfirmedGone[], count: number): void {
  const counted = open.flatMap(({ row }): [RowKey, OpenRemoval][] => {
    const removal = state.removals.get(keyOf(row));
    return removal === undefined ? [] : [[keyOf(row), { ...removal, bindings: removal.bindings + count }]];
  });
  state.removals = new Map([...state.removals, ...counted]);
}

/**
 * Of the removals that were asked for: tells those whose rows are gone by what was read last, also when the answer was lost, and forgets
 * those whose rows are another pod's by now.
 */
export function noteRemoved(options: Pick<Pass, "clock" | "log" | "metrics" | "identity">, state: FarmState): readonly ConfirmedGone[] {
  const { read, facts } = state.table;
  if (read === undefined || read.truncated || state.removals.size === 0) return [];
  const now = new Map(read.rows.map((row) => [row.serverID, keyOf(row)]));
  const ended = [...state.removals].filter(([key, { gone: of }]) => now.get(of.row.serverID) !== key);
  forget(state, new Set(ended.map(([key]) => key)));
  const gone: OpenRemoval[] = [];
  for (const [, removal] of ended) {
    const { name, serverID } = removal.gone.row;
    if (now.has(serverID)) options.log.info("The server's row is another pod's by now; it stays", { server: name, serverID });
    else gone.push(removal);
  }
  for (const removal of gone) {
    const { evidence } = removal.gone;
    const seconds = (options.clock.monotonic() - removal.goneMs) / 1000;
    options.metrics.removed(evidence, evidence === "ended" ? seconds : undefined);
    options.log.info("Removed the server", { ...aboutRemoval(options, removal.gone), bindings: removal.bindings });
  }
  if (gone.length > 0) {
    const rows = gone.map(({ gone: { row } }) => ({ serverID: row.serverID, name: row.name }));
    state.lastChangeWallMs = options.clock.now();
    state.sweeps = [...state.sweeps, { rows, left: facts?.foreignKeyDisabled === true ? 3 : 1 }];
  }
  return gone.map((removal) => removal.gone);
}

/** A row that is still there: for its bindings, or because of what happened to it meanwhile. `bindings`: of the last request. */
function noteLeft(pass: Pass, row: ServerRow, bindings: number): void {
  const { state, clock, log } = pass;
  const removal = state.removals.get(keyOf(row));
  if (removal === undefined) return;
  const about = { server: row.name, serverID: row.serverID, bindings: removal.bindings };
  if (bindings === 0) {
    log.info("The server's row stays for now: it was used while it was to be removed", about);
    forget(state, new Set([keyOf(row)]));
    return;
  }
  if (removal.isLong !== true) pauseAfter(pass, 0);
  const nowMs = clock.monotonic();
  // Only what was asked for alone is known to be long: what is left of a company may go with the next request.
  const isTold = removal.isLong !== true || nowMs - (removal.toldMs ?? -Infinity) < tellEveryMs;
  if (!isTold) log.info("Deleting the bindings of a server that goes, some at a time; its row goes last", about);
  state.removals = new Map([...state.removals, [keyOf(row), { ...removal, isLong: true, ...(!isTold && { toldMs: nowMs }) }]]);
}

/** From now on a new ping of what is asked to go says that somebody uses it: then it must be silent for long first. */
function watched({ observation, state }: Pass, open: readonly ConfirmedGone[]): readonly (readonly [RowKey, PingWatch])[] {
  if (observation.farm.spec.registration !== "Application" || state.table.read?.pings === undefined) return [];
  return open.map(({ row }) => [rowKey(row), watchOf(state, row, -Infinity)]);
}

/** Of a row that the application wrote: whoever uses it pings, and then it stays. */
function newestPingOf({ observation: { farm, table } }: Pass, { serverID }: ServerRow): { readonly newestPing?: string } {
  if (farm.spec.registration !== "Application" || table.kind !== "read") return {};
  const { pings } = table.read;
  return pings === undefined ? {} : { newestPing: pings.get(serverID) ?? noPing };
}

const aboutRemoval = (
  { identity }: Pick<Pass, "identity">,
  { row, evidence, atMs, pod, approval }: ConfirmedGone,
): Readonly<Record<string, unknown>> => ({
  server: row.name,
  serverID: row.serverID,
  guid: stored(row).guid,
  podUID: pod?.uid ?? "never seen",
  evidence,
  evidenceAt: new Date(atMs).toISOString(),
  ...aboutApproval(approval),
  identity,
});
