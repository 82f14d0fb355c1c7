// Makes a failing schedule short: leaves out chunks of steps, then single ones, then makes numbers small, as long as it fails in the same way.

import { runSchedule } from "./campaignRun.ts";
import type { Conditions, Wrong } from "./campaignRun.ts";
import { listed } from "./generate.ts";
import type { Step } from "./steps.ts";

/** More tries than this bring nothing that a person would see. */
const mostTries = 3_000;

/** Whether these steps still fail in the same way. */
export type Fails = (steps: readonly Step[]) => Promise<boolean>;

export async function shrink(steps: readonly Step[], { kind }: Wrong, conditions: Conditions): Promise<readonly Step[]> {
  return await shortest(steps, async (fewer) => (await runSchedule(listed(fewer, conditions))).wrong?.kind === kind);
}

export async function shortest(steps: readonly Step[], fails: Fails): Promise<readonly Step[]> {
  let tries = 0;
  const stillFails: Fails = async (fewer) => {
    tries += 1;
    return tries <= mostTries && (await fails(fewer));
  };
  for (let now = steps; ;) {
    const next = await simplified(await without(now, stillFails), stillFails);
    if (next.length === now.length && next.every((step, index) => step === now[index])) return now;
    now = next;
  }
}

/** Leaves out ever smaller chunks. */
async function without(steps: readonly Step[], fails: Fails): Promise<readonly Step[]> {
  let left = steps;
  for (let size = Math.ceil(left.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = left.length - size; at > -size; at -= size) {
      const from = Math.max(0, at);
      const fewer = left.toSpliced(from, at + size - from);
      if (await fails(fewer)) left = fewer;
    }
  }
  return left;
}

async function simplified(steps: readonly Step[], fails: Fails): Promise<readonly Step[]> {
  let left = steps;
  for (const index of steps.keys()) {
    for (const simpler of simplerSteps(left[index])) {
      const changed = left.with(index, simpler);
      if (!(await fails(changed))) continue;
      left = changed;
      break;
    }
  }
  return left;
}

const roundMs = [1_000, 10_000, 60_000, 120_000, 300_000, 600_000];

/** The simplest first. */
function simplerSteps(step: Step | undefined): readonly Step[] {
  if (step === undefined) return [];
  if ("duration" in step) return roundMs.filter((ms) => ms < step.duration).map((duration) => ({ ...step, duration }));
  if ("count" in step) return Array.from({ length: Math.min(step.count, 5) }, (_, count) => ({ ...step, count }));
  if ("nth" in step) return Array.from({ length: Math.max(0, step.nth - 1) }, (_, nth) => ({ ...step, nth: nth + 1 }));
  return [];
}
