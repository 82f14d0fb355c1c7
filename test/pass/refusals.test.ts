// What the database will not do for one request or one row keeps nothing else from being done, and is told.

import { expect, test } from "@jest/globals";
import { ended, identity, pod, uid } from "../farm/build.ts";
import { markFor } from "../../operator/farm/mark.ts";
import type { DatabaseProblem } from "../../operator/farm/model.ts";
import { FakeDatabaseError, FakeWorld } from "./fakeWorld.ts";

const first = "shop-7c9d8b6f5-aaaaa";
const second = "shop-7c9d8b6f5-bbbbb";
const names = ({ rows }: FakeWorld): readonly string[] => rows.map(({ name }) => name);

/** One pod with its row. */
async function registered(): Promise<FakeWorld> {
  const world = new FakeWorld();
  world.put(pod({ name: first, uid: uid("first") }));
  await world.settle(5_000);
  expect(names(world)).toEqual([first]);
  return world;
}

const problem = (kind: DatabaseProblem["kind"]): DatabaseProblem => ({ kind, reason: "Made", message: "No.", stalled: true, number: 245 });

test.each(["refused", "permission"] as const)("an insert that fails with %s keeps no removal from being made", async (kind) => {
  const world = await registered();
  world.faults.set("register", { when: "before", error: new FakeDatabaseError(problem(kind), "notApplied") });
  world.put(ended({ name: first, uid: uid("first") }));
  world.put(pod({ name: second, uid: uid("second") }));
  await world.settle(60_000);
  expect(names(world)).toEqual([]);
  expect(world.condition("Synced")).toEqual({ status: "False", reason: "Made" });
});

test.each(["unreachable", "busy"] as const)("after an insert that fails with %s nothing else is asked in that pass", async (kind) => {
  const world = await registered();
  world.faults.set("register", { when: "before", error: new FakeDatabaseError(problem(kind), "notApplied") });
  world.put(ended({ name: first, uid: uid("first") }));
  world.put(pod({ name: second, uid: uid("second") }));
  await world.settle(60_000);
  expect([names(world), world.count("remove")]).toEqual([[first], 0]);
});

test("an insert that a trigger undoes twice is told as refused, and tried again each 30 s", async () => {
  const world = new FakeWorld();
  world.undoneRows.add(first);
  world.put(pod({ name: first }));
  await world.settle(60_000);
  expect(world.condition("Synced")).toEqual({ status: "False", reason: "RowRefused" });
  expect(world.condition("Ready")).toMatchObject({ status: "False" });
  expect(world.farm?.status.servers?.map(({ state, reason, message }) => [state, reason, message?.includes("trigger")])).toEqual([
    ["Pending", "RowRefused", true],
  ]);
  world.undoneRows.clear();
  await world.settle(60_000);
  expect([names(world), world.condition("Synced")]).toEqual([[first], { status: "True", reason: "UpToDate" }]);
});

test("an insert that was undone once is written by the next pass without a word", async () => {
  const world = new FakeWorld();
  world.undoneRows.add(first);
  world.onCall = (call) => {
    if (call === "conflict") world.undoneRows.clear();
  };
  world.put(pod({ name: first }));
  await world.settle(15_000); // sooner than a refused row is tried again
  expect([names(world), world.count("register")]).toEqual([[first], 2]);
});

test("a hand-over that a trigger undoes twice is told as refused", async () => {
  const world = new FakeWorld();
  const old = markFor(identity, first, uid("old"));
  world.rows.push({ serverID: 1, name: first, guid: old, enabled: true });
  world.put(ended({ name: first, uid: uid("old") }));
  world.undoneRows.add(first);
  world.put(pod({ name: first, uid: uid("new") }));
  await world.settle(90_000);
  expect([names(world), world.rows[0]?.guid, world.condition("Synced")?.reason]).toEqual([[first], old, "RowRefused"]);
});

test("an insert that is refused holds up no long removal", async () => {
  const pieces = async (isRefused: boolean): Promise<number> => {
    const world = await registered();
    if (isRefused) world.faults.set("register", { when: "before", error: new FakeDatabaseError(problem("permission"), "notApplied") });
    world.endlessRows.add(first);
    world.put(ended({ name: first, uid: uid("first") }));
    world.put(pod({ name: second, uid: uid("second") }));
    await world.settle(60_000);
    return world.count("remove");
  };
  const usual = await pieces(false);
  expect(usual).toBeGreaterThan(100);
  expect(await pieces(true)).toBeGreaterThan(usual * 0.9);
});
