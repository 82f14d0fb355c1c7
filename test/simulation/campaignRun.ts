// Runs one schedule: each step on a world, the checker after each, then the end of all faults and the convergence. It answers what happened
// and the first thing that was wrong; it never throws for what the world or the operator does.

import type { Logger } from "../../operator/controller/logger.ts";
import { Checker } from "./checker.ts";
import { untilConverged } from "./converged.ts";
import { Coverage } from "./campaignCoverage.ts";
import type { Step } from "./steps.ts";
import { World } from "./world.ts";

export interface Wrong {
  /** What the same failure of a shorter schedule has too: the checker's rule, or what did not converge without its names. */
  readonly kind: string;
  readonly texts: readonly string[];
}

/** Gives the steps of one schedule in turn; undefined: it is over. */
export interface StepSource {
  next(world: World): Step | undefined;
}

/** What is so from the beginning, besides the steps. */
export interface Conditions {
  /** Operators compete for a Lease; otherwise each writes. */
  readonly isElected: boolean;
}

export interface Schedule extends Conditions {
  readonly steps: StepSource;
}

export interface Outcome extends Conditions {
  /** Those that could be done. */
  readonly steps: readonly Step[];
  readonly wrong: Wrong | undefined;
  readonly coverage: Coverage;
}

export async function runSchedule({ steps: source, isElected }: Schedule, log?: Logger): Promise<Outcome> {
  const coverage = new Coverage(log);
  const world = new World({ log: coverage.log, isElected });
  const checker = new Checker(world.truth);
  const steps: Step[] = [];
  const wrong = await firstWrong(world, checker, source, coverage, steps);
  coverage.note(world, checker);
  return { steps, isElected, wrong, coverage };
}

async function firstWrong(
  world: World,
  checker: Checker,
  source: StepSource,
  coverage: Coverage,
  steps: Step[],
): Promise<Wrong | undefined> {
  try {
    for (let step = source.next(world); step !== undefined; step = source.next(world)) {
      coverage.before(world);
      if (await world.applyIfPossible(step)) {
        steps.push(step);
        coverage.after(world, step);
      }
      const found = judged(checker);
      if (found !== undefined) return found;
    }
    coverage.faultsEnd(world);
    if (world.operators.size === 0) return undefined; // nobody was there to bring anything about
    const left = await untilConverged(world);
    const found = judged(checker);
    if (found !== undefined || left.length === 0) return found;
    return { kind: `does not converge: ${withoutNames(left[0] ?? "")}`, texts: left };
  } catch (error) {
    const { message, stack = message } = error instanceof Error ? error : new Error(String(error));
    return { kind: `throws: ${withoutNames(message)}`, texts: [stack] };
  }
}

function judged(checker: Checker): Wrong | undefined {
  const [first, ...more] = checker.take();
  return first && { kind: first.rule, texts: [first, ...more].map(({ rule, text }) => `${rule}: ${text}`) };
}

/** Pods, rows and numbers differ from one failure to the next that is the same. */
const withoutNames = (text: string): string =>
  text
    .replace(/\([^)]*\)/g, "")
    .replace(/\b\S*-\S*\b/g, "*")
    .replace(/\d+/g, "#");
