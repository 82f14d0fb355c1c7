// A pod that two WebFarms select is the older one's (section 4): the younger writes no row for it and opens no gate. Caches and reads of
// workloads lag, so only what cannot have looked different to anybody is reported. Shares no code with operator/.

import { workloadKey } from "./apiServer.ts";
import type { FarmHistory } from "./farmHistory.ts";
import type { FarmMember, FarmObject, WallMs, WorkloadObject } from "./objects.ts";
import type { PodRecord, Truth } from "./truth.ts";

/** A resync, after which a workload is read anew. */
const lagMs = 31_000;

export interface OlderQuestion {
  readonly pod: PodRecord;
  /** When the younger one sent it. */
  readonly sentAtMs: WallMs;
  /** All WebFarms that ever were in the pod's cluster, by cluster, namespace and name. */
  readonly histories: ReadonlyMap<string, FarmHistory>;
}

/** The WebFarm that has had the pod before `younger` in every view of it since the pod was made; undefined: there may be none. */
export function olderFarmOf(truth: Truth, younger: FarmObject, { pod, sentAtMs, histories }: OlderQuestion): FarmObject | undefined {
  const cluster = truth.cluster(pod.cluster);
  const { namespace } = pod.last;
  if (cluster.restores > 0 || pod.wasReassigned) return undefined;
  return [...cluster.api.farms.values()].find((farm) => {
    if (farm.namespace !== namespace || farm.createdAtMs >= younger.createdAtMs) return false;
    const versions = histories.get(`${pod.cluster}/${namespace}/${farm.name}`)?.versions ?? [];
    const selects = farm.spec.members.some((member) => hasSelected(truth, member, { pod, sentAtMs }));
    const isSame = versions.every(
      (one) => JSON.stringify(one.farm.spec.members) === JSON.stringify(farm.spec.members) && one.farm.deletionAtMs === undefined,
    );
    // Whoever sees the younger one has been shown the older one by the same watch.
    return selects && isSame && (versions[0]?.atMs ?? Infinity) < younger.createdAtMs && farm.uid === versions[0]?.farm.uid;
  });
}

/** A workload that made the pod and is still there has selected it all the time, as a selector cannot be changed; and everybody has read it. */
function hasSelected(truth: Truth, { selector, workloadRef }: FarmMember, { pod, sentAtMs }: Omit<OlderQuestion, "histories">): boolean {
  const { cluster, last } = pod;
  const { kind, name } = workloadRef ?? {};
  const workload =
    kind === "Deployment" || kind === "StatefulSet"
      ? truth.cluster(cluster).api.workloads.get(workloadKey(last.namespace, kind, name ?? ""))
      : undefined;
  const isKnown = workload !== undefined && workload.uid === last.controller?.uid && sentAtMs - madeByMs(truth, workload) >= lagMs;
  const labels = selector?.matchLabels ?? (isKnown ? workload.labels : undefined);
  return labels !== undefined && Object.entries(labels).every(([key, value]) => last.labels[key] === value);
}

/** The workload was there when its first pod was made. */
function madeByMs(truth: Truth, { uid }: WorkloadObject): WallMs {
  const pods = [...truth.records.values()].filter(({ last }) => last.controller?.uid === uid);
  return Math.min(...pods.map(({ last }) => last.createdAtMs));
}
