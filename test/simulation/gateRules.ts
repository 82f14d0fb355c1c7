// When a readiness gate may be opened, and with which reason (promise 4). Shares no code with operator/.

import { isBeyondThisVersion } from "./beyond.ts";
import type { FarmHistory } from "./farmHistory.ts";
import type { FarmObject, GateOpening, WallMs } from "./objects.ts";

/** What the WebFarm must have said for a gate to open with this reason. */
const causes: Readonly<Record<string, (farm: FarmObject) => boolean>> = {
  Suspended: (farm) => farm.spec.suspend === true,
  Observe: (farm) => farm.spec.policy === "Observe" || isBeyondThisVersion(farm.spec),
  PolicyForbids: (farm) => farm.spec.policy === "CreateOnly" || farm.spec.policy === "UpsertOnly",
  Deleting: (farm) => farm.deletionAtMs !== undefined,
  ReadOnly: () => true,
};

export interface GateFacts {
  /** The WebFarms of its namespace that may have the pod. */
  readonly farms: readonly FarmHistory[];
  readonly boundAtMs: WallMs | undefined;
  /** A row with this pod's mark was committed at some time before. */
  readonly everRegistered: boolean;
}

export interface GateFault {
  readonly rule: "gateWithoutRow" | "gateTooEarly" | "gateWithoutCause";
  readonly text: string;
}

/** Undefined: it may be opened. */
export function gateFault({ atMs, pod, reason, by, sentAtMs }: GateOpening, facts: GateFacts): GateFault | undefined {
  const { farms, boundAtMs = Infinity, everRegistered } = facts;
  const deed = `${by} opened the gate of pod ${pod.name} (${pod.uid}) with reason ${reason}`;
  switch (reason) {
    case "Registered":
      return everRegistered ? undefined : { rule: "gateWithoutRow", text: `${deed}, which never had a row` };
    case "FailOpen": {
      const seconds = farms.flatMap(({ versions }) => versions.map(({ farm }) => farm.spec.readinessGate?.failOpenSeconds ?? 300));
      const dueMs = boundAtMs + Math.min(...seconds.filter((one) => one > 0)) * 1_000;
      return atMs < dueMs ? { rule: "gateTooEarly", text: `${deed} ${atMs - boundAtMs} ms after it was bound` } : undefined;
    }
    default: {
      const cause = causes[reason];
      const isCaused = cause !== undefined && farms.some((farm) => farm.everWas(sentAtMs, cause));
      return isCaused ? undefined : { rule: "gateWithoutCause", text: deed };
    }
  }
}
