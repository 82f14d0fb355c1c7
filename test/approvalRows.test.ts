// Whole passes around the rows that need a person for another reason than another cluster: a view that looks wrong, and former owners. And
// how the API server is asked before removals.

import { beforeEach, describe, expect, test } from "@jest/globals";

import { approvalMs } from "../operator/farm/approval.ts";
import { markFor } from "../operator/farm/mark.ts";
import type { Pod } from "../operator/farm/model.ts";
import { ended, farm, formerOwner, identity, pod, spec, uid } from "./farm/build.ts";
import { FakeDatabaseError, FakeWorld } from "./pass/fakeWorld.ts";

let world: FakeWorld;
const names = (): readonly string[] => world.rows.map(({ name }) => name);
const digest = (): string => world.farm?.status.plan?.digest ?? "";
const publishedNames = (): readonly string[] => (world.farm?.status.plan?.unexplained ?? []).map(({ name }) => name);
const approve = (text = digest()): void => world.annotate("webfarm.dev/approve-removals", text);

beforeEach(() => {
  world = new FakeWorld();
});

describe("a view that looks wrong", () => {
  const set = ["shop-0", "shop-1", "shop-2"].map((name) =>
    pod({ name, controller: { apiVersion: "apps/v1", kind: "StatefulSet", name: "shop", uid: "uid-of-workload" } }),
  );
  beforeEach(async () => {
    world.kind = "StatefulSet";
    world.replicas = 3;
    set.forEach((one) => world.insertRow(one));
    await world.settle(5_000);
  });

  test("removes nothing, not even after an hour", async () => {
    await world.settle(60 * 60_000);
    expect(names()).toEqual(["shop-0", "shop-1", "shop-2"]);
    expect(world.condition("RemovalsBlocked")).toEqual({ status: "True", reason: "UnexplainedAbsence" });
    expect(world.blocked.get(farm().key)).toBe(3);
    expect(world.events.filter(({ reason }) => reason === "RemovalBlocked")).toHaveLength(1);
  });

  test("is believed when a person approves, also across a restart in the middle", async () => {
    const approved = digest();
    world.faults.set("remove", { when: "before", error: new FakeDatabaseError() });
    approve();
    await world.settle(60_000);
    expect(names()).toEqual(["shop-0", "shop-1", "shop-2"]);
    world.restart();
    world.faults.clear();
    await world.pass();
    expect([names(), world.evidence]).toEqual([[], ["approved", "approved", "approved"]]);
    const removals = world.log.lines.filter(({ fields }) => fields["evidence"] === "approved" && "bindings" in fields);
    expect(removals.map(({ fields }) => fields["digest"])).toEqual([approved, approved, approved]);
  });

  test("that a person believed is not believed any longer than ten minutes", async () => {
    world.faults.set("livePods", { when: "before", error: new Error("403") });
    approve();
    await world.settle(approvalMs + 60_000);
    world.faults.clear();
    await world.settle(60 * 60_000);
    expect([names(), publishedNames()]).toEqual([
      ["shop-0", "shop-1", "shop-2"],
      ["shop-0", "shop-1", "shop-2"],
    ]);
  });

  test("is right again when the pods are back: what was published needs nobody any more", async () => {
    const before = digest();
    set.forEach((one) => world.put(one));
    await world.settle(5_000);
    expect([world.farm?.status.plan, world.condition("RemovalsBlocked")?.status]).toEqual([undefined, "False"]);
    approve(before);
    await world.settle(60 * 60_000);
    expect(names()).toEqual(["shop-0", "shop-1", "shop-2"]);
  });
});

test("a view in which rows were removed as missing looks wrong too, also where the answer to the removal was lost", async () => {
  world.replicas = 3;
  const rows = ["shop-a", "shop-b", "shop-c"].map((name) => pod({ name }));
  rows.forEach((one) => world.insertRow(one));
  rows.slice(2).forEach((one) => world.put(one)); // two of three are missing, which is no mistake
  world.faults.set("remove", { when: "after", error: new FakeDatabaseError() });
  await world.settle(5 * 60_000 + 10_000); // never seen, and no pings: removal.nodeLostSeconds
  world.faults.clear();
  expect(names()).toEqual(["shop-c"]);
  rows.forEach((one) => world.delete(one, "listed"));
  await world.settle(5 * 60_000 + 30_000);
  expect(names()).toEqual(["shop-c"]);
  expect(world.condition("RemovalsBlocked")).toEqual({ status: "True", reason: "UnexplainedAbsence" });
});

test("a farm that was scaled to zero a moment ago is no view that looks wrong, however its pods went", async () => {
  const pods = ["shop-a", "shop-b", "shop-c", "shop-d"].map((name) => pod({ name }));
  world.replicas = 4;
  pods.forEach((one) => world.put(one));
  await world.settle(65_000);
  world.events.length = 0;
  world.replicas = 0;
  world.clock.jump(3_000);
  pods.forEach((one) => world.delete(one));
  await world.pass();
  expect(world.blocked.get(farm().key)).toBe(0);
  await world.settle(5_000);
  expect(world.condition("RemovalsBlocked")?.status).toBe("False");
  expect(world.events.map(({ reason }) => reason)).not.toContain("RemovalBlocked");
});

describe("rows of a former owner", () => {
  const old = (one: Pod): void => void world.insertRow(one, one.name, formerOwner);
  beforeEach(async () => {
    world.change({ spec: spec({ ownerId: identity.ownerId, formerOwnerIds: ["eu-1/old-shop"] }) });
    await world.settle(5_000);
  });

  test("are the farm's own as soon as their pods are seen, and their gates open", async () => {
    old(pod());
    world.put(pod({ gate: "closed" }));
    world.annotate("webfarm.dev/reconcile-at", "now");
    await world.settle(5_000);
    expect(world.rows.map(({ guid }) => guid)).toEqual([markFor(identity, "shop-a", uid("uid-of-shop-a"))]);
    expect(world.gates.get("shop-a")).toBe("Registered");
    expect(world.count("register")).toBe(0);
  });
  test("whose pods are gone go by approval only", async () => {
    old(pod());
    old(pod({ name: "shop-b" }));
    world.put(ended({ name: "shop-b" }));
    await world.settle(60 * 60_000);
    expect([names(), publishedNames()]).toEqual([
      ["shop-a", "shop-b"],
      ["shop-a", "shop-b"],
    ]);
    approve();
    await world.settle(5_000);
    expect(names()).toEqual([]);
  });
});

describe("the API server is asked for pods", () => {
  test.each([
    [20, 20, 0],
    [21, 0, 1],
  ])("before %i removals by %i single reads and %i lists", async (count, singles, lists) => {
    const pods = Array.from({ length: count }, (_, index) => pod({ name: `shop-${index}` }));
    pods.forEach((one) => world.put(one));
    await world.settle(5_000);
    expect(world.rows).toHaveLength(count);
    pods.forEach(({ name }) => world.put(ended({ name })));
    await world.settle(5_000);
    expect(world.rows).toHaveLength(0);
    expect([world.count("livePod"), world.count("livePods"), world.count("remove")]).toEqual([singles, lists, 1]);
  });
});
