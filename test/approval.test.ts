// Whole passes around an approval: it is written down before anything goes, nothing goes without it or after it, and no digest works twice.

import { beforeEach, describe, expect, test } from "@jest/globals";

import { approvalMs } from "../operator/farm/approval.ts";
import { markFor } from "../operator/farm/mark.ts";
import type { WebFarm } from "../operator/farm/model.ts";
import type { PlanStatus } from "../operator/farm/resource.generated.ts";
import { farm, identity, otherCluster, pod, spec, uid } from "./farm/build.ts";
import { FakeDatabaseError, FakeWorld } from "./pass/fakeWorld.ts";

let world: FakeWorld;
const names = (): readonly string[] => world.rows.map(({ name }) => name);
const plan = (): PlanStatus => world.farm?.status.plan ?? ({} as PlanStatus);
const publishedNames = (): readonly string[] => (plan().unexplained ?? []).map(({ name }) => name);
const approve = (digest = plan().digest ?? ""): void => world.annotate("webfarm.dev/approve-removals", digest);
const blockedEvents = (): readonly string[] => world.events.filter(({ reason }) => reason === "RemovalBlocked").map(({ note }) => note);
const forbidden = new Error("403");
const elsewhere = (name: string): void => void world.insertRow(pod({ name }), name, otherCluster);
const setSpec = (changes: Parameters<typeof spec>[0]): void =>
  world.change({ spec: spec({ ownerId: identity.ownerId, ...changes }), generation: (world.farm?.generation ?? 0) + 1 });

/** Passes until the approval is written down, and not one more. */
async function passUntilApproved(): Promise<void> {
  for (let passes = 0; plan().approved === undefined; passes += 1) {
    if (passes > 100) throw new Error("The approval is never written down");
    world.clock.jump(100);
    await world.pass();
  }
}

beforeEach(async () => {
  world = new FakeWorld();
  world.replicas = 0;
  for (const name of ["old-a", "old-b", "old-c"]) elsewhere(name);
  await world.settle(5_000);
});

describe("rows of another cluster", () => {
  test("wait for a person: published, told once, counted, and nobody asks the API server for pods", async () => {
    await world.settle(60 * 60_000);
    expect(names()).toEqual(["old-a", "old-b", "old-c"]);
    expect(plan().unexplained).toEqual(world.rows.map(({ serverID, name, guid }) => ({ serverID, name, guid })));
    expect(world.condition("RemovalsBlocked")).toEqual({ status: "True", reason: "OtherCluster" });
    expect(blockedEvents()).toEqual([expect.stringContaining(`webfarm.dev/approve-removals=${plan().digest ?? "?"}`)]);
    expect(world.blocked.get(farm().key)).toBe(3);
    expect(["liveFarm", "livePod", "livePods", "remove", "mark"].map((call) => world.count(call))).toEqual([0, 0, 0, 0, 0]);
    expect(world.count("patchStatus")).toBe(1);
  });

  test("go when the annotation names the digest: written down first, then after a live read of the WebFarm and a list of the pods", async () => {
    const { digest } = plan();
    const approvedThen: unknown[] = [];
    world.onCall = (call) => {
      if (call === "remove") approvedThen.push(world.farm?.status.plan?.approved?.digest);
    };
    world.calls.length = 0;
    approve();
    await world.settle(5_000);
    expect(names()).toEqual([]);
    expect(approvedThen).toEqual([digest]);
    const order = ["patchStatus", "liveFarm", "livePods", "remove"].map((call) => world.calls.indexOf(call));
    expect(order).toEqual(order.toSorted((a, b) => a - b));
    expect([world.count("livePod"), world.count("livePods"), world.count("remove")]).toEqual([0, 1, 1]);
    expect(world.farm?.status.plan).toBeUndefined();
    expect(world.condition("RemovalsBlocked")).toEqual({ status: "False", reason: "NothingBlocked" });
    expect([world.blocked.get(farm().key), world.evidence]).toEqual([0, ["approved", "approved", "approved"]]);
  });

  test("leave lines that name digest and approver: of the approval, and of each removal before and after it", async () => {
    const { digest } = plan();
    world.change({ approver: "kubectl-annotate" });
    approve();
    await world.settle(5_000);
    const by = world.log.lines.filter(({ fields }) => fields["digest"] === digest).map(({ fields }) => fields);
    expect(by.map(({ approver }) => approver)).toEqual(Array.from({ length: 7 }, () => "kubectl-annotate"));
    expect(by.filter(({ evidence }) => evidence === "approved").map(({ server }) => server)).toEqual([
      ...namesTwice("old-a", "old-b", "old-c"),
    ]);
  });
  const namesTwice = (...all: readonly string[]): readonly string[] => [...all, ...all];

  test("stay while a pod of their name lives that only the API server shows", async () => {
    world.live.set("old-b", pod({ name: "old-b", uid: uid("hidden"), labels: {} }));
    approve();
    await world.settle(60_000);
    expect(names()).toEqual(["old-b"]);
  });

  test("go to a living pod that wants the name, when a person approves", async () => {
    world.put(pod({ name: "old-b", gate: "closed" }));
    await world.settle(5_000);
    expect(world.condition("OwnershipConflict")).toEqual({ status: "True", reason: "OtherCluster" });
    approve();
    await world.settle(5_000);
    expect(world.rows.map(({ serverID, guid }) => [serverID, guid])).toEqual([[2, markFor(identity, "old-b", uid("uid-of-old-b"))]]);
    expect(world.gates.get("old-b")).toBe("Registered");
  });
});

describe("nothing goes", () => {
  const stays = async (ms = 60 * 60_000): Promise<void> => {
    await world.settle(ms);
    expect(names()).toEqual(["old-a", "old-b", "old-c"]);
    expect(world.count("remove")).toBe(0);
  };

  test.each(["", "0123456789abcdef", "true"])("by an annotation that says %j", async (text) => {
    approve(text);
    await stays();
    expect(plan().approved).toBeUndefined();
  });

  test("while the approval cannot be written down; then it does", async () => {
    world.faults.set("patchStatus", { when: "before", error: forbidden });
    approve();
    await stays(5 * 60_000);
    world.faults.clear();
    await world.settle(40_000);
    expect(names()).toEqual([]);
  });

  test("while somebody else changes the WebFarm before each write of the approval; then it does", async () => {
    const { digest } = plan();
    world.onCall = (call) => {
      if (call === "patchStatus") world.change({});
    };
    approve();
    await stays(5 * 60_000);
    expect([plan().digest, plan().approved]).toEqual([digest, undefined]);
    world.onCall = () => undefined;
    await world.settle(40_000);
    expect(names()).toEqual([]);
  });

  test("while the WebFarm cannot be read from the API server; then it does", async () => {
    world.faults.set("liveFarm", { when: "before", error: forbidden });
    approve();
    await stays(5 * 60_000);
    expect(world.condition("Synced")).toEqual({ status: "False", reason: "LiveReadFailed" });
    world.faults.clear();
    await world.settle(40_000);
    expect(names()).toEqual([]);
  });

  test("while the pods cannot be read from the API server", async () => {
    world.faults.set("livePods", { when: "before", error: forbidden });
    approve();
    await stays(5 * 60_000);
  });

  test.each<[string, (before: WebFarm) => Partial<WebFarm>]>([
    ["the API server has another set published", ({ status }) => ({ status: { ...status, plan: { ...plan(), digest: "another" } } })],
    [
      "the API server has another set approved",
      ({ status }) => ({
        status: { ...status, plan: { ...plan(), digest: "another", approved: { digest: "another", until: plan().approved?.until ?? "" } } },
      }),
    ],
    ["the API server has no approval any more", ({ status }) => ({ status: { ...status, plan: undefined as never } })],
    ["the WebFarm has been made anew", () => ({ uid: "another" })],
  ])("by an approval that only the cache still shows: %s", async (_what, changes) => {
    world.change({ finalizers: farm().finalizers });
    approve();
    await passUntilApproved();
    const before = world.farm as WebFarm;
    world.stale.set(before.key, before);
    world.change(changes(before));
    await stays(5 * 60_000);
    expect(world.count("liveFarm")).toBeGreaterThan(0);
  });

  test("when the ten minutes end between the read of the WebFarm and the statement", async () => {
    world.onCall = (call) => {
      if (call === "livePods") world.clock.jump(approvalMs);
    };
    approve();
    await stays();
    expect(world.count("livePods")).toBe(1);
    expect(publishedNames()).toEqual(["old-a", "old-b", "old-c"]);
  });

  test.each([{ suspend: true }, { policy: "Observe" }, { policy: "UpsertOnly" }, { policy: "CreateOnly" }] as const)(
    "under %j, where the ten minutes do not begin either; under Sync they do",
    async (changes) => {
      setSpec(changes);
      await world.settle(5_000);
      approve();
      await stays();
      expect(plan().approved).toBeUndefined();
      setSpec({});
      await passUntilApproved();
      expect(Date.parse(plan().approved?.until ?? "")).toBe(world.clock.now() + approvalMs);
      await world.settle(5_000);
      expect(names()).toEqual([]);
    },
  );
});

describe("an approval", () => {
  test("whose writing was not answered holds by what the API server has", async () => {
    world.faults.set("patchStatus", { when: "after", error: forbidden });
    approve();
    await world.pass();
    expect([plan().approved?.digest, names().length]).toEqual([plan().digest, 3]);
    world.faults.clear();
    await world.settle(5_000);
    expect(names()).toEqual([]);
  });

  test("that is over leaves what is left to a new one: the old annotation does nothing, and each set is told once", async () => {
    const first = plan().digest;
    world.faults.set("remove", { when: "before", error: new FakeDatabaseError() });
    approve();
    await world.settle(approvalMs + 60_000);
    world.faults.clear();
    await world.settle(60 * 60_000);
    expect(names()).toEqual(["old-a", "old-b", "old-c"]);
    const second = plan().digest;
    expect(second).not.toBe(first);
    expect(blockedEvents().map((note) => [first, second].map((digest) => note.includes(digest ?? "?")))).toEqual([
      [true, false],
      [false, true],
    ]);
    approve();
    await world.settle(5_000);
    expect(names()).toEqual([]);
  });

  test("of which a part could not be done publishes that part anew when it is over, and not before", async () => {
    const first = plan().digest;
    world.refusedRows.add("old-b");
    approve();
    await world.settle(approvalMs - 60_000);
    expect([names(), publishedNames(), plan().digest]).toEqual([["old-b"], ["old-a", "old-b", "old-c"], first]);
    await world.settle(2 * 60_000);
    expect([names(), publishedNames(), plan().approved]).toEqual([["old-b"], ["old-b"], undefined]);
    world.refusedRows.clear();
    await world.settle(60 * 60_000);
    expect(names()).toEqual(["old-b"]);
  });

  test("does not let rows go that came to need one later: they are published when it ends", async () => {
    const first = plan().digest;
    world.faults.set("livePods", { when: "before", error: forbidden });
    approve();
    await passUntilApproved();
    elsewhere("old-d");
    await world.settle(60_000);
    expect([publishedNames(), plan().digest]).toEqual([["old-a", "old-b", "old-c"], first]);
    expect(world.condition("RemovalsBlocked")).toEqual({ status: "True", reason: "OtherCluster" });
    world.faults.clear();
    await world.settle(60 * 60_000);
    expect([names(), publishedNames()]).toEqual([["old-d"], ["old-d"]]);
    expect(blockedEvents().at(-1)).toContain(plan().digest ?? "?");
  });

  test.each<[string, string, () => void]>([
    ["goes on after a restart in the middle", "remove", () => undefined],
    ["goes on after a restart while the database is away", "facts", () => undefined],
    ["goes on after a restart though the annotation has been taken away", "remove", () => world.change({ annotations: {} })],
  ])("%s", async (_what, failing, meanwhile) => {
    approve();
    await passUntilApproved();
    const { until } = plan().approved ?? {};
    meanwhile();
    world.restart();
    world.faults.set(failing, { when: "before", error: new FakeDatabaseError() });
    await world.settle(60_000);
    expect(plan().approved?.until).toBe(until);
    world.faults.clear();
    await world.settle(40_000);
    expect(names()).toEqual([]);
  });

  test("does not begin anew with a restart", async () => {
    approve();
    await passUntilApproved();
    world.clock.jump(approvalMs);
    world.restart();
    await world.settle(60 * 60_000);
    expect([names(), plan().approved]).toEqual([["old-a", "old-b", "old-c"], undefined]);
  });
});

test("an event tells only a digest that is written down, also when the status had to wait for its second", async () => {
  world = new FakeWorld();
  await world.settle(5_000);
  world.put(pod());
  await world.pass(); // has written the status
  elsewhere("old-a");
  world.annotate("webfarm.dev/reconcile-at", "now");
  await world.pass();
  await world.pass();
  expect([plan().digest, blockedEvents()]).toEqual([undefined, []]);
  await world.settle(5_000);
  expect(blockedEvents()).toEqual([expect.stringContaining(plan().digest ?? "?")]);
});
