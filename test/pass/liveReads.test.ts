// What a pass asks the API server itself before it begins a wait, gives a row away or removes one: the cache only says what to ask.

import { beforeEach, describe, expect, test } from "@jest/globals";
import { podHash, readMark } from "../../operator/farm/mark.ts";
import { ended, identity, pod, spec, uid, unbound } from "../farm/build.ts";
import { FakeWorld } from "./fakeWorld.ts";

let world: FakeWorld;
const names = (): readonly string[] => world.rows.map(({ name }) => name);
const isRowOf = (name: string, podUid: string): boolean =>
  world.rows.some((row) => row.name === name && readMark(row.guid)?.pod === podHash(uid(podUid)));

beforeEach(() => {
  world = new FakeWorld();
  world.replicas = 0;
});

describe("the wait for a missing pod", () => {
  test("begins when a live read finds it gone, not when the cache lost it", async () => {
    const hidden = pod();
    world.put(hidden);
    await world.settle(5_000);
    world.delete(hidden); // the cache shows it gone …
    world.live.set(hidden.name, hidden); // … and the API server has it
    await world.settle(120_000);
    expect(names()).toEqual(["shop-a"]);
    world.live.delete(hidden.name);
    const goneMs = world.clock.monotonic();
    await world.settle(39_000); // its grace and ten seconds have not gone by since a live read can have found it gone
    expect(names()).toEqual(["shop-a"]);
    await world.settle(90_000);
    expect(names()).toEqual([]);
    expect(world.clock.monotonic() - goneMs).toBeGreaterThanOrEqual(40_000);
  });

  test("begins anew with each new ping of its server", async () => {
    world.pings = new Map([[1, "first"]]);
    const gone = pod();
    world.put(gone);
    await world.settle(5_000);
    world.delete(gone);
    for (let ping = 0; ping < 10; ping += 1) {
      world.pings.set(1, `ping ${ping}`);
      await world.settle(30_000);
      expect(names()).toEqual(["shop-a"]);
    }
    await world.settle(75_000);
    expect(names()).toEqual([]);
  });

  test("begins anew once, and not for ever, when the pings themselves are gone", async () => {
    world.pings = new Map([[1, "of the time before"]]);
    const gone = pod();
    world.put(gone);
    await world.settle(5_000);
    world.delete(gone);
    await world.settle(5_000);
    world.pings.clear(); // the database was restored
    await world.settle(30_000);
    expect(names()).toEqual(["shop-a"]);
    await world.settle(75_000);
    expect(names()).toEqual([]);
  });
});

describe("a row is given to the next pod of its name", () => {
  test("only while the API server has that very pod", async () => {
    world.put(pod());
    await world.settle(5_000);
    world.put(ended());
    world.live.set("shop-a", pod({ uid: uid("third") }));
    world.see(pod({ uid: uid("second") })); // the cache has not heard that it is gone already
    await world.settle(10_000);
    expect(isRowOf("shop-a", "second")).toBe(false);
    expect(world.count("mark")).toBe(0);
    world.delete(pod({ uid: uid("second") }));
    world.put(pod({ uid: uid("third") }));
    await world.settle(40_000);
    expect(isRowOf("shop-a", "third")).toBe(true);
  });

  test("and not while that pod terminates", async () => {
    world.put(pod());
    await world.settle(5_000);
    world.put(ended());
    world.see(pod({ uid: uid("second") }));
    world.live.set("shop-a", pod({ uid: uid("second"), deletionAtMs: 1 }));
    await world.settle(10_000);
    expect(world.count("mark")).toBe(0);
  });
});

test("a farm that may not remove reads no pings anew for a row that it leaves alone", async () => {
  const gone = pod();
  world.insertRow(gone);
  world.change({ spec: spec({ ownerId: identity.ownerId, policy: "CreateOnly" }) });
  await world.settle(10 * 60_000); // by then Sync would have removed it
  expect(world.farm?.status.plan?.removals).toBe(1);
  await world.pass(); // its resync
  world.calls.length = 0;
  for (const name of ["shop-b", "shop-c", "shop-d"]) {
    world.put(unbound({ name }));
    await world.pass();
  }
  expect(world.count("read")).toBe(0);
});

test("the evidence of a removal has the time of its live read, also where a row is given away in between", async () => {
  for (const name of ["shop-a", "shop-b"]) world.put(pod({ name }));
  await world.settle(5_000);
  const readAt: string[] = [];
  world.onCall = (call) => {
    if (call === "livePod") readAt.push(new Date(world.clock.now()).toISOString());
    if (call === "mark") world.clock.jump(10_000);
  };
  for (const name of ["shop-a", "shop-b"]) world.put(ended({ name }));
  world.put(pod({ uid: uid("next") }));
  await world.pass();
  expect([names(), isRowOf("shop-a", "next"), world.count("mark")]).toEqual([["shop-a"], true, 1]);
  const told = world.log.lines.flatMap(({ fields }) => (fields["evidence"] === "ended" ? [fields["evidenceAt"]] : []));
  expect([new Set(told), new Set(readAt).size]).toEqual([new Set(readAt), 1]);
});
