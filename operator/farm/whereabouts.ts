// Where the pod is for which a row was made, as far as this process saw. It decides nothing about the row.

import { hasEnded, isAlive, phaseIsTerminal } from "./hasEnded.ts";
import type { Pod, PodHash, SeenPod } from "./model.ts";
import type { Observation } from "./observation.ts";

/** Where the pod is for which a row was made. */
export type Whereabouts =
  | { readonly kind: "alive" | "draining"; readonly pod: Pod }
  | { readonly kind: "ended"; readonly pod: Pod }
  /** Not to be seen, its end unseen; `last` is its last state, if this process ever saw it. */
  | { readonly kind: "missing"; readonly last?: SeenPod };

export function whereabouts(hash: PodHash, { pods }: Pick<Observation, "pods">): Whereabouts {
  const seen = pods.seen(hash);
  if (seen === undefined) return { kind: "missing" };
  // The last state of a pod that is gone says nothing by itself: the store may have gone back to a time before that end.
  if (!isTakenBack(seen.pod) && (seen.ended || (seen.presence === "present" && hasEnded(seen.pod))))
    return { kind: "ended", pod: seen.pod };
  if (seen.presence !== "present") return { kind: "missing", last: seen };
  return { kind: isAlive(seen.pod) ? "alive" : "draining", pod: seen.pod };
}

/**
 * A row is made for a pod that is bound. One that is not bound was taken back with its store, and its process may live, unless the kubelet
 * that has it says since that it ended; of a terminating one that is not bound the garbage collector says so too.
 */
export const isTakenBack = (pod: Pod): boolean => pod.node === undefined && (pod.deletionAtMs !== undefined || !phaseIsTerminal(pod));
