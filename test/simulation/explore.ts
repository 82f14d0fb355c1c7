// Explores every order of events in the small worlds and prints, for each, how many states and transitions there were, how deep it went and
// whether that was all of them. A violation is printed as the shortest schedule that leads to it, and the exit code is 1.
//
//   node test/simulation/explore.ts [--quick] [--world <name>] [--faults <n>] [--seconds <n>]

import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { smallWorlds } from "./exploreWorlds.ts";
import type { Reported, Task } from "./exploreWorker.ts";

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    world: { type: "string" },
    faults: { type: "string" },
    seconds: { type: "string" },
  },
});

/** In `make test`: what every change is held against. The depths are those that two cores reach in some seconds. */
const quick = { faults: [0, 1], depth: { 0: 8, 1: 5 } as Readonly<Record<number, number>>, seconds: 36 };
const whole = { faults: [0, 1, 2], depth: {} as Readonly<Record<number, number>>, seconds: 600 };
const mostStates = 3_000_000;
const mostThreads = 2;

const plan = values.quick ? quick : whole;
const seconds = Number(values.seconds ?? plan.seconds);
const faults = values.faults === undefined ? plan.faults : [Number(values.faults)];
const worlds = smallWorlds.filter(({ name }) => values.world === undefined || name === values.world);
if (worlds.length === 0)
  throw new Error(`There is no world "${values.world}": take one of ${smallWorlds.map(({ name }) => name).join(", ")}`);
const tasks = faults.flatMap((count): Omit<Task, "seconds">[] =>
  worlds.map(({ name }) => ({ world: name, faults: count, depth: plan.depth[count] ?? Infinity, states: mostStates })),
);

process.exitCode = (await runAll()) ? 0 : 1;

/** True: nothing was found. */
async function runAll(): Promise<boolean> {
  const startedMs = performance.now();
  const waiting = [...tasks];
  let isGood = true;
  const threads = Math.min(mostThreads, availableParallelism(), tasks.length);
  /** What is left of the time is shared by what is left to do. */
  const share = (): number => (Math.max(0, seconds - (performance.now() - startedMs) / 1_000) * threads) / (waiting.length + 1);
  const work = async (): Promise<void> => {
    for (let task = waiting.shift(); task !== undefined; task = waiting.shift()) {
      const reported = await run({ ...task, seconds: share() });
      print(reported);
      isGood &&= reported.found.length === 0;
    }
  };
  await Promise.all(Array.from({ length: threads }, work));
  return isGood;
}

function run(task: Task): Promise<Reported> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./exploreWorker.ts", import.meta.url), { workerData: task });
    worker.once("message", resolve);
    worker.once("error", reject);
  });
}

function print({ task, found, ...explored }: Reported): void {
  const { states, transitions, depth, isExhausted, converged, seconds: took } = explored;
  const extent = isExhausted ? `all of them, ${depth} decisions deep` : `all that ${depth} decisions lead to`;
  const numbers = `${states} states, ${transitions} transitions, ${extent}`;
  console.log(`${task.world}, ${task.faults} faults: ${numbers}, ${converged} states on the way to rest, ${took.toFixed(1)} s`);
  for (const { what, schedule } of found) console.log(`  VIOLATION ${what}\n${schedule.map((line) => `    ${line}`).join("\n")}`);
}
