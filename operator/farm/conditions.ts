// The conditions of a WebFarm from an observation, its plan and what applying it brought: true for this moment, said so that a person
// knows what to do next. Reasons are documented in the README.

import { approveAnnotation } from "./approval.ts";
import type { Publication } from "./approval.ts";
import { enabledRows, mostServers } from "./limit.ts";
import { kinship } from "./mark.ts";
import type { Condition, DatabaseProblem } from "./model.ts";
import type { Observation } from "./observation.ts";
import type { Plan } from "./plan.ts";
import { permitted } from "./policy.ts";
import type { Authority, Silence } from "./policy.ts";
import { settingsVerdict } from "./settings.ts";

/** What applying the plan brought: the rows that the server refused one by one, and what stopped the rest. */
export interface Outcome {
  readonly problem?: DatabaseProblem;
  readonly refused: readonly { readonly name: string; readonly problem: DatabaseProblem }[];
}

export interface Assessment {
  readonly observation: Observation;
  readonly plan: Plan;
  readonly authority: Authority;
  readonly outcome: Outcome;
}

type Verdict = Pick<Condition, "status" | "reason" | "message">;

const longestMessage = 1024;

/** `publication`: what the status publishes for approval. */
export function conditionsOf(assessment: Assessment, publication?: Publication): readonly Condition[] {
  const { observation } = assessment;
  const parts = {
    DatabaseReachable: databaseReachable(observation),
    WorkloadsResolved: workloadsResolved(observation),
    SettingsCompatible: settingsVerdict(observation.farm.spec, observation.table),
    Synced: synced(assessment),
  };
  const all: Readonly<Record<string, Verdict>> = {
    Ready: ready(observation, parts),
    Stalled: stalled(assessment, parts),
    ...parts,
    OwnershipConflict: ownershipConflict(assessment, publication),
    RemovalsBlocked: removalsBlocked(assessment, publication),
    LimitReached: limitReached(assessment),
    PeersUnaware: peersUnaware(assessment),
    Suspended: suspended(observation),
  };
  return Object.entries(all).map(([type, verdict]) => ({ type, ...verdict, message: cut(verdict.message, longestMessage) }));
}

/** Never half a character: the API server would store another one, and the status would differ for ever. */
export const cut = (text: string, length: number): string =>
  (text.length <= length ? text : `${text.slice(0, length - 1).replace(/[\uD800-\uDBFF]$/, "")}…`).toWellFormed();

function databaseReachable({ table }: Observation): Verdict {
  switch (table.kind) {
    case "read":
      return { status: "True", reason: "Connected", message: [`Connected to ${table.facts.endpoint}.`, ...table.facts.notes].join(" ") };
    case "unavailable":
      return { status: "False", reason: table.problem.reason, message: table.problem.message };
    case "notAsked":
      return { status: "Unknown", reason: "NotObserved", message: "The farm has no pods and no rows, so the database is left alone." };
  }
}

function workloadsResolved({ members }: Observation): Verdict {
  const problems = members.flatMap(({ name, workload, workloadName }): readonly Verdict[] => {
    switch (workload.kind) {
      case "found":
      case "selected":
        return [];
      case "absent":
        return [
          {
            status: "False",
            reason: "WorkloadNotFound",
            message: `Member ${name}: there is no ${workloadName} in this namespace. Create it, or correct workloadRef.`,
          },
        ];
      case "unknown":
        return [
          { status: "False", reason: workload.reason, message: `Member ${name}: ${workloadName} cannot be read: ${workload.message}` },
        ];
    }
  });
  const [first] = problems;
  if (first === undefined)
    return { status: "True", reason: "Resolved", message: members.map(({ name, workloadName }) => `${name}: ${workloadName}`).join(", ") };
  return { ...first, message: problems.map(({ message }) => message).join(" ") };
}

const silences: Readonly<Record<Silence, Verdict>> = {
  UnsupportedField: { status: "Unknown", reason: "UnsupportedField", message: "The farm only observes; see Ready." },
  Suspended: { status: "Unknown", reason: "Suspended", message: "spec.suspend is true: nothing is written." },
  ReadOnly: {
    status: "Unknown",
    reason: "ReadOnly",
    message: "The operator runs with WEBFARM_READ_ONLY: nothing is written to any database.",
  },
  Observe: {
    status: "Unknown",
    reason: "Observe",
    message: "spec.policy is Observe: nothing is written. status.plan shows what Sync would do.",
  },
  OwnerIdInUse: {
    status: "False",
    reason: "OwnerIdInUse",
    message: "Nothing is written while an older WebFarm of this namespace has the same owner; see OwnershipConflict.",
  },
  SettingsIncompatible: {
    status: "Unknown",
    reason: "SettingsIncompatible",
    message: "Nothing is written before SettingsCompatible is True.",
  },
  TooManyRows: {
    status: "False",
    reason: "TooManyRows",
    message: "CMS_WebFarmServer has more than 10,000 rows, more than is ever read. Delete the rows that no server uses.",
  },
};

function synced({ observation, plan, authority, outcome }: Assessment): Verdict {
  if (authority.silence !== undefined) return silences[authority.silence];
  if (outcome.problem !== undefined) return { status: "False", reason: outcome.problem.reason, message: outcome.problem.message };
  const allRefused = refusedRows(plan, authority, outcome);
  const [refused] = allRefused;
  if (refused !== undefined) {
    const others = allRefused.length > 1 ? ` (and ${allRefused.length - 1} more)` : "";
    return { status: "False", reason: refused.why.reason, message: `Row ${refused.name}${others}: ${refused.why.message}` };
  }
  if (observation.table.kind !== "read")
    return { status: "Unknown", reason: "DatabaseUnavailable", message: "The rows have not been read." };
  const { inserts, marks, removals } = permitted(plan, authority);
  const open = inserts.length + marks.length + removals.length;
  return {
    status: "True",
    reason: open === 0 ? "UpToDate" : "InProgress",
    message: open === 0 ? "The rows are as the policy wants them." : `${open} rows are about to be written.`,
  };
}

interface RefusedRow {
  readonly name: string;
  readonly why: { readonly reason: string; readonly message: string; readonly stalled?: boolean };
}

/** Refused in this pass, or before and not to be tried again yet: the row is as absent as it was. */
function refusedRows(plan: Plan, authority: Authority, outcome: Outcome): readonly RefusedRow[] {
  const now = outcome.refused.map(({ name, problem }) => ({ name, why: problem }));
  const names = new Set(now.map(({ name }) => name));
  const before = authority.create
    ? plan.refused.filter(({ name }) => !names.has(name)).map(({ name, refusal }) => ({ name, why: refusal }))
    : [];
  return [...now, ...before].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

type Parts = Readonly<Record<"DatabaseReachable" | "WorkloadsResolved" | "SettingsCompatible" | "Synced", Verdict>>;

function ready({ farm }: Observation, parts: Parts): Verdict {
  if (farm.unsupported.length > 0)
    return {
      status: "False",
      reason: "UnsupportedField",
      message: `This version of the operator only observes the farm: ${farm.unsupported.join("; ")}`,
    };
  const failing = Object.values(parts).find(({ status }) => status === "False");
  return failing ?? { status: "True", reason: "Ready", message: "The farm's rows are kept." };
}

function stalled({ observation, plan, authority, outcome }: Assessment, parts: Parts): Verdict {
  const { farm, table } = observation;
  const cause = (verdict: Verdict): Verdict => ({ ...verdict, status: "True" });
  if (farm.unsupported.length > 0)
    return { status: "True", reason: "UnsupportedField", message: "Change the field, or install an operator that knows it." };
  if (table.kind === "unavailable" && table.problem.stalled) return cause(parts.DatabaseReachable);
  if (parts.SettingsCompatible.status === "False" || parts.SettingsCompatible.reason === "SettingsUnreadable")
    return cause(parts.SettingsCompatible);
  if (outcome.problem?.stalled === true || refusedRows(plan, authority, outcome).some(({ why }) => why.stalled === true))
    return cause(parts.Synced);
  if (authority.silence === "TooManyRows" || authority.silence === "OwnerIdInUse") return cause(parts.Synced);
  if (plan.blocked.length > 0)
    return { status: "True", reason: "RemovalsBlocked", message: "Rows wait for a person; see RemovalsBlocked." };
  if (plan.servers.some((view) => needsPerson(view, table)))
    return {
      status: "True",
      reason: "OwnershipConflict",
      message: "A server name is somebody else's until a person acts; see OwnershipConflict.",
    };
  return { status: "False", reason: "Progressing", message: "Nothing waits for a person." };
}

/** Conflicts that end by nothing that pods do. The silence of another cluster's server ends one, where there are pings to tell it. */
function needsPerson({ state, reason }: Plan["servers"][number], table: Observation["table"]): boolean {
  if (state !== "Conflict") return false;
  return personsConflicts.has(reason) || (reason === "OtherCluster" && table.kind === "read" && table.read.pings === undefined);
}

const personsConflicts: ReadonlySet<string> = new Set([
  ...["ForeignRow", "EqualName", "SeveralRows", "InvalidName", "InvalidUrl"],
  ...["FormerOwner", "OtherWebFarm"],
]);

const notRead: Verdict = { status: "Unknown", reason: "NotObserved", message: "The rows have not been read." };

function ownershipConflict({ plan, observation }: Assessment, publication: Publication | undefined): Verdict {
  const { farm, ownerIdHolder, identity } = observation;
  if (ownerIdHolder !== undefined) {
    const cure =
      farm.spec.ownerId === undefined ? "Delete one of them" : "Make this WebFarm anew with another spec.ownerId, or without one";
    return {
      status: "True",
      reason: "OwnerIdInUse",
      message: `WebFarm ${ownerIdHolder} is older and has the owner ${identity.ownerId} too, so the rows of the two cannot be told apart. ${cure}.`,
    };
  }
  const conflicts = plan.servers.filter(({ state }) => state === "Conflict").toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const [first] = conflicts;
  if (first === undefined && observation.table.kind !== "read") return notRead;
  if (first === undefined) return { status: "False", reason: "NoConflict", message: "No pod's server name is in use by somebody else." };
  const others = conflicts.length > 1 ? ` (and ${conflicts.length - 1} more)` : "";
  const approval = first.reason === "OtherCluster" ? ` ${howToApprove(farm, publication)}` : "";
  return { status: "True", reason: first.reason, message: `${first.name}${others}: ${first.message}${approval}`.trim() };
}

function removalsBlocked({ plan, observation }: Assessment, publication: Publication | undefined): Verdict {
  const { farm, table } = observation;
  if (table.kind !== "read") return notRead;
  const [first] = plan.blocked;
  if (first === undefined) return { status: "False", reason: "NothingBlocked", message: "No row waits for a person." };
  const view = plan.servers.find(({ row, state }) => state === "Blocked" && row?.serverID === first.serverID);
  const names = plan.blocked.slice(0, 10).map(({ name }) => name);
  const more = plan.blocked.length > names.length ? ` and ${plan.blocked.length - names.length} more` : "";
  return {
    status: "True",
    reason: view?.reason ?? "Blocked",
    // The names last: what is cut off where the message is too long is no part of the command.
    message: [
      `${plan.blocked.length} rows are not removed.`,
      view?.message ?? "",
      howToApprove(farm, publication),
      `Rows: ${names.join(", ")}${more}.`,
    ]
      .filter((part) => part !== "")
      .join(" "),
  };
}

function limitReached({ plan, observation }: Assessment): Verdict {
  const { table } = observation;
  const most = mostServers(observation);
  if (most === undefined) return { status: "False", reason: "NoLimit", message: "spec.maxServers sets no limit." };
  if (table.kind !== "read") return notRead;
  const taken = enabledRows(table.read.rows);
  const waiting = plan.servers.filter(({ state }) => state === "LimitReached").map(({ name }) => name);
  if (waiting.length === 0) return { status: "False", reason: "WithinLimit", message: "No pod waits for a place." };
  const others = table.read.rows.filter((row) => row.enabled && kinship(row, observation.identity).kind === "foreign").length;
  return {
    status: "True",
    reason: "LimitReached",
    message: [
      `${waiting.length} pods have no row: the table has ${taken} enabled servers, ${others} of them not this WebFarm's, and spec.maxServers is ${most}.`,
      "Raise it if the licence allows it, delete rows that no server uses, or run fewer pods.",
      `Waiting: ${listed(waiting)}.`,
    ].join(" "),
  };
}

const mostListed = 10;
const listed = (names: readonly string[]): string => {
  const shown = names.toSorted().slice(0, mostListed);
  return `${shown.join(", ")}${names.length > shown.length ? ` and ${names.length - shown.length} more` : ""}`;
};

function peersUnaware({ plan, observation }: Assessment): Verdict {
  const unaware = plan.servers.filter(({ state }) => state === "Unsynchronised").toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const [first] = unaware;
  if (observation.table.kind !== "read") return notRead;
  if (first === undefined)
    return { status: "False", reason: "NoneSeen", message: "This process has seen no server that needs a restart to be synchronised." };
  const others = unaware.length > 1 ? ` (and ${unaware.length - 1} more)` : "";
  return { status: "True", reason: first.reason, message: `${first.name}${others}: ${first.message}` };
}

function howToApprove({ namespace, name, spec }: Observation["farm"], publication: Publication | undefined): string {
  if (publication === undefined) return "";
  if (publication.approved !== undefined)
    return `What a person approved is in force until ${publication.approved.until}; these rows are not of it and are published when it is over.`;
  const command = `kubectl annotate --overwrite webfarm -n ${namespace} ${name} ${approveAnnotation}=${publication.digest}`;
  const needed = spec.policy !== "Sync" ? " (with policy Sync)" : spec.suspend === true ? " (when the farm is resumed)" : "";
  return `Look at status.plan.unexplained; to let these ${publication.unexplained.length} rows go${needed}: ${command}`;
}

function suspended({ farm }: Observation): Verdict {
  return farm.spec.suspend === true
    ? {
        status: "True",
        reason: "Suspended",
        message: "spec.suspend is true: nothing is written to the database, readiness gates open at once.",
      }
    : { status: "False", reason: "NotSuspended", message: "The farm is not suspended." };
}
