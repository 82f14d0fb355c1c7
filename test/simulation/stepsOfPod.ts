// Steps about one pod: what people and the control plane do to its object, and what becomes of its process.

import { named } from "./names.ts";
import type { Deeds, Place } from "./applyStep.ts";
import { becomeReady, bind, crash, deletePod, exit, reap, restart, start } from "./kubelet.ts";
import type { PodObject } from "./objects.ts";
import { isLive } from "./truth.ts";
import type { PodRecord } from "./truth.ts";
import { controllerOf } from "./workloads.ts";
import { Inapplicable } from "./inapplicable.ts";

type Kinds =
  | `pod${"Bound" | "Starts" | "Ready" | "Stops" | "Deleted" | "ForceDeleted" | "ForceDeletedAlive" | "Deaf"}`
  | `pod${"Evicted" | "Completes" | "ObjectRemoved" | "Relabelled"}`
  | "processEnds"
  | "oldProcessEnds"
  | `container${"Crashes" | "Restarts"}`;

export const stepsOfPod: Deeds<Kinds> = {
  podBound: (place, { pod, node }) => {
    const record = storedPod(place, pod);
    if (record.last.node !== undefined) throw new Inapplicable(`Pod ${pod} is bound`);
    bind(place.truth, record, node);
  },
  podStarts: (place, { pod, node }) => {
    const record = storedPod(place, pod);
    if (record.process.startedAtMs !== undefined || record.last.deletionAtMs !== undefined)
      throw new Inapplicable(`Pod ${pod} has started`);
    if (record.last.node !== undefined && record.last.node !== node) throw new Inapplicable(`Pod ${pod} is on ${record.last.node}`);
    if (record.last.node === undefined) bind(place.truth, record, node);
    if (!place.truth.isReachable(record)) throw new Inapplicable(`Node ${node} is cut off`);
    start(place.truth, record);
  },
  podReady: (place, { pod }) => becomeReady(place.truth, livePod(place, pod)),
  podStops: (place, { pod, duration }) => void (storedPod(place, pod).stopMs = duration),
  podDeleted: (place, { pod }) => deletePod(place.truth, storedPod(place, pod), "graceful"),
  podForceDeleted: (place, { pod }) => deletePod(place.truth, storedPod(place, pod), "force"),
  podForceDeletedAlive: (place, { pod }) => {
    const record = storedPod(place, pod);
    record.isDeaf = true;
    deletePod(place.truth, record, "force");
  },
  podDeaf: (place, { pod }) => void (livePod(place, pod).isDeaf = true),
  processEnds: (place, { pod }) => exit(place.truth, livePod(place, pod), "Failed"),
  oldProcessEnds: (place, { pod }) => {
    const old = recordsNamed(place, pod).find((record) => isLive(record) && !record.isStored);
    if (old === undefined) throw new Inapplicable(`No old process of pod ${pod} lives`);
    exit(place.truth, old, "Failed");
  },
  podEvicted: (place, { pod }) => {
    const record = storedPod(place, pod);
    exit(place.truth, livePod(place, pod), "Failed");
    const now = place.truth.stored(record);
    if (now !== undefined) put(place, { ...now, disruption: "TerminationByKubelet" });
  },
  podCompletes: (place, { pod }) => {
    storedPod(place, pod);
    exit(place.truth, livePod(place, pod), "Succeeded");
  },
  containerCrashes: (place, { pod }) => crash(place.truth, livePod(place, pod)),
  containerRestarts: (place, { pod }) => {
    const record = livePod(place, pod);
    if (!record.process.restarting) throw new Inapplicable(`The container of pod ${pod} runs`);
    restart(place.truth, record);
  },
  podObjectRemoved: (place, { pod }) => {
    const record = storedPod(place, pod);
    if (record.last.deletionAtMs === undefined || isLive(record)) throw new Inapplicable(`Pod ${pod} has not ended`);
    reap(place.truth, record);
  },
  podRelabelled: (place, { pod, label }) => {
    put(place, owned(place, { ...storedPod(place, pod).last, labels: { app: label } }));
  },
};

/** Controllers let go of pods that they do not select any more, and take those that they select and nobody has. */
function owned({ in: { api } }: Place, { controller: before, ...pod }: PodObject): PodObject {
  const owner = [...api.workloads.values()].find(
    ({ namespace, labels }) => namespace === pod.namespace && labels["app"] === pod.labels["app"],
  );
  if (owner === undefined) return pod;
  return { ...pod, controller: before?.uid === owner.uid ? before : controllerOf(owner) };
}

function put({ in: { api } }: Place, pod: PodObject): void {
  api.putPod(pod);
}

/** Of every pod that ever had the name, oldest first. */
function recordsNamed({ truth, cluster }: Place, text: string): readonly PodRecord[] {
  const { namespace, name } = named(text);
  return [...truth.records.values()].filter(
    (record) => record.cluster === cluster && record.last.name === name && record.last.namespace === namespace,
  );
}

/** The pod of that name that the API server has. */
function storedPod(place: Place, text: string): PodRecord {
  const found = recordsNamed(place, text).find(({ isStored }) => isStored);
  if (found === undefined) throw new Inapplicable(`There is no pod ${text}`);
  return found;
}

/** The pod of that name whose process lives: the one that the API server has, else the newest. */
function livePod(place: Place, text: string): PodRecord {
  const living = recordsNamed(place, text).filter(isLive);
  const found = living.find(({ isStored }) => isStored) ?? living.at(-1);
  if (found === undefined) throw new Inapplicable(`No process of pod ${text} lives`);
  return found;
}
