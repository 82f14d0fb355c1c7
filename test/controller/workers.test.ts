// How a result becomes the key's next pass, what a deadline does, and how workers stop.
import { expect, test } from "@jest/globals";
import { exponential } from "../../operator/controller/backoff.ts";
import {
  ignoredAbortMs,
  type Reconcile,
  type Result,
  startWorkers,
  type WorkerMetrics,
  type Workers,
} from "../../operator/controller/workers.ts";
import { WorkQueue } from "../../operator/controller/workQueue.ts";
import { FakeClock, settle } from "./fakeClock.ts";
import { type Line, recordingLog } from "./recordingLog.ts";

interface Rig {
  readonly clock: FakeClock;
  readonly queue: WorkQueue<string>;
  readonly workers: Workers;
  readonly lines: readonly Line[];
  /** When each pass began, by key. */
  readonly passes: { readonly key: string; readonly atMs: number }[];
  readonly counted: string[];
}

function rig(reconcile: Reconcile<string>, count = 2): Rig {
  const clock = new FakeClock();
  const queue = new WorkQueue<string>({ clock, random: () => 0, backoff: exponential({ firstMs: 5, maxMs: 40, jitter: 0 }) });
  const log = recordingLog();
  const passes: Rig["passes"][number][] = [];
  const counted: string[] = [];
  const metrics: WorkerMetrics = {
    workersStarted: (n) => counted.push(`${n} workers`),
    passStarted: () => counted.push("started"),
    passEnded: (result, workedMs) => counted.push(`${result} after ${workedMs}`),
    passTimedOut: () => counted.push("timed out"),
    passPanicked: () => counted.push("panicked"),
  };
  const recorded: Reconcile<string> = (key, signal) => {
    passes.push({ key, atMs: clock.monotonic() });
    return reconcile(key, signal);
  };
  const workers = startWorkers({ queue, count, reconcile: recorded, clock, log, metrics, passTimeoutMs: 1_000 });
  return { clock, queue, workers, lines: log.lines, passes, counted };
}

const done: Result = { kind: "done" };

test("a key that is done comes back only when it is added", async () => {
  const { clock, queue, passes, counted } = rig(() => Promise.resolve(done));
  queue.add("a");
  await clock.advance(60_000);
  queue.add("a");
  await settle();
  expect(passes).toEqual([
    { key: "a", atMs: 0 },
    { key: "a", atMs: 60_000 },
  ]);
  expect(counted.slice(0, 3)).toEqual(["2 workers", "started", "done after 0"]);
});

test("a key that asks for another look gets it at that time", async () => {
  const { clock, queue, passes } = rig(() => Promise.resolve({ kind: "again", afterMs: 30_000 }));
  queue.add("a");
  await clock.advance(59_999);
  expect(passes.map(({ atMs }) => atMs)).toEqual([0, 30_000]);
});

test.each<[string, Reconcile<string>]>([
  ["returned", () => Promise.resolve({ kind: "failed", error: new Error("no") })],
  ["thrown", () => Promise.reject(new Error("no"))],
  [
    "thrown before the first await",
    () => {
      throw new Error("no");
    },
  ],
])("a failure that is %s is retried with backoff and logged once a pass", async (_name, reconcile) => {
  const { clock, queue, passes, lines } = rig(reconcile);
  queue.add("a");
  await clock.advance(35);
  expect(passes.map(({ atMs }) => atMs)).toEqual([0, 5, 15, 35]);
  expect(lines).toHaveLength(4);
  expect(lines[2]).toMatchObject({ level: "error", fields: { key: "a", retryInMs: 20, failures: 3, error: new Error("no") } });
});

test("a success forgets the failures before it", async () => {
  const results: Result[] = [
    { kind: "failed", error: "x" },
    { kind: "failed", error: "x" },
    { kind: "again", afterMs: 100 },
    { kind: "failed", error: "x" },
  ];
  const { clock, queue, passes } = rig(() => Promise.resolve(results.shift() ?? done));
  queue.add("a");
  await clock.advance(1_000);
  expect(passes.map(({ atMs }) => atMs)).toEqual([0, 5, 15, 115, 120]);
});

test("a failure that names a wait is not retried before it", async () => {
  const { clock, queue, passes } = rig(() => Promise.resolve({ kind: "failed", error: "429", retryAfterMs: 5_000 }));
  queue.add("a");
  await clock.advance(9_999);
  expect(passes.map(({ atMs }) => atMs)).toEqual([0, 5_000]);
});

test("one farm that hangs keeps no other waiting, and its own pass is aborted at the deadline", async () => {
  const { clock, queue, passes, counted } = rig((key, signal) =>
    key === "hangs"
      ? new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)))
      : Promise.resolve(done),
  );
  queue.add("hangs");
  queue.add("b");
  await clock.advance(999);
  queue.add("c");
  await clock.advance(1);
  expect(passes.map(({ key }) => key)).toEqual(["hangs", "b", "c"]);
  expect(counted.slice(-2)).toEqual(["timed out", "failed after 1000"]);
});

test("a pass that ignores its deadline is reported, and its key is not given to a second worker", async () => {
  const { clock, queue, passes, lines } = rig(() => new Promise<Result>(() => undefined));
  queue.add("a");
  await clock.advance(500);
  queue.add("a");
  await clock.advance(1_000 + ignoredAbortMs);
  expect(passes).toHaveLength(1);
  expect(lines.map(({ level, fields }) => ({ level, fields }))).toEqual([{ level: "error", fields: { key: "a" } }]);
});

test("a mistake in the program counts as a panic and ends neither the worker nor the process", async () => {
  let passes = 0;
  const { clock, queue, counted } = rig(() => Promise.resolve(passes++ === 0 ? (undefined as unknown as { kind: Result }).kind : done));
  queue.add("a");
  await clock.advance(5);
  expect(counted.filter((what) => /panicked|failed|done/.test(what))).toEqual(["panicked", "failed after 0", "done after 0"]);
});

test("stop lets running passes end, takes no new key, and aborts what is still running after its grace", async () => {
  const aborted: string[] = [];
  let finish = (_: Result): void => undefined;
  const { clock, queue, workers, passes, lines } = rig(
    (key, signal) =>
      new Promise((resolve, reject) => {
        if (key === "quick") finish = resolve;
        else
          signal.addEventListener("abort", () => {
            aborted.push(key);
            reject(signal.reason as Error);
          });
      }),
  );
  for (const key of ["quick", "slow", "waiting"]) queue.add(key);
  await settle();
  let isStopped = false;
  void workers.stop({ graceMs: 500 }).then(() => (isStopped = true));
  finish(done);
  await clock.advance(499);
  expect({ isStopped, aborted }).toEqual({ isStopped: false, aborted: [] });
  await clock.advance(1);
  expect({ isStopped, aborted, passes: passes.length }).toEqual({ isStopped: true, aborted: ["slow"], passes: 2 });
  expect(lines.filter(({ level }) => level === "error")).toEqual([]);
  expect(clock.pendingTimers).toBe(0);
});

test("a deposed leader's passes are aborted at once, even when a gentler stop is under way", async () => {
  const { clock, queue, workers } = rig(
    (_key, signal) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error))),
  );
  queue.add("a");
  await settle();
  const gentle = workers.stop({ graceMs: 60_000 });
  await workers.stop({ graceMs: 0 });
  await gentle;
  expect([clock.monotonic(), clock.pendingTimers]).toEqual([0, 0]);
});

test("a key that was given to a worker just before the stop is not reconciled any more", async () => {
  const { queue, workers, passes } = rig(() => Promise.resolve(done));
  await settle();
  queue.add("a");
  await workers.stop({ graceMs: 0 });
  expect(passes).toEqual([]);
});
