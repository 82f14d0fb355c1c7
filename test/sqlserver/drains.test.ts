import { describe, expect, test } from "@jest/globals";

import { companiesOf, type Drain, drainAfter } from "../../operator/sqlserver/drains.ts";

const rows = (...serverIDs: readonly number[]): readonly { readonly serverID: number }[] => serverIDs.map((serverID) => ({ serverID }));
const ids = (companies: ReturnType<typeof companiesOf>): readonly (readonly number[])[] =>
  companies.map((company) => company.rows.map(({ serverID }) => serverID));
const drains = (...entries: readonly (readonly [number, Drain])[]): ReadonlyMap<number, Drain> => new Map(entries);

describe("the companies in which servers go", () => {
  test("those never tried go together", () => {
    expect(companiesOf(rows(1, 2, 3), drains())).toEqual([{ rows: rows(1, 2, 3), sizes: [1, 8, 100], after: 0 }]);
  });

  test("those that were left go in smaller ones, at last alone, each from where it was", () => {
    const known = drains([1, { size: 1, after: 70 }], [2, { size: 8, after: 0 }], [4, { size: 1, after: 0 }]);
    expect(companiesOf(rows(1, 2, 3, 4, 5), known)).toEqual([
      { rows: rows(3, 5), sizes: [1, 8, 100], after: 0 },
      { rows: rows(2), sizes: [1, 8], after: 0 },
      { rows: rows(4), sizes: [1], after: 0 },
      { rows: rows(1), sizes: [1], after: 70 },
    ]);
  });

  test("a drain that has begun keeps nobody waiting", () => {
    const known = drains([1, { size: 1, after: 70 }], [2, { size: 1, after: 0 }], [3, { size: 1, after: 5 }]);
    expect(ids(companiesOf(rows(1, 2, 3), known))).toEqual([[2], [1], [3]]);
  });

  test("nobody is no company", () => {
    expect(companiesOf([], drains([1, { size: 1, after: 1 }]))).toEqual([]);
  });
});

describe("what is known of a server that was left", () => {
  const company = (count: number, sizes = [1, 8, 100]): Parameters<typeof drainAfter>[0] => ({
    rows: rows(...Array(count).keys()),
    sizes,
    after: 0,
  });
  const full = { bindings: 2_000, reached: 4_711 };

  test.each([
    [300, [1, 8, 100], 8],
    [100, [1, 8, 100], 8],
    [9, [1, 8, 100], 8],
    [8, [1, 8, 100], 1],
    [2, [1, 8, 100], 1],
    [30, [1, 8], 1],
    [8, [1, 8], 1],
  ])("of %d in requests of %j it goes among %d next", (count, sizes, size) => {
    expect(drainAfter(company(count, sizes), full)).toEqual({ size, after: 0 });
  });

  test("alone it goes on behind what was reached", () => {
    expect(drainAfter(company(1), full)).toEqual({ size: 1, after: 4_711 });
  });

  test.each([
    ["fewer than a request takes", { bindings: 1_999, reached: 4_711 }],
    ["none", { bindings: 0, reached: null }],
  ])("after %s it begins at the front: what is left came in behind", (_, answer) => {
    expect(drainAfter(company(1), answer)).toEqual({ size: 1, after: 0 });
  });
});
