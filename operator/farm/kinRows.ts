// The verdict on rows that carry the mark of this farm's owner from another cluster, or of a former owner: a pod that wants the name may get
// such a row; none goes without a person's approval.

import { approvalOf } from "./approval.ts";
import type { ApprovalRef } from "./approval.ts";
import type { ClaimedPod } from "./desired.ts";
import { markFor } from "./mark.ts";
import { rowKey } from "./memory.ts";
import type { ServerRow } from "./model.ts";
import type { Remark } from "./plan.ts";
import { blocked, drainingMessage, nodeLostMs, takerOf } from "./rowVerdict.ts";
import type { RowContext, RowVerdict } from "./rowVerdict.ts";
import { serverUrl, urlObstacle, urlPart } from "./serverUrl.ts";
import { rowView as view } from "./views.ts";
import type { Whereabouts } from "./whereabouts.ts";

/** A row of this owner that another cluster registered: its own while it pings; a pod of ours may have it when the pings have stopped. */
export function judgeOtherClusters(row: ServerRow, context: RowContext): RowVerdict {
  const { observation, memory } = context;
  const claim = takerOf(row, context);
  if (claim === undefined) {
    const message =
      "The row has this farm's owner but was registered in another cluster, or before this namespace was made anew. It goes only by a person's approval.";
    return blocked(row, "OtherCluster", message, context);
  }
  const silence = memory.silentSince.get(rowKey(row));
  const leftMs = silence === undefined ? nodeLostMs(observation) : silence.sinceMs + nodeLostMs(observation) - observation.nowMs;
  const message =
    "A row with this farm's owner and this name was registered in another cluster. Two clusters must not share an ownerId and a database; it is taken over when its server has sent no ping for removal.nodeLostSeconds, or by a person's approval.";
  const conflict = { row, needsApproval: true, view: view(row, "Conflict", "OtherCluster", message, claim.pod, claim.member.name) };
  if (urlObstacle(claim, row.name, serverUrl(claim, observation)) !== undefined) return conflict;
  const approval = approvalOf(row, observation.approval);
  if (approval !== undefined) return { ...conflict, mark: takeOver(row, claim, context, approval) };
  if (context.read.pings === undefined) return conflict;
  return leftMs > 0 ? { ...conflict, lookAgainMs: leftMs } : { ...conflict, mark: takeOver(row, claim, context) };
}

const takeOver = (row: ServerRow, claim: ClaimedPod, { observation }: RowContext, approval?: ApprovalRef): Remark => ({
  kind: "takeOver",
  row,
  claim,
  newGuid: markFor(observation.identity, row.name, claim.pod.uid),
  ...urlPart(serverUrl(claim, observation)),
  ...(approval !== undefined && { approval }),
});

/** A row of the farm's earlier life: the pod that wants its name gets it; without a living pod it goes only by approval. */
export function judgeFormerOwners(row: ServerRow, where: Whereabouts, context: RowContext): RowVerdict {
  const claim = takerOf(row, context);
  const pod = where.kind === "missing" ? where.last?.pod : where.pod;
  const isLiving = where.kind === "alive" || where.kind === "draining";
  if (claim !== undefined && (!isLiving || pod?.uid === claim.pod.uid)) {
    const message = "A former owner's row of this name is given to this pod.";
    const obstacle = urlObstacle(claim, row.name, serverUrl(claim, context.observation));
    if (obstacle !== undefined) return { row, view: { ...obstacle, row } };
    return {
      row,
      mark: takeOver(row, claim, context),
      view: view(row, "Pending", "FormerOwner", message, claim.pod, claim.member.name),
    };
  }
  if (isLiving && where.kind === "draining") return { row, view: view(row, "Draining", "PodTerminating", drainingMessage(where.pod), pod) };
  if (isLiving) {
    const message =
      "The row is a former owner's and its pod lives, but does not want this name of this farm. If another WebFarm still has that ownerId, take it out of spec.formerOwnerIds or delete that WebFarm.";
    return { row, view: view(row, "Conflict", "FormerOwner", message, pod) };
  }
  const message = "The row is a former owner's and its pod is not to be found. It goes only by a person's approval.";
  return blocked(row, "FormerOwner", message, context, pod);
}
