// Whole passes of two WebFarms in one namespace: with one owner, whose rows nobody could tell apart, only the older writes; of two that
// select one pod, only the older has it.

import { beforeEach, describe, expect, test } from "@jest/globals";

import { kinship } from "../operator/farm/mark.ts";
import { farmKey } from "../operator/farm/model.ts";
import type { WebFarm } from "../operator/farm/model.ts";
import { farm, identity, otherCluster, pod, spec, uid } from "./farm/build.ts";
import { FakeWorld } from "./pass/fakeWorld.ts";

let world: FakeWorld;
const older = farm().key;
const younger = farmKey("prod", "younger");
const names = (): readonly string[] => world.rows.map(({ name }) => name).toSorted();
const youngers = (): WebFarm => world.farms.get(younger) as WebFarm;

/** Selects the pods that are labelled `app`. */
function addYounger(changes: Parameters<typeof spec>[0], app = "blog"): void {
  const members = [{ name: "live", selector: { matchLabels: { app } } }];
  const made = farm({
    key: younger,
    name: "younger",
    uid: "uid-of-younger",
    createdAtMs: 501,
    finalizers: [],
    spec: { members, ...changes },
  });
  world.farms.set(younger, made);
}

async function settleBoth(ms: number): Promise<void> {
  for (let passedMs = 0; passedMs < ms; passedMs += 5_000) {
    await world.settle(2_500, younger);
    await world.settle(2_500, older);
  }
}

beforeEach(() => {
  world = new FakeWorld();
  world.put(pod());
});

describe("two WebFarms of one owner", () => {
  beforeEach(() => world.put(pod({ name: "blog-a", labels: { app: "blog" }, gate: "closed" })));

  test.each<[string, Parameters<typeof spec>[0], Parameters<typeof spec>[0]]>([
    ["given to both", { ownerId: identity.ownerId }, { ownerId: identity.ownerId }],
    ["given to one and the other's by its name", {}, { ownerId: `${identity.namespaceUid}/shop` }],
  ])("(%s): the older writes, the younger is silent and says why", async (_what, ofOlder, ofYounger) => {
    world.change({ spec: spec(ofOlder) });
    addYounger(ofYounger);
    await settleBoth(60_000);
    expect(names()).toEqual(["shop-a"]);
    expect(world.condition("OwnershipConflict", older)?.status).toBe("False");
    expect(world.condition("OwnershipConflict", younger)).toEqual({ status: "True", reason: "OwnerIdInUse" });
    for (const type of ["Ready", "Synced"]) expect(world.condition(type, younger)).toEqual({ status: "False", reason: "OwnerIdInUse" });
    expect(world.condition("Stalled", younger)).toEqual({ status: "True", reason: "OwnerIdInUse" });
    expect(youngers().finalizers).toEqual([]);
    expect(world.events.filter(({ reason, farm: of }) => reason === "OwnershipConflict" && of.key === younger)).toHaveLength(1);
  });

  test("which have different owners both write", async () => {
    addYounger({ ownerId: "eu-1/blog" });
    await settleBoth(10_000);
    expect(names()).toEqual(["blog-a", "shop-a"]);
  });

  test("a gate of the younger waits as long as for any fault", async () => {
    addYounger({ ownerId: identity.ownerId });
    await settleBoth(290_000);
    expect(world.gates.size).toBe(0);
    await settleBoth(60_000);
    expect(world.gates.get("blog-a")).toBe("FailOpen");
  });

  test.each(["RemoveStale", "RemoveAll", "Retain"] as const)(
    "the younger that is deleted with %s goes at once and leaves the rows of the older",
    async (deletionPolicy) => {
      addYounger({ ownerId: identity.ownerId, deletionPolicy });
      world.change({ finalizers: ["webfarm.dev/servers"] }, younger); // of a time when it was alone
      await settleBoth(10_000);
      const before = world.rows.map((row) => ({ ...row }));
      world.change({ deletionAtMs: world.clock.now() }, younger);
      await world.settle(1_000, younger);
      expect([youngers().finalizers, world.rows]).toEqual([[], before]);
      await settleBoth(10 * 60_000);
      expect(world.rows).toEqual(before);
    },
  );

  test("when the older is gone the younger takes its place, and keeps the rows of pods that live", async () => {
    addYounger({ ownerId: identity.ownerId });
    await settleBoth(10_000);
    world.farms.delete(older);
    await world.pass(older);
    await world.settle(60_000, younger);
    expect(names()).toEqual(["blog-a", "shop-a"]);
    expect(world.condition("Ready", younger)).toEqual({ status: "True", reason: "Ready" });
    expect(world.gates.get("blog-a")).toBe("Registered");
  });

  test("an approval of the younger does not begin while it is silent", async () => {
    world.insertRow(pod({ name: "old-a" }), "old-a", otherCluster);
    addYounger({ ownerId: identity.ownerId });
    await settleBoth(10_000);
    world.annotate("webfarm.dev/approve-removals", youngers().status.plan?.digest ?? "", younger);
    await settleBoth(60_000);
    expect([names(), youngers().status.plan?.approved]).toEqual([["old-a", "shop-a"], undefined]);
    world.annotate("webfarm.dev/approve-removals", world.farm?.status.plan?.digest ?? "", older);
    await settleBoth(60_000);
    expect(names()).toEqual(["shop-a"]);
  });
});

describe("two WebFarms that select one pod", () => {
  const shared = pod({ gate: "closed" });
  beforeEach(() => {
    world.put(shared);
    addYounger({ ownerId: "eu-1/blog" }, "shop");
  });

  test("the older has it, the younger reports and leaves its gate alone, however long it waits", async () => {
    await world.settle(10 * 60_000, younger);
    expect([names(), world.gates.size]).toEqual([[], 0]);
    expect(world.condition("OwnershipConflict", younger)).toEqual({ status: "True", reason: "OtherWebFarm" });
    expect(youngers().status.desired).toBe(0);
    await world.settle(5_000, older);
    expect(world.rows.map((row) => kinship(row, identity).kind)).toEqual(["ours"]);
    expect(world.gates.get("shop-a")).toBe("Registered");
    await settleBoth(60_000);
    expect(names()).toEqual(["shop-a"]);
  });

  test("the younger does not touch the row that the older leaves behind", async () => {
    await settleBoth(10_000);
    const before = world.rows.map((row) => ({ ...row }));
    world.farms.delete(older);
    await world.pass(older);
    await world.settle(10 * 60_000, younger);
    expect(world.rows).toEqual(before);
    expect(world.condition("OwnershipConflict", younger)).toEqual({ status: "True", reason: "ForeignRow" });
  });

  test("the younger takes it over with the row when the older's owner is a former one of its own", async () => {
    await settleBoth(10_000);
    world.change({ spec: spec({ ...youngers().spec, formerOwnerIds: [identity.ownerId] }), generation: 2 }, younger);
    await settleBoth(60_000);
    expect(world.rows.map((row) => kinship(row, identity).kind)).toEqual(["ours"]);
    world.farms.delete(older);
    await world.pass(older);
    await world.settle(60_000, younger);
    expect(world.rows.map((row) => kinship(row, { ...identity, ownerId: "eu-1/blog", formerOwnerIds: [] }).kind)).toEqual(["ours"]);
    expect(world.rows.map(({ serverID }) => serverID)).toEqual([1]);
  });

  test("of two that are as old the one with the smaller UID has it", async () => {
    world.change({ createdAtMs: 500 }, younger);
    await settleBoth(10_000);
    expect(world.condition("OwnershipConflict", younger)?.reason).toBe("OtherWebFarm");
    expect(uid(youngers().uid) > uid(world.farm?.uid ?? "")).toBe(true);
  });
});
