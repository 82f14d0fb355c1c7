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
