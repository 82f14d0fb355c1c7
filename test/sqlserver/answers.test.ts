// What the answers of writes say, also where a trigger of the product's tables sends sets of its own before them.
import { describe, expect, test } from "@jest/globals";

import { largestSwept, removalCounts } from "../../operator/sqlserver/answers.ts";
import type { RecordSet } from "../../operator/sqlserver/driver.ts";

const rows: RecordSet = [{ serverID: 1, name: "shop-0", guid: null, enabled: true }];
const counts: RecordSet = [{ bindings: 3, servers: 1, reached: 17 }];
const ofTriggers: readonly (readonly [what: string, sets: readonly RecordSet[]])[] = [
  ["without triggers", []],
  ["behind a trigger that SELECTs", [[{ audited: 1 }]]],
  ["behind a trigger that SELECTs nothing, and one that names its columns as ours", [[], [{ bindings: 99, reached: 99, largest: 500 }]]],
];

describe.each(ofTriggers)("%s", (_, before) => {
  test("a removal says what it did", () => {
    expect(removalCounts([...before, counts, rows])).toEqual({ bindings: 3, reached: 17 });
  });

  test("a sweep says how much it deleted", () => {
    expect(largestSwept([...before, [{ largest: 4 }]])).toBe(4);
  });
});

test.each<[string, readonly RecordSet[]]>([
  ["no set", []],
  ["a set too few", [counts]],
  ["an empty set", [[], rows]],
  ["a count that is no number", [[{ bindings: "3", reached: null }], rows]],
])("%s is no answer of a removal, and none is made up", (_, sets) => {
  expect(() => removalCounts(sets)).toThrow("not the form of a removal");
});

test.each<[string, readonly RecordSet[]]>([
  ["no set", []],
  ["an empty set", [[]]],
  ["a trigger's set only", [[{ audited: 1 }]]],
])("%s is no answer of a sweep, and none is made up", (_, sets) => {
  expect(() => largestSwept(sets)).toThrow("not the form of a sweep");
});
