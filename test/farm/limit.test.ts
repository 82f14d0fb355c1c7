import { describe, expect, test } from "@jest/globals";
import { admit, enabledRows, mostServers } from "../../operator/farm/limit.ts";
import { ended, farm, foreignRow, observation, pod, rowOf, table, unavailable } from "./build.ts";
import type { Scene } from "./build.ts";
import { actions, expectAll, plan, states } from "./planning.ts";
import { status } from "./telling.ts";

const licensed = (maxServers?: number): ReturnType<typeof farm> => farm({ spec: { maxServers } });
const young = pod({ name: "young", createdAtMs: 30 });
const old = pod({ name: "old", createdAtMs: 10 });
const starting = pod({ name: "starting", createdAtMs: 1, running: false, phase: "Pending" });
const serving = pod({ name: "serving", createdAtMs: 40, ready: true });
const pods = [young, starting, serving, old];
const inserted = (scene: Scene): readonly string[] => plan(scene).inserts.map(({ name }) => name);

describe("places go to", () => {
  test.each<[string, number | undefined, readonly string[]]>([
    ["all without a limit", undefined, ["young", "starting", "serving", "old"]],
    ["all with the limit 0", 0, ["young", "starting", "serving", "old"]],
    ["nobody but the oldest running pod", 1, ["old"]],
    ["running pods by age", 3, ["old", "young", "serving"]],
    ["starting pods when all running ones have theirs", 4, ["old", "young", "serving", "starting"]],
  ])("%s (%s)", (_what, most, expected) => {
    expect(inserted({ farm: licensed(most), pods })).toEqual(expected);
  });

  test("the smaller UID of two that are as old", () => {
    const twins = [pod({ name: "b" }), pod({ name: "a" })].map((one) => ({ pod: one }));
    const { admitted, waiting } = admit(twins, observation({ farm: licensed(1) }), []);
    expect([admitted, waiting].map((some) => some.map(({ pod: { name } }) => name))).toEqual([["a"], ["b"]]);
  });

  test("nobody while late pods that have one restart, but they are not lost to the starting ones", () => {
    const scene = { farm: licensed(3), pods: [...["a", "b", "c"].map((name) => pod({ name, ready: true })), starting] };
    expect(inserted(scene)).toEqual(["a"]);
    expect(states(plan(scene))).toEqual([
      "starting LimitReached LimitReached",
      "a Pending AwaitingRow",
      "b Pending LateRegistration",
      "c Pending LateRegistration",
    ]);
  });
});

describe("places are taken by", () => {
  test.each<[string, Scene, number]>([
    ["rows of the farm", { rows: [rowOf(old)] }, 1],
    ["rows of pods that have ended, until they are removed", { rows: [rowOf(ended({ name: "gone" }))] }, 1],
    ["foreign rows", { rows: [foreignRow(), foreignRow({ serverID: 2, name: "other" })] }, 2],
    ["no row that is switched off", { rows: [foreignRow({ enabled: false }), rowOf(old, { serverID: 2, enabled: false })] }, 0],
  ])("%s", (_what, scene, taken) => {
    const { table: read } = observation(scene);
    expect(read.kind === "read" && enabledRows(read.read.rows)).toBe(taken);
    expect(inserted({ ...scene, farm: licensed(2), pods: [young, serving] })).toHaveLength(2 - taken);
  });
});

test("more rows than the limit leave no place", () => {
  const rows = [1, 2, 3].map((serverID) => foreignRow({ serverID, name: `x${serverID}` }));
  expect(inserted({ farm: licensed(2), pods, rows })).toEqual([]);
});

test("a row that is given to the next pod of its name takes no new place", () => {
  const next = pod({ name: "old", uid: young.uid });
  const scene = { farm: licensed(1), pods: [next], gone: [{ pod: old, ended: true }], rows: [rowOf(old)] };
  expectAll({ scene, does: [`handOver 1 to ${young.uid}`] });
});

test("there is a limit only above 0", () => {
  expect([undefined, 0, 1].map((most) => mostServers(observation({ farm: licensed(most) })))).toEqual([undefined, undefined, 1]);
});

test("a stale row goes although the licence is full, and nothing hopeless is sent", () => {
  const scene = { farm: licensed(1), pods: [young, ended({ name: "gone" })], rows: [rowOf(ended({ name: "gone" }))] };
  expect(actions(plan(scene))).toEqual(["remove 1 ended"]);
});

describe("the condition LimitReached", () => {
  const condition = (scene: Scene): string => {
    const found = status(scene).conditions?.find(({ type }) => type === "LimitReached");
    return `${found?.status ?? ""} ${found?.reason ?? ""} ${found?.message ?? ""}`;
  };
  test.each<[string, Scene, RegExp]>([
    ["is False without a limit", { farm: licensed(0), pods }, /^False NoLimit /],
    ["is False while nobody waits", { farm: licensed(4), pods }, /^False WithinLimit /],
    ["is Unknown while the rows are not", { farm: licensed(1), pods, table: unavailable() }, /^Unknown NotObserved /],
    [
      "says who waits, who takes the places, and what helps",
      { farm: licensed(2), pods: [young, serving], rows: [foreignRow()] },
      /^True LimitReached 1 pods have no row: the table has 1 enabled servers, 1 of them not this WebFarm's, and spec\.maxServers is 2\. Raise it .*Waiting: serving\.$/,
    ],
  ])("%s", (_what, scene, expected) => expect(condition(scene)).toMatch(expected));

  test("names ten pods at most", () => {
    const many = Array.from({ length: 30 }, (_, index) => pod({ name: `shop-${index + 10}` }));
    expect(condition({ farm: licensed(1), pods: many, rows: [foreignRow()] })).toMatch(/30 pods .*shop-10, .*shop-19 and 20 more\.$/);
  });

  test("does not make the farm unready", () => {
    const conditions = status({ farm: licensed(1), pods }).conditions ?? [];
    expect(conditions.filter(({ type }) => ["Ready", "Synced"].includes(type)).map((one) => one.status)).toEqual(["True", "True"]);
  });
});

test("rows without a URL need no limit to be right", () => expect(inserted({ pods: [old], table: table([]) })).toEqual(["old"]));
