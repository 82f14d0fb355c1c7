// Bounds and shape of the two backoffs, for any randomness.
import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { type Backoff, decorrelatedJitter, exponential, reconcileBackoff, watchBackoff } from "../../operator/controller/backoff.ts";

const anyRandom = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

function delays(first: Backoff, randoms: readonly number[]): number[] {
  let backoff = first;
  return randoms.map((random) => (backoff = backoff.next(() => random)).delayMs);
}

test("before the first failure there is nothing to wait for", () => {
  expect([watchBackoff.delayMs, watchBackoff.failures, reconcileBackoff.delayMs]).toEqual([0, 0, 0]);
});

test("a reflector's first wait is short enough for a watch error to be repaired within 2 s", () => {
  expect(watchBackoff.next(() => 0).delayMs).toBe(800);
  expect(watchBackoff.next(() => 1 - Number.EPSILON).delayMs).toBeLessThanOrEqual(1_600);
});

test("decorrelated jitter stays between its bounds and below three times the delay before", () => {
  fc.assert(
    fc.property(fc.array(anyRandom, { minLength: 1, maxLength: 30 }), (randoms) => {
      let before = Infinity;
      for (const delayMs of delays(decorrelatedJitter({ minMs: 800, maxMs: 30_000 }), randoms)) {
        expect(delayMs).toBeGreaterThanOrEqual(800);
        expect(delayMs).toBeLessThanOrEqual(Math.min(30_000, 3 * before));
        before = delayMs;
      }
    }),
  );
});

test("decorrelated jitter reaches its cap when failures go on", () => {
  expect(delays(watchBackoff, Array<number>(10).fill(0.999999)).at(-1)).toBeGreaterThan(29_900);
});

test("the exponential backoff doubles up to its cap and no further, however long it goes on", () => {
  const series = delays(exponential({ firstMs: 5, maxMs: 60_000, jitter: 0 }), Array<number>(2_000).fill(0));
  expect(series.slice(0, 4)).toEqual([5, 10, 20, 40]);
  expect(series.at(-1)).toBe(60_000);
});

test("jitter takes away at most its share", () => {
  fc.assert(
    fc.property(anyRandom, fc.nat(30), (random, failures) => {
      const fullMs = Math.min(60_000, 5 * 2 ** failures);
      const delayMs = delays(exponential({ firstMs: 5, maxMs: 60_000, jitter: 0.1 }), Array<number>(failures + 1).fill(random)).at(-1) ?? 0;
      expect(delayMs).toBeLessThanOrEqual(fullMs);
      expect(delayMs).toBeGreaterThanOrEqual(0.9 * fullMs - 1e-6);
    }),
  );
});

test("a backoff is a value: asking twice changes nothing", () => {
  const once = watchBackoff.next(() => 0.5);
  once.next(() => 0.9);
  expect(once.next(() => 0.1).delayMs).toBe(once.next(() => 0.1).delayMs);
  expect(once.failures).toBe(1);
});
