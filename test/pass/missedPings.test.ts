// Silence of a server is told only from a database that could be read: while it was away, nobody may have been able to ping.

import { describe, expect, test } from "@jest/globals";

import { otherCluster, pod, rowOf, uid } from "../farm/build.ts";
import { FakeDatabaseError, FakeWorld } from "./fakeWorld.ts";

const away = (world: FakeWorld): void => {
  world.faults.set("read", { when: "before", error: new FakeDatabaseError() });
  world.faults.set("facts", { when: "before", error: new FakeDatabaseError() });
};

describe.each([
  ["pings", new Map([[1, "7"]]), false],
  ["no pings", undefined, true],
] as const)("in a table with %s", (_name, pings, goesAtOnce) => {
  test("the wait for a missing pod after an outage", async () => {
    const world = new FakeWorld();
    world.pings = pings && new Map(pings);
    world.replicas = 0;
    world.put(pod());
    await world.settle(1_000);
    expect(world.rows).toHaveLength(1);
    world.delete(pod(), "listed");
    await world.settle(1_000);
    away(world);
    await world.settle(10 * 60_000);
    world.faults.clear();
    await world.settle(31_000);
    expect(world.rows).toHaveLength(goesAtOnce ? 0 : 1);
    await world.settle(60_000);
    expect(world.rows).toEqual([]);
  });
});

test("another cluster's row is not taken over after an outage before its server could ping again", async () => {
  const world = new FakeWorld();
  const elsewhere = rowOf(pod({ uid: uid("elsewhere") }), { by: otherCluster });
  world.rows = [{ ...elsewhere }];
  world.pings = new Map([[elsewhere.serverID, "7"]]);
  world.put(pod());
  await world.settle(30_000);
  away(world);
  await world.settle(10 * 60_000);
  world.faults.clear();
  await world.settle(60_000);
  expect(world.rows).toEqual([elsewhere]);
  await world.settle(6 * 60_000);
  expect(world.rows.map(({ guid }) => guid)).not.toContain(elsewhere.guid);
});
