// What must be true of the WebFarm and of the pod whenever an operator writes a row: that the farm ever let it, that it held the WebFarm by
// its finalizer first, and that the mark is that of a pod which was bound, of that name, in that namespace. Shares no code with operator/.

import { isBeyondThisVersion } from "./beyond.ts";
import type { FarmHistory } from "./farmHistory.ts";
import type { FarmObject, RowObject, WallMs, Writer } from "./objects.ts";
import type { PodRecord } from "./truth.ts";

export type OperatorWriter = Extract<Writer, { readonly kind: "operator" }>;
export type Deed = "insert" | "mark" | "remove";

const finalizer = "webfarm.dev/servers";

/** Caches lag without limit, so it is enough that some version of the WebFarm let it before it was sent. */
export const wasEverAllowed = (farm: FarmHistory, deed: Deed, sentAtMs: WallMs): boolean =>
  farm.everWas(sentAtMs, (version) => isAllowed(version, deed));

function isAllowed({ spec }: FarmObject, deed: Deed): boolean {
  if (spec.suspend === true || isBeyondThisVersion(spec) || spec.policy === "Observe") return false;
  return deed !== "remove" || spec.policy === "Sync";
}

export const wasEverHeld = (farm: FarmHistory, sentAtMs: WallMs): boolean =>
  farm.everWas(sentAtMs, ({ finalizers }) => finalizers.includes(finalizer));

/** Why the row cannot be that pod's; undefined: it can. */
export function notThatPods(row: RowObject, pod: PodRecord | undefined, by: OperatorWriter): string | undefined {
  if (pod === undefined) return "no pod has that mark";
  const { namespace, name } = pod.last;
  if (pod.cluster !== by.cluster || !by.farm.startsWith(`${namespace}/`)) return `pod ${name} (${pod.uid}) is of another namespace`;
  if (name !== row.name.toLowerCase()) return `pod ${name} (${pod.uid}) has another name`;
  return (pod.boundAtMs ?? Infinity) <= by.sentAtMs ? undefined : `pod ${name} (${pod.uid}) was not bound then`;
}
