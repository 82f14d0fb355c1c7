// Every scenario file that says so, on a real control plane: the same stories as in the simulated world, several at once, each in a namespace
// and with a database of its own, and on a control plane of its own where it takes etcd back in time.

import { globSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, test } from "@jest/globals";
import { connectCluster } from "../cluster/shared.ts";
import type { SharedCluster } from "../cluster/shared.ts";
import { asksRealServer } from "../database/database.ts";
import { installChart, needsOwnControlPlane } from "../scenarios/cluster/ground.ts";
import { obstacles } from "../scenarios/cluster/obstacles.ts";
import { runOnCluster } from "../scenarios/cluster/runOnCluster.ts";
import { parseScenario } from "../simulation/scenario.ts";
import type { Scenario } from "../simulation/scenario.ts";

const atOnce = 8;
/** Of those that take etcd back, beside the others: each has a control plane of its own. */
const ownAtOnce = 3;
const limitMs = 900_000;

/** A part of a file's name, to run it alone and whatever it says, where it can be played. */
const only = process.env["SCENARIO"];
const scenarios = globSync("test/scenarios/*.scenario")
  .toSorted()
  .map((file) => parseScenario(file, readFileSync(file, "utf8")))
  .filter((scenario) =>
    only === undefined ? scenario.runsOn.includes("cluster") : scenario.file.includes(only) && obstacles(scenario).length === 0,
  );

let cluster: SharedCluster;
const runs = new Map<Scenario, Promise<unknown>>();

/** So many at once; what becomes of each is told by its test. */
function startAll(): void {
  const own = scenarios.filter(needsOwnControlPlane).map(waiting);
  const shared = scenarios.filter((scenario) => !needsOwnControlPlane(scenario)).map(waiting);
  void Promise.all([...lanes(own, ownAtOnce), ...lanes(shared, atOnce)]);
}

function waiting(scenario: Scenario): () => Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  promise.catch(() => undefined);
  runs.set(scenario, promise);
  return async () => {
    const startedAtMs = performance.now();
    await runOnCluster(scenario, cluster).then(() => resolve(undefined), reject);
    if (only !== undefined) console.log(`${scenario.file}: ${((performance.now() - startedAtMs) / 1_000).toFixed(1)} s`);
  };
}

function lanes(queue: (() => Promise<void>)[], count: number): readonly Promise<void>[] {
  const workOff = async (): Promise<void> => {
    for (let run = queue.shift(); run !== undefined; run = queue.shift()) await run();
  };
  return Array.from({ length: count }, workOff);
}

beforeAll(async () => {
  cluster = await connectCluster();
  await installChart(cluster);
  if (!asksRealServer()) startAll();
}, 240_000);
afterAll(async () => {
  await Promise.allSettled(runs.values());
  await cluster.close();
}, limitMs);

/** They need the fault script and the commits of our own server. */
describe("on a real control plane", () => {
  (asksRealServer() ? test.skip : test).each(scenarios.map((scenario) => [scenario.title, scenario] as const))(
    "%s",
    async (_title, scenario) => {
      await runs.get(scenario);
    },
    limitMs,
  );
});
