// Lets time pass on a real control plane. Real time has to pass only where something waits for it: where kubelets and controllers are at rest
// and the operator says that it waits for nothing, the story goes on at once.

import { printDuration } from "../../simulation/steps.ts";
import { whatIsLeft, whatIsUndone, whatMoves } from "./rest.ts";
import type { Stage } from "./stage.ts";

const settlingMs = 10_000;
/** Before it can be said that nothing happens. */
const leastMs = 1_000;
/** A real control plane is slower than the simulated one: what moves may come to rest after the time is over. */
const graceMs = 90_000;
/** Nobody waits longer than this for real. */
const mostMs = 120_000;
const looksAtRest = 3;

/** Resolves when pods run and have their rows, or after a while where they cannot. */
export async function settle(stage: Stage): Promise<void> {
  await passTime(stage, settlingMs);
  const beganAtMs = performance.now();
  const isOver = async (): Promise<boolean> => (await whatIsUndone(stage)).length === 0 || performance.now() - beganAtMs >= graceMs;
  await stage.until("what is given is there", isOver, { everyMs: 200, timeoutMs: 2 * graceMs });
}

/** Resolves after `ms`, or when it is clear that nothing will happen in that time; rejects where `ms` are too many to let them pass. */
export async function passTime(stage: Stage, ms: number): Promise<void> {
  const beganAtMs = performance.now();
  const { time, podEnds } = stage;
  const storyMs = time.nowMs;
  let calm = 0;
  const isOver = async (): Promise<boolean> => {
    const passedMs = performance.now() - beganAtMs;
    time.reach(storyMs + Math.min(passedMs, ms));
    const due = await podEnds.endDue();
    const { coming, going } = await whatMoves(stage);
    // How long a pod takes to end is part of the story; how long to start is not, nor how long an operator takes to do what it can.
    if (passedMs >= ms) {
      // A Lease runs out all the while.
      if (stage.foresight.isElected || passedMs >= ms + graceMs) return true;
      // Nobody tells an operator that its store has gone back.
      const undone = stage.mayGoBack ? [] : await whatIsUndone(stage);
      return [...coming, ...due, ...undone].length === 0;
    }
    const left = [...coming, ...going, ...(await whatIsLeft(stage, "waits"))];
    calm = left.length > 0 ? 0 : calm + 1;
    if (calm >= looksAtRest && passedMs >= Math.min(ms, leastMs)) return true;
    if (ms > mostMs && passedMs > mostMs)
      throw new Error(`${printDuration(ms)} would have to pass for real (leave this file to the simulation): ${left.join(", ")}`);
    return false;
  };
  await stage.until(`${printDuration(ms)} are over`, isOver, { everyMs: 200, timeoutMs: ms + 2 * graceMs });
  time.reach(storyMs + ms);
}
