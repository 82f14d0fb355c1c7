import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import type { KubernetesApi } from "../../operator/kubernetes/client.ts";
import { createEvents, type EventRecord, type Events, microTime } from "../../operator/kubernetes/events.ts";
import { FakeClock } from "../controller/fakeClock.ts";
import { quiet, ScriptedApi, until } from "./scriptedApi.ts";

let server: ScriptedApi;
let api: KubernetesApi;
let clock: FakeClock;
let events: Events;
let counts: { written: number; failed: number; dropped: number };

beforeEach(async () => {
  server = await ScriptedApi.start();
  clock = new FakeClock();
  api = await server.client(clock);
  counts = { written: 0, failed: 0, dropped: 0 };
  events = createEvents({
    api,
    clock,
    log: quiet,
    metrics: { written: () => (counts.written += 1), failed: () => (counts.failed += 1), dropped: () => (counts.dropped += 1) },
    reportingInstance: "operator-1",
  });
});

afterEach(async () => {
  const stopped = events.stop();
  await clock.advance(2_000);
  await stopped;
  await api.close();
  await server.stop();
});

const registered = (more: Partial<EventRecord> = {}, uid = "u1"): EventRecord => ({
  regarding: { apiVersion: "v1", kind: "Pod", namespace: "shop", name: "a", uid },
  type: "Normal",
  reason: "ServerRegistered",
  action: "Register",
  note: "Registered server a.",
  ...more,
});

describe("an event", () => {
  test("is created as events.k8s.io/v1 wants it", async () => {
    const related = { apiVersion: "webfarm.dev/v1alpha1", kind: "WebFarm", namespace: "shop", name: "main" };
    events.record(registered({ related }));
    const exchange = await server.next();
    expect([exchange.method, exchange.path]).toEqual(["POST", "/apis/events.k8s.io/v1/namespaces/shop/events"]);
    exchange.json({});
    expect(JSON.parse(exchange.body)).toEqual({
      apiVersion: "events.k8s.io/v1",
      kind: "Event",
      metadata: { name: expect.stringMatching(/^a\.[0-9a-f]{12}$/), namespace: "shop" },
      eventTime: "2026-01-01T00:00:00.000000Z",
      reportingController: "webfarm.dev/operator",
      reportingInstance: "operator-1",
      type: "Normal",
      reason: "ServerRegistered",
      action: "Register",
      note: "Registered server a.",
      regarding: registered().regarding,
      related,
    });
    await until(() => counts.written === 1);
  });

  test("is cut at 1,024 characters", async () => {
    events.record(registered({ note: "x".repeat(3_000) }));
    const exchange = await server.next();
    exchange.json({});
    expect((JSON.parse(exchange.body) as { note: string }).note).toHaveLength(1_024);
  });

  test("that repeats within ten minutes counts up the first one's series", async () => {
    events.record(registered());
    const first = await server.next();
    first.json({});
    const { name } = (JSON.parse(first.body) as { metadata: { name: string } }).metadata;
    await until(() => counts.written === 1);
    await clock.advance(60_000);
    for (const count of [2, 3]) {
      events.record(registered());
      const again = await server.next();
      again.json({});
      expect([again.method, again.path]).toEqual(["PATCH", `${first.path}/${name}`]);
      expect(JSON.parse(again.body)).toEqual({ series: { count, lastObservedTime: "2026-01-01T00:01:00.000000Z" } });
      await until(() => counts.written === count);
    }
  });

  test.each<[string, EventRecord, number]>([
    ["of another object", registered({}, "u2"), 0],
    ["with another note", registered({ note: "other" }), 0],
    ["after ten minutes", registered(), 600_001],
  ])("%s is a new one", async (_name, next, waitMs) => {
    events.record(registered());
    (await server.next()).json({});
    await until(() => counts.written === 1);
    await clock.advance(waitMs);
    events.record(next);
    const exchange = await server.next();
    exchange.json({});
    expect(exchange.method).toBe("POST");
  });

  test("whose series is gone is written anew the next time", async () => {
    events.record(registered());
    (await server.next()).json({});
    await until(() => counts.written === 1);
    events.record(registered());
    (await server.next()).status(404, "NotFound");
    await until(() => counts.failed === 1);
    events.record(registered());
    const third = await server.next();
    third.json({});
    expect(third.method).toBe("POST");
  });

  test("that fails does not stop the next one", async () => {
    events.record(registered());
    events.record(registered({}, "u2"));
    (await server.next()).status(403, "Forbidden");
    (await server.next()).json({});
    await until(() => counts.failed === 1 && counts.written === 1);
  });
});

describe("too many events", () => {
  async function answerAll(count: number): Promise<void> {
    for (let at = 0; at < count; at += 1) (await server.next()).json({});
  }

  test("of one object are dropped after 25, and let in again one every five minutes", async () => {
    for (let at = 0; at < 30; at += 1) events.record(registered({ note: String(at) }));
    expect(counts.dropped).toBe(5);
    await answerAll(25);
    await clock.advance(300_000);
    events.record(registered({ note: "later" }));
    events.record(registered({ note: "too many" }));
    expect(counts.dropped).toBe(6);
    await answerAll(1);
  });

  test("of one object do not keep others from theirs", async () => {
    for (let at = 0; at < 30; at += 1) events.record(registered({ note: String(at) }));
    events.record(registered({}, "u2"));
    expect(counts.dropped).toBe(5);
    await answerAll(26);
  });

  test("that wait are dropped from a thousand on", () => {
    for (let at = 0; at < 1_002; at += 1) events.record(registered({}, `u${at}`));
    expect(counts.dropped).toBe(1); // One is under way, a thousand wait.
  });
});

describe("a stop", () => {
  test("sends what waits and takes no more", async () => {
    events.record(registered());
    events.record(registered({}, "u2"));
    const stopped = events.stop();
    events.record(registered({}, "u3"));
    for (let at = 0; at < 2; at += 1) (await server.next()).json({});
    await stopped;
    expect(counts).toEqual({ written: 2, failed: 0, dropped: 1 });
    expect(clock.pendingTimers).toBe(0);
  });

  test("waits for two seconds at most", async () => {
    events.record(registered());
    events.record(registered({}, "u2"));
    await server.next();
    const stopped = events.stop();
    await clock.advance(2_000);
    await stopped;
    expect(counts).toEqual({ written: 0, failed: 1, dropped: 1 });
  });
});

test("a micro time has six digits", () => {
  expect(microTime(Date.UTC(2026, 10, 24, 1, 2, 3, 45))).toBe("2026-11-24T01:02:03.045000Z");
});
