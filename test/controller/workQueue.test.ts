// What a user of the queue relies on, story by story; workQueue.model.test.ts compares it with a model under random use.
import { describe, expect, test } from "@jest/globals";
import { exponential } from "../../operator/controller/backoff.ts";
import { liveInARow, type QueueMetrics, type QueueStats, WorkQueue } from "../../operator/controller/workQueue.ts";
import { FakeClock, settle } from "./fakeClock.ts";

function queueWithClock(metrics?: QueueMetrics): { readonly clock: FakeClock; readonly queue: WorkQueue<string> } {
  const clock = new FakeClock();
  const backoff = exponential({ firstMs: 5, maxMs: 60_000, jitter: 0 });
  return { clock, queue: new WorkQueue<string>({ clock, random: () => 0, backoff, ...(metrics && { metrics }) }) };
}

/** What a promise has become so far, without waiting for it. */
async function stateOf(promise: Promise<unknown>): Promise<unknown> {
  await settle();
  return Promise.race([promise.then((value) => ({ value })), Promise.resolve("pending")]);
}

describe("adding", () => {
  test("a key that is added twice before it is taken is worked on once", async () => {
    const { queue } = queueWithClock();
    queue.add("a");
    queue.add("a");
    expect(await queue.get()).toBe("a");
    expect(queue.length).toBe(0);
  });

  test("keys come in the order in which they were first added", async () => {
    const { queue } = queueWithClock();
    for (const key of ["a", "b", "c", "a"]) queue.add(key);
    expect([await queue.get(), await queue.get(), await queue.get()]).toEqual(["a", "b", "c"]);
  });

  test("a key that is added during its pass waits until that pass is done, then is worked on again", async () => {
    const { queue } = queueWithClock();
    queue.add("a");
    await queue.get();
    queue.add("a");
    const next = queue.get();
    expect(await stateOf(next)).toBe("pending");
    queue.done("a");
    expect(await next).toBe("a");
  });

  test("a worker that waits is given the key at once, the one that waited longest first", async () => {
    const { queue } = queueWithClock();
    const first = queue.get();
    const second = queue.get();
    queue.add("a");
    expect(await first).toBe("a");
    expect(await stateOf(second)).toBe("pending");
    queue.add("b");
    expect(await second).toBe("b");
  });

  test("done without get is a broken invariant", () => {
    const { queue } = queueWithClock();
    expect(() => queue.done("a")).toThrow("Cannot end the pass of a: no worker holds it");
  });
});

describe("priorities", () => {
  test("live keys go before those of the background", async () => {
    const { queue } = queueWithClock();
    queue.add("resync", "background");
    queue.add("pod", "live");
    expect([await queue.get(), await queue.get()]).toEqual(["pod", "resync"]);
  });

  test("a key of the background that is added live is promoted and still worked on once", async () => {
    const { queue } = queueWithClock();
    queue.add("a", "background");
    queue.add("b", "background");
    queue.add("b", "live");
    expect([await queue.get(), await queue.get(), queue.length]).toEqual(["b", "a", 0]);
  });

  test("a live key is not demoted by a background add", async () => {
    const { queue } = queueWithClock();
    queue.add("a", "live");
    queue.add("b", "live");
    queue.add("a", "background");
    expect([await queue.get(), await queue.get()]).toEqual(["a", "b"]);
  });

  test("a key that is promoted during its pass is queued live after it", async () => {
    const { queue } = queueWithClock();
    queue.add("a");
    await queue.get();
    queue.add("a", "background");
    queue.add("a", "live");
    queue.add("b", "background");
    queue.done("a");
    expect([await queue.get(), await queue.get()]).toEqual(["a", "b"]);
  });

  test("a stream of live keys lets the background have a turn after sixteen", async () => {
    const { queue } = queueWithClock();
    queue.add("resync", "background");
    for (let n = 0; n <= liveInARow; n++) queue.add(`pod-${n}`);
    const taken: (string | undefined)[] = [];
    for (let n = 0; n < liveInARow + 2; n++) taken.push(await queue.get());
    expect(taken.indexOf("resync")).toBe(liveInARow);
  });
});

describe("delays", () => {
  test("a delayed key is not queued before its time", async () => {
    const { clock, queue } = queueWithClock();
    queue.addAfter("a", 100);
    await clock.advance(99);
    expect(queue.length).toBe(0);
    await clock.advance(1);
    expect(queue.length).toBe(1);
  });

  test("of two delays of one key the earlier holds, whichever came first, and there is one timer", async () => {
    const { clock, queue } = queueWithClock();
    queue.addAfter("a", 100);
    queue.addAfter("a", 50);
    queue.addAfter("a", 200);
    expect(clock.pendingTimers).toBe(1);
    await clock.advance(50);
    expect(await queue.get()).toBe("a");
    queue.done("a");
    await clock.advance(1_000);
    expect(queue.length).toBe(0);
  });

  test("a live wish for later raises a background key, at its own time", async () => {
    const { clock, queue } = queueWithClock();
    queue.addAfter("first", 40, "background");
    queue.addAfter("a", 50, "background");
    queue.addAfter("a", 200, "live");
    await clock.advance(50);
    expect([await queue.get(), await queue.get()]).toEqual(["a", "first"]);
    expect(clock.pendingTimers).toBe(0);
  });

  test("of two delays of one key the live one decides the priority", async () => {
    const { clock, queue } = queueWithClock();
    queue.add("resync", "background");
    queue.addAfter("a", 100, "live");
    queue.addAfter("a", 50, "background");
    await clock.advance(50);
    expect(await queue.get()).toBe("a");
  });

  test("failures wait 5 ms, doubling up to the cap, and forget starts anew", async () => {
    const { queue } = queueWithClock();
    const waits = (count: number): number[] => Array.from({ length: count }, () => queue.addRateLimited("a"));
    expect(waits(4)).toEqual([5, 10, 20, 40]);
    expect(waits(12).slice(9)).toEqual([40_960, 60_000, 60_000]);
    expect(queue.failuresOf("a")).toBe(16);
    queue.forget("a");
    expect(waits(1)).toEqual([5]);
    await settle();
  });

  test("a Retry-After is the floor of the wait", () => {
    const { queue } = queueWithClock();
    expect(queue.addRateLimited("a", 3_000)).toBe(3_000);
  });

  test("a failed key keeps the priority with which its worker got it", async () => {
    const { clock, queue } = queueWithClock();
    queue.add("slow", "background");
    await queue.get();
    queue.addRateLimited("slow");
    queue.done("slow");
    await clock.advance(5);
    queue.add("pod", "live");
    expect(await queue.get()).toBe("pod");
  });
});

describe("shutting down", () => {
  test("shutDown drops what waits, dismisses the workers and takes nothing more", async () => {
    const { clock, queue } = queueWithClock();
    const idle = queue.get();
    queue.add("held");
    expect(await idle).toBe("held");
    queue.add("held");
    queue.add("a");
    queue.addAfter("b", 10);
    queue.shutDown();
    queue.add("c");
    queue.addAfter("d", 10);
    queue.done("held");
    await clock.advance(100);
    expect([await queue.get(), queue.length, clock.pendingTimers]).toEqual([undefined, 0, 0]);
  });

  test("a drain hands out what is queued or was added during a pass, and ends with the last done", async () => {
    const { queue } = queueWithClock();
    queue.add("a");
    queue.add("b");
    expect(await queue.get()).toBe("a");
    queue.add("a");
    const drained = queue.shutDownWithDrain();
    queue.add("late");
    expect(await queue.get()).toBe("b");
    queue.done("b");
    const idle = queue.get();
    queue.done("a");
    expect(await idle).toBe("a");
    const last = queue.get();
    expect(await stateOf(drained)).toBe("pending");
    queue.done("a");
    await drained;
    expect(await last).toBeUndefined();
  });

  test("a drain of an empty queue ends at once, and shutDown cuts a drain short", async () => {
    const empty = queueWithClock().queue;
    await empty.shutDownWithDrain();
    const { queue } = queueWithClock();
    queue.add("a");
    const drained = queue.shutDownWithDrain();
    queue.shutDown();
    await drained;
    expect(await queue.get()).toBeUndefined();
  });

  test("a worker whose signal aborts stops waiting and takes no key with it", async () => {
    const { queue } = queueWithClock();
    const leaving = new AbortController();
    const left = queue.get(leaving.signal);
    leaving.abort();
    expect(await left).toBeUndefined();
    queue.add("a");
    expect(await queue.get(leaving.signal)).toBeUndefined();
    expect(await queue.get()).toBe("a");
  });
});

test("metrics see adds, waits, work, retries and what is running", async () => {
  const seen: string[] = [];
  let stats = (): QueueStats => ({ live: -1, background: -1, unfinishedMs: -1, longestRunningMs: -1 });
  const { clock, queue } = queueWithClock({
    watch: (read) => void (stats = read),
    added: () => seen.push("added"),
    taken: (waitedMs) => seen.push(`taken after ${waitedMs}`),
    finished: (workedMs) => seen.push(`finished after ${workedMs}`),
    retried: () => seen.push("retried"),
  });
  queue.add("a");
  queue.add("a");
  queue.add("b", "background");
  await clock.advance(10);
  await queue.get();
  await clock.advance(20);
  await queue.get();
  await clock.advance(5);
  expect(stats()).toEqual({ live: 0, background: 0, unfinishedMs: 30, longestRunningMs: 25 });
  queue.done("a");
  queue.addRateLimited("a");
  expect(seen).toEqual(["added", "added", "taken after 10", "taken after 30", "finished after 25", "retried"]);
});
