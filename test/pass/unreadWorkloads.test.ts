// Whole passes while a workload cannot be read: what is not known is waited for, and no longer than is right.

import { beforeEach, describe, expect, test } from "@jest/globals";

import { kinship } from "../../operator/farm/mark.ts";
import { farmKey } from "../../operator/farm/model.ts";
import { ended, farm, identity, otherOwner, pod, spec } from "../farm/build.ts";
import { FakeWorld } from "./fakeWorld.ts";

let world: FakeWorld;
const unread = { kind: "unknown", reason: "ApiError", message: "500" } as const;
const gated = pod({ gate: "closed", controller: { apiVersion: "apps/v1", kind: "ReplicaSet", name: "shop-6f7c9d5b8", uid: "r" } });
const names = (): readonly string[] => world.rows.map(({ name }) => name);

beforeEach(() => {
  world = new FakeWorld();
  world.workload = unread;
});

test("a pod's gate opens in time, and a workload that can be read again is noticed within seconds", async () => {
  world.put(gated);
  await world.settle(299_000);
  expect([names(), [...world.gates]]).toEqual([[], []]);
  await world.settle(2_000);
  expect([names(), [...world.gates]]).toEqual([[], [["shop-a", "FailOpen"]]]);
  world.workload = undefined;
  await world.settle(2_000);
  expect(names()).toEqual(["shop-a"]);
});

test("a younger WebFarm that selects the pods of an older one leaves them until that one can say whose they are", async () => {
  const younger = farmKey("prod", "younger");
  const members = [{ name: "live", selector: { matchLabels: { app: "shop" } } }];
  const seconds = { ownerId: otherOwner.ownerId, members };
  world.farms.set(younger, farm({ key: younger, name: "younger", uid: "uid-of-younger", createdAtMs: 501, finalizers: [], spec: seconds }));
  world.put(gated);
  await world.settle(5_000, younger);
  expect([names(), [...world.gates]]).toEqual([[], []]);
  world.workload = undefined;
  await world.settle(5_000, younger);
  expect(names()).toEqual([]);
  await world.settle(5_000);
  expect(world.rows.map((row) => kinship(row, identity).kind)).toEqual(["ours"]);
  expect([...world.gates]).toEqual([["shop-a", "Registered"]]);
});

describe("the row that the application wrote under a name of a StatefulSet", () => {
  const controller = { apiVersion: "apps/v1", kind: "StatefulSet", name: "shop", uid: "s" };
  const last = ended({ name: "shop-0", controller });
  beforeEach(async () => {
    world.workload = undefined;
    world.kind = "StatefulSet";
    world.mode = "1";
    const members = [{ name: "live", workloadRef: { apiVersion: "apps/v1", kind: "StatefulSet", name: "shop" } }];
    world.change({ spec: spec({ ownerId: identity.ownerId, registration: "Application", members }) });
    world.put(pod({ name: "shop-0", controller }));
    world.insertForeign({ name: "shop-0" });
    await world.settle(60_000);
    world.put(last);
    world.delete(last);
    await world.settle(60 * 60_000); // its successor does not come, and is wanted
  });

  test("stays when the set cannot be read now and then, and goes when that lasts for nodeLostSeconds", async () => {
    world.workload = unread;
    await world.settle(299_000);
    world.workload = undefined;
    await world.settle(60_000);
    world.workload = unread;
    await world.settle(299_000);
    expect(names()).toEqual(["shop-0"]);
    await world.settle(40_000);
    expect(names()).toEqual([]);
  });
});

describe("where the application registers itself", () => {
  const set = { apiVersion: "apps/v1", kind: "StatefulSet", name: "shop" };
  beforeEach(() => {
    world.workload = undefined;
    world.mode = "1";
  });

  test("a set that once cannot be read takes back no digest that a person was shown", async () => {
    world.kind = "StatefulSet";
    world.respec({ registration: "Application", members: [{ name: "live", workloadRef: set }] });
    world.insertForeign({ name: "shop-5" });
    await world.settle(400_000);
    const digest = world.farm?.status.plan?.digest ?? "";
    world.workload = unread;
    await world.settle(31_000);
    expect(world.farm?.status.plan?.digest).toBe(digest);
    world.workload = undefined;
    world.annotate("webfarm.dev/approve-removals", digest);
    await world.settle(61_000);
    expect([names(), world.evidence]).toEqual([[], ["approved"]]);
  });

  test("a pod that is remembered to have a row keeps it while an older WebFarm's workload cannot be read", async () => {
    world.respec({ registration: "Application" });
    world.put(gated);
    world.insertForeign({ name: gated.name });
    await world.settle(5_000);
    const inventory = world.farm?.status.inventory;
    expect([inventory?.map(({ podUID }) => podUID), [...world.gates]]).toEqual([[gated.uid], [[gated.name, "Registered"]]]);
    const older = farmKey("prod", "older");
    world.farms.set(
      older,
      farm({ key: older, name: "older", uid: "uid-of-older", createdAtMs: 0, finalizers: [], spec: spec({ ownerId: otherOwner.ownerId }) }),
    );
    world.restart();
    world.workload = unread;
    await world.settle(61_000);
    expect([world.farm?.status.inventory, world.farm?.status.desired]).toEqual([inventory, 1]);
  });

  test("a pod that only looks as if a custom resource had made it is not the farm's", async () => {
    const rollout = { apiVersion: "argoproj.io/v1alpha1", kind: "Rollout", name: "shop" };
    world.workload = { ...unread, reason: "Forbidden" };
    world.respec({ registration: "Application", members: [{ name: "live", workloadRef: rollout }] });
    world.put(pod({ name: "shop-db-0", controller: { ...set, name: "shop-db", uid: "s" } }));
    await world.settle(61_000);
    expect([world.farm?.status.servers ?? [], world.farm?.status.desired]).toEqual([[], 0]);
  });
});
