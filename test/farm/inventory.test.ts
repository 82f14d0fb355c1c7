// What is remembered of rows that the application wrote: as long as the row is as it was seen, of the pod that it was seen with, and no more
// than there is room for.

import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import {
  inventoryOf,
  isWrittenDown,
  mostEntries,
  stored,
  usersOf,
  withInventory,
  withoutUnseenEnds,
} from "../../operator/farm/inventory.ts";
import { emptyMemory, rowKey } from "../../operator/farm/memory.ts";
import { kinship, markFor, podHash } from "../../operator/farm/mark.ts";
import type { FarmMemory } from "../../operator/farm/memory.ts";
import type { SeenPod, ServerRow } from "../../operator/farm/model.ts";
import type { InventoryEntry } from "../../operator/farm/resource.generated.ts";
import { appRow, entryOf, seen } from "./applicationScene.ts";
import type { ApplicationScene } from "./applicationScene.ts";
import {
  ended,
  farm,
  foreignRow,
  identity,
  observation,
  otherOwner,
  pod,
  rowOf,
  table,
  terminating,
  uid,
  unavailable,
  unbound,
} from "./build.ts";

const a = pod({ name: "shop-a" });
const b = pod({ name: "shop-b" });
const row = appRow(a);
const remembered = (scene: ApplicationScene): readonly InventoryEntry[] => inventoryOf(seen(scene));
describe("what is remembered", () => {
  test.each<[string, ApplicationScene, readonly InventoryEntry[]]>([
    ["a row and its living pod", { pods: [a], rows: [row] }, [entryOf(row, a)]],
    [
      "a row without a GUID",
      { pods: [a], rows: [appRow(a, { guid: null })] },
      [{ serverName: "shop-a", serverID: 1, pod: "shop-a", podUID: a.uid }],
    ],
    ["a row and its terminating pod", { pods: [terminating({ name: "shop-a" })], rows: [row] }, [entryOf(row, a)]],
    ["the pod of a row that is gone now, whoever saw it", { rows: [row], inventory: [entryOf(row, a)] }, [entryOf(row, a)]],
    [
      "the new pod of the name",
      { pods: [pod({ name: "shop-a", uid: uid("new") })], rows: [row], inventory: [entryOf(row, a)] },
      [entryOf(row, pod({ name: "shop-a", uid: uid("new") }))],
    ],
    ["not a row that is gone", { pods: [a], inventory: [entryOf(row, a)] }, []],
    ["not a row that was made anew after its pod", { rows: [{ ...row, serverID: 7 }], inventory: [entryOf(row, a)] }, []],
    [
      "but one that was made anew while the pod lives",
      { pods: [a], rows: [{ ...row, serverID: 7 }], inventory: [entryOf(row, a)] },
      [entryOf({ ...row, serverID: 7 }, a)],
    ],
    ["not a pod that has ended before its row was seen", { pods: [ended({ name: "shop-a" })], rows: [row] }, []],
    ["not a pod that is not bound: its process has not begun", { pods: [unbound({ name: "shop-a" })], rows: [row] }, []],
    ["not a pod of another WebFarm", { pods: [a], rows: [row], takenByOlder: new Map([[a.uid, farm().key]]) }, []],
    ["not what two pods share", { pods: [a, b], rows: [appRow({ name: "web" })], serverName: "web" }, []],
    [
      "what it knew of a row that the database cannot be asked for",
      { table: unavailable(), inventory: [entryOf(row, a)] },
      [entryOf(row, a)],
    ],
    ["what it knew of rows that are more than are read", { truncated: true, inventory: [entryOf(row, a)] }, [entryOf(row, a)]],
    [
      "what it knew while the cache of the pods is not whole",
      { rows: [{ ...row, serverID: 7 }], synced: false, inventory: [entryOf(row, a)] },
      [entryOf(row, a)],
    ],
    ["not a row that carries a mark already, and so needs no memory", { rows: [rowOf(a)] }, []],
  ])("%s", (_what, scene, expected) => expect(remembered(scene)).toEqual(expected));

  test("is in the order of the names, whatever the order of the rows", () => {
    const rows = [appRow(b, { serverID: 2 }), row];
    expect(remembered({ pods: [a, b], rows })).toEqual(remembered({ pods: [b, a], rows: rows.toReversed() }));
  });

  test("is at most as much as the resource holds, and what was remembered before stays", () => {
    const pods = Array.from({ length: mostEntries + 1 }, (_, at) => pod({ name: `shop-${String(at).padStart(5, "0")}` }));
    const rows = pods.map((one, at) => appRow(one, { serverID: at + 1 }));
    const last = entryOf(rows.at(-1) ?? row, pods.at(-1) ?? a);
    const kept = remembered({ pods, rows, inventory: [last] });
    expect(kept).toHaveLength(mostEntries);
    expect([kept[0]?.serverName, kept.at(-1)]).toEqual(["shop-00000", last]);
    expect(kept.map(({ serverName }) => serverName)).not.toContain(`shop-${String(mostEntries - 1).padStart(5, "0")}`);
  });

  test("has each name once and says of each row what it is, whatever the names", () => {
    const names = fc.constantFrom("shop-a", "SHOP-A", "shop-a ", "shop-b", "shop-b_x", "web");
    const rows = fc.uniqueArray(fc.record({ serverID: fc.integer({ min: 1, max: 9 }), name: names }), {
      selector: ({ serverID }) => serverID,
    });
    fc.assert(
      fc.property(rows, rows, fc.constantFrom("$(POD_NAME)", "$(POD_NAME)*", "shop-*"), (before, now, serverName) => {
        const pods = [a, b];
        const inventory = remembered({ pods, rows: before.map((one) => appRow(one, one)), serverName });
        const next = remembered({ pods: [b], rows: now.map((one) => appRow(one, one)), serverName, inventory });
        expect(new Set(next.map(({ serverName: name }) => name)).size).toBe(next.length);
        for (const entry of next) expect(now).toContainEqual({ serverID: entry.serverID, name: entry.serverName });
      }),
    );
  });
});

describe("rows as they are decided about", () => {
  const readOf = (scene: ApplicationScene): readonly ServerRow[] => {
    const { table: read } = seen(scene);
    return read.kind === "read" ? read.read.rows : [];
  };

  test("carry the mark of their pod, and what the table has beside it", () => {
    const [one] = readOf({ rows: [row], inventory: [entryOf(row, a)] });
    expect(one).toEqual({ ...row, guid: markFor(identity, "shop-a", a.uid), application: { guid: row.guid, pod: "shop-a" } });
    expect(stored(one ?? row)).toEqual(row);
  });

  test("carry none when nothing is known of them, whoever marked them", () => {
    const rows = [row, foreignRow(), rowOf(a, { serverID: 3, name: "shop-x", by: otherOwner })];
    const found = readOf({ rows });
    expect(found.map((one) => kinship(one, identity).kind)).toEqual(["foreign", "foreign", "foreign"]);
    expect(found.map(stored)).toEqual(rows);
  });

  test("carry the mark that this farm wrote when its registration was Operator", () => {
    expect(readOf({ rows: [rowOf(a)] })).toEqual([rowOf(a)]);
  });

  test("are the same when they are looked at twice", () => {
    const once = seen({ pods: [b], rows: [row, appRow(b, { serverID: 2 })], inventory: [entryOf(row, a)] });
    expect(withInventory(once, emptyMemory)).toEqual(once);
  });

  test("are left alone with registration Operator", () => {
    const scene = observation({ farm: farm({ status: { inventory: [entryOf(row, a)] } }), table: table([row]) });
    expect(withInventory(scene, emptyMemory)).toBe(scene);
  });
});

describe("what is written down", () => {
  const isKnown = (scene: ApplicationScene): boolean => {
    const one = seen(scene);
    const rows = one.table.kind === "read" ? one.table.read.rows : [];
    return rows.every(isWrittenDown(one));
  };
  test.each<[string, ApplicationScene, boolean]>([
    ["a row that the inventory has", { rows: [row], inventory: [entryOf(row, a)] }, true],
    ["a row that carries this farm's own mark", { rows: [rowOf(a)] }, true],
    ["not a row that was seen with its pod just now", { pods: [a], rows: [row] }, false],
    ["not a row that the inventory says was another pod's", { pods: [a], rows: [row], inventory: [entryOf(row, b)] }, false],
    ["not a row of which nothing is known", { rows: [row] }, false],
  ])("%s", (_what, scene, expected) => expect(isKnown(scene)).toBe(expected));
});

describe("the pod that a row was last seen to belong to", () => {
  const key = rowKey(row);
  const next = pod({ name: "shop-a", uid: uid("next") });
  const after = (scene: ApplicationScene, before: string | undefined, rows: readonly ServerRow[] = [row]): string | undefined =>
    usersOf(seen(scene), { rows, truncated: false }, new Map(before === undefined ? [] : [[key, uid(before)]])).get(key);
  test.each<[string, string | undefined, string | undefined]>([
    ["is the living pod of its name", after({ pods: [a] }, undefined), a.uid],
    ["is the next pod of the name when that lives", after({ pods: [next] }, a.uid), "next"],
    ["is kept when that pod is gone", after({}, a.uid), a.uid],
    ["is noted, and kept, while the rows cannot be read", after({ pods: [next], table: unavailable() }, a.uid), "next"],
    ["is not known of a row that was seen with no pod", after({}, undefined), undefined],
    ["is nobody while two pods have the name", after({ pods: [a, next], serverName: "shop-a" }, a.uid), undefined],
    [
      "is nobody any more when a pod that has another row too may use it",
      after({ pods: [next], rows: [] }, a.uid, [row, { ...row, serverID: 2 }]),
      undefined,
    ],
    ["is forgotten with the row", after({}, a.uid, []), undefined],
  ])("%s", (_what, found, expected) => expect(found).toBe(expected));

  test("is as it was known before while there are more rows than are read", () => {
    const before = new Map([[key, a.uid]]);
    expect(usersOf(seen({}), { rows: [], truncated: true }, before)).toBe(before);
    expect(usersOf(seen({}), undefined, before)).toBe(before);
  });
});

describe("the end of a pod whose row was not seen in its use", () => {
  const seenBy = (scene: ApplicationScene, users: FarmMemory["users"]): SeenPod | undefined =>
    withoutUnseenEnds(seen({ rows: [row], inventory: [entryOf(row, a)], ...scene }), { users }).pods.seen(podHash(a.uid));
  const gone = [{ pod: a, ended: true }];
  const users = new Map([[rowKey(row), a.uid]]);
  test("counts as missed, and the pod as gone", () =>
    expect(seenBy({ gone }, new Map())).toEqual({ pod: a, presence: "listedGone", ended: false }));
  test("also while the pod's object is still there", () =>
    expect(seenBy({ pods: [ended({ name: "shop-a" })] }, new Map())).toMatchObject({ presence: "listedGone", ended: false }));
  test("is an end when the pod was seen to use the row", () =>
    expect(seenBy({ gone }, users)).toMatchObject({ presence: "deleted", ended: true }));
  test.each([a, terminating({ name: "shop-a" })])("says nothing of a pod that is there and has not ended", (one) =>
    expect(seenBy({ pods: [one] }, new Map())).toMatchObject({ presence: "present" }),
  );
});
