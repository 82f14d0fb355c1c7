// Whole passes on the product's generations: the URL of 6 to 8, the licence, adoption, surplus rows, pings that are copied, and processes
// that only a restart will synchronise.

import { beforeEach, describe, expect, test } from "@jest/globals";
import { markFor } from "../../operator/farm/mark.ts";
import type { Pod } from "../../operator/farm/model.ts";
import { deepFreeze, ended, identity, pod, settings, uid } from "../farm/build.ts";
import { FakeWorld } from "./fakeWorld.ts";

let world: FakeWorld;
beforeEach(() => {
  world = new FakeWorld();
});

const names = (): readonly string[] => world.rows.map(({ name }) => name);
const urls = (): Readonly<Record<string, string | undefined>> => Object.fromEntries(world.rows.map(({ name, url }) => [name, url]));
const states = (): Readonly<Record<string, string>> =>
  Object.fromEntries((world.farm?.status.servers ?? []).map(({ name, state, reason }) => [name, `${state} ${reason}`]));
const told = (reason: string): readonly string[] =>
  world.events.filter((event) => event.reason === reason).map((event) => event.pod?.name ?? event.farm.name);
const gated = (changes: Partial<Pod> = {}): Pod => pod({ gate: "closed", ...changes });

describe("where the table has ServerURL", () => {
  beforeEach(() => {
    world.facts = { product: "7-8", hasUrl: true };
    world.settings = deepFreeze({ kind: "read", values: { CMSWebFarmEnabled: "True", CMSWebFarmGenerateServers: "False" } });
    world.respec({ maxServers: 0 });
  });

  test("a pod has its row as soon as it has an IP, with its URL, and its gate then", async () => {
    world.put(gated());
    await world.settle(60_000);
    expect([names(), states(), world.gates.size]).toEqual([[], { "shop-a": "Pending AwaitingIP" }, 0]);
    world.put(gated({ ip: "10.0.0.7" }));
    await world.settle(5_000);
    expect(urls()).toEqual({ "shop-a": "http://10.0.0.7" });
    expect(world.gates.get("shop-a")).toBe("Registered");
  });

  test("an IPv6 address has its brackets", async () => {
    world.put(pod({ ip: "fd00::7" }));
    await world.settle(5_000);
    expect(urls()).toEqual({ "shop-a": "http://[fd00::7]" });
  });

  test("the URL is set right when the pod's IP changes or a person changes the row, and then there is quiet", async () => {
    world.put(pod({ ip: "10.0.0.7" }));
    await world.settle(5_000);
    world.put(pod({ ip: "10.0.0.8" }));
    await world.settle(5_000);
    expect(urls()).toEqual({ "shop-a": "http://10.0.0.8" });
    world.rows = world.rows.map((row) => ({ ...row, url: "http://by-hand" }));
    await world.settle(31_000);
    expect(urls()).toEqual({ "shop-a": "http://10.0.0.8" });
    expect(told("ServerUpdated")).toEqual(["shop-a", "shop", "shop-a", "shop"]);
    expect([world.count("mark"), world.count("livePod"), world.count("livePods")]).toEqual([2, 0, 0]);
    await world.settle(90_000);
    expect(world.count("mark")).toBe(2);
  });

  test("the URL is let alone under CreateOnly", async () => {
    world.put(pod({ ip: "10.0.0.7" }));
    await world.settle(5_000);
    world.respec({ policy: "CreateOnly" });
    world.put(pod({ ip: "10.0.0.8" }));
    await world.settle(60_000);
    expect(urls()).toEqual({ "shop-a": "http://10.0.0.7" });
  });

  test("the next pod of a StatefulSet's name gets the row when it has an IP, with its own URL", async () => {
    world.put(pod({ ip: "10.0.0.7" }));
    await world.settle(5_000);
    world.put(ended({ ip: "10.0.0.7" }));
    world.delete(pod());
    world.put(gated({ uid: uid("next") }));
    await world.settle(60_000);
    expect([urls(), world.gates.size, states()]).toEqual([{ "shop-a": "http://10.0.0.7" }, 0, { "shop-a": "Pending AwaitingIP" }]);
    world.put(gated({ uid: uid("next"), ip: "10.0.0.8" }));
    await world.settle(5_000);
    expect(world.rows).toEqual([
      expect.objectContaining({ serverID: 1, url: "http://10.0.0.8", guid: markFor(identity, "shop-a", uid("next")) }),
    ]);
    expect(world.gates.get("shop-a")).toBe("Registered");
  });

  test("nothing is written before maxServers says how many servers are licensed", async () => {
    world.respec({ maxServers: undefined } as object);
    world.put(gated({ ip: "10.0.0.7" }));
    await world.settle(60_000);
    expect([names(), world.gates.size]).toEqual([[], 0]);
    expect(world.condition("SettingsCompatible")).toEqual({ status: "False", reason: "MaxServersRequired" });
    expect(world.condition("Ready")).toEqual({ status: "False", reason: "MaxServersRequired" });
    world.respec({ maxServers: 1 });
    await world.settle(5_000);
    expect(names()).toEqual(["shop-a"]);
  });
});

test("where the table has no ServerURL a pod needs no IP and its row gets no URL", async () => {
  world.put(pod());
  await world.settle(5_000);
  expect(urls()).toEqual({ "shop-a": undefined });
});

describe("maxServers", () => {
  beforeEach(() => world.respec({ maxServers: 2 }));
  const three = (): void => {
    for (const [name, createdAtMs] of [
      ["shop-a", 3_000],
      ["shop-b", 2_000],
      ["shop-c", 1_000],
    ] as const)
      world.put(gated({ name, createdAtMs }));
  };

  test("leaves the youngest without a row, says so once, and does not spin", async () => {
    three();
    await world.settle(5_000);
    expect(names().toSorted()).toEqual(["shop-b", "shop-c"]);
    expect(states()).toMatchObject({ "shop-a": "LimitReached LimitReached" });
    expect(world.condition("LimitReached")).toEqual({ status: "True", reason: "LimitReached" });
    expect(world.condition("Ready")).toEqual({ status: "True", reason: "Ready" });
    expect(told("LimitReached")).toEqual(["shop"]);
    world.calls.length = 0;
    const passes = await world.settle(5 * 60_000 - 10_000);
    expect(passes).toBeLessThan(15);
    expect([world.count("register"), world.count("conflict"), told("LimitReached")]).toEqual([0, 0, ["shop"]]);
    expect([world.gates.has("shop-a"), world.gates.size]).toEqual([false, 2]);
  });

  test("is taken by foreign rows too, but not by rows that are switched off", async () => {
    world.insertForeign({ name: "admin" });
    world.insertForeign({ name: "old", enabled: false });
    three();
    await world.settle(5_000);
    expect(names()).toEqual(["admin", "old", "shop-c"]);
    const message = world.farm?.status.conditions?.find(({ type }) => type === "LimitReached")?.message;
    expect(message).toMatch(
      /2 pods.*2 enabled servers, 1 of them not this WebFarm's.*maxServers is 2.*Raise it.*Waiting: shop-a, shop-b\./,
    );
  });

  test("is counted by the database, whatever else inserts meanwhile", async () => {
    world.put(gated());
    world.onCall = (call) => {
      if (call === "register" && world.rows.length === 0) for (const name of ["x", "y"]) world.insertForeign({ name });
    };
    await world.settle(60_000);
    expect(names()).toEqual(["x", "y"]);
    expect(states()["shop-a"]).toBe("LimitReached LimitReached");
    expect([world.count("register"), world.count("conflict")]).toEqual([1, 0]);
  });

  test("rows of pods that have ended make room at once", async () => {
    three();
    await world.settle(5_000);
    world.put(ended({ name: "shop-b" }));
    await world.settle(500);
    expect(names().toSorted()).toEqual(["shop-a", "shop-c"]);
    expect(world.condition("LimitReached")).toEqual({ status: "False", reason: "WithinLimit" });
  });

  test("what waits gets its row when the limit is raised", async () => {
    three();
    await world.settle(5_000);
    world.respec({ maxServers: 3 });
    await world.settle(5_000);
    expect(names().toSorted()).toEqual(["shop-a", "shop-b", "shop-c"]);
  });
});

describe("adoption", () => {
  const accents = (name: string): string => name.normalize("NFKD").replace(/\p{M}/gu, "").replace(/ +$/, "").toLowerCase();
  const adopting = (): void => world.respec({ adoption: "MatchingNames" });

  test.each<[string, string, string | null]>([
    ["the same name", "shop-a", "3f2504e0-4f89-41d3-9a0c-0305e82c3301"],
    ["no GUID", "shop-a", null],
    ["other case and blanks at its end", "SHOP-A  ", null],
    ["accents that the database does not see", "shöp-à", null],
    ["full width", "ｓｈｏｐ-ａ", null],
  ])("of a row with %s gives it the pod's mark and leaves its name", async (_what, name, guid) => {
    world.collation = accents;
    world.insertForeign({ name, guid });
    adopting();
    world.put(gated());
    await world.settle(5_000);
    expect(world.rows).toEqual([{ serverID: 1, name, enabled: true, guid: markFor(identity, name, pod().uid) }]);
    expect(world.gates.get("shop-a")).toBe("Registered");
    expect(told("ServerAdopted")).toEqual(["shop-a"]);
    expect(world.condition("OwnershipConflict")).toEqual({ status: "False", reason: "NoConflict" });
    world.put(ended());
    await world.settle(5_000);
    expect(names()).toEqual([]);
  });

  test.each([
    ["shop-a", "ForeignRow"],
    ["SHOP-A", "EqualName"],
    ["shöp-a", "EqualName"],
  ])("never happens unless it is asked for: %s is a conflict", async (name, reason) => {
    world.collation = accents;
    const row = { ...world.insertForeign({ name }) };
    world.put(gated());
    await world.settle(4 * 60_000);
    expect([world.rows, states()["shop-a"]]).toEqual([[row], `Conflict ${reason}`]);
    expect(world.condition("OwnershipConflict")).toEqual({ status: "True", reason });
    expect(world.count("register")).toBeLessThan(2);
    world.rows = [];
    await world.settle(31_000);
    expect(names()).toEqual(["shop-a"]);
  });

  test("never takes a name that only looks alike to a database that tells them apart", async () => {
    world.collation = (name) => name;
    const row = { ...world.insertForeign({ name: "SHOP-A" }) };
    adopting();
    world.put(gated());
    await world.settle(5_000);
    expect(names()).toEqual(["SHOP-A", "shop-a"]);
    expect(world.rows[0]).toEqual(row);
  });

  test.each<[string, string]>([
    ["another WebFarm's mark", markFor({ ...identity, ownerId: "eu-1/blog" }, "shop-a", uid("x"))],
    ["any UUID of version 8", "3f2504e0-4f89-81d3-bf0c-0305e82c3301"],
  ])("never takes a row that carries %s", async (_what, guid) => {
    const row = { ...world.insertForeign({ name: "shop-a", guid }) };
    adopting();
    world.put(gated());
    await world.settle(60_000);
    expect([world.rows, states()["shop-a"]]).toEqual([[row], "Conflict ForeignRow"]);
  });

  test("takes none of several rows of one name", async () => {
    const rows = [{ ...world.insertForeign({ name: "shop-a" }) }, { ...world.insertForeign({ name: "shop-a ", guid: null }) }];
    adopting();
    world.put(gated());
    await world.settle(60_000);
    expect([world.rows, states()["shop-a"]]).toEqual([rows, "Conflict SeveralRows"]);
  });

  test("waits for policy UpsertOnly, and the gate does not wait for it", async () => {
    const row = { ...world.insertForeign({ name: "shop-a" }) };
    world.respec({ adoption: "MatchingNames", policy: "CreateOnly" });
    world.put(gated());
    await world.settle(5_000);
    expect([world.rows, world.gates.get("shop-a"), world.farm?.status.plan?.updates]).toEqual([[row], "PolicyForbids", 1]);
    world.respec({ policy: "UpsertOnly" });
    await world.settle(5_000);
    expect(world.rows[0]?.guid).toBe(markFor(identity, "shop-a", pod().uid));
  });

  test("rests on a live read of the pod", async () => {
    const row = { ...world.insertForeign({ name: "shop-a" }) };
    adopting();
    world.see(pod());
    await world.settle(60_000);
    expect(world.rows).toEqual([row]);
  });
});

describe("surplus rows of ours", () => {
  test("go, and the one with the smallest ServerID stays", async () => {
    world.put(gated());
    const kept = { ...world.insertRow(pod()) };
    for (let count = 0; count < 3; count += 1) world.insertRow(pod());
    await world.settle(5_000);
    expect(world.rows).toEqual([kept]);
    expect(world.evidence).toEqual(["surplus", "surplus", "surplus"]);
  });

  test("stay when the one that was to stay has gone while we looked", async () => {
    world.put(gated());
    world.insertRow(pod());
    const other = { ...world.insertRow(pod()) };
    world.put(pod({ name: "shop-b" }));
    world.onCall = (call) => {
      if (call === "register") world.rows = world.rows.slice(1);
    };
    await world.settle(60_000);
    expect(world.rows).toEqual([other, expect.objectContaining({ name: "shop-b" })]);
  });

  test("stay under UpsertOnly", async () => {
    world.respec({ policy: "UpsertOnly" });
    world.put(gated());
    for (let count = 0; count < 2; count += 1) world.insertRow(pod());
    await world.settle(60_000);
    expect(world.rows).toHaveLength(2);
  });

  test("the first is given to the living pod before its other goes", async () => {
    const elder = pod({ uid: uid("elder") });
    world.put(elder);
    world.insertRow(elder);
    world.put(ended({ uid: uid("elder") }));
    world.delete(elder);
    world.put(pod());
    world.insertRow(pod());
    await world.settle(5_000);
    expect(world.rows).toEqual([expect.objectContaining({ serverID: 1, guid: markFor(identity, "shop-a", pod().uid) })]);
  });
});

describe("a new row is given a ping", () => {
  const settleRead = (): Promise<number> => world.settle(31_000);
  beforeEach(async () => {
    world.facts = { hasPings: true };
    world.put(pod());
    await world.settle(5_000);
    world.pings = new Map([[1, "100"]]);
    await settleRead();
  });

  test("while pings arrive", async () => {
    world.pings = new Map([[1, "101"]]);
    await settleRead();
    world.put(pod({ name: "shop-b" }));
    await world.settle(5_000);
    expect(world.quietlyBorn).toEqual(["shop-b"]);
  });

  test.each<[string, () => Promise<unknown>]>([
    ["while none arrive", () => settleRead()],
    [
      "when the last arrived too long ago",
      async () => {
        world.pings = new Map([[1, "101"]]);
        await settleRead();
        await world.settle(125_000);
      },
    ],
    [
      "when the only new one is of a server that was not there before",
      async () => {
        world.insertForeign({});
        world.pings = new Map([
          [1, "100"],
          [2, "101"],
        ]);
        await settleRead();
      },
    ],
    [
      "right after the operator has started",
      async () => {
        world.pings = new Map([[1, "101"]]);
        world.restart();
        await world.settle(5_000);
      },
    ],
  ])("but not %s", async (_what, before) => {
    await before();
    world.put(pod({ name: "shop-b" }));
    await world.settle(5_000);
    expect([names().includes("shop-b"), world.quietlyBorn]).toEqual([true, []]);
  });
});

describe("a process that only a restart will synchronise", () => {
  const starting = (name: string): Pod => pod({ name, running: false, phase: "Pending" });
  const start = async (...started: readonly string[]): Promise<void> => {
    for (const name of started) world.put(starting(name));
    await world.settle(1_000);
    for (const name of started) world.put(pod({ name }));
    await world.settle(1_000);
  };
  const unaware = (): string => `${world.condition("PeersUnaware")?.status ?? ""} ${world.condition("PeersUnaware")?.reason ?? ""}`;

  test("is none where servers start together", async () => {
    await start("shop-a", "shop-b", "shop-c");
    await world.settle(120_000);
    expect(new Set(Object.values(states()))).toEqual(new Set(["Registered Registered"]));
    expect([unaware(), world.events.filter(({ type }) => type === "Warning")]).toEqual(["False NoneSeen", []]);
  });

  test.each([0, 31_000])(
    "is one that started alone, when another row is added %d ms later; it clears when its container restarts",
    async (waitMs) => {
      await start("shop-a");
      await world.settle(waitMs);
      expect(unaware()).toBe("False NoneSeen");
      await start("shop-b");
      expect(states()).toEqual({ "shop-a": "Unsynchronised StartedAlone", "shop-b": "Registered Registered" });
      expect([unaware(), told("StartedAlone"), told("PeersUnaware")]).toEqual(["True StartedAlone", ["shop-a"], ["shop"]]);
      await world.settle(120_000);
      expect([unaware(), told("StartedAlone"), told("PeersUnaware")]).toEqual(["True StartedAlone", ["shop-a"], ["shop"]]);
      expect(world.condition("Ready")).toEqual({ status: "True", reason: "Ready" });
      world.put(pod({ running: false }));
      await world.settle(1_000);
      world.put(pod({ restarts: 1 }));
      await world.settle(2_000);
      expect([unaware(), states()["shop-a"]]).toEqual(["False NoneSeen", "Registered Registered"]);
      await start("shop-c");
      expect(unaware()).toBe("False NoneSeen");
    },
  );

  test("is one that started alone, when a person adds a row", async () => {
    await start("shop-a");
    await world.settle(31_000);
    world.insertForeign({ name: "admin" });
    await world.settle(31_000);
    expect(unaware()).toBe("True StartedAlone");
  });

  test("is none when a row that somebody else wrote may have been there before it ran", async () => {
    world.put(starting("shop-a"));
    await world.settle(1_000);
    world.insertForeign({ name: "admin" });
    await start("shop-a");
    await world.settle(31_000);
    await start("shop-b");
    await world.settle(31_000);
    expect(unaware()).toBe("False NoneSeen");
  });

  test("is none that started beside another which has gone since", async () => {
    await start("shop-a", "shop-b");
    world.put(ended({ name: "shop-b" }));
    await world.settle(60_000);
    expect(names()).toEqual(["shop-a"]);
    await start("shop-c");
    await world.settle(31_000);
    expect(unaware()).toBe("False NoneSeen");
  });

  test("clears when its pod is replaced", async () => {
    await start("shop-a");
    await start("shop-b");
    expect(unaware()).toBe("True StartedAlone");
    world.put(ended({ name: "shop-a" }));
    await world.settle(5_000);
    expect([unaware(), names()]).toEqual(["False NoneSeen", ["shop-b"]]);
  });

  test("is one whose row was deleted and inserted anew under another ServerID", async () => {
    await start("shop-a", "shop-b");
    world.rows = world.rows.filter(({ name }) => name !== "shop-a");
    await world.settle(35_000);
    expect(names()).toEqual(["shop-b", "shop-a"]);
    expect(states()).toEqual({ "shop-a": "Unsynchronised RowReplaced", "shop-b": "Registered Registered" });
    expect([unaware(), told("RowReplaced")]).toEqual(["True RowReplaced", ["shop-a"]]);
    world.put(pod({ restarts: 1 }));
    await world.settle(2_000);
    expect(unaware()).toBe("False NoneSeen");
  });

  test("is not claimed by an operator that has restarted", async () => {
    await start("shop-a");
    await start("shop-b");
    world.restart();
    await world.settle(61_000);
    expect(unaware()).toBe("False NoneSeen");
    await start("shop-c");
    expect(unaware()).toBe("False NoneSeen");
  });

  test("is none in versions that read their rows each time", async () => {
    world.facts = { product: "6" };
    await start("shop-a");
    await world.settle(31_000);
    await start("shop-b");
    world.rows = world.rows.filter(({ name }) => name !== "shop-b");
    await world.settle(35_000);
    expect([names(), unaware()]).toEqual([["shop-a", "shop-b"], "False NoneSeen"]);
  });
});

test("settings that are Automatic keep everything as it is, with the reason", async () => {
  world.settings = settings("1");
  world.put(gated());
  await world.settle(60_000);
  expect([names(), world.condition("SettingsCompatible")]).toEqual([[], { status: "False", reason: "AutomaticMode" }]);
});
