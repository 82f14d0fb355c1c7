// Turns an observation into a plan and what of it is permitted, and keeps the waits in step. It reads again where a plan rests on pings.

import { remember } from "../farm/memory.ts";
import type { Observation } from "../farm/observation.ts";
import { planFarm } from "../farm/plan.ts";
import type { Plan } from "../farm/plan.ts";
import { authorityOf, permitted } from "../farm/policy.ts";
import type { Authority } from "../farm/policy.ts";
import { observe } from "./observe.ts";
import type { ObserveOptions, Observed } from "./observe.ts";
import type { FarmDatabase } from "./ports.ts";
import type { FarmState } from "./state.ts";
import { heedPings, noteGone } from "./waits.ts";

export interface Decision {
  readonly observation: Observation;
  readonly plan: Plan;
  readonly authority: Authority;
  /** The one whose rows the plan is about; absent where they could not be, or need not be read. */
  readonly database?: FarmDatabase;
}

/** Rows that were read this long ago are as good as read now. */
const justNowMs = 10;

/** A plan on rows that are fresh enough for it: a row whose pod is missing goes only when its newest ping was read just now. */
export async function decide(options: ObserveOptions, observed: Observed, state: FarmState, signal: AbortSignal): Promise<Decision> {
  const first = decideOn(observed, state);
  const { removals, marks } = permitted(first.plan, first.authority);
  const needsPings = removals.some(({ evidence }) => evidence === "missing") || marks.some(({ kind }) => kind === "takeOver");
  if (!needsPings || options.clock.monotonic() - state.table.atMs <= justNowMs) return first;
  state.table = { ...state.table, dirty: true };
  const again = await observe(options, observed.observation.farm, state, signal);
  return decideOn(again, state);
}

function decideOn({ observation, database }: Observed, state: FarmState): Decision {
  state.memory = remember(state.memory, observation);
  if (observation.table.kind === "read") heedPings(state, observation);
  const plan = planFarm(observation, state.memory);
  noteGone(state, plan, observation);
  return { observation, plan, authority: authorityOf(observation), ...(database !== undefined && { database }) };
}
