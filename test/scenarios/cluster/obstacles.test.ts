// What each scenario file says of where it runs is true, as far as its lines tell; and a file that cannot be played is refused with its step.

import { globSync, readFileSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import type { SharedCluster } from "../../cluster/shared.ts";
import { parseScenario } from "../../simulation/scenario.ts";
import type { Scenario } from "../../simulation/scenario.ts";
import { needsOwnControlPlane } from "./ground.ts";
import { obstacles } from "./obstacles.ts";
import { runOnCluster } from "./runOnCluster.ts";

const files = globSync("test/scenarios/*.scenario").toSorted();
const scenarios = files.map((file) => [file, parseScenario(file, readFileSync(file, "utf8"))] as const);

test.each(scenarios.filter(([, { runsOn }]) => runsOn.includes("cluster")))(
  "%s can be played on a real control plane, as it says",
  (_file, scenario) => expect(obstacles(scenario)).toEqual([]),
);

test("there are stories for both grounds", () => {
  expect(scenarios.filter(([, { runsOn }]) => runsOn.length === 2).length).toBeGreaterThan(20);
});

const story = (...lines: readonly string[]): Scenario =>
  parseScenario(
    "a.scenario",
    ["Scenario: a story", "Why: to see it refused", "Runs on: cluster", ...lines, "Then there are no rows"].join("\n"),
  );

describe("a scenario is refused on a real control plane, with its line and step, where", () => {
  test.each([
    ["nobody can do a step there", "When cache of A stalls", "a.scenario:4: cache of A stalls: nobody can do that there"],
    [
      "etcd is to raise its versions",
      "When etcd is saved, etcd is restored and its versions go on",
      "versions go on: nobody can do that there",
    ],
    ["it needs another cluster", "When in east: pod shop-0 is deleted", "there is one control plane"],
    ["it meets what the wire does not tell apart", "When A's next gate is not applied", "no gate can be told apart on the wire"],
    ["it puts off something for minutes", "When A's next remove executes 5m late", "it takes more than 60 s"],
    ["a pod's grace is to change later", "When new pods of shop have 5s of grace", "it has to be given"],
    ["a policy is none", "When webfarm shop sets policy Perhaps", "the API server takes no such policy"],
    ["it names a pod that is to come", "When deployment shop wants 1, a person inserts row shop-a", "nobody knows the names"],
    ["a statement may be that of two", "When operator B starts, A's next mark is not applied", "whose statement it is"],
  ])("%s", async (_why, line, told) => {
    const nowhere = undefined as unknown as SharedCluster; // refused before it is looked at
    await expect(runOnCluster(story(line), nowhere)).rejects.toThrow(told);
  });

  test("but not where it takes etcd back, for which it gets a control plane of its own", () => {
    const back = story("When etcd is saved, 1s pass, etcd is restored");
    expect(obstacles(back)).toEqual([]);
    expect([back, story("When 1s pass")].map(needsOwnControlPlane)).toEqual([true, false]);
  });

  test("it looks into another cluster", () => {
    expect(obstacles(story("When 1s pass", "Then in east: there are no rows"))).toEqual([
      "a.scenario:5: Then in east: there are no rows: there is one control plane",
    ]);
  });
});
