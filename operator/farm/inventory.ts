// What stands for the mark in rows that the application wrote itself (registration: Application): which pod each row was seen to belong to
// while that pod lived, as committed in status.inventory. A row that is in it is read as if it carried that pod's mark, so everything that
// is decided about marked rows holds for it too; a row that is not carries none. It never changes what the table has.
// Not known of is a pod that used a row and was gone again before any pass or list showed it: where servers ping, its pings keep the row from
// the second on; where they do not, it may go. And a name is one row: a process whose pod vanished while another pod had its name counts no more.

import { desiredServers } from "./desired.ts";
import type { ClaimedPod } from "./desired.ts";
import { kinship, markFor, podHash, readMark } from "./mark.ts";
import type { MarkIdentity } from "./mark.ts";
import { rowKey } from "./memory.ts";
import type { FarmMemory } from "./memory.ts";
import type { PodUid, PodView, ServerRow, TableRead } from "./model.ts";
import type { Observation } from "./observation.ts";
import type { InventoryEntry } from "./resource.generated.ts";
import { patternIndex, renderNamePattern } from "./serverName.ts";
import { whereabouts } from "./whereabouts.ts";

/** More rows are not remembered (maxItems of the CRD): they go by approval only. */
export const mostEntries = 1000;

/** Which rows and pods of the farm belong together by their names. Pods: bound and not ended, also those that terminate. */
export interface RowMatches {
  readonly podsOf: (row: ServerRow) => readonly ClaimedPod[];
  readonly rowsOf: ReadonlyMap<PodUid, readonly ServerRow[]>;
}

export function matchRows(rows: readonly ServerRow[], claimed: readonly ClaimedPod[]): RowMatches {
  const yielding = patternIndex(
    claimed.flatMap((claim) => {
      const pattern = renderNamePattern(claim.member.serverName, claim.pod);
      return pattern.ok && claim.pod.node !== undefined ? [{ pattern: pattern.value, value: claim }] : [];
    }),
  );
  const pairs = rows.flatMap((row) => yielding(row.name).map(({ pod }) => ({ row, uid: pod.uid })));
  const rowsOf = new Map([...Map.groupBy(pairs, ({ uid }) => uid)].map(([uid, of]) => [uid, of.map(({ row }) => row)]));
  return { podsOf: ({ name }) => yielding(name), rowsOf };
}

/** The row as the table has it. */
export const stored = (row: ServerRow): ServerRow => {
  const { application, ...rest } = row;
  return application === undefined ? row : { ...rest, guid: application.guid };
};

/** The rows as the table has them, and which pods they match. */
function matchedRows(
  observation: Observation,
  rows: readonly ServerRow[],
): { readonly raw: readonly ServerRow[]; readonly matches: RowMatches } {
  const raw = rows.map(stored);
  return { raw, matches: matchRows(raw, desiredServers(observation, []).claimed) };
}

/**
 * With registration Application: each row with the mark of its pod. That is the living pod whose row it is alone, and which has no other;
 * else the one that the inventory names, if it and the row agree and this process saw no other pod use the row since; else none. A mark that
 * this farm wrote itself, before its registration was changed, still counts. Marks of others say nothing here: `ownerId` and `formerOwnerIds`
 * have no meaning for such rows.
 */
export function withInventory(observation: Observation, { users }: Pick<FarmMemory, "users">): Observation {
  const { farm, table, identity } = observation;
  if (farm.spec.registration !== "Application" || table.kind !== "read") return observation;
  const { raw, matches } = matchedRows(observation, table.read.rows);
  const entries = entriesByName(observation);
  const rows = raw.map((row): ServerRow => {
    const living = onlyPodOf(row, matches);
    if (living !== undefined) return marked(row, { name: living.pod.name, uid: living.pod.uid }, identity);
    const entry = entries.get(row.name);
    const user = users.get(rowKey(row));
    if (entry !== undefined && agrees(entry, row) && (user === undefined || user === entry.podUID))
      return marked(row, { name: entry.pod, uid: entry.podUID as PodUid }, identity);
    return kinship(row, identity).kind === "ours" ? row : { ...row, guid: null, application: { guid: row.guid } };
  });
  return { ...observation, table: { ...table, read: { ...table.read, rows } } };
}

const marked = (row: ServerRow, pod: { readonly name: string; readonly uid: PodUid }, identity: MarkIdentity): ServerRow => ({
  ...row,
  guid: markFor(identity, row.name, pod.uid),
  application: { guid: row.guid, pod: pod.name },
});

/**
 * Which living pod each row was last seen to belong to, alone, as long as the row is there. `read`: the rows as the table had them when they
 * were last read, whether or not they can be read now. Where several pods may use a row, nobody is known to.
 */
export function usersOf(observation: Observation, read: TableRead | undefined, before: FarmMemory["users"]): FarmMemory["users"] {
  if (observation.farm.spec.registration !== "Application" || read === undefined || read.truncated) return before;
  const { raw, matches } = matchedRows(observation, read.rows);
  return new Map(
    raw.flatMap((row) => {
      const last = before.get(rowKey(row));
      const isShared = matches.podsOf(row).some(({ pod }) => pod.uid !== last);
      const user = onlyPodOf(row, matches)?.pod.uid ?? (isShared ? undefined : last);
      return user === undefined ? [] : [[rowKey(row), user]];
    }),
  );
}

/**
 * The observation as a row may be judged by it whose remembered pod this process did not see use it, alone and last: the next pod of the name
 * may have used it since, so that pod's end says nothing. It counts as a pod whose last state was missed, and the row waits.
 */
export function withoutUnseenEnds(observation: Observation, { users }: Pick<FarmMemory, "users">): Observation {
  const { table, pods } = observation;
  if (table.kind !== "read") return observation;
  const unseen = new Set(
    table.read.rows.flatMap((row) => {
      const hash = readMark(row.guid)?.pod;
      return hash === undefined || users.get(rowKey(stored(row))) === pods.seen(hash)?.pod.uid ? [] : [hash];
    }),
  );
  const seen: PodView["seen"] = (hash) => {
    const found = pods.seen(hash);
    if (found === undefined || !unseen.has(hash)) return found;
    const { kind } = whereabouts(hash, observation);
    return kind === "alive" || kind === "draining" ? found : { ...found, presence: "listedGone", ended: false };
  };
  return { ...observation, pods: { ...pods, seen } };
}

/** The pod that this row belongs to beyond doubt. */
function onlyPodOf(row: ServerRow, { podsOf, rowsOf }: RowMatches): ClaimedPod | undefined {
  const [pod, ...others] = podsOf(row);
  return pod !== undefined && others.length === 0 && rowsOf.get(pod.pod.uid)?.length === 1 ? pod : undefined;
}

const entriesByName = ({ farm }: Observation): ReadonlyMap<string, InventoryEntry> =>
  new Map((farm.status.inventory ?? []).map((entry) => [entry.serverName, entry]));

/** Another ServerID, name or GUID is another row: somebody made it anew. */
const agrees = ({ serverID, serverName, guid }: InventoryEntry, row: ServerRow): boolean =>
  serverID === row.serverID && serverName === row.name && (guid ?? null) === row.guid;

/** Whether whose row this is has been written down: in the row itself, or in the status as the API server has it. */
export function isWrittenDown(observation: Observation): (row: ServerRow) => boolean {
  const entries = entriesByName(observation);
  return (row) => {
    if (row.application === undefined) return kinship(row, observation.identity).kind === "ours";
    const entry = entries.get(row.name);
    return entry !== undefined && agrees(entry, stored(row)) && podHash(entry.podUID as PodUid) === readMark(row.guid)?.pod;
  };
}

/**
 * The inventory that is to be written, by `observation` as withInventory gives it: each row whose pod is known, for as long as the row is there.
 * Where the rows are not known, or not all of them, what is written stands.
 */
export function inventoryOf(observation: Observation): readonly InventoryEntry[] {
  const { table, pods, farm } = observation;
  const before = farm.status.inventory ?? [];
  if (table.kind !== "read" || table.read.truncated || !pods.synced) return before;
  const known = new Set(before.map(({ serverName }) => serverName));
  const { claimed } = desiredServers(observation, []);
  const uids = new Map(claimed.map(({ pod, hash }) => [hash, pod]));
  const uidsBefore = new Map(before.map((entry) => [podHash(entry.podUID as PodUid), entry]));
  const entries = table.read.rows.flatMap((row): readonly InventoryEntry[] => {
    const hash = row.application?.pod === undefined ? undefined : readMark(row.guid)?.pod;
    if (hash === undefined) return [];
    const living = uids.get(hash);
    const entry = uidsBefore.get(hash);
    const pod = living === undefined ? entry && { pod: entry.pod, podUID: entry.podUID } : { pod: living.name, podUID: living.uid };
    if (pod === undefined) return [];
    const { serverID, name, guid } = stored(row);
    return [{ serverName: name, serverID, ...(guid !== null && { guid }), ...pod }];
  });
  // Those that are remembered stay so when there is no room for all.
  const kept = entries.toSorted((a, b) => Number(known.has(b.serverName)) - Number(known.has(a.serverName)) || byName(a, b));
  return kept.slice(0, mostEntries).toSorted(byName);
}

const byName = (a: InventoryEntry, b: InventoryEntry): number => (a.serverName < b.serverName ? -1 : 1);
