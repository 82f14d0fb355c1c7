// When a WebFarm that is being deleted may be let go of: not in its first two minutes while rows are left that deletionPolicy promises to
// remove. Only what is beyond doubt is reported: rows and ends that were there before the deletion began. Shares no code with operator/.

import { isBeyondThisVersion } from "./beyond.ts";
import { databaseOf, isFirstOfOwner } from "./farmFacts.ts";
import type { FarmHistory } from "./farmHistory.ts";
import { namespacePart, ownerPart, partsOf, podPart } from "./marks.ts";
import type { FarmObject, RowObject, WallMs } from "./objects.ts";
import { saysEnded } from "./truth.ts";
import type { Truth } from "./truth.ts";

const limitMs = 120_000;

/** The rows that were to go before; none where nothing was promised, or the time was over. */
export function rowsLeftBehind(
  truth: Truth,
  at: { readonly cluster: string; readonly farm: FarmObject },
  history: FarmHistory,
): readonly RowObject[] {
  const { farm } = at;
  const cluster = truth.cluster(at.cluster);
  const { deletionAtMs, namespace } = farm;
  if (deletionAtMs === undefined || truth.nowMs - deletionAtMs >= limitMs || cluster.restores > 0) return [];
  const going = history.versions.filter((one) => one.farm.uid === farm.uid && one.farm.deletionAtMs !== undefined);
  if (!going.every((one) => promisesRemoval(one.farm)) || !isFirstOfOwner(cluster, farm)) return [];
  const stored = cluster.api.namespaces.get(namespace);
  const databaseName = databaseOf(cluster, farm);
  if (stored === undefined || stored.deletionAtMs !== undefined || databaseName === undefined) return [];
  const database = truth.database(databaseName);
  if (database.mode !== "2") return [];
  const owner = farm.spec.ownerId ?? `${stored.uid}/${farm.name}`;
  const pods = [...cluster.api.pods.values()];
  const living = pods.filter((pod) => !saysEnded(pod));
  const kept = new Set(living.map(({ name }) => name));
  const present = new Set(pods.map(({ uid }) => podPart(uid)));
  const listed = blockedIDs(farm);
  return [...database.rows.values()].filter((row) => {
    const parts = partsOf(row.guid);
    if (parts?.owner !== ownerPart(owner, row.name) || parts.namespace !== namespacePart(stored.uid)) return false;
    const isGone = !present.has(parts.pod) && !kept.has(row.name.toLowerCase());
    return (
      isGone &&
      !listed.has(row.serverID) &&
      wasThere(truth, { database: databaseName, row }, deletionAtMs) &&
      hadGone(truth, parts.pod, deletionAtMs)
    );
  });
}

const promisesRemoval = ({ spec, annotations }: FarmObject): boolean =>
  spec.policy === "Sync" &&
  spec.deletionPolicy !== "Retain" &&
  spec.suspend !== true &&
  !isBeyondThisVersion(spec) &&
  annotations["webfarm.dev/skip-cleanup"] !== "true";

/** Those that need a person, by the last word of the WebFarm. */
function blockedIDs({ status }: FarmObject): ReadonlySet<number> {
  const servers = (status["servers"] ?? []) as readonly { readonly serverID?: number; readonly state: string }[];
  return new Set(servers.flatMap(({ serverID, state }) => (state === "Blocked" || state === "Conflict" ? [serverID ?? 0] : [])));
}

function wasThere(truth: Truth, { database, row }: { readonly database: string; readonly row: RowObject }, byMs: WallMs): boolean {
  const last = truth.rowChanges.findLast((change) => change.database === database && change.after?.serverID === row.serverID);
  return last !== undefined && last.atMs < byMs;
}

/** Its object had gone before, and nobody has seen it since. */
function hadGone(truth: Truth, pod: string, byMs: WallMs): boolean {
  const record = [...truth.records.values()].find(({ uid }) => podPart(uid) === pod);
  return record === undefined || (record.goneAtMs ?? Infinity) < byMs;
}
