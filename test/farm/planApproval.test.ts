// Rows that need a person: those of former owners and of other clusters, and what becomes of them, and of a view that looks wrong, when
// one has approved (promise 5).

import { describe, expect, test } from "@jest/globals";
import { markFor } from "../../operator/farm/mark.ts";
import { rowKey } from "../../operator/farm/memory.ts";
import type { FarmMemory } from "../../operator/farm/memory.ts";
import { authorityOf, permitted } from "../../operator/farm/policy.ts";
import {
  deployment,
  ended,
  farm,
  formerOwner,
  identity,
  lost,
  member,
  memory,
  nowMs,
  nowWallMs,
  observation,
  otherCluster,
  pod,
  rowOf,
  table,
  terminating,
  uid,
  unbound,
} from "./build.ts";
import type { Scene } from "./build.ts";
import { a, actions, approving, b, expectAll, pings, plan, states } from "./planning.ts";
import type { Case } from "./planning.ts";

const idsOf = (rows: readonly { readonly serverID: number }[]): readonly number[] => rows.map(({ serverID }) => serverID);
const allowed = (scene: Scene): readonly string[] => {
  const result = plan(scene);
  return actions({ ...result, ...permitted(result, authorityOf(observation(scene))) });
};

describe("a former owner's row", () => {
  const row = rowOf(a, { by: formerOwner });
  const next = pod({ uid: uid("next") });

  test.each<[string, Case]>([
    [
      "is given to its own pod when that wants the name: the WebFarm has another owner now",
      { scene: { pods: [a], rows: [row] }, does: ["takeOver 1 to uid-of-shop-a"], shows: ["shop-a Pending FormerOwner"] },
    ],
    [
      "is given to the next pod of the name when its own is missing",
      { scene: { pods: [next], rows: [row] }, does: ["takeOver 1 to next"] },
    ],
    [
      "is given to the next pod of the name when its own has ended",
      { scene: { pods: [next], gone: [{ pod: a, ended: true }], rows: [row] }, does: ["takeOver 1 to next"] },
    ],
    [
      "is given to a pod of the name although another cluster wrote it",
      {
        scene: { pods: [next], rows: [rowOf(a, { by: { ...formerOwner, namespaceUid: otherCluster.namespaceUid } })] },
        does: ["takeOver 1 to next"],
      },
    ],
    [
      "is given although it is written in another case",
      { scene: { pods: [next], rows: [rowOf(a, { by: formerOwner, name: "SHOP-A" })] }, does: ["takeOver 1 to next"] },
    ],
    [
      "is kept while its pod lives under another name and another one wants it",
      {
        scene: {
          pods: [pod({ name: "old-pod" }), a],
          rows: [rowOf(pod({ name: "old-pod" }), { by: formerOwner, name: "shop-a" })],
        },
        shows: ["shop-a Conflict FormerOwner", "shop-a Conflict NameOfAnotherPod"],
      },
    ],
    [
      "is kept while its pod ends and another one wants the name",
      {
        scene: {
          pods: [terminating({ name: "old-pod" }), a],
          rows: [rowOf(pod({ name: "old-pod" }), { by: formerOwner, name: "shop-a" })],
        },
        shows: ["shop-a Draining PodTerminating", "shop-a Conflict NameOfAnotherPod"],
      },
    ],
    [
      "is a conflict while its pod lives and no member selects it: somebody else still has that owner",
      { scene: { pods: [pod({ labels: {} })], rows: [row] }, shows: ["shop-a Conflict FormerOwner"] },
    ],
    ["is kept while its pod terminates", { scene: { pods: [terminating()], rows: [row] }, shows: ["shop-a Draining PodTerminating"] }],
    ["is kept while its pod is lost with its node", { scene: { pods: [lost()], rows: [row] }, shows: ["shop-a Draining PodTerminating"] }],
    ["needs a person when its pod is missing", { scene: { rows: [row] }, shows: ["shop-a Blocked FormerOwner"] }],
    ["needs a person when its pod has ended", { scene: { pods: [ended()], rows: [row] }, shows: ["shop-a Blocked FormerOwner"] }],
    [
      "needs a person when its pod was seen to end and is gone",
      { scene: { gone: [{ pod: a, ended: true }], rows: [row] }, shows: ["shop-a Blocked FormerOwner"] },
    ],
    [
      "needs a person although a pod without a node has the name",
      { scene: { pods: [unbound({ uid: uid("next") })], rows: [row] }, shows: ["shop-a Blocked FormerOwner"] },
    ],
    [
      "needs a person although a StatefulSet wants the name",
      {
        scene: { rows: [rowOf(pod({ name: "shop-0" }), { by: formerOwner })], statefulSets: [{ name: "shop", start: 0, count: 1 }] },
        shows: ["shop-0 Blocked FormerOwner"],
      },
    ],
    [
      "is not given to a pod that has a row of this farm",
      {
        scene: { pods: [next], rows: [row, rowOf(next, { serverID: 2, name: "old-name" })] },
        shows: ["shop-a Blocked FormerOwner", "old-name Registered Registered"],
      },
    ],
    [
      "gives way to a row of this farm and the same name",
      { scene: { pods: [next], rows: [row, rowOf(a, { serverID: 2 })] }, does: ["handOver 2 to next"] },
    ],
    ["is not given away while the pods have not all been seen", { scene: { pods: [a], rows: [row], synced: false } }],
    [
      "does not make the view look wrong",
      {
        scene: {
          rows: ["x", "y", "z"]
            .map((name, index) => rowOf(pod({ name }), { serverID: index + 1, by: formerOwner }))
            .concat(rowOf(b, { serverID: 4 })),
          members: [member({ workload: deployment({ replicas: 9 }) })],
        },
        does: ["confirm 4"],
      },
    ],
  ])("%s", (_what, one) => expectAll(one));

  test("gets a mark of this farm and cluster", () =>
    expect(plan({ pods: [a], rows: [row] }).marks.map(({ newGuid }) => newGuid)).toEqual([markFor(identity, "shop-a", a.uid)]));

  test.each<[string, Parameters<typeof farm>[0], readonly string[]]>([
    ["Sync is taken over", {}, ["takeOver 1 to uid-of-shop-a"]],
    ["UpsertOnly is taken over", { spec: { policy: "UpsertOnly" } }, ["takeOver 1 to uid-of-shop-a"]],
    ["CreateOnly is not", { spec: { policy: "CreateOnly" } }, []],
    ["Sync in deletion is not", { deletionAtMs: 1 }, []],
  ])("of a living pod under %s", (_what, changes, does) => expect(allowed({ farm: farm(changes), pods: [a], rows: [row] })).toEqual(does));

  test("stays when the WebFarm is deleted with RemoveAll", () => {
    const leaving = farm({ deletionAtMs: 1, spec: { deletionPolicy: "RemoveAll" } });
    expect(allowed({ farm: leaving, pods: [a], rows: [row, rowOf(b, { serverID: 2, by: formerOwner })] })).toEqual([]);
  });

  test("goes by approval, and no other does", () => {
    const others = [rowOf(b, { serverID: 2, by: formerOwner }), rowOf(a, { serverID: 3, by: formerOwner })];
    expectAll({
      scene: { rows: [row, ...others], approval: approving(row) },
      does: ["remove 1 approved"],
      shows: ["shop-a Stale Approved", "shop-b Blocked FormerOwner", "shop-a Blocked FormerOwner"],
    });
  });
  test("of a living pod is kept although it was approved while the pod was not to be seen", () =>
    expectAll({ scene: { pods: [terminating()], rows: [row], approval: approving(row) }, shows: ["shop-a Draining PodTerminating"] }));
  test("goes to a pod that wants the name rather than away", () =>
    expectAll({ scene: { pods: [next], rows: [row], approval: approving(row) }, does: ["takeOver 1 to next"] }));
});

describe("another cluster's row that a person approved", () => {
  const row = rowOf(a, { by: otherCluster });
  const approval = approving(row);
  const withPings = table([row], { pings });
  const justPinged = memory({ silentSince: new Map([[rowKey(row), { sinceMs: nowMs, ping: "ping-1" }]]) });

  test.each<[string, Case]>([
    [
      "goes when no pod wants the name",
      { scene: { rows: [row], approval }, does: ["remove 1 approved"], shows: ["shop-a Stale Approved"] },
    ],
    ["goes although its server pings", { scene: { table: withPings, approval }, remembered: justPinged, does: ["remove 1 approved"] }],
    [
      "is given to the pod that wants the name",
      { scene: { pods: [a], rows: [row], approval }, does: ["takeOver 1 to uid-of-shop-a"], shows: ["shop-a Conflict OtherCluster"] },
    ],
    [
      "is given to the pod that wants the name although its server pings",
      { scene: { pods: [a], table: withPings, approval }, remembered: justPinged, does: ["takeOver 1 to uid-of-shop-a"] },
    ],
    [
      "is kept while a pod of its name has not ended, and nothing is asked for in vain",
      { scene: { pods: [terminating({ labels: {} })], rows: [row], approval }, shows: ["shop-a Stale NameInUse"] },
    ],
    [
      "is kept while the pod of its mark has not ended, whatever that one's name and cluster",
      { scene: { pods: [pod({ name: "elsewhere", uid: a.uid, labels: {} })], rows: [row], approval }, shows: ["shop-a Stale NameInUse"] },
    ],
    ["is kept while the pods have not all been seen", { scene: { rows: [row], approval, synced: false } }],
  ])("%s", (_what, one) => expectAll(one));

  test("stays when it is not of the set", () => {
    const other = rowOf(b, { serverID: 2, by: otherCluster });
    const result = plan({ pods: [a], rows: [row, other], approval: approving(other) });
    expect(actions(result)).toEqual(["remove 2 approved"]);
    expect(states(result)).toEqual(["shop-a Conflict OtherCluster", "shop-b Stale Approved"]);
  });
  test("goes by that approval and is still published until it is gone", () => {
    const { removals, marks, blocked, unexplained } = plan({
      pods: [b],
      rows: [row, rowOf(b, { serverID: 2, by: otherCluster })],
      approval,
    });
    expect(removals.map((one) => one.approval)).toEqual([{ digest: "d", untilMs: nowWallMs + 1_000 }]);
    expect([idsOf(blocked), idsOf(unexplained)]).toEqual([[], [1, 2]]);
    expect(marks).toEqual([]);
  });
  test("under UpsertOnly is given to the pod that wants the name but does not go", () => {
    const upserting = farm({ spec: { policy: "UpsertOnly" } });
    expect(allowed({ farm: upserting, pods: [a], rows: [row], approval })).toEqual(["takeOver 1 to uid-of-shop-a"]);
    expect(allowed({ farm: upserting, rows: [row], approval })).toEqual([]);
  });
  test.each([{ suspend: true }, { policy: "Observe" }, { policy: "CreateOnly" }] as const)("stays under %j", (changes) => {
    expect(allowed({ farm: farm({ spec: changes }), pods: [a], rows: [row], approval })).toEqual([]);
    expect(allowed({ farm: farm({ spec: changes }), rows: [row], approval })).toEqual([]);
  });
});

describe("what is published", () => {
  test("are the rows that are blocked and those of another cluster in conflict, and none that is missing or foreign", () => {
    const rows = [
      rowOf(a, { serverID: 1, by: otherCluster }),
      rowOf(b, { serverID: 2, by: otherCluster }),
      rowOf(pod({ name: "shop-c" }), { serverID: 3, by: formerOwner }),
      rowOf(pod({ name: "shop-d" }), { serverID: 4 }),
      rowOf(pod({ name: "shop-e" }), { serverID: 5, by: { ...identity, ownerId: "somebody/else" } }),
    ];
    const { blocked, unexplained } = plan({ pods: [a], rows });
    expect([idsOf(blocked), idsOf(unexplained)]).toEqual([
      [2, 3],
      [1, 2, 3],
    ]);
  });
});

describe("when the view looks wrong and a person approved", () => {
  const pods = ["shop-0", "shop-1", "shop-2", "shop-3"].map((name) => pod({ name }));
  const rows = pods.map((one, index) => rowOf(one, { serverID: index + 1 }));
  const waited: FarmMemory = memory({ missingSince: new Map(rows.map((row) => [rowKey(row), { sinceMs: 0 }])) });
  const wanting = [member({ workload: deployment({ replicas: 9 }) })];
  const statefulSets = [{ name: "shop", start: 0, count: 9, serverName: "$(POD_NAME)" }];
  const approval = approving(...rows);
  const all = ["remove 1 approved", "remove 2 approved", "remove 3 approved", "remove 4 approved"];

  test.each<[string, Case]>([
    ["the missing go, with their waits over", { scene: { rows, members: wanting, approval }, remembered: waited, does: all }],
    ["the missing go without a wait, also right after a restart", { scene: { rows, members: wanting, approval }, does: all }],
    [
      "rows outside the set stay blocked",
      {
        scene: { rows, members: wanting, approval: approving(...rows.slice(0, 2)) },
        remembered: waited,
        does: all.slice(0, 2),
        shows: ["shop-0 Stale Approved", "shop-1 Stale Approved", "shop-2 Blocked UnexplainedAbsence", "shop-3 Blocked UnexplainedAbsence"],
      },
    ],
    [
      "what is left of the set goes although the view looks right without those that have gone",
      { scene: { rows: rows.slice(2), members: wanting, approval }, does: all.slice(2) },
    ],
    ["the missing go although a StatefulSet wants their names", { scene: { rows, members: wanting, statefulSets, approval }, does: all }],
    [
      "a row goes to the next pod of its name all the same",
      {
        scene: { pods: [pod({ name: "shop-0", uid: uid("next") })], rows, members: wanting, approval },
        does: ["handOver 1 to next", ...all.slice(1)],
      },
    ],
    [
      "the row of a pod that is to be seen again stays",
      { scene: { pods: pods.slice(0, 1), rows, members: wanting, approval }, does: all.slice(1) },
    ],
    [
      "the row of a pod that terminates stays",
      { scene: { pods: [terminating({ name: "shop-0" })], rows, members: wanting, approval }, does: all.slice(1) },
    ],
    [
      "the row of a name that a pod without a node has stays",
      { scene: { pods: [unbound({ name: "shop-0", uid: uid("next") })], rows, members: wanting, approval }, does: all.slice(1) },
    ],
    [
      "a pod that is seen to end explains its own row",
      {
        scene: { gone: [{ pod: pods[0] ?? a, ended: true }], rows, members: wanting, approval },
        does: ["remove 1 ended", ...all.slice(1)],
      },
    ],
  ])("%s", (_what, one) => expectAll(one));

  test("rows whose names a StatefulSet wants are blocked from the first moment: what is published stays across a restart", () => {
    expect(states(plan({ rows, members: wanting, statefulSets }))).toEqual(pods.map(({ name }) => `${name} Blocked UnexplainedAbsence`));
    expect(idsOf(plan({ rows, members: wanting, statefulSets, approval }).unexplained)).toEqual([1, 2, 3, 4]);
  });
});
