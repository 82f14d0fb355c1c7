// The verdict on each row that carries our owner's mark: keep, hand over, remove or report. A row is never removed because it is missing
// something; only because its pod was seen to end, or has been missing for longer than its process can live (promises 2, 3 and 5).

import type { Desired } from "./desired.ts";
import { noForeignRows, surplusRows } from "./duplicates.ts";
import type { ForeignRows } from "./duplicates.ts";
import { judgeGone } from "./goneRows.ts";
import { hasEnded, isAlive } from "./hasEnded.ts";
import { judgeFormerOwners, judgeOtherClusters } from "./kinRows.ts";
import { judgeLiving, judgeSurplus } from "./livingRows.ts";
import { kinship } from "./mark.ts";
import type { RowKinship } from "./mark.ts";
import { missingWindowMs } from "./memory.ts";
import type { FarmMemory } from "./memory.ts";
import type { Pod, ServerRow, TableRead } from "./model.ts";
import type { Observation } from "./observation.ts";
import type { Removal } from "./plan.ts";
import { drainingMessage } from "./rowVerdict.ts";
import type { RowContext, RowVerdict } from "./rowVerdict.ts";
import { comparable, patternIndex, renderNamePattern, renderServerName } from "./serverName.ts";
import type { NamePattern } from "./serverName.ts";
import { rowView as view } from "./views.ts";
import { wantedPods } from "./wantedPods.ts";
import { whereabouts } from "./whereabouts.ts";
import type { Whereabouts } from "./whereabouts.ts";

/** `nameOf`: the comparable name under which a row is found. */
export interface RowNames {
  readonly nameOf: (row: ServerRow) => string;
  readonly foreign: ForeignRows;
}

export function judgeOurRows(
  observation: Observation,
  memory: FarmMemory,
  desired: Desired,
  read: TableRead,
  { nameOf, foreign }: RowNames = { nameOf: ({ name }) => comparable(name), foreign: noForeignRows },
): readonly RowVerdict[] {
  const kin = read.rows.flatMap((row) => {
    const kind = kinship(row, observation.identity);
    return kind.kind === "foreign" ? [] : [{ row, kind: kind.kind, pod: kind.pod, where: whereabouts(kind.pod, observation) }];
  });
  const ours = kin.filter(({ kind }) => kind === "ours");
  const viewLooksWrong = looksWrong(observation, memory, desired, ours, read);
  const livingNames = namesOfLiving(observation);
  // The application's rows are its own affair.
  const surplus = observation.farm.spec.registration === "Operator" ? surplusRows(ours.map(({ row }) => row)) : new Map<never, never>();
  const context: RowContext = {
    observation,
    memory,
    desired,
    claims: new Map(desired.claimed.map((claim) => [claim.pod.uid, claim])),
    read,
    livingNames,
    viewLooksWrong,
    firstRows: firstRows(kin, nameOf),
    owners: new Set(
      ours.filter(({ row, pod }) => !surplus.has(row) || desired.holders.get(nameOf(row))?.hash !== pod).map(({ pod }) => pod),
    ),
    nameOf,
    surplus,
    foreign,
  };
  return kin.map(({ row, kind, where }) => {
    switch (kind) {
      case "ours":
        return judgeOurs(row, where, context);
      case "formerOwner":
        return judgeFormerOwners(row, where, context);
      case "otherCluster":
        return judgeOtherClusters(row, context);
    }
  });
}

/** As the live read will judge it: every member's template on every pod, whoever selects it, so that nothing is asked for in vain. */
function namesOfLiving({ pods, members }: Observation): RowContext["livingNames"] {
  const templates = [...new Set(members.map(({ serverName }) => serverName))];
  const living = pods.pods.filter((pod) => !hasEnded(pod));
  const names = new Set(
    living.flatMap((pod) => [pod.name, ...templates.flatMap((template) => renderedName(template, pod))]).map(comparable),
  );
  const prefixed = templates.filter((template) => template.endsWith("*"));
  const yielding = patternIndex(living.flatMap((pod) => prefixed.flatMap((template) => renderedPattern(template, pod))));
  return { has: (name) => names.has(name) || yielding(name).length > 0 };
}

function renderedPattern(template: string, pod: Pod): readonly { readonly pattern: NamePattern; readonly value: Pod }[] {
  const pattern = renderNamePattern(template, pod);
  return pattern.ok ? [{ pattern: pattern.value, value: pod }] : [];
}

function renderedName(template: string, pod: Pod): readonly string[] {
  const name = renderServerName(template, pod);
  return name.ok ? [name.value] : [];
}

type KinKind = Exclude<RowKinship["kind"], "foreign">;

const nearestLast: readonly KinKind[] = ["otherCluster", "formerOwner", "ours"];

function firstRows(
  kin: readonly { readonly row: ServerRow; readonly kind: KinKind }[],
  nameOf: (row: ServerRow) => string,
): ReadonlyMap<string, ServerRow> {
  const worstFirst = kin.toSorted((a, b) => nearestLast.indexOf(a.kind) - nearestLast.indexOf(b.kind) || b.row.serverID - a.row.serverID);
  return new Map(worstFirst.map(({ row }) => [nameOf(row), row]));
}

/** Promise 5: at least three rows, and more than half of the farm's, miss their pod, while fewer than half of the wanted pods are alive. */
function looksWrong(
  observation: Observation,
  memory: FarmMemory,
  desired: Desired,
  ours: readonly { readonly where: Whereabouts }[],
  read: TableRead,
): boolean {
  const wanted = wantedPods(observation.members);
  const missingRows = ours.filter(({ where }) => where.kind === "missing").length;
  const present = new Set(read.rows.map(({ serverID }) => serverID));
  const removedByUs = [...memory.removedAsMissing.keys()].filter((serverID) => !present.has(serverID)).length;
  // Nobody knows what a process before this one removed: as long as it would count, as many rows as this one found too few.
  const isJustBegun = memory.sinceMs !== undefined && observation.nowMs - memory.sinceMs < missingWindowMs;
  if (isJustBegun && !wanted.isSure && memory.tooFewAtStart === undefined) return missingRows * 2 > ours.length;
  const removed = Math.max(removedByUs, isJustBegun ? (memory.tooFewAtStart ?? 0) : 0);
  const missing = missingRows + removed;
  if (missing < 3 || missing * 2 <= ours.length + removed) return false;
  const alive = desired.claimed.filter(({ pod }) => isAlive(pod)).length;
  return !wanted.isSure || alive * 2 < wanted.count;
}

function judgeOurs(row: ServerRow, where: Whereabouts, context: RowContext): RowVerdict {
  const { farm } = context.observation;
  if (farm.deletionAtMs !== undefined && farm.spec.deletionPolicy === "RemoveAll") {
    const pod = where.kind === "missing" ? where.last?.pod : where.pod;
    const removal: Removal = { row, evidence: "removeAll", ...(pod !== undefined && { pod }) };
    return { row, removal, view: view(row, "Stale", "RemoveAll", "The WebFarm is being deleted with deletionPolicy RemoveAll.", pod) };
  }
  const kept = context.surplus.get(row);
  if (kept !== undefined) return judgeSurplus(row, kept, where, context);
  switch (where.kind) {
    case "alive":
      return judgeLiving(row, where.pod, context);
    case "draining":
      return {
        row,
        view: view(
          row,
          "Draining",
          "PodTerminating",
          drainingMessage(where.pod),
          where.pod,
          context.claims.get(where.pod.uid)?.member.name,
        ),
      };
    case "ended":
    case "missing":
      return judgeGone(row, where, context);
  }
}
