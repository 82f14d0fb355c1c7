// Puts the parts together: caches that are warm in every process, an election, and while this process leads a term that works on what the
// caches say. It decides nothing about farms and reads nothing of the process; main.ts gives it configuration, clock and log.

import type { Clock } from "./controller/clock.ts";
import { isOfInterest } from "./farm/interest.ts";
import type { WebFarm } from "./farm/model.ts";
import { createClient } from "./kubernetes/client.ts";
import type { KubernetesApi } from "./kubernetes/client.ts";
import { createEvents, farmRef, podRef } from "./kubernetes/events.ts";
import type { Events } from "./kubernetes/events.ts";
import { createFarms } from "./kubernetes/farms.ts";
import type { Farms } from "./kubernetes/farms.ts";
import { addFinalizer, liveFarm, patchStatus, removeFinalizer } from "./kubernetes/farmWrites.ts";
import { openGate } from "./kubernetes/gate.ts";
import { livePod, livePods } from "./kubernetes/livePods.ts";
import { createPods } from "./kubernetes/pods.ts";
import type { Pods } from "./kubernetes/pods.ts";
import { createNamespaces, type Namespaces } from "./kubernetes/namespaces.ts";
import { readConfigMap, readSecret } from "./kubernetes/secrets.ts";
import { readServiceAccount, requestToken } from "./kubernetes/serviceAccountTokens.ts";
import { createWorkloads } from "./kubernetes/workloads.ts";
import { openElection, type LeadershipOptions } from "./leadership.ts";
import { serveHealth } from "./observability/health.ts";
import type { Cluster } from "./pass/ports.ts";
import { createTokenSource } from "./sqlserver/entra.ts";
import { beginTerm, type Term } from "./term.ts";

export type OperatorOptions = LeadershipOptions;

export interface Operator {
  /** Where /livez, /readyz and /metrics are. */
  readonly port: number;
  /** Ends the passes under way (waiting for them at most a few seconds), then everything else. */
  stop(): Promise<void>;
}

const stopGraceMs = 5_000;

export async function startOperator(options: OperatorOptions): Promise<Operator> {
  const { config, clock, random, log, metrics, version, identity } = options;
  const api = await createClient({ source: options.kubeConfig, clock, userAgent: `webfarm-operator/${version}` });
  let term: Term | undefined;
  const addAll = (farms: readonly WebFarm[]): void => {
    for (const { key } of farms) term?.add(key, "background");
  };

  const pods = createPods({
    ...{ api, clock, random, log, metrics: metrics.watches },
    onChange: (before, after) => term?.podChanged((after ?? before)?.namespace ?? "", before, after),
    onSynced: (namespace) => addAll(farms.all().filter((farm) => farm.namespace === namespace)),
  });
  const followPods = (): void =>
    pods.follow(new Set(farms.all().flatMap(({ namespace }) => (farms.isSynced(namespace) ? [namespace] : []))));
  const farms = createFarms({
    ...{ api, clock, random, log, metrics: metrics.watches, namespaces: config.namespaces },
    onChange: (before, after) => {
      const farm = after ?? before;
      if (farm === undefined || !isOfInterest(before, after)) return;
      followPods();
      if (after === undefined) namespaces.forget(farm);
      term?.add(farm.key);
      addAll(farms.all().filter(({ namespace }) => namespace === farm.namespace)); // pods may be another farm's now
    },
    onSynced: () => {
      followPods();
      addAll(farms.all());
    },
  });
  const namespaces = createNamespaces(api);
  const events = createEvents({ api, clock, log, metrics: eventMetrics, reportingInstance: identity });
  const cluster = clusterOf({ api, clock, farms, pods, events, namespaces });

  const tokens = createTokenSource({ clock, authority: config.azureAuthorityHost, accountToken: (account) => requestToken(api, account) });

  const begin = (mayWrite: () => boolean): void => {
    const keys = farms.all().map(({ key }) => key);
    term = beginTerm({ config, cluster, tokens, clock, random, log, metrics, version, identity, mayWrite, keys });
  };
  const end = async (graceMs: number): Promise<void> => {
    await term?.end({ graceMs });
    term = undefined;
  };
  const election = config.leaderElection ? await openElection(options, { begin, end: () => end(0) }) : undefined;
  farms.start();
  const health = await serveHealth({
    ...{ address: config.httpAddress, metrics, notReady: () => notReady(farms, pods) },
    notLive: () => (election?.isAlive() === false ? ["the election has ended by a mistake in the program"] : []),
    onError: (error) => log.warn("Could not answer a request for health or metrics", { error }),
  });
  log.info("The operator runs", {
    version,
    identity,
    port: health.address.port,
    namespaces: config.namespaces.length === 0 ? "all" : config.namespaces,
    leaderElection: config.leaderElection,
    readOnly: config.readOnly,
  });
  if (election === undefined) begin(() => true);
  else election.start();
  return {
    port: health.address.port,
    stop: async () => {
      await (election === undefined ? end(stopGraceMs) : election.stop(() => end(stopGraceMs)));
      await Promise.all([farms.stop(), pods.stop(), events.stop()]);
      await health.close();
      await api.close();
      log.info("The operator has stopped", { identity });
    },
  };
}

/** Events are for people and never hold anything up; how many were written shows in the API server. */
const eventMetrics = { written: () => undefined, failed: () => undefined, dropped: () => undefined };

function notReady(farms: Farms, pods: Pods): readonly string[] {
  const unsynced = [...new Set(farms.all().map(({ namespace }) => namespace))].filter((namespace) => !pods.view(namespace).synced);
  return [
    ...(farms.synced ? [] : ["the WebFarms are not all known yet"]),
    ...unsynced.map((namespace) => `the pods of namespace ${namespace} are not all known yet`),
    ...[...farms.failures(), ...pods.failures()].map(({ resource, message }) => `${resource}: ${message}`),
  ];
}

interface ClusterParts {
  readonly api: KubernetesApi;
  readonly clock: Clock;
  readonly farms: Farms;
  readonly pods: Pods;
  readonly events: Events;
  readonly namespaces: Namespaces;
}

function clusterOf({ api, clock, farms, pods, events, namespaces }: ClusterParts): Cluster {
  const workloads = createWorkloads({ api });
  return {
    farm: (key) => farms.get(key),
    farmsIn: (namespace) => farms.all().filter((farm) => farm.namespace === namespace),
    pods: (namespace) => pods.view(namespace),
    isSynced: (namespace) => farms.isSynced(namespace) && pods.view(namespace).synced,
    namespaceUid: (farm, signal) => namespaces.uid(farm, signal),
    readWorkload: (query) => workloads.read(query),
    readSecret: (name) => readSecret(api, name),
    readConfigMap: (name) => readConfigMap(api, name),
    readServiceAccount: (name) => readServiceAccount(api, name),
    liveFarm: (name) => liveFarm(api, name),
    livePod: (name) => livePod(api, name),
    livePods: (query) => livePods(api, query),
    openGate: ({ pod, reason, message }, signal) => openGate(api, { pod, reason, message, atMs: clock.now(), signal }),
    patchStatus: (farm, status, signal) => patchStatus(api, farm, status, signal),
    addFinalizer: (farm, signal) => addFinalizer(api, farm, signal),
    removeFinalizer: (farm, signal) => removeFinalizer(api, farm, signal),
    record: ({ farm, pod, type, reason, action, note }) =>
      events.record({
        regarding: pod === undefined ? farmRef(farm) : podRef(pod),
        ...(pod !== undefined && { related: farmRef(farm) }),
        type,
        reason,
        action,
        note,
      }),
  };
}
