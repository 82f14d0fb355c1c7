// A ServiceAccount and a token of it, asked of a scripted API server: what is sent, and what is never taken for "not there".
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import type { KubernetesApi } from "../../operator/kubernetes/client.ts";
import { readServiceAccount, requestToken } from "../../operator/kubernetes/serviceAccountTokens.ts";
import { FakeClock } from "../controller/fakeClock.ts";
import { ScriptedApi } from "./scriptedApi.ts";

const at = { namespace: "shop", name: "site" };
const audience = "api://AzureADTokenExchange";
let server: ScriptedApi;
let api: KubernetesApi;

beforeEach(async () => {
  server = await ScriptedApi.start();
  api = await server.client(new FakeClock());
});

afterEach(async () => {
  await api.close();
  await server.stop();
});

test("its annotations are read by name; without any there are none", async () => {
  const read = readServiceAccount(api, at);
  const exchange = await server.next();
  expect([exchange.method, exchange.path]).toEqual(["GET", "/api/v1/namespaces/shop/serviceaccounts/site"]);
  exchange.json({ metadata: { name: "site", annotations: { "azure.workload.identity/client-id": "c" } } });
  expect(await read).toEqual({ kind: "found", annotations: { "azure.workload.identity/client-id": "c" } });
  const bare = readServiceAccount(api, at);
  (await server.next()).json({ metadata: { name: "site" } });
  expect(await bare).toEqual({ kind: "found", annotations: {} });
});

test("its token is asked for one audience alone, and for the shortest time", async () => {
  const read = requestToken(api, { ...at, audience });
  const exchange = await server.next();
  expect([exchange.method, exchange.path]).toEqual(["POST", "/api/v1/namespaces/shop/serviceaccounts/site/token"]);
  expect(JSON.parse(exchange.body)).toEqual({
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    spec: { audiences: [audience], expirationSeconds: 600 },
  });
  exchange.json({ kind: "TokenRequest", status: { token: "a.b.c", expirationTimestamp: "2026-01-01T00:10:00Z" } }, 201);
  expect(await read).toEqual({ kind: "token", token: "a.b.c" });
});

describe.each([
  ["reading it", (): Promise<unknown> => readServiceAccount(api, at)],
  ["its token", (): Promise<unknown> => requestToken(api, { ...at, audience })],
])("%s", (_what, ask) => {
  test.each([
    ["is absent when the API server says so", 404, "NotFound", { name: "site", kind: "serviceaccounts" }, { kind: "absent" }],
    ["is forbidden when the API server says so", 403, "Forbidden", {}, { kind: "forbidden" }],
  ])("%s", async (_case, code, reason, details, expected) => {
    const answer = ask();
    (await server.next()).status(code, reason, { details });
    expect(await answer).toEqual(expected);
  });

  test.each([
    ["somebody else's 404", 404, "NotFound", { name: "shop", kind: "namespaces" }],
    ["a conflict", 409, "Conflict", {}],
    ["an error", 500, "InternalError", {}],
  ])("rejects on %s", async (_case, code, reason, details) => {
    const answer = ask().catch((error: unknown) => String(error));
    (await server.next()).status(code, reason, { details, message: "says why" });
    expect(await answer).toContain("says why");
  });
});

test("an answer without a token is an error, and nothing of it is quoted", async () => {
  const answer = requestToken(api, { ...at, audience }).catch((error: unknown) => String(error));
  (await server.next()).json({ kind: "TokenRequest", status: { tokens: "hunter2" } });
  expect(await answer).toMatch(/has no token$/);
  expect(await answer).not.toContain("hunter2");
});
