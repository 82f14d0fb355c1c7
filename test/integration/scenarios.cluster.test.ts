// Every scenario file that says so, on a real control plane: the same stories as in the simulated world, several at once, each in a namespace
// and with a database of its own.

import { globSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, test } from "@jest/globals";
import { connectCluster } from "../cluster/shared.ts";
import type { SharedCluster } from "../cluster/shared.ts";
import { asksRealServer } from "../database/database.ts";
import { obstacles } from "../scenarios/cluster/obstacles.ts";
import { runOnCluster } from "../scenarios/cluster/runOnCluster.ts";
import { parseScenario } from "../simulation/scenario.ts";
import type { Scenario } from "../simulation/scenario.ts";
import { createFarmWorld } from "../world/farmWorld.ts";

const atOnce = 8;
const limitMs = 240_000;

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
  const waiting = scenarios.map((scenario) => {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    promise.catch(() => undefined);
    runs.set(scenario, promise);
    return async (): Promise<void> => {
      const startedAtMs = performance.now();
      await runOnCluster(scenario, cluster).then(() => resolve(undefined), reject);
      if (only !== undefined) console.log(`${scenario.file}: ${((performance.now() - startedAtMs) / 1_000).toFixed(1)} s`);
    };
  });
  const workOff = async (): Promise<void> => {
    for (let run = waiting.shift(); run !== undefined; run = waiting.shift()) await run();
  };
  void Promise.all(Array.from({ length: atOnce }, workOff));
}

beforeAll(async () => {
  cluster = await connectCluster();
  const world = await createFarmWorld({ cluster, operator: "absent" }); // installs the chart, whose rights the operators have
  await world.close();
  if (!asksRealServer()) startAll();
}, 60_000);
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
