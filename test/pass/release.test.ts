// Whole passes around the release of a WebFarm that is deleted: what it waits for where the pods cannot be listed, and what is told of the
// rows that it leaves.

import { beforeEach, describe, expect, test } from "@jest/globals";

import { markFor } from "../../operator/farm/mark.ts";
import type { WebFarmSpec } from "../../operator/farm/resource.generated.ts";
import { ended, farm, identity, otherCluster, pod, uid } from "../farm/build.ts";
import { FakeWorld } from "./fakeWorld.ts";

let world: FakeWorld;
const names = (): readonly string[] => world.rows.map(({ name }) => name);
const finalizers = (): readonly string[] | undefined => world.farm?.finalizers;
const next = " Delete those that no process uses in the administration.";
/** What is told of rows that are left, without what to do next. */
const left = (): readonly string[] =>
  world.events
    .filter(({ reason }) => reason === "ServersLeft")
    .map(({ note }) => (note.endsWith(next) ? note.slice(0, -next.length) : `${note} (and nothing to do)`));
const deleteFarm = (): void => world.change({ deletionAtMs: world.clock.now() });

beforeEach(() => {
  world = new FakeWorld();
});

describe.each<[string, FakeWorld["isSynced"]]>([
  ["the pods", { farms: true, pods: false }],
  ["the WebFarms", { farms: false, pods: true }],
])("where %s cannot be listed since the operator began", (_what, isSynced) => {
  beforeEach(async () => {
    for (const name of ["shop-a", "shop-b", "shop-c"]) world.put(pod({ name }));
    world.replicas = 3;
    await world.settle(5_000);
    world.isSynced = isSynced;
    world.restart();
    world.calls.length = 0;
  });

  test("a WebFarm that stays is left alone", async () => {
    await world.settle(10 * 60_000);
    expect(world.calls).toEqual([]);
  });

  test("one that is deleted with skip-cleanup goes at once", async () => {
    world.annotate("webfarm.dev/skip-cleanup", "true");
    deleteFarm();
    await world.pass();
    expect([finalizers(), names(), left()]).toEqual([[], ["shop-a", "shop-b", "shop-c"], []]);
  });

  const noPodIsSeen = (): void => {
    world.live.clear();
    world.restart();
  };
  const allAreSeenToEnd = (): void => {
    for (const name of ["shop-a", "shop-b", "shop-c"]) world.put(ended({ name }));
  };

  test.each<[string, () => void, Partial<WebFarmSpec>]>([
    ["RemoveStale and no pod to be seen", noPodIsSeen, { deletionPolicy: "RemoveStale" }],
    ["RemoveStale and pods that have ended", allAreSeenToEnd, { deletionPolicy: "RemoveStale" }],
    ["RemoveAll", () => undefined, { deletionPolicy: "RemoveAll" }],
  ])("one that is deleted with %s goes after two minutes: nothing is removed or published, and the rows are told", async (...given) => {
    const [, see, changes] = given;
    world.respec(changes);
    see();
    const { status } = world.farm ?? {};
    world.blocked.clear();
    deleteFarm();
    await world.settle(119_000);
    expect(finalizers()).toEqual(farm().finalizers);
    await world.settle(2_000);
    expect([finalizers(), names()]).toEqual([[], ["shop-a", "shop-b", "shop-c"]]);
    expect(left()).toEqual(["The WebFarm is released and leaves 3 rows: shop-a (ServerID 1), shop-b (ServerID 2), shop-c (ServerID 3)."]);
    expect(["register", "mark", "remove", "livePod", "livePods"].map((call) => world.count(call))).toEqual([0, 0, 0, 0, 0]);
    expect([world.farm?.status, world.blocked.size]).toEqual([status, 0]);
  });

  test("one that is deleted removes its rows as ever when all is listed in time, each wait counted from then", async () => {
    noPodIsSeen();
    world.replicas = 0;
    world.respec({ removal: { nodeLostSeconds: 40 } });
    deleteFarm();
    await world.settle(60_000);
    world.isSynced = { farms: true, pods: true };
    await world.settle(39_000);
    expect([finalizers(), names()]).toEqual([farm().finalizers, ["shop-a", "shop-b", "shop-c"]]);
    await world.settle(5_000);
    expect([finalizers(), names(), left()]).toEqual([[], [], []]);
  });

  test("one that is deleted keeps a row for its StatefulSet's next pod as long as ever, counted from then", async () => {
    const controller = { apiVersion: "apps/v1", kind: "StatefulSet", name: "shop", uid: "uid-of-workload" };
    world.kind = "StatefulSet";
    world.insertRow(pod({ name: "shop-0" }));
    world.put(ended({ name: "shop-0", uid: uid("uid-of-shop-0"), controller }));
    deleteFarm();
    await world.settle(70_000);
    world.isSynced = { farms: true, pods: true };
    await world.settle(5_000);
    world.put(pod({ name: "shop-0", uid: uid("next"), controller }));
    await world.settle(5_000);
    expect(world.rows.find(({ name }) => name === "shop-0")?.guid).toBe(markFor(identity, "shop-0", uid("next")));
  });
});

test("a WebFarm that is released clean, but for rows that only a person may remove, says so", async () => {
  for (const name of ["old-a", "old-b"]) world.insertRow(pod({ name }), name, otherCluster);
  world.put(pod());
  await world.settle(5_000);
  deleteFarm();
  world.put(ended());
  await world.settle(60_000);
  expect([finalizers(), names()]).toEqual([[], ["old-a", "old-b"]]);
  expect(left()).toEqual([
    "The WebFarm is released and leaves 2 rows that only a person may remove: old-a (ServerID 1), old-b (ServerID 2).",
  ]);
});

test("a WebFarm that runs into its limit tells those that a person may remove among the rows that it leaves", async () => {
  world.insertRow(pod({ name: "old-a" }), "old-a", otherCluster);
  world.put(pod());
  await world.settle(5_000);
  deleteFarm();
  world.put(ended());
  world.refusedRows.add("shop-a");
  await world.settle(130_000);
  expect([finalizers(), names()]).toEqual([[], ["old-a", "shop-a"]]);
  expect(left()).toEqual(["The WebFarm is released and leaves 2 rows: shop-a (ServerID 2), old-a (ServerID 1)."]);
});

test("a WebFarm that leaves no row tells of none", async () => {
  world.put(pod());
  await world.settle(5_000);
  deleteFarm();
  world.put(ended());
  await world.settle(60_000);
  expect([finalizers(), names(), left()]).toEqual([[], [], []]);
});
