// The whole status of a WebFarm from an assessment. It is for people: nothing decides by it, but for what one approved (approval.ts) and
// whose the application's rows were (inventory.ts).
// Nothing in it ages by itself, so a farm in which nothing happens has the same status for ever.

import { approveAnnotation, publicationOf } from "./approval.ts";
import type { Publication } from "./approval.ts";
import { conditionsOf, cut } from "./conditions.ts";
import type { Assessment } from "./conditions.ts";
import { wantsRow } from "./desired.ts";
import { registeredPods } from "./gates.ts";
import { inventoryOf } from "./inventory.ts";
import type { Condition, Milliseconds } from "./model.ts";
import type { Plan, ServerState, ServerView } from "./plan.ts";
import { permitted } from "./policy.ts";
import type { Authority } from "./policy.ts";
import type { Condition as StatusCondition, PlanStatus, ServerStatus, WebFarmStatus } from "./resource.generated.ts";

/** Worst first. */
const precedence: readonly ServerState[] = [
  "Blocked",
  "Conflict",
  "LimitReached",
  "Stale",
  "Draining",
  "Unsynchronised",
  "Disabled",
  "Pending",
  "Registered",
];
const mostServers = 100;
const mostSamples = 20;

export interface StatusMoment {
  /** Wall clock. */
  readonly nowMs: Milliseconds;
  /** Of the last committed change of a row; undefined: none by this process. */
  readonly lastChangeMs?: Milliseconds;
}

export function statusOf(assessment: Assessment, moment: StatusMoment): WebFarmStatus {
  const { observation, plan, authority } = assessment;
  const { farm, table, identity } = observation;
  const wanting = plan.desired.claimed.filter(wantsRow);
  const known = registeredPods(observation);
  const registered = wanting.filter(({ hash }) => known.has(hash));
  const views = plan.servers.toSorted(worstFirst);
  const { facts } = table;
  const before = farm.status;
  const publication = publicationFor(assessment, moment);
  // What is in the table is as it was the last time that it was read.
  const counted = table.kind === "read" ? undefined : before;
  const withheld = counted === undefined ? planStatus(plan, authority, publication) : planUnread(plan, authority, before);
  const lastChangeTime = moment.lastChangeMs === undefined ? before.lastChangeTime : timestamp(moment.lastChangeMs);
  const database =
    facts === undefined
      ? before.database
      : { endpoint: cut(facts.endpoint, 512), name: facts.name, product: facts.product, engineVersion: cut(facts.engineVersion, 256) };
  return {
    observedGeneration: farm.generation,
    ownerId: identity.ownerId,
    conditions: conditionsOf(assessment, publication).map((condition) => dated(condition, assessment, moment)),
    desired: wanting.length,
    registered: counted === undefined ? registered.length : (counted.registered ?? 0),
    ready: counted === undefined ? registered.filter(({ pod }) => pod.ready).length : (counted.ready ?? 0),
    stale: counted === undefined ? views.filter(({ state }) => state === "Stale").length : (counted.stale ?? 0),
    blocked: counted === undefined ? plan.blocked.length : (counted.blocked ?? 0),
    foreign: counted === undefined ? plan.foreign : (counted.foreign ?? 0),
    servers: views.slice(0, mostServers).map((view) => serverStatus(view, before, moment)),
    ...(views.length > mostServers && { omittedServers: views.length - mostServers }),
    ...(database !== undefined && { database }),
    ...(withheld !== undefined && { plan: withheld }),
    ...(farm.spec.registration === "Application" && { inventory: [...inventoryOf(observation)] }),
    ...(lastChangeTime !== undefined && { lastChangeTime }),
  };
}

/** While the rows are not known, what was published of them stands. */
function publicationFor({ observation, plan, authority }: Assessment, { nowMs }: StatusMoment): Publication | undefined {
  const { farm, table } = observation;
  if (table.kind !== "read") return undefined;
  return publicationOf({
    before: farm.status.plan,
    needing: plan.unexplained,
    approve: farm.annotations[approveAnnotation],
    mayRemove: authority.remove,
    nowWallMs: nowMs,
  });
}

function planUnread(plan: Plan, authority: Authority, before: WebFarmStatus): PlanStatus | undefined {
  return before.plan?.digest === undefined ? planStatus(plan, authority, undefined) : before.plan;
}

/** As Kubernetes writes times: whole seconds. */
const timestamp = (ms: Milliseconds): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;

const worstFirst = (a: ServerView, b: ServerView): number =>
  precedence.indexOf(a.state) - precedence.indexOf(b.state) ||
  (a.name < b.name ? -1 : a.name > b.name ? 1 : 0) ||
  (a.row?.serverID ?? 0) - (b.row?.serverID ?? 0) ||
  ((a.pod?.uid ?? "") < (b.pod?.uid ?? "") ? -1 : 1);

/** Keeps the transition time of a condition whose status has not changed. */
function dated(condition: Condition, { observation }: Assessment, moment: StatusMoment): StatusCondition {
  const before = observation.farm.status.conditions?.find(({ type }) => type === condition.type);
  const lastTransitionTime = before?.status === condition.status ? before.lastTransitionTime : timestamp(moment.nowMs);
  return { ...condition, observedGeneration: observation.farm.generation, lastTransitionTime };
}

function serverStatus(view: ServerView, before: WebFarmStatus, moment: StatusMoment): ServerStatus {
  const last = before.servers?.find(
    ({ name, podUID, serverID }) =>
      name === view.name && podUID === view.pod?.uid && (serverID === view.row?.serverID || serverID === undefined),
  );
  const since = last?.state === view.state && last.since !== undefined ? last.since : timestamp(moment.nowMs);
  return {
    name: view.name,
    ...(view.member !== undefined && { member: view.member }),
    ...(view.pod !== undefined && { pod: view.pod.name, podUID: view.pod.uid }),
    ...(view.row !== undefined && { serverID: view.row.serverID }),
    state: view.state,
    reason: view.reason,
    since,
    ...(view.message !== "" && { message: cut(view.message, 512) }),
  };
}

/** What would be done, where something of it may not be. */
function planStatus(plan: Plan, authority: Authority, publication: Publication | undefined): PlanStatus | undefined {
  const allowed = permitted(plan, authority);
  const inserts = plan.inserts.filter((insert) => !allowed.inserts.includes(insert));
  const marks = plan.marks.filter((mark) => !allowed.marks.includes(mark));
  const removals = plan.removals.filter((removal) => !allowed.removals.includes(removal));
  if (inserts.length + marks.length + removals.length + plan.blocked.length === 0 && publication === undefined) return undefined;
  const sample = [
    ...removals.map(({ row, evidence }) => `remove ${row.name} (ServerID ${row.serverID}): ${evidence}`),
    ...plan.blocked.map(({ name, serverID }) => `blocked ${name} (ServerID ${serverID})`),
    ...inserts.map(({ name, claim }) => `create ${name} for pod ${claim.pod.name}`),
    ...marks.map(({ row, claim }) => `update ${row.name} (ServerID ${row.serverID}) for pod ${claim.pod.name}`),
  ];
  return {
    creates: inserts.length,
    updates: marks.length,
    removals: removals.length,
    blockedRemovals: plan.blocked.length,
    sample: sample.slice(0, mostSamples).map((line) => cut(line, 256)),
    ...publication,
  };
}
