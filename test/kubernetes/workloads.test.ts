import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import type { WorkloadRead } from "../../operator/farm/model.ts";
import type { KubernetesApi } from "../../operator/kubernetes/client.ts";
import { readConfigMap, readSecret } from "../../operator/kubernetes/secrets.ts";
import { createWorkloads, type Workloads } from "../../operator/kubernetes/workloads.ts";
import { FakeClock } from "../controller/fakeClock.ts";
import { ScriptedApi } from "./scriptedApi.ts";

let server: ScriptedApi;
let api: KubernetesApi;
let workloads: Workloads;

beforeEach(async () => {
  server = await ScriptedApi.start();
  api = await server.client(new FakeClock());
  workloads = createWorkloads({ api });
});

afterEach(async () => {
  await api.close();
  await server.stop();
});

const read = (kind: string, apiVersion = "apps/v1"): Promise<WorkloadRead> =>
  workloads.read({ namespace: "shop", ref: { apiVersion, kind, name: "web" } });
const selector = { matchLabels: { app: "shop" } };
const decoded = { matchLabels: { app: "shop" }, matchExpressions: [] };

describe("a built-in workload", () => {
  test.each<[string, string, object, object]>([
    ["Deployment", "deployments", { spec: { replicas: 3, selector } }, { replicas: 3 }],
    ["ReplicaSet", "replicasets", { spec: { replicas: 0, selector } }, { replicas: 0 }],
    ["StatefulSet", "statefulsets", { spec: { replicas: 3, selector } }, { replicas: 3, ordinals: { start: 0, count: 3 } }],
    [
      "StatefulSet",
      "statefulsets",
      { spec: { replicas: 2, selector, ordinals: { start: 5 } } },
      { replicas: 2, ordinals: { start: 5, count: 2 } },
    ],
    ["DaemonSet", "daemonsets", { spec: { selector }, status: { desiredNumberScheduled: 7 } }, { replicas: 7 }],
    ["DaemonSet", "daemonsets", { spec: { selector } }, {}],
  ])("%s is read directly", async (kind, plural, object, expected) => {
    const answer = read(kind);
    const exchange = await server.next();
    expect(exchange.path).toBe(`/apis/apps/v1/namespaces/shop/${plural}/web`);
    exchange.json({ metadata: { uid: "w" }, ...object });
    expect(await answer).toEqual({ kind: "found", uid: "w", selector: decoded, deleting: false, ...expected });
  });

  test("that is being deleted says so, and expressions are kept", async () => {
    const answer = read("Deployment");
    const matchExpressions = [{ key: "tier", operator: "In", values: ["web"] }];
    (await server.next()).json({
      metadata: { uid: "w", deletionTimestamp: "2026-01-01T00:00:00Z" },
      spec: { replicas: 1, selector: { matchExpressions } },
    });
    expect(await answer).toEqual({ kind: "found", uid: "w", selector: { matchLabels: {}, matchExpressions }, replicas: 1, deleting: true });
  });

  test("that is not there is absent", async () => {
    const answer = read("Deployment");
    (await server.next()).status(404, "NotFound", { details: { name: "web", kind: "deployments", group: "apps" } });
    expect(await answer).toEqual({ kind: "absent" });
  });

  test.each<[string, number, string, string]>([
    ["403", 403, "Forbidden", "Forbidden"],
    ["a 404 that names nothing", 404, "NotFound", "ApiError"],
    ["500", 500, "InternalError", "ApiError"],
  ])("that cannot be read is unknown: %s", async (_name, code, reason, expected) => {
    const answer = read("Deployment");
    (await server.next()).status(code, reason, { message: 'cannot get resource "deployments"' });
    expect(await answer).toEqual({
      kind: "unknown",
      reason: expected,
      message: expect.stringContaining('cannot get resource "deployments"'),
    });
  });

  test("without an answer is unknown", async () => {
    const answer = read("Deployment");
    (await server.next()).cut();
    expect(await answer).toMatchObject({ kind: "unknown", reason: "ApiUnreachable" });
  });

  test("with an empty selector is unknown", async () => {
    const answer = read("Deployment");
    (await server.next()).json({ metadata: { uid: "w" }, spec: { selector: {} } });
    expect(await answer).toMatchObject({ kind: "unknown", reason: "EmptySelector" });
  });

  test("throws only when the caller gave up", async () => {
    const controller = new AbortController();
    const answer = workloads.read({
      namespace: "shop",
      ref: { apiVersion: "apps/v1", kind: "Deployment", name: "web" },
      signal: controller.signal,
    });
    await server.next();
    controller.abort(new Error("deposed"));
    await expect(answer).rejects.toThrow("deposed");
  });
});

describe("any other kind", () => {
  const rollouts = {
    resources: [
      { name: "rollouts", kind: "Rollout" },
      { name: "rollouts/status", kind: "Rollout" },
      { name: "rollouts/scale", kind: "Scale" },
    ],
  };

  async function discover(resources: object): Promise<void> {
    const exchange = await server.next();
    expect(exchange.path).toBe("/apis/argoproj.io/v1alpha1");
    exchange.json(resources);
  }

  async function scale(answer: Promise<WorkloadRead>, body: object): Promise<WorkloadRead> {
    const exchange = await server.next();
    expect(exchange.path).toBe("/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/web/scale");
    exchange.json(body);
    return answer;
  }

  test("is read by its scale subresource, and discovered once", async () => {
    const first = read("Rollout", "argoproj.io/v1alpha1");
    await discover(rollouts);
    const body = { metadata: { uid: "r" }, spec: { replicas: 4 }, status: { selector: "app=shop,!canary" } };
    expect(await scale(first, body)).toEqual({
      kind: "found",
      uid: "r",
      selector: {
        matchExpressions: [
          { key: "app", operator: "In", values: ["shop"] },
          { key: "canary", operator: "DoesNotExist" },
        ],
      },
      replicas: 4,
      deleting: false,
    });
    expect(await scale(read("Rollout", "argoproj.io/v1alpha1"), body)).toMatchObject({ kind: "found" });
  });

  test.each<[string, string]>([
    ["", "EmptySelector"],
    ["a>1", "InvalidSelector"],
  ])("whose selector is %p is unknown", async (text, reason) => {
    const answer = read("Rollout", "argoproj.io/v1alpha1");
    await discover(rollouts);
    expect(await scale(answer, { metadata: {}, status: { selector: text } })).toMatchObject({ kind: "unknown", reason });
  });

  test("that is not there is absent", async () => {
    const answer = read("Rollout", "argoproj.io/v1alpha1");
    await discover(rollouts);
    (await server.next()).status(404, "NotFound", { details: { name: "web", kind: "rollouts", group: "argoproj.io" } });
    expect(await answer).toEqual({ kind: "absent" });
  });

  test("without a scale subresource is unknown", async () => {
    const answer = read("Rollout", "argoproj.io/v1alpha1");
    await discover({ resources: [{ name: "rollouts", kind: "Rollout" }] });
    expect(await answer).toMatchObject({ kind: "unknown", reason: "KindNotScalable" });
  });

  test("that the group does not have is unknown", async () => {
    const answer = read("Other", "argoproj.io/v1alpha1");
    await discover(rollouts);
    expect(await answer).toMatchObject({ kind: "unknown", reason: "KindNotFound" });
  });

  test("of a group that is not there is unknown, not absent", async () => {
    const answer = read("Rollout", "argoproj.io/v1alpha1");
    (await server.next()).status(404, "NotFound", { message: "the server could not find the requested resource" });
    expect(await answer).toMatchObject({ kind: "unknown", reason: "KindNotFound" });
  });

  test("is discovered anew when its path has gone", async () => {
    const first = read("Rollout", "argoproj.io/v1alpha1");
    await discover(rollouts);
    (await server.next()).text("404 page not found", 404);
    expect(await first).toMatchObject({ kind: "unknown", reason: "ApiError" });
    const second = read("Rollout", "argoproj.io/v1alpha1");
    await discover({ resources: [] });
    expect(await second).toMatchObject({ reason: "KindNotFound" });
  });
});

describe("a Secret and a ConfigMap", () => {
  const at = { namespace: "shop", name: "kentico" };

  test("are read by name, the Secret's values as text", async () => {
    const secret = readSecret(api, at);
    const exchange = await server.next();
    expect(exchange.path).toBe("/api/v1/namespaces/shop/secrets/kentico");
    exchange.json({ data: { password: Buffer.from("Zürich\n").toString("base64"), empty: "" } });
    expect(await secret).toEqual({ password: "Zürich\n", empty: "" });
    const map = readConfigMap(api, at);
    (await server.next()).json({ data: { "ca.crt": "PEM" } });
    expect(await map).toEqual({ "ca.crt": "PEM" });
  });

  test("without data are empty, not absent", async () => {
    const secret = readSecret(api, at);
    (await server.next()).json({ kind: "Secret" });
    expect(await secret).toEqual({});
  });

  test("that are not there are undefined; that cannot be read are errors", async () => {
    const gone = readSecret(api, at);
    (await server.next()).status(404, "NotFound", { details: { name: "kentico", kind: "secrets" } });
    expect(await gone).toBeUndefined();
    const forbidden = readSecret(api, at).catch((error: unknown) => String(error));
    (await server.next()).status(403, "Forbidden", { message: "no right to get secrets" });
    expect(await forbidden).toContain("no right to get secrets");
  });
});
