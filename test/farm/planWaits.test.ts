// What a plan puts off: names that a StatefulSet wants, late registrations, writes that were refused.

import { describe, expect, test } from "@jest/globals";
import { rowKey } from "../../operator/farm/memory.ts";
import type { FarmMemory } from "../../operator/farm/memory.ts";
import type { Milliseconds, Product } from "../../operator/farm/model.ts";
import { ended, memory, nowMs, pod, rowOf, table, uid } from "./build.ts";
import { plan, actions, states, expectAll, a, b } from "./planning.ts";

describe("a name that its StatefulSet still wants", () => {
  const controller = { apiVersion: "apps/v1", kind: "StatefulSet", name: "shop", uid: "s" };
  const last = ended({ name: "shop-2", controller });
  const row = rowOf(last);
  const statefulSets = [{ name: "shop", start: 0, count: 3, serverName: "$(POD_NAME)" }];
  const since = (agoMs: Milliseconds): FarmMemory => memory({ goneSince: new Map([[rowKey(row), nowMs - agoMs]]) });
  const gone = [{ pod: last, ended: true }];
  test("waits 60 s for the successor, and not longer", () => {
    const waiting = plan({ gone, rows: [row], statefulSets }, since(59_999));
    expect(states(waiting)).toEqual(["shop-2 Stale AwaitingSuccessor"]);
    expect(actions(waiting)).toEqual([]);
    expect(waiting.lookAgainMs).toBe(1);
    expect(actions(plan({ gone, rows: [row], statefulSets }, since(60_000)))).toEqual(["remove 1 ended"]);
  });
  test("waits from now when nothing is remembered", () => expect(plan({ gone, rows: [row], statefulSets }).lookAgainMs).toBe(60_000));
  test("is remembered as gone from its first sight", () => expect(plan({ gone, rows: [row], statefulSets }).gone).toEqual([rowKey(row)]));
  test("does not wait when it is scaled away", () =>
    expectAll({ scene: { gone, rows: [row], statefulSets: [{ name: "shop", start: 0, count: 2 }] }, does: ["remove 1 ended"] }));
  test("does not wait below the first ordinal", () =>
    expectAll({ scene: { gone, rows: [row], statefulSets: [{ name: "shop", start: 3, count: 3 }] }, does: ["remove 1 ended"] }));
  test("does not wait for another StatefulSet", () =>
    expectAll({ scene: { gone, rows: [row], statefulSets: [{ name: "blog", start: 0, count: 3 }] }, does: ["remove 1 ended"] }));
  test("waits, asking again soon and no longer, while the StatefulSet cannot be read and may want it", () => {
    const unread = [{ name: "shop", start: 0, count: Infinity, unreadSinceMs: nowMs - 500 }];
    const waiting = plan({ gone, rows: [row], statefulSets: unread }, since(30_000));
    expect(states(waiting)).toEqual(["shop-2 Stale AwaitingSuccessor"]);
    expect(actions(waiting)).toEqual([]);
    expect(waiting.lookAgainMs).toBe(1_000);
    expect(actions(plan({ gone, rows: [row], statefulSets: unread }, since(60_000)))).toEqual(["remove 1 ended"]);
  });
  test("waits also when its pod was never seen and the StatefulSet cannot be read", () => {
    const unread = [{ name: "shop", start: 0, count: Infinity, unreadSinceMs: nowMs, serverName: "$(POD_NAME)" }];
    expect(states(plan({ rows: [row], statefulSets: unread }))).toEqual(["shop-2 Stale AwaitingSuccessor"]);
  });
  test("does not wait for a pod of a Deployment", () =>
    expectAll({ scene: { gone: [{ pod: ended({ name: "shop-2" }), ended: true }], rows: [row], statefulSets }, does: ["remove 1 ended"] }));
  test("is confirmed missing meanwhile, so that both waits run together", () =>
    expectAll({ scene: { rows: [row], statefulSets }, does: ["confirm 1"], shows: ["shop-2 Stale AwaitingSuccessor"] }));
  test("is known by the member's template when its pod was never seen", () => {
    const site = rowOf(last, { name: "site-2" });
    const sets = [{ name: "shop", start: 0, count: 3, serverName: "site-$(POD_ORDINAL)" }];
    expect(states(plan({ rows: [site], statefulSets: sets }))).toEqual(["site-2 Stale AwaitingSuccessor"]);
    expect(states(plan({ rows: [site], statefulSets: [{ ...sets[0], count: 2 } as (typeof sets)[number]] }))).toEqual([
      "site-2 Stale PodMissing",
    ]);
  });
});

describe("pods that serve before they have a row", () => {
  const serving = (count: number): readonly ReturnType<typeof pod>[] =>
    Array.from({ length: count }, (_, index) => pod({ name: `shop-${index}`, ready: true }));
  test.each([
    [1, 1],
    [3, 1],
    [7, 1],
    [8, 2],
    [100, 25],
  ])("of %i are registered %i at a time", (count, atOnce) => {
    const result = plan({ pods: serving(count) });
    expect(result.inserts).toHaveLength(atOnce);
    expect(result.inserts.every(({ late }) => late)).toBe(true);
    expect(states(result).filter((state) => state.endsWith("LateRegistration"))).toHaveLength(count - atOnce);
  });
  test("wait for those under way, 120 s at most", () => {
    const late = { quota: 2, restarting: new Map([[uid("x"), { sinceMs: nowMs - 50_000, seenNotReady: false }]]) };
    const result = plan({ pods: serving(6) }, memory({ late }));
    expect(result.inserts).toEqual([]);
    expect(result.lookAgainMs).toBe(70_000);
  });
  test("go on with the number that was counted first", () =>
    expect(plan({ pods: serving(3) }, memory({ late: { quota: 2, restarting: new Map() } })).inserts).toHaveLength(2));
  test.each<[Product, number]>([
    ["6", 8],
    ["7-8", 8],
    ["9-10", 2],
    ["11", 2],
    ["12-13", 2],
  ])("are paced only where a row that is found restarts them: %s gets %i of 8", (product, expected) => {
    const rows = table([], { facts: { product, hasUrl: product === "6" || product === "7-8" } });
    const { inserts, lookAgainMs } = plan({ pods: serving(8).map((one) => ({ ...one, ip: "10.0.0.1" })), table: rows });
    expect(inserts).toHaveLength(expected);
    expect(inserts.every(({ late }) => late === expected < 8)).toBe(true);
    expect(lookAgainMs).toBeUndefined();
  });
  test("do not hold up pods that do not serve yet", () => {
    const late = { quota: 1, restarting: new Map([[uid("x"), { sinceMs: nowMs, seenNotReady: false }]]) };
    const result = plan({ pods: [...serving(4), a, b] }, memory({ late }));
    expect(result.inserts.map(({ name, late: isLate }) => [name, isLate])).toEqual([
      ["shop-a", false],
      ["shop-b", false],
    ]);
  });
});

describe("a write that the server refused", () => {
  const refused = (reason: string): FarmMemory => memory({ refusals: new Map([["shop-a", { reason, message: "m", retryMs: nowMs + 5 }]]) });
  test("is not tried again before its time", () => {
    const result = plan({ pods: [a] }, refused("TriggerRefused"));
    expect(actions(result)).toEqual([]);
    expect(states(result)).toEqual(["shop-a Pending TriggerRefused"]);
    expect(result.lookAgainMs).toBe(5);
    expect(result.refused.map(({ name }) => name)).toEqual(["shop-a"]);
  });
});
