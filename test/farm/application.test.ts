// The plan of a farm whose application registers itself: what is removed, what only a person removes, and what is merely told.

import { describe, expect, test } from "@jest/globals";
import { awaitedRowsMs } from "../../operator/farm/application.ts";
import { rowKey } from "../../operator/farm/memory.ts";
import type { FarmMemory } from "../../operator/farm/memory.ts";
import type { ServerRow } from "../../operator/farm/model.ts";
import { appRow, entryOf, planOf, seen } from "./applicationScene.ts";
import type { ApplicationScene } from "./applicationScene.ts";
import { ended, lost, member, memory, nowMs, otherCluster, pod, rowOf, terminating, uid, unavailable, unbound } from "./build.ts";
import { actions, approving, states } from "./planning.ts";

const name = "shop-7c9d8b6f5-x2vbd"; // as a Deployment names its pods
const a = pod({ name });
const row = appRow(a);
const known = [entryOf(row, a)];
const silentMs = 300_000;

interface Case {
  readonly scene: ApplicationScene;
  readonly remembered?: FarmMemory;
  readonly does?: readonly string[];
  readonly shows?: readonly string[];
  readonly foreign?: number;
}

const check = ({ scene, remembered, does = [], shows = [], foreign = 0 }: Case): void => {
  const plan = planOf(scene, remembered);
  expect({ does: actions(plan), shows: states(plan), foreign: plan.foreign }).toEqual({ does, shows, foreign });
};

/** A live read found the row's pod gone so long ago. */
const waiting = (scene: ApplicationScene, agoMs: number): FarmMemory => {
  const { table } = seen(scene);
  const rows = table.kind === "read" ? table.read.rows : [];
  return memory({ missingSince: new Map(rows.map((one) => [rowKey(one), { sinceMs: nowMs - agoMs }])) });
};

describe("a row of a living pod", () => {
  test.each<[string, Case]>([
    ["is the pod's that it is named after", { scene: { pods: [a], rows: [row] }, shows: [`${name} Registered Registered`] }],
    [
      "also while it is remembered as its predecessor's",
      {
        scene: { pods: [a], rows: [row], inventory: [entryOf(row, pod({ name, uid: uid("before") }))] },
        shows: [`${name} Registered Registered`],
      },
    ],
    [
      "stays while the pod terminates",
      { scene: { pods: [terminating({ name })], rows: [row], inventory: known }, shows: [`${name} Draining PodTerminating`] },
    ],
    [
      "stays when its phase is a guess about a lost node",
      { scene: { pods: [lost({ name })], rows: [row], inventory: known }, shows: [`${name} Draining PodTerminating`] },
    ],
    [
      "stays when a person has switched it off",
      { scene: { pods: [a], rows: [appRow(a, { enabled: false })] }, shows: [`${name} Disabled DisabledByPerson`] },
    ],
    [
      "matches whatever its case and trailing blanks",
      { scene: { pods: [a], rows: [appRow({ name: `${name.toUpperCase()} ` })] }, shows: [`${name.toUpperCase()}  Registered Registered`] },
    ],
    [
      "stays when the pod has lost its labels",
      { scene: { pods: [pod({ name, labels: {} })], rows: [row], inventory: known }, shows: [`${name} Registered Registered`] },
    ],
    [
      "matches the machine's name, upper case and cut to 15 on Windows",
      {
        scene: { pods: [pod({ name, os: "windows" })], rows: [appRow({ name: "SHOP-7C9D8B6F5-_CMS" })], serverName: "$(MACHINE_NAME)*" },
        shows: ["SHOP-7C9D8B6F5-_CMS Registered Registered"],
      },
    ],
    [
      "matches with what the product appends, where the template ends in *",
      {
        scene: { pods: [a], rows: [appRow({ name: `${name}_AutoExternalWeb` })], serverName: "$(POD_NAME)*" },
        shows: [`${name}_AutoExternalWeb Registered Registered`],
      },
    ],
    [
      "does not match with a suffix that the template does not have",
      {
        scene: { pods: [a], rows: [appRow({ name: `${name}_AutoExternalWeb` })] },
        shows: [`${name} Pending AwaitingRegistration`],
        foreign: 1,
      },
    ],
  ])("%s", (_what, one) => check(one));
});

describe("a row whose remembered pod is gone", () => {
  const successor = pod({ name: "shop-0", uid: uid("next") });
  const first = pod({ name: "shop-0", controller: { apiVersion: "apps/v1", kind: "StatefulSet", name: "shop", uid: "set" } });
  const ofSet = appRow(first);
  const set = { name: "shop", start: 0, count: 1, serverName: "$(POD_NAME)" };
  test.each<[string, Case]>([
    [
      "goes when the pod was seen to end",
      {
        scene: { gone: [{ pod: a, ended: true }], rows: [row], inventory: known },
        does: ["remove 1 ended"],
        shows: [`${name} Stale PodEnded`],
      },
    ],
    [
      "goes when the pod is there and has ended",
      { scene: { pods: [ended({ name })], rows: [row], inventory: known }, does: ["remove 1 ended"], shows: [`${name} Stale PodEnded`] },
    ],
    [
      "is asked after when this process did not see who used it last, though the pod was seen to end",
      {
        scene: { gone: [{ pod: a, ended: true }], rows: [row], inventory: known, areUsesUnseen: true },
        does: ["confirm 1"],
        shows: [`${name} Stale PodMissing`],
      },
    ],
    [
      "then waits for as long as a process can live of which nothing is known",
      {
        scene: { pods: [ended({ name })], rows: [row], inventory: known, areUsesUnseen: true },
        remembered: waiting({ rows: [row], inventory: known }, silentMs - 1),
        shows: [`${name} Stale ProcessMayLive`],
      },
    ],
    [
      "and goes when that time is over",
      {
        scene: { pods: [ended({ name })], rows: [row], inventory: known, areUsesUnseen: true },
        remembered: waiting({ rows: [row], inventory: known }, silentMs),
        does: ["remove 1 missing"],
        shows: [`${name} Stale PodMissing`],
      },
    ],
    [
      "waits no longer than for a grace and 10 s where pings would tell of another process",
      {
        scene: { gone: [{ pod: a, ended: true }], rows: [row], inventory: known, areUsesUnseen: true, pings: new Map([[1, "p"]]) },
        remembered: waiting({ rows: [row], inventory: known }, 40_000),
        does: ["remove 1 missing"],
        shows: [`${name} Stale PodMissing`],
      },
    ],
    [
      "is asked after when the end was not seen",
      { scene: { rows: [row], inventory: known }, does: ["confirm 1"], shows: [`${name} Stale PodMissing`] },
    ],
    [
      "waits for as long as the process can live",
      {
        scene: { rows: [row], inventory: known },
        remembered: waiting({ rows: [row], inventory: known }, silentMs - 1),
        shows: [`${name} Stale ProcessMayLive`],
      },
    ],
    [
      "goes when that time is over",
      {
        scene: { rows: [row], inventory: known },
        remembered: waiting({ rows: [row], inventory: known }, silentMs),
        does: ["remove 1 missing"],
        shows: [`${name} Stale PodMissing`],
      },
    ],
    [
      "stays while a pod of its name lives that another WebFarm or nobody selects",
      {
        scene: { pods: [pod({ name, uid: uid("other"), labels: {} })], gone: [{ pod: a, ended: true }], rows: [row], inventory: known },
        shows: [`${name} Stale NameInUse`],
      },
    ],
    [
      "stays while a pod waits for a node under a name that begins so",
      {
        scene: {
          pods: [unbound({ name: "shop-0", uid: uid("next") })],
          gone: [{ pod: pod({ name: "shop-0" }), ended: true }],
          rows: [appRow({ name: "shop-0_Cms" })],
          serverName: "$(POD_NAME)*",
          inventory: [entryOf(appRow({ name: "shop-0_Cms" }), pod({ name: "shop-0" }))],
        },
        shows: ["shop-0_Cms Stale NameInUse"],
      },
    ],
    [
      "stays while a StatefulSet wants a pod of the name, however long",
      {
        scene: { gone: [{ pod: first, ended: true }], rows: [ofSet], inventory: [entryOf(ofSet, first)], statefulSets: [set] },
        remembered: memory({
          goneSince: new Map([[rowKey(seenRow({ rows: [ofSet], inventory: [entryOf(ofSet, first)] })), nowMs - 86_400_000]]),
        }),
        shows: ["shop-0 Stale AwaitingSuccessor"],
      },
    ],
    [
      "stays while the StatefulSet cannot be read and may want the name",
      {
        scene: {
          gone: [{ pod: first, ended: true }],
          rows: [ofSet],
          inventory: [entryOf(ofSet, first)],
          statefulSets: [{ ...set, unreadSinceMs: nowMs - 299_999 }],
        },
        remembered: memory({
          goneSince: new Map([[rowKey(seenRow({ rows: [ofSet], inventory: [entryOf(ofSet, first)] })), nowMs - 86_400_000]]),
        }),
        shows: ["shop-0 Stale AwaitingSuccessor"],
      },
    ],
    [
      "goes when the StatefulSet could not be read for removal.nodeLostSeconds",
      {
        scene: {
          gone: [{ pod: first, ended: true }],
          rows: [ofSet],
          inventory: [entryOf(ofSet, first)],
          statefulSets: [{ ...set, unreadSinceMs: nowMs - 300_000 }],
        },
        remembered: memory({
          goneSince: new Map([[rowKey(seenRow({ rows: [ofSet], inventory: [entryOf(ofSet, first)] })), nowMs - 86_400_000]]),
        }),
        does: ["remove 1 ended"],
        shows: ["shop-0 Stale PodEnded"],
      },
    ],
    [
      "stays while a StatefulSet wants a name that begins so, though this process never saw the pod",
      {
        scene: {
          rows: [appRow({ name: "shop-0_Cms" })],
          inventory: [entryOf(appRow({ name: "shop-0_Cms" }), first)],
          statefulSets: [{ ...set, serverName: "$(POD_NAME)_*" }],
          serverName: "$(POD_NAME)_*",
        },
        does: ["confirm 1"],
        shows: ["shop-0_Cms Stale AwaitingSuccessor"],
      },
    ],
    [
      "goes when the StatefulSet wants fewer pods",
      {
        scene: {
          gone: [{ pod: first, ended: true }],
          rows: [ofSet],
          inventory: [entryOf(ofSet, first)],
          statefulSets: [{ ...set, count: 0 }],
        },
        does: ["remove 1 ended"],
        shows: ["shop-0 Stale PodEnded"],
      },
    ],
    [
      "is the successor's as it finds it",
      {
        scene: {
          pods: [successor],
          gone: [{ pod: first, ended: true }],
          rows: [ofSet],
          inventory: [entryOf(ofSet, first)],
          statefulSets: [set],
        },
        shows: ["shop-0 Registered Registered"],
      },
    ],
    [
      "goes when the farm had registered it itself in an earlier life",
      {
        scene: { gone: [{ pod: a, ended: true }], rows: [rowOf(a)] },
        does: ["remove 1 ended"],
        shows: [`${name} Stale PodEnded`],
      },
    ],
    [
      "waits while the server pings on after a removal that came to nothing",
      {
        scene: { gone: [{ pod: a, ended: true }], rows: [row], inventory: known },
        remembered: memory({
          silentSince: new Map([[rowKey(seenRow({ rows: [row], inventory: known })), { sinceMs: nowMs - silentMs + 1 }]]),
        }),
        shows: [`${name} Stale StillPings`],
      },
    ],
    [
      "goes when those pings have stopped for long",
      {
        scene: { gone: [{ pod: a, ended: true }], rows: [row], inventory: known },
        remembered: memory({ silentSince: new Map([[rowKey(seenRow({ rows: [row], inventory: known })), { sinceMs: nowMs - silentMs }]]) }),
        does: ["remove 1 ended"],
        shows: [`${name} Stale PodEnded`],
      },
    ],
  ])("%s", (_what, one) => check(one));

  test("is held back where most are missing and most pods are not to be seen, until a person approves", () => {
    const pods = ["shop-a", "shop-b", "shop-c"].map((one) => pod({ name: one }));
    const rows = pods.map((one, at) => appRow(one, { serverID: at + 1 }));
    const scene: ApplicationScene = {
      rows,
      inventory: rows.map((one, at) => entryOf(one, pods[at] ?? a)),
      members: [member({ workload: { kind: "found", uid: "w", selector: {}, replicas: 3, deleting: false } })],
    };
    const blocked = planOf(scene, waiting(scene, silentMs));
    expect([actions(blocked), blocked.blocked.length, blocked.unexplained.length]).toEqual([[], 3, 3]);
    const approved = planOf({ ...scene, approval: approving(...rows.slice(0, 2)) }, waiting(scene, silentMs));
    expect(actions(approved)).toEqual(["remove 1 approved", "remove 2 approved"]);
  });
});

/** The row of the scene as the plan sees it. */
function seenRow(scene: ApplicationScene): ServerRow {
  const { table } = seen(scene);
  const [first] = table.kind === "read" ? table.read.rows : [];
  if (first === undefined) throw new Error("The scene has no row");
  return first;
}

describe("a row that disagrees with the inventory is not the remembered one", () => {
  test.each<[string, ServerRow]>([
    ["another ServerID", { ...row, serverID: 2 }],
    ["another GUID", { ...row, guid: "99999999-2222-4333-9444-555555555555" }],
    ["no GUID any more", { ...row, guid: null }],
    ["another spelling of the name", { ...row, name: name.toUpperCase() }],
  ])("%s", (_what, changed) => {
    const scene: ApplicationScene = { gone: [{ pod: a, ended: true }], rows: [changed], inventory: known };
    check({ scene, does: [`confirm ${changed.serverID}`], foreign: 1 });
    check({ scene, remembered: waiting(scene, silentMs), shows: [`${changed.name} Blocked NeverSeenAlive`] });
  });
});

describe("a row that was never seen with a living pod", () => {
  test.each<[string, Case]>([
    ["is counted while it is asked after", { scene: { rows: [row] }, does: ["confirm 1"], foreign: 1 }],
    [
      "is counted while its silence is not long enough",
      { scene: { rows: [row] }, remembered: waiting({ rows: [row] }, silentMs - 1), foreign: 1 },
    ],
    [
      "then waits for a person",
      { scene: { rows: [row] }, remembered: waiting({ rows: [row] }, silentMs), shows: [`${name} Blocked NeverSeenAlive`] },
    ],
    [
      "goes when a person approves",
      {
        scene: { rows: [row], approval: approving(row) },
        remembered: waiting({ rows: [row] }, silentMs),
        does: ["remove 1 approved"],
        shows: [`${name} Stale Approved`],
      },
    ],
    [
      "goes without a GUID when a person approves",
      {
        scene: { rows: [{ ...row, guid: null }], approval: approving({ ...row, guid: null }) },
        remembered: waiting({ rows: [row] }, silentMs),
        does: ["remove 1 approved"],
        shows: [`${name} Stale Approved`],
      },
    ],
    [
      "stays although a person approved when it pings again",
      {
        scene: { rows: [row], approval: approving(row) },
        remembered: waiting({ rows: [row] }, 1),
        foreign: 1,
      },
    ],
    [
      "is counted when no workload names its pods so",
      { scene: { rows: [appRow({ name: "web-by-hand" }), appRow({ name: "shop-admin" }, { serverID: 2 })] }, foreign: 2 },
    ],
    [
      "is counted when a selector alone finds the pods",
      {
        scene: { rows: [row], spec: { members: [{ name: "live", selector: { matchLabels: { app: "shop" } } }] } },
        foreign: 1,
      },
    ],
    ["is counted when another WebFarm wrote it", { scene: { rows: [rowOf(a, { by: otherCluster })] }, foreign: 1 }],
    [
      "is counted while its StatefulSet wants the name",
      {
        scene: {
          rows: [appRow({ name: "shop-0" })],
          spec: { members: [{ name: "live", workloadRef: { apiVersion: "apps/v1", kind: "StatefulSet", name: "shop" } }] },
          statefulSets: [{ name: "shop", start: 0, count: 1, serverName: "$(POD_NAME)" }],
        },
        foreign: 1,
      },
    ],
    [
      "is asked after when its StatefulSet does not want the name",
      {
        scene: {
          rows: [appRow({ name: "shop-4" })],
          spec: { members: [{ name: "live", workloadRef: { apiVersion: "apps/v1", kind: "StatefulSet", name: "shop" } }] },
          statefulSets: [{ name: "shop", start: 0, count: 1, serverName: "$(POD_NAME)" }],
        },
        does: ["confirm 1"],
        foreign: 1,
      },
    ],
    ["is counted when more rows are there than are read", { scene: { rows: [row], truncated: true }, foreign: 1 }],
  ])("%s", (_what, one) => check(one));
});

describe("a name that is not one pod's and one row's", () => {
  const b = pod({ name: "shop-b", createdAtMs: 2_000 });
  const shared = { serverName: "web", pods: [pod({ name: "shop-a" }), b], rows: [appRow({ name: "web" })] };
  test.each<[string, Case]>([
    [
      "two pods are in conflict about one row",
      {
        scene: shared,
        shows: ["web Conflict NameOfAnotherPod", "web Conflict NameOfAnotherPod"],
      },
    ],
    [
      "the one that had it alone keeps it",
      {
        scene: { ...shared, inventory: [entryOf(appRow({ name: "web" }), b)] },
        shows: ["web Registered Registered", "web Conflict NameOfAnotherPod"],
      },
    ],
    [
      "two rows of one pod are in conflict and nobody's",
      {
        scene: { serverName: "$(POD_NAME)*", pods: [a], rows: [appRow(a), appRow({ name: `${name}_Cms` }, { serverID: 2 })] },
        shows: [`${name} Conflict SeveralRows`, `${name}_Cms Conflict SeveralRows`],
      },
    ],
    [
      "also where one of them was remembered; then that one goes with its pod and the other by approval only",
      {
        scene: { serverName: "$(POD_NAME)*", pods: [a], rows: [row, appRow({ name: `${name}_Cms` }, { serverID: 2 })], inventory: known },
        shows: [`${name} Conflict SeveralRows`, `${name}_Cms Conflict SeveralRows`],
      },
    ],
    [
      "when the pod of two rows has ended only the remembered one goes",
      {
        scene: {
          ...{ serverName: "$(POD_NAME)*", rows: [row, appRow({ name: `${name}_Cms` }, { serverID: 2 })], inventory: known },
          gone: [{ pod: a, ended: true }],
        },
        does: ["remove 1 ended", "confirm 2"],
        shows: [`${name} Stale PodEnded`],
        foreign: 1,
      },
    ],
    [
      "two rows of one name are one pod's conflict",
      {
        scene: { pods: [a], rows: [row, { ...row, serverID: 2 }] },
        shows: [`${name} Conflict SeveralRows`, `${name} Conflict SeveralRows`],
      },
    ],
    [
      "a machine name that a pod does not have is in conflict",
      {
        scene: { pods: [pod({ name, hostNetwork: true })], rows: [appRow({ name: "node-1" })], serverName: "$(MACHINE_NAME)*" },
        shows: [`${name} Conflict InvalidName`],
        foreign: 1,
      },
    ],
  ])("%s", (_what, one) => check(one));

  describe("of a StatefulSet's pods of which one's name is the beginning of another's", () => {
    const [one, ten] = [pod({ name: "shop-1" }), pod({ name: "shop-10" })];
    const rows = [appRow(one), appRow(ten, { serverID: 11 })];
    const messages = (scene: ApplicationScene): readonly string[] => planOf(scene).servers.map(({ message }) => message);
    const serverName = "$(MACHINE_NAME)*";
    const cure = /put a member with serverName \$\(MACHINE_NAME\)_\* in its place.*CMSWebFarmServerName be the pod's name/;

    test("both are in conflict, and each message names the cure and has no row deleted first", () => {
      const scene = { serverName, pods: [one, ten], rows };
      check({ scene, shows: ["shop-1 Conflict SeveralRows", "shop-10 Conflict NameOfAnotherPod"] });
      expect(messages(scene)).toEqual([expect.stringMatching(cure), expect.stringMatching(cure)]);
    });
    test("the row of the one that has ended is shown, and stays", () => {
      const scene = { serverName, pods: [one, ended({ name: "shop-10" })], rows };
      check({ scene, shows: ["shop-1 Conflict SeveralRows", "shop-10 Conflict SeveralRows"] });
      expect(messages(scene)[1]).toMatch(/^By its name this may be the row of pod shop-1, which other rows match too: .*it stays\. /);
      expect(messages(scene)[1]).toMatch(cure);
    });
    test("with a _ behind the name there is no conflict, and the row of the one that has ended goes", () => {
      const named = rows.map((row) => ({ ...row, name: `${row.name}_AutoExternalWeb` }));
      check({
        scene: { serverName: "$(MACHINE_NAME)_*", pods: [one, ten], rows: named },
        shows: ["shop-1_AutoExternalWeb Registered Registered", "shop-10_AutoExternalWeb Registered Registered"],
      });
      const [, entry] = named.map((row) => entryOf(row, row.serverID === 1 ? one : ten));
      check({
        scene: {
          ...{ serverName: "$(MACHINE_NAME)_*", pods: [one, ended({ name: "shop-10" })], rows: named },
          ...(entry !== undefined && { inventory: [entry] }),
        },
        does: ["remove 11 ended"],
        shows: ["shop-1_AutoExternalWeb Registered Registered", "shop-10_AutoExternalWeb Stale PodEnded"],
      });
    });
    test("a row that only ending pods match is shown too", () => {
      const pods = ["shop-b", "shop-c"].map((of) => terminating({ name: of }));
      const scene = { serverName: "web", pods, rows: [appRow({ name: "web" })] };
      check({ scene, shows: ["web Conflict NameOfAnotherPod"] });
      expect(messages(scene)[0]).toMatch(/any of the pods shop-b, shop-c/);
    });
  });
});

describe("what is never done", () => {
  test("a row is removed before it is written down whose it is, also with deletionPolicy RemoveAll", () => {
    const going = { spec: { deletionPolicy: "RemoveAll" as const }, deletionAtMs: 1, pods: [a, pod({ name: "shop-b" })] };
    const rows = [row, appRow({ name: "shop-b" }, { serverID: 2 }), appRow({ name: "by-hand" }, { serverID: 3 })];
    check({
      scene: { ...going, rows, inventory: known },
      does: ["remove 1 removeAll"],
      shows: [`${name} Stale RemoveAll`, "shop-b Stale NotInInventory"],
      foreign: 1,
    });
  });

  test("anything while the cache of the pods is not whole", () => {
    check({ scene: { rows: [row], inventory: known, synced: false }, shows: [`${name} Stale PodMissing`] });
  });

  test("anything while the rows are not known", () => {
    const plan = planOf({ pods: [a], gone: [{ pod: pod({ name: "shop-b" }), ended: true }], inventory: known, table: unavailable() });
    expect([actions(plan), states(plan)]).toEqual([[], [`${name} Pending DatabaseUnavailable`]]);
  });
});

describe("rows that an application is to write are looked for", () => {
  const look = (waitedMs: number): number | undefined => {
    const scene = { pods: [a] };
    const remembered = memory({ boundSince: new Map([[a.uid, nowMs - waitedMs]]) });
    return awaitedRowsMs(planOf(scene, remembered).servers, seen(scene), remembered);
  };
  test.each([
    [0, 1_000],
    [19_000, 1_000],
    [20_000, 2_000],
    [100_000, 8_000],
    [3_600_000, 30_000],
  ])("for a pod that has waited %d ms every %d ms", (waitedMs, everyMs) => expect(look(waitedMs)).toBe(everyMs));

  test("not when each pod has its row", () => {
    expect(awaitedRowsMs(planOf({ pods: [a], rows: [row] }).servers, seen({ pods: [a], rows: [row] }), memory())).toBeUndefined();
  });
});
