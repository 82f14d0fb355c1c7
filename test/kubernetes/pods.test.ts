import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { podHash } from "../../operator/farm/mark.ts";
import type { Pod, PodUid, SeenPod } from "../../operator/farm/model.ts";
import type { KubernetesApi } from "../../operator/kubernetes/client.ts";
import { decodePod } from "../../operator/kubernetes/decodePod.ts";
import { openGate } from "../../operator/kubernetes/gate.ts";
import { livePod, livePods } from "../../operator/kubernetes/livePods.ts";
import { PodLedger } from "../../operator/kubernetes/podLedger.ts";
import { createPods, type Pods } from "../../operator/kubernetes/pods.ts";
import type { FakeClock } from "../controller/fakeClock.ts";
import type { ScriptedApi } from "./scriptedApi.ts";
import { listOf, quiet, rawPod, RecordedMetrics, statusOf, until } from "./scriptedApi.ts";
import { serveEachTest } from "./served.ts";

const hashOf = (name: string): ReturnType<typeof podHash> => podHash(`uid-${name}` as PodUid);
const pod = (name: string, more: Partial<Pod> = {}): Pod => ({ ...decodePod(rawPod({ name })), ...more });

describe("a decoded pod", () => {
  test("has what the operator needs and nothing else", () => {
    const raw = rawPod({
      name: "shop-0",
      labels: { app: "shop", "statefulset.kubernetes.io/pod-name": "shop-0" },
      metadata: {
        deletionTimestamp: "2026-01-01T00:01:00Z",
        annotations: { big: "x" },
        managedFields: [{}],
        ownerReferences: [
          { apiVersion: "v1", kind: "Other", name: "o", uid: "u0" },
          { apiVersion: "apps/v1", kind: "StatefulSet", name: "shop", uid: "u1", controller: true },
        ],
      },
      spec: {
        terminationGracePeriodSeconds: 90,
        hostname: "shop-0",
        os: { name: "windows" },
        hostNetwork: true,
        readinessGates: [{ conditionType: "other" }, { conditionType: "webfarm.dev/registered" }],
      },
      status: {
        podIP: "10.0.0.7",
        containerStatuses: [{ name: "web", state: { running: { startedAt: "2026-01-01T00:00:10Z" } } }],
        conditions: [
          { type: "Ready", status: "True" },
          { type: "DisruptionTarget", status: "True", reason: "DeletionByTaintManager" },
          { type: "webfarm.dev/registered", status: "True" },
        ],
      },
    });
    expect(decodePod(raw)).toEqual({
      uid: "uid-shop-0",
      namespace: "shop",
      name: "shop-0",
      labels: { app: "shop", "statefulset.kubernetes.io/pod-name": "shop-0" },
      createdAtMs: Date.UTC(2026, 0, 1),
      deletionAtMs: Date.UTC(2026, 0, 1, 0, 1),
      graceSeconds: 90,
      node: "node-1",
      hostname: "shop-0",
      os: "windows",
      hostNetwork: true,
      phase: "Running",
      ip: "10.0.0.7",
      ready: true,
      gate: "open",
      running: true,
      disruption: "DeletionByTaintManager",
      controller: { apiVersion: "apps/v1", kind: "StatefulSet", name: "shop", uid: "u1" },
    });
  });

  test("of a pod that was just created has defaults", () => {
    const raw = { metadata: { name: "a", namespace: "shop", uid: "u" } };
    expect(decodePod(raw)).toEqual({
      uid: "u",
      namespace: "shop",
      name: "a",
      labels: {},
      createdAtMs: 0,
      graceSeconds: 30,
      hostNetwork: false,
      phase: "Pending",
      ready: false,
      gate: "absent",
      running: false,
    });
  });

  const gates = { readinessGates: [{ conditionType: "webfarm.dev/registered" }] };
  test.each<[string, object, object, Pod["gate"]]>([
    ["no gate, though the condition is there", {}, { conditions: [{ type: "webfarm.dev/registered", status: "True" }] }, "absent"],
    ["a gate without condition", gates, {}, "closed"],
    ["a gate whose condition is False", gates, { conditions: [{ type: "webfarm.dev/registered", status: "False" }] }, "closed"],
    ["a gate whose condition is True", gates, { conditions: [{ type: "webfarm.dev/registered", status: "True" }] }, "open"],
  ])("has a gate: %s", (_name, spec, status, expected) => {
    expect(decodePod(rawPod({ name: "a", spec, status })).gate).toBe(expected);
  });

  const running = { state: { running: {} } };
  const init = { initContainers: [{ name: "plain" }, { name: "sidecar", restartPolicy: "Always" }] };
  test.each<[string, object, object, boolean]>([
    ["no statuses", {}, {}, false],
    ["a running container", {}, { containerStatuses: [{ name: "web", ...running }] }, true],
    [
      "one of two",
      {},
      {
        containerStatuses: [
          { name: "a", state: { terminated: {} } },
          { name: "b", ...running },
        ],
      },
      true,
    ],
    ["terminated", {}, { containerStatuses: [{ name: "web", state: { terminated: {} } }] }, false],
    ["waiting", {}, { containerStatuses: [{ name: "web", state: { waiting: {} } }] }, false],
    ["a running init container", init, { initContainerStatuses: [{ name: "plain", ...running }] }, false],
    ["a running sidecar", init, { initContainerStatuses: [{ name: "sidecar", ...running }] }, true],
    ["an ephemeral container", {}, { ephemeralContainerStatuses: [{ name: "debug", ...running }] }, false],
  ])("runs: %s", (_name, spec, status, expected) => {
    expect(decodePod(rawPod({ name: "a", spec, status })).running).toBe(expected);
  });

  test.each<[string, object, number | undefined]>([
    ["none while no container has restarted", { containerStatuses: [{ name: "web", restartCount: 0 }] }, undefined],
    ["none without statuses", {}, undefined],
    [
      "those of all containers",
      {
        containerStatuses: [
          { name: "web", restartCount: 2 },
          { name: "log", restartCount: 1 },
        ],
      },
      3,
    ],
    ["not those of init containers", { initContainerStatuses: [{ name: "wait", restartCount: 7 }] }, undefined],
  ])("has restarts: %s", (_name, status, expected) => {
    expect(decodePod(rawPod({ name: "a", status })).restarts).toBe(expected);
  });

  test("has no disruption when the condition is False", () => {
    const status = { conditions: [{ type: "DisruptionTarget", status: "False", reason: "DeletionByPodGC" }] };
    expect(decodePod(rawPod({ name: "a", status })).disruption).toBeUndefined();
  });

  test("cannot be made of what has no UID", () => {
    expect(() => decodePod({ metadata: { name: "a", namespace: "b" } })).toThrow("metadata.uid");
  });
});

describe("a ledger", () => {
  const seenEnd = (ledger: PodLedger, name: string): Pick<SeenPod, "presence" | "ended"> | undefined => {
    const seen = ledger.seen(hashOf(name));
    return seen === undefined ? undefined : { presence: seen.presence, ended: seen.ended };
  };

  test.each<[string, [Pod | undefined, Pod | undefined, "event" | "listed"][], Pick<SeenPod, "presence" | "ended"> | undefined]>([
    ["never seen", [], undefined],
    ["alive", [[undefined, pod("a"), "event"]], { presence: "present", ended: false }],
    ["seen to end", [[undefined, pod("a", { phase: "Failed" }), "event"]], { presence: "present", ended: true }],
    [
      "deleted while it was alive",
      [
        [undefined, pod("a"), "event"],
        [pod("a"), undefined, "event"],
      ],
      { presence: "deleted", ended: false },
    ],
    [
      "deleted, its last state says that it ended",
      [
        [undefined, pod("a"), "event"],
        [pod("a", { phase: "Succeeded" }), undefined, "event"],
      ],
      { presence: "deleted", ended: true },
    ],
    [
      "ended, and gone in a list",
      [
        [undefined, pod("a", { phase: "Failed" }), "event"],
        [pod("a", { phase: "Failed" }), undefined, "listed"],
      ],
      { presence: "listedGone", ended: true },
    ],
    [
      "gone in a list",
      [
        [undefined, pod("a"), "event"],
        [pod("a"), undefined, "listed"],
      ],
      { presence: "listedGone", ended: false },
    ],
    [
      "gone and seen again",
      [
        [undefined, pod("a", { phase: "Failed" }), "event"],
        [pod("a", { phase: "Failed" }), undefined, "event"],
        [undefined, pod("a"), "listed"],
      ],
      { presence: "present", ended: false },
    ],
  ])("%s", (_name, notes, expected) => {
    const ledger = new PodLedger();
    for (const [before, after, how] of notes) ledger.note(before, after, how);
    expect(seenEnd(ledger, "a")).toEqual(expected);
  });

  test("knows that an unbound pod which was deleted never ran, and says nothing of one that a list lost", () => {
    const { node: _node, ...unbound } = pod("a");
    const byEvent = new PodLedger();
    byEvent.note(undefined, unbound, "event");
    byEvent.note(unbound, undefined, "event");
    expect(seenEnd(byEvent, "a")).toEqual({ presence: "deleted", ended: true });
    const byList = new PodLedger();
    byList.note(undefined, unbound, "event");
    byList.note(unbound, undefined, "listed");
    expect(seenEnd(byList, "a")).toEqual({ presence: "listedGone", ended: false });
  });

  test("forgets ends when the store went back in time", () => {
    const ledger = new PodLedger();
    ledger.note(undefined, pod("a", { phase: "Failed" }), "event");
    ledger.note(undefined, pod("b", { phase: "Failed" }), "event");
    ledger.note(pod("b", { phase: "Failed" }), undefined, "event");
    ledger.forgetEnds();
    expect(seenEnd(ledger, "a")).toEqual({ presence: "present", ended: false });
    expect(seenEnd(ledger, "b")).toEqual({ presence: "listedGone", ended: false });
  });

  test("counts how often the store gave a pod back, or may have", () => {
    const ledger = new PodLedger();
    const returns = (): number | undefined => ledger.seen(hashOf("a"))?.returns;
    ledger.note(undefined, pod("a"), "event");
    ledger.note(pod("a"), undefined, "event");
    expect(returns()).toBeUndefined();
    ledger.note(undefined, pod("a"), "event");
    expect(returns()).toBe(1);
    ledger.note(pod("a"), pod("a", { phase: "Failed" }), "event");
    ledger.note(pod("a"), undefined, "listed");
    expect(returns()).toBe(1);
    ledger.forgetEnds();
    expect(returns()).toBe(2);
  });

  test("takes no list of a time before it for an end that it saw in the time that was lost", () => {
    const ledger = new PodLedger();
    ledger.note(undefined, pod("a", { phase: "Failed" }), "event");
    ledger.forgetEnds();
    ledger.note(pod("a", { phase: "Failed" }), undefined, "listed");
    expect(seenEnd(ledger, "a")).toEqual({ presence: "listedGone", ended: false });
  });

  test("sees by a pod that is there again that the store went back in time, whatever its versions are", () => {
    const ledger = new PodLedger();
    for (const name of ["a", "b"]) {
      ledger.note(undefined, pod(name, { phase: "Failed" }), "event");
      ledger.note(pod(name, { phase: "Failed" }), undefined, "event");
    }
    ledger.note(undefined, pod("a"), "listed");
    expect(seenEnd(ledger, "a")).toEqual({ presence: "present", ended: false });
    expect(seenEnd(ledger, "b")).toEqual({ presence: "listedGone", ended: false });
  });

  test("does not take back an end that it saw, when somebody guesses later", () => {
    const ledger = new PodLedger();
    ledger.note(undefined, pod("a", { phase: "Failed" }), "event");
    ledger.note(pod("a"), pod("a", { phase: "Failed", disruption: "DeletionByPodGC" }), "event");
    expect(seenEnd(ledger, "a")).toEqual({ presence: "present", ended: true });
  });

  test("counts the age of a gone pod from the last time that it went", () => {
    const ledger = new PodLedger(2);
    for (const name of ["a", "b", "a", "c"]) {
      ledger.note(undefined, pod(name), "event");
      ledger.note(pod(name), undefined, "event");
    }
    expect(["a", "b", "c"].map((name) => seenEnd(ledger, name)?.presence)).toEqual(["deleted", undefined, "deleted"]);
  });

  test("forgets the oldest of the gone first, and nothing that is present", () => {
    const ledger = new PodLedger(2);
    for (const name of ["a", "b", "c", "d"]) ledger.note(undefined, pod(name), "event");
    for (const name of ["b", "a", "c"]) ledger.note(pod(name), undefined, "event");
    expect(["a", "b", "c", "d"].map((name) => seenEnd(ledger, name)?.presence)).toEqual(["deleted", undefined, "deleted", "present"]);
  });
});

describe("against a server", () => {
  let server: ScriptedApi;
  let api: KubernetesApi;
  let clock: FakeClock;

  serveEachTest((served) => ({ server, api, clock } = served));

  describe("the pods of namespaces", () => {
    let pods: Pods;
    let synced: string[];

    beforeEach(() => {
      synced = [];
      pods = createPods({
        api,
        clock,
        random: () => 0.5,
        log: quiet,
        metrics: new RecordedMetrics(),
        onChange: () => undefined,
        onSynced: (namespace) => synced.push(namespace),
      });
    });

    afterEach(() => pods.stop());

    test("are watched while their namespace has farms", async () => {
      pods.follow(new Set(["shop"]));
      pods.follow(new Set(["shop"]));
      const watch = (await server.next()).open();
      expect(watch.path).toBe("/api/v1/namespaces/shop/pods");
      expect(pods.view("shop").synced).toBe(false);
      watch.event("ADDED", rawPod({ name: "a" })).bookmark("5", "ends initial");
      await until(() => synced.length === 1);
      expect(pods.view("shop").pods.map(({ name }) => name)).toEqual(["a"]);
      pods.follow(new Set());
      await watch.closed;
      expect(pods.view("shop")).toMatchObject({ synced: false, pods: [] });
      expect(server.untaken).toBe(0);
    });

    test("tell how often they were listed; a watch that goes on where the last one ended is no list", async () => {
      pods.follow(new Set(["shop"]));
      const watch = (await server.next()).open();
      expect(pods.view("shop").lists).toBe(0);
      watch.event("ADDED", rawPod({ name: "a" })).bookmark("50", "ends initial");
      await until(() => synced.length === 1);
      await clock.advance(70_000);
      const second = (await server.next()).open();
      expect(pods.view("shop").lists).toBe(1);
      second.event("ADDED", rawPod({ name: "b", version: "60" }));
      await until(() => pods.view("shop").pods.length === 2);
      expect(pods.view("shop").lists).toBe(1);
      await clock.advance(70_000);
      (await server.next()).open();
      await clock.advance(70_000);
      (await server.next()).open().bookmark("70", "ends initial");
      await until(() => pods.view("shop").pods.length === 0);
      expect(pods.view("shop").lists).toBe(2);
    });

    test("that ended before the store went back in time are no more known to have ended", async () => {
      pods.follow(new Set(["shop"]));
      const watch = (await server.next()).open();
      for (const name of ["a", "b"]) watch.event("ADDED", rawPod({ name }));
      watch.bookmark("50", "ends initial").event("DELETED", rawPod({ name: "a", phase: "Succeeded", version: "60" }));
      watch.event("MODIFIED", rawPod({ name: "b", phase: "Succeeded", version: "61" }));
      await until(() => pods.view("shop").seen(hashOf("b"))?.ended === true);
      expect(pods.view("shop").seen(hashOf("a"))).toMatchObject({ presence: "deleted", ended: true });
      await clock.advance(70_000);
      (await server.next()).open();
      await clock.advance(70_000);
      (await server.next())
        .open()
        .event("ADDED", rawPod({ name: "b", version: "20" }))
        .bookmark("30", "ends initial");
      await until(() => pods.view("shop").pods[0]?.phase === "Running");
      expect(pods.view("shop").seen(hashOf("a"))).toMatchObject({ presence: "listedGone", ended: false });
      expect(pods.view("shop").seen(hashOf("b"))).toMatchObject({ presence: "present", ended: false });
    });
  });

  describe("a live read", () => {
    const read = (): Promise<Pod | undefined> => livePod(api, { namespace: "shop", name: "a" });

    test("asks the store and gives the pod", async () => {
      const answer = read();
      const exchange = await server.next();
      exchange.json(rawPod({ name: "a" }));
      expect((await answer)?.uid).toBe("uid-a");
      expect([exchange.path, exchange.query.size]).toEqual(["/api/v1/namespaces/shop/pods/a", 0]);
    });

    test("is undefined when the API server says that this pod is not found", async () => {
      const answer = read();
      (await server.next()).status(404, "NotFound", { details: { name: "a", kind: "pods" } });
      expect(await answer).toBeUndefined();
    });

    test.each<[string, number, unknown]>([
      ["a proxy's 404", 404, "nothing here"],
      ["a 404 of another pod", 404, statusOf(404, "NotFound", { details: { name: "b", kind: "pods" } })],
      ["a 404 of another resource", 404, statusOf(404, "NotFound", { details: { name: "a", kind: "namespaces" } })],
      ["a 404 without details", 404, statusOf(404, "NotFound")],
      ["403", 403, statusOf(403, "Forbidden", { details: { name: "a", kind: "pods" } })],
      ["500", 500, statusOf(500, "InternalError")],
      ["a body without a pod", 200, {}],
    ])("throws on %s", async (_name, code, body) => {
      const answer = read().then(
        (it) => ({ it }),
        () => "it threw",
      );
      (await server.next()).json(body, code);
      expect(await answer).toBe("it threw");
    });

    test("of a namespace has all pages or none", async () => {
      const answer = livePods(api, { namespace: "shop" });
      (await server.next()).json(listOf("9", [rawPod({ name: "a" })], "more"));
      const second = await server.next();
      expect(Object.fromEntries(second.query)).toEqual({ limit: "500", continue: "more" });
      second.json(listOf("9", [rawPod({ name: "b" })]));
      expect((await answer).map(({ name }) => name)).toEqual(["a", "b"]);
    });

    test("begins again when a page has expired, three times at most", async () => {
      const answer = livePods(api, { namespace: "shop" }).then(
        () => "it answered",
        (error: unknown) => String(error),
      );
      for (let attempt = 0; attempt < 3; attempt += 1) {
        const first = await server.next();
        expect(first.query.get("continue")).toBeNull();
        first.json(listOf("9", [rawPod({ name: "a" })], "more"));
        (await server.next()).status(410, "Expired", { message: "too old" });
      }
      expect(await answer).toContain("too old");
    });

    test("throws when a page fails", async () => {
      const answer = livePods(api, { namespace: "shop" }).catch(() => "it threw");
      (await server.next()).json(listOf("9", [rawPod({ name: "a" })], "more"));
      (await server.next()).status(500, "InternalError");
      expect(await answer).toBe("it threw");
    });
  });

  describe("the gate", () => {
    const open = (): Promise<string> =>
      openGate(api, { pod: pod("a"), reason: "Registered", message: "The row is committed.", atMs: Date.UTC(2026, 0, 1, 0, 0, 1) });

    test("is opened by a strategic merge patch that names the UID", async () => {
      const answer = open();
      const exchange = await server.next();
      exchange.json(rawPod({ name: "a" }));
      expect(await answer).toBe("opened");
      expect([exchange.method, exchange.path]).toEqual(["PATCH", "/api/v1/namespaces/shop/pods/a/status"]);
      expect(exchange.query.get("fieldManager")).toBe("webfarm-operator");
      expect(exchange.headers["content-type"]).toBe("application/strategic-merge-patch+json");
      expect(JSON.parse(exchange.body)).toEqual({
        metadata: { uid: "uid-a" },
        status: {
          conditions: [
            {
              type: "webfarm.dev/registered",
              status: "True",
              reason: "Registered",
              message: "The row is committed.",
              lastTransitionTime: "2026-01-01T00:00:01Z",
            },
          ],
        },
      });
    });

    test("of a pod that is not there is gone", async () => {
      const answer = open();
      (await server.next()).status(404, "NotFound", { details: { name: "a", kind: "pods" } });
      expect(await answer).toBe("gone");
    });

    test.each([409, 422])("of another pod of that name, refused with %s, is gone", async (code) => {
      const answer = open();
      (await server.next()).status(code, "Conflict");
      (await server.next()).json(rawPod({ name: "a", uid: "uid-successor" }));
      expect(await answer).toBe("gone");
    });

    test("refused although it is that pod is an error", async () => {
      const answer = open().catch((error: unknown) => String(error));
      (await server.next()).status(409, "Conflict", { message: "the object has been modified" });
      (await server.next()).json(rawPod({ name: "a" }));
      expect(await answer).toContain("the object has been modified");
    });

    test("refused for want of rights is an error", async () => {
      const answer = open().catch((error: unknown) => String(error));
      (await server.next()).status(403, "Forbidden", { message: "may not patch pods/status" });
      expect(await answer).toContain("may not patch pods/status");
    });
  });
});
