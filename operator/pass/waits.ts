// Keeps the moments from which waits count in step with what was just read: pings start them anew, and rows begin or cease to be gone.

import { registeredPods } from "../farm/gates.ts";
import { kinship } from "../farm/mark.ts";
import { rowKey } from "../farm/memory.ts";
import type { PingWatch, RowKey } from "../farm/memory.ts";
import type { Milliseconds, ServerRow } from "../farm/model.ts";
import type { Observation } from "../farm/observation.ts";
import type { Plan } from "../farm/plan.ts";
import { noteProcesses } from "../farm/unsynchronised.ts";
import type { FarmState } from "./state.ts";

export function watchOf(state: FarmState, row: ServerRow, sinceMs: Milliseconds): PingWatch {
  const ping = state.table.read?.pings?.get(row.serverID);
  return { sinceMs, ...(ping !== undefined && { ping }) };
}

/**
 * A new ping starts a wait anew: whoever pings is no dead process. So does a database that could not be read for a while, as nobody may have
 * been able to ping. Rows of another cluster are watched from their first sight, and those that the application wrote from the first read
 * after their pod had gone: what pings then is somebody else.
 */
export function heedPings(state: FarmState, { farm, table, identity, nowMs }: Observation): void {
  if (table.kind !== "read") return;
  const missingSince = new Map(state.memory.missingSince);
  const silentSince = new Map(state.memory.silentSince);
  const isGoneSinceRead = (row: ServerRow): boolean =>
    farm.spec.registration === "Application" &&
    table.read.pings !== undefined &&
    state.table.atMs > (state.memory.goneSince.get(rowKey(row)) ?? Infinity);
  const isUnheard = state.table.missedPings === true && table.read.pings !== undefined;
  const restart = (map: Map<RowKey, PingWatch>, row: ServerRow): void => {
    const watch = map.get(rowKey(row));
    const fresh = watchOf(state, row, nowMs);
    if (watch === undefined || (watch.ping === fresh.ping && !isUnheard)) return;
    const { ping: _before, ...kept } = watch; // the pings of a database that was restored may be gone altogether
    map.set(rowKey(row), { ...kept, ...fresh });
  };
  for (const row of table.read.rows) {
    const kin = kinship(row, identity);
    if (kin.kind === "otherCluster" && !silentSince.has(rowKey(row))) silentSince.set(rowKey(row), watchOf(state, row, nowMs));
    if (isGoneSinceRead(row) && !silentSince.has(rowKey(row))) silentSince.set(rowKey(row), watchOf(state, row, -Infinity));
    restart(missingSince, row);
    restart(silentSince, row);
  }
  state.memory = { ...state.memory, missingSince, silentSince };
  const { missedPings: _heeded, ...heard } = state.table;
  state.table = heard;
}

/** Remembers since when rows have no living pod. */
export function noteGone(state: FarmState, plan: Plan, { table, pods, nowMs }: Observation): void {
  if (table.kind !== "read" || !pods.synced) return; // an outage is no reason to begin the waits anew, nor pods that are not all known
  const { goneSince } = state.memory;
  state.memory = { ...state.memory, goneSince: new Map(plan.gone.map((key) => [key, goneSince.get(key) ?? nowMs])) };
  state.hasGoneRows = plan.gone.length > 0;
}

/** Remembers how each process began, as far as the rows that were read or read back tell. */
export function noteLives(state: FarmState, observation: Observation): void {
  state.memory = { ...state.memory, processes: noteProcesses(state.memory.processes, observation, state.table.atMs) };
}

/** Remembers which pods the farm's rows name, as they were read or read back. */
export function noteRowPods(state: FarmState, observation: Observation): void {
  if (observation.table.kind === "read") state.rowPods = registeredPods(observation);
}
