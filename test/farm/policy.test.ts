import { describe, expect, test } from "@jest/globals";
import { rowKey } from "../../operator/farm/memory.ts";
import { planFarm } from "../../operator/farm/plan.ts";
import { authorityOf, isSilencedByPerson, permitted } from "../../operator/farm/policy.ts";
import { ended, farm, memory, observation, otherCluster, pod, rowOf, settings, table, unavailable, uid } from "./build.ts";
import type { Scene } from "./build.ts";

/** One insert, one hand-over, one take-over, one removal. */
const theirs = rowOf(pod({ name: "shop-c" }), { serverID: 3, by: otherCluster });
const rows = [rowOf(pod({ name: "shop-b" })), rowOf(pod({ name: "shop-d" }), { serverID: 2 }), theirs];
const everything: Scene = {
  pods: [pod({ name: "shop-a" }), pod({ name: "shop-b", uid: uid("next") }), pod({ name: "shop-c" }), ended({ name: "shop-d" })],
  table: table(rows, { pings: new Map([[3, "p"]]) }),
};
const silent = memory({ silentSince: new Map([[rowKey(theirs), { sinceMs: 0 }]]) });

function allowed(scene: Scene): readonly string[] {
  const seen = observation({ ...everything, ...scene });
  const { inserts, marks, removals } = permitted(planFarm(seen, silent), authorityOf(seen));
  return [...inserts.map(() => "insert"), ...marks.map(({ kind }) => kind), ...removals.map(() => "remove")];
}

describe("what a farm may do", () => {
  test.each<[string, Scene, readonly string[]]>([
    ["under Sync is everything", {}, ["insert", "handOver", "takeOver", "remove"]],
    ["under UpsertOnly is all but removing", { farm: farm({ spec: { policy: "UpsertOnly" } }) }, ["insert", "handOver", "takeOver"]],
    ["under CreateOnly is inserting and marking for a new pod", { farm: farm({ spec: { policy: "CreateOnly" } }) }, ["insert", "handOver"]],
    ["under Observe is nothing", { farm: farm({ spec: { policy: "Observe" } }) }, []],
    ["while suspended is nothing", { farm: farm({ spec: { suspend: true } }) }, []],
    ["in read-only mode is nothing", { readOnly: true }, []],
    ["with a field that is not known is nothing", { farm: farm({ unsupported: ["spec.x"] }) }, []],
    ["in Automatic mode is nothing", { table: table(rows, { settings: settings("1") }) }, []],
    ["while the settings cannot be read is nothing", { table: table(rows, { settings: { kind: "unreadable", values: {} } }) }, []],
    [
      "when the mode is asserted is everything",
      { farm: farm({ spec: { webFarmMode: "Manual" } }), table: table(rows, { settings: settings("1"), pings: new Map([[3, "p"]]) }) },
      ["insert", "handOver", "takeOver", "remove"],
    ],
    ["with a table that is too long is nothing", { table: table(rows, { truncated: true }) }, []],
    ["in deletion is all but inserting and taking over", { farm: farm({ deletionAtMs: 1 }) }, ["handOver", "remove"]],
    ["in deletion under CreateOnly is not removing", { farm: farm({ deletionAtMs: 1, spec: { policy: "CreateOnly" } }) }, ["handOver"]],
  ])("%s", (_what, scene, expected) => expect(allowed(scene)).toEqual(expected));
});

describe("the silence of a farm", () => {
  test.each<[string, Scene, string | undefined, boolean]>([
    ["is none under Sync", {}, undefined, false],
    ["is none while the database is away, whose settings nobody knows", { table: unavailable() }, undefined, false],
    ["is a person's when suspended", { farm: farm({ spec: { suspend: true } }) }, "Suspended", true],
    ["is a person's under Observe", { farm: farm({ spec: { policy: "Observe" } }) }, "Observe", true],
    ["is a person's in read-only mode", { readOnly: true }, "ReadOnly", true],
    ["is a person's with a field that is not known", { farm: farm({ unsupported: ["x"] }) }, "UnsupportedField", true],
    ["is a fault's when the settings forbid writing", { table: table([], { settings: settings("0") }) }, "SettingsIncompatible", false],
    ["is a fault's when the table is too long", { table: table([], { truncated: true }) }, "TooManyRows", false],
    [
      "names the field that is not known before all else",
      { farm: farm({ unsupported: ["x"], spec: { suspend: true } }), readOnly: true },
      "UnsupportedField",
      true,
    ],
  ])("%s", (_what, scene, silence, person) => {
    const authority = authorityOf(observation(scene));
    expect(authority.silence).toBe(silence);
    expect(isSilencedByPerson(authority)).toBe(person);
  });
});
