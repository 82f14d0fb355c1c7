import { describe, expect, test } from "@jest/globals";
import { paceLate, registeredLate } from "../../operator/farm/lateRegistration.ts";
import { emptyMemory, remember, rowKey } from "../../operator/farm/memory.ts";
import type { FarmMemory, LateRegistration } from "../../operator/farm/memory.ts";
import type { Pod } from "../../operator/farm/model.ts";
import { deployment, ended, farm, foreignRow, member, memory, nowMs, observation, pod, rowOf, unavailable, unbound, uid } from "./build.ts";
import type { WebFarmSpec } from "../../operator/farm/resource.generated.ts";
import type { Scene } from "./build.ts";

const seeing = (scene: Scene, before: FarmMemory = emptyMemory): FarmMemory => remember(before, observation(scene));
const a = pod({ name: "shop-a" });
type Registration = WebFarmSpec["registration"];

describe("the moment from which a pod was bound", () => {
  test("is that of its first sight", () => expect(seeing({ pods: [a] }).boundSince).toEqual(new Map([[a.uid, nowMs]])));
  test("is kept", () => expect(seeing({ pods: [a], nowMs: nowMs + 9 }, seeing({ pods: [a] })).boundSince.get(a.uid)).toBe(nowMs));
  test.each<[string, readonly Pod[]]>([
    ["has not come without a node", [unbound()]],
    ["is forgotten when the pod has ended", [ended()]],
    ["is forgotten when the pod is gone", []],
  ])("%s", (_what, pods) => expect(seeing({ pods }, memory({ boundSince: new Map([[a.uid, 1]]) })).boundSince).toEqual(new Map()));
});

test("whom a row was seen to belong to is forgotten when the pods were listed anew: others may have come and gone unseen", () => {
  const listed = (lists: number | undefined, before: FarmMemory): FarmMemory => {
    const scene = observation();
    return remember(before, { ...scene, pods: { ...scene.pods, ...(lists !== undefined && { lists }) } });
  };
  const users = new Map([[rowKey(rowOf(a)), a.uid]]);
  const once = memory({ ...listed(1, emptyMemory), users });
  expect(listed(1, once).users).toEqual(users);
  expect(listed(undefined, once).users).toEqual(users);
  expect(listed(2, once)).toMatchObject({ users: new Map(), lists: 2 });
});

test.each<[Registration, number]>([
  ["Operator", 1],
  ["Application", 0],
])(
  "the wait of a row whose pod is missing, with registration %s, begins anew with a list only where the row does not say who used it",
  (registration, left) => {
    const scene = observation({ farm: farm({ spec: { registration } }), rows: [rowOf(a)] });
    const waiting = memory({ lists: 1, missingSince: new Map([[rowKey(rowOf(a)), { sinceMs: 1 }]]) });
    const size = (lists: number): number => remember(waiting, { ...scene, pods: { ...scene.pods, lists } }).missingSince.size;
    expect([size(1), size(2)]).toEqual([1, left]);
  },
);

describe("the moments of a row", () => {
  const row = rowOf(a);
  const moments = memory({
    missingSince: new Map([[rowKey(row), { sinceMs: 1 }]]),
    silentSince: new Map([[rowKey(row), { sinceMs: 2 }]]),
    goneSince: new Map([[rowKey(row), 3]]),
  });
  const kept = ({ missingSince, silentSince, goneSince }: FarmMemory): readonly number[] => [
    missingSince.size,
    silentSince.size,
    goneSince.size,
  ];
  test("are kept while the row is there", () => expect(kept(seeing({ rows: [row] }, moments))).toEqual([1, 1, 1]));
  test("are kept while the rows cannot be read", () => expect(kept(seeing({ table: unavailable() }, moments))).toEqual([1, 1, 1]));
  test("are forgotten with the row", () => expect(kept(seeing({ rows: [] }, moments))).toEqual([0, 0, 0]));
  test("are forgotten when the row has another mark", () =>
    expect(kept(seeing({ rows: [rowOf(pod({ uid: uid("x") }))] }, moments))).toEqual([0, 0, 0]));
  test("are forgotten when the row has another ServerID", () =>
    expect(kept(seeing({ rows: [rowOf(a, { serverID: 2 })] }, moments))).toEqual([0, 0, 0]));
  test("a pod that is to be seen again starts its wait anew", () =>
    expect(seeing({ rows: [row], pods: [a] }, moments).missingSince.size).toBe(0));
  test("a pod that is to be seen again starts its wait anew while the rows cannot be read, too", () =>
    expect(seeing({ table: unavailable(), pods: [a] }, moments).missingSince.size).toBe(0));
  test("a pod that is to be seen ended, or gone, does not", () => {
    expect(seeing({ rows: [row], pods: [ended()] }, moments).missingSince.size).toBe(1);
    expect(seeing({ rows: [row], gone: [{ pod: a }] }, moments).missingSince.size).toBe(1);
  });
  test("a pod that came back and went again since the wait began starts it anew, also one that was never seen before", () => {
    const since = (returns: number): FarmMemory => memory({ missingSince: new Map([[rowKey(row), { sinceMs: 1, returns }]]) });
    const size = (gone: Scene["gone"], before: FarmMemory): number => seeing({ rows: [row], gone: gone ?? [] }, before).missingSince.size;
    expect(size([{ pod: a }], since(0))).toBe(1);
    expect(size([{ pod: a, returns: 2 }], since(2))).toBe(1);
    expect(size([{ pod: a, returns: 2 }], since(1))).toBe(0);
    expect(size([], since(-1))).toBe(1);
    expect(size([{ pod: a }], since(-1))).toBe(0);
  });
  test("a namesake of another UID does not", () =>
    expect(seeing({ rows: [row], pods: [pod({ uid: uid("x") })] }, moments).missingSince.size).toBe(1));
});

test("how many rows there are too few is told once, as soon as rows and workloads can be read", () => {
  const wants = (replicas: number): Scene => ({ members: [member({ workload: deployment({ replicas }) })] });
  const unread: Scene = { members: [member({ workload: { kind: "unknown", reason: "ApiError", message: "500" } })] };
  const tooFew = (...scenes: readonly Scene[]): number | undefined =>
    scenes.reduce<FarmMemory>((before, scene) => seeing(scene, before), memory()).tooFewAtStart;
  expect(tooFew({ ...wants(3), rows: [rowOf(a)] })).toBe(2);
  expect(tooFew({ ...wants(1), rows: [rowOf(a), foreignRow({ name: "other" })] })).toBe(0);
  expect(tooFew({ ...wants(3), rows: [foreignRow({ name: "other" })] })).toBe(3);
  expect(tooFew({ ...wants(3), rows: [rowOf(a)] }, { ...wants(9), rows: [] })).toBe(2);
  expect(tooFew({ ...unread, rows: [] })).toBeUndefined();
  expect(tooFew({ ...wants(3), table: unavailable() }, { ...unread, rows: [] }, { ...wants(4), rows: [rowOf(a)] })).toBe(3);
});

test("rows removed as missing are remembered for 10 minutes, and not a millisecond longer", () => {
  const late = [8, nowMs - 599_999] as const;
  expect(seeing({}, memory({ removedAsMissing: new Map([[7, nowMs - 600_000], late]) })).removedAsMissing).toEqual(new Map([late]));
});

test("a refusal is remembered until it is tried again", () => {
  const refusal = (retryMs: number): FarmMemory => memory({ refusals: new Map([["x", { reason: "R", message: "", retryMs }]]) });
  expect(seeing({}, refusal(nowMs + 1)).refusals.size).toBe(1);
  expect(seeing({}, refusal(nowMs)).refusals.size).toBe(0);
});

test("a deletion is counted from its first sight by this process", () => {
  const leaving = farm({ deletionAtMs: 1 });
  const first = seeing({ farm: leaving });
  expect(first.deletingSinceMs).toBe(nowMs);
  expect(seeing({ farm: leaving, nowMs: nowMs + 5 }, first).deletingSinceMs).toBe(nowMs);
  expect(seeing({}).deletingSinceMs).toBeUndefined();
});

describe("a late registration is over", () => {
  const late = (seenNotReady: boolean, agoMs = 0): FarmMemory =>
    memory({ late: { quota: 2, restarting: new Map([[a.uid, { sinceMs: nowMs - agoMs, seenNotReady }]]) } });
  const ready = pod({ ready: true });
  const after = (pods: readonly Pod[], before: FarmMemory): LateRegistration["restarting"] => seeing({ pods }, before).late.restarting;
  test("when the pod was not Ready and is Ready again", () => expect(after([ready], late(true)).size).toBe(0));
  test("not while it is Ready still", () => expect(after([ready], late(false)).get(a.uid)?.seenNotReady).toBe(false));
  test("not while it restarts", () => expect(after([a], late(false)).get(a.uid)?.seenNotReady).toBe(true));
  test("after 120 s, and not a millisecond before", () => {
    expect(after([ready], late(false, 119_999)).size).toBe(1);
    expect(after([ready], late(false, 120_000)).size).toBe(0);
  });
  test.each<[string, readonly Pod[]]>([
    ["gone", []],
    ["ended", [ended()]],
  ])("when the pod has %s", (_what, pods) => expect(after(pods, late(false)).size).toBe(0));

  test("the number at a time outlives the end of one batch, and is forgotten when none followed", () => {
    const batchOver = seeing({ pods: [ready] }, late(true));
    expect(batchOver.late.quota).toBe(2);
    expect(seeing({ pods: [ready] }, batchOver).late.quota).toBe(0);
  });
});

test("a hundred serving pods are registered a quarter at a time, each batch after the last one's restart", () => {
  const all = Array.from({ length: 100 }, (_, index) => pod({ name: `shop-${index}`, ready: true }));
  let late = emptyMemory.late;
  let remaining = all;
  const batches: number[] = [];
  for (let at = 0; remaining.length > 0 && at < 100; at += 1) {
    const pace = paceLate(
      remaining.map((one) => ({ pod: one })),
      late,
      at,
    );
    batches.push(pace.now.length);
    late = registeredLate(
      late,
      pace.now.map((one) => one.pod.uid),
      pace.quota,
      at,
    );
    expect(paceLate(pace.later, late, at).now).toEqual([]);
    remaining = pace.later.map((one) => one.pod);
    late = { ...late, restarting: new Map() };
  }
  expect(batches).toEqual([25, 25, 25, 25]);
});
