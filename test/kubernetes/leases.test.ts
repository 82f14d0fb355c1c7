// The Lease as the election's store, against a scripted API server: what is sent, which answers are a lost race, and which are no answer.
import { describe, expect, test } from "@jest/globals";
import type { LeaseRecord, LeaseStore } from "../../operator/controller/lease.ts";
import { createLeaseStore, decodeLease } from "../../operator/kubernetes/leases.ts";
import type { Exchange } from "./scriptedApi.ts";
import { quiet, RecordedMetrics, until } from "./scriptedApi.ts";
import type { Served } from "./served.ts";
import { serveEachTest } from "./served.ts";

let served: Served;
serveEachTest((next) => (served = next));

const path = "/apis/coordination.k8s.io/v1/namespaces/operators/leases";
const signal = new AbortController().signal;

const storeOf = ({ api, clock }: Served): LeaseStore =>
  createLeaseStore({ api, clock, random: () => 0, log: quiet, metrics: new RecordedMetrics(), namespace: "operators" });

const record: LeaseRecord = {
  holder: "one",
  leaseSeconds: 15,
  acquiredAtMs: Date.UTC(2026, 10, 26, 7, 30, 0, 120),
  renewedAtMs: Date.UTC(2026, 10, 26, 7, 45, 0, 7),
  transitions: 3,
  version: "41",
};

const spec = {
  holderIdentity: "one",
  leaseDurationSeconds: 15,
  acquireTime: "2026-11-26T07:30:00.120000Z",
  renewTime: "2026-11-26T07:45:00.007000Z",
  leaseTransitions: 3,
};

const rawLease = (more: { readonly version?: string; readonly metadata?: object; readonly spec?: object } = {}): unknown => ({
  kind: "Lease",
  apiVersion: "coordination.k8s.io/v1",
  metadata: { name: "webfarm-operator", namespace: "operators", uid: "u1", resourceVersion: more.version ?? "41", ...more.metadata },
  spec: more.spec ?? spec,
});

const notFound = (exchange: Exchange): void =>
  exchange.status(404, "NotFound", { details: { name: "webfarm-operator", group: "coordination.k8s.io", kind: "leases" } });

describe("A record", () => {
  test("is read from the Lease's fields, to the millisecond", () => {
    expect(decodeLease(rawLease())).toEqual(record);
  });

  test.each([
    ["nothing", {}],
    ["no holder and no length", { holderIdentity: "", leaseDurationSeconds: 0 }],
    ["what is no value", { holderIdentity: 7, leaseDurationSeconds: "long", acquireTime: "soon", leaseTransitions: null }],
  ])("that says %s is free, and as long as client-go's", (_what, spec) => {
    expect(decodeLease(rawLease({ spec }))).toEqual({
      ...{ holder: "", leaseSeconds: 15, acquiredAtMs: 0, renewedAtMs: 0, transitions: 0, version: "41" },
    });
  });

  test("without a version is none", () => {
    expect(() => decodeLease({ metadata: {}, spec })).toThrow("metadata.resourceVersion");
  });
});

describe("Reading", () => {
  test("asks the API server for the one Lease", async () => {
    const reading = storeOf(served).read(signal);
    const exchange = await served.server.next();
    expect([exchange.method, exchange.path, exchange.query.size]).toEqual(["GET", `${path}/webfarm-operator`, 0]);
    exchange.json(rawLease());
    expect(await reading).toEqual(record);
  });

  test("finds none only where the API server says that there is no such Lease", async () => {
    const store = storeOf(served);
    const reading = store.read(signal);
    notFound(await served.server.next());
    expect(await reading).toBeUndefined();
    const other = store.read(signal);
    (await served.server.next()).text("<html>no such page</html>", 404);
    await expect(other).rejects.toThrow("HTTP 404 without a Status");
  });

  test("names the rights that are missing", async () => {
    const reading = storeOf(served).read(signal);
    (await served.server.next()).status(403, "Forbidden", { message: "User tester cannot get leases" });
    await expect(reading).rejects.toThrow(
      /needs get, list, watch, create and update of leases.* in namespace operators .*User tester cannot/,
    );
  });
});

describe("Writing", () => {
  test("creates the Lease with times of six digits", async () => {
    const creating = storeOf(served).create({ ...record, version: "" }, signal);
    const exchange = await served.server.next();
    expect([exchange.method, exchange.path]).toEqual(["POST", path]);
    expect(JSON.parse(exchange.body)).toEqual({
      ...{ apiVersion: "coordination.k8s.io/v1", kind: "Lease" },
      ...{ metadata: { name: "webfarm-operator", namespace: "operators" }, spec },
    });
    exchange.json(rawLease(), 201);
    expect(await creating).toEqual({ kind: "written", record });
  });

  test("replaces the version that was read, and keeps what others wrote into the Lease", async () => {
    const store = storeOf(served);
    const reading = store.read(signal);
    const others = { labels: { team: "web" }, ownerReferences: [{ uid: "o" }] };
    (await served.server.next()).json(rawLease({ metadata: others, spec: { ...spec, preferredHolder: "two" } }));
    await reading;
    const updating = store.update({ ...record, holder: "", leaseSeconds: 1 }, signal);
    const exchange = await served.server.next();
    expect([exchange.method, exchange.path]).toEqual(["PUT", `${path}/webfarm-operator`]);
    expect(JSON.parse(exchange.body)).toMatchObject({
      metadata: { name: "webfarm-operator", resourceVersion: "41", ...others },
      spec: { ...spec, holderIdentity: "", leaseDurationSeconds: 1, preferredHolder: "two" },
    });
    exchange.json(rawLease({ version: "42" }));
    expect(await updating).toEqual({ kind: "written", record: { ...record, version: "42" } });
  });

  test("names its version also where nothing is remembered of it", async () => {
    const updating = storeOf(served).update(record, signal);
    const exchange = await served.server.next();
    expect(JSON.parse(exchange.body)).toMatchObject({ metadata: { resourceVersion: "41" } });
    exchange.json(rawLease({ version: "42" }));
    expect(await updating).toMatchObject({ kind: "written" });
  });

  test.each([
    ["Conflict", (exchange: Exchange) => exchange.status(409, "Conflict")],
    ["AlreadyExists", (exchange: Exchange) => exchange.status(409, "AlreadyExists")],
    ["NotFound", notFound],
  ])("is a lost race after %s", async (_reason, answer) => {
    const updating = storeOf(served).update(record, signal);
    answer(await served.server.next());
    expect(await updating).toEqual({ kind: "lost" });
  });

  test.each([
    ["a refusal", (exchange: Exchange) => exchange.status(500, "InternalError")],
    ["a proxy's 404", (exchange: Exchange) => exchange.text("gone", 404)],
    ["a cut connection", (exchange: Exchange) => exchange.cut()],
    ["an answer that is no Lease", (exchange: Exchange) => exchange.json({ kind: "Lease" })],
  ])("rejects after %s: nobody knows what became of it", async (_what, answer) => {
    const updating = storeOf(served).update(record, signal);
    answer(await served.server.next());
    await expect(updating).rejects.toThrow();
  });

  test("ends with its signal", async () => {
    const abort = new AbortController();
    const updating = storeOf(served).update(record, abort.signal);
    await served.server.next();
    abort.abort(new Error("enough"));
    await expect(updating).rejects.toThrow("enough");
  });
});

test("The watch asks for the one Lease, and tells what it becomes until it is stopped", async () => {
  const told: (LeaseRecord | undefined)[] = [];
  const watch = storeOf(served).watch((record) => told.push(record));
  const exchange = await served.server.next();
  expect([exchange.path, exchange.query.get("fieldSelector"), exchange.isWatchList]).toEqual([
    path,
    "metadata.name=webfarm-operator",
    true,
  ]);
  exchange.open().event("ADDED", rawLease()).bookmark("41", "ends initial");
  await until(() => told.length === 1);
  exchange.event("MODIFIED", rawLease({ version: "42", spec: { ...spec, holderIdentity: "" } }));
  await until(() => told.length === 2);
  exchange.event("DELETED", rawLease({ version: "43" }));
  await until(() => told.at(-1) === undefined);
  expect(told.map((it) => it?.holder)).toEqual(["one", "", "one", undefined]);
  const stopping = watch.stop();
  await exchange.closed;
  await stopping;
});
