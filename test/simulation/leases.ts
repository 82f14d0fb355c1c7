// What the checker remembers of the Lease of each cluster: who wrote it when. Shares no code with operator/.

import type { LeaseWrite, WallMs } from "./objects.ts";

export class Leases {
  readonly #writes = new Map<string, LeaseWrite[]>();

  note(write: LeaseWrite): void {
    const known = this.#writes.get(write.cluster);
    if (known === undefined) this.#writes.set(write.cluster, [write]);
    else known.push(write);
  }

  /** The last write before that moment was the process's own, and the lease has not lapsed. Where nobody ever wrote one: always. */
  isHeld(cluster: string, process: string, atMs: WallMs): boolean {
    const last = this.#writes.get(cluster)?.findLast((write) => write.atMs <= atMs);
    if (last === undefined) return !this.#writes.has(cluster);
    return last.lease.holder === process && atMs <= last.atMs + last.lease.leaseSeconds * 1_000;
  }
}
