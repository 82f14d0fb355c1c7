// The verdict on rows of ours whose pod lives, and on those that are one too many of their name. A living pod's row is kept; nothing here
// removes one but a surplus row.

import type { ClaimedPod } from "./desired.ts";
import type { ForeignRows } from "./duplicates.ts";
import { readMark } from "./mark.ts";
import type { FarmMemory } from "./memory.ts";
import type { Pod, PodUid, ServerRow, TableRead } from "./model.ts";
import type { Observation } from "./observation.ts";
import type { ServerView } from "./plan.ts";
import type { RowVerdict } from "./rowVerdict.ts";
import { serverUrl } from "./serverUrl.ts";
import { whyUnsynchronised } from "./unsynchronised.ts";
import type { Unsynchronised } from "./unsynchronised.ts";
import { rowView as view } from "./views.ts";
import { whereabouts } from "./whereabouts.ts";
import type { Whereabouts } from "./whereabouts.ts";

interface Context {
  readonly observation: Observation;
  readonly memory: FarmMemory;
  readonly claims: ReadonlyMap<PodUid, ClaimedPod>;
  readonly read: TableRead;
  readonly foreign: ForeignRows;
}

/** The row of a pod that lives is kept; its URL is set right. */
export function judgeLiving(row: ServerRow, pod: Pod, context: Context): RowVerdict {
  const claim = context.claims.get(pod.uid);
  const shown = livingView(row, pod, claim?.member.name, context);
  if (claim === undefined) return { row, view: shown };
  const found = serverUrl(claim, context.observation);
  if (found.kind === "invalid") return { row, view: view(row, "Conflict", "InvalidUrl", found.message, pod, claim.member.name) };
  if (found.kind !== "url" || found.url === row.url || row.guid === null) return { row, view: shown };
  return { row, view: shown, mark: { kind: "url", row, claim, newGuid: row.guid, url: found.url } };
}

function livingView(row: ServerRow, pod: Pod, member: string | undefined, { foreign, memory, read }: Context): ServerView {
  const [twin] = [...foreign.named(row.name), ...foreign.alike(row.name)];
  if (twin !== undefined) {
    const message = `Row ${twin.serverID} ("${twin.name}") has the same name and is not ours; the product gives the tasks of a name to one of its rows only. Delete it in the administration.`;
    return view(row, "Conflict", "SeveralRows", message, pod, member);
  }
  const why = whyUnsynchronised(memory.processes, pod, row, read.rows);
  if (why !== undefined) return view(row, "Unsynchronised", why, whyMessages[why], pod, member);
  if (row.enabled) return view(row, "Registered", "Registered", "", pod, member);
  const message = "A person switched the row off (ServerEnabled = 0). Enable it in the administration, or leave it: the operator does not.";
  return view(row, "Disabled", "DisabledByPerson", message, pod, member);
}

const whyMessages: Readonly<Record<Unsynchronised, string>> = {
  StartedAlone:
    "Its process started as the only server and keeps an empty list of others, so what is changed on it reaches no other server. Restart it (delete the pod).",
  RowReplaced:
    "Its row was removed, or has another ServerID than when its process started, so it gets no tasks and serves stale content. Restart it (delete the pod).",
};

/** One row of ours too many of its name. It goes when the one that stays is its pod's, or when its pod is not to be seen alive. */
export function judgeSurplus(
  row: ServerRow,
  kept: ServerRow,
  where: Whereabouts,
  { observation }: Pick<Context, "observation">,
): RowVerdict {
  const pod = where.kind === "missing" ? where.last?.pod : where.pod;
  const isLiving = where.kind === "alive" || where.kind === "draining";
  if (!isLiving || readMark(kept.guid)?.pod === readMark(row.guid)?.pod) {
    const message = `Row ${kept.serverID} has the same name and stays; this one is about to be removed.`;
    return {
      row,
      removal: { row, evidence: "surplus", kept, ...(pod !== undefined && { pod }) },
      view: view(row, "Stale", "Surplus", message, pod),
    };
  }
  const keptMark = readMark(kept.guid);
  const other = keptMark && whereabouts(keptMark.pod, observation).kind;
  const message =
    other === "alive" || other === "draining"
      ? `Row ${kept.serverID} of this name belongs to another pod that has not ended. Two pods must not yield one name: let each member's serverName have $(POD_NAME).`
      : `Row ${kept.serverID} has the same name and stays; this one goes when that one is given to its pod.`;
  return { row, view: view(row, "Conflict", "SeveralRows", message, pod) };
}
