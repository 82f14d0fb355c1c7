// Which WebFarms ask for more than this version of the operator knows or does: those it only observes (promise 10). Shares no code with
// operator/.

import type { FarmSpec } from "./objects.ts";

const policies: ReadonlySet<string> = new Set(["Observe", "CreateOnly", "UpsertOnly", "Sync"]);

export const isBeyondThisVersion = (spec: FarmSpec): boolean => "fieldOfNextYear" in spec || !policies.has(spec.policy);
