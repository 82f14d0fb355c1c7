// How much memory the operator holds with many farms: real pods on the real API server, so the numbers of farms, pods and databases are
// those of the design, and creating them is most of the time.

import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { until } from "../world/until.ts";
import { countRows, databaseName } from "./benchWorld.ts";
import type { BenchDatabase, BenchWorld } from "./benchWorld.ts";
import { print, say } from "./figure.ts";
import { createPod, many } from "./pods.ts";

const [farms = 100, podsEach = 200, databaseCount = 10] = (process.env["BENCH_FARMS"] ?? "100x200x10").split("x").map(Number);
const settleMs = 60_000;

export async function measureMemory(world: BenchWorld): Promise<void> {
  const databases = await Promise.all(Array.from({ length: databaseCount }, () => world.openDatabase()));
  const started = performance.now();
  const namespaceOf = (farm: number): string => `farm-${farm}`;
  await many(farms, async (farm) => await world.createNamespace(namespaceOf(farm)));
  let created = 0;
  await many(farms * podsEach, async (number) => {
    const namespace = namespaceOf(number % farms);
    await createPod(world.api, { namespace, name: `shop-${number}-${namespace}`, binding: "bound", gate: "without" });
    created += 1;
    if (created % 5_000 === 0) say(`${created} of ${farms * podsEach} pods created`);
  });
  await many(farms, async (farm) => {
    const database = databases[farm % databaseCount];
    if (database !== undefined) await world.createFarm({ namespace: namespaceOf(farm), database, replicas: podsEach });
  });
  say(`${farms} farms with ${podsEach} pods each exist after ${((performance.now() - started) / 1000).toFixed(0)} s`);
  const startedOperator = performance.now();
  const operator = await world.startOperator();
  await until("all pods of all farms have rows", async () => (await allRows(databases)) === farms * podsEach, {
    timeoutMs: 180_000,
    everyMs: 1_000,
    seen: () => ({ stderr: operator.stderr(), log: operator.lines.slice(-5) }),
  });
  const name = `${farms} farms × ${podsEach} pods (without gate), ${databaseCount} databases`;
  const figure = { floor: null, samples: 1 } as const;
  print(databaseName, { ...figure, name: `${name}: start → all rows`, unit: "s", value: (performance.now() - startedOperator) / 1000 });
  say(`waiting for ${settleMs / 1000} s`);
  await pause(settleMs);
  const status = readFileSync(`/proc/${operator.pid}/status`, "utf8");
  print(databaseName, { ...figure, name: `${name}: RSS ${settleMs / 1000} s after sync`, unit: "MiB", value: mebibytes(status, "VmRSS") });
  print(databaseName, { ...figure, name: `${name}: peak RSS`, unit: "MiB", value: mebibytes(status, "VmHWM") });
}

async function allRows(databases: readonly BenchDatabase[]): Promise<number> {
  const counts = await Promise.all(databases.map(countRows));
  return counts.reduce((sum, count) => sum + count, 0);
}

const mebibytes = (status: string, field: "VmRSS" | "VmHWM"): number =>
  Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) / 1024;
