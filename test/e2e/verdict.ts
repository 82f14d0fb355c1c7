// Whether the row of a pod might go when it went. It knows pods only by what podLives.ts keeps of them, and nothing of the operator's reasons.

import type { PodLife } from "./podLives.ts";

/** `outlived`: the process may have lived, but the wait that promise 3 gives it was over. */
export type Verdict = { readonly kind: "right" } | { readonly kind: "outlived" | "wrong"; readonly why: string };

/** What promise 3 adds to the grace period of a pod whose end nobody saw. */
const paddingMs = 10_000;
/** The run may learn so much later than the operator that an object has gone. */
const lagMs = 1_500;

/** `life`: of the pod whose mark the removed row carried; undefined where no pod ever had it. `atMs`: when the removal was committed. */
export function judgeRemoval(life: PodLife | undefined, atMs: number): Verdict {
  if (life === undefined) return { kind: "wrong", why: "no pod that was ever seen had this mark" };
  if (life.endedAtMs !== undefined) return { kind: "right" };
  if (life.goneAtMs === undefined) return { kind: "wrong", why: "its pod was there and had not ended" };
  if (!life.isBound) return { kind: "right" };
  const goneMs = atMs - life.goneAtMs;
  const since = `its pod's object had gone ${(goneMs / 1000).toFixed(1)} s before, its end was never seen`;
  if (goneMs + lagMs < life.graceMs)
    return { kind: "wrong", why: `${since}, and its grace period of ${life.graceMs / 1000} s was not over` };
  if (!life.isCutOff) return { kind: "right" };
  if (goneMs + lagMs < life.graceMs + paddingMs)
    return { kind: "wrong", why: `${since}, its kubelet was cut off, and its wait was not over` };
  return { kind: "outlived", why: `${since}, and its kubelet was cut off` };
}
