// The election on a simulated clock: who leads when a process comes, goes, is killed, is paused, or cannot reach the lease.
import { describe, expect, test } from "@jest/globals";
import { createElection, leaseSeconds, renewDeadlineMs, retryMs } from "../../operator/controller/election.ts";
import type { LeaseRecord, LeaseWrite } from "../../operator/controller/lease.ts";
import { FakeClock, settle } from "./fakeClock.ts";
import { createLeaseWorld, elapsed } from "./leaseWorld.ts";
import type { LeaseWorld, Process } from "./leaseWorld.ts";
import { recordingLog } from "./recordingLog.ts";

const leaseMs = leaseSeconds * 1000;
const hourMs = 3_600_000;
const drained = (): Promise<void> => Promise.resolve();

/** As kill -9: nothing of it runs any more, and nothing that it sent is answered. */
function kill(process: Process): void {
  process.clock.pause();
  process.way = "hangs";
}

async function leaderAndStandby(options: { readonly standbysWallOffsetMs?: number } = {}): Promise<[LeaseWorld, Process, Process]> {
  const world = createLeaseWorld();
  const leader = world.start();
  await world.clock.advance(100);
  const standby = world.start({ wallOffsetMs: options.standbysWallOffsetMs ?? 0 });
  await world.clock.advance(30_000);
  expect(world.holders()).toEqual(["A"]);
  return [world, leader, standby];
}

/** Milliseconds until exactly this process holds. */
async function untilHeld(world: LeaseWorld, process: Process, mostMs = 60_000): Promise<number> {
  const startedMs = world.clock.monotonic();
  while (!process.election.isHeld()) {
    if (world.clock.monotonic() - startedMs > mostMs) throw new Error(`${process.identity} does not hold after ${mostMs} ms`);
    await world.clock.advance(10);
  }
  return world.clock.monotonic() - startedMs;
}

const foreign = (record: Partial<LeaseRecord> = {}): LeaseRecord => ({
  ...{ holder: "stranger", leaseSeconds: 15, acquiredAtMs: 0, renewedAtMs: 0, transitions: 4, version: "900" },
  ...record,
});

describe("Who leads", () => {
  test("one process alone makes the lease and leads at once", async () => {
    const world = createLeaseWorld();
    const alone = world.start();
    expect(alone.election.isHeld()).toBe(false);
    await world.clock.advance(10);
    expect(alone.election.isHeld()).toBe(true);
    const atMs = world.clock.now();
    expect(world.record()).toMatchObject({ holder: "A", leaseSeconds: 15, transitions: 0 });
    expect(atMs - (world.record()?.acquiredAtMs ?? 0)).toBeLessThanOrEqual(10);
  });

  test("of two that start together exactly one leads, and it goes on for an hour without a change", async () => {
    const world = createLeaseWorld();
    const both = [world.start(), world.start()];
    await world.clock.advance(hourMs);
    expect(both.map(({ story }) => story).toSorted()).toEqual([[], ["acquired"]]);
    expect(world.record()?.transitions).toBe(0);
    expect(world.holders()).toHaveLength(1);
  });

  test("a standby with a working watch asks nothing", async () => {
    const [world, , standby] = await leaderAndStandby();
    standby.sent.length = 0;
    await world.clock.advance(hourMs);
    expect(standby.sent).toEqual([]);
  });

  test("a leader renews about every two seconds, and keeps the beginning of its term", async () => {
    const [world, leader] = await leaderAndStandby();
    const before = world.record();
    leader.sent.length = 0;
    await world.clock.advance(60_000);
    expect(leader.sent.length).toBeGreaterThanOrEqual(25);
    expect(leader.sent.length).toBeLessThanOrEqual(30);
    expect(world.record()).toMatchObject({ acquiredAtMs: before?.acquiredAtMs, transitions: before?.transitions });
  });

  test.each([0, 1])("a retry waits at least two seconds and at most a fifth more (random %d)", async (random) => {
    const world = createLeaseWorld();
    const leader = world.start({ random: () => random });
    await world.clock.advance(10);
    const renewedAtMs = world.record()?.renewedAtMs ?? 0;
    leader.sent.length = 0;
    const dueMs = renewedAtMs + retryMs * (1 + 0.2 * random) - world.clock.now();
    await world.clock.advance(dueMs - 5);
    expect(leader.sent).toEqual([]);
    await world.clock.advance(10);
    expect(leader.sent).toEqual(["update"]);
  });
});

describe("A leader that is killed", () => {
  test.each([0, 7 * hourMs, -7 * hourMs])(
    "is followed when its lease has lapsed, with a wall clock %d ms off",
    async (standbysWallOffsetMs) => {
      const [world, leader, standby] = await leaderAndStandby({ standbysWallOffsetMs });
      kill(leader);
      const tookMs = await untilHeld(world, standby);
      expect(tookMs).toBeLessThanOrEqual(leaseMs + 100);
      expect(tookMs).toBeGreaterThan(leaseMs - retryMs * 1.2 - 100);
      expect(world.record()).toMatchObject({ holder: "B", transitions: 1 });
      expect(world.record()?.acquiredAtMs).toBe(world.record()?.renewedAtMs);
    },
  );

  test("is waited for as long as its record asks", async () => {
    const world = createLeaseWorld();
    world.put(foreign({ leaseSeconds: 40 }));
    const standby = world.start();
    const tookMs = await untilHeld(world, standby);
    expect(tookMs).toBeGreaterThanOrEqual(40_000);
    expect(tookMs).toBeLessThan(40_100);
    expect(world.record()).toMatchObject({ holder: "A", leaseSeconds: 15, transitions: 5 });
  });

  test("is followed by a standby that the watch tells nothing, too", async () => {
    const [world, leader, standby] = await leaderAndStandby();
    standby.isWatchStalled = true;
    await world.clock.advance(hourMs);
    expect(standby.story).toEqual([]);
    kill(leader);
    await untilHeld(world, standby, 2 * leaseMs + 5_000);
    expect(world.holders()).toEqual(["B"]);
  });

  test("and comes back as the same container: it takes its lease at once, and no holder changed", async () => {
    const [world, leader] = await leaderAndStandby();
    kill(leader);
    const again = world.start({ identity: "A" });
    expect(await untilHeld(world, again)).toBeLessThan(100);
    expect(world.record()).toMatchObject({ holder: "A", transitions: 0 });
  });
});

describe("A leader that stops", () => {
  test("drains first, renewing all the while, and then hands over at once", async () => {
    const [world, leader, standby] = await leaderAndStandby();
    let wasHeldAtTheEnd = false;
    const stopping = leader.election.stop(async () => {
      await leader.clock.sleep(20_000);
      wasHeldAtTheEnd = leader.election.isHeld();
    });
    await world.clock.advance(19_000);
    expect(world.holders()).toEqual(["A"]);
    const tookMs = await elapsed(world.clock, stopping);
    expect(tookMs).toBeLessThan(1_100);
    expect(wasHeldAtTheEnd).toBe(true);
    expect(await untilHeld(world, standby)).toBeLessThanOrEqual(20);
    expect(leader.story).toEqual(["acquired"]);
    expect(world.record()).toMatchObject({ holder: "B", transitions: 1 });
  });

  test("leaves a lease that is free and short, and may not write while it lets go", async () => {
    const world = createLeaseWorld();
    const leader = world.start();
    await world.clock.advance(10_000);
    leader.way = 500;
    const stopping = leader.election.stop(drained);
    await world.clock.advance(100);
    expect(world.record()?.holder).toBe("A");
    expect(leader.election.isHeld()).toBe(false);
    await elapsed(world.clock, stopping);
    expect(world.record()).toMatchObject({ holder: "", leaseSeconds: 1, transitions: 0 });
  });

  test("does not let go when its work could not be drained", async () => {
    const [world, leader, standby] = await leaderAndStandby();
    const stopping = leader.election.stop(() => Promise.reject(new Error("a pass hangs")));
    await expect(elapsed(world.clock, stopping)).rejects.toThrow("a pass hangs");
    expect(world.record()?.holder).toBe("A");
    expect(await untilHeld(world, standby)).toBeGreaterThan(leaseMs - retryMs * 1.2 - 100);
  });

  test.each(["refuses", "hangs", "mute"] as const)("ends within seconds when its way to the lease %s", async (way) => {
    const [world, leader, standby] = await leaderAndStandby();
    leader.way = way;
    expect(await elapsed(world.clock, leader.election.stop(drained))).toBeLessThanOrEqual(2_000);
    await untilHeld(world, standby, leaseMs + 100);
    expect(world.holders()).toEqual(["B"]);
  });

  test("in the middle of a renewal whose answer is late still hands over", async () => {
    const [world, leader, standby] = await leaderAndStandby();
    leader.sent.length = 0;
    while (leader.sent.length === 0) {
      leader.way = 300;
      await world.clock.advance(10);
    }
    const stopping = leader.election.stop(drained);
    leader.way = 1;
    await elapsed(world.clock, stopping);
    await untilHeld(world, standby, leaseMs + 1_000);
    expect(world.holders()).toEqual(["B"]);
  });

  test("loses the lease while it drains: the work is ended, and the other's lease is left alone", async () => {
    const [world, leader] = await leaderAndStandby();
    const stopping = leader.election.stop(() => leader.clock.sleep(20_000));
    world.put(foreign({ leaseSeconds: 600 }));
    await world.clock.advance(5_000);
    expect(leader.story).toEqual(["acquired", "lost"]);
    await elapsed(world.clock, stopping);
    expect(world.record()).toEqual(foreign({ leaseSeconds: 600 }));
  });

  test("is the only one to release: a standby that stops leaves the lease as it is", async () => {
    const [world, leader, standby] = await leaderAndStandby();
    expect(
      await elapsed(
        world.clock,
        standby.election.stop(() => Promise.reject(new Error("there is nothing to drain"))),
      ),
    ).toBe(0);
    await world.clock.advance(60_000);
    expect(leader.story).toEqual(["acquired"]);
    expect(standby.story).toEqual([]);
  });

  test("is released as well when the stop came while the claim was on its way", async () => {
    const world = createLeaseWorld();
    const process = world.start();
    process.way = 100;
    await world.clock.advance(10); // the read has been answered, the claim is under way
    expect(process.sent).toEqual(["read", "create"]);
    await world.clock.advance(80);
    const stopping = process.election.stop(drained);
    await world.clock.advance(20);
    await elapsed(world.clock, stopping);
    expect(process.story).toEqual([]);
    expect(world.record()?.holder ?? "").toBe("");
  });
});

describe("A leader that cannot renew", () => {
  test.each(["refuses", "hangs", "mute"] as const)("ends its work ten seconds after its last renewal (its way %s)", async (way) => {
    const [world, leader, standby] = await leaderAndStandby();
    const lastMs = world.record()?.renewedAtMs ?? 0;
    leader.way = way;
    await world.clock.advance(lastMs + renewDeadlineMs - 1 - world.clock.now());
    expect(leader.election.isHeld()).toBe(true);
    expect(leader.story).toEqual(["acquired"]);
    await world.clock.advance(1);
    expect(leader.election.isHeld()).toBe(false);
    expect(leader.story).toEqual(["acquired", "lost"]);
    expect(standby.election.isHeld()).toBe(false);
    await untilHeld(world, standby, 30_000);
    leader.way = 1;
    await world.clock.advance(60_000);
    expect(world.holders()).toEqual(["B"]);
  });

  test("counts from when the last renewal was sent, not from its answer", async () => {
    const [world, leader] = await leaderAndStandby();
    leader.sent.length = 0;
    while (leader.sent.length === 0) {
      leader.way = 3_000;
      await world.clock.advance(10);
    }
    const sentMs = world.clock.now();
    await world.clock.advance(3_010);
    expect(world.record()?.renewedAtMs).toBeGreaterThanOrEqual(sentMs - 10);
    leader.way = "hangs";
    await world.clock.advance(sentMs + renewDeadlineMs - world.clock.now());
    expect(leader.story).toEqual(["acquired", "lost"]);
  });

  test("goes on when one answer in between is lost, although the store has moved on", async () => {
    const [world, leader] = await leaderAndStandby();
    leader.sent.length = 0;
    leader.way = "mute";
    while (leader.sent.length === 0) await world.clock.advance(10);
    await world.clock.advance(2);
    leader.way = 1;
    await world.clock.advance(60_000);
    expect(leader.story).toEqual(["acquired"]);
    expect(world.holders()).toEqual(["A"]);
  });

  test("takes its own lease again at once when the way is back and nobody else took it", async () => {
    const world = createLeaseWorld();
    const alone = world.start();
    await world.clock.advance(10_000);
    alone.way = "refuses";
    await world.clock.advance(60_000);
    expect(alone.story).toEqual(["acquired", "lost"]);
    alone.way = 1;
    expect(await untilHeld(world, alone)).toBeLessThanOrEqual(retryMs * 1.2 + 20);
    expect(alone.story).toEqual(["acquired", "lost", "acquired"]);
    expect(world.record()?.transitions).toBe(0);
  });

  test("does not compete again before its work has ended", async () => {
    const world = createLeaseWorld();
    const alone = world.start();
    await world.clock.advance(10_000);
    alone.lostTakesMs = 120_000;
    alone.way = "refuses";
    await world.clock.advance(20_000);
    alone.way = 1;
    alone.sent.length = 0;
    await world.clock.advance(100_000);
    expect(alone.sent).toEqual([]);
    await world.clock.advance(20_000);
    expect(alone.story).toEqual(["acquired", "lost", "acquired"]);
  });

  test("says once that the lease cannot be reached and once that it can again", async () => {
    const [world, leader] = await leaderAndStandby();
    leader.way = "refuses";
    await world.clock.advance(hourMs);
    leader.way = 1;
    await world.clock.advance(hourMs);
    expect(leader.lines.filter(({ level }) => level !== "debug").map(({ message }) => message)).toEqual([
      "Acquired the lease",
      "The lease cannot be reached",
      "Lost the lease",
      "The lease can be reached again",
      "Waiting for the lease",
    ]);
  });
});

describe("A process that was paused", () => {
  test("knows that it does not hold before any of its timers fires", async () => {
    const [world, leader, standby] = await leaderAndStandby();
    leader.clock.pause();
    await world.clock.advance(60_000);
    expect(world.holders()).toEqual(["B"]);
    expect(leader.story).toEqual(["acquired"]); // nothing of it has run
    expect(leader.election.isHeld()).toBe(false);
    leader.clock.resume();
    await world.clock.advance(60_000);
    expect(leader.story).toEqual(["acquired", "lost"]);
    expect(standby.story).toEqual(["acquired"]);
    expect(world.holders()).toEqual(["B"]);
  });

  test("begins a new term even where nobody took the lease meanwhile", async () => {
    const world = createLeaseWorld();
    const alone = world.start();
    await world.clock.advance(10_000);
    alone.clock.pause();
    await world.clock.advance(60_000);
    alone.clock.resume();
    await world.clock.advance(1_000);
    expect(alone.story).toEqual(["acquired", "lost", "acquired"]);
  });

  test("as a standby takes nothing from a leader that went on", async () => {
    const [world, leader, standby] = await leaderAndStandby();
    standby.clock.pause();
    await world.clock.advance(60_000);
    standby.clock.resume();
    await world.clock.advance(60_000);
    expect(standby.story).toEqual([]);
    expect(leader.story).toEqual(["acquired"]);
  });

  test("between its claim and the answer does not take the claim for a term", async () => {
    const world = createLeaseWorld();
    const first = world.start();
    first.way = 5;
    await world.clock.advance(2);
    first.clock.pause();
    await world.clock.advance(10);
    expect(world.record()?.holder).toBe("A");
    const second = world.start();
    await world.clock.advance(60_000);
    first.clock.resume();
    await world.clock.advance(20_000);
    expect(world.holders()).toEqual(["B"]);
    expect([first.story, second.story]).toEqual([[], ["acquired"]]);
  });
});

describe("A lease that others change", () => {
  test("a person labels it: the leader goes on", async () => {
    const [world, leader] = await leaderAndStandby();
    for (let label = 0; label < 10; label += 1) {
      world.put({ ...(world.record() ?? foreign()), version: `label-${label}` });
      await world.clock.advance(2_100);
    }
    expect(leader.story).toEqual(["acquired"]);
  });

  test("somebody else is written into it: the leader stops at once, and waits its turn", async () => {
    const [world, leader] = await leaderAndStandby();
    world.put(foreign({ leaseSeconds: 30 }));
    await world.clock.advance(10);
    expect(world.holders()).toEqual([]);
    expect(leader.story).toEqual(["acquired", "lost"]);
    await world.clock.advance(29_000);
    expect(world.holders()).toEqual([]);
    await world.clock.advance(2_000);
    expect(world.holders()).toHaveLength(1);
  });

  test("it is deleted: the leader ends its term, and nobody else takes it before the leader must know", async () => {
    const [world, leader, standby] = await leaderAndStandby();
    leader.clock.pause();
    world.put(undefined);
    await world.clock.advance(renewDeadlineMs);
    expect(standby.election.isHeld()).toBe(false);
    expect(leader.election.isHeld()).toBe(false);
    await untilHeld(world, standby, 6_000);
    leader.clock.resume();
    await world.clock.advance(60_000);
    expect(world.holders()).toEqual(["B"]);
  });

  test("the store is restored to an earlier state: one leads again after a lease's time, and one only", async () => {
    const [world, leader, standby] = await leaderAndStandby();
    const yesterday = world.record();
    await world.clock.advance(20_000);
    world.onAcquired = (process) => expect(world.holders()).toEqual([process.identity]);
    world.put(yesterday);
    await world.clock.advance(5_000);
    expect(leader.story).toEqual(["acquired", "lost"]);
    await world.clock.advance(leaseMs);
    expect(world.holders()).toHaveLength(1);
    expect([...leader.story, ...standby.story].filter((what) => what === "acquired")).toHaveLength(2);
    expect(leader.lines.some(({ fields }) => String(fields["reason"]).includes("the API server's store was taken back"))).toBe(true);
  });

  test("another process has our name: the later one leads, the other ends its work, says so, and does not take it back", async () => {
    const [world, leader] = await leaderAndStandby();
    await world.clock.advance(777);
    const namesake = world.start({ identity: "A", wallOffsetMs: 333 });
    await world.clock.advance(hourMs);
    expect([leader.story, namesake.story]).toEqual([["acquired", "lost"], ["acquired"]]);
    expect(leader.lines.some(({ fields }) => String(fields["reason"]).includes("another process has the identity A too"))).toBe(true);
  });

  test("a store that refuses every write is asked at the pace of retries", async () => {
    const world = createLeaseWorld();
    world.mood = "conflicts";
    const process = world.start();
    await world.clock.advance(60_000);
    expect(process.sent.length).toBeLessThanOrEqual(2 * 30 + 2);
    world.mood = "truthful";
    await untilHeld(world, process, 3_000);
    expect(process.story).toEqual(["acquired"]);
  });
});

test("A mistake in the program ends the loop, and the work with it, and says so", async () => {
  const world = createLeaseWorld();
  world.onAcquired = () => {
    throw new TypeError("undefined is not a function");
  };
  const process = world.start();
  await world.clock.advance(1_000);
  expect(process.election.isAlive()).toBe(false);
  expect(process.election.isHeld()).toBe(false);
  expect(process.story).toEqual(["acquired", "lost"]);
  expect(process.lines.filter(({ level }) => level === "error")).toHaveLength(1);
});

test("A claim that is granted in the moment of the stop begins no term, and is let go", async () => {
  const clock = new FakeClock();
  const updates: LeaseRecord[] = [];
  let grant: (write: LeaseWrite) => void = () => undefined;
  let record: LeaseRecord | undefined;
  const begun: string[] = [];
  const election = createElection({
    ...{
      clock,
      random: () => 0,
      identity: "A",
      log: recordingLog(),
      onAcquired: () => begun.push("term"),
      onLost: () => Promise.resolve(),
    },
    store: {
      read: () => Promise.resolve(record),
      create: (sent) => {
        record = { ...sent, version: "1" };
        return new Promise((resolve) => (grant = resolve));
      },
      update: (sent) => {
        updates.push(sent);
        return Promise.resolve({ kind: "written", record: { ...sent, version: "2" } });
      },
      watch: () => ({ stop: () => Promise.resolve() }),
    },
  });
  election.start();
  await settle();
  if (record === undefined) throw new Error("Cannot go on: nothing was claimed");
  grant({ kind: "written", record });
  await election.stop(() => Promise.reject(new Error("there is nothing to drain")));
  expect(begun).toEqual([]);
  expect(updates).toEqual([expect.objectContaining({ holder: "", version: "1" })]);
});

test("A leader that stops hands over also when its watch tells what it wrote before only now", async () => {
  const clock = new FakeClock();
  const stood: LeaseRecord[] = [];
  let tell: (record: LeaseRecord | undefined) => void = () => undefined;
  const write = (sent: LeaseRecord): Promise<LeaseWrite> => {
    if (sent.version !== String(stood.length)) return Promise.resolve({ kind: "lost" });
    const record = { ...sent, version: String(stood.length + 1) };
    stood.push(record);
    return Promise.resolve({ kind: "written", record });
  };
  const election = createElection({
    ...{ clock, random: () => 0, identity: "A", log: recordingLog() },
    onAcquired: () => undefined,
    onLost: () => Promise.resolve(),
    store: {
      read: () => Promise.resolve(stood.at(-1)),
      create: (sent) => write({ ...sent, version: "0" }),
      update: write,
      watch: (onChange) => {
        tell = onChange;
        return { stop: () => Promise.resolve() };
      },
    },
  });
  election.start();
  await clock.advance(2 * retryMs);
  expect(stood).toHaveLength(3);
  tell(stood[1]);
  await election.stop(() => Promise.resolve());
  expect(stood.at(-1)).toMatchObject({ holder: "", leaseSeconds: 1 });
});

test("A lease that may be read and not written is said to be out of reach once, and never to be back", async () => {
  const clock = new FakeClock();
  const log = recordingLog();
  const election = createElection({
    ...{ clock, random: () => 0, identity: "A", log },
    onAcquired: () => undefined,
    onLost: () => Promise.resolve(),
    store: {
      read: () => Promise.resolve(undefined),
      create: () => Promise.reject(new Error("403")),
      update: () => Promise.reject(new Error("403")),
      watch: () => ({ stop: () => Promise.resolve() }),
    },
  });
  election.start();
  for (let tries = 0; tries < 30; tries += 1) await clock.advance(retryMs);
  expect(log.lines.filter(({ level }) => level !== "debug").map(({ message }) => message)).toEqual(["The lease cannot be reached"]);
});

test("An election starts once", () => {
  const process = createLeaseWorld().start();
  expect(process.election.isAlive()).toBe(true);
  expect(() => process.election.start()).toThrow("it runs");
});
