// The behaviour table of the design, row by row, as observation → plan.

import { describe, expect, test } from "@jest/globals";
import { rowKey } from "../../operator/farm/memory.ts";
import type { FarmMemory } from "../../operator/farm/memory.ts";
import { farmKey } from "../../operator/farm/model.ts";
import type { Milliseconds, ServerRow } from "../../operator/farm/model.ts";
import { planFarm } from "../../operator/farm/plan.ts";
import type { Plan } from "../../operator/farm/plan.ts";
import {
  deployment,
  ended,
  farm,
  foreignRow,
  identity,
  lost,
  member,
  memory,
  nowMs,
  observation,
  otherCluster,
  otherOwner,
  pod,
  podView,
  rowOf,
  table,
  terminating,
  unavailable,
  unbound,
  uid,
} from "./build.ts";
import type { Scene } from "./build.ts";
import { markFor } from "../../operator/farm/mark.ts";

const plan = (scene: Scene, remembered: FarmMemory = memory()): Plan => planFarm(observation(scene), remembered);

/** What a plan does, in words. */
const actions = ({ inserts, marks, removals, unconfirmed }: Plan): readonly string[] => [
  ...inserts.map(({ name, claim }) => `insert ${name} for ${claim.pod.uid}`),
  ...marks.map(({ kind, row, claim }) => `${kind} ${row.serverID} to ${claim.pod.uid}`),
  ...removals.map(({ row, evidence }) => `remove ${row.serverID} ${evidence}`),
  ...unconfirmed.map(({ serverID }) => `confirm ${serverID}`),
];
const states = ({ servers }: Plan): readonly string[] => servers.map(({ name, state, reason }) => `${name} ${state} ${reason}`);

const foundGone = (row: ServerRow, agoMs: Milliseconds): FarmMemory =>
  memory({ missingSince: new Map([[rowKey(row), { sinceMs: nowMs - agoMs }]]) });
const pings = new Map([[1, "ping-1"]]);

interface Case {
  readonly scene: Scene;
  readonly remembered?: FarmMemory;
  readonly does?: readonly string[];
  readonly shows?: readonly string[];
}

const expectAll = ({ scene, remembered, does = [], shows }: Case): void => {
  const result = plan(scene, remembered);
  expect(actions(result)).toEqual(does);
  if (shows !== undefined) expect(states(result)).toEqual(shows);
};

const a = pod({ name: "shop-a" });
const b = pod({ name: "shop-b" });

describe("without a row, a pod", () => {
  test.each<[string, Case]>([
    [
      "that is alive and bound is inserted",
      { scene: { pods: [a] }, does: ["insert shop-a for uid-of-shop-a"], shows: ["shop-a Pending AwaitingRow"] },
    ],
    ["that has no node yet waits for one", { scene: { pods: [unbound()] }, shows: [] }],
    ["that is terminating gets none", { scene: { pods: [terminating()] }, shows: [] }],
    ["that has ended gets none", { scene: { pods: [ended()] }, shows: [] }],
    ["whose node was lost gets none", { scene: { pods: [lost()] }, shows: [] }],
    ["that no member selects is nobody's", { scene: { pods: [pod({ labels: { app: "blog" } })] }, shows: [] }],
    [
      "is the first member's that selects it",
      {
        scene: { pods: [a], members: [member({ name: "one", serverName: "one" }), member({ name: "two", serverName: "two" })] },
        does: ["insert one for uid-of-shop-a"],
      },
    ],
    [
      "with an invalid name is a conflict",
      { scene: { pods: [a], members: [member({ serverName: "$(POD_ORDINAL)" })] }, shows: ["shop-a Conflict InvalidName"] },
    ],
    [
      "of a workload that is not found gets none",
      { scene: { pods: [a], members: [member({ workload: { kind: "absent" } })] }, shows: ["shop-a Pending WorkloadUnresolved"] },
    ],
    [
      "of a workload that cannot be read gets none",
      {
        scene: { pods: [a], members: [member({ workload: { kind: "unknown", reason: "Forbidden", message: "403" } })] },
        shows: ["shop-a Pending WorkloadUnresolved"],
      },
    ],
    [
      "of a member that can be read gets its row although another member cannot",
      {
        scene: { pods: [a], members: [member(), member({ name: "admin", workload: { kind: "absent" }, selector: undefined })] },
        does: ["insert shop-a for uid-of-shop-a"],
      },
    ],
    [
      "of a member with a selector needs no workload",
      { scene: { pods: [a], members: [member({ workload: { kind: "selected" } })] }, does: ["insert shop-a for uid-of-shop-a"] },
    ],
    [
      "waits while the database cannot be read",
      { scene: { pods: [a], table: unavailable() }, shows: ["shop-a Pending DatabaseUnavailable"] },
    ],
    ["waits while the pods have not all been seen", { scene: { pods: [a], synced: false } }],
    [
      "that an older WebFarm selects is left to it",
      { scene: { pods: [a], takenByOlder: new Map([[a.uid, farmKey("prod", "older")]]) }, shows: ["shop-a Conflict OtherWebFarm"] },
    ],
  ])("%s", (_what, one) => expectAll(one));

  test("gets the mark of its own name and UID", () => {
    expect(plan({ pods: [a] }).inserts.map(({ guid }) => guid)).toEqual([markFor(identity, "shop-a", a.uid)]);
  });
});

describe("the pod's own row", () => {
  test.each<[string, Case]>([
    ["is kept while the pod lives", { scene: { pods: [a], rows: [rowOf(a)] }, shows: ["shop-a Registered Registered"] }],
    [
      "is kept while the pod has no selected labels any more",
      { scene: { pods: [pod({ labels: {} })], rows: [rowOf(a)] }, shows: ["shop-a Registered Registered"] },
    ],
    [
      "is kept though an older WebFarm selects the pod now",
      { scene: { pods: [a], rows: [rowOf(a)], takenByOlder: new Map([[a.uid, farmKey("prod", "older")]]) } },
    ],
    [
      "is kept though a person switched it off",
      { scene: { pods: [a], rows: [rowOf(a, { enabled: false })] }, shows: ["shop-a Disabled DisabledByPerson"] },
    ],
    [
      "is kept under another case of its name",
      { scene: { pods: [a], rows: [rowOf(a, { name: "SHOP-A" })] }, shows: ["SHOP-A Registered Registered"] },
    ],
    [
      "is kept under the name of a template of before",
      { scene: { pods: [a], rows: [rowOf(a, { name: "old-name" })] }, shows: ["old-name Registered Registered"] },
    ],
    ["is kept while its container crashes and restarts", { scene: { pods: [pod({ running: false })], rows: [rowOf(a)] } }],
    ["is kept while the pod terminates", { scene: { pods: [terminating()], rows: [rowOf(a)] }, shows: ["shop-a Draining PodTerminating"] }],
    [
      "is kept while the pod is lost with its node",
      { scene: { pods: [lost()], rows: [rowOf(a)] }, shows: ["shop-a Draining PodTerminating"] },
    ],
    [
      "is removed when the pod has ended",
      { scene: { pods: [ended()], rows: [rowOf(a)] }, does: ["remove 1 ended"], shows: ["shop-a Stale PodEnded"] },
    ],
    [
      "is removed when the pod was seen to end and is gone",
      { scene: { gone: [{ pod: a, ended: true }], rows: [rowOf(a)] }, does: ["remove 1 ended"] },
    ],
    [
      "is removed when the pod was never bound and is deleted",
      { scene: { pods: [unbound({ deletionAtMs: 1 })], rows: [rowOf(a)] }, does: ["remove 1 ended"] },
    ],
    [
      "is removed although its member cannot be resolved",
      {
        scene: { pods: [ended()], rows: [rowOf(a)], members: [member({ workload: { kind: "absent" }, selector: undefined })] },
        does: ["remove 1 ended"],
      },
    ],
    ["is not removed while the pods have not all been seen", { scene: { pods: [ended()], rows: [rowOf(a)], synced: false } }],
    ["does not begin to wait while the pods have not all been seen", { scene: { rows: [rowOf(a)], synced: false } }],
  ])("%s", (_what, one) => expectAll(one));

  test("of a lost pod says which node to taint", () => {
    const [server] = plan({ pods: [lost({ node: "node-7" })], rows: [rowOf(a)] }).servers;
    expect(server?.message).toMatch(/node-7.*node\.kubernetes\.io\/out-of-service/);
  });
});

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

describe("a row of a predecessor of the name", () => {
  const successor = pod({ uid: uid("next") });
  test.each<[string, Case]>([
    [
      "that has ended is given to the next pod",
      {
        scene: { pods: [successor], gone: [{ pod: a, ended: true }], rows: [rowOf(a)] },
        does: ["handOver 1 to next"],
        shows: ["shop-a Pending ReplacesPredecessor"],
      },
    ],
    ["that is missing is given to the next pod at once", { scene: { pods: [successor], rows: [rowOf(a)] }, does: ["handOver 1 to next"] }],
    [
      "is given whatever the case of its name",
      { scene: { pods: [successor], rows: [rowOf(a, { name: "Shop-A" })] }, does: ["handOver 1 to next"] },
    ],
    [
      "is not given to a pod without a node",
      {
        scene: { pods: [unbound({ uid: uid("next") })], gone: [{ pod: a, ended: true }], rows: [rowOf(a)] },
        shows: ["shop-a Stale NameInUse"],
      },
    ],
    [
      "is not given to a pod that terminates",
      { scene: { pods: [terminating({ uid: uid("next") })], gone: [{ pod: a, ended: true }], rows: [rowOf(a)] } },
    ],
    ["is not given while the pods have not all been seen", { scene: { pods: [successor], rows: [rowOf(a)], synced: false } }],
  ])("%s", (_what, one) => expectAll(one));

  test("gets a mark under the row's own name, as the database has it", () => {
    const row = rowOf(a, { name: "Shop-A" });
    expect(plan({ pods: [successor], rows: [row] }).marks.map(({ newGuid }) => newGuid)).toEqual([
      markFor(identity, "shop-a", successor.uid),
    ]);
  });
});

describe("two pods that yield one name", () => {
  const members = [member({ serverName: "site" })];
  const older = pod({ name: "shop-a", createdAtMs: 1 });
  const younger = pod({ name: "shop-b", createdAtMs: 2 });
  test.each<[string, Case]>([
    [
      "the older has it without a row, in whatever order they are seen",
      {
        scene: { members, pods: [younger, older] },
        does: ["insert site for uid-of-shop-a"],
        shows: ["site Conflict NameOfAnotherPod", "site Pending AwaitingRow"],
      },
    ],
    [
      "the smaller UID has it when they are of one age",
      {
        scene: { members, pods: [pod({ name: "x", uid: uid("2"), createdAtMs: 1 }), pod({ name: "y", uid: uid("1"), createdAtMs: 1 })] },
        does: ["insert site for 1"],
      },
    ],
    [
      "the one whose mark the row carries has it",
      {
        scene: { members, pods: [older, younger], rows: [rowOf(younger, { name: "site" })] },
        shows: ["site Registered Registered", "site Conflict NameOfAnotherPod"],
      },
    ],
    [
      "it keeps it while it terminates",
      {
        scene: { members, pods: [older, terminating({ name: "shop-b" })], rows: [rowOf(younger, { name: "site" })] },
        shows: ["site Draining PodTerminating", "site Conflict NameOfAnotherPod"],
      },
    ],
    [
      "the other gets the row when it has ended",
      {
        scene: { members, pods: [older, ended({ name: "shop-b" })], rows: [rowOf(younger, { name: "site" })] },
        does: ["handOver 1 to uid-of-shop-a"],
      },
    ],
    [
      "one that lost its labels keeps the name too",
      {
        scene: { members, pods: [older, pod({ name: "shop-b", labels: {} })], rows: [rowOf(younger, { name: "site" })] },
        shows: ["site Registered Registered", "site Conflict NameOfAnotherPod"],
      },
    ],
    [
      "names that differ in case are one",
      {
        scene: {
          members: [member({ name: "one", serverName: "SITE", selector: { matchLabels: { tier: "1" } } }), member({ serverName: "site" })],
          pods: [older, pod({ name: "shop-b", labels: { tier: "1" } })],
        },
        does: ["insert site for uid-of-shop-a"],
      },
    ],
  ])("%s", (_what, one) => expectAll(one));
});

describe("several of our rows of one name", () => {
  const successor = pod({ uid: uid("next") });
  const first = rowOf(a, { serverID: 3 });
  const second = rowOf(a, { serverID: 7, name: "SHOP-A", guid: markFor(identity, "shop-a", uid("elder")) });
  test("only the smallest ServerID is given to the next pod", () =>
    expectAll({
      scene: { pods: [successor], rows: [second, first] },
      does: ["handOver 3 to next"],
      shows: ["shop-a Pending ReplacesPredecessor", "SHOP-A Stale NameInUse"],
    }));
  test("none is given to a pod that has one of them", () =>
    expectAll({ scene: { pods: [a], rows: [second, first] }, shows: ["shop-a Registered Registered", "SHOP-A Stale NameInUse"] }));
  test("the pod's own counts though it has the larger ServerID", () =>
    expectAll({ scene: { pods: [a], rows: [rowOf(a, { serverID: 9 }), { ...second, serverID: 2 }] } }));
  test("none makes a second row for the pod", () => expectAll({ scene: { pods: [a], rows: [first, { ...first, serverID: 8 }] } }));
  test("one plan is made of them in whatever order they were read", () => {
    expect(plan({ pods: [successor], rows: [second, first, foreignRow()] })).toEqual(
      plan({ pods: [successor], rows: [foreignRow(), first, second] }),
    );
  });
});

describe("a foreign row", () => {
  test.each<[string, Case]>([
    ["of no pod's name is counted and nothing else", { scene: { rows: [foreignRow()] }, shows: [] }],
    [
      "of a living pod's name is a conflict",
      { scene: { pods: [a], rows: [foreignRow({ name: "shop-a" })] }, shows: ["shop-a Conflict ForeignRow"] },
    ],
    [
      "is a conflict whatever the case and the blanks at its end",
      { scene: { pods: [a], rows: [foreignRow({ name: "SHOP-A  " })] }, shows: ["shop-a Conflict ForeignRow"] },
    ],
    [
      "of another WebFarm's owner is a conflict",
      { scene: { pods: [a], rows: [rowOf(a, { by: otherOwner })] }, shows: ["shop-a Conflict ForeignRow"] },
    ],
    [
      "without a GUID is a conflict",
      { scene: { pods: [a], rows: [foreignRow({ name: "shop-a", guid: null })] }, shows: ["shop-a Conflict ForeignRow"] },
    ],
    ["of an ended pod's name is left alone", { scene: { pods: [ended()], rows: [foreignRow({ name: "shop-a" })] }, shows: [] }],
    [
      "of another owner is left alone when its pod has ended",
      { scene: { pods: [ended()], rows: [rowOf(a, { by: otherOwner })] }, shows: [] },
    ],
  ])("%s", (_what, one) => {
    expectAll(one);
    expect(plan(one.scene).foreign).toBe(1);
  });
});

describe("a row of another cluster", () => {
  const theirs = rowOf(a, { by: otherCluster });
  const silent = (forMs: Milliseconds): FarmMemory =>
    memory({ silentSince: new Map([[rowKey(theirs), { sinceMs: nowMs - forMs, ping: "ping-1" }]]) });
  test("without a pod of the name goes only by approval", () => {
    const result = plan({ rows: [theirs] });
    expect(actions(result)).toEqual([]);
    expect(states(result)).toEqual(["shop-a Blocked OtherCluster"]);
    expect(result.blocked).toEqual([theirs]);
  });
  test("is a conflict with a living pod of the name", () =>
    expectAll({ scene: { pods: [a], rows: [theirs] }, remembered: silent(1e9), shows: ["shop-a Conflict OtherCluster"] }));
  test("is not blocked as well when it is a conflict", () => expect(plan({ pods: [a], rows: [theirs] }).blocked).toEqual([]));
  test("is taken over when its server has been silent for nodeLostSeconds, and not a millisecond before", () => {
    const scene = { pods: [a], table: table([theirs], { pings }) };
    const before = plan(scene, silent(299_999));
    expect(actions(before)).toEqual([]);
    expect(before.lookAgainMs).toBe(1);
    expect(actions(plan(scene, silent(300_000)))).toEqual(["takeOver 1 to uid-of-shop-a"]);
  });
  test("is not taken over before its silence is watched", () =>
    expectAll({ scene: { pods: [a], table: table([theirs], { pings }) }, shows: ["shop-a Conflict OtherCluster"] }));
  test("is not taken over for a pod that has a row", () =>
    expectAll({
      scene: { pods: [a], table: table([theirs, rowOf(a, { serverID: 2, name: "old-name" })], { pings }) },
      remembered: silent(1e9),
    }));
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
  test("pods that wait for a node are to be seen", () =>
    expect(blocked({ ...scene(0, 3, 4), pods: [unbound({ name: "shop-8" }), unbound({ name: "shop-9" })] })).toBe(0));
  test("pods that terminate are not alive", () =>
    expect(blocked({ ...scene(0, 3, 4), pods: [terminating({ name: "shop-8" }), terminating({ name: "shop-9" })] })).toBe(3));
  test("rows removed as missing in the last 10 minutes count as missing", () => {
    expect(blocked(scene(0, 1, 3), allGone({ removedAsMissing: [nowMs, nowMs] }))).toBe(1);
    expect(blocked(scene(0, 1, 3), allGone({ removedAsMissing: [nowMs] }))).toBe(0);
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
  test("is a conflict when the database takes the name for another row's", () =>
    expect(states(plan({ pods: [a] }, refused("EqualName")))).toEqual(["shop-a Conflict EqualName"]));
});

describe("a WebFarm that is being deleted with RemoveAll", () => {
  const leaving = farm({ deletionAtMs: 1, spec: { deletionPolicy: "RemoveAll" } });
  test("removes the rows of living and terminating pods too, and neither foreign nor other clusters' rows", () => {
    const rows = [rowOf(a), rowOf(b, { serverID: 2 }), foreignRow(), rowOf(pod({ name: "shop-c" }), { serverID: 3, by: otherCluster })];
    expectAll({
      scene: { farm: leaving, pods: [a, terminating({ name: "shop-b" })], rows },
      does: ["remove 1 removeAll", "remove 2 removeAll"],
    });
  });
  test("removes no row of a living pod with RemoveStale", () =>
    expectAll({ scene: { farm: farm({ deletionAtMs: 1 }), pods: [a], rows: [rowOf(a)] } }));
});

test("a plan of nothing is empty and looks at nothing again", () => {
  expect(plan({})).toEqual({
    desired: { claimed: [], holders: new Map(), taken: [] },
    inserts: [],
    marks: [],
    removals: [],
    unconfirmed: [],
    servers: [],
    foreign: 0,
    blocked: [],
    refused: [],
    lateQuota: 0,
    gone: [],
  });
});

test("a pod whose end was seen after the list of pods was taken is not given its own row again", () => {
  const view = { ...podView([a]), seen: podView([], [{ pod: a, ended: true }]).seen };
  expect(actions(planFarm({ ...observation({ rows: [rowOf(a)] }), pods: view }, memory()))).toEqual([]);
});
