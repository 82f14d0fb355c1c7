// What a simulated process has only while it may write, as operator/term.ts makes it: the real queue, workers and reconciler, with an empty
// memory at its beginning. It knows nothing of elections.

import type { Clock } from "../../operator/controller/clock.ts";
import type { Logger } from "../../operator/controller/logger.ts";
import { startWorkers } from "../../operator/controller/workers.ts";
import type { Workers } from "../../operator/controller/workers.ts";
import { WorkQueue } from "../../operator/controller/workQueue.ts";
import type { Priority } from "../../operator/controller/workQueue.ts";
import type { FarmKey, Pod } from "../../operator/farm/model.ts";
import { guardedCluster, guardedDatabases } from "../../operator/pass/guard.ts";
import type { Cluster, Databases } from "../../operator/pass/ports.ts";
import { createReconciler } from "../../operator/reconcile.ts";
import type { Reconciler } from "../../operator/reconcile.ts";

export interface SimTermOptions {
  readonly cluster: Cluster;
  readonly databases: Databases;
  readonly clock: Clock;
  readonly log: Logger;
  readonly mayWrite: () => boolean;
  readonly identity: string;
  readonly readOnly: boolean;
  /** The farms that are known when it begins. */
  readonly keys: readonly FarmKey[];
  readonly onPass: () => void;
}

const resyncMs = 30_000;
const passTimeoutMs = 60_000;
const workers = 4;

export class SimTerm {
  readonly queue: WorkQueue<FarmKey>;
  readonly #reconciler: Reconciler;
  readonly #workers: Workers;

  constructor(options: SimTermOptions) {
    const { clock, log, mayWrite, identity } = options;
    this.queue = new WorkQueue<FarmKey>({ clock, random: () => 0.5 });
    const reconciler = createReconciler({
      ...{ clock, log, metrics: silentMetrics, identity, version: "simulated", resyncMs, readOnly: options.readOnly },
      cluster: guardedCluster(options.cluster, mayWrite),
      databases: guardedDatabases(options.databases, mayWrite),
    });
    this.#reconciler = reconciler;
    this.#workers = startWorkers<FarmKey>({
      ...{ queue: this.queue, count: workers, clock, log, passTimeoutMs, metrics: silentMetrics },
      reconcile: (key, signal) => {
        options.onPass();
        return reconciler.reconcile(key, signal);
      },
    });
    for (const key of options.keys) this.add(key, "background");
  }

  add(key: FarmKey, priority?: Priority): void {
    this.queue.add(key, priority);
  }

  /** A pod changed: adds the farms to which that may matter. */
  podChanged(namespace: string, before: Pod | undefined, after: Pod | undefined): void {
    for (const key of this.#reconciler.farmsFor(namespace, before, after)) this.add(key);
  }

  /** Resolves when no pass is under way. */
  async end(graceMs: number): Promise<void> {
    await this.#workers.stop({ graceMs });
  }
}

const ignore = (): void => undefined;
/** Nobody looks at the numbers of a simulated process. */
const silentMetrics = {
  ...{ registered: ignore, removed: ignore, gateOpened: ignore, farm: ignore, forget: ignore },
  ...{ workersStarted: ignore, passStarted: ignore, passEnded: ignore, passTimedOut: ignore, passPanicked: ignore },
};
