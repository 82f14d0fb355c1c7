// Which pods may be those of a workload that could not be read since this process leads: its selector is not known, and an error is never
// "does not select". A pod says who controls it, and a controller is named after what made it; so it can be told without a read that a pod
// is surely another workload's. It decides nothing about rows or gates.

import type { Pod } from "./model.ts";
import type { MemberObservation } from "./observation.ts";
import type { WorkloadRef } from "./resource.generated.ts";

/** The API server did answer, and what it said has no pods before a person changes something. */
const answers: ReadonlySet<string> = new Set(["KindNotFound", "KindNotScalable", "EmptySelector", "InvalidSelector"]);

/** Nobody knows which pods it selects: it could not be read, and never was. */
export const isUnknown = ({ workload, selector }: MemberObservation): boolean => workload.kind === "unknown" && selector === undefined;

/** Of those, one that was not answered: as soon as it can be read it may have pods that others would take meanwhile. */
export const isUnanswered = (member: MemberObservation): boolean =>
  isUnknown(member) && member.workload.kind === "unknown" && !answers.has(member.workload.reason);

/** What a Deployment adds to its name for its ReplicaSets: letters that make no words. */
const replicaSetSuffix = /^(-[bcdfghjklmnpqrstvwxz2456789]+)?$/;

/** False: surely not. A pod without a controller may be anybody's who has the readiness gate in his template. */
export function mayBeOf(pod: Pod, ref: WorkloadRef): boolean {
  const { controller } = pod;
  if (controller === undefined) return pod.gate !== "absent";
  const suffix = controller.name.startsWith(ref.name) ? controller.name.slice(ref.name.length) : undefined;
  if (suffix === undefined) return false;
  const isReplicaSet = controller.apiVersion === "apps/v1" && controller.kind === "ReplicaSet";
  if (controller.kind === ref.kind) return suffix === "";
  if (ref.apiVersion === "apps/v1" && ref.kind !== "Deployment") return false;
  if (isReplicaSet) return replicaSetSuffix.test(suffix);
  // What stands between a kind that is not built in and its pods is named as it likes, but after it.
  return ref.apiVersion !== "apps/v1" && (suffix === "" || suffix.startsWith("-"));
}
