import { describe, expect, test } from "@jest/globals";
import { ApiError, isNotFound, retryAfterOf } from "../../operator/kubernetes/apiError.ts";
import { createClient, type KubernetesApi } from "../../operator/kubernetes/client.ts";
import { type Credentials, kubeConfigFromText, type KubeConfigSource } from "../../operator/kubernetes/credentials.ts";
import type { FakeClock } from "../controller/fakeClock.ts";
import { listOf, ScriptedApi, until } from "./scriptedApi.ts";
import { serveEachTest } from "./served.ts";

let server: ScriptedApi;
let api: KubernetesApi;
let clock: FakeClock;

serveEachTest((served) => ({ server, api, clock } = served));

const get = (path = "/api/v1/pods"): Promise<unknown> => api.request({ method: "GET", path });

/** What it rejected with; a resolved promise is an error of the test. */
const failure = async (doomed: Promise<unknown>): Promise<ApiError> => {
  try {
    await doomed;
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
  throw new Error("it did not fail");
};

describe("a request", () => {
  test("carries the kubeconfig's token, a JSON body and its query", async () => {
    const answer = api.request({
      method: "PATCH",
      path: "/api/v1/x",
      query: { fieldManager: "me", limit: 5, continue: undefined },
      body: { a: 1 },
      contentType: "application/merge-patch+json",
    });
    const exchange = await server.next();
    exchange.json({ ok: true });
    expect(await answer).toEqual({ ok: true });
    expect(clock.pendingTimers).toBe(0);
    expect([exchange.method, exchange.path, exchange.body]).toEqual(["PATCH", "/api/v1/x", '{"a":1}']);
    expect(Object.fromEntries(exchange.query)).toEqual({ fieldManager: "me", limit: "5" });
    expect(exchange.headers).toMatchObject({
      authorization: "Bearer first-token",
      "content-type": "application/merge-patch+json",
      "user-agent": "webfarm-operator/test",
    });
  });

  test("shares its connections with those after it", async () => {
    for (let count = 0; count < 20; count += 1) {
      const answer = get();
      (await server.next()).json({});
      await answer;
    }
    expect(server.accepted).toBeLessThanOrEqual(2); // undici frees a connection only in the turn after its answer.
  });

  test("knows the namespace of the context", () => {
    expect(api.namespace).toBe("operators");
  });

  test("ends at its deadline when nothing comes", async () => {
    const failed = failure(api.request({ method: "GET", path: "/slow", deadlineMs: 500 }));
    const exchange = await server.next();
    await clock.advance(500);
    expect(await failed).toMatchObject({ code: 0, reason: "DeadlineExceeded", notFound: false });
    await exchange.closed;
    expect(clock.pendingTimers).toBe(0);
  });

  test("ends at its deadline when the body stays away", async () => {
    const failed = failure(api.request({ method: "GET", path: "/slow", deadlineMs: 500 }));
    (await server.next()).open().bytes('{"kind":');
    await clock.advance(500);
    expect((await failed).reason).toBe("DeadlineExceeded");
  });

  test("ends with the caller's reason when the caller gives up", async () => {
    const controller = new AbortController();
    const doomed = api.request({ method: "GET", path: "/slow", signal: controller.signal });
    await server.next();
    const reason = new Error("lost the lease");
    controller.abort(reason);
    await expect(doomed).rejects.toBe(reason);
  });

  test("waits its turn when 32 are under way, and its deadline counts", async () => {
    const under = Array.from({ length: 32 }, () => get());
    const last = failure(api.request({ method: "GET", path: "/last", deadlineMs: 500 }));
    const exchanges = [];
    for (let count = 0; count < 32; count += 1) exchanges.push(await server.next());
    await clock.advance(500);
    expect((await last).reason).toBe("DeadlineExceeded");
    const next = api.request({ method: "GET", path: "/next" });
    exchanges[0]?.json({});
    const exchange = await server.next();
    expect(exchange.path).toBe("/next");
    exchange.json({});
    await next;
    for (const it of exchanges.slice(1)) it.json({});
    await Promise.all(under);
  });
});

describe("an error", () => {
  test("is parsed from the Status", async () => {
    const failed = failure(get("/api/v1/namespaces/shop/pods/a"));
    (await server.next()).status(404, "NotFound", { message: 'pods "a" not found', details: { name: "a", kind: "pods" } });
    const error = await failed;
    expect(error).toMatchObject({ code: 404, reason: "NotFound", notFound: true, retryAfterMs: undefined });
    expect(error.message).toBe('Cannot GET /api/v1/namespaces/shop/pods/a: pods "a" not found');
    expect(isNotFound(error, { resource: "pods", name: "a" })).toBe(true);
    expect(isNotFound(error, { resource: "pods", name: "b" })).toBe(false);
  });

  test.each<[string, number, string]>([
    ["a proxy's 404 page", 404, "<html>Not Found secret=hunter2</html>"],
    [
      "a 404 that names no object",
      404,
      JSON.stringify({ kind: "Status", code: 404, reason: "NotFound", message: "no such path", details: {} }),
    ],
    ["a 404 in JSON that is no Status", 404, JSON.stringify({ reason: "NotFound", details: { name: "a", kind: "pods" } })],
    ["a 503 that says NotFound", 503, JSON.stringify({ kind: "Status", reason: "NotFound", details: { name: "a", kind: "pods" } })],
    ["an empty 404", 404, ""],
  ])("is not `not found`: %s", async (_name, code, body) => {
    const failed = failure(get());
    (await server.next()).text(body, code);
    const error = await failed;
    expect([error.code, error.notFound]).toEqual([code, false]);
    expect(error.message).not.toContain("hunter2");
  });

  test("of a 200 without JSON does not quote it", async () => {
    const failed = failure(get());
    (await server.next()).text("password=hunter2");
    const error = await failed;
    expect(error.reason).toBe("NotJson");
    expect(`${error.message} ${JSON.stringify(error)} ${String(error.cause)}`).not.toContain("hunter2");
  });

  test("of a refused connection is Unreachable", async () => {
    await server.stop();
    expect(await failure(get())).toMatchObject({ code: 0, reason: "Unreachable", notFound: false });
    server = await ScriptedApi.start();
  });

  test("of a connection lost before the answer is Unreachable", async () => {
    const failed = failure(get());
    (await server.next()).cut();
    expect(await failed).toMatchObject({ code: 0, reason: "Unreachable" });
  });

  test.each<[string, Record<string, string>, unknown, number | undefined]>([
    ["seconds", { "retry-after": "7" }, undefined, 7_000],
    ["a date", { "retry-after": "Thu, 01 Jan 2026 00:00:30 GMT" }, undefined, 30_000],
    ["a date that has passed", { "retry-after": "Wed, 31 Dec 2025 00:00:00 GMT" }, undefined, 0],
    ["the Status's seconds", {}, { retryAfterSeconds: 3 }, 3_000],
    ["nonsense", { "retry-after": "soon" }, undefined, undefined],
  ])("tells when to retry: %s", async (_name, headers, details, expected) => {
    const failed = failure(get());
    (await server.next()).status(429, "TooManyRequests", { headers, details });
    expect((await failed).retryAfterMs).toBe(expected);
  });

  test("without Retry-After has none", () => {
    expect(retryAfterOf(undefined, 0)).toBeUndefined();
  });
});

describe("a 401", () => {
  /** Each reload gives the next token, as a rotated service account token does. */
  async function rotating(...tokens: string[]): Promise<void> {
    await api.close();
    const sources = tokens.map((token) => kubeConfigFromText(server.kubeconfig(token)));
    const source: KubeConfigSource = {
      namespace: undefined,
      current: () => (sources[0] as KubeConfigSource).current(),
      reload: () => void sources.splice(0, sources.length > 1 ? 1 : 0),
    };
    api = await createClient({ source, clock, userAgent: "test" });
  }

  test("is answered once with credentials read anew", async () => {
    await rotating("old", "new");
    const answer = get();
    (await server.next()).status(401, "Unauthorized");
    const second = await server.next();
    expect(second.headers.authorization).toBe("Bearer new");
    second.json({ fine: true });
    expect(await answer).toEqual({ fine: true });
  });

  test("twice is an error, not a loop", async () => {
    await rotating("old", "new", "newer");
    const failed = failure(get());
    (await server.next()).status(401, "Unauthorized");
    (await server.next()).status(401, "Unauthorized");
    expect((await failed).code).toBe(401);
    expect(server.untaken).toBe(0);
  });

  test("of a watch is answered too", async () => {
    await rotating("old", "new");
    const stopping = new AbortController();
    const stream = api.stream({ path: "/api/v1/pods", signal: stopping.signal });
    (await server.next()).status(401, "Unauthorized");
    (await server.next()).open().bytes("hello");
    for await (const chunk of await stream) {
      expect(Buffer.from(chunk).toString()).toBe("hello");
      break;
    }
    stopping.abort();
  });
});

describe("credentials", () => {
  test("that change their CA get new connections; those that do not, keep theirs", async () => {
    await api.close();
    const real = await kubeConfigFromText(server.kubeconfig()).current();
    let digest = "one";
    const source: KubeConfigSource = {
      namespace: undefined,
      current: () => Promise.resolve({ ...real, connectionDigest: digest } satisfies Credentials),
      reload: () => undefined,
    };
    api = await createClient({ source, clock, userAgent: "test" });
    const ask = async (): Promise<void> => {
      const answer = get();
      (await server.next()).json(listOf("1", []));
      await answer;
    };
    await ask();
    await clock.advance(61_000);
    await ask();
    expect(server.connections).toBe(1);
    digest = "two";
    await clock.advance(61_000);
    const accepted = server.accepted;
    await ask();
    expect(server.accepted).toBe(accepted + 1);
    await until(() => server.connections === 1); // The old one was closed.
  });

  test("of a kubeconfig whose context names no cluster are refused with the reason", async () => {
    const source = kubeConfigFromText(JSON.stringify({ clusters: [], users: [], contexts: [], "current-context": "none" }));
    await expect(createClient({ source, clock, userAgent: "test" })).rejects.toThrow("current context names no cluster");
  });

  test("differ in their digest when address or CA differ", async () => {
    const text = server.kubeconfig();
    const digest = async (config: string): Promise<string> => (await kubeConfigFromText(config).current()).connectionDigest;
    const withCa = text.replace('"insecure-skip-tls-verify":true', '"insecure-skip-tls-verify":true,"certificate-authority-data":"Q0E="');
    expect(await digest(text)).toBe(await digest(text.replace("first-token", "second-token")));
    expect(await digest(withCa)).not.toBe(await digest(text));
    expect(await digest(text.replace("127.0.0.1", "127.0.0.2"))).not.toBe(await digest(text));
  });
});
