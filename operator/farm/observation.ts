// What one pass knows: the farm, each member and whether it is complete, the pods, the rows, and the time. Whatever could not be had
// is here as such, never as an empty list.

import type { Approval } from "./approval.ts";
import type { MarkIdentity } from "./mark.ts";
import type {
  DatabaseFacts,
  DatabaseProblem,
  FarmKey,
  LabelSelector,
  Milliseconds,
  PodUid,
  PodView,
  TableRead,
  WebFarm,
  WorkloadRead,
} from "./model.ts";

export interface MemberObservation {
  readonly name: string;
  readonly serverName: string; // template
  readonly url: string; // template
  /** For people: "Deployment shop", or "selector". */
  readonly workloadName: string;
  /** `selected`: the member has a selector of its own and needs no workload. */
  readonly workload: WorkloadRead | { readonly kind: "selected" };
  /** In force: the workload's or the member's own; the last one known while the workload cannot be read. Absent: never known. */
  readonly selector?: LabelSelector;
}

export type TableObservation =
  | { readonly kind: "read"; readonly read: TableRead; readonly facts: DatabaseFacts }
  | { readonly kind: "unavailable"; readonly problem: DatabaseProblem; readonly facts?: DatabaseFacts }
  /** A farm of which nothing is to be done in the database: no pods and no rows for long, or released at once. */
  | { readonly kind: "notAsked"; readonly facts?: DatabaseFacts };

/** A StatefulSet that wants pods of these names. */
export interface OrdinalRange {
  readonly name: string;
  readonly start: number;
  readonly count: number;
  /** Since then it cannot be read, and may want any of its names: an error is never "does not want". Monotonic. */
  readonly unreadSinceMs?: Milliseconds;
  readonly serverName?: string; // the member's template; absent: read as the controller of a pod
}

export interface Observation {
  readonly farm: WebFarm;
  readonly identity: MarkIdentity;
  readonly members: readonly MemberObservation[];
  readonly statefulSets: readonly OrdinalRange[];
  readonly pods: PodView;
  /** Pods that an older WebFarm selects too, and which. */
  readonly takenByOlder: ReadonlyMap<PodUid, FarmKey>;
  /** Pods of the workload of an older WebFarm, and of which: it could not be read yet. */
  readonly unreadOlders?: ReadonlyMap<PodUid, FarmKey>;
  readonly table: TableObservation;
  /** What a person has approved, as committed in the status. */
  readonly approval?: Approval;
  /** An older WebFarm of this namespace that has the same owner: its rows cannot be told from this farm's. */
  readonly ownerIdHolder?: FarmKey;
  /** WEBFARM_READ_ONLY */
  readonly readOnly: boolean;
  /** Monotonic. */
  readonly nowMs: Milliseconds;
}

/** A member whose pods may be inserted for: its workload was read and is there. */
export const isComplete = (member: MemberObservation): boolean => member.workload.kind === "found" || member.workload.kind === "selected";
