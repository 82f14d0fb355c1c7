// A thousand pods at once: all there at the operator's first pass, then all replaced while it is dead.

import { setTimeout as pause } from "node:timers/promises";
import type { ArrivedStatement } from "../database/faults.ts";
import type { OperatorProcess } from "../world/operatorProcess.ts";
import { until } from "../world/until.ts";
import { countRows, databaseName, isFrom, isRegister, isRemove } from "./benchWorld.ts";
import type { BenchDatabase, BenchWorld } from "./benchWorld.ts";
import { print, say } from "./figure.ts";
import { createPod, deletePods, many } from "./pods.ts";

const namespace = "burst";
const pods = 1_000;
/** Promise 3: the grace of the farm's pods, 30 s, and 10 s. */
const removalWaitS = 40;

interface Run {
  readonly statement: ArrivedStatement;
  readonly atMs: number;
}

export async function measureBurst(world: BenchWorld): Promise<void> {
  const database = await world.openDatabase();
  await world.createNamespace(namespace);
  say(`creating ${pods} pods`);
  await createBoundPods(world, "first");
  await world.createFarm({ namespace, database, replicas: pods });
  const runs = recordRuns(database);
  const operator = await timed(world);
  await until("every pod has a row", async () => (await countRows(database)) === pods, { everyMs: 200 });
  printBurst(runs, operator.startedMs);
  const trips = runs.findLastIndex(({ statement }) => isRegister(statement)) + 1;
  print(databaseName, { ...figure(`${pods} pods at the first pass: SQL round trips until all rows`, "requests"), value: trips });

  await pause(3_000); // gates, status
  await operator.process.kill();
  say(`replacing ${pods} pods while the operator is dead`);
  await deletePods(world.api, namespace);
  await createBoundPods(world, "second");
  runs.length = 0;
  const second = await timed(world);
  await until("the new pods have rows and the old ones have none", async () => (await namesOf(database)).every(isSecond), {
    timeoutMs: 120_000,
    everyMs: 500,
  });
  const after = (matches: (statement: ArrivedStatement) => boolean): number =>
    ((runs.findLast(({ statement }) => matches(statement))?.atMs ?? NaN) - second.startedMs) / 1000;
  print(databaseName, { ...figure(`${pods} pods replaced while down: start → all inserts`, "s"), value: after(isRegister) });
  print(databaseName, {
    ...figure(`${pods} pods replaced while down: start → all removals, less their wait of ${removalWaitS} s`, "s"),
    value: after(isRemove) - removalWaitS,
  });
}

const isSecond = (name: string): boolean => name.startsWith("second-");

const namesOf = async (database: BenchDatabase): Promise<readonly string[]> => {
  const rows = await database.adminQuery<{ ServerName: string }>("SELECT ServerName FROM CMS_WebFarmServer");
  return rows.length < pods ? ["too few"] : rows.map(({ ServerName }) => ServerName);
};

function printBurst(runs: readonly Run[], startedMs: number): void {
  const last = runs.findLast(({ statement }) => isRegister(statement))?.atMs ?? NaN;
  const first = runs[0]?.atMs ?? NaN;
  print(databaseName, {
    ...figure(`${pods} pods at the first pass: caches begin to fill → all rows`, "s"),
    value: (last - startedMs) / 1000,
  });
  print(databaseName, { ...figure(`${pods} pods at the first pass: first SQL request → all rows`, "s"), value: (last - first) / 1000 });
}

const figure = (name: string, unit: "s" | "requests"): { name: string; unit: "s" | "requests"; floor: null; samples: number } => ({
  ...{ name, unit, floor: null, samples: 1 },
});

const createBoundPods = (world: BenchWorld, prefix: string): Promise<void> =>
  many(pods, (number) => createPod(world.api, { namespace, name: `${prefix}-${number}`, binding: "bound", gate: "with" }));

/** All that the operator's statements do from now on. */
function recordRuns({ faults }: BenchDatabase): Run[] {
  const runs: Run[] = [];
  faults.onRun((statement) => {
    if (isFrom("operator", statement)) runs.push({ statement, atMs: performance.now() });
  });
  return runs;
}

/** Started: when its caches begin to fill, by its log. */
async function timed(world: BenchWorld): Promise<{ readonly process: OperatorProcess; readonly startedMs: number }> {
  const process = await world.startOperator(namespace);
  const line = process.lines.find(({ message }) => message === "The operator runs");
  return { process, startedMs: Date.parse(String(line?.["timestamp"])) - performance.timeOrigin };
}
