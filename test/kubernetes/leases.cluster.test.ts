// What the election relies on of a Lease, asked of a real API server: one writer a version, times of six digits, an empty holder.
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { systemClock } from "../../operator/controller/clock.ts";
import type { LeaseRecord, LeaseStore } from "../../operator/controller/lease.ts";
import { claimed, released } from "../../operator/controller/lease.ts";
import { createClient, type KubernetesApi } from "../../operator/kubernetes/client.ts";
import { kubeConfigFromText } from "../../operator/kubernetes/credentials.ts";
import { createLeaseStore } from "../../operator/kubernetes/leases.ts";
import { connectCluster, type SharedCluster } from "../cluster/shared.ts";
import { quiet, RecordedMetrics, until } from "./scriptedApi.ts";

let cluster: SharedCluster;
let api: KubernetesApi;

beforeAll(async () => {
  cluster = await connectCluster();
  api = await createClient({
    source: kubeConfigFromText(readFileSync(cluster.kubeconfigPath, "utf8")),
    clock: systemClock,
    userAgent: "webfarm-operator/test",
  });
}, 240_000);
afterAll(async () => {
  await api.close();
  await cluster.close();
}, 120_000);

const signal = new AbortController().signal;
const writing = (identity: string): { identity: string; leaseSeconds: number; nowMs: number } => ({
  identity,
  leaseSeconds: 15,
  nowMs: systemClock.now(),
});

async function stores(count: number): Promise<{ readonly namespace: string; readonly stores: readonly LeaseStore[] }> {
  const namespace = await cluster.namespace();
  const parts = { api, clock: systemClock, random: Math.random, log: quiet, metrics: new RecordedMetrics(), namespace };
  return { namespace, stores: Array.from({ length: count }, () => createLeaseStore(parts)) };
}

test("of many that create it at once one wins, and what it wrote is read back as it was", async () => {
  const { stores: rivals } = await stores(8);
  const sent = rivals.map((_, at) => claimed(undefined, writing(`rival-${at}`)));
  const writes = await Promise.all(rivals.map((store, at) => store.create(sent[at] as LeaseRecord, signal)));
  expect(writes.filter(({ kind }) => kind === "lost")).toHaveLength(7);
  const winner = writes.findIndex(({ kind }) => kind === "written");
  const read = await rivals[0]?.read(signal);
  expect({ ...read, version: "" }).toEqual(sent[winner]);
  expect(writes[winner]).toEqual({ kind: "written", record: read });
});

test("of many that replace one version one wins; a released lease is free to see, and its labels stay", async () => {
  const { namespace, stores: rivals } = await stores(8);
  const first = await rivals[0]?.create(claimed(undefined, writing("first")), signal);
  if (first?.kind !== "written") throw new Error("Cannot go on: the Lease was not created");
  await cluster.kubectl(["label", "lease", "webfarm-operator", "-n", namespace, "team=web"]);
  const labelled = (await Promise.all(rivals.map((store) => store.read(signal))))[0];
  if (labelled === undefined || rivals[0] === undefined) throw new Error("Cannot go on: there is no Lease");
  expect(await rivals[0].update(claimed(first.record, writing("first")), signal)).toEqual({ kind: "lost" });
  const release = await rivals[0].update(released(labelled, systemClock.now()), signal);
  if (release.kind !== "written") throw new Error("Cannot go on: the Lease was not released");
  expect(release.record).toMatchObject({ holder: "", leaseSeconds: 1 });
  expect(await Promise.all(rivals.map((store) => store.read(signal)))).toEqual(rivals.map(() => release.record));
  const writes = await Promise.all(rivals.map((store, at) => store.update(claimed(release.record, writing(`rival-${at}`)), signal)));
  expect(writes.filter(({ kind }) => kind === "written")).toHaveLength(1);
  expect(await rivals[1]?.read(signal)).toMatchObject({ holder: expect.stringMatching(/^rival-/), transitions: 1 });
  const labels = await cluster.kubectl(["get", "lease", "webfarm-operator", "-n", namespace, "-o", "jsonpath={.metadata.labels.team}"]);
  expect(labels).toBe("web");
});

test("a lease that is gone is a lost race, and the watch tells each state of the one Lease only", async () => {
  const { namespace, stores: both } = await stores(2);
  const [store, other] = both as [LeaseStore, LeaseStore];
  expect(await store.read(signal)).toBeUndefined();
  const told: (LeaseRecord | undefined)[] = [];
  const watch = other.watch((record) => told.push(record));
  const write = await store.create(claimed(undefined, writing("one")), signal);
  if (write.kind !== "written") throw new Error("Cannot go on: the Lease was not created");
  await until(() => told.some((record) => record?.version === write.record.version));
  const neighbour = { metadata: { name: "somebody-elses" }, spec: { holderIdentity: "nobody", leaseDurationSeconds: 1 } };
  await api.request({ method: "POST", path: `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`, body: neighbour });
  const release = await store.update(released(write.record, systemClock.now()), signal);
  await until(() => told.at(-1)?.holder === "");
  expect(release.kind).toBe("written");
  await cluster.kubectl(["delete", "lease", "webfarm-operator", "-n", namespace]);
  await until(() => told.at(-1) === undefined);
  expect(told.map((record) => record?.holder)).not.toContain("nobody");
  expect(await store.update(claimed(write.record, writing("one")), signal)).toEqual({ kind: "lost" });
  await watch.stop();
});
