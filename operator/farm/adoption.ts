// What becomes of foreign rows that have a living pod's server name: they are in its way, or with spec.adoption MatchingNames they become its
// own. A row that carries somebody's mark is never taken, nor one of several: which of them the product uses nobody can tell.

import type { ClaimedPod } from "./desired.ts";
import { sureName } from "./duplicates.ts";
import { markFor } from "./mark.ts";
import type { ServerName, ServerRow } from "./model.ts";
import type { Observation } from "./observation.ts";
import type { Remark, ServerView } from "./plan.ts";
import { serverUrl, urlObstacle, urlPart } from "./serverUrl.ts";
import { claimView } from "./views.ts";

export interface Adoption {
  readonly view: ServerView;
  readonly mark?: Remark;
}

/** `rows`: the foreign rows that have the pod's name in the database's eyes. Undefined: there are none. */
export function adoption(rows: readonly ServerRow[], claim: ClaimedPod, name: ServerName, observation: Observation): Adoption | undefined {
  const [row, ...others] = rows;
  if (row === undefined) return undefined;
  const conflict = (reason: string, message: string): Adoption => ({
    view: { ...claimView(claim, name, "Conflict", reason, message), row },
  });
  if (others.length > 0) {
    const ids = rows.map(({ serverID }) => serverID).join(", ");
    return conflict("SeveralRows", `Rows ${ids} have this name and are not ours. Delete all but one in the administration.`);
  }
  if (isMarked(row)) {
    const message = `Row ${row.serverID} has this name and carries the mark of another WebFarm, which may still live. Delete it in the administration, put that WebFarm's status.ownerId into spec.formerOwnerIds, or give the member another serverName.`;
    return conflict("ForeignRow", message);
  }
  if (observation.farm.spec.adoption !== "MatchingNames")
    return sureName(row) === name ? conflict("ForeignRow", foreignMessage(row)) : conflict("EqualName", equalMessage(row));
  const url = serverUrl(claim, observation);
  const obstacle = urlObstacle(claim, name, url);
  if (obstacle !== undefined) return { view: { ...obstacle, row } };
  const message = `Row ${row.serverID} of this name is made this pod's (spec.adoption).`;
  // The mark is that of the row's own name, which stays: the product finds the row by it.
  const newGuid = markFor(observation.identity, row.name, claim.pod.uid);
  return {
    view: { ...claimView(claim, name, "Pending", "Adoption", message), row },
    mark: { kind: "adopt", row, claim, newGuid, ...urlPart(url) },
  };
}

const foreignMessage = ({ serverID }: ServerRow): string =>
  `Row ${serverID} has this name and is not ours. Delete it in the administration, give the member another serverName, or set spec.adoption to MatchingNames.`;

const equalMessage = ({ serverID, name }: ServerRow): string =>
  `The database takes row ${serverID} ("${name}") for the same name. Rename that server, give the member another serverName, or set spec.adoption to MatchingNames.`;

/** Any UUID of version 8: the product and people make none, so it is somebody's mark, perhaps of a later version of this operator. */
const isMarked = ({ guid }: ServerRow): boolean => guid !== null && /^[0-9a-f]{8}-[0-9a-f]{4}-8/i.test(guid);
