// Whole passes and what is told of them: events that name a digest, metrics while the rows cannot be read, and why a server was removed.

import { beforeEach, describe, expect, test } from "@jest/globals";

import { ended, farm, otherCluster, pod } from "../farm/build.ts";
import { FakeDatabaseError, FakeWorld } from "./fakeWorld.ts";

let world: FakeWorld;

beforeEach(() => {
  world = new FakeWorld();
});

describe("a conflict with another cluster's row", () => {
  const digest = (): string | undefined => world.farm?.status.plan?.digest;
  const told = (): readonly string[] => world.events.filter(({ reason }) => reason === "OwnershipConflict").map(({ note }) => note);
  const meet = (name: string): void => {
    world.put(pod({ name }));
    world.insertRow(pod({ name: `old-${name}` }), name, otherCluster);
    world.annotate("webfarm.dev/reconcile-at", name);
  };

  test("is told with the digest that is written down, not with one that nobody publishes", async () => {
    world.put(pod());
    await world.pass(); // the status is written, and not again within a second
    meet("shop-b");
    await world.pass();
    expect([told(), digest()]).toEqual([[], undefined]);
    await world.settle(60_000);
    expect(digest()).toMatch(/^[0-9a-f]{16}$/);
    expect(told()).toEqual([expect.stringContaining(`webfarm.dev/approve-removals=${digest() ?? "?"}`)]);
  });

  test("is told again when another set is published, as the digest that was told works no more", async () => {
    meet("shop-a");
    await world.settle(5_000);
    const first = digest();
    meet("shop-b");
    await world.settle(5_000);
    expect(digest()).not.toBe(first);
    expect(told()).toEqual(
      [first, digest()].map((one) => expect.stringContaining(`webfarm.dev/approve-removals=${one ?? "?"}`) as unknown),
    );
  });
});

describe("while the rows cannot be read the metrics are as they were", () => {
  const metrics = (): unknown => {
    const { states = {}, foreign, blocked } = world.metrics.get(farm().key) ?? {};
    return { states: Object.fromEntries(Object.entries(states).filter(([, count]) => count > 0)), foreign, blocked };
  };
  const known = { states: { Registered: 1, Blocked: 2 }, foreign: 1, blocked: 2 };

  beforeEach(async () => {
    for (const name of ["old-a", "old-b"]) world.insertRow(pod({ name }), name, otherCluster);
    world.insertForeign({});
    world.put(pod());
    await world.settle(5_000);
    world.faults.set("read", { when: "before", error: new FakeDatabaseError() });
  });

  test("and follow them again when they can be read", async () => {
    expect(metrics()).toEqual(known);
    await world.settle(60_000);
    expect([world.condition("DatabaseReachable")?.status, metrics()]).toEqual(["False", known]);
    world.faults.clear();
    world.rows = world.rows.filter(({ name }) => name !== "old-a");
    await world.settle(60_000);
    expect(metrics()).toEqual({ states: { Registered: 1, Blocked: 1 }, foreign: 1, blocked: 1 });
  });

  test("and as the status says where the process has never read them", async () => {
    world.metrics.clear();
    world.restart();
    await world.settle(60_000);
    expect(metrics()).toEqual({ ...known, states: {} });
  });
});

describe("a pod whose server was removed is told why", () => {
  const why = (): readonly string[] =>
    world.events.flatMap(({ reason, pod: of, note }) => (reason === "ServerRemoved" && of !== undefined ? [note] : []));

  beforeEach(async () => {
    world.put(pod());
    await world.settle(5_000);
  });

  test("by its end", async () => {
    world.put(ended());
    await world.settle(5_000);
    expect(why()).toEqual(["Web farm server shop-a (ServerID 1) is removed; the pod has ended."]);
  });

  test("by the time that it has been missing", async () => {
    world.delete(pod());
    await world.settle(60_000);
    expect(why()).toEqual(["Web farm server shop-a (ServerID 1) is removed; the pod has been gone for longer than its process can live."]);
  });

  test("by a deletion that removes the rows of living pods too", async () => {
    world.respec({ deletionPolicy: "RemoveAll" });
    world.change({ deletionAtMs: world.clock.now() });
    await world.settle(5_000);
    expect(why()).toEqual(["Web farm server shop-a (ServerID 1) is removed; the WebFarm is being deleted with deletionPolicy RemoveAll."]);
  });

  test("by another row of its name", async () => {
    world.insertRow(pod());
    await world.settle(60_000);
    expect(why()).toEqual(["Web farm server shop-a (ServerID 2) is removed; another row has its name and stays."]);
  });

  test("and no log line says of a living pod that it is gone", async () => {
    world.insertRow(pod());
    await world.settle(60_000);
    const lines = world.log.lines.filter(({ fields }) => fields["evidence"] === "surplus");
    expect(lines.map(({ message }) => message)).toEqual(["Removing the server", "Removed the server"]);
  });
});
