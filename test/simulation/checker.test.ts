// Whether the checker finds what it is there for: each rule is broken once by a commit that no operator of ours would make, and what the
// promises except is let pass. And that it shares no code with what it judges.
import { readFileSync } from "node:fs";
import { beforeEach, describe, expect, test } from "@jest/globals";
import { Checker } from "./checker.ts";
import { markOf } from "./marks.ts";
import type { RowObject, Writer } from "./objects.ts";
import { parseStep } from "./steps.ts";
import type { Truth } from "./truth.ts";
import { World } from "./world.ts";

let world: World;
let checker: Checker;
let truth: Truth;

const does = async (...lines: readonly string[]): Promise<void> => {
  for (const line of lines) await world.apply(parseStep(line));
};
const rules = (): readonly string[] => checker.take().map(({ rule }) => rule);
const row = (name: string): RowObject => {
  const found = truth.database("main").rowNamed(name);
  if (found === undefined) throw new Error(`There is no row ${name}`);
  return found;
};
const by = (statement: "register" | "mark" | "remove", sentAtMs = truth.nowMs): Writer => ({
  ...{ kind: "operator", operator: "X", process: "X1", statement, farm: "prod/shop", cluster: "main" },
  sentAtMs,
});
const namespaceUid = (): string => truth.cluster("main").api.namespaces.get("prod")?.uid ?? "";
const uidOf = (name: string): string => truth.cluster("main").api.pods.get(`prod/${name}`)?.uid ?? "";
const markFor = (name: string, uid: string): string => markOf(`${namespaceUid()}/shop`, namespaceUid(), name, uid);
const gate = (name: string, reason: string, process = "X1"): void => {
  const pod = truth.cluster("main").api.pods.get(`prod/${name}`);
  if (pod === undefined) throw new Error(`There is no pod ${name}`);
  truth.noteGate({ cluster: "main", pod, reason, by: process, sentAtMs: truth.nowMs });
};

beforeEach(async () => {
  world = new World();
  truth = world.truth;
  checker = new Checker(truth);
  await does("a person inserts row old", "deployment shop wants 2", "webfarm shop with policy Sync", "operator A starts", "10s pass");
  expect(rules()).toEqual([]);
  expect(checker.counts.inserted).toBe(2);
});

describe("it finds", () => {
  test("a row that is removed while its process lives", () => {
    truth.database("main").remove([row("shop-a")], by("remove"));
    expect(rules()).toEqual(["liveRowRemoved"]);
  });

  test("a row that is removed of a pod that is bound and has not started yet", async () => {
    await does("deployment shop scales to 3", "500ms pass");
    truth.database("main").remove([row("shop-c")], by("remove"));
    expect(rules()).toEqual(["livePodsRowRemoved"]);
  });

  test("a row that is removed while the process of a force-deleted pod has its grace", async () => {
    await does("operator A crashes", "pod shop-a is force-deleted and its process lives on", "39s pass");
    truth.database("main").remove([row("shop-a")], by("remove"));
    expect(rules()).toEqual(["liveRowRemoved"]);
    expect(checker.counts.outlived).toBe(0);
  });

  test("a row that is given to another pod while its own is there", () => {
    truth.database("main").mark([{ ...row("shop-a"), newGuid: markFor("shop-a", "pod-9999") }], by("mark"));
    expect(rules()).toEqual(["rowOfNoPod", "liveRowHandedOver"]);
  });

  test("a foreign row that is removed, or changed", () => {
    truth.database("main").mark([{ ...row("old"), newGuid: markFor("old", uidOf("shop-a")) }], by("mark"));
    expect(rules()).toEqual(["rowOfNoPod", "foreignRowTouched"]);
    truth.database("main").delete({ ...row("old"), guid: null }, by("remove"));
    expect(rules()).toEqual(["foreignRowTouched"]);
  });

  test("a row that carries another owner's mark", () => {
    const other = truth
      .database("main")
      .insert({ name: "theirs", guid: markOf("us-1/blog", "x", "theirs", "pod-0001"), enabled: true }, { kind: "person" });
    truth.database("main").remove([other], by("remove"));
    expect(rules()).toEqual(["foreignRowTouched"]);
  });

  test("a row that is made without the farm's mark", () => {
    truth.database("main").register([{ name: "new", guid: "2f1f7c0e-6a7c-4b1e-9d55-1d6f0d0c9a11" }], by("register"));
    expect(rules()).toEqual(["rowOfNoPod", "rowWithoutMark"]);
  });

  test("a row that is made for a pod that is not bound, of another name, or of another namespace", async () => {
    await does("operator A crashes", "deployment shop scales to 3", "deployment staging/shop wants 4", "50ms pass");
    const database = truth.database("main");
    database.register([{ name: "shop-c", guid: markFor("shop-c", uidOf("shop-c")) }], by("register"));
    expect(checker.take().map(({ rule, text }) => `${rule}: ${text}`)).toEqual([
      expect.stringMatching(/^rowOfNoPod: .*was not bound then/),
    ]);
    await does("10s pass");
    database.register([{ name: "shop-x", guid: markFor("shop-x", uidOf("shop-c")) }], by("register"));
    expect(checker.take().map(({ rule, text }) => `${rule}: ${text}`)).toEqual([expect.stringMatching(/^rowOfNoPod: .*has another name/)]);
    const elsewhere = truth.cluster("main").api.pods.get("staging/shop-d")?.uid ?? "";
    database.register([{ name: "shop-d", guid: markFor("shop-d", elsewhere) }], by("register"));
    expect(checker.take().map(({ rule, text }) => `${rule}: ${text}`)).toEqual([
      expect.stringMatching(/^rowOfNoPod: .*of another namespace/),
    ]);
  });

  test.each([
    ["webfarm shop with policy Observe", "register"],
    ["webfarm shop with policy CreateOnly", "remove"],
  ] as const)("a write that the WebFarm never allowed, and one before it is held (%s, %s)", async (farm, statement) => {
    world = new World();
    truth = world.truth;
    checker = new Checker(truth);
    await does("deployment shop wants 1", farm, "10s pass");
    const guid = markFor("shop-a", uidOf("shop-a"));
    const database = truth.database("main");
    if (statement === "register") database.register([{ name: "shop-a", guid }], by(statement));
    else database.remove([database.insert({ name: "shop-a", guid, enabled: true }, { kind: "person" })], by(statement));
    expect(rules()).toEqual(expect.arrayContaining(["writeForbidden", "writeWithoutFinalizer"]));
  });

  describe("of a process that tells what it looks at,", () => {
    const looked = (...names: readonly string[]): void => {
      const pods = names.flatMap((name) => truth.cluster("main").api.pods.get(`prod/${name}`) ?? []);
      truth.noteLook({ process: "X1", namespace: "prod", pods });
    };
    const gone = (): RowObject => {
      const guid = markFor("shop-x", "pod-9999");
      return truth.database("main").insert({ name: "shop-x", guid, enabled: true }, { kind: "person" });
    };

    beforeEach(() => void truth.watchedProcesses.set("X1", new Map()));

    test("a removal without a look, or against what it showed", () => {
      truth.database("main").remove([gone()], by("remove"));
      expect(rules()).toEqual(["removedUnseen"]);
      const pod = truth.cluster("main").api.pods.get("prod/shop-a");
      if (pod !== undefined) truth.noteLook({ process: "X1", namespace: "prod", name: "shop-x", pods: [{ ...pod, name: "shop-x" }] });
      truth.database("main").remove([gone()], by("remove"));
      expect(rules()).toEqual(["removedUnseen"]);
      looked("shop-a");
      truth.database("main").remove([gone()], by("remove"));
      expect(rules()).toEqual([]);
    });

    test("a removal that rests on a look that came later", async () => {
      const row = gone();
      const sentAtMs = truth.nowMs;
      await does("1s pass");
      looked();
      truth.database("main").remove([row], by("remove", sentAtMs));
      expect(rules()).toEqual(["removedUnseen"]);
    });

    test("a row that is given to a pod that was not seen", () => {
      const guid = markFor("shop-b", "pod-9999");
      truth.database("main").delete(row("shop-b"), { kind: "person" });
      const old = truth.database("main").insert({ name: "shop-b", guid, enabled: true }, { kind: "person" });
      looked("shop-a");
      truth.database("main").mark([{ ...old, newGuid: markFor("shop-b", uidOf("shop-b")) }], by("mark"));
      expect(rules()).toEqual(["markedUnseen"]);
      truth.database("main").change(old, { kind: "person" });
      looked("shop-a", "shop-b");
      truth.database("main").mark([{ ...old, newGuid: markFor("shop-b", uidOf("shop-b")) }], by("mark"));
      expect(rules()).toEqual([]);
    });
  });

  test("a name that is made twice", () => {
    truth.database("main").insert({ name: "SHOP-A ", guid: markFor("shop-a ", uidOf("shop-a")), enabled: true }, by("register"));
    expect(rules()).toContain("nameTwice");
  });

  test("a row of another cluster that goes without approval", () => {
    const guid = markOf(`${namespaceUid()}/shop`, "another", "far", "pod-9999");
    const far = truth.database("main").insert({ name: "far", guid, enabled: true }, { kind: "person" });
    truth.database("main").remove([far], by("remove"));
    expect(rules()).toEqual(["withoutApproval"]);
  });

  test("a row of another cluster that is given away without pings, or while somebody pings as its server", async () => {
    const guid = markOf(`${namespaceUid()}/shop`, "another", "shop-c", "pod-9999");
    const far = truth.database("main").insert({ name: "shop-c", guid, enabled: true }, { kind: "person" });
    await does("operator A crashes", "deployment shop scales to 3", "4m pass");
    const give = (): readonly string[] => {
      truth.database("main").mark([{ ...far, newGuid: markFor("shop-c", uidOf("shop-c")) }], by("mark"));
      const found = rules();
      truth.database("main").change(far, { kind: "person" });
      return found;
    };
    expect(give()).toEqual(["withoutApproval"]);
    await does("database has pings");
    expect(give()).toEqual(["liveRowHandedOver"]);
    await does("pod shop-c's process ends", "2m pass");
    truth.database("main").mark([{ ...far, newGuid: markFor("shop-c", uidOf("shop-d")) }], by("mark"));
    expect(rules()).toEqual(["rowOfNoPod"]); // silent, but for a pod of another name
    expect(checker.counts.takenFromSilent).toBe(1);
  });

  test("a gate that is opened for a row that never was", async () => {
    await does("operator A crashes", "deployment shop scales to 3", "5s pass");
    gate("shop-c", "Registered");
    expect(rules()).toEqual(["gateWithoutRow"]);
  });

  test("a gate that fails open too early", async () => {
    await does("operator A crashes", "deployment shop scales to 3", "4m pass");
    gate("shop-c", "FailOpen");
    expect(rules()).toEqual(["gateTooEarly"]);
    await does("2m pass");
    gate("shop-c", "FailOpen");
    expect(rules()).toEqual([]);
  });

  test.each(["Suspended", "Observe", "PolicyForbids", "Deleting", "BecauseICan"])(
    "a gate that is opened with reason %s, which the WebFarm never gave",
    (reason) => {
      gate("shop-a", reason);
      expect(rules()).toEqual(["gateWithoutCause"]);
    },
  );

  test("a WebFarm that goes while a row is left whose pod had gone before", async () => {
    await does("operator A crashes", "pod shop-a is force-deleted", "1s pass", "webfarm shop is deleted", "11s pass");
    const farm = truth.cluster("main").api.farms.get("prod/shop");
    if (farm === undefined) throw new Error("There is no WebFarm");
    truth.cluster("main").api.removeFarm(farm);
    expect(checker.take().map(({ text }) => text)).toEqual([expect.stringMatching(/^prod\/shop went and left row \d+ shop-a /)]);
  });

  test("but not one that goes when its two minutes are over, nor one that was told to leave its rows", async () => {
    await does("operator A crashes", "pod shop-a is force-deleted", "1s pass", "webfarm shop is deleted", "119s pass");
    const { api } = truth.cluster("main");
    const farm = api.farms.get("prod/shop");
    if (farm === undefined) throw new Error("There is no WebFarm");
    api.putFarm({ ...farm, annotations: { "webfarm.dev/skip-cleanup": "true" } });
    api.removeFarm({ ...farm });
    expect(rules()).toEqual([]);
    api.putFarm(farm);
    await does("2s pass");
    api.removeFarm(farm);
    expect(rules()).toEqual([]);
  });

  test("a younger WebFarm that writes a row for an older one's pod, or opens its gate", async () => {
    await does("webfarm shop2 with policy Observe", "webfarm shop2 has member live of deployment shop", "40s pass", "operator A crashes");
    await does("deployment shop scales to 3", "2s pass");
    const guid = markOf(`${namespaceUid()}/shop2`, namespaceUid(), "shop-c", uidOf("shop-c"));
    truth.database("main").register([{ name: "shop-c", guid }], { ...by("register"), farm: "prod/shop2" } as Writer);
    expect(rules()).toContain("takenFromOlder");
    gate("shop-c", "Observe");
    expect(rules()).toEqual(["gateWithoutCause"]);
    await does("webfarm shop sets policy Observe");
    gate("shop-c", "Observe");
    expect(rules()).toEqual([]);
  });

  test("an approval that works twice, one that is too long, and one that nobody gave", () => {
    const { api } = truth.cluster("main");
    const approve = (untilMs: number): void => {
      const farm = api.farms.get("prod/shop");
      if (farm === undefined) throw new Error("There is no WebFarm");
      const plan = { digest: "abc", unexplained: [], approved: { digest: "abc", until: new Date(untilMs).toISOString() } };
      api.putFarm({ ...farm, status: { ...farm.status, plan } });
    };
    approve(truth.nowMs + 11 * 60_000);
    expect(checker.take().map(({ text }) => text)).toEqual(["the approval of abc lasts longer than ten minutes", "nobody approved abc"]);
    approve(truth.nowMs + 5 * 60_000);
    expect(checker.take().map(({ text }) => text)).toEqual([expect.stringContaining("digest abc works twice")]);
  });

  test("but not that an approval is written again when the store has forgotten the first time", async () => {
    const { api } = truth.cluster("main");
    const farm = api.farms.get("prod/shop");
    if (farm === undefined) throw new Error("There is no WebFarm");
    const published = {
      ...farm,
      status: { plan: { digest: "abc", unexplained: [] } },
      annotations: { "webfarm.dev/approve-removals": "abc" },
    };
    const approve = (untilMs: number): void => {
      const plan = { ...published.status.plan, approved: { digest: "abc", until: new Date(untilMs).toISOString() } };
      api.putFarm({ ...published, status: { plan } });
    };
    api.putFarm(published);
    await does("etcd is saved");
    approve(truth.nowMs + 5 * 60_000);
    await does("etcd is restored");
    approve(truth.nowMs + 6 * 60_000);
    expect(rules()).toEqual([]);
    approve(truth.nowMs + 7 * 60_000);
    expect(rules()).toEqual(["approval"]);
  });
});

describe("it finds, where operators compete,", () => {
  beforeEach(async () => {
    world = new World({ isElected: true });
    truth = world.truth;
    checker = new Checker(truth);
    await does("deployment shop wants 1", "webfarm shop with policy Sync", "operator A starts", "operator B starts", "10s pass");
  });

  test("a write of one that does not lead, or leads no more", async () => {
    expect(rules()).toEqual([]);
    truth.database("main").mark([{ ...row("shop-a"), newGuid: markFor("shop-a", uidOf("shop-a")) }], by("mark"));
    expect(rules()).toEqual(["writeAfterLease"]);
    gate("shop-a", "Registered", "A1");
    expect(rules()).toEqual([]);
    await does("operator A crashes", "operator B crashes", "20s pass");
    gate("shop-a", "Registered", "A1");
    expect(rules()).toEqual(["writeAfterLease"]);
  });
});

describe("it lets pass and counts", () => {
  test("what outlived the wait", async () => {
    await does("pod shop-a is force-deleted and its process lives on", "50s pass");
    expect(truth.database("main").rowNamed("shop-a")).toBeUndefined();
    expect(rules()).toEqual([]);
    expect(checker.counts.outlived).toBe(1);
  });

  test("RemoveAll", async () => {
    await does("webfarm shop sets deletion policy RemoveAll", "webfarm shop is deleted", "20s pass");
    expect(rules()).toEqual([]);
    expect(checker.counts.removeAll).toBe(2);
  });

  test("the row of a pod that had ended when its node was given up", async () => {
    await does("operator A pauses for 1s after its effect 1", "pod shop-b completes", "node n2 is given up by taint", "5s pass");
    expect(truth.database("main").rowNamed("shop-b")).toBeUndefined();
    expect(rules()).toEqual([]);
  });

  test("what people do", async () => {
    await does("a person deletes row shop-a", "a person renames row old to older", "1s pass");
    expect(rules()).toEqual([]);
  });
});

test("nothing that judges imports anything of operator/, directly or through others", () => {
  const reached = new Set<string>();
  const walk = (file: string): void => {
    if (reached.has(file)) return;
    reached.add(file);
    const source = readFileSync(`test/simulation/${file}`, "utf8");
    for (const [, target = ""] of source.matchAll(/from "([^"]+)"/g)) {
      expect(`${file} imports ${target}`).not.toContain("operator/");
      if (target.startsWith("./")) walk(target.slice(2));
    }
  };
  for (const file of ["checker.ts", "truth.ts", "kubelet.ts", "workloads.ts", "pings.ts"]) walk(file);
  expect([...reached]).toEqual(expect.arrayContaining(["marks.ts", "farmHistory.ts", "leases.ts", "database.ts", "apiServer.ts"]));
});
