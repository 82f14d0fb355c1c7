// What is claimed of processes that read the servers once, step by step as they are seen. Whole passes: test/pass/generations.test.ts.

import { describe, expect, test } from "@jest/globals";
import type { Pod, Product, ServerRow } from "../../operator/farm/model.ts";
import { noProcesses, noteInserted, noteProcesses, whyUnsynchronised } from "../../operator/farm/unsynchronised.ts";
import type { Processes } from "../../operator/farm/unsynchronised.ts";
import { farm, foreignRow, memory, observation, pod, rowOf, table, unavailable } from "./build.ts";
import { a, b, plan, states } from "./planning.ts";
import { status } from "./telling.ts";

const starting = pod({ running: false, phase: "Pending" });
const rowA = rowOf(a);
const rowB = rowOf(b, { serverID: 2 });

interface Sight {
  readonly pods?: readonly Pod[];
  readonly rows?: readonly ServerRow[];
  readonly product?: Product;
  readonly registration?: "Operator" | "Application";
  /** When these rows were read, and when they are looked at. */
  readonly readMs?: number;
  readonly nowMs?: number;
}

function sees(
  known: Processes,
  { pods = [a], rows = [rowA], product = "12-13", registration = "Operator", readMs = 0, nowMs = 10 }: Sight,
): Processes {
  const seen = observation({ farm: farm({ spec: { registration } }), pods, nowMs, table: table(rows, { facts: { product } }) });
  return noteProcesses(known, seen, readMs);
}
const after = (...sights: readonly Sight[]): Processes => sights.reduce(sees, noProcesses);
const verdict = (known: Processes, rows: readonly ServerRow[] = [rowA, rowB], one = a): string | undefined =>
  whyUnsynchronised(known, one, rows.find(({ name }) => name === one.name) ?? rowA, rows);

const begins: Sight = { pods: [starting] };
const runs: Sight = { nowMs: 20 };
const later: Sight = { readMs: 30, nowMs: 40 };
const grown: Sight = { pods: [a, b], rows: [rowA, rowB], readMs: 50, nowMs: 60 };

describe("started alone", () => {
  test.each<[string, readonly Sight[], string | undefined]>([
    ["is who was seen to begin alone and, by a later read, was so", [begins, runs, later, grown], "StartedAlone"],
    ["is not who was running when it was first seen", [runs, later, grown], undefined],
    ["is not who may have seen the other row, written since the last read", [begins, runs, grown], undefined],
    ["also when it was looked at again without a read", [begins, runs, { ...runs, nowMs: 30 }, grown], undefined],
    ["is not who began beside another", [begins, { ...runs, rows: [rowA, rowB] }, later, grown], undefined],
    [
      "is who began beside a row that is switched off",
      [begins, { ...runs, rows: [rowA, { ...rowB, enabled: false }] }, later, grown],
      "StartedAlone",
    ],
    ["is not whose own row is switched off", [begins, { ...runs, rows: [{ ...rowA, enabled: false }] }, later, grown], undefined],
    ["is not who has restarted since", [begins, runs, later, { ...grown, pods: [pod({ restarts: 1 }), b] }], undefined],
    ["is not whose pod is gone", [begins, runs, later, { ...grown, pods: [b] }], undefined],
    ["is nobody in version 6", [begins, runs, later, grown].map((one) => ({ ...one, product: "6" as const })), undefined],
    ["is nobody in versions 7 and 8", [begins, runs, later, grown].map((one) => ({ ...one, product: "7-8" as const })), undefined],
    ["is nobody in Xperience by Kentico", [begins, runs, later, grown].map((one) => ({ ...one, product: "XbyK" as const })), undefined],
    [
      "is nobody who registers itself",
      [begins, runs, later, grown].map((one) => ({ ...one, registration: "Application" as const })),
      undefined,
    ],
  ])("%s", (_what, sights, expected) => expect(verdict(after(...sights))).toBe(expected));

  test("is nobody while no other enabled row is there", () => {
    const known = after(begins, runs, later);
    expect([verdict(known, [rowA]), verdict(known, [rowA, { ...rowB, enabled: false }]), verdict(known)]).toEqual([
      undefined,
      undefined,
      "StartedAlone",
    ]);
  });

  test("is who restarted alone, when the restart was seen", () => {
    const again = pod({ restarts: 1 });
    const known = after(runs, { pods: [again], nowMs: 25 }, { ...later, pods: [again] }, { ...grown, pods: [again, b] });
    expect([verdict(known, [rowA, rowB], again), verdict(known)]).toEqual(["StartedAlone", undefined]);
  });

  test.each<[string, ServerRow[], string | undefined]>([
    ["when they are the only new ones", [rowA, rowB], "StartedAlone"],
    ["not when others came too, perhaps before it began", [rowA, rowB, foreignRow()], undefined],
  ])("is known at once by what this process inserts, %s", (_what, rows, expected) => {
    const inserted = new Set([rowB.guid ?? ""]);
    const known = noteInserted(after(begins, runs), { before: [rowA], after: rows, inserted });
    expect(verdict(sees(known, { ...grown, rows }), rows)).toBe(expected);
  });

  test("stays so while the rows cannot be read", () => {
    const known = after(begins, runs, later, grown);
    expect(noteProcesses(known, observation({ table: unavailable() }), 0)).toBe(known);
  });
});

describe("a row replaced", () => {
  const anew = { ...rowA, serverID: 9 };
  test.each<[string, readonly Sight[], string | undefined]>([
    ["is one that has another ServerID", [runs], "RowReplaced"],
    ["also when it was gone meanwhile", [runs, { rows: [] }], "RowReplaced"],
    ["not when nothing was known of the one before", [begins], undefined],
    ["not when the pod restarted since", [runs, { pods: [pod({ restarts: 2 })], rows: [anew] }], undefined],
    ["not in version 7", [{ ...runs, product: "7-8" }], undefined],
  ])("%s", (_what, sights, expected) => expect(verdict(after(...sights), [anew, rowB])).toBe(expected));

  test("is not said of a process that is between two lives", () => {
    expect(verdict(after(runs), [anew], pod({ running: false }))).toBeUndefined();
  });
});

test("little is kept: one life of each running pod that has a row, and the names of those that start", () => {
  const known = after({ pods: [a, b, pod({ name: "shop-c" }), { ...starting, uid: pod({ name: "shop-d" }).uid }], rows: [rowA, rowB] });
  expect([known.lives.size, known.starting.size]).toEqual([2, 1]);
  expect(after({ pods: [a, b], rows: [rowA, rowB] }, { pods: [], rows: [rowA, rowB] })).toEqual(noProcesses);
});

describe("the server is Unsynchronised", () => {
  const remembered = memory({ processes: after(begins, runs, later, grown) });
  const scene = { pods: [a, b], rows: [rowA, rowB] };
  const condition = (rows: readonly ServerRow[]): string => {
    const found = status({ ...scene, rows }, { remembered }).conditions?.find(({ type }) => type === "PeersUnaware");
    return `${found?.status ?? ""} ${found?.reason ?? ""} ${found?.message ?? ""}`;
  };
  test("and PeersUnaware says which and what to do", () => {
    expect(states(plan(scene, remembered))).toEqual(["shop-a Unsynchronised StartedAlone", "shop-b Registered Registered"]);
    expect(condition([rowA, rowB])).toMatch(/^True StartedAlone shop-a: .*Restart it/);
    expect(condition([{ ...rowA, serverID: 9 }, rowB])).toMatch(/^True RowReplaced shop-a: .*Restart it/);
    expect(condition([rowA])).toMatch(/^False NoneSeen /);
  });
  test("rather than Disabled", () => {
    const rows = [{ ...rowA, serverID: 9, enabled: false }, rowB];
    expect(states(plan({ ...scene, rows }, remembered))).toContain("shop-a Unsynchronised RowReplaced");
  });
  test("and counts as registered", () => {
    expect(status(scene, { remembered })).toMatchObject({ desired: 2, registered: 2 });
  });
});
