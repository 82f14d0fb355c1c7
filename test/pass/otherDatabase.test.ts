// What a pass makes of credentials that change under it.

import { expect, test } from "@jest/globals";

import { pod, uid } from "../farm/build.ts";
import { FakeDatabaseError, FakeWorld } from "./fakeWorld.ts";

test("a Secret that names another database is followed at once: what was read in the old one counts no more", async () => {
  const world = new FakeWorld();
  world.put(pod({ gate: "closed" }));
  await world.settle(45_000);
  // The rows are read later than the Secret, so that they are fresh when the Secret is read again after 60 s.
  world.put(pod({ name: "shop-b", uid: uid("b"), gate: "closed" }));
  world.faults.set("register", { when: "before", error: new FakeDatabaseError() });
  await world.pass();
  world.faults.clear();
  await world.settle(10_000);
  expect(world.rows.map(({ name }) => name)).toEqual(["shop-a", "shop-b"]);

  world.secrets.set("kentico", { CMSConnectionString: "Server=other;Password=hush" });
  world.rows = [];
  world.clock.jump(8_000);
  world.calls.length = 0;
  await world.pass();
  expect(world.calls).toEqual(expect.arrayContaining(["readSecret", "read", "register"]));
  expect(world.rows.length).toBeGreaterThan(0);
});

test("a Secret that comes to name another database in the middle of a pass: rows that were read in the new one are removed in it", async () => {
  const world = new FakeWorld();
  world.replicas = 0;
  world.pings = new Map();
  world.put(pod());
  await world.settle(5_000);
  world.delete(pod(), "listed");
  let lastMs = -1;
  // The rows are read again for the newest pings; by then the Secret is due, and names another.
  world.onCall = (call) => {
    if (call !== "namespaceUid") return;
    if (world.clock.monotonic() === lastMs) {
      world.secrets.set("kentico", { CMSConnectionString: "Server=other;Password=hush" });
      world.clock.jump(60_000);
    }
    lastMs = world.clock.monotonic();
  };
  await world.settle(60_000);
  expect(world.rows).toEqual([]);
  expect(world.writtenTo.at(-1)).toBe("Server=other;Password=hush");
});
