// The status is what `kubectl` shows: true for its moment, and the same for ever while nothing happens.

import { describe, expect, test } from "@jest/globals";
import type { FarmMemory } from "../../operator/farm/memory.ts";
import {
  ended,
  facts,
  farm,
  foreignRow,
  identity,
  member,
  memory,
  nowMs,
  nowWallMs,
  otherCluster,
  pod,
  problem,
  rowOf,
  table,
  terminating,
  unavailable,
  unbound,
  uid,
} from "./build.ts";
import type { Scene } from "./build.ts";
import { status } from "./telling.ts";

const a = pod({ name: "shop-a", ready: true });
const b = pod({ name: "shop-b" });
const later = { moment: { nowMs: nowWallMs + 90_000 } };
const laterTime = "2026-01-01T12:01:30Z";
const time = "2026-01-01T12:00:00Z";

describe("the counts", () => {
  test("tell pods, rows and what is foreign", () => {
    const c = pod({ name: "shop-c" });
    const rows = [
      rowOf(a),
      rowOf(b, { serverID: 2 }),
      rowOf(ended({ name: "shop-e" }), { serverID: 3 }),
      rowOf(c, { serverID: 4, by: otherCluster, name: "other" }),
      foreignRow(),
      foreignRow({ serverID: 901 }),
    ];
    const pods = [a, b, c, ended({ name: "shop-e" }), terminating({ name: "shop-t" }), unbound({ name: "shop-u" })];
    expect(status({ pods, rows })).toMatchObject({ desired: 3, registered: 2, ready: 1, stale: 1, blocked: 1, foreign: 2 });
  });
  test("are zero in an empty farm", () =>
    expect(status()).toMatchObject({ desired: 0, registered: 0, ready: 0, stale: 0, blocked: 0, foreign: 0 }));
  test("do not count another pod's row as a pod's", () =>
    expect(status({ pods: [pod({ uid: uid("next") })], rows: [rowOf(a)] })).toMatchObject({ desired: 1, registered: 0 }));
  test("of rows are the last read ones while the rows cannot be read", () => {
    const before = { desired: 9, registered: 4, ready: 3, stale: 2, blocked: 1, foreign: 7 };
    expect(status({ pods: [a], table: unavailable() }, { before })).toMatchObject({ ...before, desired: 1 });
  });
});

describe("the servers", () => {
  test("come worst first, then by name", () => {
    const pods = [
      a,
      b,
      pod({ name: "shop-new" }),
      terminating({ name: "shop-t" }),
      pod({ name: "shop-off" }),
      pod({ name: "shop-f" }),
      ended({ name: "shop-e" }),
    ];
    const rows = [
      rowOf(b, { serverID: 1 }),
      rowOf(a, { serverID: 2 }),
      rowOf(pod({ name: "shop-t" }), { serverID: 3 }),
      rowOf(pod({ name: "shop-off" }), { serverID: 4, enabled: false }),
      rowOf(pod({ name: "shop-e" }), { serverID: 5 }),
      rowOf(pod({ name: "shop-x" }), { serverID: 6, by: otherCluster }),
      foreignRow({ name: "shop-f" }),
    ];
    expect(status({ pods, rows }).servers?.map(({ name, state }) => `${name} ${state}`)).toEqual([
      "shop-x Blocked",
      "shop-f Conflict",
      "shop-e Stale",
      "shop-t Draining",
      "shop-off Disabled",
      "shop-new Pending",
      "shop-a Registered",
      "shop-b Registered",
    ]);
  });
  test("say member, pod, UID and ServerID", () => {
    expect(status({ pods: [a], rows: [rowOf(a, { serverID: 12 })] }).servers).toEqual([
      {
        name: "shop-a",
        member: "live",
        pod: "shop-a",
        podUID: a.uid,
        serverID: 12,
        state: "Registered",
        reason: "Registered",
        since: time,
      },
    ]);
  });
  test("are at most 100, and the rest is counted", () => {
    const pods = (count: number): Scene => ({ pods: Array.from({ length: count }, (_, index) => pod({ name: `shop-${index}` })) });
    const full = status(pods(100));
    expect(full.servers).toHaveLength(100);
    expect(full.omittedServers).toBeUndefined();
    const over = status(pods(103));
    expect(over.servers).toHaveLength(100);
    expect(over.omittedServers).toBe(3);
  });
  test("are the same in whatever order rows and pods were seen", () => {
    const members = [member({ serverName: "site" })];
    const pods = [a, b, pod({ name: "shop-c" })];
    const rows = pods.map((one, index) => rowOf(one, { serverID: index + 1 }));
    expect(status({ pods: pods.toReversed(), rows: rows.toReversed() })).toEqual(status({ pods, rows }));
    expect(status({ pods: pods.toReversed(), members }).servers).toEqual(status({ pods, members }).servers);
  });
});

describe("times", () => {
  const scene: Scene = { pods: [a], rows: [rowOf(a)] };
  const before = status(scene);
  test("of a state are kept while it lasts", () => expect(status(scene, { before, ...later }).servers?.[0]?.since).toBe(time));
  test("of a state begin anew with another state", () =>
    expect(status({ pods: [a], rows: [rowOf(a, { enabled: false })] }, { before, ...later }).servers?.[0]?.since).toBe(laterTime));
  test("of a state begin anew with another pod", () => {
    const next = pod({ uid: uid("next") });
    expect(status({ pods: [next], rows: [rowOf(next)] }, { before, ...later }).servers?.[0]?.since).toBe(laterTime);
  });
  test("of a state begin anew with another row", () =>
    expect(status({ pods: [a], rows: [rowOf(a, { serverID: 5 })] }, { before, ...later }).servers?.[0]?.since).toBe(laterTime));
  test("of a condition are kept while its status lasts, whatever its reason", () => {
    const changed = status(
      { ...scene, table: table([rowOf(a)], { settings: undefined }), farm: farm({ status: before, spec: { webFarmMode: "Manual" } }) },
      later,
    );
    const compatible = changed.conditions?.find(({ type }) => type === "SettingsCompatible");
    expect(compatible).toMatchObject({ reason: "AssertedManual", lastTransitionTime: time });
  });
  test("of a condition begin anew with another status", () => {
    const away = status({ pods: [a], table: unavailable() }, { before, ...later });
    expect(away.conditions?.find(({ type }) => type === "Ready")?.lastTransitionTime).toBe(laterTime);
    expect(away.conditions?.find(({ type }) => type === "Suspended")?.lastTransitionTime).toBe(time);
  });
  test("of the last change are the process's own, else what the status said", () => {
    expect(status().lastChangeTime).toBeUndefined();
    expect(status({}, { before: { lastChangeTime: time }, ...later }).lastChangeTime).toBe(time);
    expect(status({}, { before: { lastChangeTime: time }, moment: { lastChangeMs: nowWallMs + 90_999 } }).lastChangeTime).toBe(laterTime);
  });

  test.each<[string, Scene, FarmMemory]>([
    ["in order", scene, memory()],
    ["with a foreign row of its name", { pods: [a], rows: [foreignRow({ name: "shop-a" })] }, memory()],
    ["whose pod terminates", { pods: [terminating()], rows: [rowOf(a)] }, memory()],
    ["whose database is away", { pods: [a], table: unavailable() }, memory()],
    [
      "whose row waits",
      { rows: [rowOf(a)] },
      memory({ missingSince: new Map([[`1/${rowOf(a).guid ?? ""}` as never, { sinceMs: nowMs - 1 }]]) }),
    ],
    ["suspended, with work withheld", { pods: [a], farm: farm({ spec: { suspend: true } }) }, memory()],
  ])("do not age by themselves in a farm %s", (_what, one, remembered) => {
    const first = status(one, { remembered });
    const second = status({ ...one, farm: { ...(one.farm ?? farm()), status: first }, nowMs: nowMs + 30_000 }, { remembered, ...later });
    expect(second).toEqual(first);
  });
});

describe("status.plan", () => {
  test("is absent when nothing is withheld", () => {
    expect(status({ pods: [a] }).plan).toBeUndefined();
    expect(status({ pods: [a], rows: [rowOf(a)], farm: farm({ spec: { suspend: true } }) }).plan).toBeUndefined();
  });
  test("tells what a suspended farm would do", () => {
    const pods = [a, pod({ name: "shop-b", uid: uid("next") }), ended({ name: "shop-e" })];
    const rows = [rowOf(b, { serverID: 2 }), rowOf(pod({ name: "shop-e" }), { serverID: 3 })];
    expect(status({ pods, rows, farm: farm({ spec: { suspend: true } }) }).plan).toEqual({
      creates: 1,
      updates: 1,
      removals: 1,
      blockedRemovals: 0,
      sample: ["remove shop-e (ServerID 3): ended", "create shop-a for pod shop-a", "update shop-b (ServerID 2) for pod shop-b"],
    });
  });
  test("has only what is withheld", () => {
    expect(
      status({
        pods: [a, ended({ name: "shop-e" })],
        rows: [rowOf(pod({ name: "shop-e" }))],
        farm: farm({ spec: { policy: "UpsertOnly" } }),
      }).plan,
    ).toEqual({
      creates: 0,
      updates: 0,
      removals: 1,
      blockedRemovals: 0,
      sample: ["remove shop-e (ServerID 1): ended"],
    });
  });
  test("tells the rows that need a person", () => {
    expect(status({ rows: [rowOf(a, { by: otherCluster })] }).plan).toEqual({
      creates: 0,
      updates: 0,
      removals: 0,
      blockedRemovals: 1,
      sample: ["blocked shop-a (ServerID 1)"],
      digest: expect.stringMatching(/^[0-9a-f]{16}$/),
      unexplained: [{ serverID: 1, name: "shop-a", guid: rowOf(a, { by: otherCluster }).guid }],
    });
  });
  test("has at most 20 samples", () => {
    const pods = Array.from({ length: 30 }, (_, index) => pod({ name: `shop-${index}` }));
    const { plan } = status({ pods, farm: farm({ spec: { policy: "Observe" } }) });
    expect(plan).toMatchObject({ creates: 30 });
    expect(plan?.sample).toHaveLength(20);
  });
});

describe("the database of the status", () => {
  test("is what was found", () =>
    expect(status().database).toEqual({ endpoint: "sql.example,1433", name: "Kentico", product: "12-13", engineVersion: "16.0.4" }));
  test("is what is known of it while it is away", () => {
    expect(status({ table: { kind: "unavailable", problem: problem(), facts: facts({ name: "Known" }) } }).database?.name).toBe("Known");
    expect(status({ table: unavailable() }, { before: { database: { name: "Before" } } }).database?.name).toBe("Before");
    expect(status({ table: unavailable() }).database).toBeUndefined();
  });
});

test("the status says generation and owner", () => {
  expect(status({}, { farm: { generation: 42 } })).toMatchObject({ observedGeneration: 42, ownerId: identity.ownerId });
});
