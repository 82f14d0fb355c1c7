// Which pods are those of a workload that could not be read since this process leads: its selector is not known, and an error is never
// "does not select". A pod says who controls it, and a controller is named after what made it; so without a read it can be told of the pods
// of built-in workloads that they surely are. Of others only that they surely are not. It decides nothing about rows or gates.

import type { Pod } from "./model.ts";
import type { MemberObservation } from "./observation.ts";
import type { WebFarmSpec, WorkloadRef } from "./resource.generated.ts";

/** The API server did answer, and what it said has no pods before a person changes something. */
const answers: ReadonlySet<string> = new Set(["KindNotFound", "KindNotScalable", "EmptySelector", "InvalidSelector"]);

/** Nobody knows which pods it selects: it could not be read, and never was. */
export const isUnknown = ({ workload, selector }: MemberObservation): boolean => workload.kind === "unknown" && selector === undefined;

/** Of those, one that was not answered: as soon as it can be read it may have pods that others would take meanwhile. */
export const isUnanswered = (member: MemberObservation): boolean =>
  isUnknown(member) && member.workload.kind === "unknown" && !answers.has(member.workload.reason);

/** The workloads that these members name. */
export function workloadRefs({ members }: Pick<WebFarmSpec, "members">, of: readonly MemberObservation[]): readonly WorkloadRef[] {
  const names = new Set(of.map(({ name }) => name));
  return members.flatMap(({ name, workloadRef }) => (names.has(name) ? (workloadRef ?? []) : []));
}

/** What a Deployment adds to its name for its ReplicaSets: letters that make no words. */
const replicaSetSuffix = /^-[bcdfghjklmnpqrstvwxz2456789]+$/;

/** The pod's controller says that it is a pod of this workload. */
export function isSurelyOf({ controller }: Pod, { apiVersion, kind, name }: WorkloadRef): boolean {
  if (controller === undefined) return false;
  if (apiVersion === "apps/v1" && kind === "Deployment")
    return isReplicaSet(controller) && controller.name.startsWith(name) && replicaSetSuffix.test(controller.name.slice(name.length));
  return controller.apiVersion === apiVersion && controller.kind === kind && controller.name === name;
}

/**
 * False: surely not. What stands between a kind that is not built in and its pods is named as it likes, but after it; and a pod without a
 * controller may be anybody's.
 */
export function mayBeOf(pod: Pod, ref: WorkloadRef): boolean {
  const { controller } = pod;
  if (controller === undefined || isSurelyOf(pod, ref)) return true;
  if (ref.apiVersion === "apps/v1" || controller.kind === ref.kind) return false;
  return controller.name === ref.name || controller.name.startsWith(`${ref.name}-`);
}

const isReplicaSet = ({ apiVersion, kind }: NonNullable<Pod["controller"]>): boolean => apiVersion === "apps/v1" && kind === "ReplicaSet";
