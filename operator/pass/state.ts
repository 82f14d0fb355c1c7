// What the process holds of one farm between passes: its memory, the rows as last read, and when to ask again. All of it can be lost.

import { emptyMemory } from "../farm/memory.ts";
import type { ConfirmedGone } from "../farm/confirm.ts";
import type { FarmMemory, RowKey } from "../farm/memory.ts";
import type { DatabaseFacts, DatabaseProblem, FarmKey, Milliseconds, PodHash, TableRead, WebFarm } from "../farm/model.ts";
import type { CredentialCache } from "./credentials.ts";

/** By the key of the WebFarm; another UID under its name is another farm. */
export type FarmStates = Map<FarmKey, { readonly uid: string; readonly state: FarmState }>;

export interface FarmState {
  memory: FarmMemory;
  credentials: CredentialCache | undefined;
  table: TableCache;
  /** Hashes of the pods that the farm's rows name: changes of these pods matter also when no member selects them. */
  rowPods: ReadonlySet<PodHash>;
  /** Some of the farm's rows have no living pod: what its workloads want matters now. */
  hasGoneRows: boolean;
  lastBusyMs: Milliseconds;
  lastWriteMs: Milliseconds;
  /** Passes in a row that wanted to write and brought nothing about. */
  fruitless: number;
  /** A pass began and did not come as far as the gates: its time was over, or it failed. */
  isCut: boolean;
  /** The rows were being read, and no answer or error came yet: where a pass begins so, its predecessor's whole time went into that. */
  isReading: boolean;
  /** Passes in a row that ended because the object had changed meanwhile. */
  lostRaces: number;
  /** Names, to compare, of the rows whose last write had no effect though the server took it. */
  unwritten: ReadonlySet<string>;
  lastChangeWallMs?: Milliseconds;
  status: StatusWrites;
  /** Reasons of conditions last told as events. */
  told: ReadonlyMap<string, string>;
  /** Of the servers that are not synchronised: pod, life and row, told as events. */
  unsynchronised: ReadonlySet<string>;
  /** Removals that were asked for and whose end was not read yet, by the row as the table has it. */
  removals: ReadonlyMap<RowKey, OpenRemoval>;
  /** When the next piece of a long removal is due. */
  drainAtMs: Milliseconds;
  /** Passes in which what removed servers left is swept: more than one where no foreign key keeps new bindings out. */
  sweeps: readonly Sweep[];
}

export interface Sweep {
  readonly rows: readonly { readonly serverID: number; readonly name: string }[];
  readonly left: number;
  /** It failed before and is tried once more. */
  readonly isAgain?: boolean;
}

export interface OpenRemoval {
  /** As it was asked for last. */
  readonly gone: ConfirmedGone;
  /** Since when the row had no living pod. */
  readonly goneMs: Milliseconds;
  readonly askedMs: Milliseconds;
  /** Deleted so far, with those of rows that were removed in the same requests. */
  readonly bindings: number;
  /** It goes alone and a piece at a time. */
  readonly isLong?: true;
  /** When it was last told how far it is. */
  readonly toldMs?: Milliseconds;
}

export interface TableCache {
  readonly read?: TableRead;
  readonly facts?: DatabaseFacts & { readonly foreignKeyDisabled: boolean };
  readonly atMs: Milliseconds;
  readonly generation: number;
  readonly forcedBy: string | undefined;
  /** What the last read failed with, and how often in a row. */
  readonly failure?: { readonly problem: DatabaseProblem; readonly count: number; readonly retryMs: Milliseconds };
  /** A statement may have changed the rows since. */
  readonly dirty: boolean;
  /** It could not be read for a while: where there are pings, they may have found no database either. */
  readonly missedPings?: true;
}

export interface StatusWrites {
  readonly atMs: Milliseconds;
  /**
   * What was written while the cache had `cached`; better than the cache until the watch brings another object. Not another version: when
   * the store is taken back, its versions are used again.
   */
  readonly written?: { readonly cached: WebFarm; readonly farm: WebFarm };
}

/** `farm` was written on top of `before`, which is what the cache has, or what was written on top of that. */
export function withWritten(writes: StatusWrites, before: WebFarm, farm: WebFarm): StatusWrites {
  const { written } = writes;
  return { ...writes, written: { cached: written?.farm === before ? written.cached : before, farm } };
}

export const newState = (nowMs: Milliseconds): FarmState => ({
  memory: emptyMemory,
  credentials: undefined,
  table: { atMs: -Infinity, generation: -1, forcedBy: undefined, dirty: true },
  rowPods: new Set(),
  hasGoneRows: false,
  lastBusyMs: nowMs,
  lastWriteMs: -Infinity,
  fruitless: 0,
  isCut: false,
  isReading: false,
  lostRaces: 0,
  unwritten: new Set(),
  status: { atMs: -Infinity },
  told: new Map(),
  unsynchronised: new Set(),
  removals: new Map(),
  drainAtMs: -Infinity,
  sweeps: [],
});
