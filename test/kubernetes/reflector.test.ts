import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import type { Pod } from "../../operator/farm/model.ts";
import type { KubernetesApi } from "../../operator/kubernetes/client.ts";
import { decodePod } from "../../operator/kubernetes/decodePod.ts";
import { Reflector } from "../../operator/kubernetes/reflector.ts";
import { FakeClock } from "../controller/fakeClock.ts";
import { type Exchange, listOf, quiet, rawPod, RecordedMetrics, ScriptedApi, statusOf, until } from "./scriptedApi.ts";

const silenceMs = 70_000;
const pageDeadlineAndMore = 61_000;

let server: ScriptedApi;
let api: KubernetesApi;
let clock: FakeClock;
let metrics: RecordedMetrics;
let reflector: Reflector<Pod>;
let changes: string[];

beforeEach(async () => {
  server = await ScriptedApi.start();
  clock = new FakeClock();
  api = await server.client(clock);
  metrics = new RecordedMetrics();
  changes = [];
  reflector = new Reflector({
    api,
    clock,
    random: () => 0.5,
    log: quiet,
    metrics,
    resource: "pods",
    namespace: "shop",
    path: "/api/v1/namespaces/shop/pods",
    decode: decodePod,
    onChange: (before, after, how) => changes.push(told(before, after, how)),
    onRewind: () => changes.push("rewind"),
    onSynced: () => changes.push("synced"),
  });
  reflector.start();
});

afterEach(async () => {
  await reflector.stop();
  await api.close();
  await server.stop();
});

function told(before: Pod | undefined, after: Pod | undefined, how: string): string {
  if (before === undefined) return `+${after?.uid ?? ""} ${how}`;
  return after === undefined ? `-${before.uid} ${how}` : `~${after.uid} ${after.phase} ${how}`;
}

/** The first WatchList, complete with these pods at version 10. */
async function syncedWith(...names: string[]): Promise<Exchange> {
  const watch = (await server.next()).open();
  for (const name of names) watch.event("ADDED", rawPod({ name }));
  watch.bookmark("10", "ends initial");
  await until(() => reflector.isSynced);
  changes.length = 0;
  metrics.heardCount = 0;
  return watch;
}

/** Lets the wait after the newest failure pass, which is never longer than 30 s. */
async function afterFailure(end: string, count = 1): Promise<Exchange> {
  await until(() => metrics.ends.filter((it) => it === end).length === count);
  await clock.advance(30_000);
  return server.next();
}

const names = (): string[] => reflector.cache.all().map((pod) => pod.name);

describe("a reflector", () => {
  test("asks for a WatchList and is synced only when its end is marked", async () => {
    const watch = await server.next();
    expect(Object.fromEntries(watch.query)).toEqual({
      watch: "true",
      allowWatchBookmarks: "true",
      timeoutSeconds: "440",
      sendInitialEvents: "true",
      resourceVersionMatch: "NotOlderThan",
    });
    watch
      .open()
      .event("ADDED", rawPod({ name: "a" }))
      .bookmark("5")
      .event("ADDED", rawPod({ name: "b" }));
    await clock.advance(0);
    expect([reflector.isSynced, names()]).toEqual([false, []]);
    watch.bookmark("10", "ends initial").event("MODIFIED", rawPod({ name: "a", phase: "Failed", version: "11" }));
    await until(() => changes.length === 4);
    expect(changes).toEqual(["+uid-a listed", "+uid-b listed", "synced", "~uid-a Failed event"]);
  });

  test("tells a deletion with the last state first, then the deletion", async () => {
    const watch = await syncedWith("a");
    watch.event("DELETED", rawPod({ name: "a", phase: "Succeeded", version: "12" }));
    await until(() => changes.length === 2);
    expect(changes).toEqual(["~uid-a Succeeded event", "-uid-a event"]);
    expect(names()).toEqual([]);
  });

  test("says nothing when nothing that it keeps has changed", async () => {
    const watch = await syncedWith("a");
    watch.event("MODIFIED", rawPod({ name: "a", version: "11", metadata: { annotations: { noise: "1" } } }));
    watch.event("ADDED", rawPod({ name: "b", version: "12" }));
    await until(() => changes.length > 0);
    expect(changes).toEqual(["+uid-b event"]);
  });

  test("watches on from the last event or bookmark when the server closes the stream", async () => {
    const watch = await syncedWith("a");
    watch
      .event("ADDED", rawPod({ name: "b", version: "15" }))
      .bookmark("20")
      .end();
    const second = await server.next();
    expect([second.isWatchList, second.query.get("resourceVersion")]).toEqual([false, "20"]);
    second
      .open()
      .event("ADDED", rawPod({ name: "c", version: "21" }))
      .end();
    expect((await server.next()).query.get("resourceVersion")).toBe("21");
    expect(metrics.lists).toEqual(["watchList"]);
  });

  test("does not ask in a tight loop when streams close without a word", async () => {
    const watch = await syncedWith();
    watch.end();
    (await server.next()).open().end();
    await until(() => metrics.ends.length === 2);
    await clock.advance(799);
    expect(server.untaken).toBe(0);
    await clock.advance(1_000);
    expect((await server.next()).query.get("resourceVersion")).toBe("10");
  });

  test("reads characters and lines that span chunks", async () => {
    const watch = await syncedWith();
    const bytes = Buffer.from(
      `${JSON.stringify({ type: "ADDED", object: rawPod({ name: "a", labels: { city: "Zürich" }, version: "11" }) })}\n`,
    );
    const inside = bytes.indexOf(0xc3) + 1; // between the two bytes of ü
    watch.bytes(bytes.subarray(0, inside));
    await clock.advance(0);
    watch.bytes(bytes.subarray(inside)).bookmark("12");
    await until(() => metrics.heardCount === 2);
    expect(reflector.cache.all()[0]?.labels).toEqual({ city: "Zürich" });
  });

  test("drops the half line of a stream that was cut, and goes on from the version before it", async () => {
    const watch = await syncedWith();
    const line = JSON.stringify({ type: "ADDED", object: rawPod({ name: "a", version: "11" }) });
    watch.bytes(line.slice(0, 40));
    await clock.advance(0);
    watch.cut();
    const second = await afterFailure("cut");
    expect(second.query.get("resourceVersion")).toBe("10");
    second.open().bytes(`${line}\n`);
    await until(() => names().length === 1);
  });

  test("asks again within two seconds after a stream was cut", async () => {
    const watch = await syncedWith();
    watch.cut();
    await until(() => metrics.ends.length === 1);
    await clock.advance(2_000);
    expect((await server.next()).isWatch).toBe(true);
  });

  test("goes on from the last version after a line of garbage, without quoting it", async () => {
    const watch = await syncedWith();
    watch.bytes('{"password":"hunter2"\n');
    const second = await afterFailure("garbage");
    expect(second.query.get("resourceVersion")).toBe("10");
    expect(JSON.stringify(reflector.failure)).not.toContain("hunter2");
  });

  test.each<[string, (watch: Exchange) => void]>([
    ["an HTTP 410", (watch) => watch.status(410, "Expired")],
    ["an ERROR event 410", (watch) => watch.open().event("ERROR", statusOf(410, "Expired"))],
    ["an ERROR event Gone", (watch) => watch.open().event("ERROR", statusOf(410, "Gone"))],
    ["a version too large", (watch) => watch.status(504, "Timeout", { message: "Too large resource version: 10, current: 3" })],
    [
      "a version too large by its cause",
      (watch) => watch.status(504, "Timeout", { details: { causes: [{ reason: "ResourceVersionTooLarge" }] } }),
    ],
  ])("lists anew after %s, and tells what was missed as listed", async (_name, answer) => {
    (await syncedWith("a", "b")).end();
    answer(await server.next());
    const list = await server.next();
    expect([list.isWatchList, list.query.get("resourceVersion")]).toEqual([true, null]);
    list
      .open()
      .event("ADDED", rawPod({ name: "b", phase: "Failed" }))
      .event("ADDED", rawPod({ name: "c" }))
      .bookmark("20", "ends initial");
    await until(() => changes.length === 3);
    expect(changes).toEqual(["-uid-a listed", "~uid-b Failed listed", "+uid-c listed"]);
  });

  test("waits when the list after a 410 expires again", async () => {
    (await syncedWith()).end();
    (await server.next()).status(410, "Expired");
    (await server.next()).status(410, "Expired");
    await until(() => metrics.ends.filter((it) => it === "expired").length === 2);
    await clock.advance(500);
    expect(server.untaken).toBe(0);
    await clock.advance(30_000);
    expect((await server.next()).isWatchList).toBe(true);
  });

  test("tells a new UID under an old name as the end of one and the beginning of another", async () => {
    (await syncedWith("a")).cut();
    const second = (await afterFailure("cut")).open();
    second.event("ADDED", rawPod({ name: "a", uid: "uid-new", version: "30" }));
    await until(() => changes.length === 2);
    expect(changes).toEqual(["-uid-a listed", "+uid-new event"]);
    expect(reflector.cache.byName("shop", "a")?.uid).toBe("uid-new");
  });

  test("does the same in a list", async () => {
    (await syncedWith("a")).end();
    (await server.next()).status(410, "Expired");
    (await server.next())
      .open()
      .event("ADDED", rawPod({ name: "a", uid: "uid-new" }))
      .bookmark("20", "ends initial");
    await until(() => changes.length === 2);
    expect(changes).toEqual(["-uid-a listed", "+uid-new listed"]);
  });

  test("takes Retry-After as the least to wait", async () => {
    (await syncedWith()).end();
    (await server.next()).status(429, "TooManyRequests", { headers: { "retry-after": "45" } });
    await until(() => metrics.ends.includes("throttled"));
    await clock.advance(44_000);
    expect(server.untaken).toBe(0);
    await clock.advance(1_000);
    expect((await server.next()).query.get("resourceVersion")).toBe("10");
  });

  test.each([
    ["403", 403, "Forbidden"],
    ["500", 500, "InternalError"],
    ["503", 503, "ServiceUnavailable"],
    ["404", 404, "NotFound"],
  ])("never stops on %s, says so, and recovers", async (_name, code, reason) => {
    (await syncedWith("a")).end();
    const refusals = (): number => metrics.ends.filter((end) => end === "refused").length;
    while (refusals() < 9) {
      const before = refusals();
      (await server.next()).status(code, reason);
      await until(() => refusals() > before);
      await clock.advance(30_000);
    }
    expect(reflector.failure).toMatchObject({ resource: "pods", reason });
    const pods = [rawPod({ name: "a" }), rawPod({ name: "b" })];
    const list = await server.next();
    // A server that answers a WatchList with 500 is asked for pages.
    if (!list.isWatchList) list.json(listOf("40", pods));
    else pods.reduce<Exchange>((stream, pod) => stream.event("ADDED", pod), list.open()).bookmark("40", "ends initial");
    await until(() => names().length === 2);
    expect([reflector.failure, reflector.isSynced]).toEqual([undefined, true]);
  });

  test("lists anew when a server comes back that was away: its store may have been taken back, whatever the versions say", async () => {
    (await syncedWith("a", "b")).cut();
    const second = await afterFailure("cut");
    expect([second.isWatchList, second.query.get("resourceVersion")]).toEqual([false, "10"]);
    second.cut();
    const list = await afterFailure("unreachable");
    expect([list.isWatchList, list.query.get("resourceVersion")]).toEqual([true, null]);
    list
      .open()
      .event("ADDED", rawPod({ name: "a" }))
      .bookmark("12", "ends initial");
    await until(() => changes.length === 1);
    expect(changes).toEqual(["-uid-b listed"]);
  });

  test("does not list anew when it is asked twice for patience", async () => {
    (await syncedWith()).end();
    (await server.next()).status(429, "TooManyRequests");
    (await afterFailure("throttled")).status(429, "TooManyRequests");
    const third = await afterFailure("throttled", 2);
    expect([third.isWatchList, third.query.get("resourceVersion")]).toEqual([false, "10"]);
  });

  test("goes on after an ERROR event that is no 410", async () => {
    const watch = await syncedWith();
    watch.event("ERROR", statusOf(500, "InternalError"));
    expect((await afterFailure("refused")).query.get("resourceVersion")).toBe("10");
  });

  test("survives a server that refuses connections", async () => {
    const watch = await syncedWith("a");
    watch.cut();
    await server.stop();
    for (let failures = 1; failures <= 3; failures += 1) {
      await until(() => metrics.ends.length >= failures);
      await clock.advance(30_000);
    }
    expect(reflector.failure?.reason).toBe("Unreachable");
    expect(names()).toEqual(["a"]);
    server = await ScriptedApi.start();
  });
});

describe("a silent stream", () => {
  test("is asked anew from the last version after 70 s", async () => {
    const watch = await syncedWith("a");
    await clock.advance(silenceMs - 1);
    expect(metrics.ends).toEqual([]);
    await clock.advance(1);
    await watch.closed;
    const second = await server.next();
    expect([metrics.ends, second.query.get("resourceVersion")]).toEqual([["silent"], "10"]);
    expect(metrics.lists).toEqual(["watchList"]);
  });

  test("is not silent while bookmarks come", async () => {
    const watch = await syncedWith("a");
    for (let version = 11; version < 14; version += 1) {
      await clock.advance(60_000);
      watch.bookmark(String(version));
      await until(() => metrics.heardCount === version - 10);
    }
    expect(metrics.ends).toEqual([]);
  });

  test("a second time in a row lists anew: after a restore a version of the future is never answered", async () => {
    await syncedWith("a", "b");
    await clock.advance(silenceMs);
    (await server.next()).open();
    await clock.advance(silenceMs);
    const list = await server.next();
    expect([list.isWatchList, list.query.get("resourceVersion")]).toEqual([true, null]);
    list
      .open()
      .event("ADDED", rawPod({ name: "a" }))
      .bookmark("7", "ends initial");
    await until(() => changes.length === 2);
    expect(changes).toEqual(["rewind", "-uid-b listed"]);
    expect(metrics.rewinds).toBe(1);
  });

  test("twice, with a bookmark between, does not list anew", async () => {
    await syncedWith("a");
    await clock.advance(silenceMs);
    (await server.next()).open().bookmark("11");
    await until(() => metrics.heardCount === 1);
    await clock.advance(silenceMs);
    const third = await server.next();
    expect([third.isWatchList, third.query.get("resourceVersion")]).toEqual([false, "11"]);
  });

  test("while it lists makes way for pages", async () => {
    (await server.next()).open().event("ADDED", rawPod({ name: "a" }));
    await clock.advance(silenceMs);
    await clock.advance(2_000);
    const list = await server.next();
    expect([list.isWatch, list.query.get("limit")]).toEqual([false, "500"]);
  });
});

describe("versions", () => {
  test("9 is older than 10: they are compared as numbers", async () => {
    (await syncedWith("a")).end();
    (await server.next()).status(410, "Expired");
    (await server.next())
      .open()
      .event("ADDED", rawPod({ name: "a" }))
      .bookmark("9", "ends initial");
    await until(() => metrics.rewinds === 1);
  });

  test("that are no numbers are never a rewind", async () => {
    const watch = (await server.next()).open().bookmark("zebra", "ends initial");
    await until(() => reflector.isSynced);
    watch.event("ERROR", statusOf(410, "Expired"));
    (await server.next()).open().bookmark("ant", "ends initial");
    await until(() => metrics.lists.length === 2);
    expect(metrics.rewinds).toBe(0);
  });
});

describe("pages", () => {
  test.each<[string, (watch: Exchange) => void]>([
    ["400", (watch) => watch.status(400, "BadRequest")],
    ["422", (watch) => watch.status(422, "Invalid")],
    [
      "500 inside the stream",
      (watch) =>
        watch
          .open()
          .event("ADDED", rawPod({ name: "x" }))
          .event("ERROR", statusOf(500, "InternalError")),
    ],
  ])("replace a WatchList that is refused with %s, at once", async (_name, refuse) => {
    refuse(await server.next());
    const first = await server.next();
    expect(Object.fromEntries(first.query)).toEqual({ limit: "500" });
    first.json(listOf("10", [rawPod({ name: "a" })], "more"));
    const second = await server.next();
    expect(Object.fromEntries(second.query)).toEqual({ limit: "500", continue: "more" });
    await clock.advance(50_000); // A slow page is waited for.
    expect(reflector.isSynced).toBe(false);
    second.json(listOf("10", [rawPod({ name: "b" })]));
    const watch = await server.next();
    expect([watch.isWatch, watch.isWatchList, watch.query.get("resourceVersion")]).toEqual([true, false, "10"]);
    expect(names()).toEqual(["a", "b"]);
  });

  async function pagesBegun(): Promise<Exchange> {
    (await server.next()).status(422, "Invalid");
    (await server.next()).json(listOf("10", [rawPod({ name: "a" })], "more"));
    return server.next();
  }

  test("start again from the first when the second has expired, and nothing of the first counts", async () => {
    (await pagesBegun()).status(410, "Expired");
    const again = await server.next();
    expect(Object.fromEntries(again.query)).toEqual({ limit: "500" });
    again.json(listOf("12", [rawPod({ name: "b" })]));
    await until(() => reflector.isSynced);
    expect(names()).toEqual(["b"]);
  });

  test("start again when one of them never comes", async () => {
    await pagesBegun();
    await clock.advance(pageDeadlineAndMore);
    await until(() => metrics.ends.includes("unreachable"));
    await clock.advance(30_000);
    expect(Object.fromEntries((await server.next()).query)).toEqual({ limit: "500" });
    expect(reflector.isSynced).toBe(false);
  });

  test("that are no list are no empty list", async () => {
    const second = await pagesBegun();
    second.json({ kind: "PodList", metadata: { resourceVersion: "10" } });
    await until(() => metrics.ends.includes("garbage"));
    expect([reflector.isSynced, names()]).toEqual([false, []]);
  });

  test("are left when it is stopped, and nothing is told", async () => {
    const second = await pagesBegun();
    await reflector.stop();
    second.json(listOf("10", [rawPod({ name: "b" })]));
    await clock.advance(60_000);
    expect([changes, reflector.isSynced, server.untaken]).toEqual([[], false, 0]);
  });
});

describe("a stop", () => {
  test("ends the stream at the server and resolves", async () => {
    const watch = await syncedWith("a");
    await reflector.stop();
    await watch.closed;
    expect(clock.pendingTimers).toBe(0);
  });

  test("ends a wait", async () => {
    (await syncedWith()).end();
    (await server.next()).status(403, "Forbidden");
    await until(() => metrics.ends.includes("refused"));
    await reflector.stop();
    expect(clock.pendingTimers).toBe(0);
  });
});
