// Whole passes and what is told of them: events that name a digest, metrics while the rows cannot be read, and why a server was removed.

import { beforeEach, describe, expect, test } from "@jest/globals";

import { otherCluster, pod } from "../farm/build.ts";
import { FakeWorld } from "./fakeWorld.ts";

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
    expect(told()).toEqual([first, digest()].map((one) => expect.stringContaining(`webfarm.dev/approve-removals=${one ?? "?"}`) as string));
  });
});
