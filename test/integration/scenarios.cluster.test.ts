// Every scenario file that says so, on a real control plane: the same stories as in the simulated world, several at once, each in a namespace
// and with a database of its own.

import { globSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, test } from "@jest/globals";
import { connectCluster } from "../cluster/shared.ts";
import type { SharedCluster } from "../cluster/shared.ts";
import { asksRealServer } from "../database/database.ts";
import { runOnCluster } from "../scenarios/cluster/runOnCluster.ts";
import { parseScenario } from "../simulation/scenario.ts";
import type { Scenario } from "../simulation/scenario.ts";
import { createFarmWorld } from "../world/farmWorld.ts";

const atOnce = 6;
const limitMs = 240_000;

const only = process.env["SCENARIO"]; // a part of a file's name, to run it alone
const scenarios = globSync("test/scenarios/*.scenario")
  .toSorted()
  .map((file) => parseScenario(file, readFileSync(file, "utf8")))
  .filter(({ runsOn, file }) => runsOn.includes("cluster") && (only === undefined || file.includes(only)));

let cluster: SharedCluster;
const runs = new Map<Scenario, Promise<void>>();

beforeAll(async () => {
  cluster = await connectCluster();
  const world = await createFarmWorld({ cluster, operator: "absent" }); // installs the chart, whose rights the operators have
  await world.close();
  const waiting = [...scenarios];
  const slots = Array.from({ length: atOnce }, () => Promise.resolve());
  for (const [index, scenario] of waiting.entries()) {
    const slot = index % atOnce;
    const run = (slots[slot] ?? Promise.resolve()).then(() => runOnCluster(scenario, cluster));
    runs.set(scenario, run);
    slots[slot] = run.catch(() => undefined); // told by its test
  }
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
