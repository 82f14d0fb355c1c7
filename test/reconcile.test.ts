import { beforeEach, describe, expect, test } from "@jest/globals";

import type { Pod } from "../operator/farm/model.ts";
import { ended, farm, pod, spec, uid } from "./farm/build.ts";
import { FakeDatabaseError, FakeWorld } from "./pass/fakeWorld.ts";

let world: FakeWorld;
const names = (): readonly string[] => world.rows.map(({ name }) => name);
const gated = (changes: Partial<Pod> = {}): Pod => pod({ gate: "closed", ...changes });
const refused = new FakeDatabaseError({ kind: "permission", reason: "GrantMissing", stalled: true }, "notApplied");
const forbidden = new Error("403");

beforeEach(() => {
  world = new FakeWorld();
});

describe("a pod", () => {
  test("gets its finalizer, its row and its gate in this order, and then there is quiet", async () => {
    world.put(gated());
    await world.settle(5_000);
    const order = ["addFinalizer", "register", "openGate"].map((call) => world.calls.indexOf(call));
    expect(order).toEqual(order.toSorted((a, b) => a - b));
    expect(order).not.toContain(-1);
    expect(world.gates.get("shop-a")).toBe("Registered");
    world.calls.length = 0;
    await world.settle(3 * 30_000);
    expect([...new Set(world.calls)].toSorted()).toEqual(["facts", "namespaceUid", "read", "readSecret", "readWorkload"]);
    expect(world.count("read")).toBeLessThanOrEqual(3);
  });

  test("that ended loses its row after one live read of its name", async () => {
    world.put(pod());
    await world.settle(5_000);
    world.put(ended());
    await world.settle(5_000);
    expect(names()).toEqual([]);
    expect([world.count("livePod"), world.count("livePods"), world.count("remove")]).toEqual([1, 0, 1]);
  });

  test("that the API server still runs keeps its row, whatever the cache shows", async () => {
    world.put(pod());
    await world.settle(5_000);
    world.see(ended());
    await world.settle(60_000);
    expect(names()).toEqual(["shop-a"]);
    expect(world.count("remove")).toBe(0);
  });

  test("keeps its row while the live read fails, and the API server is not asked each second for ever", async () => {
    world.put(pod());
    await world.settle(5_000);
    world.put(ended());
    world.faults.set("livePod", { when: "before", error: forbidden });
    await world.settle(5 * 60_000);
    expect(names()).toEqual(["shop-a"]);
    expect(world.count("livePod")).toBeLessThan(20);
    world.faults.clear();
    await world.settle(31_000);
    expect(names()).toEqual([]);
  });

  test("whose row has a name in other case loses it all the same", async () => {
    world.put(pod());
    world.insertRow(pod(), "SHOP-A");
    await world.settle(5_000);
    world.put(ended());
    await world.settle(5_000);
    expect(names()).toEqual([]);
  });
});

test("a StatefulSet's row waits for the successor by what the set wants now, not by what it wanted at the last resync", async () => {
  const controller = { apiVersion: "apps/v1", kind: "StatefulSet", name: "shop", uid: "uid-of-workload" };
  const member = pod({ name: "shop-4", uid: uid("shop-4"), controller });
  world.kind = "StatefulSet";
  world.replicas = 3;
  world.put(member);
  await world.settle(40_000); // the resync has read the set
  world.replicas = 5; // and the operator has no reason to read it again
  world.put({ ...ended(), name: "shop-4", uid: uid("shop-4"), controller });
  await world.settle(30_000);
  expect(names()).toEqual(["shop-4"]);
  await world.settle(35_000);
  expect(names()).toEqual([]);
});

test("a row whose pod was never seen is looked for in a whole list, not by its name", async () => {
  const hidden = pod({ name: "other-name", uid: uid("hidden"), labels: {} });
  world.insertRow(hidden, "shop-z");
  world.live.set(hidden.name, hidden); // by a member that is no more: the cache has missed it
  await world.settle(10 * 60_000);
  expect(names()).toEqual(["shop-z"]);
  expect(world.count("livePod")).toBe(0);
});

test("a WebFarm whose cache lags behind for minutes is not tried ten times a second", async () => {
  if (world.farm === undefined) throw new Error("There is no WebFarm");
  world.stale.set(world.farm.key, world.farm);
  world.change({ labels: {} } as object);
  world.put(gated());
  await world.settle(60_000);
  expect(world.count("addFinalizer")).toBeLessThan(20);
  expect(names()).toEqual([]);
  world.stale.clear();
  await world.settle(6_000);
  expect(names()).toEqual(["shop-a"]);
});

describe("a write whose answer never came", () => {
  test("is read back before anything is decided by it", async () => {
    world.put(gated());
    world.faults.set("register", { when: "after", error: new FakeDatabaseError() });
    await world.pass();
    world.faults.clear();
    world.calls.length = 0;
    await world.settle(5_000);
    expect(world.count("read")).toBe(1);
    expect(world.count("register")).toBe(0);
    expect(world.gates.get("shop-a")).toBe("Registered");
  });

  test("also when the pass was cut off", async () => {
    world.put(pod());
    await world.settle(5_000);
    world.put(pod({ name: "shop-b" }));
    world.faults.set("register", { when: "after", error: new Error("the operator stops") });
    await expect(world.pass()).rejects.toThrow("the operator stops");
    world.faults.clear();
    world.calls.length = 0;
    await world.settle(5_000);
    expect([world.count("read"), world.count("register")]).toEqual([1, 0]);
  });
});

describe("a farm does not spin", () => {
  test("when its Secret goes while the database does not answer", async () => {
    world.put(pod());
    world.faults.set("facts", { when: "before", error: new FakeDatabaseError() });
    await world.settle(60_000);
    world.secrets.clear();
    const passes = await world.settle(10 * 60_000);
    expect(passes).toBeLessThan(80);
    expect(world.condition("DatabaseReachable")).toEqual({ status: "False", reason: "SecretNotFound" });
  });

  test("without pods while the database does not answer, and finds the rows that wait there in the end", async () => {
    world.replicas = 0;
    world.insertRow(pod());
    world.faults.set("facts", { when: "before", error: new FakeDatabaseError() });
    expect(await world.settle(20 * 60_000)).toBeLessThan(150);
    world.faults.clear();
    await world.settle(10 * 60_000);
    expect(names()).toEqual([]);
  });

  test.each(["register", "remove"])("when it may not %s", async (call) => {
    world.put(pod());
    if (call === "remove") await world.settle(5_000).then(() => world.put(ended()));
    world.faults.set(call, { when: "before", error: refused });
    world.calls.length = 0;
    await world.settle(5 * 60_000);
    expect(world.count(call)).toBeLessThan(20);
    expect(world.condition("Synced")).toEqual({ status: "False", reason: "GrantMissing" });
  });

  test("when the server refuses to delete a row: tried seldom, said once", async () => {
    world.put(pod());
    await world.settle(5_000);
    world.put(ended());
    world.refusedRows.add("shop-a");
    world.calls.length = 0;
    world.log.lines.length = 0;
    await world.settle(5 * 60_000);
    expect(world.condition("Synced")).toEqual({ status: "False", reason: "RowRefused" });
    expect(world.count("remove")).toBeLessThan(25);
    expect(world.count("patchStatus")).toBeLessThan(4);
  });
});

describe("a gate opens after failOpenSeconds", () => {
  test.each([
    ["the finalizer cannot be written", "addFinalizer"],
    ["the namespace cannot be read", "namespaceUid"],
    ["the status cannot be written", "patchStatus"],
    ["the database does not answer", "facts"],
  ])("when %s", async (_why, call) => {
    world.put(gated());
    if (call === "patchStatus") world.faults.set("register", { when: "before", error: refused });
    world.faults.set(call, { when: "before", error: call === "facts" ? new FakeDatabaseError() : forbidden });
    await world.settle(290_000);
    expect(world.gates.size).toBe(0);
    await world.settle(70_000);
    expect(world.gates.get("shop-a")).toBe("FailOpen");
    expect(names()).toEqual([]);
  });
});

test("a gate opens after failOpenSeconds also while a cache that lags behind loses the race for the finalizer", async () => {
  if (world.farm === undefined) throw new Error("There is no WebFarm");
  world.stale.set(world.farm.key, world.farm);
  world.change({ labels: {} } as object);
  world.put(gated());
  await world.settle(290_000);
  expect(world.gates.size).toBe(0);
  await world.settle(70_000);
  expect(world.gates.get("shop-a")).toBe("FailOpen");
  expect(names()).toEqual([]);
});

test("a gate opens after failOpenSeconds also while every pass runs into its deadline before it comes so far", async () => {
  await world.settle(5_000);
  world.put(gated());
  world.faults.set("register", { when: "before", error: new Error("the pass was cut off") });
  for (let seconds = 0; seconds < 290; seconds += 58) {
    await expect(world.pass()).rejects.toThrow("cut off");
    world.clock.jump(58_000);
  }
  expect(world.gates.size).toBe(0);
  world.clock.jump(60_000);
  await expect(world.pass()).rejects.toThrow("cut off");
  expect(world.gates.get("shop-a")).toBe("FailOpen");
});

test("a gate opens after failOpenSeconds also while reading the rows takes every pass its whole time", async () => {
  world.put(gated());
  world.faults.set("read", { when: "before", error: new Error("the pass was cut off") });
  const cut = async (): Promise<boolean> =>
    await world.pass().then(
      () => false,
      () => true,
    );
  const cuts: boolean[] = [];
  for (let seconds = 0; seconds < 290; seconds += 58) {
    cuts.push(await cut());
    world.clock.jump(58_000);
  }
  expect([world.gates.size, new Set(cuts).size]).toEqual([0, 2]); // it asks the database again and again
  for (let passes = 0; passes < 3; passes += 1) {
    world.clock.jump(58_000);
    await cut(); // the first pass that was not cut saw the pod first, and every other one is
  }
  expect(world.gates.get("shop-a")).toBe("FailOpen");
  world.faults.clear();
  await world.settle(60_000);
  expect(names()).toEqual(["shop-a"]);
});

describe("a WebFarm that is deleted", () => {
  const deleteFarm = (): void => world.change({ deletionAtMs: world.clock.now(), generation: 2 });

  beforeEach(async () => {
    world.put(pod());
    await world.settle(5_000);
  });

  test("goes when its workload's rows are gone", async () => {
    deleteFarm();
    world.put(ended());
    await world.settle(15_000);
    expect([names(), world.farm?.finalizers]).toEqual([[], []]);
  });

  test.each(["patchStatus", "readSecret", "namespaceUid", "facts", "livePod"])("goes in the end although %s fails", async (call) => {
    deleteFarm();
    world.put(ended());
    world.faults.set(call, { when: "before", error: call === "facts" ? new FakeDatabaseError() : forbidden });
    await world.settle(140_000);
    expect(world.farm?.finalizers).toEqual([]);
  });

  test("is told to be released when it is, and not by one who lost that race", async () => {
    const released = (): number =>
      world.log.lines.filter(({ message }) => message.startsWith("Released")).length +
      world.events.filter(({ reason }) => reason === "ServersLeft").length;
    deleteFarm();
    world.put(ended());
    world.faults.set("facts", { when: "before", error: new FakeDatabaseError() });
    if (world.farm === undefined) throw new Error("There is no WebFarm");
    world.stale.set(world.farm.key, world.farm);
    world.change({ labels: {} } as object);
    await world.settle(200_000);
    expect(world.count("removeFinalizer")).toBeGreaterThan(1);
    expect([world.farm.finalizers, released()]).toEqual([farm().finalizers, 0]);
    world.stale.clear();
    await world.settle(10_000);
    expect([world.farm.finalizers, released()]).toEqual([[], 2]);
  });

  test("waits for a gate that cannot be opened, but not for ever", async () => {
    world.put(gated({ name: "shop-b" }));
    world.faults.set("openGate", { when: "before", error: forbidden });
    world.change({ spec: spec({ ownerId: "eu-1/shop", deletionPolicy: "Retain" }) });
    deleteFarm();
    await world.settle(60_000);
    expect(world.farm?.finalizers).toEqual(farm().finalizers);
    await world.settle(70_000);
    expect(world.farm?.finalizers).toEqual([]);
  });
});
