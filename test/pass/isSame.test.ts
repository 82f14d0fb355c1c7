// What counts as the same status: as JSON says it, whatever the order of keys, and absent as undefined.
import { expect, test } from "@jest/globals";
import { isSame } from "../../operator/pass/report.ts";

test.each([
  [
    { a: 1, b: [1, { c: "x" }] },
    { b: [1, { c: "x" }], a: 1 },
  ],
  [{ a: undefined }, {}],
  [{}, { a: undefined }],
  [[], []],
])("%j is %j", (one, other) => {
  expect([isSame(one, other), isSame(other, one)]).toEqual([true, true]);
});

test.each([
  [{ a: 1 }, { a: 2 }],
  [{ a: 1 }, {}],
  [
    { a: 1, b: undefined },
    { b: 1, a: 1 },
  ],
  [[1, 2], [1]],
  [[], {}],
  [{ a: null }, { a: {} }],
  [null, undefined],
  ["1", 1],
])("%j is not %j", (one, other) => {
  expect([isSame(one, other), isSame(other, one)]).toEqual([false, false]);
});
