// Whether a change of a WebFarm is anything to act on. It decides nothing else about farms.

import type { WebFarm } from "./model.ts";

/** Our own status writes come back as changes too; they are nothing to act on. */
export function isOfInterest(before: WebFarm | undefined, after: WebFarm | undefined): boolean {
  if (before === undefined || after === undefined) return true;
  return (
    before.generation !== after.generation ||
    before.deletionAtMs !== after.deletionAtMs ||
    before.finalizers.join() !== after.finalizers.join() ||
    JSON.stringify(before.annotations) !== JSON.stringify(after.annotations)
  );
}
