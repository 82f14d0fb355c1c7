import { describe, expect, test } from "@jest/globals";
import { markFor } from "../../operator/farm/mark.ts";
import type { FarmMemory } from "../../operator/farm/memory.ts";
import { authorityOf, permitted } from "../../operator/farm/policy.ts";
import type { ServerRow } from "../../operator/farm/model.ts";
import type { Policy } from "../../operator/farm/resource.generated.ts";
import {
  ended,
  farm,
  foreignRow,
  identity,
  member,
  memory,
  observation,
  otherOwner,
  pod,
  rowOf,
  terminating,
  unbound,
  uid,
} from "./build.ts";
import { a, actions, expectAll, plan } from "./planning.ts";
import type { Case } from "./planning.ts";
import { status } from "./telling.ts";

const adopting = farm({ spec: { adoption: "MatchingNames" } });
const byHand = foreignRow({ serverID: 1, name: "shop-a" });
/** What the database said of a row: it has the pod's name. */
const equal = (row: ServerRow): FarmMemory => memory({ equalNames: new Map([["shop-a", { serverID: row.serverID, name: row.name }]]) });
const accented = foreignRow({ serverID: 1, name: "shöp-ä" });

describe("a foreign row is adopted", () => {
  test.each<[string, Case]>([
    [
      "when it has a living pod's name",
      { scene: { pods: [a], rows: [byHand] }, does: ["adopt 1 to uid-of-shop-a"], shows: ["shop-a Pending Adoption"] },
    ],
    ["when it has no GUID", { scene: { pods: [a], rows: [{ ...byHand, guid: null }] }, does: ["adopt 1 to uid-of-shop-a"] }],
    [
      "when it has blanks at its end",
      { scene: { pods: [a], rows: [{ ...byHand, name: "shop-a  " }] }, does: ["adopt 1 to uid-of-shop-a"] },
    ],
    [
      "when it is switched off, and stays so",
      { scene: { pods: [a], rows: [{ ...byHand, enabled: false }] }, does: ["adopt 1 to uid-of-shop-a"] },
    ],
    [
      "when the database says that it has the name",
      { scene: { pods: [a], rows: [accented] }, remembered: equal(accented), does: ["adopt 1 to uid-of-shop-a"] },
    ],
    ["but not before the database says so", { scene: { pods: [a], rows: [accented] }, does: ["insert shop-a for uid-of-shop-a"] }],
    [
      "but not what was renamed since",
      {
        scene: { pods: [a], rows: [{ ...accented, name: "other" }] },
        remembered: equal(accented),
        does: ["insert shop-a for uid-of-shop-a"],
      },
    ],
    ["but not of a pod that ends", { scene: { pods: [terminating()], rows: [byHand] } }],
    ["but not of a pod that has ended", { scene: { pods: [ended()], rows: [byHand] } }],
    ["but not of a pod without a node", { scene: { pods: [unbound()], rows: [byHand] } }],
    [
      "by the older one of two pods that want the name",
      {
        scene: {
          pods: [a, pod({ name: "shop-b", createdAtMs: 500 })],
          members: [member({ serverName: "site" })],
          rows: [foreignRow({ serverID: 1, name: "site" })],
        },
        does: ["adopt 1 to uid-of-shop-b"],
        shows: ["site Conflict NameOfAnotherPod", "site Pending Adoption"],
      },
    ],
    [
      "but not with another WebFarm's mark",
      { scene: { pods: [a], rows: [rowOf(a, { by: otherOwner })] }, shows: ["shop-a Conflict ForeignRow"] },
    ],
    [
      "but not with any UUID of version 8",
      { scene: { pods: [a], rows: [{ ...byHand, guid: "3F2504E0-4F89-81D3-BF0C-0305E82C3301" }] }, shows: ["shop-a Conflict ForeignRow"] },
    ],
    ["but not as one of two", { scene: { pods: [a], rows: [byHand, { ...byHand, serverID: 2 }] }, shows: ["shop-a Conflict SeveralRows"] }],
    [
      "but not as one of two in the database's eyes",
      {
        scene: { pods: [a], rows: [byHand, { ...accented, serverID: 2 }] },
        remembered: equal({ ...accented, serverID: 2 }),
        shows: ["shop-a Conflict SeveralRows"],
      },
    ],
    [
      "but not beside a row of the pod's own",
      { scene: { pods: [a], rows: [rowOf(a, { serverID: 9 }), byHand] }, shows: ["shop-a Conflict SeveralRows"] },
    ],
  ])("%s", (_what, one) => expectAll({ ...one, scene: { farm: adopting, ...one.scene } }));

  test("and gets the mark of its own name", () => {
    const { marks } = plan({ farm: adopting, pods: [a], rows: [accented] }, equal(accented));
    expect(marks.map(({ newGuid, row }) => [newGuid, row])).toEqual([[markFor(identity, "shöp-ä", a.uid), accented]]);
  });

  test.each<[Policy, readonly string[]]>([
    ["Observe", []],
    ["CreateOnly", []],
    ["UpsertOnly", ["adopt"]],
    ["Sync", ["adopt"]],
  ])("under %s: %j", (policy, expected) => {
    const seen = observation({ farm: farm({ spec: { policy, adoption: "MatchingNames" } }), pods: [a], rows: [byHand] });
    expect(permitted(plan({ farm: seen.farm, pods: [a], rows: [byHand] }), authorityOf(seen)).marks.map(({ kind }) => kind)).toEqual(
      expected,
    );
    expect(plan({ farm: seen.farm, pods: [a], rows: [byHand] }).marks).toHaveLength(1); // shown in status.plan
  });

  test("and then is its pod's, under its own name, until that has ended", () => {
    const adopted = { ...accented, guid: markFor(identity, "shöp-ä", a.uid) };
    expectAll({
      scene: { farm: adopting, pods: [a], rows: [adopted] },
      remembered: equal(adopted),
      shows: ["shöp-ä Registered Registered"],
    });
    expectAll({ scene: { farm: adopting, pods: [ended()], rows: [adopted] }, remembered: equal(adopted), does: ["remove 1 ended"] });
  });

  test("and then is given to the next pod of the name that the database takes for its own", () => {
    const adopted = { ...accented, guid: markFor(identity, "shöp-ä", a.uid) };
    const next = pod({ uid: uid("next") });
    const scene = { farm: adopting, pods: [next], gone: [{ pod: a, ended: true }], rows: [adopted] };
    expectAll({ scene, remembered: equal(adopted), does: ["handOver 1 to next"] });
  });
});

describe("without adoption a foreign row is a conflict", () => {
  test.each<[string, Case]>([
    ["by the same name", { scene: { pods: [a], rows: [byHand] }, shows: ["shop-a Conflict ForeignRow"] }],
    [
      "by what the database says",
      { scene: { pods: [a], rows: [accented] }, remembered: equal(accented), shows: ["shop-a Conflict EqualName"] },
    ],
  ])("%s, which a person can end", (_what, one) => {
    expectAll(one);
    const { conditions = [] } = status(one.scene, one.remembered === undefined ? {} : { remembered: one.remembered });
    const found = Object.fromEntries(conditions.map(({ type, status: is, reason }) => [type, `${is} ${reason}`]));
    expect([found["Stalled"], found["OwnershipConflict"]?.slice(0, 5)]).toEqual(["True OwnershipConflict", "True "]);
    expect(conditions.find(({ type }) => type === "OwnershipConflict")?.message).toMatch(/spec\.adoption/);
  });

  test("and nothing is asked of the database again while that row is there", () => {
    expect(actions(plan({ pods: [a], rows: [accented] }, equal(accented)))).toEqual([]);
  });
});
