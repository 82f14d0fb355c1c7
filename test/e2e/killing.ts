// Starts operator processes and kills them with SIGKILL, one after the other or two at once, at random moments: so long after their start,
// or at a write, which is then never done, done with nobody to hear of it, or done seconds later when others have gone on. It says how each
// process was killed, and which ended by themselves.

import type { ArrivedStatement, Faults, Rule } from "../database/faults.ts";
import type { OperatorProcess } from "../world/operatorProcess.ts";
import type { Chance } from "./chance.ts";
import { fromOperator, isRemoval, isWrite } from "./cuts.ts";

export interface KillingOptions {
  readonly faults: Faults;
  readonly chance: Chance;
  readonly kills: number;
  readonly start: () => OperatorProcess;
  readonly say: (text: string) => void;
}

export interface Killed {
  /** How many were killed in which way. */
  readonly ways: Readonly<Record<Way, number>>;
  /** What processes said that ended before they were killed. */
  readonly endedByThemselves: readonly string[];
  /** The one that runs on; whoever asked ends it. */
  readonly survivor: OperatorProcess;
}

const ways = ["at a moment", "before a commit", "after a commit", "long before a commit"] as const;
type Way = (typeof ways)[number];

const longestLifeMs = 3_000;
/** A process that writes nothing is killed all the same. */
const longestWaitMs = 5_000;
/** Long enough for another operator to start and to write. */
const delaysMs = { least: 1_500, most: 6_000 } as const;
const mostWritesBefore = 3;

export async function killAtRandom({ faults, chance, kills, start, say }: KillingOptions): Promise<Killed> {
  const killed: Record<Way, number> = { "at a moment": 0, "before a commit": 0, "after a commit": 0, "long before a commit": 0 };
  const endedByThemselves: string[] = [];
  const running: OperatorProcess[] = [start()];
  // In the middle third one lives beside those that are killed: long enough to remove the rows of pods whose end it did not see.
  const steady: { operator?: OperatorProcess; readonly from: number; readonly to: number } = {
    from: Math.ceil(kills / 3),
    to: Math.ceil((2 * kills) / 3),
  };
  for (let count = 1; count <= kills; count += 1) {
    if (count === steady.from) steady.operator = start();
    if (running.length === 1 && chance.oneIn(5)) running.push(start());
    const victim = (count === steady.to ? steady.operator : running.shift()) ?? start();
    const way = await killOne(victim, chance.pick(ways));
    killed[way] += 1;
    if ((await victim.exited) !== null) endedByThemselves.push(`An operator ended with ${await victim.exited}: ${victim.stderr()}`);
    if (running.length === 0) running.push(start());
    if (count % 10 === 0) say(`${count} of ${kills} kills`);
  }
  const [survivor, ...others] = running;
  if (survivor === undefined) throw new Error("Cannot go on without an operator");
  for (const operator of others) await operator.kill();
  return { ways: killed, endedByThemselves, survivor };

  function fault(way: Exclude<Way, "at a moment">): Rule {
    // Of what runs late, removals do the harm, if any does.
    const isMeant = way === "long before a commit" && !chance.oneIn(4) ? isRemoval : isWrite;
    let skipped = isMeant === isRemoval ? 0 : chance.between(0, mostWritesBefore);
    const nth = (statement: ArrivedStatement): boolean => isMeant(statement) && --skipped < 0;
    switch (way) {
      case "before a commit":
        return faults.dropBefore(nth, fromOperator);
      case "after a commit":
        return faults.dropAfter(nth, fromOperator);
      case "long before a commit":
        return faults.delay(nth, chance.between(delaysMs.least, delaysMs.most), fromOperator);
    }
  }

  /** Resolves to the way that it was in the end. */
  async function killOne(victim: OperatorProcess, way: Way): Promise<Way> {
    const atMostMs = way === "at a moment" ? chance.between(0, longestLifeMs) : longestWaitMs;
    const rule = way === "at a moment" ? undefined : fault(way);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, atMostMs);
      void rule?.reached.then(() => {
        clearTimeout(timer);
        resolve();
      });
    });
    victim.signal("SIGKILL");
    rule?.remove();
    return rule === undefined || rule.met === 0 ? "at a moment" : way;
  }
}
