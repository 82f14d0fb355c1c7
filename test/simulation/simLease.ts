// The Lease of a simulated cluster as an election sees it: reads and conditional writes are effects, changes come with the watch, late or never.

import type { LeaseRecord, LeaseStore, LeaseWrite } from "../../operator/controller/lease.ts";
import { key } from "./apiServer.ts";
import type { LeaseObject } from "./objects.ts";
import type { Send } from "./simPorts.ts";
import type { Truth } from "./truth.ts";

interface SimLeaseOptions {
  readonly truth: Truth;
  readonly cluster: string;
  readonly send: Send;
  readonly process: string;
}

const at = { namespace: "webfarm-system", name: "webfarm-operator" } as const;

export class SimLeaseStore implements LeaseStore {
  readonly #options: SimLeaseOptions;
  #onChange: ((record: LeaseRecord | undefined) => void) | undefined;

  constructor(options: SimLeaseOptions) {
    this.#options = options;
  }

  read(signal: AbortSignal): Promise<LeaseRecord | undefined> {
    return this.#options.send(
      { kind: "lease.read", text: at.name },
      () => {
        const lease = this.#stored();
        return lease && recordOf(lease);
      },
      signal,
    );
  }

  create(record: LeaseRecord, signal: AbortSignal): Promise<LeaseWrite> {
    return this.#write("lease.create", record, (stored) => stored === undefined, signal);
  }

  update(record: LeaseRecord, signal: AbortSignal): Promise<LeaseWrite> {
    return this.#write("lease.update", record, (stored) => stored?.resourceVersion === record.version, signal);
  }

  watch(onChange: (record: LeaseRecord | undefined) => void): { stop(): Promise<void> } {
    this.#onChange = onChange;
    return {
      stop: () => {
        this.#onChange = undefined;
        return Promise.resolve();
      },
    };
  }

  /** The watch has brought it. */
  heard(lease: LeaseObject | undefined): void {
    this.#onChange?.(lease && recordOf(lease));
  }

  #stored(): LeaseObject | undefined {
    const { truth, cluster } = this.#options;
    return truth.cluster(cluster).api.leases.get(key(at.namespace, at.name));
  }

  #write(
    kind: "lease.create" | "lease.update",
    record: LeaseRecord,
    isAsWanted: (stored: LeaseObject | undefined) => boolean,
    signal: AbortSignal,
  ): Promise<LeaseWrite> {
    const { truth, cluster, send, process } = this.#options;
    return send<LeaseWrite>(
      { kind, text: `${record.holder} ${record.transitions}` },
      () => {
        const stored = this.#stored();
        if (!isAsWanted(stored)) return { kind: "lost" };
        const { version: _version, ...rest } = record;
        const lease = truth
          .cluster(cluster)
          .api.putLease({ ...rest, ...at, uid: stored?.uid ?? truth.newUid("lease"), resourceVersion: "" });
        truth.noteLease({ cluster, by: process, lease });
        return { kind: "written", record: recordOf(lease) };
      },
      signal,
    );
  }
}

const recordOf = ({ holder, leaseSeconds, acquiredAtMs, renewedAtMs, transitions, resourceVersion }: LeaseObject): LeaseRecord => ({
  ...{ holder, leaseSeconds, acquiredAtMs, renewedAtMs, transitions },
  version: resourceVersion,
});
