// Rows whose pod is missing: how long they wait, and when the whole view is not believed (promises 3 and 5).

import { describe, expect, test } from "@jest/globals";
import { rowKey } from "../../operator/farm/memory.ts";
import type { FarmMemory } from "../../operator/farm/memory.ts";
import type { Milliseconds, WorkloadRead } from "../../operator/farm/model.ts";
import {
  deployment,
  farm,
  foreignRow,
  lost,
  member,
  memory,
  nowMs,
  otherCluster,
  pod,
  rowOf,
  table,
  terminating,
  unbound,
  uid,
} from "./build.ts";
import type { Scene } from "./build.ts";
import { plan, actions, states, foundGone, pings, expectAll, a, b } from "./planning.ts";

describe("a row whose pod is missing", () => {
  const row = rowOf(a);
  test("waits for a live read before its wait begins", () =>
    expectAll({ scene: { rows: [row] }, does: ["confirm 1"], shows: ["shop-a Stale PodMissing"] }));

  // presence, what the pod was like, pings of the table, others in the farm → the wait in ms
  test.each<[string, Scene, Milliseconds]>([
    ["its grace + 10 s after an event", { gone: [{ pod: pod({ graceSeconds: 45 }), presence: "deleted" }] }, 55_000],
    ["its own short grace + 10 s after an event", { gone: [{ pod: pod({ graceSeconds: 5 }), presence: "deleted" }] }, 15_000],
    ["nodeLostSeconds when its node was lost", { gone: [{ pod: lost(), presence: "deleted" }] }, 300_000],
    [
      "nodeLostSeconds when the taint manager deleted it",
      { gone: [{ pod: lost({ disruption: "DeletionByTaintManager" }), presence: "deleted" }] },
      300_000,
    ],
    [
      "its grace + 10 s when its kubelet disrupted it",
      { gone: [{ pod: pod({ disruption: "TerminationByKubelet" }), presence: "deleted" }] },
      40_000,
    ],
    ["nodeLostSeconds when its last state was missed", { gone: [{ pod: a, presence: "listedGone" }] }, 300_000],
    [
      "nodeLostSeconds when it was taken back with its store to before it was bound, and went",
      { gone: [{ pod: unbound(), presence: "deleted", ended: true }] },
      300_000,
    ],
    [
      "nodeLostSeconds when its end belongs to a time that the store has lost",
      { gone: [{ pod: pod({ phase: "Succeeded", running: false }), presence: "listedGone", ended: false }] },
      300_000,
    ],
    ["nodeLostSeconds when it was never seen", {}, 300_000],
    [
      "its grace + 10 s when its last state was missed and the table has pings",
      { gone: [{ pod: a, presence: "listedGone" }], table: table([row], { pings }) },
      40_000,
    ],
    ["30 + 10 s when it was never seen and the table has pings", { table: table([row], { pings }) }, 40_000],
    [
      "the farm's largest grace + 10 s when never seen, with pings",
      { pods: [pod({ name: "shop-b", graceSeconds: 90 })], table: table([row, rowOf(b, { serverID: 2 })], { pings }) },
      100_000,
    ],
    [
      "30 + 10 s when the farm's largest grace is smaller",
      { pods: [pod({ name: "shop-b", graceSeconds: 5 })], table: table([row, rowOf(b, { serverID: 2 })], { pings }) },
      40_000,
    ],
    ["a nodeLostSeconds of the farm's own", { farm: farm({ spec: { removal: { nodeLostSeconds: 77 } } }) }, 77_000],
    ["as if without pings where they cannot be read", { table: table([row], { facts: { hasPings: true } }) }, 300_000],
  ])("waits %s, and not a millisecond less", (_what, scene, waitMs) => {
    const full = { rows: [row], ...scene };
    const before = plan(full, foundGone(row, waitMs - 1));
    expect(actions(before)).toEqual([]);
    expect(before.lookAgainMs).toBe(1);
    expect(states(before)).toContain("shop-a Stale ProcessMayLive");
    expect(actions(plan(full, foundGone(row, waitMs)))).toEqual(["remove 1 missing"]);
  });

  test("of which a pod of the name lives is kept, whatever its UID and whoever selects it", () => {
    const namesake = pod({ uid: uid("another"), labels: {} });
    expectAll({ scene: { pods: [namesake], rows: [row] }, remembered: foundGone(row, 1e9), shows: ["shop-a Stale NameInUse"] });
  });

  test("is kept while a pod that nobody selects yields its name by a member's template", () => {
    const numbered = pod({ name: "shop-0", uid: uid("another"), labels: {} });
    const site = rowOf(a, { name: "site-0" });
    expectAll({
      scene: { pods: [numbered], rows: [site], members: [member({ serverName: "site-$(POD_ORDINAL)" })] },
      remembered: foundGone(site, 1e9),
      shows: ["site-0 Stale NameInUse"],
    });
  });

  test("is kept while a pod of its name waits for a node", () =>
    expectAll({ scene: { pods: [unbound({ uid: uid("another") })], rows: [row] }, remembered: foundGone(row, 1e9) }));
});

describe("when the view looks wrong", () => {
  const names = ["shop-1", "shop-2", "shop-3", "shop-4", "shop-5", "shop-6"];
  const pods = names.map((name) => pod({ name }));
  const rows = pods.map((one, index) => rowOf(one, { serverID: index + 1 }));
  const allGone = (extra: Partial<FarmMemory> = {}): FarmMemory =>
    memory({ missingSince: new Map(rows.map((row) => [rowKey(row), { sinceMs: 0 }])), ...extra });
  const scene = (alive: number, count: number, replicas: number): Scene => ({
    pods: pods.slice(0, alive),
    rows: rows.slice(0, count),
    members: [member({ workload: deployment({ replicas }) })],
  });
  const { replicas: _count, ...workloadWithoutCount } = deployment() as Extract<WorkloadRead, { kind: "found" }>;
  const removed = (...serverIDs: readonly number[]): FarmMemory["removedAsMissing"] => new Map(serverIDs.map((id) => [id, nowMs]));
  const blocked = (one: Scene, remembered = allGone()): number => plan(one, remembered).blocked.length;

  test("the missing stay and are blocked, with their waits over", () =>
    expectAll({
      scene: scene(0, 3, 3),
      remembered: allGone(),
      shows: ["shop-1 Blocked UnexplainedAbsence", "shop-2 Blocked UnexplainedAbsence", "shop-3 Blocked UnexplainedAbsence"],
    }));
  test("their waits need not be over", () => expect(blocked(scene(0, 3, 3), memory())).toBe(3));
  test("two missing rows are no mistake", () =>
    expect(actions(plan(scene(0, 2, 2), allGone()))).toEqual(["remove 1 missing", "remove 2 missing"]));
  test("exactly half of the rows missing is no mistake", () => expect(blocked(scene(3, 6, 100))).toBe(0));
  test("one more than half is", () => expect(blocked(scene(2, 6, 100))).toBe(4));
  test("it is not while half of the wanted pods are to be seen", () => expect(blocked(scene(2, 6, 4))).toBe(0));
  test("it is while fewer are", () => expect(blocked(scene(2, 6, 5))).toBe(4));
  test("a workload that wants no pods explains it", () => expect(blocked(scene(0, 3, 0))).toBe(0));
  test("a workload that was deleted explains it", () =>
    expect(blocked({ ...scene(0, 3, 3), members: [member({ workload: { kind: "absent" }, selector: undefined })] })).toBe(0));
  test("a workload that cannot be read does not", () =>
    expect(blocked({ ...scene(0, 3, 3), members: [member({ workload: { kind: "unknown", reason: "Forbidden", message: "" } })] })).toBe(3));
  test("a workload that does not say how many pods it wants does not", () =>
    expect(blocked({ ...scene(0, 3, 3), members: [member({ workload: workloadWithoutCount })] })).toBe(3));
  test("pods that wait for a node are to be seen", () =>
    expect(blocked({ ...scene(0, 3, 4), pods: [unbound({ name: "shop-8" }), unbound({ name: "shop-9" })] })).toBe(0));
  test("pods that terminate are not alive", () =>
    expect(blocked({ ...scene(0, 3, 4), pods: [terminating({ name: "shop-8" }), terminating({ name: "shop-9" })] })).toBe(3));
  test("rows removed as missing in the last 10 minutes count as missing", () => {
    expect(blocked(scene(0, 1, 3), allGone({ removedAsMissing: removed(101, 102) }))).toBe(1);
    expect(blocked(scene(0, 1, 3), allGone({ removedAsMissing: removed(101) }))).toBe(0);
  });
  test("rows whose removal was asked for and that are there count once", () => {
    expect(blocked(scene(0, 2, 3), allGone({ removedAsMissing: removed(1, 2) }))).toBe(0);
    expect(blocked(scene(0, 2, 3), allGone({ removedAsMissing: removed(1, 101) }))).toBe(2);
  });
  test("what a process before this one may have removed counts too, for the first 10 minutes and not a millisecond longer", () => {
    const begun = (agoMs: Milliseconds, tooFewAtStart = 2): FarmMemory => allGone({ sinceMs: nowMs - agoMs, tooFewAtStart });
    expect(blocked(scene(0, 2, 4), begun(599_999))).toBe(2);
    expect(blocked(scene(0, 2, 4), begun(600_000))).toBe(0);
    expect(blocked(scene(0, 2, 4), begun(0, 0))).toBe(0);
  });
  test("before the workload could be read in those minutes, more missing rows than others are too many, however few", () => {
    const unread = [member({ workload: { kind: "unknown", reason: "ApiError", message: "" } })];
    const begun = (agoMs: Milliseconds): FarmMemory => allGone({ sinceMs: nowMs - agoMs });
    expect(blocked({ ...scene(0, 2, 0), members: unread }, begun(0))).toBe(2);
    expect(blocked({ ...scene(1, 2, 0), members: unread }, begun(0))).toBe(0);
    expect(blocked({ ...scene(0, 2, 0), members: unread }, begun(600_000))).toBe(0);
  });
  test("what this process removed is a part of what may have been removed, and counts once", () =>
    expect(blocked(scene(0, 1, 3), allGone({ sinceMs: nowMs, tooFewAtStart: 2, removedAsMissing: removed(101) }))).toBe(1));
  test("a farm that grows, or has no rows yet, hands over and removes as ever while its pods are to be seen", () => {
    expect(blocked(scene(2, 3, 4), allGone({ sinceMs: nowMs, tooFewAtStart: 1 }))).toBe(0);
    expect(plan({ ...scene(0, 0, 9), pods }, allGone({ sinceMs: nowMs, tooFewAtStart: 9 })).inserts).toHaveLength(6);
  });
  test("rows removed as missing count as rows of the farm too: exactly half of all is no mistake, one more is", () => {
    const removedOne = allGone({ removedAsMissing: removed(101) });
    expect(blocked(scene(3, 5, 100), removedOne)).toBe(0); // 2 and 1 of 6
    expect(blocked(scene(2, 5, 100), removedOne)).toBe(3); // 3 and 1 of 6
  });
  test("what all members want counts together", () => {
    const wanting = (...replicas: readonly number[]): Scene => ({
      ...scene(2, 6, 0),
      members: replicas.map((count, index) =>
        member({
          name: `m${index}`,
          workload: deployment({ replicas: count }),
          ...(index > 0 && { selector: { matchLabels: { app: "x" } } }),
        }),
      ),
    });
    expect(blocked(wanting(2, 2))).toBe(0);
    expect(blocked(wanting(2, 3))).toBe(4);
  });
  test("rows of another cluster and foreign ones count neither as missing nor as the farm's", () => {
    const others = rows.map((row, index) => ({
      ...rowOf(pods[index] ?? a, { by: otherCluster, name: `x-${index}` }),
      serverID: 50 + index,
    }));
    const foreign = rows.map((_row, index) => foreignRow({ serverID: 90 + index }));
    const unexplained = (count: number): number => {
      const { servers } = plan({ ...scene(0, count, 100), rows: [...rows.slice(0, count), ...others, ...foreign] }, allGone());
      return servers.filter(({ reason }) => reason === "UnexplainedAbsence").length;
    };
    expect(unexplained(2)).toBe(0);
    expect(unexplained(3)).toBe(3);
  });
  test("rows of ended pods go all the same", () => {
    const withEnded = { ...scene(0, 5, 10), gone: [{ pod: pods[0] ?? a, ended: true }] };
    expect(actions(plan(withEnded, allGone()))).toEqual(["remove 1 ended"]);
  });
  test("rows of missing pods are handed to their successors all the same", () => {
    const withNext = { ...scene(0, 3, 10), pods: [pod({ name: "shop-1", uid: uid("next") })] };
    expect(actions(plan(withNext, allGone()))).toEqual(["handOver 1 to next"]);
  });
});
