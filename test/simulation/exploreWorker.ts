// One small world in a thread of its own: explores it within its time and tells what came of it.

import { parentPort, workerData } from "node:worker_threads";
import { explore } from "./exploreSearch.ts";
import type { Explored } from "./exploreSearch.ts";
import { smallWorlds } from "./exploreWorlds.ts";

export interface Task {
  readonly world: string;
  readonly faults: number;
  readonly depth: number;
  readonly states: number;
  readonly seconds: number;
}

export interface Reported extends Omit<Explored, "outcomes"> {
  readonly task: Task;
  readonly seconds: number;
}

const task = workerData as Task;
const world = smallWorlds.find(({ name }) => name === task.world);
if (world === undefined) throw new Error(`There is no world ${task.world}`);
const startedMs = performance.now();
const secondsSince = (): number => (performance.now() - startedMs) / 1_000;
const { outcomes: _outcomes, ...explored } = await explore(world, { ...task, isOver: () => secondsSince() > task.seconds });
parentPort?.postMessage({ ...explored, task, seconds: secondsSince() } satisfies Reported);
