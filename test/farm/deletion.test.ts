// When the finalizer goes: after the rows that deletionPolicy promises to remove, never before, and never never.

import { describe, expect, test } from "@jest/globals";
import { releaseOf } from "../../operator/farm/deletion.ts";
import type { Release } from "../../operator/farm/deletion.ts";
import { planFarm } from "../../operator/farm/plan.ts";
import { authorityOf } from "../../operator/farm/policy.ts";
import {
  deployment,
  ended,
  farm,
  foreignRow,
  lost,
  member,
  memory,
  nowMs,
  nowWallMs,
  observation,
  otherCluster,
  pod,
  rowOf,
  settings,
  table,
  terminating,
  unavailable,
} from "./build.ts";
import type { Scene } from "./build.ts";

const a = pod({ name: "shop-a" });
type FarmChanges = Parameters<typeof farm>[0];

interface Moment {
  /** Since this process saw the deletion, and since the deletionTimestamp. */
  readonly seenMs?: number;
  readonly deletedMs?: number;
  readonly readIsFresh?: boolean;
}

function release(
  scene: Scene,
  { seenMs = 20_000, deletedMs = seenMs, readIsFresh = true }: Moment = {},
  changes: FarmChanges = {},
): Release {
  const seen = observation({ farm: farm({ deletionAtMs: nowWallMs - deletedMs, ...changes }), ...scene });
  const remembered = memory({ deletingSinceMs: nowMs - seenMs });
  const authority = authorityOf(seen);
  return releaseOf({ observation: seen, memory: remembered, plan: planFarm(seen, remembered), authority }, { nowWallMs, readIsFresh });
}
const told = (one: Release): string => (one.kind === "wait" ? "wait" : one.reason);

const going = member({ workload: deployment({ deleting: true }) });
const goneMember = member({ workload: { kind: "absent" }, selector: undefined });
const unread = { kind: "unknown", reason: "ApiError", message: "500" } as const;
const unreadMember = member({ workload: unread });
const unreadFirst = member({ workload: unread, selector: undefined });
const known = member({ name: "known", workload: deployment() });

test("pods that could not be listed yet may have any grace, so the two minutes count from now", () => {
  const scene = { pods: [], rows: [rowOf(a)], members: [goneMember], synced: false };
  expect(told(release(scene, { seenMs: 20_000, deletedMs: 130_000 }))).toBe("wait");
  expect(told(release(scene, { seenMs: 120_000, deletedMs: 250_000 }))).toBe("TimedOut");
});

describe("a WebFarm is released at once", () => {
  test.each<[string, FarmChanges, Scene]>([
    ["with policy CreateOnly", { spec: { policy: "CreateOnly" } }, {}],
    ["with policy UpsertOnly", { spec: { policy: "UpsertOnly" } }, {}],
    ["with policy Observe", { spec: { policy: "Observe" } }, {}],
    ["while suspended", { spec: { suspend: true } }, {}],
    ["with deletionPolicy Retain", { spec: { deletionPolicy: "Retain" } }, {}],
    ["with skip-cleanup", { annotations: { "webfarm.dev/skip-cleanup": "true" } }, {}],
    ["in read-only mode", {}, { readOnly: true }],
    ["with a field that is not known", { unsupported: ["spec.x"] }, {}],
  ])("%s", (_what, changes, scene) =>
    expect(release({ rows: [rowOf(a)], pods: [ended()], ...scene }, { seenMs: 0 }, changes)).toEqual({
      kind: "release",
      reason: "NothingToDo",
      left: [],
    }),
  );

  test("but not with skip-cleanup that is not true", () =>
    expect(told(release({}, { seenMs: 0 }, { annotations: { "webfarm.dev/skip-cleanup": "false" } }))).toBe("wait"));
});

describe("with RemoveStale a row is waited for", () => {
  test.each<[string, Scene, "wait" | "Clean"]>([
    ["not when there is none", {}, "Clean"],
    ["when its pod has ended", { rows: [rowOf(a)], pods: [ended()] }, "wait"],
    ["when its pod is missing", { rows: [rowOf(a)] }, "wait"],
    ["not when its pod lives and its workload stays", { rows: [rowOf(a)], pods: [a] }, "Clean"],
    ["not when its pod terminates and its workload stays", { rows: [rowOf(a)], pods: [terminating()] }, "Clean"],
    ["when its pod lives and its workload goes", { rows: [rowOf(a)], pods: [a], members: [going] }, "wait"],
    ["when its pod terminates and its workload is gone", { rows: [rowOf(a)], pods: [terminating()], members: [goneMember] }, "wait"],
    ["when its pod lives and its workload is gone", { rows: [rowOf(a)], pods: [a], members: [goneMember] }, "wait"],
    ["when its pod is lost and its workload is gone", { rows: [rowOf(a)], pods: [lost()], members: [goneMember] }, "wait"],
    ["when its pod lives and its workload cannot be read", { rows: [rowOf(a)], pods: [a], members: [unreadMember] }, "wait"],
    ["when its pod lives and its workload was never read", { rows: [rowOf(a)], pods: [a], members: [unreadFirst] }, "wait"],
    [
      "not when its pod is of a workload that stays and another one cannot be read",
      { rows: [rowOf(a)], pods: [a], members: [known, unreadFirst] },
      "Clean",
    ],
    ["not when there is none, although the workload cannot be read", { members: [unreadMember] }, "Clean"],
    [
      "when it would be blocked only because the workload cannot be read",
      { rows: ["a", "b", "c"].map((name, index) => rowOf(pod({ name }), { serverID: index })), members: [unreadMember] },
      "wait",
    ],
    ["not when its pod lives and has lost its labels", { rows: [rowOf(a)], pods: [pod({ labels: {} })] }, "Clean"],
    ["not when it is foreign", { rows: [foreignRow({ name: "shop-a" })], pods: [ended()] }, "Clean"],
    ["not when it is another cluster's", { rows: [rowOf(a, { by: otherCluster })] }, "Clean"],
    [
      "not when it is blocked",
      {
        rows: ["a", "b", "c"].map((name, index) => rowOf(pod({ name }), { serverID: index })),
        members: [member({ workload: deployment({ replicas: 9 }) })],
      },
      "Clean",
    ],
    ["when the rows cannot be read", { table: unavailable() }, "wait"],
    ["when the pods have not all been seen", { rows: [rowOf(a)], pods: [a], synced: false }, "wait"],
  ])("%s", (_what, scene, expected) => expect(told(release(scene))).toBe(expected));
});

describe("with RemoveAll a row is waited for", () => {
  const all = { spec: { deletionPolicy: "RemoveAll" } } as const;
  test.each<[string, Scene, "wait" | "Clean"]>([
    ["when its pod lives", { rows: [rowOf(a)], pods: [a] }, "wait"],
    ["not when it is another cluster's", { rows: [rowOf(a, { by: otherCluster })], pods: [a] }, "Clean"],
    ["not when it is foreign", { rows: [foreignRow()], pods: [a] }, "Clean"],
  ])("%s", (_what, scene, expected) => expect(told(release(scene, {}, all))).toBe(expected));
});

describe("a clean WebFarm is released", () => {
  test("after 10 s, and not a millisecond before", () => {
    expect(release({}, { seenMs: 9_999, deletedMs: 60_000 })).toEqual({ kind: "wait", lookAgainMs: 1 });
    expect(told(release({}, { seenMs: 10_000, deletedMs: 60_000 }))).toBe("Clean");
  });
  test("only after a read of the rows with no statement open", () => expect(told(release({}, { readIsFresh: false }))).toBe("wait"));
});

describe("at the end of its time a WebFarm is released with the rows that are left", () => {
  const stale: Scene = { rows: [rowOf(a)], pods: [ended()] };
  test("after 120 s, and not a millisecond before", () => {
    expect(release(stale, { seenMs: 119_999 })).toEqual({ kind: "wait", lookAgainMs: 1 });
    expect(release(stale, { seenMs: 120_000 })).toEqual({ kind: "release", reason: "TimedOut", left: [rowOf(a)] });
  });
  test("counted from the deletionTimestamp, but never before this process has tried for 10 s", () => {
    expect(told(release(stale, { seenMs: 9_999, deletedMs: 500_000 }))).toBe("wait");
    expect(told(release(stale, { seenMs: 10_000, deletedMs: 120_000 }))).toBe("TimedOut");
  });
  test("whatever the clock of the API server says", () =>
    expect(told(release(stale, { seenMs: 120_000, deletedMs: -1e9 }))).toBe("TimedOut"));
  test.each<[string, Scene]>([
    ["that a member selects", { pods: [terminating({ graceSeconds: 600 })], members: [going] }],
    ["whose workload is gone and that nobody selects any more", { pods: [terminating({ graceSeconds: 600 })], members: [goneMember] }],
  ])("after the longest grace + 30 s of a remaining pod %s", (_what, scene) => {
    const full = { rows: [rowOf(a)], ...scene };
    expect(told(release(full, { seenMs: 629_999 }))).toBe("wait");
    expect(told(release(full, { seenMs: 630_000 }))).toBe("TimedOut");
  });
  test("not longer for the grace of a pod that has ended", () =>
    expect(told(release({ rows: [rowOf(a)], pods: [ended({ graceSeconds: 600 })] }, { seenMs: 120_000 }))).toBe("TimedOut"));
  test("although the rows cannot be read", () =>
    expect(release({ table: unavailable() }, { seenMs: 120_000 })).toEqual({ kind: "release", reason: "TimedOut", left: [] }));
  test("although the settings forbid writing", () =>
    expect(told(release({ ...stale, table: table([rowOf(a)], { settings: settings("1") }) }, { seenMs: 120_000 }))).toBe("TimedOut"));
  test("named, each once, also where a workload cannot be read and says nothing of them", () => {
    const rows = ["a", "b", "c"].map((name, index) => rowOf(pod({ name }), { serverID: index }));
    expect(release({ rows, members: [unreadMember] }, { seenMs: 120_000 })).toEqual({ kind: "release", reason: "TimedOut", left: rows });
  });
  test("looking again every 5 s until then", () =>
    expect(release(stale, { seenMs: 20_000 })).toEqual({ kind: "wait", lookAgainMs: 5_000 }));
});
