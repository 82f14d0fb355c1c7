// Which readiness gates open in this pass, and why (promise 4). A gate opens once and is never taken back, and never because of another
// pod's row: only a row with this very pod's mark says that the application will find its own. Where the application registers itself, that is
// the one row that matches the pod's server name and no other living pod's (inventory.ts), also if a pod before it left it there: content
// changes make tasks for that row from now on, and the pod's process fetches them when it runs.

import type { ClaimedPod } from "./desired.ts";
import { wantsRow } from "./desired.ts";
import { podsWithRows } from "./mark.ts";
import type { FarmMemory } from "./memory.ts";
import type { Milliseconds, Pod, PodHash } from "./model.ts";
import type { Observation } from "./observation.ts";
import type { Plan } from "./plan.ts";
import { permitted } from "./policy.ts";
import type { Authority, Silence } from "./policy.ts";
import { isUnknown, mayBeOf, workloadRefs } from "./unread.ts";

export type GateReason = "Registered" | "Suspended" | "Observe" | "PolicyForbids" | "ReadOnly" | "Deleting" | "FailOpen";

export interface GateOpening {
  readonly pod: Pod;
  readonly reason: GateReason;
  readonly message: string;
}

export interface Gates {
  readonly open: readonly GateOpening[];
  /** When the first of those that stay closed opens by itself. */
  readonly lookAgainMs?: Milliseconds;
}

export function gatesToOpen(observation: Observation, memory: FarmMemory, plan: Plan, authority: Authority): Gates {
  const isClosed = ({ pod }: { readonly pod: Pod }): boolean => pod.gate === "closed" && wantsRow({ pod });
  const closed = plan.desired.claimed.filter(isClosed);
  const orphans = orphansOf(observation, plan).filter((pod) => isClosed({ pod }));
  if (closed.length + orphans.length === 0) return { open: [] };
  const registered = registeredPods(observation);
  const open: GateOpening[] = [];
  const waiting: Pod[] = orphans;
  for (const claim of closed) {
    const cause = registered.has(claim.hash)
      ? registeredCause
      : (farmsCause(observation, authority) ?? policyCause(plan, authority, claim));
    if (cause === undefined) waiting.push(claim.pod);
    else open.push({ pod: claim.pod, ...cause });
  }
  const waits: Milliseconds[] = [];
  const failOpenMs = (observation.farm.spec.readinessGate?.failOpenSeconds ?? 300) * 1000;
  for (const pod of failOpenMs === 0 ? [] : waiting) {
    const leftMs = (memory.boundSince.get(pod.uid) ?? observation.nowMs) + failOpenMs - observation.nowMs;
    if (leftMs > 0) waits.push(leftMs);
    else open.push({ pod, reason: "FailOpen", message: failOpenMessage(observation, plan, pod) });
  }
  return { open, ...(waits.length > 0 && { lookAgainMs: Math.min(...waits) }) };
}

/** Pods that nobody has and that may be those of a member which could not be read: whosever they are, a fault closes no gate for ever. */
function orphansOf({ farm, members, pods }: Observation, { desired }: Plan): Pod[] {
  const refs = workloadRefs(farm.spec, members.filter(isUnknown));
  if (refs.length === 0) return [];
  const had = new Set([...desired.claimed, ...desired.taken, ...desired.undecided].map(({ pod }) => pod.uid));
  return pods.pods.filter((pod) => !had.has(pod.uid) && refs.some((ref) => mayBeOf(pod, ref)));
}

type Cause = Omit<GateOpening, "pod">;

const registeredCause: Cause = { reason: "Registered", message: "The pod's row in CMS_WebFarmServer is committed." };

/** The pods for which a row of this farm is committed, as last read. */
export function registeredPods({ table, identity }: Pick<Observation, "table" | "identity">): ReadonlySet<PodHash> {
  return podsWithRows(table.kind === "read" ? table.read.rows : [], identity);
}

/** The farm as a whole may not write. */
function farmsCause({ farm }: Observation, { silence }: Authority): Cause | undefined {
  if (farm.deletionAtMs !== undefined)
    return { reason: "Deleting", message: "The WebFarm is being deleted and registers no pods any more." };
  return silence === undefined ? undefined : silenceCauses[silence];
}

/** An owner in use, settings that forbid writing, or a table that is too long, are faults: their gates wait for failOpenSeconds. */
const silenceCauses: Readonly<Record<Silence, Cause | undefined>> = {
  UnsupportedField: {
    reason: "Observe",
    message: "The WebFarm has a field or value that this operator does not know, so it only observes.",
  },
  Suspended: { reason: "Suspended", message: "The WebFarm is suspended; the pod has no row." },
  ReadOnly: { reason: "ReadOnly", message: "The operator runs with WEBFARM_READ_ONLY; the pod has no row." },
  Observe: { reason: "Observe", message: "The WebFarm's policy is Observe; the pod has no row." },
  OwnerIdInUse: undefined,
  SettingsIncompatible: undefined,
  TooManyRows: undefined,
};

function policyCause(plan: Plan, authority: Authority, claim: ClaimedPod): Cause | undefined {
  const wanted = plan.marks.find((mark) => mark.claim.pod.uid === claim.pod.uid);
  if (wanted === undefined || permitted(plan, authority).marks.includes(wanted) || authority.silence !== undefined) return undefined;
  return { reason: "PolicyForbids", message: "The WebFarm's policy forbids taking over the row of this server name." };
}

function failOpenMessage({ farm }: Observation, plan: Plan, of: Pod): string {
  const view = plan.servers.find(({ pod }) => pod?.uid === of.uid);
  const failed = farm.spec.registration === "Application" ? "The application registered no row of its own" : "No row could be written";
  return `${failed} within readinessGate.failOpenSeconds (${view?.reason ?? "unknown"}); the pod takes traffic and may serve stale content.`;
}
