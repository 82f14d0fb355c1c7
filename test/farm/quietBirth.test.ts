import { describe, expect, test } from "@jest/globals";
import { arrivedAfterMs, pingsArrive } from "../../operator/farm/quietBirth.ts";
import type { TableRead } from "../../operator/farm/model.ts";

const pings = (texts: Readonly<Record<number, string>>): TableRead["pings"] =>
  new Map(Object.entries(texts).map(([serverID, text]) => [Number(serverID), text]));
const before = (texts: Readonly<Record<number, string>> | undefined): Parameters<typeof arrivedAfterMs>[0] => ({
  pings: texts && pings(texts),
  atMs: 5_000,
});

describe("a ping has arrived between two reads", () => {
  test.each<[string, Parameters<typeof arrivedAfterMs>[0], TableRead["pings"], number | undefined]>([
    ["when a server's newest one is another", before({ 1: "a", 2: "b" }), pings({ 1: "a", 2: "c" }), 5_000],
    ["not when all are the same", before({ 1: "a" }), pings({ 1: "a" }), undefined],
    ["not when a server is new, whose ping may be the one that it was given", before({ 1: "a" }), pings({ 1: "a", 2: "b" }), undefined],
    ["not when a server is gone", before({ 1: "a", 2: "b" }), pings({ 1: "a" }), undefined],
    ["not when there was no read before", before(undefined), pings({ 1: "a" }), undefined],
    ["not when the table has no pings now", before({ 1: "a" }), undefined, undefined],
  ])("%s", (_what, first, second, expected) => expect(arrivedAfterMs(first, second)).toBe(expected));
});

test.each([
  [undefined, 0, false],
  [5_000, 5_000, true],
  [5_000, 124_999, true],
  [5_000, 125_000, false],
])("pings that arrived after %j are arriving at %d: %s", (after, nowMs, expected) => expect(pingsArrive(after, nowMs)).toBe(expected));
