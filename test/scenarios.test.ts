// Every scenario file, in the simulated world. The same files run on a real control plane where they say so.
import { globSync, readFileSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import { runScenario } from "./simulation/runScenario.ts";
import { parseScenario } from "./simulation/scenario.ts";

const scenarios = globSync("test/scenarios/*.scenario")
  .toSorted()
  .map((file) => parseScenario(file, readFileSync(file, "utf8")));

describe("in the simulated world", () => {
  test.each(scenarios.filter(({ runsOn }) => runsOn.includes("simulation")).map((scenario) => [scenario.title, scenario] as const))(
    "%s",
    async (_title, scenario) => {
      await runScenario(scenario);
    },
  );
});

test("no two scenarios have one title", () => {
  const titles = scenarios.map(({ title }) => title);
  expect(titles.filter((title, at) => titles.indexOf(title) !== at)).toEqual([]);
});

describe("a scenario that does not hold fails with its file and line:", () => {
  const told = async (...lines: readonly string[]): Promise<string> => {
    const text = ["Scenario: a story", "Why: to see it fail", "Runs on: simulation", ...lines].join("\n");
    try {
      await runScenario(parseScenario("a.scenario", text));
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
    return "it holds";
  };
  const given = "Given deployment shop wants 2, webfarm shop with policy Sync";

  test.each([
    ["Then rows are shop-a", "a.scenario:5: Then rows are shop-a\nFound: shop-a, shop-b"],
    ["Then gate of shop-a is open: FailOpen", "a.scenario:5: Then gate of shop-a is open: FailOpen\nIt was opened: Registered"],
    ["Then gate of shop-a is closed", "It is open"],
    ["Then row shop-a is of pod shop-b", "The row is {"],
    ["Then condition Ready is False: Because", "It is True: Ready"],
    ["Then server shop-a is Blocked: OtherCluster", "It is Registered: Registered"],
    ["Then webfarm shop is gone", "It is there"],
    ["Then server shop-a is not listed", "It is Registered: Registered"],
    ["Then webfarm shop would create 1, update 0 and remove 0", "It is {}"],
    ["When pod shop-a is deleted, 10s pass\nThen event ServerRemoved was not told", "Told: "],
    ["Then in east: server shop-a is Registered: Registered", "It is not listed"],
    ["Then 1 rows went whose process had outlived the wait", "It were 0"],
    ["When pod shop-z is deleted\nThen nobody changed a row", "a.scenario:5: When pod shop-z is deleted\nThe step cannot be done"],
    ["When pod shop-a is deleted, 10s pass\nThen nobody changed a row", "Changed: "],
    ["When pod shop-a is deleted, 10s pass\nThen A inserted shop-c", "removed: Found: shop-a"],
    ["When a person renames row shop-a to old, 30s pass\nThen row shop-a is as it was", "a.scenario:6: "],
  ])("%s", async (line, wrong) => {
    expect(await told(given, line)).toContain(wrong);
  });

  test.each([
    ["When the sky falls\nThen there are no rows", 'a.scenario:4: Cannot read the step "the sky falls"'],
    ["Then all is well", "a.scenario:4: no form of Then fits"],
    ["When 1s pass\nGiven deployment shop wants 1\nThen there are no rows", "a.scenario:5: Given stands before"],
    ["When 1s pass", "without a Then nothing is shown"],
    ["Perhaps 1s pass\nThen there are no rows", "a.scenario:4: a line begins with"],
  ])("%s cannot be read", (lines, wrong) => {
    const text = ["Scenario: a story", "Why: to see it fail", "Runs on: simulation", lines].join("\n");
    expect(() => parseScenario("a.scenario", text)).toThrow(wrong);
  });
});
