import { describe, expect, test } from "@jest/globals";
import { conditionsOf, cut } from "../../operator/farm/conditions.ts";
import type { Outcome } from "../../operator/farm/conditions.ts";
import { farmKey } from "../../operator/farm/model.ts";
import type { FarmMemory } from "../../operator/farm/memory.ts";
import { planFarm } from "../../operator/farm/plan.ts";
import { authorityOf } from "../../operator/farm/policy.ts";
import {
  deployment,
  ended,
  farm,
  foreignRow,
  member,
  memory,
  nowMs,
  observation,
  otherCluster,
  pod,
  problem,
  rowOf,
  settings,
  table,
  unavailable,
} from "./build.ts";
import type { Scene } from "./build.ts";

const a = pod({ name: "shop-a" });
const quiet: Outcome = { refused: [] };

function conditions(
  scene: Scene = {},
  { outcome = quiet, remembered = memory() }: { readonly outcome?: Outcome; readonly remembered?: FarmMemory } = {},
): Readonly<Record<string, string>> {
  const seen = observation(scene);
  const all = conditionsOf({ observation: seen, plan: planFarm(seen, remembered), authority: authorityOf(seen), outcome });
  return Object.fromEntries(all.map(({ type, status, reason }) => [type, `${status} ${reason}`]));
}

test("a farm in order has every condition of this version", () => {
  expect(conditions({ pods: [a], rows: [rowOf(a)] })).toEqual({
    Ready: "True Ready",
    Stalled: "False Progressing",
    DatabaseReachable: "True Connected",
    WorkloadsResolved: "True Resolved",
    SettingsCompatible: "True ManualMode",
    Synced: "True UpToDate",
    OwnershipConflict: "False NoConflict",
    RemovalsBlocked: "False NothingBlocked",
    LimitReached: "False NoLimit",
    PeersUnaware: "False NoneSeen",
    Suspended: "False NotSuspended",
  });
});

const forbidden = member({ workload: { kind: "unknown", reason: "Forbidden", message: "403" } });
const blockedRows = ["x", "y", "z"].map((name, index) => rowOf(pod({ name }), { serverID: index + 1 }));
const refusal = (reason: string, stalled = false): { readonly remembered: FarmMemory } => ({
  remembered: memory({ refusals: new Map([["shop-a", { reason, message: "m", retryMs: nowMs + 1, stalled }]]) }),
});

describe("conditions tell", () => {
  test.each<[string, Scene, Parameters<typeof conditions>[1], Readonly<Record<string, string>>]>([
    [
      "a database that is away",
      { table: unavailable() },
      {},
      {
        Ready: "False Unreachable",
        DatabaseReachable: "False Unreachable",
        SettingsCompatible: "Unknown NotObserved",
        Synced: "Unknown DatabaseUnavailable",
        Stalled: "False Progressing",
      },
    ],
    [
      "a database that only a person can mend",
      { table: unavailable({ kind: "login", reason: "LoginFailed", stalled: true }) },
      {},
      { Ready: "False LoginFailed", Stalled: "True LoginFailed" },
    ],
    [
      "what is not known while the rows are unread",
      { table: unavailable() },
      {},
      { OwnershipConflict: "Unknown NotObserved", RemovalsBlocked: "Unknown NotObserved" },
    ],
    [
      "a database that is left alone",
      { table: { kind: "notAsked" } },
      {},
      { Ready: "True Ready", DatabaseReachable: "Unknown NotObserved", Synced: "Unknown DatabaseUnavailable" },
    ],
    [
      "a workload that is not found",
      { members: [member({ workload: { kind: "absent" } })] },
      {},
      { Ready: "False WorkloadNotFound", WorkloadsResolved: "False WorkloadNotFound" },
    ],
    [
      "a workload that cannot be read",
      { members: [member(), forbidden] },
      {},
      { Ready: "False Forbidden", WorkloadsResolved: "False Forbidden" },
    ],
    [
      "a mode that forbids writing",
      { table: table([], { settings: settings("1") }) },
      {},
      {
        Ready: "False AutomaticMode",
        SettingsCompatible: "False AutomaticMode",
        Synced: "Unknown SettingsIncompatible",
        Stalled: "True AutomaticMode",
      },
    ],
    [
      "settings that cannot be read, which do not make it unready",
      { table: table([], { settings: undefined }) },
      {},
      {
        Ready: "True Ready",
        SettingsCompatible: "Unknown SettingsUnreadable",
        Synced: "Unknown SettingsIncompatible",
        Stalled: "True SettingsUnreadable",
      },
    ],
    [
      "a suspended farm, which is ready",
      { farm: farm({ spec: { suspend: true } }) },
      {},
      { Ready: "True Ready", Suspended: "True Suspended", Synced: "Unknown Suspended" },
    ],
    [
      "a farm that observes, which is ready",
      { farm: farm({ spec: { policy: "Observe" } }) },
      {},
      { Ready: "True Ready", Synced: "Unknown Observe" },
    ],
    ["read-only mode", { readOnly: true }, {}, { Ready: "True Ready", Synced: "Unknown ReadOnly" }],
    [
      "a field that is not known",
      { farm: farm({ unsupported: ["spec.x: no"] }) },
      {},
      { Ready: "False UnsupportedField", Synced: "Unknown UnsupportedField", Stalled: "True UnsupportedField" },
    ],
    [
      "a table that is too long",
      { table: table([], { truncated: true }) },
      {},
      { Ready: "False TooManyRows", Synced: "False TooManyRows", Stalled: "True TooManyRows" },
    ],
    [
      "a write that failed",
      { pods: [a] },
      { outcome: { refused: [], problem: problem({ reason: "Deadlock" }) } },
      { Ready: "False Deadlock", Synced: "False Deadlock", Stalled: "False Progressing" },
    ],
    [
      "a write that failed and needs a person",
      { pods: [a] },
      { outcome: { refused: [], problem: problem({ reason: "GrantMissing", stalled: true }) } },
      { Synced: "False GrantMissing", Stalled: "True GrantMissing" },
    ],
    [
      "a row that was refused",
      { pods: [a] },
      { outcome: { refused: [{ name: "shop-a", problem: problem({ kind: "refused", reason: "Trigger", stalled: true }) }] } },
      { Ready: "False Trigger", Synced: "False Trigger", Stalled: "True Trigger" },
    ],
    [
      "a row that was refused before and waits to be tried again",
      { pods: [a] },
      refusal("Trigger", true),
      { Ready: "False Trigger", Synced: "False Trigger", Stalled: "True Trigger", OwnershipConflict: "False NoConflict" },
    ],
    ["no refusal of a pod that is gone", {}, refusal("Trigger"), { Synced: "True UpToDate" }],
    [
      "no refusal where nothing may be written",
      { pods: [a], farm: farm({ spec: { suspend: true } }) },
      refusal("Trigger"),
      { Ready: "True Ready", Synced: "Unknown Suspended" },
    ],
    ["writes that are about to be made", { pods: [a] }, {}, { Ready: "True Ready", Synced: "True InProgress" }],
    [
      "no write that the policy forbids",
      { pods: [ended()], rows: [rowOf(a)], farm: farm({ spec: { policy: "UpsertOnly" } }) },
      {},
      { Synced: "True UpToDate" },
    ],
    [
      "a foreign row of a pod's name, which does not make it unready",
      { pods: [a], rows: [foreignRow({ name: "shop-a" })] },
      {},
      { Ready: "True Ready", OwnershipConflict: "True ForeignRow", Stalled: "True OwnershipConflict" },
    ],
    [
      "an older WebFarm that has the pods",
      { pods: [a], takenByOlder: new Map([[a.uid, farmKey("prod", "older")]]) },
      {},
      { Ready: "True Ready", OwnershipConflict: "True OtherWebFarm", Stalled: "True OwnershipConflict" },
    ],
    [
      "another cluster's row of a pod's name",
      { pods: [a], rows: [rowOf(a, { by: otherCluster })] },
      {},
      { OwnershipConflict: "True OtherCluster", RemovalsBlocked: "False NothingBlocked", Stalled: "True OwnershipConflict" },
    ],
    [
      "another cluster's row that the silence of its server may end",
      { pods: [a], table: table([rowOf(a, { by: otherCluster })], { pings: new Map([[1, "ping"]]) }) },
      {},
      { OwnershipConflict: "True OtherCluster", Stalled: "False Progressing" },
    ],
    [
      "two pods of one name, which ends when one of them has ended",
      { pods: [pod({ name: "shop-1" }), pod({ name: "shop-2" })], members: [member({ serverName: "shop" })] },
      {},
      { OwnershipConflict: "True NameOfAnotherPod", Stalled: "False Progressing" },
    ],
    [
      "another cluster's rows, which do not make it unready",
      { rows: [rowOf(a, { by: otherCluster })] },
      {},
      { Ready: "True Ready", RemovalsBlocked: "True OtherCluster", Stalled: "True RemovalsBlocked" },
    ],
    [
      "rows that are withheld because the view looks wrong",
      { rows: blockedRows, members: [member({ workload: deployment({ replicas: 3 }) })] },
      {},
      { Ready: "True Ready", RemovalsBlocked: "True UnexplainedAbsence" },
    ],
    [
      "nothing wrong while a pod has ended and its row goes",
      { pods: [ended()], rows: [rowOf(a)] },
      {},
      { Ready: "True Ready", Synced: "True InProgress" },
    ],
  ])("%s", (_what, scene, more, expected) => expect(conditions(scene, more)).toMatchObject(expected));
});

describe("messages", () => {
  test("name every member that is not resolved", () => {
    const seen = observation({
      members: [forbidden, member({ name: "admin", workloadName: "Deployment admin", workload: { kind: "absent" } })],
    });
    const { message } = conditionsOf({
      observation: seen,
      plan: planFarm(seen, memory()),
      authority: authorityOf(seen),
      outcome: quiet,
    }).find(({ type }) => type === "WorkloadsResolved") ?? { message: "" };
    expect(message).toMatch(/live.*403.*admin.*no Deployment admin/);
  });
  test("do not depend on the order of the rows", () => {
    const all = (rows: typeof blockedRows): unknown => {
      const seen = observation({ rows, members: [member({ workload: deployment({ replicas: 3 }) })] });
      return conditionsOf({ observation: seen, plan: planFarm(seen, memory()), authority: authorityOf(seen), outcome: quiet });
    };
    expect(all(blockedRows.toReversed())).toEqual(all(blockedRows));
  });
  test("have room for the command that approves, however long the names are", () => {
    const long = (letter: string): string => letter.repeat(253);
    const rows = ["a", "b", "c"].map((letter, index) => rowOf(pod({ name: long(letter) }), { serverID: index + 1 }));
    const named = farm({ namespace: "n".repeat(63), name: "f".repeat(253) });
    const seen = observation({ farm: named, rows, members: [member({ workload: deployment({ replicas: 3 }) })] });
    const all = conditionsOf(
      { observation: seen, plan: planFarm(seen, memory()), authority: authorityOf(seen), outcome: quiet },
      { digest: "0123456789abcdef", unexplained: [] },
    );
    const { message } = all.find(({ type }) => type === "RemovalsBlocked") ?? { message: "" };
    expect(message).toHaveLength(1024);
    expect(message).toContain(
      `kubectl annotate --overwrite webfarm -n ${named.namespace} ${named.name} webfarm.dev/approve-removals=0123456789abcdef `,
    );
  });
  test("of rows that wait while others are approved name no command", () => {
    const seen = observation({ rows: [rowOf(a, { by: otherCluster })] });
    const approved = { digest: "d", until: "2026-01-01T12:10:00.000Z" };
    const all = conditionsOf(
      { observation: seen, plan: planFarm(seen, memory()), authority: authorityOf(seen), outcome: quiet },
      { digest: "d", unexplained: [], approved },
    );
    const { message } = all.find(({ type }) => type === "RemovalsBlocked") ?? { message: "" };
    expect(message).toContain(approved.until);
    expect(message).not.toContain("kubectl");
  });
  test.each([
    ["that fit are as they are", "abc", 3, "abc"],
    ["that do not fit end in three dots", "abcd", 3, "ab…"],
    ["never end in half a character", "a😀bcd", 3, "a…"],
    ["have no half characters of the database's", "a\uD83D", 9, "a\uFFFD"],
  ])("%s", (_what, text, length, expected) => expect(cut(text, length)).toBe(expected));
});
