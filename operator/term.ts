// What a process has only while it may write: the queue, the workers, the reconciler and the databases. A term begins with an empty memory
// (waits count from acquiring the lease) and ends with no pass under way and all connections closed; a login that a dead server holds up is
// left to its time-out, and closed should it come to stand. It knows nothing of how leaders are elected.

import type { Config } from "./config.ts";
import type { Clock } from "./controller/clock.ts";
import type { Logger } from "./controller/logger.ts";
import type { Random } from "./controller/random.ts";
import { startWorkers } from "./controller/workers.ts";
import { type Priority, WorkQueue } from "./controller/workQueue.ts";
import type { MayWrite } from "./controller/mayWrite.ts";
import type { FarmKey, Pod } from "./farm/model.ts";
import type { Metrics } from "./observability/metrics.ts";
import { guardedCluster, guardedDatabases } from "./pass/guard.ts";
import type { Cluster } from "./pass/ports.ts";
import { createReconciler } from "./reconcile.ts";
import type { TokenSource } from "./sqlserver/entra.ts";
import { openDatabases } from "./sqlserver/servers.ts";

export interface TermOptions {
  readonly config: Config;
  readonly cluster: Cluster;
  readonly tokens: TokenSource;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly version: string;
  readonly identity: string;
  readonly mayWrite: MayWrite;
  /** The farms that are known when it begins. */
  readonly keys: readonly FarmKey[];
}

export interface Term {
  add(key: FarmKey, priority?: Priority): void;
  /** A pod changed: adds the farms to which that may matter. */
  podChanged(namespace: string, before: Pod | undefined, after: Pod | undefined): void;
  /**
   * Takes no more keys, lets running passes end (those that still run after `graceMs` are aborted), closes the databases. A second, shorter
   * call hastens the first.
   */
  end(options: { readonly graceMs: number }): Promise<void>;
}

const passTimeoutMs = 60_000;
/** Workers that databases which do not answer never hold up. */
const workersForOthers = 2;

export function beginTerm(options: TermOptions): Term {
  const { config, clock, random, log, metrics, mayWrite } = options;
  const queue = new WorkQueue<FarmKey>({ clock, random, metrics: metrics.queue("webfarm") });
  const databases = openDatabases({
    ...{ clock, log, mayWrite, tokens: options.tokens, allowedHosts: config.allowedDatabaseHosts },
    mostProbes: Math.max(1, config.workers - workersForOthers),
    metrics: metrics.sql,
  });
  const reconciler = createReconciler({
    ...{ clock, log, metrics: metrics.farms, identity: options.identity, version: options.version },
    cluster: guardedCluster(options.cluster, mayWrite),
    databases: guardedDatabases(databases, mayWrite),
    resyncMs: config.resyncSeconds * 1000,
    readOnly: config.readOnly,
  });
  const workers = startWorkers<FarmKey>({
    ...{ queue, count: config.workers, clock, log, passTimeoutMs, metrics: metrics.workers("webfarm") },
    reconcile: (key, signal) => reconciler.reconcile(key, signal),
    describe: (key) => ({ farm: key }),
  });
  for (const key of options.keys) queue.add(key, "background");
  return {
    add: (key, priority) => queue.add(key, priority),
    podChanged: (namespace, before, after) => {
      for (const key of reconciler.farmsFor(namespace, before, after)) queue.add(key);
    },
    end: async ({ graceMs }) => {
      await workers.stop({ graceMs });
      await databases.close();
      metrics.farms.forgetAll();
    },
  };
}
