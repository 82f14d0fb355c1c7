// Whole passes of a farm whose application registers itself: when a row goes, when it stays, and that nothing rests on what is not written
// down. The application and its pings are played here.

import { beforeEach, describe, expect, test } from "@jest/globals";
import type { Pod, ServerRow } from "../../operator/farm/model.ts";
import { ended, foreignRow, identity, pod, spec, terminating, uid } from "../farm/build.ts";
import { FakeDatabaseError, FakeWorld } from "./fakeWorld.ts";

const name = "shop-7c9d8b6f5-x2vbd"; // as a Deployment names its pods
const a = pod({ name, gate: "closed" });
const byHand = foreignRow({ serverID: 900, name: "web-by-hand" });
const hourMs = 60 * 60_000;

let world: FakeWorld;
let nextPing: number;

/** The application of that pod starts, or goes on, or another process does in its name. */
const ping = (serverID: number): void => void world.pings?.set(serverID, String((nextPing += 1)));
function registers(of: Pod, serverID = 1): ServerRow {
  const row = foreignRow({ serverID, name: of.name, guid: `00000000-0000-4000-9000-00000000000${serverID}` });
  world.rows.push({ ...row });
  ping(serverID);
  return row;
}
const ids = (): readonly number[] => world.rows.map(({ serverID }) => serverID);
const state = (of = name): string | undefined => {
  const found = world.farm?.status.servers?.find((server) => server.name === of);
  return found === undefined ? undefined : `${found.state}/${found.reason ?? ""}`;
};
const inventory = (): readonly string[] =>
  (world.farm?.status.inventory ?? []).map(({ serverName, serverID, podUID }) => `${serverName} ${serverID} ${podUID}`);
const setSpec = (changes: Parameters<typeof spec>[0] = {}): void =>
  world.change({
    spec: spec({ ownerId: identity.ownerId, registration: "Application", ...changes }),
    generation: (world.farm?.generation ?? 0) + 1,
  });

/** A pod that lives, has registered itself, and whose row is written down. */
async function runs(of = a): Promise<ServerRow> {
  world.put(of);
  const row = registers(of);
  await world.settle(5_000);
  expect(inventory()).toEqual([`${of.name} 1 ${of.uid}`]);
  world.calls.length = 0;
  return row;
}

/** Its pod, as the caches have it by now, ends in the sight of the operator. */
const ends = (of = a): void => world.put(ended({ name: of.name, uid: of.uid }));

beforeEach(() => {
  world = new FakeWorld();
  world.mode = "1";
  nextPing = 0;
  world.pings = new Map();
  world.rows.push({ ...byHand });
  setSpec();
});

/** Of whatever a test did: nothing was inserted or marked, and what nobody here has to do with is as it was. */
const nothingElseHappened = (): void => {
  expect([world.count("register"), world.count("mark")]).toEqual([0, 0]);
  expect(world.rows).toContainEqual(byHand);
};

describe("a pod that starts", () => {
  test("waits for the row that its application writes; then its gate opens and the row is written down", async () => {
    world.put(a);
    await world.settle(10_000);
    expect([world.gates.size, state(), world.count("openGate")]).toEqual([0, "Pending/AwaitingRegistration", 0]);
    registers(a);
    await world.settle(2_500);
    expect([world.gates.get(name), state()]).toEqual(["Registered", "Registered/Registered"]);
    expect(world.farm?.status).toMatchObject({ desired: 1, registered: 1, foreign: 1, stale: 0, blocked: 0 });
    expect(inventory()).toEqual([`${name} 1 ${a.uid}`]);
    expect(world.condition("SettingsCompatible")?.status).toBe("True");
    nothingElseHappened();
  });

  test("is looked for less and less often, and a farm at rest is read twice a minute and told nothing", async () => {
    world.put(a);
    await world.settle(hourMs);
    expect(world.gates.get(name)).toBe("FailOpen");
    world.calls.length = 0;
    await world.settle(hourMs);
    expect(world.count("read")).toBeLessThanOrEqual(121);
    registers(a);
    await world.settle(60_000);
    world.calls.length = 0;
    await world.settle(hourMs);
    expect(world.count("read")).toBeLessThanOrEqual(121);
    expect(world.count("patchStatus")).toBe(0);
  });

  test("has its gate opened though the status cannot be written", async () => {
    world.faults.set("patchStatus", { when: "before", error: new Error("403") });
    world.put(a);
    registers(a);
    await world.settle(3_000);
    expect(world.gates.get(name)).toBe("Registered");
  });
});

test("a row that the name's next pod has used is not that of the pod before it, though the status could not be written meanwhile", async () => {
  const again = pod({ name, uid: uid("again"), gate: "closed" });
  await runs();
  world.faults.set("patchStatus", { when: "before", error: new Error("403") });
  ends();
  world.put(again); // under the name of the one that has ended, which goes
  ping(1);
  await world.settle(5_000);
  world.delete(again, "listed"); // force-deleted; its process may live
  await world.settle(5_000);
  expect(ids()).toEqual([900, 1]);
  world.faults.clear();
  await world.settle(10_000);
  await world.settle(hourMs);
  expect([inventory(), ids(), state()]).toEqual([[], [900, 1], "Blocked/NeverSeenAlive"]); // nobody wrote down whose it was
  nothingElseHappened();
});

describe("a pod that ends", () => {
  test("has its row removed at once, as the table has it and with the ping that was read just then", async () => {
    const row = await runs();
    ends();
    ping(1); // the last one before its end, which no read has shown yet
    await world.pass();
    expect(ids()).toEqual([900]);
    expect(world.evidence).toEqual(["ended"]);
    expect(
      world.log.lines.filter(({ fields }) => fields["serverID"] === 1).map(({ fields }) => [fields["guid"], fields["podUID"]]),
    ).toEqual([
      [row.guid, a.uid],
      [row.guid, a.uid],
    ]);
    await world.settle(5_000);
    expect(inventory()).toEqual([]);
    nothingElseHappened();
  });

  test("keeps its row while it terminates", async () => {
    await runs();
    world.put(terminating({ name }));
    await world.settle(hourMs);
    expect([ids(), state()]).toEqual([[900, 1], "Draining/PodTerminating"]);
  });

  test("keeps its row while the API server does not answer, and while it shows the next of its name", async () => {
    await runs();
    ends();
    world.faults.set("livePod", { when: "before", error: new Error("503") });
    await world.settle(hourMs);
    expect(ids()).toEqual([900, 1]);
    expect(world.condition("Synced")).toEqual({ status: "False", reason: "LiveReadFailed" });
    world.faults.clear();
    world.live.set(name, pod({ name, uid: uid("next") }));
    await world.settle(hourMs);
    expect(ids()).toEqual([900, 1]);
    world.live.delete(name);
    await world.settle(60_000);
    expect(ids()).toEqual([900]);
  });

  test("leaves its row to whoever pings in its name, for as long as those pings come", async () => {
    await runs();
    ends();
    world.onCall = (call) => {
      if (call === "remove") ping(1);
    };
    await world.settle(5_000);
    expect([ids(), state()]).toEqual([[900, 1], "Stale/StillPings"]);
    for (let minutes = 0; minutes < 60; minutes += 1) {
      await world.settle(60_000);
      ping(1);
    }
    expect([ids(), world.count("remove")]).toEqual([[900, 1], 1]);
    world.onCall = () => undefined;
    await world.settle(299_000);
    expect(ids()).toEqual([900, 1]);
    await world.settle(35_000);
    expect(ids()).toEqual([900]);
  });

  test("leaves a row that had never pinged to whoever pings in its name", async () => {
    await runs();
    world.pings?.delete(1);
    ends();
    world.onCall = (call) => {
      if (call === "remove") ping(1);
    };
    await world.settle(5_000);
    expect([ids(), state(), world.count("remove")]).toEqual([[900, 1], "Stale/StillPings", 1]);
  });

  test("has its row removed where there are no pings", async () => {
    world.pings = undefined;
    await runs();
    ends();
    await world.settle(5_000);
    expect(ids()).toEqual([900]);
  });

  test("keeps its row under policies that remove nothing", async () => {
    for (const policy of ["Observe", "CreateOnly", "UpsertOnly"] as const) {
      setSpec({ policy });
      await runs(pod({ name, uid: uid(policy) }));
      world.delete(pod({ name, uid: uid(policy) }));
      world.put(ended({ name, uid: uid(policy) }));
      await world.settle(hourMs);
      expect([policy, ids(), world.farm?.status.plan?.removals]).toEqual([policy, [900, 1], 1]);
      world.rows = world.rows.filter(({ serverID }) => serverID !== 1);
    }
    expect(world.count("remove")).toBe(0);
  });

  test("keeps its row in the Manual mode, which says so", async () => {
    await runs();
    world.mode = "2";
    ends();
    await world.settle(hourMs);
    expect(ids()).toEqual([900, 1]);
    expect(world.condition("SettingsCompatible")).toEqual({ status: "False", reason: "ManualMode" });
  });

  test("has its row removed when the answer to the removal was lost", async () => {
    await runs();
    ends();
    world.faults.set("remove", { when: "after", error: new FakeDatabaseError() });
    await world.settle(2_000);
    world.faults.clear();
    await world.settle(60_000);
    expect([ids(), inventory(), state()]).toEqual([[900], [], undefined]);
    nothingElseHappened();
  });
});

describe("a pod that vanishes while no operator looks", () => {
  test("is known from the status: its row waits for as long as its process can live, and then goes", async () => {
    await runs();
    world.delete(a);
    world.restart();
    await world.settle(39_000);
    expect([ids(), state()]).toEqual([[900, 1], "Stale/ProcessMayLive"]);
    await world.settle(5_000);
    expect([ids(), world.evidence]).toEqual([[900], ["missing"]]);
    nothingElseHappened();
  });

  test("keeps its row while its server pings", async () => {
    await runs();
    world.delete(a);
    world.restart();
    for (let seconds = 0; seconds < 3_600; seconds += 20) {
      await world.settle(20_000);
      ping(1);
    }
    expect(ids()).toEqual([900, 1]);
    await world.settle(120_000);
    expect(ids()).toEqual([900]);
  });

  test("keeps its row for nodeLostSeconds where there are no pings", async () => {
    world.pings = undefined;
    await runs();
    world.delete(a);
    world.restart();
    await world.settle(299_000);
    expect(ids()).toEqual([900, 1]);
    await world.settle(5_000);
    expect(ids()).toEqual([900]);
  });
});

describe("nothing rests on what is not written down", () => {
  test("a row whose pod was never written down stays, and is a person's when nothing was heard of it for long", async () => {
    world.faults.set("patchStatus", { when: "before", error: new Error("403") });
    world.put(a);
    registers(a);
    await world.settle(5_000);
    ends();
    await world.settle(290_000);
    world.faults.clear();
    await world.settle(5_000);
    expect([ids(), state(), world.farm?.status.foreign]).toEqual([[900, 1], undefined, 2]);
    await world.settle(60_000);
    expect([ids(), state(), world.farm?.status.foreign]).toEqual([[900, 1], "Blocked/NeverSeenAlive", 1]);
    expect(world.condition("RemovalsBlocked")).toEqual({ status: "True", reason: "NeverSeenAlive" });
    expect(world.count("remove")).toBe(0);
  });

  test("a status that somebody emptied is written again from what lives, and says nothing of what is gone", async () => {
    await runs();
    const { inventory: _inventory, ...status } = world.farm?.status ?? {};
    world.change({ status });
    await world.settle(60_000);
    expect(inventory()).toEqual([`${name} 1 ${a.uid}`]);
    world.change({ status });
    world.delete(a);
    world.restart();
    await world.settle(hourMs);
    expect([ids(), state()]).toEqual([[900, 1], "Blocked/NeverSeenAlive"]);
  });

  test("a row that was made anew after its pod had ended is not the one that was remembered", async () => {
    await runs();
    world.rows = world.rows.filter(({ serverID }) => serverID !== 1);
    ends();
    registers(a, 2);
    await world.settle(hourMs);
    expect([ids(), state()]).toEqual([[900, 2], "Blocked/NeverSeenAlive"]);
  });
});

describe("a row that was never seen alive", () => {
  const approve = async (): Promise<void> => {
    world.annotate("webfarm.dev/approve-removals", world.farm?.status.plan?.digest ?? "?");
    await world.settle(5_000);
  };
  beforeEach(async () => {
    registers(a);
    await world.settle(hourMs);
    expect([ids(), state()]).toEqual([[900, 1], "Blocked/NeverSeenAlive"]);
  });

  test("is published as the table has it, and goes when a person approves", async () => {
    expect(world.farm?.status.plan?.unexplained).toEqual([{ serverID: 1, name, guid: world.rows[1]?.guid }]);
    await approve();
    expect([ids(), world.evidence]).toEqual([[900], ["approved"]]);
    nothingElseHappened();
  });

  test("is not published while it pings, however short the silence that is waited for and old the rows", async () => {
    world = new FakeWorld();
    world.mode = "1";
    world.pings = new Map();
    setSpec({ removal: { nodeLostSeconds: 12 } });
    registers(a);
    world.replicas = 1;
    for (let seconds = 0; seconds < 120; seconds += 1) {
      ping(1);
      await world.settle(1_000);
      expect([world.farm?.status.plan?.unexplained ?? [], state()]).toEqual([[], undefined]);
    }
  });

  test("also one without a GUID, and by an operator that was started since", async () => {
    world.rows = [{ ...byHand }, { ...foreignRow({ serverID: 1, name }), guid: null }];
    await world.settle(hourMs);
    expect(world.farm?.status.plan?.unexplained).toEqual([{ serverID: 1, name }]);
    world.faults.set("remove", { when: "before", error: new FakeDatabaseError() });
    await approve();
    world.faults.clear();
    world.restart();
    await world.settle(5_000);
    expect(ids()).toEqual([900]);
  });

  test("stays with whoever pings in its name while an operator that was started since removes it by approval", async () => {
    world.faults.set("remove", { when: "before", error: new FakeDatabaseError() });
    await approve();
    world.faults.clear();
    world.restart();
    let hasPinged = false;
    world.onCall = (call) => {
      if (call !== "remove" || hasPinged) return;
      hasPinged = true;
      ping(1);
    };
    for (let seconds = 0; seconds < 9 * 60; seconds += 20) {
      await world.settle(20_000);
      ping(1);
    }
    expect([ids(), hasPinged]).toEqual([[900, 1], true]);
  });

  test("stays when it pings again, though a person approved it", async () => {
    ping(1);
    await world.settle(30_000);
    await approve();
    await world.settle(60_000);
    expect([ids(), world.count("remove"), world.farm?.status.blocked]).toEqual([[900, 1], 0, 0]);
  });

  test("stays while a pod of its name lives that only the API server shows", async () => {
    world.live.set(name, pod({ name, labels: {} }));
    await approve();
    expect(ids()).toEqual([900, 1]);
  });

  test("is its pod's when that appears", async () => {
    world.put(a);
    await world.settle(5_000);
    expect([state(), inventory(), world.gates.get(name)]).toEqual(["Registered/Registered", [`${name} 1 ${a.uid}`], "Registered"]);
  });
});

describe("a StatefulSet's row", () => {
  const set = { apiVersion: "apps/v1", kind: "StatefulSet", name: "shop", uid: "uid-of-workload" };
  const first = pod({ name: "shop-0", controller: set, gate: "closed" });
  beforeEach(async () => {
    world.kind = "StatefulSet";
    setSpec({ members: [{ name: "live", workloadRef: { apiVersion: "apps/v1", kind: "StatefulSet", name: "shop" } }] });
    await runs(first);
    world.put(ended({ name: "shop-0", controller: set }));
    await world.settle(hourMs);
  });

  test("stays for the next pod, which finds it and is remembered as its own", async () => {
    expect([ids(), state("shop-0")]).toEqual([[900, 1], "Stale/AwaitingSuccessor"]);
    world.delete(first);
    const next = pod({ name: "shop-0", uid: uid("next"), controller: set, gate: "closed" });
    world.put(next);
    await world.settle(5_000);
    expect([ids(), inventory(), world.gates.get("shop-0")]).toEqual([[900, 1], ["shop-0 1 next"], "Registered"]);
    nothingElseHappened();
  });

  test("goes when the set wants no pod of that name any more", async () => {
    world.replicas = 0;
    await world.settle(60_000);
    expect(ids()).toEqual([900]);
  });
});

describe("a WebFarm that is deleted", () => {
  const deleted = (): void => world.change({ deletionAtMs: world.clock.now() });

  test("is held from its first row on, but not where it may remove nothing", async () => {
    setSpec({ policy: "CreateOnly" });
    await runs();
    expect(world.farm?.finalizers).toEqual([]);
    setSpec();
    await world.settle(5_000);
    expect(world.farm?.finalizers).toEqual(["webfarm.dev/servers"]);
  });

  test("waits for rows of pods that have ended and leaves those of living ones", async () => {
    await runs();
    const b = pod({ name: "shop-7c9d8b6f5-bbbbb" });
    world.put(b);
    registers(b, 2);
    await world.settle(60_000);
    ends();
    deleted();
    await world.settle(30_000);
    expect([ids(), world.count("removeFinalizer")]).toEqual([[900, 2], 1]);
  });

  test("with RemoveAll takes those of living pods too, and of nobody else", async () => {
    await runs();
    registers(pod({ name: "shop-7c9d8b6f5-zzzzz" }), 3);
    setSpec({ deletionPolicy: "RemoveAll" });
    deleted();
    await world.settle(30_000);
    expect([ids(), world.evidence]).toEqual([[900, 3], ["removeAll"]]);
    nothingElseHappened();
  });
});

describe("a row that got another ServerID behind the back of the process that uses it", () => {
  const served = pod({ name, running: true, ready: true });
  const spoken = (): unknown => world.condition("PeersUnaware");
  /** So many minutes, in which these servers ping. */
  const pinging = async (minutes: number, ...servers: readonly number[]): Promise<void> => {
    for (let thirds = 0; thirds < minutes * 3; thirds += 1) {
      servers.forEach(ping);
      await world.settle(20_000);
    }
  };
  const restored = async (): Promise<void> => {
    await runs(served);
    await pinging(1, 1, 900);
    world.rows = world.rows.map((row) => (row.serverID === 1 ? { ...row, serverID: 101 } : row));
  };

  test("is told with the cure when the new one was not heard of for three minutes in which others pinged", async () => {
    await restored();
    await pinging(2, 900);
    expect([state(), spoken()]).toEqual(["Registered/Registered", { status: "False", reason: "NoneSeen" }]);
    await pinging(3, 900);
    expect([state(), spoken()]).toEqual(["Unsynchronised/RowReplaced", { status: "True", reason: "RowReplaced" }]);
    expect(world.farm?.status.servers?.find((server) => server.name === name)?.message).toMatch(/Restart it/);
    expect(ids()).toEqual([900, 101]);
  });
  test("is told also when nobody but the process itself pings, for its old row", async () => {
    await restored();
    await pinging(5, 1);
    expect(state()).toBe("Unsynchronised/RowReplaced");
  });
  test("is over when its container has restarted, or the new row is heard of", async () => {
    await restored();
    await pinging(5, 900);
    world.put({ ...served, restarts: 1 });
    await pinging(1, 900);
    expect([state(), spoken()]).toEqual(["Registered/Registered", { status: "False", reason: "NoneSeen" }]);
    await pinging(5, 900, 101);
    world.rows = world.rows.map((row) => (row.serverID === 101 ? { ...row, serverID: 201 } : row));
    await pinging(5, 900);
    expect(state()).toBe("Unsynchronised/RowReplaced");
    await pinging(1, 900, 201);
    expect(state()).toBe("Registered/Registered");
  });
  test.each<[string, readonly number[]]>([
    ["a process that made its row anew itself, and pings for it", [101, 900]],
    ["anybody while no pings arrive at all", []],
  ])("is not told of %s", async (_what, servers) => {
    await restored();
    await pinging(10, ...servers);
    expect([state(), spoken()]).toEqual(["Registered/Registered", { status: "False", reason: "NoneSeen" }]);
  });
  test("is not told where there are no pings, nor by an operator that did not see the row before", async () => {
    await restored();
    world.restart();
    await pinging(10, 900);
    expect(state()).toBe("Registered/Registered");
    world.pings = undefined;
    world.rows = world.rows.map((row) => (row.serverID === 101 ? { ...row, serverID: 201 } : row));
    await world.settle(hourMs);
    expect(state()).toBe("Registered/Registered");
  });
});
