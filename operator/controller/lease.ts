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
