// Whether the end of a schedule finds what is not as it should be at rest, ends every fault, and lets pass what the design allows.
import { beforeEach, describe, expect, test } from "@jest/globals";
import { untilConverged, whatIsWrong } from "./converged.ts";
import { parseStep } from "./steps.ts";
import { World } from "./world.ts";

let world: World;
const does = async (...lines: readonly string[]): Promise<void> => {
  for (const line of lines) await world.apply(parseStep(line));
};

beforeEach(async () => {
  world = new World();
  await does("deployment shop wants 2", "webfarm shop with policy Sync");
});

describe("it says", () => {
  test("that pods have no row and closed gates where nobody works", async () => {
    expect(await untilConverged(world)).toEqual([
      "main/prod/shop: the gate of pod shop-a is closed",
      "main/prod/shop: the gate of pod shop-b is closed",
      "main/prod/shop: pod shop-a (pod-0001) has 0 rows",
      "main/prod/shop: pod shop-b (pod-0002) has 0 rows",
    ]);
  });

  test("that a row is left of a pod that is no more, and that a WebFarm does not go", async () => {
    await does("operator A starts", "10s pass", "cache of A stalls", "deployment shop scales to 1", "10s pass");
    expect(whatIsWrong(world.truth)).toEqual(["main/prod/shop: row 2 shop-b is no pod's"]);
    await does("webfarm shop is deleted");
    expect(whatIsWrong(world.truth)).toEqual(["main/prod/shop: it is still being deleted"]);
    expect(await untilConverged(world)).toEqual([]);
  });

  test("that a pod has two rows", async () => {
    await does("operator A starts", "10s pass");
    const database = world.truth.database("main");
    const row = database.rowNamed("shop-a");
    database.insert({ name: "shop-a", guid: row?.guid ?? null, enabled: true }, { kind: "person" });
    expect(whatIsWrong(world.truth)).toEqual(["main/prod/shop: pod shop-a (pod-0001) has 2 rows"]);
  });
});

test.each([
  ["operator A crashes", "pod shop-a is deleted", "10s pass"],
  ["database is silent for A", "api is silent for A", "deployment shop rolls out", "1m pass"],
  ["cache of A stalls", "deployment shop scales to 3", "1m pass"],
  ["operator A pauses for 2h", "deployment shop scales to 1", "1m pass"],
  ["A's next remove hangs", "deployment shop scales to 1", "10s pass"],
  ["database is gone", "deployment shop scales to 3", "1m pass"],
  ["node n1 is cut off", "pod shop-a is force-deleted and its process lives on", "1m pass"],
  ["controllers rest", "pod shop-a is deleted", "1m pass"],
])("it ends every fault: %s, %s, %s", async (...lines) => {
  await does("operator A starts", "10s pass", ...lines);
  expect(await untilConverged(world)).toEqual([]);
  expect(world.truth.database("main").rows.size).toBe(
    [...world.truth.cluster("main").api.pods.values()].filter(({ deletionAtMs }) => deletionAtMs === undefined).length,
  );
});

describe("it lets pass", () => {
  test("rows that need a person, and pods in conflict, when the WebFarm lists them", async () => {
    await does("a person inserts row shop-b", "operator A starts", "10s pass");
    expect(await untilConverged(world)).toEqual([]);
  });

  test("a farm that may not write", async () => {
    await does("webfarm shop is suspended", "operator A starts");
    expect(await untilConverged(world)).toEqual([]);
    expect(world.truth.database("main").rows.size).toBe(0);
  });
});
