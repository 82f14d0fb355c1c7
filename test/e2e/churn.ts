// Makes pods come and go at random until it is told to stop: scaling, rolling restarts, deletions kind, hurried and by force, pods that crash,
// end, hang or lose their kubelet. It looks at no row and does not care what the operator makes of it.

import { setTimeout as pause } from "node:timers/promises";
import type { Api, Call } from "../bench/api.ts";
import { until } from "../world/until.ts";
import type { Chance } from "./chance.ts";
import type { Workload } from "./layout.ts";
import { behaveAnnotation, behaviourOf, hasTerminalPhase, isTerminating } from "./podLives.ts";
import type { PodObject } from "./podLives.ts";

export interface ChurnOptions {
  readonly api: Api;
  readonly namespace: string;
  readonly workloads: readonly Workload[];
  readonly chance: Chance;
  readonly pods: () => readonly PodObject[];
  /** Told before a pod is deleted by force. */
  readonly sendingAway: (pod: PodObject) => void;
}

export interface Churn {
  /** Ends it and brings everything back to how it was planted; resolves to how often each thing was done. */
  readonly calm: () => Promise<Readonly<Record<string, number>>>;
}

const behaviours = ["crash", "crash-loop", "complete", "fail", "evict", "hang", "unready", "node-lost"] as const;
const shortestPauseMs = 150;
const longestPauseMs = 900;

export function startChurn({ api, namespace, workloads, chance, pods, sendingAway }: ChurnOptions): Churn {
  const done: Record<string, number> = {};
  const total = workloads.reduce((sum, { replicas }) => sum + replicas, 0);
  const mostAtOnce = Math.max(2, Math.round(total / 25));
  let isStopped = false;
  let restarts = 0;

  const podPath = ({ metadata }: PodObject): string => `/api/v1/namespaces/${namespace}/pods/${metadata.name}`;
  const workloadPath = ({ kind, name }: Workload): string =>
    `/apis/apps/v1/namespaces/${namespace}/${kind === "Deployment" ? "deployments" : "statefulsets"}/${name}`;
  const patch = (path: string, body: unknown): Promise<void> => unlessGone(api, { method: "PATCH", path, body });
  const scale = (workload: Workload, replicas: number): Promise<void> => patch(`${workloadPath(workload)}/scale`, { spec: { replicas } });
  const behave = (pod: PodObject, behaviour: string | null): Promise<void> =>
    patch(podPath(pod), { metadata: { uid: pod.metadata.uid, annotations: { [behaveAnnotation]: behaviour } } });
  const remove = (pod: PodObject, graceSeconds?: number): Promise<void> => {
    if (graceSeconds === 0) sendingAway(pod);
    const preconditions = { uid: pod.metadata.uid };
    const body = { preconditions, ...(graceSeconds !== undefined && { gracePeriodSeconds: graceSeconds }) };
    return unlessGone(api, { method: "DELETE", path: podPath(pod), body });
  };
  const each = async (chosen: readonly PodObject[], act: (pod: PodObject) => Promise<void>): Promise<void> =>
    void (await Promise.all(chosen.map(act)));
  const some = (which: (pod: PodObject) => boolean): readonly PodObject[] =>
    chance.some(pods().filter(which), chance.between(1, mostAtOnce));

  const isFresh = (pod: PodObject): boolean => !isTerminating(pod) && !hasTerminalPhase(pod);
  const deeds: Readonly<Record<string, () => Promise<void>>> = {
    scaled: () => {
      const workload = chance.pick(workloads);
      return scale(workload, Math.ceil((workload.replicas * chance.between(50, 130)) / 100));
    },
    // Down and up again: names that nobody wants for a moment have another pod before their rows are old.
    flapped: async () => {
      const set = chance.pick(workloads.filter(({ kind }) => kind === "StatefulSet"));
      await scale(set, Math.ceil((set.replicas * chance.between(20, 80)) / 100));
      await pause(chance.between(shortestPauseMs, 2 * longestPauseMs));
      await scale(set, set.replicas);
    },
    restarted: () => {
      restarts += 1;
      const template = { metadata: { annotations: { "webfarm.test/restart": String(restarts) } } };
      return patch(workloadPath(chance.pick(workloads)), { spec: { template } });
    },
    deleted: () => each(some(isFresh), (pod) => remove(pod)),
    hurried: () => each(some(isFresh), (pod) => remove(pod, 1)),
    forced: () => each(some(isFresh), (pod) => remove(pod, 0)),
    spoiled: () =>
      each(
        some((pod) => isFresh(pod) && behaviourOf(pod) === undefined),
        (pod) => behave(pod, chance.pick(behaviours)),
      ),
    deletedSpoiled: () =>
      each(
        some((pod) => isFresh(pod) && behaviourOf(pod) !== undefined),
        (pod) => remove(pod),
      ),
    healed: () =>
      each(
        some((pod) => behaviourOf(pod) !== undefined && behaviourOf(pod) !== "node-lost"),
        (pod) => behave(pod, null),
      ),
    forcedLost: () =>
      each(
        some((pod) => isTerminating(pod) && behaviourOf(pod) === "node-lost"),
        (pod) => remove(pod, 0),
      ),
    clearedEnded: () =>
      each(
        some((pod) => hasTerminalPhase(pod) && !isTerminating(pod)),
        (pod) => remove(pod),
      ),
  };
  /** Some deeds more often than others. */
  const bag = [...Object.keys(deeds), "scaled", "flapped", "flapped", "deleted", "spoiled"];

  async function run(): Promise<void> {
    while (!isStopped) {
      const deed = chance.pick(bag);
      await deeds[deed]?.();
      done[deed] = (done[deed] ?? 0) + 1;
      await pause(chance.between(shortestPauseMs, longestPauseMs));
    }
  }

  const running = run();
  running.catch(() => undefined); // told by calm
  return {
    calm: async () => {
      isStopped = true;
      await running;
      for (const workload of workloads) await scale(workload, workload.replicas);
      const isCalm = async (): Promise<boolean> => {
        const spoiled = pods().filter((pod) => isSpoiled(pod, workloads));
        await each(spoiled, (pod) => (behaviourOf(pod) === "node-lost" ? remove(pod, 0) : behave(pod, null)));
        return spoiled.length === 0 && !pods().some(isTerminating);
      };
      await until("no pod is spoiled or on its way", isCalm, { timeoutMs: 240_000 });
      return done;
    },
  };
}

/** Behaves otherwise than its workload says. */
function isSpoiled(pod: PodObject, workloads: readonly Workload[]): boolean {
  const workload = workloads.find(({ name }) => name === pod.metadata.labels?.["app"]);
  return behaviourOf(pod) !== undefined && behaviourOf(pod) !== workload?.annotations[behaveAnnotation];
}

/** A pod that has gone meanwhile, or that is another one by now, needs nothing done. */
async function unlessGone(api: Api, call: Call): Promise<void> {
  await api.text(call).catch((error: unknown) => {
    if (!/: (404|409|422) /.test(String(error))) throw error;
  });
}
