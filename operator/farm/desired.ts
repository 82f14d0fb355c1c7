// Which pods are this farm's, under which server name each, and who holds a name that two pods want. It decides nothing about rows.

import { hasEnded, isAlive } from "./hasEnded.ts";
import { podHash, podsWithRows, readMark } from "./mark.ts";
import type { FarmKey, Pod, PodHash, ServerName, ServerRow } from "./model.ts";
import type { MemberObservation, Observation } from "./observation.ts";
import { matches } from "./selector.ts";
import { comparable, renderServerName } from "./serverName.ts";
import type { Rendered } from "./serverName.ts";
import { isSurelyOf, isUnanswered, isUnknown, workloadRefs } from "./unread.ts";

export interface ClaimedPod {
  readonly pod: Pod;
  readonly hash: PodHash;
  readonly member: MemberObservation;
  readonly name: Rendered<ServerName>;
}

export interface Desired {
  /** Pods of this farm that have not ended; terminating ones too. */
  readonly claimed: readonly ClaimedPod[];
  /** Of each comparable name, the pod that has it: alive and bound, or the row's own until it has ended. */
  readonly holders: ReadonlyMap<string, ClaimedPod>;
  /** Alive and bound, but an older WebFarm has them. */
  readonly taken: readonly { readonly pod: Pod; readonly by: FarmKey }[];
  /** Alive, bound and without a row of this farm, and surely pods of an older WebFarm's workload, which cannot be read yet. */
  readonly undecided: readonly { readonly pod: Pod; readonly by: FarmKey }[];
}

/** Alive and bound to a node: a pod that is to have a row. */
export const wantsRow = ({ pod }: Pick<ClaimedPod, "pod">): boolean => isAlive(pod) && pod.node !== undefined;

/** `nameOf`: the comparable name under which a row is found. */
export function desiredServers(
  observation: Observation,
  rows: readonly ServerRow[],
  nameOf: (row: ServerRow) => string = ({ name }) => comparable(name),
): Desired {
  const claimed: ClaimedPod[] = [];
  const taken: { pod: Pod; by: FarmKey }[] = [];
  const undecided: { pod: Pod; by: FarmKey }[] = [];
  const registered = podsWithRows(rows, observation.identity);
  const remembered = new Set(observation.farm.status.inventory?.map(({ podUID }) => podUID)); // where the application registers itself
  for (const pod of observation.pods.pods) {
    if (hasEnded(pod)) continue;
    const hash = podHash(pod.uid);
    const isRegistered = registered.has(hash) || remembered.has(pod.uid);
    const member = memberOf(pod, isRegistered, observation);
    if (member === undefined) continue;
    const by = observation.takenByOlder.get(pod.uid);
    const unread = isRegistered ? undefined : observation.unreadOlders?.get(pod.uid);
    if (by === undefined && unread === undefined) claimed.push({ pod, hash, member, name: renderServerName(member.serverName, pod) });
    else if (wantsRow({ pod }) && by !== undefined) taken.push({ pod, by });
    else if (wantsRow({ pod }) && unread !== undefined) undecided.push({ pod, by: unread });
  }
  return { claimed, holders: holdersOf(claimed, rows, nameOf), taken, undecided };
}

/**
 * The first member that selects the pod. One that could not be read yet stands in its order too, for pods that have no row and are surely its
 * own: they wait for it, and get no other member's name.
 */
function memberOf(pod: Pod, isRegistered: boolean, { farm, members }: Observation): MemberObservation | undefined {
  const isIts = (member: MemberObservation): boolean => workloadRefs(farm.spec, [member]).some((ref) => isSurelyOf(pod, ref));
  const selects = ({ selector }: MemberObservation): boolean => selector !== undefined && matches(selector, pod.labels);
  return (
    members.find((member) => selects(member) || (!isRegistered && isUnanswered(member) && isIts(member))) ??
    members.find((member) => isUnknown(member) && isIts(member))
  );
}

function holdersOf(
  claimed: readonly ClaimedPod[],
  rows: readonly ServerRow[],
  nameOf: (row: ServerRow) => string,
): ReadonlyMap<string, ClaimedPod> {
  // Where a name has several rows with a mark, the smallest ServerID counts.
  const marked = new Map<string, PodHash>();
  for (const row of rows.toSorted((a, b) => b.serverID - a.serverID)) {
    const pod = readMark(row.guid)?.pod;
    if (pod !== undefined) marked.set(nameOf(row), pod);
  }
  const holders = new Map<string, ClaimedPod>();
  for (const candidate of claimed) {
    if (!candidate.name.ok) continue;
    const name = comparable(candidate.name.value);
    const isRowsOwn = marked.get(name) === candidate.hash;
    if (!isRowsOwn && (!wantsRow(candidate) || isUnknown(candidate.member))) continue;
    const holder = holders.get(name);
    if (holder === undefined || isRowsOwn || (marked.get(name) !== holder.hash && isOlder(candidate.pod, holder.pod)))
      holders.set(name, candidate);
  }
  return holders;
}

/** The tie-break of Kubernetes controllers: creation, then UID. */
export function isOlder(
  a: { readonly createdAtMs: number; readonly uid: string },
  b: { readonly createdAtMs: number; readonly uid: string },
): boolean {
  return a.createdAtMs !== b.createdAtMs ? a.createdAtMs < b.createdAtMs : a.uid < b.uid;
}
