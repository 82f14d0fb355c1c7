import { describe, expect, test } from "@jest/globals";
import { confirmGone, needsProof } from "../../operator/farm/confirm.ts";
import type { LiveRead } from "../../operator/farm/confirm.ts";
import { isSurplus, surplusRows } from "../../operator/farm/duplicates.ts";
import { markFor } from "../../operator/farm/mark.ts";
import type { Product, ServerRow } from "../../operator/farm/model.ts";
import { authorityOf, permitted } from "../../operator/farm/policy.ts";
import {
  ended,
  farm,
  foreignRow,
  identity,
  lost,
  member,
  memory,
  observation,
  otherCluster,
  otherOwner,
  pod,
  rowOf,
  table,
  terminating,
  uid,
} from "./build.ts";
import type { Scene } from "./build.ts";
import { a, expectAll, plan } from "./planning.ts";
import type { Case } from "./planning.ts";

const elder = pod({ uid: uid("elder") });
const first = rowOf(a, { serverID: 3 });
const second = { ...first, serverID: 7 };
const third = { ...first, serverID: 9 };
const elders = { ...first, guid: markFor(identity, "shop-a", elder.uid) };

describe("of several rows of ours with one name", () => {
  test.each<[string, Case]>([
    [
      "the first stays and the others go",
      { scene: { pods: [a], rows: [third, first, second] }, does: ["remove 7 surplus", "remove 9 surplus"] },
    ],
    [
      "they go whatever blanks are at their end",
      {
        scene: { pods: [a], rows: [first, { ...second, name: "shop-a  ", guid: markFor(identity, "shop-a  ", a.uid) }] },
        does: ["remove 7 surplus"],
      },
    ],
    ["they go while the pod ends", { scene: { pods: [terminating()], rows: [first, second] }, does: ["remove 7 surplus"] }],
    ["all go when the pod has ended", { scene: { pods: [ended()], rows: [first, second] }, does: ["remove 3 ended", "remove 7 surplus"] }],
    [
      "the first is given to the pod whose row is another one, which stays until then",
      { scene: { pods: [a], gone: [{ pod: elder, ended: true }], rows: [elders, second] }, does: ["handOver 3 to uid-of-shop-a"] },
    ],
    [
      "one of a pod that has ended goes when the first is the living pod's",
      {
        scene: { pods: [a], gone: [{ pod: elder, ended: true }], rows: [first, { ...elders, serverID: 7 }] },
        does: ["remove 7 surplus"],
      },
    ],
    [
      "neither goes while the pods of both live",
      {
        scene: { pods: [elder, lost({ name: "shop-b", uid: a.uid })], rows: [elders, second] },
        shows: ["shop-a Registered Registered", "shop-a Conflict SeveralRows"],
      },
    ],
    [
      "one is kept by its pod, whose name is another one by now",
      {
        scene: { pods: [a], members: [member({ serverName: "site" })], gone: [{ pod: elder, ended: true }], rows: [elders, second] },
        shows: ["shop-a Stale NameInUse", "shop-a Conflict SeveralRows"],
      },
    ],
    [
      "those that differ in case are not surely of one name",
      { scene: { pods: [a], rows: [first, rowOf(a, { serverID: 7, name: "SHOP-A" })] }, does: [] },
    ],
    [
      "those of another cluster are let alone",
      { scene: { pods: [a], rows: [first, rowOf(a, { serverID: 7, by: otherCluster })] }, does: [] },
    ],
    ["those of another owner are let alone", { scene: { pods: [a], rows: [first, rowOf(a, { serverID: 7, by: otherOwner })] }, does: [] }],
  ])("%s", (_what, one) => expectAll(one));

  test("none goes under UpsertOnly", () => {
    const seen = observation({ farm: farm({ spec: { policy: "UpsertOnly" } }), pods: [a], rows: [first, second] });
    expect(permitted(plan({ farm: seen.farm, pods: [a], rows: [first, second] }), authorityOf(seen)).removals).toEqual([]);
  });

  test("all go by deletionPolicy RemoveAll", () => {
    const going = farm({ deletionAtMs: 1, spec: { deletionPolicy: "RemoveAll" } });
    expectAll({ scene: { farm: going, pods: [a], rows: [first, second] }, does: ["remove 3 removeAll", "remove 7 removeAll"] });
  });
});

describe("a foreign row of a registered pod's name", () => {
  test.each([1, 9])("is a conflict that a person ends (ServerID %d)", (serverID) => {
    const scene = { pods: [a], rows: [first, foreignRow({ serverID, name: "shop-a" })] };
    expectAll({ scene, shows: ["shop-a Conflict SeveralRows"] });
  });
  test("is none when it only looks alike", () =>
    expectAll({ scene: { pods: [a], rows: [first, foreignRow({ name: "SHOP-A" })] }, shows: ["shop-a Registered Registered"] }));

  describe.each<[Product, boolean]>([
    ["6", true],
    ["7-8", true],
    ["9-10", false],
    ["11", false],
    ["12-13", false],
  ])("that differs in case, on %s", (product, mayRepeat) => {
    const pods = [pod({ ip: "10.0.0.1" })];
    const scene = (...rows: readonly ServerRow[]): Scene => ({ pods, table: table(rows, { facts: { product, hasUrl: mayRepeat } }) });
    const adopting = farm({ spec: { adoption: "MatchingNames", maxServers: 0 } });
    const upper = foreignRow({ serverID: 1, name: "SHOP-A " });
    const same = foreignRow({ serverID: 2, name: "shop-a" });
    const registered = { ...first, url: "http://10.0.0.1" };

    test(mayRepeat ? "is a conflict too" : "is another name, as the unique index says", () => {
      for (const serverID of [1, 9]) {
        const shown = mayRepeat ? "shop-a Conflict SeveralRows" : "shop-a Registered Registered";
        expectAll({ scene: scene(registered, { ...upper, serverID }), shows: [shown] });
      }
    });
    test(mayRepeat ? "keeps the one of the very name from being adopted" : "does not keep the one of the name from being adopted", () => {
      for (const rows of [
        [upper, same],
        [same, { ...upper, serverID: 9 }],
      ])
        expectAll({
          scene: { farm: adopting, ...scene(...rows) },
          does: mayRepeat ? [] : ["adopt 2 to uid-of-shop-a"],
          shows: [mayRepeat ? "shop-a Conflict SeveralRows" : "shop-a Pending Adoption"],
        });
    });
    test("is another name where the database tells cases apart", () => {
      const facts = { product, hasUrl: mayRepeat, foldsCase: false };
      expectAll({ scene: { pods, table: table([registered, upper], { facts }) }, shows: ["shop-a Registered Registered"] });
    });
    test("is not adopted itself, nor in the way, before the database says that it has the name", () =>
      expectAll({ scene: { farm: adopting, ...scene(upper) }, does: ["insert shop-a for uid-of-shop-a"] }));
    test("is adopted when the database says so, alone", () => {
      const said = memory({ equalNames: new Map([["shop-a", upper]]) });
      expectAll({ scene: { farm: adopting, ...scene(upper) }, remembered: said, does: ["adopt 1 to uid-of-shop-a"] });
      const other = foreignRow({ serverID: 3, name: "Shop-A" });
      expectAll({
        scene: { farm: adopting, ...scene(upper, other) },
        remembered: said,
        does: mayRepeat ? [] : ["adopt 1 to uid-of-shop-a"],
      });
    });
  });
});

describe("the proof for a surplus row", () => {
  const removal = { row: second, evidence: "surplus", kept: first } as const;
  const others = { row: { ...elders, serverID: 7 }, evidence: "surplus", kept: first } as const;
  const confirmed = (one: typeof removal | typeof others, live?: LiveRead): boolean => confirmGone(one, live, [member()], 0) !== undefined;
  test("is none where its pod has the one that stays", () => {
    expect([needsProof(removal), confirmed(removal)]).toEqual([false, true]);
  });
  test("is a live read that does not find its own pod, where the first is another's", () => {
    expect(needsProof(others)).toBe(true);
    expect(confirmed(others)).toBe(false);
    expect(confirmed(others, { kind: "named", name: "shop-a", pod: a })).toBe(true);
    expect(confirmed(others, { kind: "named", name: "shop-a", pod: elder })).toBe(false);
    expect(confirmed(others, { kind: "listed", pods: [a, terminating({ uid: elder.uid })] })).toBe(false);
    expect(confirmed(others, { kind: "listed", pods: [a] })).toBe(true);
  });
  test("is gone when the first is", () => {
    expect(isSurplus(second, [first, second], identity)).toBe(true);
    expect(isSurplus(second, [second], identity)).toBe(false);
    expect(isSurplus(second, [second, third], identity)).toBe(false);
    expect(isSurplus(second, [foreignRow({ name: "shop-a" }), second], identity)).toBe(false);
  });
});

test("each surplus row is told with the one that stays", () => {
  expect([...surplusRows([third, second, first])]).toEqual([
    [second, first],
    [third, first],
  ]);
});
