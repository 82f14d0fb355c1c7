// What confirms the removal of a row that the application wrote, what opens the gate of its pod, and what is published of it.

import { describe, expect, test } from "@jest/globals";
import { publicationOf } from "../../operator/farm/approval.ts";
import { confirmGone } from "../../operator/farm/confirm.ts";
import type { LiveRead } from "../../operator/farm/confirm.ts";
import { gatesToOpen } from "../../operator/farm/gates.ts";
import type { Pod, ServerRow } from "../../operator/farm/model.ts";
import type { Evidence } from "../../operator/farm/plan.ts";
import { authorityOf } from "../../operator/farm/policy.ts";
import { appRow, entryOf, planOf, seen } from "./applicationScene.ts";
import type { ApplicationScene } from "./applicationScene.ts";
import { ended, member, memory, nowMs, nowWallMs, pod, terminating, uid } from "./build.ts";

const was = pod({ name: "shop-0" });
const stored = appRow(was);
const rowOf = (scene: ApplicationScene): ServerRow => {
  const { table } = seen(scene);
  const [row] = table.kind === "read" ? table.read.rows : [];
  if (row === undefined) throw new Error("The scene has no row");
  return row;
};
const remembered = rowOf({ rows: [stored], inventory: [entryOf(stored, was)] });
const unknown = rowOf({ rows: [stored] });
const listed = (...pods: readonly Pod[]): LiveRead => ({ kind: "listed", pods });

describe("the removal of a row that the application wrote", () => {
  const isConfirmed = (row: ServerRow, evidence: Evidence, live: LiveRead | undefined, template = "$(POD_NAME)"): boolean =>
    confirmGone({ row, evidence }, live, [member({ serverName: template })], 1) !== undefined;
  test.each<[string, boolean]>([
    ["is confirmed when the pod of the inventory is gone", isConfirmed(remembered, "ended", listed())],
    ["is confirmed when it has ended", isConfirmed(remembered, "missing", listed(ended({ name: "shop-0" })))],
    ["not while it lives", !isConfirmed(remembered, "missing", listed(was))],
    ["not while it terminates", !isConfirmed(remembered, "ended", listed(terminating({ name: "shop-0" })))],
    ["not while the next of its name lives", !isConfirmed(remembered, "ended", listed(pod({ name: "shop-0", uid: uid("next") })))],
    [
      "also where no template yields the row's name any more",
      !isConfirmed(remembered, "ended", listed(pod({ name: "shop-0", uid: uid("next") })), "other-$(POD_NAME)"),
    ],
    [
      "not while a name that begins so is a living pod's",
      !isConfirmed(rowOf({ rows: [appRow({ name: "x-1_cms" })] }), "approved", listed(pod({ name: "x-1" })), "$(POD_NAME)*"),
    ],
    ["not without a read", !isConfirmed(remembered, "ended", undefined)],
    ["not when nothing is known of the row", !isConfirmed(unknown, "ended", listed())],
    ["not when nothing is known of it and the user wants all rows gone", !isConfirmed(unknown, "removeAll", listed())],
    ["but then when a person approved", isConfirmed(unknown, "approved", listed())],
  ])("%s", (_what, holds) => expect(holds).toBe(true));
});

describe("the gate of a pod", () => {
  const gated = pod({ name: "shop-0", gate: "closed" });
  const opened = (scene: ApplicationScene, boundForMs = 0): readonly string[] => {
    const remembering = memory({ boundSince: new Map([[gated.uid, nowMs - boundForMs]]) });
    const observation = seen({ pods: [gated], ...scene });
    const plan = planOf({ pods: [gated], ...scene }, remembering);
    return gatesToOpen(observation, remembering, plan, authorityOf(observation)).open.map(({ reason, message }) => `${reason}: ${message}`);
  };
  test("opens when the application has registered the pod", () =>
    expect(opened({ rows: [stored] })).toEqual([expect.stringMatching(/^Registered: /)]));
  test("opens for the row that the last pod of the name left, before anything is written down", () =>
    expect(opened({ rows: [stored], inventory: [entryOf(stored, pod({ name: "shop-0", uid: uid("before") }))] })).toHaveLength(1));
  test("opens at once where the farm only observes", () =>
    expect(opened({ spec: { policy: "Observe" } })).toEqual([expect.stringMatching(/^Observe: /)]));
  test.each<[string, ApplicationScene]>([
    ["while there is no row", {}],
    ["while a policy that removes nothing is in force", { spec: { policy: "CreateOnly" } }],
    [
      "while another living pod has the name too",
      { pods: [gated, pod({ name: "shop-1" })], rows: [appRow({ name: "web" })], serverName: "web" },
    ],
    ["while several rows match", { rows: [stored, appRow({ name: "shop-0_cms" }, { serverID: 2 })], serverName: "$(POD_NAME)*" }],
  ])("stays closed %s, and opens when that has taken too long", (_what, scene) => {
    expect(opened(scene, 299_999)).toEqual([]);
    expect(opened(scene, 300_000)).toEqual([expect.stringMatching(/^FailOpen: The application registered no row of its own within /)]);
  });
});

test("what needs approval is published as the table has it, and not with the mark that stands for it", () => {
  const needing = [remembered, rowOf({ rows: [{ ...stored, serverID: 2, guid: null }] })];
  const publication = publicationOf({ before: undefined, needing, approve: undefined, mayRemove: true, nowWallMs });
  expect(publication?.unexplained).toEqual([
    { serverID: 1, name: "shop-0", guid: stored.guid },
    { serverID: 2, name: "shop-0" },
  ]);
  const again = publicationOf({ before: publication, needing, approve: publication?.digest, mayRemove: true, nowWallMs });
  expect(again?.approved?.digest).toBe(publication?.digest);
});
