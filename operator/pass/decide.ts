// Turns an observation into a plan and what of it is permitted, and keeps the waits in step. It reads again where a plan
// rests on pings, and asks again what is wanted where pods are missed.

import { awaitedRowsMs } from "../farm/application.ts";
import { isPublished } from "../farm/approval.ts";
import { usersOf } from "../farm/inventory.ts";
import { remember } from "../farm/memory.ts";
import type { Milliseconds } from "../farm/model.ts";
import type { Observation } from "../farm/observation.ts";
import { planFarm } from "../farm/plan.ts";
import type { Plan } from "../farm/plan.ts";
import { authorityOf, permitted } from "../farm/policy.ts";
import type { Authority } from "../farm/policy.ts";
import { observe } from "./observe.ts";
import type { ObserveOptions, Observed } from "./observe.ts";
import type { FarmDatabase } from "./ports.ts";
import type { FarmState } from "./state.ts";
import { heedPings, noteGone, noteLives } from "./waits.ts";

export interface Decision {
  readonly observation: Observation;
  readonly plan: Plan;
  readonly authority: Authority;
  /** The one whose rows the plan is about; absent where they could not be, or need not be read. */
  readonly database?: FarmDatabase;
}

/** Rows that were read this long ago are as good as read now. */
const justNowMs = 10;

/**
 * A plan on rows that are fresh enough for it: a row whose pod is missing, or that the application wrote, goes only when its newest ping was
 * read just now, and so a person is asked about one that the application wrote; a surplus one only when the one that stays was; and rows
 * that an application is to write are looked for.
 */
export async function decide(options: ObserveOptions, observed: Observed, state: FarmState, signal: AbortSignal): Promise<Decision> {
  const first = decideOn(observed, state);
  // Whether so many pods are missed is not to be told from what was wanted half a minute ago.
  if (observed.freshness === "settled" && first.plan.servers.some(({ reason }) => reason === "UnexplainedAbsence")) {
    state.hasGoneRows = true; // so it is asked now
    return await decide(options, await observe(options, observed.observation.farm, state, signal), state, signal);
  }
  if (options.clock.monotonic() - state.table.atMs < freshForMs(first, state)) return first;
  state.table = { ...state.table, dirty: true };
  const again = await observe(options, observed.observation.farm, state, signal);
  return decideOn(again, state);
}

/** How old the rows of a plan may be. */
function freshForMs({ plan, authority, observation }: Decision, { memory }: FarmState): Milliseconds {
  const { removals, marks } = permitted(plan, authority);
  const isApplications = observation.farm.spec.registration === "Application";
  const needsPings =
    removals.some(({ evidence }) => isApplications || evidence === "missing" || evidence === "surplus") ||
    marks.some(({ kind }) => kind === "takeOver") ||
    plan.blocked.some((row) => isApplications && !isPublished(observation.farm, row)); // before a person is asked
  if (needsPings) return justNowMs;
  const isRead = isApplications && observation.table.kind === "read";
  return (isRead ? awaitedRowsMs(plan.servers, observation, memory) : undefined) ?? Infinity;
}

function decideOn({ observation, database }: Observed, state: FarmState): Decision {
  const remembered = remember(state.memory, observation);
  state.memory = { ...remembered, users: usersOf(observation, state.table.read, remembered.users) };
  if (observation.table.kind === "read") heedPings(state, observation);
  noteLives(state, observation);
  const plan = planFarm(observation, state.memory);
  noteGone(state, plan, observation);
  return { observation, plan, authority: authorityOf(observation), ...(database !== undefined && { database }) };
}
