import { describe, expect, test } from "@jest/globals";
import { rowNames, stillEqual } from "../../operator/farm/equalNames.ts";
import type { EqualNames } from "../../operator/farm/equalNames.ts";
import { remember } from "../../operator/farm/memory.ts";
import { foreignRow, memory, observation, table, unavailable } from "./build.ts";

const row = foreignRow({ serverID: 4, name: "shöp-a" });
const equal: EqualNames = new Map([["shop-a", { serverID: 4, name: "shöp-a" }]]);
const read = (...rows: readonly (typeof row)[]): EqualNames => stillEqual(equal, { rows, truncated: false });

test("a row is found under the name that the database takes for its own", () => {
  const nameOf = rowNames(equal);
  expect([nameOf(row), nameOf({ ...row, name: "SHÖP-B " }), nameOf({ ...row, serverID: 5 })]).toEqual(["shop-a", "shöp-b", "shöp-a"]);
});

describe("what the database said stands", () => {
  test("while that row is there under that name", () => expect([...read(row).keys()]).toEqual(["shop-a"]));
  test("not when it is gone, renamed, or made anew", () => {
    for (const rows of [[], [{ ...row, name: "shop-x" }], [{ ...row, serverID: 5 }]]) expect(read(...rows).size).toBe(0);
  });
  test("while the rows cannot be read", () => {
    const remembered = memory({ equalNames: equal });
    expect(remember(remembered, observation({ table: unavailable() })).equalNames).toEqual(equal);
    expect(remember(remembered, observation({ table: table([]) })).equalNames.size).toBe(0);
    expect(remember(remembered, observation({ table: table([row]) })).equalNames).toEqual(equal);
  });
});
