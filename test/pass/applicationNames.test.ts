// Whole passes of a farm whose application registers itself, where the name of a pod comes back: the next pod uses the row as it finds it,
// and nothing in the row says so. Its row stays for as long as its process may live, though what is written down names the pod before it.

import { beforeEach, describe, expect, test } from "@jest/globals";
import { markFor } from "../../operator/farm/mark.ts";
import { foreignRow, identity, pod, spec, uid } from "../farm/build.ts";
import { asEnded } from "./applicationPlay.ts";
import { FakeDatabaseError, FakeWorld } from "./fakeWorld.ts";

const hostname = "shop-7c9d8b6f5-x2vbd";
const a = pod({ name: hostname });
/** The next of the name, whose process goes on when nobody sees the pod any more. */
const b = pod({ name: hostname, uid: uid("next") });

let world: FakeWorld;
let nextPing: number;

const ping = (): void => void world.pings?.set(1, String((nextPing += 1)));
const isThere = (): boolean => world.rows.some(({ serverID }) => serverID === 1);
const isWrittenDownAs = (): string | undefined => world.farm?.status.inventory?.find(({ serverID }) => serverID === 1)?.podUID;
const statusFails = (): void => void world.faults.set("patchStatus", { when: "before", error: new Error("503") });

/** As pods of the same row that have names of their own. */
const named = (of: typeof a, name: string): typeof a => pod({ ...of, name, hostname });
const members = (serverName: string) => [
  { name: "live", workloadRef: { apiVersion: "apps/v1", kind: "Deployment" as const, name: "shop" }, serverName },
];

/** Its pod ends in the sight of the operator, and its object goes. */
function ends(of = a): void {
  world.put(asEnded(of));
  world.delete(asEnded(of));
}

/** Pod a lives, has registered itself, and is written down. */
async function begin(of = a): Promise<void> {
  world.rows = [foreignRow({ serverID: 1, name: hostname })];
  world.put(of);
  ping();
  await world.settle(5_000);
  expect(isWrittenDownAs()).toBe(of.uid);
}

/** Pod a ends in the sight of the operator, and b uses its row: the status cannot be written, so that stands nowhere. */
async function handedOnUnwritten(): Promise<void> {
  await begin();
  statusFails();
  ends();
  world.put(b);
  await world.settle(5_000);
}

/** The process that nobody sees goes on for so long, and the row with it; then it ends, and the row goes when nothing was heard for long enough. */
async function livesOn(seconds: number): Promise<void> {
  world.faults.clear();
  for (let left = seconds; left > 0; left -= 20) {
    ping();
    await world.settle(Math.min(left, 20) * 1_000);
    expect(isThere()).toBe(true);
  }
  await world.settle(700_000);
  expect([isThere(), world.evidence.length]).toEqual([false, 1]);
}

beforeEach(() => {
  world = new FakeWorld();
  world.mode = "1";
  nextPing = 0;
  world.change({ spec: spec({ ownerId: identity.ownerId, registration: "Application" }) });
});

describe.each([true, false])("in a database whose servers ping: %s", (hasPings) => {
  // Without pings there is only the wait, and a process may live no longer than that.
  const longest = hasPings ? 3_600 : 290;
  beforeEach(() => {
    world.pings = hasPings ? new Map() : undefined;
  });

  test("another operator takes over that saw the first pod end and was not told that the next one used its row", async () => {
    await handedOnUnwritten();
    world.delete(b, "listed");
    world.takeOver();
    await livesOn(longest);
  });

  test("another operator takes over when the next pod was deleted by force before it could write anything down", async () => {
    await handedOnUnwritten();
    world.delete(b);
    world.takeOver();
    await livesOn(longest);
  });

  test("the operator is started anew after both pods have gone", async () => {
    await handedOnUnwritten();
    world.delete(b, "listed");
    world.restart();
    await livesOn(longest);
  });

  test("the operator is started anew and finds the first pod's object, which an eviction left, but not the next one's", async () => {
    world.change({ spec: spec({ ownerId: identity.ownerId, registration: "Application", members: members("$(POD_HOSTNAME)") }) });
    const [first, next] = [named(a, "shop-7c9d8b6f5-bbbbb"), named(b, "shop-7c9d8b6f5-ccccc")];
    await begin(first);
    statusFails();
    world.put(asEnded(first));
    world.put(next);
    await world.settle(5_000);
    world.delete(next, "listed");
    world.restart();
    await livesOn(longest);
  });

  test("the rows could not be read from before the first pod ended until the next one had vanished", async () => {
    await begin();
    statusFails();
    world.faults.set("read", { when: "before", error: new FakeDatabaseError() });
    await world.settle(60_000);
    ends();
    world.put(b);
    await world.settle(60_000);
    world.delete(b, "listed");
    await world.settle(5_000);
    world.faults.delete("read");
    await world.settle(30_000);
    expect([isThere(), isWrittenDownAs()]).toEqual([true, a.uid]);
    // This operator saw the next pod, and that nobody wrote it down.
    for (let left = longest; left > 0; left -= 20) {
      ping();
      await world.settle(20_000);
    }
    expect(isThere()).toBe(true);
  });

  test("two pods had the name at once, and both went between two looks", async () => {
    world.change({ spec: spec({ ownerId: identity.ownerId, registration: "Application", members: members("$(POD_HOSTNAME)") }) });
    const [first, next] = [named(a, "shop-7c9d8b6f5-bbbbb"), named(b, "shop-7c9d8b6f5-ccccc")];
    await begin(first);
    world.put(next);
    await world.settle(5_000);
    ends(first);
    world.delete(next, "listed");
    await livesOn(longest);
  });

  test("the next pod came and vanished while the operator was frozen, and no list shows it", async () => {
    world.change({ spec: spec({ ownerId: identity.ownerId, registration: "Application", members: members("$(POD_HOSTNAME)") }) });
    const first = named(a, "shop-7c9d8b6f5-bbbbb");
    await begin(first);
    world.live.set(first.name, asEnded(first));
    ping();
    world.clock.jump(30_000);
    world.relist();
    await livesOn(longest);
  });

  test("the row carries the mark that the operator gave it when it registered servers itself", async () => {
    const row = { ...foreignRow({ serverID: 1, name: hostname }), guid: markFor(identity, hostname, a.uid) };
    await begin();
    world.rows = [row];
    await world.settle(60_000);
    statusFails();
    ends();
    world.put(b);
    await world.settle(5_000);
    world.delete(b, "listed");
    await livesOn(longest);
  });
});

test("the first pod's end was seen, and the next one came and vanished while the operator's watch was cut off", async () => {
  const set = { apiVersion: "apps/v1", kind: "StatefulSet", name: "shop", uid: "uid-of-workload" };
  const [first, next] = [pod({ ...a, name: "shop-0", controller: set }), pod({ ...b, name: "shop-0", controller: set })];
  world.kind = "StatefulSet";
  world.pings = new Map();
  world.change({
    spec: spec({
      ...{ ownerId: identity.ownerId, registration: "Application" },
      members: [{ name: "live", workloadRef: { apiVersion: "apps/v1", kind: "StatefulSet", name: "shop" } }],
    }),
  });
  world.rows = [foreignRow({ serverID: 1, name: "shop-0" })];
  world.put(first);
  ping();
  await world.settle(5_000);
  ends(first);
  await world.settle(60_000);
  expect([isThere(), isWrittenDownAs()]).toEqual([true, first.uid]); // the set wants its successor
  world.live.set("shop-0", next);
  ping();
  world.live.delete("shop-0");
  world.replicas = 0;
  await livesOn(3_600);
});
