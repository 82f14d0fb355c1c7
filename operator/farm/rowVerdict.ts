// What the verdicts on rows have in common: their form, what they rest on, and the row that needs a person.

import { approvalOf } from "./approval.ts";
import type { ClaimedPod, Desired } from "./desired.ts";
import { wantsRow } from "./desired.ts";
import type { ForeignRows } from "./duplicates.ts";
import { phaseIsGuessed } from "./hasEnded.ts";
import { readMark } from "./mark.ts";
import type { FarmMemory, RowKey } from "./memory.ts";
import type { Milliseconds, Pod, PodHash, PodUid, ServerRow, TableRead } from "./model.ts";
import type { Observation } from "./observation.ts";
import type { Removal, Remark, ServerView } from "./plan.ts";
import { rowView as view } from "./views.ts";
import { whereabouts } from "./whereabouts.ts";

export interface RowVerdict {
  readonly row: ServerRow;
  readonly view: ServerView;
  readonly mark?: Remark;
  readonly removal?: Removal;
  readonly unconfirmed?: boolean;
  /** It goes, or is given to a pod, only by approval or when that is no longer needed. */
  readonly needsApproval?: boolean;
  readonly gone?: RowKey;
  readonly lookAgainMs?: Milliseconds;
}

export interface RowContext {
  readonly observation: Observation;
  readonly memory: FarmMemory;
  readonly desired: Desired;
  readonly claims: ReadonlyMap<PodUid, ClaimedPod>;
  readonly read: TableRead;
  readonly viewLooksWrong: boolean;
  /** Comparable names that a pod in the cache yields and that has not ended. */
  readonly livingNames: Pick<ReadonlySet<string>, "has">;
  /** Of each comparable name, the one row that another pod may get: ours, a former owner's, another cluster's; then the smallest ServerID. */
  readonly firstRows: ReadonlyMap<string, ServerRow>;
  /** Pods that have a row of this farm, other than a surplus one under their name: none of them gets a second one. */
  readonly owners: ReadonlySet<PodHash>;
  readonly nameOf: (row: ServerRow) => string;
  /** Of each surplus row of ours, the row of its name that stays. */
  readonly surplus: ReadonlyMap<ServerRow, ServerRow>;
  readonly foreign: ForeignRows;
}

/** The pod that this row is to be given to: it holds the row's name and has no row yet. */
export function takerOf(row: ServerRow, { desired, firstRows, owners, nameOf }: RowContext): ClaimedPod | undefined {
  const claim = desired.holders.get(nameOf(row));
  if (claim === undefined || !wantsRow(claim) || owners.has(claim.hash)) return undefined;
  return firstRows.get(nameOf(row)) === row ? claim : undefined;
}

export const nodeLostMs = ({ farm }: Observation): Milliseconds => (farm.spec.removal?.nodeLostSeconds ?? 300) * 1000;

export function drainingMessage(pod: Pod): string {
  const node = pod.node ?? "";
  if (phaseIsGuessed(pod)) {
    return `Node ${node} was lost and the pod's process may live on. If the node is really off, taint it node.kubernetes.io/out-of-service=nodeshutdown:NoExecute.`;
  }
  return `The pod ends and its process may still live; the row stays until it has ended. If node ${node} is dead, taint it node.kubernetes.io/out-of-service=nodeshutdown:NoExecute.`;
}

export const nameInUse = "A pod of this name exists and has not ended; the row stays.";

/** As the live read will judge it: a pod of the row's name or mark has not ended. */
function isHeld(row: ServerRow, { livingNames, observation, nameOf }: RowContext): boolean {
  const mark = readMark(row.guid);
  const where = mark && whereabouts(mark.pod, observation).kind;
  return livingNames.has(nameOf(row)) || where === "alive" || where === "draining";
}

/** A row that needs a person: it stays, or goes because one approved it. */
export function blocked(row: ServerRow, reason: string, message: string, context: RowContext, pod?: Pod): RowVerdict {
  const approval = approvalOf(row, context.observation.approval);
  if (approval === undefined) return { row, needsApproval: true, view: view(row, "Blocked", reason, message, pod) };
  if (isHeld(row, context)) return { row, needsApproval: true, view: view(row, "Stale", "NameInUse", nameInUse, pod) };
  return {
    row,
    needsApproval: true,
    removal: { row, evidence: "approved", approval, ...(pod !== undefined && { pod }) },
    view: view(row, "Stale", "Approved", `A person approved the removal (digest ${approval.digest}); the row is about to be removed.`, pod),
  };
}
