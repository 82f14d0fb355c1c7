// The queue against a model that is too simple to be wrong, under random use by several workers on a clock that only the test moves.
import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { exponential } from "../../operator/controller/backoff.ts";
import { liveInARow, type Priority, WorkQueue } from "../../operator/controller/workQueue.ts";
import { FakeClock, settle } from "./fakeClock.ts";

// WEBFARM_-prefixed names belong to the operator; FC_SEED repeats a run: the failure message of a run prints its seed too.
const seed = Number(process.env["FC_SEED"] ?? Date.now() % 2 ** 31);

const keys = ["a", "b", "c", "d", "e"] as const;
type Key = (typeof keys)[number];

/** What must be true, kept as plainly as possible: lists and linear searches. */
interface Model {
  /** Keys that wait for a worker, in order, each priority for itself. */
  readonly queued: Record<Priority, Key[]>;
  /** Keys that a worker holds, and the wish for another pass that came meanwhile. */
  readonly held: Map<Key, Priority | undefined>;
  readonly delayed: Map<Key, { atMs: number; priority: Priority }>;
  readonly failures: Map<Key, number>;
  liveTaken: number;
  state: "open" | "draining" | "shut";
}

interface Real {
  readonly queue: WorkQueue<Key>;
  readonly clock: FakeClock;
  /** `get`s without an answer, oldest first, the answers that came, and those that the model gave. */
  readonly waiting: { readonly abort: AbortController; answer: Key | undefined | "pending"; expected?: Key }[];
  drained: "not asked" | "pending" | "resolved";
}

type Command = fc.AsyncCommand<Model, Real>;

const command = (name: string, check: (model: Model) => boolean, run: (model: Model, real: Real) => void | Promise<void>): Command => ({
  check,
  run: async (model, real) => {
    await run(model, real);
    await settle();
    compare(model, real);
  },
  toString: () => name,
});

function modelAdd(model: Model, key: Key, priority: Priority): void {
  if (model.state !== "open") return;
  if (model.held.has(key)) {
    if (model.held.get(key) !== "live") model.held.set(key, priority);
    return;
  }
  if (model.queued.live.includes(key)) return;
  const place = model.queued.background.indexOf(key);
  if (place >= 0 && priority === "background") return;
  if (place >= 0) model.queued.background.splice(place, 1);
  model.queued[priority].push(key);
}

function modelTake(model: Model): Key | undefined {
  const { live, background } = model.queued;
  const from: Priority = live.length === 0 || (model.liveTaken >= liveInARow && background.length > 0) ? "background" : "live";
  const key = model.queued[from].shift();
  if (key === undefined) return undefined;
  model.liveTaken = from === "live" && background.length > 0 ? model.liveTaken + 1 : 0;
  model.held.set(key, undefined);
  return key;
}

function modelDelay(model: Model, key: Key, atMs: number, priority: Priority): void {
  if (model.state !== "open") return;
  const before = model.delayed.get(key);
  // Of two keys of the same millisecond the one whose time was set first comes first: the map keeps that order.
  if (before !== undefined && atMs < before.atMs) model.delayed.delete(key);
  model.delayed.set(key, {
    atMs: Math.min(atMs, before?.atMs ?? Infinity),
    priority: before?.priority === "live" ? "live" : priority,
  });
}

/** Gives the workers that wait what there is, the oldest first. */
function modelServe(model: Model, { waiting }: Real): void {
  for (const waiter of waiting) {
    if (waiter.expected !== undefined) continue;
    const given = modelTake(model);
    if (given === undefined) return;
    waiter.expected = given;
  }
}

/** Serves the workers that wait, then compares everything that can be seen. */
function compare(model: Model, real: Real): void {
  modelServe(model, real);
  for (const waiter of [...real.waiting]) {
    const expected = waiter.expected ?? (isOver(model) ? undefined : "pending");
    expect(waiter.answer).toBe(expected);
    if (expected !== "pending") real.waiting.splice(real.waiting.indexOf(waiter), 1);
  }
  expect(real.queue.length).toBe(model.queued.live.length + model.queued.background.length);
  expect(real.clock.pendingTimers).toBe(model.delayed.size);
  if (real.drained !== "not asked") expect(real.drained).toBe(isOver(model) ? "resolved" : "pending");
}

function isOver(model: Model): boolean {
  if (model.state === "draining" && model.queued.live.length + model.queued.background.length + model.held.size === 0) model.state = "shut";
  return model.state === "shut";
}

const always = (): boolean => true;
const add = (key: Key, priority: Priority): Command =>
  command(`add(${key}, ${priority})`, always, (model, real) => {
    modelAdd(model, key, priority);
    real.queue.add(key, priority);
  });
const addAfter = (key: Key, ms: number, priority: Priority): Command =>
  command(`addAfter(${key}, ${ms}, ${priority})`, always, (model, real) => {
    modelDelay(model, key, real.clock.monotonic() + ms, priority);
    real.queue.addAfter(key, ms, priority);
  });
const fail = (key: Key): Command =>
  command(`addRateLimited(${key}, live)`, always, (model, real) => {
    if (model.state === "open") {
      const failures = model.failures.get(key) ?? 0;
      model.failures.set(key, failures + 1);
      modelDelay(model, key, real.clock.monotonic() + Math.min(5 * 2 ** failures, 80), "live");
    }
    real.queue.addRateLimited(key, 0, "live");
  });
const forget = (key: Key): Command =>
  command(`forget(${key})`, always, (model, real) => {
    model.failures.delete(key);
    real.queue.forget(key);
  });
const get = (): Command =>
  command(
    "get()",
    (model) => model.held.size < keys.length,
    (_model, real) => {
      const waiter: Real["waiting"][number] = { abort: new AbortController(), answer: "pending" };
      real.waiting.push(waiter);
      void real.queue.get(waiter.abort.signal).then((key) => (waiter.answer = key));
    },
  );
const leave = (): Command =>
  command("abort()", always, async (_model, real) => {
    const leaving = real.waiting.shift();
    leaving?.abort.abort();
    await settle();
    if (leaving !== undefined) expect(leaving.answer).toBeUndefined();
  });
const done = (key: Key): Command =>
  command(
    `done(${key})`,
    (model) => model.held.has(key),
    (model, real) => {
      const again = model.held.get(key);
      model.held.delete(key);
      if (again !== undefined && model.state !== "shut") model.queued[again].push(key);
      real.queue.done(key);
    },
  );
const advance = (ms: number): Command =>
  command(`advance(${ms})`, always, async (model, real) => {
    const untilMs = real.clock.monotonic() + ms;
    const due = [...model.delayed].filter(([, { atMs }]) => atMs <= untilMs).sort(([, one], [, other]) => one.atMs - other.atMs);
    for (const [key, { atMs, priority }] of due) {
      await real.clock.advance(Math.max(0, atMs - real.clock.monotonic()));
      model.delayed.delete(key);
      modelAdd(model, key, priority);
      modelServe(model, real); // a worker that waits has the first key before the second falls due
    }
    await real.clock.advance(untilMs - real.clock.monotonic());
  });
const shutDown = (): Command =>
  command("shutDown()", always, (model, real) => {
    model.state = "shut";
    model.queued.live.length = model.queued.background.length = 0;
    model.delayed.clear();
    for (const key of model.held.keys()) model.held.set(key, undefined);
    real.queue.shutDown();
  });
const drain = (): Command =>
  command("shutDownWithDrain()", always, (model, real) => {
    if (model.state === "open") {
      model.state = "draining";
      model.delayed.clear();
    }
    real.drained = "pending";
    void real.queue.shutDownWithDrain().then(() => (real.drained = "resolved"));
  });

const key = fc.constantFrom(...keys);
const priority = fc.constantFrom<Priority>("live", "background");
const often = (arbitrary: fc.Arbitrary<Command>): fc.Arbitrary<Command>[] => Array.from({ length: 4 }, () => arbitrary);
const anyCommand: fc.Arbitrary<Command>[] = [
  ...often(fc.tuple(key, priority).map(([k, p]) => add(k, p))),
  ...often(fc.constant(get())),
  ...often(key.map(done)),
  fc.tuple(key, fc.integer({ min: 1, max: 100 }), priority).map(([k, ms, p]) => addAfter(k, ms, p)),
  key.map(fail),
  key.map(forget),
  fc.integer({ min: 1, max: 60 }).map(advance),
  fc.constant(leave()),
];
const ending = fc.constantFrom<Command[]>([], [shutDown()], [drain()], [drain(), shutDown()]);

const start = () => {
  const clock = new FakeClock();
  const backoff = exponential({ firstMs: 5, maxMs: 80, jitter: 0 });
  const model: Model = {
    queued: { live: [], background: [] },
    held: new Map(),
    delayed: new Map(),
    failures: new Map(),
    liveTaken: 0,
    state: "open",
  };
  const real: Real = { clock, queue: new WorkQueue<Key>({ clock, random: () => 0, backoff }), waiting: [], drained: "not asked" };
  return { model, real };
};

test(`the queue does what its model does, whatever is called in whatever order (seed ${seed})`, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.commands(anyCommand, { maxCommands: 80 }),
      ending,
      fc.commands(anyCommand, { maxCommands: 20 }),
      async (use, end, rest) => {
        const { model, real } = start();
        await fc.asyncModelRun(() => ({ model, real }), use);
        for (const last of end) await last.run(model, real);
        await fc.asyncModelRun(() => ({ model, real }), rest);
      },
    ),
    { seed, numRuns: 300 },
  );
}, 60_000);

test(`with workers of any speed no key has two workers, and no add is left without a pass that began after it (seed ${seed})`, async () => {
  const step = fc.record({ key, priority, afterMs: fc.integer({ min: 0, max: 20 }), waitMs: fc.integer({ min: 0, max: 30 }) });
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 60 }),
      fc.array(fc.integer({ min: 0, max: 25 }), { minLength: 1 }),
      async (steps, paces) => {
        const { queue, clock } = start().real;
        const running = new Set<Key>();
        const heldTwice: Key[] = [];
        const addedMs = new Map<Key, number>();
        const beganMs = new Map<Key, number>();
        const worker = async (pace: () => number): Promise<void> => {
          for (let held = await queue.get(); held !== undefined; held = await queue.get()) {
            if (running.has(held)) heldTwice.push(held);
            running.add(held);
            beganMs.set(held, clock.monotonic());
            await clock.sleep(pace());
            running.delete(held);
            queue.done(held);
          }
        };
        let turn = 0;
        const pool = Array.from({ length: 3 }, () => worker(() => paces[turn++ % paces.length] ?? 0));
        for (const { key: added, priority: rank, afterMs, waitMs } of steps) {
          await clock.advance(afterMs);
          queue.addAfter(added, waitMs, rank);
          addedMs.set(added, clock.monotonic());
        }
        // Everything delayed falls due, then the queue drains: nothing may be left behind.
        await clock.advance(30);
        const drained = queue.shutDownWithDrain();
        await clock.advance(10_000);
        await drained;
        await Promise.all(pool);
        expect(heldTwice).toEqual([]);
        for (const [added, atMs] of addedMs) expect(beganMs.get(added)).toBeGreaterThanOrEqual(atMs);
      },
    ),
    { seed, numRuns: 300 },
  );
}, 60_000);
