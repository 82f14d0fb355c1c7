// What a process remembers of a farm between passes: moments, on the monotonic clock, from which waits count. All of it may be lost in
// a crash; then every wait only starts anew. No evidence for a removal is kept here but "a live read of this process found it gone".

import { stillEqual } from "./equalNames.ts";
import type { EqualNames } from "./equalNames.ts";
import { hasEnded, isAlive } from "./hasEnded.ts";
import { kinship, readMark } from "./mark.ts";
import type { Milliseconds, PodUid, PodView, ServerRow, TableRead } from "./model.ts";
import type { Observation } from "./observation.ts";
import { noProcesses } from "./unsynchronised.ts";
import type { Processes } from "./unsynchronised.ts";
import { wantedPods } from "./wantedPods.ts";

/** A row as it was read: another ServerID or GUID is another row. */
export type RowKey = string & { readonly rowKey: never };
export const rowKey = (row: Pick<ServerRow, "serverID" | "guid">): RowKey => `${row.serverID}/${row.guid ?? ""}` as RowKey;
const guidOf = (key: RowKey): string => key.slice(key.indexOf("/") + 1);

export interface FarmMemory {
  /** When this process first looked at the farm; absent: it never did. */
  readonly sinceMs?: Milliseconds;
  /** How many rows of the farm there were less than pods wanted when this process could first tell. */
  readonly tooFewAtStart?: number;
  /** When each pod was first seen bound to a node. */
  readonly boundSince: ReadonlyMap<PodUid, Milliseconds>;
  /** When a live read of this process first found the row's pod gone, and the newest ping of its server then. */
  readonly missingSince: ReadonlyMap<RowKey, PingWatch>;
  /** Since when no new ping of a server that another cluster registered has arrived. */
  readonly silentSince: ReadonlyMap<RowKey, PingWatch>;
  /** When the row's pod was first seen ended or not seen at all: for the successor of a StatefulSet's pod. */
  readonly goneSince: ReadonlyMap<RowKey, Milliseconds>;
  /**
   * Rows, by ServerID, whose removal was asked for because their pod was missing, and when, the last 10 minutes (promise 5). Those that the
   * table has no more were removed, whatever became of the answer.
   */
  readonly removedAsMissing: ReadonlyMap<number, Milliseconds>;
  /** Late registrations under way; see lateRegistration.ts. */
  readonly late: LateRegistration;
  /** Writes of single rows that the server refused, by comparable name; tried again at `retryMs`. */
  readonly refusals: ReadonlyMap<string, Refusal>;
  /** Rows that have a pod's server name in the database's eyes only. */
  readonly equalNames: EqualNames;
  /** Which ServerID each running process began with, and who began alone. */
  readonly processes: Processes;
  /** After this moment a ping arrived, as the last two reads that differ show; see quietBirth.ts. */
  readonly pingAfterMs?: Milliseconds;
  readonly deletingSinceMs?: Milliseconds;
  /** With registration Application: the living pod that each row, as the table has it, was last seen to belong to, alone. */
  readonly users: ReadonlyMap<RowKey, PodUid>;
  /** `lists` of the pods when that was seen. */
  readonly lists?: number;
}

export interface PingWatch {
  readonly sinceMs: Milliseconds;
  readonly ping?: string;
  /** Of a missing pod: `returnsOf` it at that time. */
  readonly returns?: number;
}

/** How often the pod of the row's mark came back after it had gone, as far as this process saw; -1: it never saw that pod. */
export function returnsOf(guid: string | null, pods: PodView): number {
  const mark = readMark(guid);
  const seen = mark === undefined ? undefined : pods.seen(mark.pod);
  return seen === undefined ? -1 : (seen.returns ?? 0);
}

export interface LateRegistration {
  /** Pods at a time: a quarter of those first counted, at least one. 0: nothing is paced. */
  readonly quota: number;
  readonly restarting: ReadonlyMap<PodUid, { readonly sinceMs: Milliseconds; readonly seenNotReady: boolean }>;
}

export interface Refusal {
  readonly reason: string;
  readonly message: string;
  readonly retryMs: Milliseconds;
  /** Only a person can end it. */
  readonly stalled?: boolean;
}

export const emptyMemory: FarmMemory = {
  boundSince: new Map(),
  missingSince: new Map(),
  silentSince: new Map(),
  goneSince: new Map(),
  removedAsMissing: new Map(),
  late: { quota: 0, restarting: new Map() },
  refusals: new Map(),
  users: new Map(),
  equalNames: new Map(),
  processes: noProcesses,
};

function tooFewRows({ members, identity }: Observation, { rows }: TableRead): number | undefined {
  const { count, isSure } = wantedPods(members);
  return isSure ? Math.max(0, count - rows.filter((row) => kinship(row, identity).kind === "ours").length) : undefined;
}

/** How long rows removed as missing count in the view of promise 5. */
export const missingWindowMs = 10 * 60_000;
/** A late registration that is not seen to restart holds up the next ones no longer than this. */
export const lateRestartLimitMs = 120_000;

/** The memory after seeing `observation`: new moments begin, those of pods and rows that are no more are dropped. */
export function remember(memory: FarmMemory, observation: Observation): FarmMemory {
  const { nowMs } = observation;
  const { lists } = observation.pods;
  const isListedAnew = lists !== undefined && lists !== memory.lists;
  // Somebody whom no list shows may have used a row that the application wrote, without changing it.
  const mayHaveBeenUsed = (guid: string): boolean =>
    isListedAnew && observation.farm.spec.registration === "Application" && readMark(guid) !== undefined;
  const next = {
    ...memory,
    sinceMs: memory.sinceMs ?? nowMs,
    boundSince: boundSince(memory, observation),
    removedAsMissing: new Map([...memory.removedAsMissing].filter(([, at]) => nowMs - at < missingWindowMs)),
    // Nothing was under way when the last pass ended: the next wave of late pods is counted anew.
    late: { quota: memory.late.restarting.size === 0 ? 0 : memory.late.quota, restarting: restarting(memory, observation) },
    refusals: new Map([...memory.refusals].filter(([, refusal]) => refusal.retryMs > nowMs)),
    // A pod that is to be seen again was not gone, whether or not the rows can be read now: should it go again, its wait starts anew.
    // The same where it came and went between two passes.
    missingSince: new Map(
      [...memory.missingSince].filter(
        ([key, { returns }]) =>
          !isPresent(guidOf(key), observation) &&
          !mayHaveBeenUsed(guidOf(key)) &&
          (returns === undefined || returns === returnsOf(guidOf(key), observation.pods)),
      ),
    ),
    ...(isListedAnew && { lists, users: emptyMemory.users }),
    ...(observation.farm.deletionAtMs !== undefined && { deletingSinceMs: memory.deletingSinceMs ?? nowMs }),
  };
  if (observation.table.kind !== "read") return next;
  const keys = new Set(observation.table.read.rows.map(rowKey));
  const tooFew = memory.tooFewAtStart ?? tooFewRows(observation, observation.table.read);
  const kept = <T>(map: ReadonlyMap<RowKey, T>): ReadonlyMap<RowKey, T> => new Map([...map].filter(([key]) => keys.has(key)));
  return {
    ...next,
    ...(tooFew !== undefined && { tooFewAtStart: tooFew }),
    equalNames: stillEqual(memory.equalNames, observation.table.read),
    missingSince: kept(next.missingSince),
    silentSince: kept(memory.silentSince),
    goneSince: kept(memory.goneSince),
  };
}

function isPresent(guid: string, { pods }: Observation): boolean {
  const mark = readMark(guid);
  const seen = mark === undefined ? undefined : pods.seen(mark.pod);
  return seen?.presence === "present" && !seen.ended && !hasEnded(seen.pod);
}

function boundSince(memory: FarmMemory, { pods, nowMs }: Observation): ReadonlyMap<PodUid, Milliseconds> {
  const bound = pods.pods.filter((pod) => pod.node !== undefined && !hasEnded(pod));
  return new Map(bound.map((pod) => [pod.uid, memory.boundSince.get(pod.uid) ?? nowMs]));
}

/** A restart is over when the pod was not Ready and is Ready again, has gone, or has taken too long. */
function restarting(memory: FarmMemory, { pods, nowMs }: Observation): LateRegistration["restarting"] {
  const alive = new Map(pods.pods.filter(isAlive).map((pod) => [pod.uid, pod]));
  const next = new Map<PodUid, { sinceMs: Milliseconds; seenNotReady: boolean }>();
  for (const [uid, { sinceMs, seenNotReady }] of memory.late.restarting) {
    const pod = alive.get(uid);
    if (pod === undefined || nowMs - sinceMs >= lateRestartLimitMs || (seenNotReady && pod.ready)) continue;
    next.set(uid, { sinceMs, seenNotReady: seenNotReady || !pod.ready });
  }
  return next;
}
