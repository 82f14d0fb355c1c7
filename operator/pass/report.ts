// Tells people what a pass saw and did: the status, at most once a second and only when it differs; events when something changed. A
// report that cannot be written never undoes or repeats what was done.

import type { Clock } from "../controller/clock.ts";
import type { Logger } from "../controller/logger.ts";
import type { Assessment } from "../farm/conditions.ts";
import { gatesToOpen } from "../farm/gates.ts";
import type { Condition, FarmKey, Milliseconds, WebFarm } from "../farm/model.ts";
import type { Evidence, Plan, Remark } from "../farm/plan.ts";
import type { WebFarmStatus } from "../farm/resource.generated.ts";
import { statusOf } from "../farm/status.ts";
import type { Applied } from "./apply.ts";
import type { Cluster, FarmEvent, PassMetrics } from "./ports.ts";
import { withWritten } from "./state.ts";
import type { FarmState } from "./state.ts";

interface ReportOptions {
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly metrics: PassMetrics;
  readonly log: Logger;
}

/** Something that was told to people, or not: then why, and when to look again. */
export interface Told {
  readonly lookAgainMs?: Milliseconds;
  readonly error?: unknown;
}

const statusIntervalMs = 1_000;
const conflictRetryMs = 200;

/** A gate that cannot be opened holds up neither the others nor the status. */
export async function openGates(
  { cluster, metrics }: ReportOptions,
  assessment: Assessment,
  state: FarmState,
  signal: AbortSignal,
): Promise<Told> {
  const { observation, plan, authority } = assessment;
  const { open, lookAgainMs } = gatesToOpen(observation, state.memory, plan, authority);
  const opened = await Promise.allSettled(
    open.map(async (opening) => {
      if ((await cluster.openGate(opening, signal)) === "opened") metrics.gateOpened(opening.reason);
    }),
  );
  const failed = opened.find((one) => one.status === "rejected");
  return { ...(lookAgainMs !== undefined && { lookAgainMs }), ...(failed !== undefined && { error: failed.reason as unknown }) };
}

/** Events of conditions, and the status. One that cannot be written holds up nothing, least of all a deletion. */
export async function tellStatus(options: ReportOptions, assessment: Assessment, state: FarmState, signal: AbortSignal): Promise<Told> {
  const { farm } = assessment.observation;
  const status = statusOf(assessment, {
    nowMs: options.clock.now(),
    ...(state.lastChangeWallMs !== undefined && { lastChangeMs: state.lastChangeWallMs }),
  });
  countFarm(options, farm.key, assessment, status);
  const { committed = farm.status, ...told } = await writeStatus(options, farm, status, state, signal).catch(
    (error: unknown): StatusWrite => {
      signal.throwIfAborted();
      return { error };
    },
  );
  tellConditions(options, farm, { status, committed }, state);
  tellUnsynchronised(options, farm, assessment.plan, state);
  return told;
}

interface StatusWrite extends Told {
  /** What the API server has now. */
  readonly committed?: WebFarmStatus;
}

/** Writes the status if it differs; answers when to look again for a write that had to wait. */
async function writeStatus(
  { cluster, clock, log }: ReportOptions,
  farm: WebFarm,
  status: WebFarmStatus,
  state: FarmState,
  signal: AbortSignal,
): Promise<StatusWrite> {
  if (isSame(status, farm.status)) return {};
  const waitMs = state.status.atMs + statusIntervalMs - clock.monotonic();
  if (waitMs > 0) return { lookAgainMs: waitMs };
  const write = await cluster.patchStatus(farm, status, signal);
  state.status = { ...state.status, atMs: clock.monotonic() };
  if (write.kind === "written") state.status = withWritten(state.status, farm, write.farm);
  if (write.kind === "conflict") return { lookAgainMs: conflictRetryMs };
  if (write.kind !== "written") return {};
  const committed = write.farm.status;
  const { plan } = committed;
  if (plan?.approved === undefined || plan.approved.digest === farm.status.plan?.approved?.digest) return { committed };
  // Only now is the approval written down, and only what is written down is acted on.
  const { digest, until } = plan.approved;
  log.info("A person approved removals", { farm: farm.key, digest, until, rows: plan.unexplained?.length, approver: write.farm.approver });
  return { committed, lookAgainMs: 0 };
}

/** The farm as the cache has it, or as this process wrote it when the watch has not brought that yet. */
export function newest(farm: WebFarm, state: FarmState): WebFarm {
  const { written } = state.status;
  return written?.cached === farm ? written.farm : farm;
}

/** Equal as JSON, whatever the order of the keys. */
export function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null || Array.isArray(a) !== Array.isArray(b)) return false;
  const [one, other] = [a as Record<string, unknown>, b as Record<string, unknown>];
  for (const key of Object.keys(one)) if (!isSame(one[key], other[key])) return false;
  return Object.keys(other).every((key) => other[key] === undefined || Object.hasOwn(one, key));
}

/** What is in the table is as it was the last time that it was read, as in the status: an alert does not end because a database is away. */
function countFarm({ metrics }: ReportOptions, key: FarmKey, { plan, observation }: Assessment, status: WebFarmStatus): void {
  const states: Record<string, number> = {};
  for (const { state } of plan.servers) states[state] = (states[state] ?? 0) + 1;
  const ready = status.conditions?.find(({ type }) => type === "Ready")?.status === "True";
  const { foreign = 0, blocked = 0 } = status;
  metrics.farm(key, { ...(observation.table.kind === "read" && { states }), foreign, blocked, ready });
}

/** Events for what was done, on the pods and one summary on the farm. */
export function tellActions({ cluster }: ReportOptions, farm: WebFarm, applied: Applied): void {
  const tell = (event: Omit<FarmEvent, "farm" | "type">): void => cluster.record({ farm, type: "Normal", ...event });
  for (const { name, claim } of applied.registered) {
    tell({
      pod: claim.pod,
      reason: "ServerRegistered",
      action: "Register",
      note: `Web farm server ${name} is registered for WebFarm ${farm.name}.`,
    });
  }
  for (const mark of applied.marked) tell({ pod: mark.claim.pod, ...aboutMark(mark) });
  for (const { row, pod, evidence } of applied.removed) {
    if (pod !== undefined)
      tell({
        pod,
        reason: "ServerRemoved",
        action: "Remove",
        note: `Web farm server ${row.name} (ServerID ${row.serverID}) is removed; ${whyRemoved[evidence]}.`,
      });
  }
  const summary = [
    summaryOf(
      "registered",
      applied.registered.map(({ name }) => name),
    ),
    ...verbs.map(({ verb, isMeant }) =>
      summaryOf(
        verb,
        applied.marked.filter(isMeant).map(({ row }) => row.name),
      ),
    ),
    summaryOf(
      "removed",
      applied.removed.map(({ row }) => row.name),
    ),
  ].filter((text) => text !== "");
  if (summary.length > 0) tell({ reason: summaryReason(applied), action: "Synchronise", note: `Servers ${summary.join("; ")}.` });
}

const whyRemoved: Readonly<Record<Evidence, string>> = {
  ended: "the pod has ended",
  missing: "the pod has been gone for longer than its process can live",
  removeAll: "the WebFarm is being deleted with deletionPolicy RemoveAll",
  approved: "a person approved it",
  surplus: "another row has its name and stays",
};

const verbs: readonly { readonly verb: string; readonly isMeant: (mark: Remark) => boolean }[] = [
  { verb: "handed over", isMeant: ({ kind }) => kind === "handOver" || kind === "takeOver" },
  { verb: "adopted", isMeant: ({ kind }) => kind === "adopt" },
  { verb: "given their URL", isMeant: ({ kind }) => kind === "url" },
];

function aboutMark({ kind, row, url }: Remark): Pick<FarmEvent, "reason" | "action" | "note"> {
  const server = `Web farm server ${row.name} (ServerID ${row.serverID})`;
  switch (kind) {
    case "handOver":
      return { reason: "ServerUpdated", action: "HandOver", note: `${server} of an earlier pod is this pod's now.` };
    case "takeOver":
      return { reason: "ServerAdopted", action: "TakeOver", note: `${server} of another cluster or a former owner is this pod's now.` };
    case "adopt":
      return {
        reason: "ServerAdopted",
        action: "Adopt",
        note: `${server}, which was not this WebFarm's, is this pod's now (spec.adoption).`,
      };
    case "url":
      return { reason: "ServerUpdated", action: "SetUrl", note: `${server} has the URL ${url ?? ""} now.` };
  }
}

function summaryReason({ registered, marked }: Applied): string {
  if (registered.length > 0) return "ServerRegistered";
  return marked.length > 0 ? "ServerUpdated" : "ServerRemoved";
}

const shownNames = 8;
const summaryOf = (verb: string, names: readonly string[]): string =>
  names.length === 0 ? "" : `${verb} ${names.length}: ${names.slice(0, shownNames).join(", ")}${names.length > shownNames ? ", …" : ""}`;

interface Watched {
  readonly condition: string;
  readonly bad: "True" | "False";
  readonly reason: string;
  readonly cured?: string;
}

const watchedConditions: readonly Watched[] = [
  { condition: "DatabaseReachable", bad: "False", reason: "DatabaseUnreachable", cured: "DatabaseReachable" },
  { condition: "SettingsCompatible", bad: "False", reason: "SettingsMismatch" },
  { condition: "OwnershipConflict", bad: "True", reason: "OwnershipConflict" },
  { condition: "RemovalsBlocked", bad: "True", reason: "RemovalBlocked" },
  { condition: "LimitReached", bad: "True", reason: "LimitReached" },
  { condition: "PeersUnaware", bad: "True", reason: "PeersUnaware" },
];

/** One event each time that a pod's process turns out to be one that only a restart will synchronise. */
function tellUnsynchronised({ cluster, log }: ReportOptions, farm: WebFarm, plan: Plan, state: FarmState): void {
  const views = plan.servers.filter((view) => view.state === "Unsynchronised");
  const keyOf = ({ pod, row }: Plan["servers"][number]): string => `${pod?.uid ?? ""}/${pod?.restarts ?? 0}/${row?.serverID ?? 0}`;
  for (const view of views) {
    if (state.unsynchronised.has(keyOf(view)) || view.pod === undefined) continue;
    log.warn("A server is not synchronised before its process restarts", {
      ...{ farm: farm.key, server: view.name, pod: view.pod.name, podUID: view.pod.uid, reason: view.reason },
      explanation: view.message,
    });
    cluster.record({ farm, pod: view.pod, type: "Warning", reason: view.reason, action: "Reconcile", note: view.message });
  }
  state.unsynchronised = new Set(views.map(keyOf));
}

/** One event and one log line each time that something begins to need a person, and when it ends. */
function tellConditions(
  { cluster, log }: ReportOptions,
  farm: WebFarm,
  { status, committed }: { readonly status: WebFarmStatus; readonly committed: WebFarmStatus },
  state: FarmState,
): void {
  const conditions: readonly Condition[] = status.conditions ?? [];
  const digest = status.plan?.digest ?? "";
  const told = new Map(state.told);
  for (const { condition, bad, reason, cured } of watchedConditions) {
    const now = conditions.find(({ type }) => type === condition);
    if (now === undefined || now.status === "Unknown") continue;
    const before = told.get(condition);
    // Another set of rows that waits for a person is news too, but only a digest that is written down can be approved.
    const isOfSet = now.status === bad && (condition === "RemovalsBlocked" || now.reason === "OtherCluster");
    if (isOfSet && committed.plan?.digest !== status.plan?.digest) continue;
    const current = now.status !== bad ? "" : isOfSet ? `${now.reason} ${digest}` : now.reason;
    if (before === current) continue;
    told.set(condition, current);
    const fields = { farm: farm.key, condition: `${condition}=${now.status}`, reason: now.reason, explanation: now.message };
    if (current !== "") {
      log.warn("A farm needs attention", fields);
      cluster.record({ farm, type: "Warning", reason, action: "Reconcile", note: now.message });
    } else if (before !== undefined) {
      log.info("A farm is in order again", fields);
      if (cured !== undefined) cluster.record({ farm, type: "Normal", reason: cured, action: "Reconcile", note: now.message });
    }
  }
  state.told = told;
}
