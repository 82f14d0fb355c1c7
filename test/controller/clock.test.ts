// The real clock does what the fake promises, and the other way round: one suite for both, then what only one of them has.
import { afterEach, describe, expect, jest, test } from "@jest/globals";
import { type Clock, systemClock } from "../../operator/controller/clock.ts";
import { FakeClock } from "./fakeClock.ts";

interface Subject {
  readonly clock: Clock;
  readonly pass: (ms: number) => Promise<void>;
}

const subjects: readonly [string, () => Subject][] = [
  [
    "the system's clock",
    () => {
      jest.useFakeTimers(); // those of a busy machine may be due in another order than they were set for
      return { clock: systemClock, pass: (ms) => jest.advanceTimersByTimeAsync(ms) };
    },
  ],
  [
    "the fake clock",
    () => {
      const clock = new FakeClock();
      return { clock, pass: (ms) => clock.advance(ms) };
    },
  ],
];

describe.each(subjects)("%s", (_name, make) => {
  afterEach(() => void jest.useRealTimers());

  test("fires a timer once and in order of time, and not one that was cancelled", async () => {
    const { clock, pass } = make();
    const fired: string[] = [];
    clock.after(20, () => fired.push("second"));
    clock.after(1, () => fired.push("first"));
    clock.after(10, () => fired.push("cancelled")).cancel();
    const last = new Promise<void>((resolve) => clock.after(40, resolve));
    await Promise.all([last, pass(40)]);
    expect(fired).toEqual(["first", "second"]);
  });

  test("a sleep ends after its time, and rejects with the reason of an abort before or during it", async () => {
    const { clock, pass } = make();
    const startMs = clock.monotonic();
    const slept = clock.sleep(10).then(() => clock.monotonic() - startMs);
    await pass(11);
    expect(await slept).toBeGreaterThanOrEqual(10);
    const gone = new Error("gone");
    await expect(clock.sleep(10, AbortSignal.abort(gone))).rejects.toBe(gone);
    const leaving = new AbortController();
    const aborted = clock.sleep(3_600_000, leaving.signal);
    leaving.abort(gone);
    await expect(aborted).rejects.toBe(gone);
  });
});

test("the system's clock does not fire a timer of a month at once", () => {
  jest.useFakeTimers();
  try {
    const monthMs = 30 * 24 * 3_600_000;
    let isFired = false;
    systemClock.after(monthMs, () => (isFired = true));
    jest.advanceTimersByTime(monthMs - 1);
    expect(isFired).toBe(false);
    jest.advanceTimersByTime(2);
    expect(isFired).toBe(true);
  } finally {
    jest.useRealTimers();
  }
});

test("the fake clock fires what its timers set within the same advance, each at its own time", async () => {
  const clock = new FakeClock(1_000);
  const times: number[] = [];
  const again = (): void => {
    times.push(clock.now());
    clock.after(10, again);
  };
  clock.after(10, again);
  await clock.advance(35);
  expect(times).toEqual([1_010, 1_020, 1_030]);
  expect(clock.now()).toBe(1_035);
});

test("the fake clock lets what a timer woke settle before the next fires", async () => {
  const clock = new FakeClock();
  const story: string[] = [];
  void clock
    .sleep(5)
    .then(() => Promise.resolve())
    .then(() => story.push("woken"));
  clock.after(6, () => story.push("next"));
  await clock.advance(10);
  expect(story).toEqual(["woken", "next"]);
});
