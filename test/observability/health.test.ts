// The three paths over a real socket.
import { afterEach, expect, test } from "@jest/globals";
import { createConnection } from "node:net";
import { type Health, type HealthOptions, serveHealth } from "../../operator/observability/health.ts";

const open: Health[] = [];
afterEach(async () => {
  for (const health of open.splice(0)) await health.close();
});

async function serve(
  options: Partial<HealthOptions> = {},
): Promise<{ readonly health: Health; readonly ask: (path: string, method?: string) => Promise<Response> }> {
  const health = await serveHealth({
    address: { host: "127.0.0.1", port: 0 },
    notLive: () => [],
    notReady: () => [],
    metrics: { contentType: "text/plain; version=0.0.4", text: () => Promise.resolve("metric 1\n") },
    onError: (error) => {
      throw error;
    },
    ...options,
  });
  open.push(health);
  // Connections of fetch are kept alive; closing must not wait for them.
  return { health, ask: (path, method = "GET") => fetch(`http://127.0.0.1:${health.address.port}${path}`, { method }) };
}

test("a process that lives and is ready says ok", async () => {
  const { ask } = await serve();
  for (const path of ["/livez", "/readyz", "/readyz?verbose"]) {
    const answer = await ask(path);
    expect([path, answer.status, await answer.text()]).toEqual([path, 200, "ok\n"]);
  }
});

test("not ready names the reasons, follows the state, and leaves /livez alone", async () => {
  let reasons = ["pods are not synced", "no leader"];
  const { ask } = await serve({ notReady: () => reasons });
  const answer = await ask("/readyz");
  expect([answer.status, await answer.text()]).toEqual([503, "pods are not synced\nno leader\n"]);
  expect((await ask("/livez")).status).toBe(200);
  reasons = [];
  expect((await ask("/readyz")).status).toBe(200);
});

test("not live is 503 too", async () => {
  const { ask } = await serve({ notLive: () => ["the event loop is stuck"] });
  expect((await ask("/livez")).status).toBe(503);
});

test("/metrics has the metrics and their content type; a HEAD has no body", async () => {
  const { ask } = await serve();
  const answer = await ask("/metrics");
  expect([answer.headers.get("content-type"), await answer.text()]).toEqual(["text/plain; version=0.0.4", "metric 1\n"]);
  const head = await ask("/metrics", "HEAD");
  expect([head.status, await head.text()]).toEqual([200, ""]);
});

test.each([
  ["GET", "/", 404],
  ["GET", "/metrics/x", 404],
  ["POST", "/livez", 405],
])("%s %s is %i", async (method, path, status) => {
  const { ask } = await serve();
  expect((await ask(path, method)).status).toBe(status);
});

test("metrics that cannot be read are a 500 that shows nothing, and are told", async () => {
  const told: Error[] = [];
  const { ask } = await serve({
    metrics: { contentType: "text/plain", text: () => Promise.reject(new Error("Password=x")) },
    onError: (error) => told.push(error),
  });
  const answer = await ask("/metrics");
  expect([answer.status, await answer.text()]).toEqual([500, "internal error\n"]);
  expect(told[0]?.cause).toEqual(new Error("Password=x"));
});

test("an address in use is an error that names it", async () => {
  const { health } = await serve();
  await expect(serve({ address: { host: "127.0.0.1", port: health.address.port } })).rejects.toThrow(
    `Cannot listen on 127.0.0.1:${health.address.port}`,
  );
});

test("IPv6 and all addresses can be listened on", async () => {
  for (const host of ["::1", undefined]) {
    const { health } = await serve({ address: { host, port: 0 } });
    const loopback = host ?? "127.0.0.1";
    expect((await fetch(`http://${loopback.includes(":") ? `[${loopback}]` : loopback}:${health.address.port}/livez`)).status).toBe(200);
  }
});

test("close ends although a client holds a connection open without asking anything", async () => {
  const { health, ask } = await serve();
  await ask("/livez");
  const silent = createConnection({ host: "127.0.0.1", port: health.address.port });
  await new Promise((resolve) => silent.once("connect", resolve));
  const gone = new Promise((resolve) => silent.once("close", resolve));
  open.splice(open.indexOf(health), 1);
  await health.close();
  await gone;
  await expect(ask("/livez")).rejects.toThrow("fetch failed");
});
