// From live reads to evidence: what makes a ConfirmedGone and what never does.

import { describe, expect, test } from "@jest/globals";
import { confirmGone, isPodMissing, mayTakeRow, namesArePodNames } from "../../operator/farm/confirm.ts";
import type { LiveRead } from "../../operator/farm/confirm.ts";
import type { Pod, ServerRow } from "../../operator/farm/model.ts";
import type { Evidence, Remark } from "../../operator/farm/plan.ts";
import { podHash } from "../../operator/farm/mark.ts";
import { ended, lost, member, otherCluster, pod, rowOf, terminating, uid, unbound } from "./build.ts";

const was = pod({ name: "shop-0" });
const row = rowOf(was);
const named = (found: Pod | undefined, name = "shop-0"): LiveRead => ({ kind: "named", name, pod: found });
const listed = (...pods: readonly Pod[]): LiveRead => ({ kind: "listed", pods });

const isConfirmed = (
  live: LiveRead | undefined,
  one: { readonly row?: ServerRow; readonly evidence?: Evidence; readonly template?: string } = {},
): boolean =>
  confirmGone(
    { row: one.row ?? row, evidence: one.evidence ?? "ended" },
    live,
    [member({ serverName: one.template ?? "$(POD_NAME)" })],
    1,
  ) !== undefined;

describe("a live read by name confirms a removal", () => {
  test.each<[string, LiveRead | undefined, boolean]>([
    ["when there is no pod of that name", named(undefined), true],
    ["when the pod has ended", named(ended({ name: "shop-0" })), true],
    ["when a namesake of another UID has ended", named(ended({ name: "shop-0", uid: uid("x") })), true],
    ["when the pod was never bound and is deleted", named(unbound({ name: "shop-0", deletionAtMs: 1 })), true],
    ["but not while the pod lives", named(was), false],
    ["but not while the pod terminates", named(terminating({ name: "shop-0" })), false],
    ["but not when the pod was lost with its node", named(lost({ name: "shop-0" })), false],
    ["but not while a namesake of another UID lives", named(pod({ name: "shop-0", uid: uid("x") })), false],
    ["but not while a namesake waits for a node", named(unbound({ name: "shop-0", uid: uid("x") })), false],
    ["but not when another name was read", named(undefined, "shop-1"), false],
    ["but not without a read: an error is never an answer", undefined, false],
  ])("%s", (_what, live, expected) => {
    expect(isConfirmed(live)).toBe(expected);
    expect(isConfirmed(live, { evidence: "missing" })).toBe(expected);
    expect(isConfirmed(live, { evidence: "approved" })).toBe(expected);
  });

  test("of a row in another case only by the name that a pod can have", () => {
    const shouted = rowOf(was, { name: "SHOP-0" });
    expect(isConfirmed(named(undefined, "shop-0"), { row: shouted })).toBe(true);
    expect(isConfirmed(named(undefined, "SHOP-0"), { row: shouted })).toBe(false);
  });
});

describe("a live list confirms a removal", () => {
  const site = rowOf(was, { name: "site-0" });
  const template = "site-$(POD_ORDINAL)";
  test.each<[string, LiveRead, boolean]>([
    ["when the namespace is empty", listed(), true],
    ["when no pod yields that name", listed(pod({ name: "shop-1" })), true],
    ["when the pods that yield it have ended", listed(ended({ name: "shop-0" }), ended({ name: "blog-0" })), true],
    ["but not while a pod yields it", listed(pod({ name: "blog-0" })), false],
    ["but not while a pod that no member selects yields it", listed(pod({ name: "blog-0", labels: {} })), false],
    ["but not while one that terminates yields it", listed(terminating({ name: "blog-0" })), false],
    ["but not while the row's own pod lives under whatever name", listed(pod({ name: "renamed", uid: was.uid })), false],
  ])("%s", (_what, live, expected) => {
    expect(isConfirmed(live, { row: site, template })).toBe(expected);
    expect(isConfirmed(live, { row: site, template, evidence: "approved" })).toBe(expected);
  });

  test("whatever the case of the name that a pod yields", () =>
    expect(isConfirmed(listed(pod({ name: "blog-0" })), { row: rowOf(was, { name: "SITE-0" }), template })).toBe(false));
  test("with any member's template", () => {
    const members = [member(), member({ name: "admin", serverName: template })];
    expect(confirmGone({ row: site, evidence: "ended" }, listed(pod({ name: "blog-0" })), members, 1)).toBeUndefined();
    expect(
      confirmGone({ row: rowOf(was, { name: "blog-0" }), evidence: "ended" }, listed(pod({ name: "blog-0" })), members, 1),
    ).toBeUndefined();
  });
});

describe("a confirmed removal", () => {
  test("repeats the row as it was read, with the evidence and its time", () => {
    expect(confirmGone({ row, evidence: "missing", pod: was }, named(undefined), [member()], 77)).toEqual({
      row,
      evidence: "missing",
      atMs: 77,
      pod: was,
    });
  });
  test("that a person approved says by which approval", () => {
    const approval = { digest: "d", untilMs: 5, approver: "kubectl-annotate" };
    expect(confirmGone({ row, evidence: "approved", approval }, named(undefined), [member()], 1)).toMatchObject({
      evidence: "approved",
      approval,
    });
  });
  test("that a person approved needs a read all the same: a living pod of its name or mark keeps the row", () => {
    expect(isConfirmed(undefined, { evidence: "approved" })).toBe(false);
    const elsewhere = rowOf(was, { by: otherCluster });
    expect(isConfirmed(listed(pod({ name: "renamed", uid: was.uid })), { row: elsewhere, evidence: "approved" })).toBe(false);
    expect(isConfirmed(listed(pod({ name: "shop-0", uid: uid("x") })), { row: elsewhere, evidence: "approved" })).toBe(false);
    expect(isConfirmed(listed(pod({ name: "shop-1", uid: uid("x") })), { row: elsewhere, evidence: "approved" })).toBe(true);
  });
  test("that the user asked for with RemoveAll needs no read", () => expect(isConfirmed(undefined, { evidence: "removeAll" })).toBe(true));
  test("is never one of a row without a GUID", () =>
    expect(isConfirmed(named(undefined), { row: { ...row, guid: null }, evidence: "removeAll" })).toBe(false));
});

describe("pods can be asked for by name", () => {
  test.each([
    ["where every server name is the pod's", ["$(POD_NAME)", "$(POD_NAME)"], true],
    ["but not where one is not", ["$(POD_NAME)", "$(MACHINE_NAME)"], false],
    ["but not where it is only a part", ["x-$(POD_NAME)"], false],
  ])("%s", (_what, templates, expected) => expect(namesArePodNames(templates.map((serverName) => ({ serverName })))).toBe(expected));
});

describe("the wait of a missing pod begins", () => {
  test.each<[string, LiveRead, boolean]>([
    ["when there is none of its name", named(undefined), true],
    ["when its name has another UID", named(pod({ name: "shop-0", uid: uid("x") })), true],
    ["when it has ended", named(ended({ name: "shop-0" })), true],
    ["when no pod of the list has its UID", listed(pod({ name: "shop-0", uid: uid("x") })), true],
    ["but not while it lives", named(was), false],
    ["but not while it is lost", named(lost({ name: "shop-0" })), false],
    ["but not while the list has it under another name", listed(pod({ name: "y", uid: was.uid })), false],
  ])("%s", (_what, live, expected) => expect(isPodMissing(row, live)).toBe(expected));
});

describe("a pod may take a row", () => {
  const next = pod({ name: "shop-0", uid: uid("next") });
  const remark: Remark = {
    kind: "handOver",
    row,
    newGuid: "g",
    claim: { pod: next, hash: podHash(next.uid), member: member(), name: { ok: false, message: "" } },
  };
  test.each<[string, LiveRead, boolean]>([
    ["when it is there, bound and alive", named(next), true],
    ["when the list has it", listed(was, next), true],
    ["but not when it is gone", named(undefined), false],
    ["but not when its name has another UID", named(was), false],
    ["but not when it terminates", named(terminating({ name: "shop-0", uid: next.uid })), false],
    ["but not when it has ended", named(ended({ name: "shop-0", uid: next.uid })), false],
    ["but not without a node", named(unbound({ name: "shop-0", uid: next.uid })), false],
    ["but not under another name", listed(pod({ name: "x", uid: next.uid })), false],
  ])("%s", (_what, live, expected) => expect(mayTakeRow(remark, live)).toBe(expected));
});
