// The election of this process on the Lease of the API server, with a client of its own: renewals must not wait behind the requests of busy
// passes. It decides nothing about who leads (controller/election.ts does) or what a leader does.

import type { Config } from "./config.ts";
import type { Clock } from "./controller/clock.ts";
import { createElection, type Election } from "./controller/election.ts";
import type { Logger } from "./controller/logger.ts";
import type { Random } from "./controller/random.ts";
import { createClient } from "./kubernetes/client.ts";
import type { KubeConfigSource } from "./kubernetes/credentials.ts";
import { createLeaseStore, leaseName } from "./kubernetes/leases.ts";
import type { Metrics } from "./observability/metrics.ts";

export interface LeadershipOptions {
  readonly config: Config;
  readonly kubeConfig: KubeConfigSource;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly version: string;
  /** Unique to this process. */
  readonly identity: string;
}

/** Called when a term begins and when one ended that nobody wanted to end. */
export interface Terms {
  begin(mayWrite: () => boolean): void;
  /** Resolves when nothing of the term is under way any more. */
  end(): Promise<void>;
}

/** Where the Lease lives; undefined: nothing says so. */
export const leaseNamespaceOf = (config: Config, kubeConfig: KubeConfigSource): string | undefined =>
  config.leaseNamespace ?? kubeConfig.namespace;

export const noLeaseNamespace =
  "WEBFARM_LEASE_NAMESPACE: must be set where neither a pod nor the kubeconfig's context says in which namespace the Lease " +
  `${leaseName} lives (or set WEBFARM_LEADER_ELECTION=false and run a single process)`;

/** Not started yet. Throws where nothing says in which namespace the Lease lives. */
export async function openElection(options: LeadershipOptions, terms: Terms): Promise<Election> {
  const { config, kubeConfig, clock, random, metrics, version, identity } = options;
  const namespace = leaseNamespaceOf(config, kubeConfig);
  if (namespace === undefined) throw new Error(noLeaseNamespace);
  const api = await createClient({ source: kubeConfig, clock, userAgent: `webfarm-operator/${version} leader-election` });
  const log = options.log.child({ lease: `${namespace}/${leaseName}`, identity });
  const election = createElection({
    ...{ clock, random, identity, log },
    store: createLeaseStore({ api, clock, random, log, metrics: metrics.watches, namespace }),
    metrics: metrics.election(leaseName),
    onAcquired: () => terms.begin(() => election.isHeld()),
    onLost: () => terms.end(),
  });
  return {
    start: () => election.start(),
    isHeld: () => election.isHeld(),
    isAlive: () => election.isAlive(),
    stop: async (drain) => {
      try {
        await election.stop(drain);
      } finally {
        await api.close();
      }
    },
  };
}
