// How many pods a farm's workloads want, as far as they can be read. It reads nothing and decides nothing.

import type { MemberObservation } from "./observation.ts";

export interface WantedPods {
  readonly count: number;
  /** Each workload says how many: who cannot say how many pods there should be cannot call a view right. */
  readonly isSure: boolean;
}

/** A selector alone wants none, and neither does a workload that is not there. */
export function wantedPods(members: readonly MemberObservation[]): WantedPods {
  const counts = members.map(({ workload }) =>
    workload.kind === "found" ? workload.replicas : workload.kind === "unknown" ? undefined : 0,
  );
  return { count: counts.reduce<number>((sum, count) => sum + (count ?? 0), 0), isSure: !counts.includes(undefined) };
}
