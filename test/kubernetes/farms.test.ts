import { readFileSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { parse } from "yaml";
import { farmKey, type WebFarm } from "../../operator/farm/model.ts";
import type { KubernetesApi } from "../../operator/kubernetes/client.ts";
import { decodeFarm } from "../../operator/kubernetes/decodeFarm.ts";
import { createFarms } from "../../operator/kubernetes/farms.ts";
import { type Shape, specShape } from "../../operator/kubernetes/farmShape.ts";
import { addFinalizer, liveFarm, patchStatus, removeFinalizer } from "../../operator/kubernetes/farmWrites.ts";
import { mergePatch } from "../../operator/kubernetes/mergePatch.ts";
import { createNamespaces } from "../../operator/kubernetes/namespaces.ts";
import type { FakeClock } from "../controller/fakeClock.ts";
import type { Exchange, ScriptedApi } from "./scriptedApi.ts";
import { quiet, RecordedMetrics, until } from "./scriptedApi.ts";
import { serveEachTest } from "./served.ts";

const minimal = {
  policy: "Sync",
  registration: "Operator",
  database: { connectionStringSecretRef: { name: "kentico" } },
  members: [{ name: "live", workloadRef: { apiVersion: "apps/v1", kind: "Deployment", name: "shop" } }],
};

const rawFarm = (spec: object = minimal, more: object = {}, status?: object): unknown => ({
  metadata: { namespace: "shop", name: "main", uid: "farm-uid", resourceVersion: "7", generation: 2, ...more },
  spec,
  ...(status === undefined ? {} : { status }),
});

const unsupported = (spec: object): readonly string[] => decodeFarm(rawFarm({ ...minimal, ...spec })).unsupported;

interface Schema {
  readonly type: string;
  readonly enum?: readonly string[];
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema;
}

/** The shape that the CRD's schema stands for. */
function shapeOf(schema: Schema): Shape {
  if (schema.properties !== undefined)
    return {
      kind: "fields",
      fields: Object.fromEntries(Object.entries(schema.properties).map(([name, inner]) => [name, shapeOf(inner)])),
      ...(schema.default === undefined ? {} : { defaultsToEmpty: true }),
    };
  if (schema.items !== undefined) return { kind: "list", of: shapeOf(schema.items) };
  if (schema.additionalProperties !== undefined) return { kind: "map" };
  return {
    kind: "value",
    ...(schema.enum === undefined ? {} : { enum: schema.enum }),
    ...(schema.default === undefined ? {} : { default: schema.default as string }),
  };
}

describe("a decoded WebFarm", () => {
  test("knows exactly the fields, values and defaults of the CRD", () => {
    const crd = parse(readFileSync(new URL("../../crds/webfarm.dev_webfarms.yaml", import.meta.url), "utf8")) as {
      spec: { versions: { schema: { openAPIV3Schema: { properties: { spec: Schema } } } }[] };
    };
    const schema = crd.spec.versions[0]?.schema.openAPIV3Schema.properties.spec;
    expect(specShape).toEqual(schema === undefined ? undefined : shapeOf(schema));
  });

  test("has its metadata and the defaults", () => {
    const farm = decodeFarm(
      rawFarm(minimal, {
        creationTimestamp: "2026-01-01T00:00:00Z",
        deletionTimestamp: "2026-01-02T00:00:00Z",
        finalizers: ["webfarm.dev/servers"],
        annotations: { "webfarm.dev/reconcile-at": "now" },
      }),
    );
    expect(farm).toEqual({
      key: "shop/main",
      namespace: "shop",
      name: "main",
      uid: "farm-uid",
      resourceVersion: "7",
      generation: 2,
      createdAtMs: Date.UTC(2026, 0, 1),
      deletionAtMs: Date.UTC(2026, 0, 2),
      finalizers: ["webfarm.dev/servers"],
      annotations: { "webfarm.dev/reconcile-at": "now" },
      spec: {
        policy: "Sync",
        registration: "Operator",
        suspend: false,
        database: { connectionStringSecretRef: { name: "kentico", key: "CMSConnectionString" }, schema: "dbo", multiSubnetFailover: false },
        members: [
          {
            name: "live",
            workloadRef: { apiVersion: "apps/v1", kind: "Deployment", name: "shop" },
            serverName: "$(POD_NAME)",
            url: "http://$(POD_IP)",
          },
        ],
        adoption: "Never",
        deletionPolicy: "RemoveStale",
        readinessGate: { failOpenSeconds: 300 },
        removal: { nodeLostSeconds: 300 },
      },
      status: {},
      unsupported: [],
    });
  });

  test.each<[string, object, string]>([
    ["a field of a newer version", { shinyNew: true }, "spec.shinyNew"],
    ["a field below it", { database: { host: "h", name: "n", failover: "x" } }, "spec.database.failover"],
    ["a field of a member", { members: [{ name: "a", weight: 3 }] }, "spec.members[0].weight"],
    ["a field deep down", { removal: { nodeLostSeconds: 5, jitter: 1 } }, "spec.removal.jitter"],
    ["a value of a newer version", { policy: "SyncTwice" }, "spec.policy"],
    ["a value deep down", { database: { host: "h", name: "n", tls: { mode: "Quantum" } } }, "spec.database.tls.mode"],
    ["a field named like a property of objects", { constructor: 1 }, "spec.constructor"],
  ])("says that this is not supported: %s", (_name, spec, path) => {
    const found = unsupported(spec);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(new RegExp(`^${path.replace(/[.[\]*]/g, "\\$&")}: .+`));
  });

  test.each<[string, object]>([
    ["registration Application", { registration: "Application" }],
    ["a name that ends in *", { registration: "Application", members: [{ name: "a", serverName: "x-*" }] }],
    ["no limit", { maxServers: 0 }],
    ["a limit", { maxServers: 4 }],
    ["adoption", { adoption: "MatchingNames" }],
    ["former owners", { formerOwnerIds: ["a/b"] }],
    ["Manual mode", { webFarmMode: "Manual" }],
    ["WorkloadIdentity", { database: { host: "h", name: "n", authentication: "WorkloadIdentity", serviceAccountName: "site" } }],
    ["SqlLogin", { database: { host: "h", name: "n", authentication: "SqlLogin" } }],
  ])("supports %s", (_name, spec) => {
    expect(unsupported(spec)).toEqual([]);
  });

  test("is made of whatever stands in the spec, so that one bad farm does not stop the watch", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (spec, members) => {
        expect(decodeFarm(rawFarm(spec as object)).key).toBe("shop/main");
        expect(decodeFarm(rawFarm({ ...minimal, members })).key).toBe("shop/main");
      }),
    );
  });
});

describe("a merge patch", () => {
  test("is undefined when nothing differs, whether a field is undefined or absent", () => {
    expect(mergePatch({ a: 1, b: [{ c: 1 }], d: undefined }, { a: 1, b: [{ c: 1, e: undefined }] })).toBeUndefined();
  });

  test("removes with null, goes into objects and replaces lists whole", () => {
    expect(
      mergePatch({ gone: 1, same: 1, inner: { a: 1, b: 2 }, list: [1, 2] }, { same: 1, inner: { b: 3 }, list: [1], added: { x: 1 } }),
    ).toEqual({
      gone: null,
      inner: { a: null, b: 3 },
      list: [1],
      added: { x: 1 },
    });
  });

  test("applied, gives what was wanted", () => {
    const fields = fc.dictionary(
      fc.constantFrom("a", "b", "c"),
      fc.oneof(fc.integer(), fc.array(fc.integer()), fc.dictionary(fc.constantFrom("x", "y"), fc.integer())),
    );
    fc.assert(
      fc.property(fields, fields, (before, after) => {
        expect(applied(before, mergePatch(before, after) ?? {})).toEqual(after);
      }),
    );
  });

  /** RFC 7396, section 2. */
  function applied(target: unknown, patch: unknown): unknown {
    if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
    const result: Record<string, unknown> = typeof target === "object" && target !== null && !Array.isArray(target) ? { ...target } : {};
    for (const [field, value] of Object.entries(patch)) {
      if (value === null) Reflect.deleteProperty(result, field);
      else result[field] = applied(result[field], value);
    }
    return result;
  }
});

describe("against a server", () => {
  let server: ScriptedApi;
  let api: KubernetesApi;
  let clock: FakeClock;

  serveEachTest((served) => ({ server, api, clock } = served));

  describe("the namespace of a WebFarm", () => {
    const farm = decodeFarm(rawFarm());

    test("is read once, and then the WebFarm, which must be that very one", async () => {
      const namespaces = createNamespaces(api);
      const first = namespaces.uid(farm);
      const exchange = await server.next();
      expect(exchange.path).toBe("/api/v1/namespaces/shop");
      exchange.json({ metadata: { uid: "n1" } });
      (await server.next()).json(rawFarm());
      expect([await first, await namespaces.uid(farm)]).toEqual(["n1", "n1"]);
      namespaces.forget(farm);
      const second = namespaces.uid(farm);
      (await server.next()).json({ metadata: { uid: "n1" } });
      (await server.next()).json(rawFarm());
      expect(await second).toBe("n1");
    });

    test.each<[string, (exchange: Exchange) => void]>([
      ["another WebFarm", (exchange) => exchange.json(rawFarm(minimal, { uid: "made-anew" }))],
      ["none", (exchange) => exchange.status(404, "NotFound", { details: { name: "main", kind: "webfarms" } })],
    ])("is not known while %s is there under its name: the namespace may have been made anew", async (_name, answer) => {
      const namespaces = createNamespaces(api);
      for (let time = 0; time < 2; time += 1) {
        const uid = namespaces.uid(farm).catch((error: unknown) => String(error));
        (await server.next()).json({ metadata: { uid: "n2" } });
        answer(await server.next());
        expect(await uid).toContain("WebFarm shop/main is not there any more");
      }
    });
  });

  describe("a status", () => {
    const farm = decodeFarm(rawFarm(minimal, {}, { desired: 3, ownerId: "x", conditions: [] }));

    test("is written as the difference, with the version and UID that were observed", async () => {
      const answer = patchStatus(api, farm, { desired: 4, conditions: [] });
      const exchange = await server.next();
      exchange.json(rawFarm(minimal, { resourceVersion: "8" }, { desired: 4 }));
      expect([exchange.method, exchange.path]).toEqual(["PATCH", "/apis/webfarm.dev/v1alpha1/namespaces/shop/webfarms/main/status"]);
      expect(exchange.headers["content-type"]).toBe("application/merge-patch+json");
      expect(JSON.parse(exchange.body)).toEqual({
        metadata: { uid: "farm-uid", resourceVersion: "7" },
        status: { desired: 4, ownerId: null },
      });
      expect(await answer).toMatchObject({ kind: "written", farm: { resourceVersion: "8" } });
    });

    test("that does not differ is not written", async () => {
      expect(await patchStatus(api, farm, { desired: 3, ownerId: "x", conditions: [] })).toEqual({ kind: "unchanged" });
      expect(server.untaken).toBe(0);
    });

    test.each<[string, number, string, object | undefined, string]>([
      ["another write came first", 409, "Conflict", undefined, "conflict"],
      ["the WebFarm is gone", 404, "NotFound", { name: "main", kind: "webfarms", group: "webfarm.dev" }, "gone"],
    ])("answers when %s", async (_name, code, reason, details, expected) => {
      const answer = patchStatus(api, farm, {});
      (await server.next()).status(code, reason, { details });
      expect(await answer).toEqual({ kind: expected });
    });

    test("that is refused is an error", async () => {
      const answer = patchStatus(api, farm, {}).catch((error: unknown) => String(error));
      (await server.next()).status(422, "Invalid", { message: "status.desired: must be a number" });
      expect(await answer).toContain("status.desired");
    });
  });

  describe("the finalizer", () => {
    const bare = decodeFarm(rawFarm(minimal, { finalizers: ["other.dev/x"] }));
    const held = decodeFarm(rawFarm(minimal, { finalizers: ["other.dev/x", "webfarm.dev/servers"] }));

    test.each<[string, (farm: WebFarm) => ReturnType<typeof addFinalizer>, WebFarm, readonly string[]]>([
      ["is added behind the others", (farm) => addFinalizer(api, farm), bare, ["other.dev/x", "webfarm.dev/servers"]],
      ["is removed, the others stay", (farm) => removeFinalizer(api, farm), held, ["other.dev/x"]],
    ])("%s", async (_name, run, farm, finalizers) => {
      const answer = run(farm);
      const exchange = await server.next();
      exchange.json(rawFarm());
      expect(exchange.path).toBe("/apis/webfarm.dev/v1alpha1/namespaces/shop/webfarms/main");
      expect(JSON.parse(exchange.body)).toEqual({ metadata: { finalizers, uid: "farm-uid", resourceVersion: "7" } });
      expect((await answer).kind).toBe("written");
    });

    test("is not written when it is as wanted", async () => {
      expect(await addFinalizer(api, held)).toEqual({ kind: "unchanged" });
      expect(await removeFinalizer(api, bare)).toEqual({ kind: "unchanged" });
      expect(server.untaken).toBe(0);
    });
  });

  test("a live read of a WebFarm that is not there is undefined, of one that cannot be read an error", async () => {
    const at = { namespace: "shop", name: "main" };
    const gone = liveFarm(api, at);
    (await server.next()).status(404, "NotFound", { details: { name: "main", kind: "webfarms" } });
    expect(await gone).toBeUndefined();
    const failed = liveFarm(api, at).catch(() => "it threw");
    (await server.next()).text("not found", 404);
    expect(await failed).toBe("it threw");
  });

  test("the WebFarms of two namespaces are synced when both are, each for itself before", async () => {
    const told: string[] = [];
    const farms = createFarms({
      api,
      clock,
      random: () => 0.5,
      log: quiet,
      metrics: new RecordedMetrics(),
      namespaces: ["shop", "blog"],
      onChange: (_before, after) => told.push(after?.key ?? "gone"),
      onSynced: () => told.push("synced"),
    });
    farms.start();
    const [first, second] = [await server.next(), await server.next()];
    expect([first.path, second.path].sort()).toEqual([
      "/apis/webfarm.dev/v1alpha1/namespaces/blog/webfarms",
      "/apis/webfarm.dev/v1alpha1/namespaces/shop/webfarms",
    ]);
    first.open().event("ADDED", rawFarm()).bookmark("9", "ends initial");
    await until(() => told.length === 2);
    const [namespace, other] = first.path.includes("/shop/") ? ["shop", "blog"] : ["blog", "shop"];
    expect([farms.isSynced(namespace), farms.isSynced(other), farms.isSynced("elsewhere"), farms.synced]).toEqual([
      true,
      false,
      false,
      false,
    ]);
    second.open().bookmark("9", "ends initial");
    await until(() => farms.synced);
    expect(told).toEqual(["shop/main", "synced", "synced"]);
    expect([farms.get(farmKey("shop", "main"))?.uid, farms.get(farmKey("shop", "other")), farms.all().length]).toEqual([
      "farm-uid",
      undefined,
      1,
    ]);
    await farms.stop();
  });
});
