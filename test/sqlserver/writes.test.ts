import { describe, expect, test } from "@jest/globals";

import { catalogues } from "../../operator/sqlserver/catalogues.ts";
import { classify, DatabaseError, type Doing } from "../../operator/sqlserver/errors.ts";
import { type Shape, shapeOf } from "../../operator/sqlserver/shape.ts";
import { register } from "../../operator/sqlserver/statements.ts";
import { padded, type Send, sizeFor, type Write, writeRows } from "../../operator/sqlserver/writes.ts";

interface Row {
  readonly name: string;
}

const reading = shapeOf("dbo", catalogues["13"]);
const shape = (reading as { readonly shape: Shape }).shape;
const write: Write<Row> = {
  sizes: [1, 16, 200],
  statement: register,
  parameters: (row) => [{ name: "n", type: "name", value: row?.name ?? null }],
};
const rows = (count: number): readonly Row[] => Array.from({ length: count }, (_, index) => ({ name: `pod-${index}` }));
const problem = (reason: string, number?: number): DatabaseError =>
  new DatabaseError({ kind: "refused", reason, message: reason, stalled: false, ...(number !== undefined && { number }) }, "notApplied");

const doing: Doing = { statement: "register16", endpoint: "sql,1433", database: "Kentico", login: { user: "sa", password: "hunter2" } };

/** A table that refuses a request with one of these names. */
function table(
  bad: readonly string[],
  error = problem("RowRefused", 2627),
): { readonly send: Send; readonly written: string[]; requests: number } {
  const result = {
    written: [] as string[],
    requests: 0,
    send: ((_, parameters) => {
      result.requests += 1;
      const names = parameters.map(({ value }) => value).filter((value) => typeof value === "string");
      if (names.some((name) => bad.includes(name))) return Promise.reject(error);
      result.written.push(...names);
      return Promise.resolve([]);
    }) as Send,
  };
  return result;
}

test.each([
  [1, 1],
  [2, 16],
  [16, 16],
  [17, 200],
  [200, 200],
])("%d rows travel in a request of %d", (count, size) => {
  expect(sizeFor(write.sizes, count)).toBe(size);
  const parameters = padded(write, rows(count));
  expect(parameters).toHaveLength(size);
  expect(parameters.filter(({ value }) => value !== null)).toHaveLength(count);
  expect(new Set(parameters.map(({ name }) => name)).size).toBe(size);
});

test("1,000 rows take five requests, no row twice", async () => {
  const { send, written } = table([]);
  const { answers, refused } = await writeRows(write, shape, rows(1_000), send);
  expect(answers).toHaveLength(5);
  expect(written).toEqual(rows(1_000).map(({ name }) => name));
  expect(refused).toEqual([]);
});

test("no rows, no request", async () => {
  expect(await writeRows(write, shape, [], table([]).send)).toEqual({ answers: [], refused: [] });
});

describe("one bad row", () => {
  test.each([0, 1, 99, 198, 199])("at place %d of 200 is found, the others are written", async (place) => {
    const database = table([`pod-${place}`]);
    const { refused } = await writeRows(write, shape, rows(200), database.send);
    expect(refused.map(({ name }) => name)).toEqual([`pod-${place}`]);
    expect(database.written).toHaveLength(199);
    expect(database.requests).toBeLessThan(20);
  });

  // A trigger's own number, its failed conversion, its division by zero, and an identity that replication has given away.
  test.each([51_234, 245, 8134, 548])("that is refused with %d is found too, and the others are written", async (number) => {
    const refusal = classify(Object.assign(new Error("x"), { code: "EREQUEST", number }), doing);
    const database = table(["pod-1"], refusal);
    const { refused } = await writeRows(write, shape, rows(3), database.send);
    expect(refused).toEqual([{ name: "pod-1", problem: refusal.problem }]);
    expect(database.written).toEqual(["pod-0", "pod-2"]);
  });
});

test("a table that refuses everything is not asked row by row for ever, and each row is reported", async () => {
  const all = rows(1_000).map(({ name }) => name);
  const database = table(all);
  const { refused } = await writeRows(write, shape, rows(1_000), database.send);
  expect(database.requests).toBeLessThan(120);
  expect(refused.map(({ name }) => name).sort()).toEqual(all.sort());
});

test.each([
  ["EREQUEST", 229],
  ["EREQUEST", 207],
  ["EREQUEST", 1205],
  ["EREQUEST", 1222],
  ["EREQUEST", 9002],
  ["EREQUEST", 3906],
  ["EREQUEST", 40613],
  ["ETIMEOUT", undefined],
  ["ECONNRESET", undefined],
])("what is no row's fault is thrown at once: %s %s", async (code, number) => {
  const error = classify(Object.assign(new Error("x"), { code, number }), doing);
  const database = table(["pod-1"], error);
  await expect(writeRows(write, shape, rows(3), database.send)).rejects.toBe(error);
  expect(database.requests).toBe(1);
});

test("a name that its parameter would cut is not sent", async () => {
  const database = table([]);
  const { refused } = await writeRows(write, shape, [{ name: "x".repeat(101) }, { name: "ok" }], database.send);
  expect(refused).toMatchObject([{ problem: { reason: "NameTooLong" } }]);
  expect(database.written).toEqual(["ok"]);
});
