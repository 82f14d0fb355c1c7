// Whether the simulated world behaves as what it stands for: kubelets, controllers, databases, watches, clocks, and what goes wrong.
import { beforeEach, describe, expect, test } from "@jest/globals";
import { manual, timeout } from "./effects.ts";
import { Inapplicable } from "./inapplicable.ts";
import type { PodObject, Process } from "./objects.ts";
import { refreshPings } from "./pings.ts";
import { parseStep } from "./steps.ts";
import { World } from "./world.ts";

let world: World;
beforeEach(() => {
  world = new World();
});

const does = async (...lines: readonly string[]): Promise<void> => {
  for (const line of lines) await world.apply(parseStep(line));
};
const pod = (name: string): PodObject | undefined => world.truth.cluster("main").api.pods.get(`prod/${name}`);
const names = (): readonly string[] => [...world.truth.cluster("main").api.pods.values()].map(({ name }) => name).toSorted();
const processOf = (uid: string): Process => world.truth.recordOf(uid).process;
const rows = (): readonly string[] => [...world.truth.database("main").rows.values()].map(({ name }) => name).toSorted();
const seconds = (): number => (world.truth.nowMs - Date.UTC(2026, 0, 1)) / 1_000;

describe("a kubelet", () => {
  beforeEach(() => does("deployment shop wants 1", "new pods of shop have no gate", "10s pass"));

  test("runs a pod, ends it within its grace, says so, and then removes its object", async () => {
    expect(pod("shop-a")).toMatchObject({ phase: "Running", ready: false, gate: "closed" });
    await does("deployment shop scales to 2", "10s pass");
    expect(pod("shop-b")).toMatchObject({ node: "n2", phase: "Running", running: true, ready: true });
    await does("pod shop-b takes 5s to stop", "pod shop-b is deleted", "4s pass");
    expect(pod("shop-b")).toMatchObject({ phase: "Running", running: true, ready: false });
    await does("1s pass");
    expect(pod("shop-b")).toMatchObject({ phase: "Succeeded", running: false });
    expect(processOf("pod-0002").endedAtMs).toBe(world.truth.nowMs);
    await does("1s pass");
    expect(names()).toEqual(["shop-a", "shop-c"]);
  });

  test("keeps a process no longer than its grace", async () => {
    await does("new pods of shop have 3s of grace", "deployment shop scales to 2", "10s pass");
    await does("pod shop-b takes 5m to stop", "pod shop-b is deleted", "3s pass");
    expect(processOf("pod-0002").endedAtMs).toBe(world.truth.nowMs);
  });

  test("opens its ears when its node is back: what was force-deleted meanwhile ends then", async () => {
    await does("node n1 is cut off", "pod shop-a is force-deleted", "10m pass");
    expect(processOf("pod-0001").endedAtMs).toBeUndefined();
    await does("node n1 is back", "3s pass");
    expect(processOf("pod-0001").endedAtMs).toBeDefined();
  });

  test("says later what ended while it could not speak", async () => {
    await does("node n1 is cut off", "pod shop-a's process ends");
    expect(pod("shop-a")?.phase).not.toBe("Failed");
    await does("node n1 is back");
    expect(pod("shop-a")?.phase).toBe("Failed");
  });

  test("starts a crashed container again, and a pod that only the store forgot to have ended", async () => {
    await does("pod shop-a's container crashes");
    expect(pod("shop-a")).toMatchObject({ phase: "Running", running: false, ready: false });
    await does("15s pass");
    expect(pod("shop-a")).toMatchObject({ running: true });
    await does("etcd is saved", "pod shop-a is deleted", "10s pass");
    expect(names()).toEqual(["shop-b"]);
    await does("etcd is restored", "10s pass");
    expect(names()).toEqual(["shop-a"]);
    expect(processOf("pod-0001")).toMatchObject({ rebirths: 1 });
    expect(processOf("pod-0002").endedAtMs).toBeDefined();
  });

  test("has no say when the control plane gives its node up", async () => {
    await does("node n1 is cut off", "node n1 is given up by taint", "1m pass");
    expect(pod("shop-a")).toMatchObject({ disruption: "DeletionByTaintManager" });
    await does("node n1 is given up and its pods collected");
    expect(pod("shop-a")).toBeUndefined();
    expect(processOf("pod-0001").endedAtMs).toBeUndefined();
  });
});

describe("controllers", () => {
  test("roll a Deployment out one pod at a time, when the next is Ready", async () => {
    await does("deployment shop wants 2", "new pods of shop have no gate", "deployment shop rolls out", "1m pass");
    expect(names()).toEqual(["shop-c", "shop-d"]);
  });

  test("make a StatefulSet's pod anew under its name only when the old object is gone", async () => {
    await does("statefulset web wants 2", "10s pass", "pod web-1 is deleted");
    expect(pod("web-1")?.uid).toBe("pod-0002");
    await does("10s pass");
    expect(pod("web-1")?.uid).toBe("pod-0003");
  });

  test("delete the pods of a workload that is gone, and a namespace with all that is in it", async () => {
    await does("deployment shop wants 1", "statefulset web wants 1", "10s pass", "deployment shop is deleted", "10s pass");
    expect(names()).toEqual(["web-0"]);
    await does("namespace prod is deleted", "10s pass");
    expect(names()).toEqual([]);
    expect(world.truth.cluster("main").api.namespaces.size).toBe(0);
    await does("deployment shop wants 1");
    expect(world.truth.cluster("main").api.namespaces.get("prod")?.uid).toBe("namespace-0002");
  });
});

describe("a database", () => {
  const by = { kind: "person" } as const;
  const guid = "2f1f7c0e-6a7c-4b1e-9d55-1d6f0d0c9a11";

  test("registers only names that it does not have in any case, and leaves what is not as it was read", () => {
    const database = world.truth.database("main");
    database.register(
      [
        { name: "Shop-0", guid },
        { name: "shop-0", guid },
        { name: "shop-0 ", guid },
      ],
      by,
    );
    expect(rows()).toEqual(["Shop-0"]);
    database.remove([{ serverID: 1, name: "shop-0", guid: guid.replace("2f", "3f") }], by);
    database.mark([{ serverID: 1, name: "shop-1", guid, newGuid: guid.replace("2f", "3f") }], by);
    expect(database.rows.get(1)).toMatchObject({ guid });
    database.remove([{ serverID: 1, name: "shop-0", guid }], by);
    expect(rows()).toEqual([]);
  });

  test("deletes at most 2,000 bindings a request, and the row with the last", () => {
    const database = world.truth.database("main");
    database.insert({ name: "a", guid, enabled: true }, by);
    database.bindings.set(1, 3_000);
    expect(database.remove([{ serverID: 1, name: "a", guid }], by)).toBe(2_000);
    expect(rows()).toEqual(["a"]);
    expect(database.remove([{ serverID: 1, name: "a", guid }], by)).toBe(1_000);
    expect(rows()).toEqual([]);
  });

  test("goes back to yesterday with its numbers, and tells each row that changes by it", async () => {
    await does("a person inserts row a", "database is saved", "a person inserts row b", "a person deletes row a");
    const before = world.truth.rowChanges.length;
    await does("database is restored", "a person inserts row c");
    expect(rows()).toEqual(["a", "c"]);
    expect(world.truth.database("main").rowNamed("c")?.serverID).toBe(2);
    expect(world.truth.rowChanges.slice(before).map(({ by: { kind } }) => kind)).toEqual(["restore", "restore", "person"]);
  });

  test("is pinged by each live process under its name, and by none that has ended", async () => {
    await does("database has pings", "deployment shop wants 1", "webfarm shop with policy Sync", "operator A starts", "70s pass");
    const newest = (): string | undefined => world.truth.database("main").pings?.get(1);
    expect(newest()).toBe("pod-0001/1");
    await does("operator A crashes", "pod shop-a's process ends");
    expect(newest()).toBe("pod-0001/2");
    await does("2m pass");
    refreshPings(world.truth);
    expect(newest()).toBe("pod-0001/2");
  });
});

describe("an operator", () => {
  beforeEach(() => does("deployment shop wants 1", "webfarm shop with policy Sync", "operator A starts", "10s pass"));

  test("writes rows and opens gates", () => {
    expect(rows()).toEqual(["shop-a"]);
    expect(pod("shop-a")).toMatchObject({ gate: "open", ready: true });
  });

  test("whose cache stalls sees nothing, and then everything in its order", async () => {
    await does("cache of A stalls", "deployment shop scales to 2", "10s pass");
    expect(rows()).toEqual(["shop-a"]);
    await does("cache of A sees one change");
    expect(rows()).toEqual(["shop-a"]);
    await does("cache of A catches up", "10s pass");
    expect(rows()).toEqual(["shop-a", "shop-b"]);
  });

  test("that is paused does nothing, and goes on where it was", async () => {
    await does("operator A pauses for 1m", "deployment shop scales to 2", "59s pass");
    expect(rows()).toEqual(["shop-a"]);
    await does("2s pass");
    expect(rows()).toEqual(["shop-a", "shop-b"]);
  });

  test("that is paused between an effect and its answer hears it when it runs again", async () => {
    await does("operator A pauses for 1m after its effect 1", "deployment shop scales to 2", "30s pass");
    expect(rows()).toEqual(["shop-a", "shop-b"]);
    expect(pod("shop-b")).toMatchObject({ gate: "closed" });
    await does("31s pass");
    expect(pod("shop-b")).toMatchObject({ gate: "open" });
  });

  test("that crashes before an effect has not done it; after it, it has", async () => {
    const twoMore = async (crash: string): Promise<readonly string[]> => {
      world = new World();
      await does("deployment shop wants 1", "webfarm shop with policy Sync", "operator A starts", "10s pass");
      await does(`operator A crashes ${crash} its effect 1`, "deployment shop scales to 2", "10s pass");
      expect(world.operators.get("A")?.process).toBeUndefined();
      return rows();
    };
    expect(await twoMore("before")).toEqual(["shop-a"]);
    expect(await twoMore("after")).toEqual(["shop-a", "shop-b"]);
  });

  test("whose statement is late is told nothing, and the statement runs although it is dead by then", async () => {
    await does("A's next register executes 5m late", "deployment shop scales to 2", "A's next register is not applied", "500ms pass");
    await does("operator A crashes", "4m pass");
    expect(rows()).toEqual(["shop-a"]);
    await does("1m pass");
    expect(rows()).toEqual(["shop-a", "shop-b"]);
    expect(world.truth.rowChanges.at(-1)?.by).toMatchObject({ process: "A1", statement: "register" });
  });

  test("that loses its reply has done it; that is refused has not", async () => {
    await does("A's next register loses its reply", "operator A crashes before its effect 2", "deployment shop scales to 2", "1s pass");
    expect(rows()).toEqual(["shop-a", "shop-b"]);
    await does("operator A starts", "30s pass", "A's next gate is refused", "operator A crashes before its effect 4");
    await does("deployment shop scales to 3", "300ms pass");
    expect(pod("shop-c")).toMatchObject({ gate: "closed" });
  });

  test("that cannot read the API server or the database goes on when it can", async () => {
    await does("database is silent for A", "deployment shop scales to 2", "30s pass");
    expect(rows()).toEqual(["shop-a"]);
    await does("database answers A again", "30s pass", "api is silent for A", "deployment shop scales to 1", "30s pass");
    expect(rows()).toEqual(["shop-a", "shop-b"]);
    await does("api answers A again", "30s pass");
    expect(rows()).toEqual(["shop-a"]);
  });
});

describe("where each effect is decided by hand", () => {
  test("nothing is done before it is executed, and nothing is known before it is answered", async () => {
    world = new World({ scheduler: manual, deliversEvents: false, isAutomatic: false });
    await does("deployment shop wants 1", "deployment shop makes a pod", "pod shop-a starts on n1", "webfarm shop with policy Sync");
    await does("operator A starts");
    const [process] = world.processes();
    expect(process?.caches.waiting()).toEqual(["farms", "leases"]);
    for (const watch of ["farms", "pods prod"]) expect(process?.caches.deliverOf(watch)).toBe(true);
    const done: string[] = [];
    for (let open = await opened(); open !== undefined; open = await opened()) {
      done.push(open.kind);
      if (open.kind === "sql.register") {
        expect(rows()).toEqual([]);
        open.execute();
        expect(rows()).toEqual(["shop-a"]);
        open.fail(timeout(open.kind));
      } else {
        open.execute();
        open.answer();
      }
      if (done.length > 40) throw new Error("It never ends");
    }
    expect(done).toContain("sql.register");
    expect(done.indexOf("api.finalizer")).toBeLessThan(done.indexOf("sql.register"));
    expect(done).not.toContain("api.gate");
  });

  async function opened(): Promise<ReturnType<World["effects"]>[number] | undefined> {
    await world.settle();
    return world.effects()[0];
  }
});

test("a step that cannot be done changes nothing and says so", async () => {
  await expect(does("pod shop-a is deleted")).rejects.toThrow(Inapplicable);
  expect(await world.applyIfPossible(parseStep("operator A crashes"))).toBe(false);
  expect(await world.applyIfPossible(parseStep("operator A starts"))).toBe(true);
});

test("the same steps give the same world, to the last change and the last millisecond", async () => {
  const run = async (): Promise<string> => {
    world = new World({ isElected: true });
    await does("database has pings", "deployment shop wants 3", "webfarm shop with policy Sync", "operator A starts", "operator B starts");
    await does("10s pass", "A's next remove loses its reply", "deployment shop rolls out", "operator A crashes after its effect 9");
    await does(
      "etcd is saved",
      "90s pass",
      "etcd is restored",
      "operator A starts",
      "cache of B stalls",
      "5m pass",
      "cache of B lists anew",
    );
    await does("node n2 is cut off", "10m pass");
    return JSON.stringify([world.truth.rowChanges, world.truth.gateOpenings, world.effectsSent, seconds()]);
  };
  expect(await run()).toBe(await run());
});
