// The behaviour table of the design, row by row, as observation → plan.

import { describe, expect, test } from "@jest/globals";
import { markFor } from "../../operator/farm/mark.ts";
import { rowKey } from "../../operator/farm/memory.ts";
import type { FarmMemory } from "../../operator/farm/memory.ts";
import { farmKey } from "../../operator/farm/model.ts";
import type { Milliseconds } from "../../operator/farm/model.ts";
import { planFarm } from "../../operator/farm/plan.ts";
import {
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
import { plan, actions, states, pings, expectAll, a, b } from "./planning.ts";
import type { Case } from "./planning.ts";

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
      "is kept while the pod, taken back with its store to before it was bound, is deleted",
      { scene: { pods: [unbound({ deletionAtMs: 1 })], rows: [rowOf(a)] }, shows: ["shop-a Draining PodTerminating"] },
    ],
    [
      "is kept while such a pod is deleted and the garbage collector says that it failed",
      { scene: { pods: [unbound({ deletionAtMs: 1, phase: "Failed" })], rows: [rowOf(a)] }, shows: ["shop-a Draining PodTerminating"] },
    ],
    [
      "is removed when the kubelet says of such a pod that it ended",
      { scene: { pods: [unbound({ phase: "Failed" })], rows: [rowOf(a)] }, does: ["remove 1 ended"] },
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

describe("a foreign row", () => {
  test.each<[string, Case]>([
    ["of no pod's name is counted and nothing else", { scene: { rows: [foreignRow()] }, shows: [] }],
    [
      "of a living pod's name is a conflict",
      { scene: { pods: [a], rows: [foreignRow({ name: "shop-a" })] }, shows: ["shop-a Conflict ForeignRow"] },
    ],
    [
      "is a conflict whatever the blanks at its end",
      { scene: { pods: [a], rows: [foreignRow({ name: "shop-a  " })] }, shows: ["shop-a Conflict ForeignRow"] },
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
    desired: { claimed: [], holders: new Map(), taken: [], undecided: [] },
    inserts: [],
    marks: [],
    removals: [],
    unconfirmed: [],
    servers: [],
    foreign: 0,
    blocked: [],
    unexplained: [],
    refused: [],
    lateQuota: 0,
    gone: [],
  });
});

test("a pod whose end was seen after the list of pods was taken is not given its own row again", () => {
  const view = { ...podView([a]), seen: podView([], [{ pod: a, ended: true }]).seen };
  expect(actions(planFarm({ ...observation({ rows: [rowOf(a)] }), pods: view }, memory()))).toEqual([]);
});
