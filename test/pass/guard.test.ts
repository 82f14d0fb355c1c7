// What a process that does not hold the lease may do: look, but start no write. The ports below are those of the reconcile tests.
import { describe, expect, test } from "@jest/globals";
import { NotLeading } from "../../operator/controller/mayWrite.ts";
import { guardedCluster, guardedDatabases } from "../../operator/pass/guard.ts";
import type { Cluster, Databases, FarmDatabase } from "../../operator/pass/ports.ts";

const answer = Promise.resolve("answered");

/** A port whose every method notes its name and answers the same. */
function noting<Port extends object>(methods: readonly (keyof Port & string)[]): { readonly port: Port; readonly called: string[] } {
  const called: string[] = [];
  const port = Object.fromEntries(
    methods.map((method) => [
      method,
      (...args: readonly unknown[]) => {
        called.push(`${method}(${args.length})`);
        return answer;
      },
    ]),
  );
  return { port: port as Port, called };
}

const reads = [
  "namespaceUid",
  "readWorkload",
  "readSecret",
  "readConfigMap",
  "readServiceAccount",
  "liveFarm",
  "livePod",
  "livePods",
] as const;
const clusterWrites = ["openGate", "patchStatus", "addFinalizer", "removeFinalizer"] as const;
const databaseReads = ["facts", "read", "conflict"] as const;
const databaseWrites = ["register", "mark", "remove", "sweep"] as const;

type Method = (...args: readonly unknown[]) => Promise<unknown>;
const call = (port: object, method: string): Promise<unknown> =>
  (port as Record<string, Method>)[method]?.(1, 2) ?? Promise.reject(new Error(`there is no ${method}`));

function databaseOf(mayWrite: () => boolean): { readonly database: FarmDatabase; readonly called: string[] } {
  const { port, called } = noting<FarmDatabase>([...databaseReads, ...databaseWrites]);
  const databases: Databases = { release: () => undefined, use: () => ({ kind: "usable", database: port }) };
  const use = guardedDatabases(databases, mayWrite).use("shop/main" as never, {} as never);
  if (use.kind !== "usable") throw new Error("Cannot go on: the database was refused");
  return { database: use.database, called };
}

describe("A process that does not hold the lease", () => {
  test.each(clusterWrites)("does not send %s", async (method) => {
    const { port, called } = noting<Cluster>([...reads, ...clusterWrites]);
    await expect(
      call(
        guardedCluster(port, () => false),
        method,
      ),
    ).rejects.toThrow(NotLeading);
    expect(called).toEqual([]);
  });

  test.each(databaseWrites)("does not send %s", async (method) => {
    const { database, called } = databaseOf(() => false);
    await expect(call(database, method)).rejects.toThrow("does not hold the lease any more");
    expect(called).toEqual([]);
  });

  test("still reads", async () => {
    const { port, called } = noting<Cluster>([...reads, ...clusterWrites]);
    const { database, called: asked } = databaseOf(() => false);
    for (const method of reads)
      expect(
        await call(
          guardedCluster(port, () => false),
          method,
        ),
      ).toBe("answered");
    for (const method of databaseReads) expect(await call(database, method)).toBe("answered");
    expect([called.length, asked.length]).toEqual([reads.length, databaseReads.length]);
  });
});

test("A process that holds the lease sends each write, with what it was given, and is asked again for each", async () => {
  let asked = 0;
  const mayWrite = (): boolean => (asked += 1) <= 1;
  const { port, called } = noting<Cluster>([...reads, ...clusterWrites]);
  const cluster = guardedCluster(port, mayWrite);
  expect(await call(cluster, "patchStatus")).toBe("answered");
  expect(called).toEqual(["patchStatus(2)"]);
  await expect(call(cluster, "patchStatus")).rejects.toThrow(NotLeading);
});

test("The lease is looked at in the turn of the call, not later", () => {
  let isHeld = true;
  const { database, called } = databaseOf(() => isHeld);
  const writing = call(database, "register");
  isHeld = false;
  expect(called).toEqual(["register(2)"]);
  return expect(writing).resolves.toBe("answered");
});

test("A database that is refused stays refused", () => {
  const refused = { kind: "refused", problem: { kind: "configuration", reason: "X", message: "x", stalled: true } } as const;
  const databases: Databases = { release: () => undefined, use: () => refused };
  expect(guardedDatabases(databases, () => false).use("shop/main" as never, {} as never)).toBe(refused);
});
