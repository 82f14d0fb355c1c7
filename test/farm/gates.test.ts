// Promise 4: traffic waits for the row, and never for ever.

import { describe, expect, test } from "@jest/globals";
import { gatesToOpen } from "../../operator/farm/gates.ts";
import type { Gates } from "../../operator/farm/gates.ts";
import { rowKey } from "../../operator/farm/memory.ts";
import type { FarmMemory } from "../../operator/farm/memory.ts";
import { farmKey } from "../../operator/farm/model.ts";
import { planFarm } from "../../operator/farm/plan.ts";
import { authorityOf } from "../../operator/farm/policy.ts";
import {
  farm,
  foreignRow,
  member,
  memory,
  nowMs,
  observation,
  otherCluster,
  pod,
  rowOf,
  settings,
  table,
  terminating,
  unavailable,
  unbound,
  uid,
} from "./build.ts";
import type { Scene } from "./build.ts";

const gated = pod({ gate: "closed" });

function gates(scene: Scene, remembered: FarmMemory = memory()): Gates {
  const seen = observation({ pods: [gated], ...scene });
  return gatesToOpen(seen, remembered, planFarm(seen, remembered), authorityOf(seen));
}
const opened = (scene: Scene, remembered?: FarmMemory): readonly string[] =>
  gates(scene, remembered).open.map(({ pod: one, reason }) => `${one.uid} ${reason}`);
const boundFor = (ms: number, one = gated): FarmMemory => memory({ boundSince: new Map([[one.uid, nowMs - ms]]) });

describe("a gate opens", () => {
  test.each<[string, Scene, string]>([
    ["when the pod's own row is committed", { rows: [rowOf(gated)] }, "Registered"],
    ["as Registered although the farm is suspended", { rows: [rowOf(gated)], farm: farm({ spec: { suspend: true } }) }, "Registered"],
    ["as Registered although a person switched the row off", { rows: [rowOf(gated, { enabled: false })] }, "Registered"],
    ["at once when the farm is suspended", { farm: farm({ spec: { suspend: true } }) }, "Suspended"],
    ["at once under Observe", { farm: farm({ spec: { policy: "Observe" } }) }, "Observe"],
    ["at once in read-only mode", { readOnly: true }, "ReadOnly"],
    ["at once when the WebFarm goes", { farm: farm({ deletionAtMs: 1 }) }, "Deleting"],
    ["at once when the WebFarm has what is not known", { farm: farm({ unsupported: ["spec.adoption: MatchingNames"] }) }, "Observe"],
    [
      "at once when suspended although the database is away",
      { farm: farm({ spec: { suspend: true } }), table: unavailable() },
      "Suspended",
    ],
  ])("%s", (_what, scene, reason) => expect(opened(scene)).toEqual([`${gated.uid} ${reason}`]));

  test("at once where the policy forbids to take the name's row over", () => {
    const theirs = rowOf(gated, { by: otherCluster });
    const silent = memory({ silentSince: new Map([[rowKey(theirs), { sinceMs: 0 }]]) });
    const scene = { table: table([theirs], { pings: new Map([[1, "p"]]) }) };
    expect(opened({ ...scene, farm: farm({ spec: { policy: "CreateOnly" } }) }, silent)).toEqual([`${gated.uid} PolicyForbids`]);
    expect(opened({ ...scene, farm: farm({ spec: { policy: "UpsertOnly" } }) }, silent)).toEqual([]);
  });
});

describe("a gate stays closed", () => {
  test.each<[string, Scene]>([
    ["while no row is committed", {}],
    ["while the name's row is a predecessor's", { rows: [rowOf(pod({ uid: uid("before") }))] }],
    ["while the name's row is foreign", { rows: [foreignRow({ name: "shop-a" })] }],
    ["while the name's row is another cluster's, of whatever pod", { rows: [rowOf(gated, { by: otherCluster })] }],
    ["while the database is away", { table: unavailable() }],
    ["while the settings forbid writing", { table: table([], { settings: settings("1") }) }],
    ["while the table is too long", { table: table([], { truncated: true }) }],
    ["while CreateOnly may still insert", { farm: farm({ spec: { policy: "CreateOnly" } }) }],
    ["of a pod without a node", { pods: [unbound({ gate: "closed" })], farm: farm({ spec: { suspend: true } }) }],
    ["of a pod that terminates", { pods: [terminating({ gate: "closed" })], farm: farm({ spec: { suspend: true } }) }],
    [
      "of a pod that an older WebFarm has, even suspended",
      { takenByOlder: new Map([[gated.uid, farmKey("prod", "older")]]), farm: farm({ spec: { suspend: true } }) },
    ],
  ])("%s", (_what, scene) => expect(opened(scene, boundFor(299_999))).toEqual([]));

  test("of a pod that an older WebFarm has, for ever", () =>
    expect(opened({ takenByOlder: new Map([[gated.uid, farmKey("prod", "older")]]) }, boundFor(1e9))).toEqual([]));
  test("where failOpenSeconds is 0, for ever", () => {
    const never = gates({ farm: farm({ spec: { readinessGate: { failOpenSeconds: 0 } } }) }, boundFor(1e9));
    expect(never).toEqual({ open: [] });
  });
});

describe("a gate that is open or absent is left alone", () => {
  test.each(["open", "absent"] as const)("%s", (gate) =>
    expect(opened({ pods: [pod({ gate })], rows: [rowOf(gated)], farm: farm({ spec: { suspend: true } }) })).toEqual([]),
  );
});

describe("failOpenSeconds after the pod was first seen bound a gate opens", () => {
  test.each<[string, Scene]>([
    ["when the database is away", { table: unavailable() }],
    ["when a foreign row has the name", { rows: [foreignRow({ name: "shop-a" })] }],
    ["when the settings forbid writing", { table: table([], { settings: settings("1") }) }],
    ["when the table is too long", { table: table([], { truncated: true }) }],
    ["when the server name is invalid", { members: [member({ serverName: "$(POD_ORDINAL)" })] }],
    ["when its workload cannot be read", { members: [member({ workload: { kind: "unknown", reason: "Forbidden", message: "" } })] }],
    ["when the insert is only late", {}],
  ])("%s, and not a millisecond before", (_what, scene) => {
    const before = gates(scene, boundFor(299_999));
    expect(before.open).toEqual([]);
    expect(before.lookAgainMs).toBe(1);
    expect(opened(scene, boundFor(300_000))).toEqual([`${gated.uid} FailOpen`]);
  });

  test("counted from now for a pod that is first seen bound now", () => expect(gates({}).lookAgainMs).toBe(300_000));
  test("in the farm's own seconds", () =>
    expect(opened({ farm: farm({ spec: { readinessGate: { failOpenSeconds: 7 } } }) }, boundFor(7_000))).toEqual([
      `${gated.uid} FailOpen`,
    ]));
  test("looks again when the first of several opens", () => {
    const other = pod({ name: "shop-b", gate: "closed" });
    const both = memory({
      boundSince: new Map([
        [gated.uid, nowMs - 1_000],
        [other.uid, nowMs - 2_000],
      ]),
    });
    expect(gates({ pods: [gated, other] }, both).lookAgainMs).toBe(298_000);
  });
  test("says why no row was written", () =>
    expect(gates({ rows: [foreignRow({ name: "shop-a" })] }, boundFor(1e9)).open[0]?.message).toMatch(/ForeignRow/));
});
