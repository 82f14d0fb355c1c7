// Whether a pod's process is known to be over (promise 3). Only the kubelet's own terminal phase proves it; container statuses alone
// prove nothing, because a container about to restart reads "terminated".

import type { Pod } from "./model.ts";

/** With these reasons the control plane set the phase of a pod whose node it could not ask: the process may live. */
const guessedReasons: ReadonlySet<string> = new Set(["DeletionByPodGC", "DeletionByTaintManager"]);

export const phaseIsGuessed = (pod: Pod): boolean => pod.disruption !== undefined && guessedReasons.has(pod.disruption);

export const phaseIsTerminal = (pod: Pod): boolean => pod.phase === "Succeeded" || pod.phase === "Failed";

export function hasEnded(pod: Pod): boolean {
  if (pod.node === undefined && pod.deletionAtMs !== undefined) return true; // no kubelet ever had it
  return phaseIsTerminal(pod) && !pod.running && !phaseIsGuessed(pod);
}

/** Not ended, not terminating, and not in a terminal phase that somebody guessed. */
export const isAlive = (pod: Pod): boolean => !hasEnded(pod) && pod.deletionAtMs === undefined && !phaseIsTerminal(pod);
