// From a live read to evidence: only a ConfirmedGone lets a row be removed, and only a read made after the plan makes one (promise 2).

import type { ApprovalRef } from "./approval.ts";
import { hasEnded, isAlive } from "./hasEnded.ts";
import { podHash, readMark } from "./mark.ts";
import type { Milliseconds, Pod, ServerRow } from "./model.ts";
import type { MemberObservation } from "./observation.ts";
import type { Evidence, Removal, Remark } from "./plan.ts";
import { comparable, matchesName, renderNamePattern } from "./serverName.ts";

/** What the API server said, uncached: of one name, or of the whole namespace. */
export type LiveRead =
  | { readonly kind: "named"; readonly name: string; readonly pod: Pod | undefined }
  | { readonly kind: "listed"; readonly pods: readonly Pod[] };

declare const confirmed: unique symbol;
/** Made only here. `atMs`: wall clock of the live read. */
export interface ConfirmedGone {
  readonly [confirmed]: true;
  readonly row: ServerRow;
  readonly evidence: Evidence;
  readonly atMs: Milliseconds;
  readonly pod?: Pod;
  readonly approval?: ApprovalRef;
}

/** Whether the server names of these members are always the pods' names: then one pod can be asked for by name. */
export const namesArePodNames = (members: readonly Pick<MemberObservation, "serverName">[]): boolean =>
  members.every(({ serverName }) => serverName === "$(POD_NAME)");

const yieldsName = (pod: Pod, members: readonly MemberObservation[], row: ServerRow): boolean =>
  members.some(({ serverName }) => {
    const name = renderNamePattern(serverName, pod);
    return name.ok && matchesName(name.value, row.name);
  });

/** A pod under the name of the one that an application's row belonged to may use that row, whatever the templates say by now. */
const isNamesake = (pod: Pod, { application }: ServerRow): boolean => application?.pod === pod.name;

/** Whether no pod that has not ended has this row's name or mark. */
function isFree(row: ServerRow, live: LiveRead, members: readonly MemberObservation[]): boolean {
  const mark = readMark(row.guid);
  switch (live.kind) {
    case "named":
      // Pods have names in lower case; a row's name is the pod's whatever its case.
      return live.name === comparable(row.name) && (live.pod === undefined || hasEnded(live.pod));
    case "listed":
      return !live.pods.some(
        (pod) => !hasEnded(pod) && (podHash(pod.uid) === mark?.pod || isNamesake(pod, row) || yieldsName(pod, members, row)),
      );
  }
}

/**
 * The evidence for a removal, or undefined: the row stays. `removeAll` is what the user asked for and needs no proof, nor does a surplus row
 * whose pod has the one that stays; what a person
 * approved may not be a living pod's all the same. A row that neither carries a mark nor is in the inventory goes only by approval.
 */
export function confirmGone(
  removal: Removal,
  live: LiveRead | undefined,
  members: readonly MemberObservation[],
  atMs: Milliseconds,
): ConfirmedGone | undefined {
  const { row, evidence, pod, approval } = removal;
  if (row.guid === null && evidence !== "approved") return undefined;
  if (needsProof(removal) && (live === undefined || !isProven(removal, live, members))) return undefined;
  return {
    row,
    evidence,
    atMs,
    ...(pod !== undefined && { pod }),
    ...(approval !== undefined && { approval }),
  } as ConfirmedGone;
}

/** Whether only a live read makes it possible. */
export function needsProof({ evidence, row, kept }: Removal): boolean {
  if (evidence === "removeAll") return false;
  return evidence !== "surplus" || readMark(row.guid)?.pod !== readMark(kept?.guid ?? null)?.pod;
}

/** A surplus row's name may be in use: the pod that has it has the row that stays. */
const isProven = ({ evidence, row }: Removal, live: LiveRead, members: readonly MemberObservation[]): boolean =>
  evidence === "surplus" ? isPodMissing(row, live) : isFree(row, live, members);

/** Whether the row's own pod is not to be found, or has ended: its wait begins. */
export function isPodMissing(row: ServerRow, live: LiveRead): boolean {
  const hash = readMark(row.guid)?.pod;
  return !podsOf(live).some((pod) => podHash(pod.uid) === hash && !hasEnded(pod));
}

/** Whether the pod that is to get the row is there under its name with its UID, bound and not terminating. */
export function mayTakeRow({ claim }: Remark, live: LiveRead): boolean {
  return podsOf(live).some((pod) => pod.uid === claim.pod.uid && pod.name === claim.pod.name && pod.node !== undefined && isAlive(pod));
}

function podsOf(live: LiveRead): readonly Pod[] {
  if (live.kind === "listed") return live.pods;
  return live.pod === undefined ? [] : [live.pod];
}
