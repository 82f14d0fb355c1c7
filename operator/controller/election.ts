// Which one of several processes may write: the one whose lease has not lapsed. It knows a lease, clocks and random numbers, and nothing of
// Kubernetes or of what is done while leading.

export type { LeaseRecord, LeaseStore, LeaseWrite } from "./lease.ts";
import type { Clock } from "./clock.ts";
import type { LeaseStore } from "./lease.ts";
import type { Logger } from "./logger.ts";
import type { Random } from "./random.ts";

export interface ElectionOptions {
  readonly store: LeaseStore;
  readonly clock: Clock;
  readonly random: Random;
  /** Unique to this process. */
  readonly identity: string;
  readonly log: Logger;
  /** A term begins. Must not throw. */
  readonly onAcquired: () => void;
  /**
   * The term is over although nobody wanted it: end all work at once. It competes again when the promise has resolved, so nothing of the
   * term may be under way then.
   */
  readonly onLost: () => Promise<void>;
  readonly metrics?: { leading(isLeading: boolean): void };
}

export interface Election {
  /** Begins to compete. */
  start(): void;
  /**
   * Whether a write may start now. It looks at the clock, not at a flag: a process that was stopped for a minute asks before its timers fire.
   */
  isHeld(): boolean;
  /** False only after a mistake in the program ended its loop: the process should be restarted. */
  isAlive(): boolean;
  /**
   * Competes no more. A leader goes on renewing until `drain` has resolved, then empties the lease for the next. `drain` is called only when
   * leading. Resolves when the lease is released, or could not be in time.
   */
  stop(drain: () => Promise<void>): Promise<void>;
}
