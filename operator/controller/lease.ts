// What a lease says, where it is kept, and the rules that follow from it alone: whose it is, when it is free, what the next holder writes.
// It never compares a time in the lease with a clock of ours: the clocks of two hosts may differ by hours.

export interface LeaseRecord {
  /** Identity of the process that leads; empty: released, anybody may take it. */
  readonly holder: string;
  /** How long the others wait, counted from when they last saw the record change. */
  readonly leaseSeconds: number;
  /** Wall clock of the holder, milliseconds since the epoch: for people. */
  readonly acquiredAtMs: number;
  readonly renewedAtMs: number;
  /** How often the holder changed. */
  readonly transitions: number;
  /** Given by the store with every write; opaque. A write names the version that it replaces; empty in what `create` is given. */
  readonly version: string;
}

export type LeaseWrite =
  | { readonly kind: "written"; readonly record: LeaseRecord }
  /** Somebody else wrote (or created, or deleted) it first: nothing of ours was written. */
  | { readonly kind: "lost" };

/** Each call rejects when the answer is not sure: then a write may have happened, or may yet happen. */
export interface LeaseStore {
  /** Asks the store, no cache. Undefined: there is no lease. */
  read(signal: AbortSignal): Promise<LeaseRecord | undefined>;
  create(record: LeaseRecord, signal: AbortSignal): Promise<LeaseWrite>;
  /** Replaces the version that the record names. */
  update(record: LeaseRecord, signal: AbortSignal): Promise<LeaseWrite>;
  /**
   * Tells what the lease has become (undefined: deleted), late or never where the way to the store is bad. Resolves when nothing is told any
   * more. Called once.
   */
  watch(onChange: (record: LeaseRecord | undefined) => void): { stop(): Promise<void> };
}

/** What the next write of a process says. */
export interface Writing {
  readonly identity: string;
  readonly leaseSeconds: number;
  /** Wall clock. */
  readonly nowMs: number;
}

/** Takes a lease that is free, or makes one. The holder that finds its own lease keeps its beginning. */
export function claimed(before: LeaseRecord | undefined, { identity, leaseSeconds, nowMs }: Writing): LeaseRecord {
  const isSameHolder = before?.holder === identity;
  return {
    holder: identity,
    leaseSeconds,
    acquiredAtMs: isSameHolder ? before.acquiredAtMs : nowMs,
    renewedAtMs: nowMs,
    transitions: before === undefined ? 0 : before.transitions + (isSameHolder ? 0 : 1),
    version: before?.version ?? "",
  };
}

/** Leaves it free, and short for those who only count seconds. */
export function released(before: LeaseRecord, nowMs: number): LeaseRecord {
  return { ...before, holder: "", leaseSeconds: 1, renewedAtMs: nowMs };
}

/** A record as last seen. */
export interface Sighting {
  readonly record: LeaseRecord | undefined;
  /** Monotonic: when it was first seen to be so. */
  readonly sinceMs: number;
  /** How long it must stay so before somebody else may take it. */
  readonly waitMs: number;
}

/**
 * `isOurs`: the record was written by this very process, or one before it with its name. A lease that vanishes while somebody holds it is
 * waited for too: its holder may not know yet.
 */
export function sighted(
  before: Sighting | undefined,
  record: LeaseRecord | undefined,
  { nowMs, isOurs }: { readonly nowMs: number; readonly isOurs: boolean },
): Sighting {
  if (before !== undefined && isSame(before.record, record)) return before;
  const heldMs = record === undefined ? (before?.waitMs ?? 0) : record.leaseSeconds * 1000;
  return { record, sinceMs: nowMs, waitMs: isOurs || record?.holder === "" ? 0 : heldMs };
}

/** 0: it may be taken now. */
export const freeInMs = ({ sinceMs, waitMs }: Sighting, nowMs: number): number => Math.max(0, sinceMs + waitMs - nowMs);

/** Not by the version alone: a store that was restored gives a version twice. */
function isSame(one: LeaseRecord | undefined, other: LeaseRecord | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return (Object.keys(one) as (keyof LeaseRecord)[]).every((key) => one[key] === other[key]);
}
