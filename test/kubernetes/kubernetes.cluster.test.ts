// What the adapters rely on, asked of a real API server.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { systemClock } from "../../operator/controller/clock.ts";
import { podHash } from "../../operator/farm/mark.ts";
import { farmKey } from "../../operator/farm/model.ts";
import { ApiError } from "../../operator/kubernetes/apiError.ts";
import { createClient, type KubernetesApi } from "../../operator/kubernetes/client.ts";
import { kubeConfigFromText } from "../../operator/kubernetes/credentials.ts";
import { createEvents, podRef } from "../../operator/kubernetes/events.ts";
import { createFarms } from "../../operator/kubernetes/farms.ts";
import { addFinalizer, liveFarm, patchStatus, removeFinalizer } from "../../operator/kubernetes/farmWrites.ts";
import { openGate } from "../../operator/kubernetes/gate.ts";
import { livePod, livePods } from "../../operator/kubernetes/livePods.ts";
import { createPods, type Pods } from "../../operator/kubernetes/pods.ts";
import { createWorkloads } from "../../operator/kubernetes/workloads.ts";
import { connectCluster, type SharedCluster } from "../cluster/shared.ts";
import { quiet, RecordedMetrics, until } from "./scriptedApi.ts";

const limitMs = 240_000;

let cluster: SharedCluster;
let api: KubernetesApi;
let namespace: string;

beforeAll(async () => {
  cluster = await connectCluster();
  namespace = await cluster.namespace();
  api = await createClient({
    source: kubeConfigFromText(readFileSync(cluster.kubeconfigPath, "utf8")),
    clock: systemClock,
    userAgent: "webfarm-operator/test",
  });
}, limitMs);

afterAll(async () => {
  await api.close();
  await cluster.close();
}, limitMs);

const podsPath = (): string => `/api/v1/namespaces/${namespace}/pods`;

/** A pod that nobody schedules, so that it stays as the test made it. */
async function create(name: string, spec: object = {}): Promise<string> {
  const body = {
    metadata: { name, labels: { app: "shop" } },
    spec: { schedulerName: "nobody", containers: [{ name: "web", image: "none" }], ...spec },
  };
  const pod = (await api.request({ method: "POST", path: podsPath(), body, deadlineMs: limitMs })) as { metadata: { uid: string } };
  return pod.metadata.uid;
}

const remove = (name: string): Promise<unknown> => api.request({ method: "DELETE", path: `${podsPath()}/${name}`, deadlineMs: limitMs });

function followed(through: KubernetesApi): { readonly pods: Pods; readonly metrics: RecordedMetrics; readonly told: string[] } {
  const metrics = new RecordedMetrics();
  const told: string[] = [];
  const pods = createPods({
    api: through,
    clock: systemClock,
    random: Math.random,
    log: quiet,
    metrics,
    onChange: (before, after) =>
      told.push(before === undefined ? `+${after?.uid ?? ""}` : after === undefined ? `-${before.uid}` : `~${after.uid}`),
    onSynced: () => undefined,
  });
  pods.follow(new Set([namespace]));
  return { pods, metrics, told };
}

/** As an API server that knows no WatchList. */
const withoutWatchList = (real: KubernetesApi): KubernetesApi => ({
  namespace: real.namespace,
  request: (request) => real.request(request),
  stream: (request) =>
    request.query?.["sendInitialEvents"] === true
      ? Promise.reject(new ApiError("no", { code: 422, reason: "Invalid" }))
      : real.stream(request),
  close: () => real.close(),
});

describe("the reflector", () => {
  test(
    "lists by WatchList, and sees pods come, go, and come back under the same name",
    async () => {
      const first = await create("watched");
      const { pods, metrics, told } = followed(api);
      await until(() => pods.view(namespace).synced);
      expect(metrics.lists).toEqual(["watchList"]);
      expect(pods.view(namespace).pods.map(({ uid }) => uid)).toContain(first);
      await remove("watched");
      const second = await create("watched");
      await until(() => told.includes(`+${second}`));
      expect(told.filter((it) => it.endsWith(first)).at(-1)).toBe(`-${first}`);
      // Never bound, and deleted: it never ran.
      expect(pods.view(namespace).seen(podHash(first as never))).toMatchObject({ presence: "deleted", ended: true });
      expect(pods.view(namespace).seen(podHash(second as never))).toMatchObject({ presence: "present", ended: false });
      await pods.stop();
      await remove("watched");
    },
    limitMs,
  );

  test(
    "lists 520 pods page by page, and so does a live list",
    async () => {
      // Some at a time: each request has a deadline from the moment in which it waits for a connection.
      for (let at = 0; at < 520; at += 20) await Promise.all(Array.from({ length: 20 }, (_, one) => create(`many-${at + one}`)));
      const { pods, metrics, told } = followed(withoutWatchList(api));
      await until(() => pods.view(namespace).synced);
      expect(metrics.lists).toEqual(["paged"]);
      const live = await livePods(api, { namespace });
      expect(live.filter(({ name }) => name.startsWith("many-"))).toHaveLength(520);
      expect(new Set(pods.view(namespace).pods.map(({ uid }) => uid))).toEqual(new Set(live.map(({ uid }) => uid)));
      await remove("many-0"); // The watch goes on from the list's version.
      const gone = live.find(({ name }) => name === "many-0")?.uid;
      await until(() => told.includes(`-${gone ?? ""}`));
      await pods.stop();
      await api.request({ method: "DELETE", path: podsPath(), deadlineMs: limitMs });
    },
    limitMs,
  );
});

describe("a live read and the gate", () => {
  test("know a pod that is not there from one that is", async () => {
    expect(await livePod(api, { namespace, name: "nobody" })).toBeUndefined();
    expect(await livePod(api, { namespace: "no-such-namespace", name: "nobody" })).toBeUndefined();
  });

  test("open the gate of this pod, and never that of another of its name", async () => {
    await create("gated", { readinessGates: [{ conditionType: "webfarm.dev/registered" }] });
    const pod = await livePod(api, { namespace, name: "gated" });
    if (pod === undefined) throw new Error("the pod is not there");
    const opening = { pod, reason: "Registered", message: "The row is committed.", atMs: Date.now() };
    expect(pod.gate).toBe("closed");
    expect(await openGate(api, { ...opening, pod: { ...pod, uid: "00000000-0000-0000-0000-000000000000" as never } })).toBe("gone");
    expect((await livePod(api, { namespace, name: "gated" }))?.gate).toBe("closed");
    expect(await openGate(api, opening)).toBe("opened");
    expect(await openGate(api, opening)).toBe("opened");
    expect((await livePod(api, { namespace, name: "gated" }))?.gate).toBe("open");
    await remove("gated");
    expect(await openGate(api, opening)).toBe("gone");
  });
});

test("events are taken, and the second of a kind counts up the first", async () => {
  await create("eventful");
  const pod = await livePod(api, { namespace, name: "eventful" });
  if (pod === undefined) throw new Error("the pod is not there");
  const counts = { written: 0, failed: 0 };
  const events = createEvents({
    api,
    clock: systemClock,
    log: quiet,
    metrics: { written: () => (counts.written += 1), failed: () => (counts.failed += 1), dropped: () => undefined },
    reportingInstance: "test",
  });
  const event = { regarding: podRef(pod), type: "Normal", reason: "ServerRegistered", action: "Register", note: "Registered." } as const;
  events.record(event);
  events.record(event);
  await events.stop();
  expect(counts).toEqual({ written: 2, failed: 0 });
  const { items } = (await api.request({ method: "GET", path: `/apis/events.k8s.io/v1/namespaces/${namespace}/events` })) as {
    items: { reason: string; series?: { count: number } }[];
  };
  expect(items.filter(({ reason }) => reason === "ServerRegistered").map(({ series }) => series?.count)).toEqual([2]);
});

describe("workloads", () => {
  const workloads = (): ReturnType<typeof createWorkloads> => createWorkloads({ api });
  const read = (apiVersion: string, kind: string, name: string): Promise<{ readonly kind: string }> =>
    workloads().read({ namespace, ref: { apiVersion, kind, name } });

  test("are found, absent, or unknown with a reason", async () => {
    const template = { metadata: { labels: { app: "rc" } }, spec: { containers: [{ name: "web", image: "none" }] } };
    await api.request({
      method: "POST",
      path: `/apis/apps/v1/namespaces/${namespace}/deployments`,
      body: { metadata: { name: "web" }, spec: { replicas: 0, selector: { matchLabels: { app: "rc" } }, template } },
    });
    await api.request({
      method: "POST",
      path: `/api/v1/namespaces/${namespace}/replicationcontrollers`,
      body: { metadata: { name: "rc" }, spec: { replicas: 0, selector: { app: "rc" }, template } },
    });
    expect(await read("apps/v1", "Deployment", "web")).toMatchObject({
      kind: "found",
      selector: { matchLabels: { app: "rc" } },
      replicas: 0,
    });
    expect(await read("apps/v1", "Deployment", "nobody")).toEqual({ kind: "absent" });
    expect(await read("v1", "ReplicationController", "rc")).toMatchObject({
      kind: "found",
      selector: { matchExpressions: [{ key: "app", operator: "In", values: ["rc"] }] },
      replicas: 0,
    });
    expect(await read("v1", "ReplicationController", "nobody")).toEqual({ kind: "absent" });
    expect(await read("v1", "Pod", "x")).toMatchObject({ kind: "unknown", reason: "KindNotScalable" });
    expect(await read("argoproj.io/v1alpha1", "Rollout", "x")).toMatchObject({ kind: "unknown", reason: "KindNotFound" });
  });
});

test(
  "a WebFarm is decoded, its status and finalizer written, and a lost race noticed",
  async () => {
    await cluster.kubectl(["apply", "-f", join(import.meta.dirname, "../../crds/webfarm.dev_webfarms.yaml")]);
    await cluster.kubectl(["wait", "--for=condition=Established", "crd/webfarms.webfarm.dev", "--timeout=180s"]);
    const farms = createFarms({
      api,
      clock: systemClock,
      random: Math.random,
      log: quiet,
      metrics: new RecordedMetrics(),
      namespaces: [namespace],
      onChange: () => undefined,
      onSynced: () => undefined,
    });
    farms.start();
    const body = {
      apiVersion: "webfarm.dev/v1alpha1",
      kind: "WebFarm",
      metadata: { name: "main", namespace },
      spec: {
        policy: "Observe",
        registration: "Operator",
        database: { connectionStringSecretRef: { name: "kentico" } },
        members: [{ name: "live", selector: { matchLabels: { app: "shop" } } }],
      },
    };
    await cluster.kubectl(["apply", "-f", "-"], { input: JSON.stringify(body) });
    const key = farmKey(namespace, "main");
    await until(() => farms.get(key) !== undefined);
    const farm = farms.get(key);
    if (farm === undefined) throw new Error("the WebFarm is not there");
    expect(farm.unsupported).toEqual([]);
    expect(farm.spec.readinessGate).toEqual({ failOpenSeconds: 300 });
    const written = await patchStatus(api, farm, { desired: 2, ownerId: "x/y" });
    if (written.kind !== "written") throw new Error(`the status was ${written.kind}`);
    expect(written.farm.status).toEqual({ desired: 2, ownerId: "x/y" });
    expect(await patchStatus(api, farm, { desired: 3 })).toEqual({ kind: "conflict" });
    const held = await addFinalizer(api, written.farm);
    if (held.kind !== "written") throw new Error(`the finalizer was ${held.kind}`);
    expect(held.farm.finalizers).toEqual(["webfarm.dev/servers"]);
    const fewer = await patchStatus(api, held.farm, { desired: 3 });
    expect(fewer).toMatchObject({ kind: "written", farm: { status: { desired: 3 } } });
    await cluster.kubectl(["delete", "webfarm", "main", "-n", namespace, "--wait=false"]);
    await until(() => farms.get(key)?.deletionAtMs !== undefined);
    const deleting = farms.get(key);
    if (deleting === undefined) throw new Error("the WebFarm is gone before its finalizer");
    expect(await removeFinalizer(api, deleting)).toMatchObject({ kind: "written" });
    await until(() => farms.get(key) === undefined);
    expect(await patchStatus(api, deleting, { desired: 9 })).toEqual({ kind: "gone" });
    expect(await liveFarm(api, { namespace, name: "main" })).toBeUndefined();
    await farms.stop();
  },
  limitMs,
);
