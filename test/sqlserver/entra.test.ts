// The exchange of a ServiceAccount's token at Microsoft Entra, against an endpoint over real TLS: what is sent, what each answer means, and that
// nobody waits for ever.
import { afterEach, describe, expect, test } from "@jest/globals";

import type { WorkloadIdentity } from "../../operator/farm/model.ts";
import { systemClock } from "../../operator/controller/clock.ts";
import type { Clock } from "../../operator/controller/clock.ts";
import { type AccountToken, answerMs, createTokenSource, type EntraOptions, scopeOf } from "../../operator/sqlserver/entra.ts";
import { DatabaseError } from "../../operator/sqlserver/errors.ts";
import { FakeClock } from "../controller/fakeClock.ts";
import { issueCertificate, makeAuthority } from "../database/certificates.ts";
import { accountTokenFor, type EntraEndpoint, type EntraEndpointOptions, errorBody, startEntraEndpoint } from "./entraEndpoint.ts";
import { eventually } from "./eventually.ts";

const never = new AbortController().signal;
const issuer = "https://oidc.example.com/cluster";
const subject = "system:serviceaccount:shop:site";
const identity: WorkloadIdentity = {
  namespace: "shop",
  serviceAccount: "site",
  clientId: "11111111-2222-3333-4444-555555555555",
  tenantId: "99999999-8888-7777-6666-555555555555",
};
const trusted = { ...identity, trusts: { issuer, subject } };

const open: EntraEndpoint[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((endpoint) => endpoint.close()));
});

async function start(options: Partial<EntraEndpointOptions> = {}): Promise<EntraEndpoint> {
  const endpoint = await startEntraEndpoint({ applications: [trusted], ...options });
  open.push(endpoint);
  return endpoint;
}

interface Asking {
  readonly clock?: Clock;
  readonly identity?: WorkloadIdentity;
  readonly signal?: AbortSignal;
  readonly accountToken?: EntraOptions["accountToken"];
  readonly ca?: string;
}

const makesTokens: EntraOptions["accountToken"] = ({ namespace, name, audience }) =>
  Promise.resolve({ kind: "token", token: accountTokenFor({ issuer, subject: `system:serviceaccount:${namespace}:${name}`, audience }) });

const ask = (endpoint: EntraEndpoint, { clock = systemClock, accountToken = makesTokens, ...asking }: Asking = {}) =>
  createTokenSource({ clock, authority: endpoint.authority, ca: asking.ca ?? endpoint.ca, accountToken }).issue(
    asking.identity ?? identity,
    asking.signal ?? never,
  );

/** The problem that asking ends with. */
async function problem(endpoint: EntraEndpoint, asking?: Asking): Promise<DatabaseError["problem"]> {
  const error: unknown = await ask(endpoint, asking).then(
    () => new Error("There was a token"),
    (reason: unknown) => reason,
  );
  if (!(error instanceof DatabaseError)) throw error;
  expect(error.outcome).toBe("notApplied");
  for (const secret of endpoint.secrets) expect(`${error.message} ${error.stack ?? ""} ${String(error.cause)}`).not.toContain(secret);
  return error.problem;
}

describe("a ServiceAccount whose application trusts it", () => {
  test("gets a token for the database, with the times of its life", async () => {
    const endpoint = await start({ lifeSeconds: 3_600 });
    const clock = new FakeClock();
    const token = await ask(endpoint, { clock });
    expect(endpoint.given.get(token.token)).toBe(identity.clientId);
    expect(token).toMatchObject({ refreshAtMs: 2_880_000, endsAtMs: 3_600_000 });
  });

  test.each([
    { lifeSeconds: 86_400, refreshSeconds: 43_200, refreshAtMs: 43_200_000 }, // Entra's advice for long lives
    { lifeSeconds: 86_400, refreshAtMs: 69_120_000 }, // 80 %
    { lifeSeconds: 1_200, refreshAtMs: 900_000 }, // five minutes before the end
    { lifeSeconds: 240, refreshAtMs: 120_000 }, // half of a short life
  ])("should have another token in time: %j", async ({ refreshAtMs, ...life }) => {
    const endpoint = await start(life);
    expect(await ask(endpoint, { clock: new FakeClock() })).toMatchObject({ refreshAtMs, endsAtMs: life.lifeSeconds * 1_000 });
  });
});

test.each([
  ["https://login.microsoftonline.com/", "https://database.windows.net/.default"],
  ["https://login.microsoftonline.us/", "https://database.usgovcloudapi.net/.default"],
  ["https://login.partner.microsoftonline.cn/", "https://database.chinacloudapi.cn/.default"],
  ["https://login.chinacloudapi.cn/", "https://database.chinacloudapi.cn/.default"],
  ["https://evilmicrosoftonline.us/", "https://database.windows.net/.default"],
])("the audience of a token is that of the cloud: %s", (authority, scope) => {
  expect(scopeOf(authority)).toBe(scope);
});

describe("a person has to act, and is told how, when", () => {
  const toTrust = new RegExp(`issuer ${issuer}, subject ${subject} and audience api://AzureADTokenExchange. \\(AADSTS\\d+\\)$`);
  test.each([
    ["the application trusts nobody", undefined],
    ["it trusts another cluster", { issuer: "https://other", subject }],
    ["it trusts another ServiceAccount", { issuer, subject: "system:serviceaccount:shop:other" }],
    ["it trusts another audience", { issuer, subject, audience: "api://other" }],
  ])("%s", async (_what, trusts) => {
    const endpoint = await start({ applications: [{ ...identity, ...(trusts !== undefined && { trusts }) }] });
    const told = await problem(endpoint);
    expect(told).toMatchObject({ kind: "configuration", reason: "FederatedCredentialMissing", stalled: true });
    expect(told.message).toMatch(toTrust);
  });

  test.each([
    ["there is no such tenant", { ...identity, tenantId: "nobody.example.com" }, "(AADSTS90002)"],
    ["the tenant has no such application", { ...identity, clientId: "00000000-0000-0000-0000-000000000000" }, "(AADSTS700016)"],
  ])("%s", async (_what, wrong, code) => {
    const told = await problem(await start(), { identity: wrong });
    expect(told).toMatchObject({ kind: "configuration", reason: "EntraIdentityNotFound", stalled: true });
    for (const part of [code, wrong.clientId, wrong.tenantId, "client-id", "tenant-id"]) expect(told.message).toContain(part);
  });

  test("Entra refuses for a reason of its own, which is told in its words without what is new in each answer", async () => {
    const endpoint = await start();
    const refusal = { error: "invalid_grant", code: 53003, text: "Access has been blocked by Conditional Access policies." };
    endpoint.odd.push({ status: 400, body: JSON.stringify(errorBody(refusal)) }, { status: 400, body: JSON.stringify(errorBody(refusal)) });
    const told = await problem(endpoint);
    expect(told).toMatchObject({ kind: "configuration", reason: "EntraRefused", stalled: true });
    expect(told.message).toMatch(/ServiceAccount site: AADSTS53003: Access has been blocked by Conditional Access policies\.$/);
    expect(await problem(endpoint)).toEqual(told);
  });

  test("the clocks do not agree, without the time of day", async () => {
    const endpoint = await start();
    endpoint.odd.push({
      status: 401,
      body: JSON.stringify(errorBody({ error: "invalid_client", code: 700024, text: "Current time: 12:00." })),
    });
    const told = await problem(endpoint);
    expect(told).toMatchObject({ kind: "configuration", reason: "EntraRefused" });
    expect(told.message).not.toContain("12:00");
  });

  test("the endpoint's certificate is not that of anybody whom the operator knows; nothing is sent then", async () => {
    const endpoint = await start();
    expect(await problem(endpoint, { ca: makeAuthority("another").certificate })).toMatchObject({
      kind: "configuration",
      reason: "CertificateInvalid",
      message: expect.stringContaining("NODE_EXTRA_CA_CERTS") as unknown,
    });
    expect(endpoint.asked).toEqual([]);
  });

  test("the endpoint's certificate has another name; nothing is sent then", async () => {
    const authority = makeAuthority("right");
    const endpoint = await start({ certificate: issueCertificate(authority, ["login.example.com"]) });
    expect(await problem(endpoint, { ca: authority.certificate })).toMatchObject({ reason: "CertificateInvalid" });
    expect(endpoint.asked).toEqual([]);
  });

  test.each<[string, AccountToken, string, string]>([
    ["the ServiceAccount is not there", { kind: "absent" }, "ServiceAccountNotFound", "no ServiceAccount site in namespace shop"],
    ["the chart does not allow it", { kind: "forbidden" }, "ServiceAccountForbidden", "add site to serviceAccountTokens in the values"],
  ])("%s", async (_what, refusal, reason, message) => {
    const endpoint = await start();
    const told = await problem(endpoint, { accountToken: () => Promise.resolve(refusal) });
    expect(told).toMatchObject({ kind: "configuration", reason, stalled: true, message: expect.stringContaining(message) as unknown });
    expect(endpoint.asked).toEqual([]);
  });
});

describe("it is tried again when", () => {
  test.each([
    ["Entra is throttling", { status: 429, headers: { "retry-after": "17" }, body: "" }, "asks for patience", 17_000],
    ["Entra asks for more patience than a person has", { status: 429, headers: { "retry-after": "86400" }, body: "" }, "patience", 600_000],
    ["Entra is broken", { status: 503, body: "<html>" }, "HTTP 503", undefined],
    ["Entra says so", { status: 400, body: JSON.stringify({ error: "temporarily_unavailable" }) }, "HTTP 400", undefined],
    ["a proxy answers", { status: 403, body: "<html>blocked</html>" }, "HTTP 403", undefined],
    [
      "somebody leads elsewhere, who is not followed",
      { status: 307, headers: { location: "/elsewhere" }, body: "" },
      "HTTP 307",
      undefined,
    ],
    ["there is no token in the answer", { status: 200, body: JSON.stringify({ expires_in: 3600 }) }, "no token", undefined],
    ["the token has no life", { status: 200, body: JSON.stringify({ access_token: "abc" }) }, "no token", undefined],
    ["the answer is longer than any", { status: 200, body: " ".repeat(70_000) }, "the connection broke", undefined],
    ["the connection is cut", "cut" as const, "ECONNRESET", undefined],
  ])("%s", async (_what, odd, message, retryAfterMs) => {
    const endpoint = await start();
    endpoint.odd.push(odd);
    const told = await problem(endpoint);
    expect(told).toMatchObject({ kind: "unreachable", reason: "EntraUnavailable", stalled: false });
    expect(told.message).toContain(message);
    expect(told.retryAfterMs).toBe(retryAfterMs);
    expect(endpoint.asked).toHaveLength(1);
  });

  test("nobody listens there", async () => {
    const endpoint = await startEntraEndpoint({ applications: [] });
    await endpoint.close();
    expect((await problem(endpoint)).message).toContain("ECONNREFUSED");
  });

  test("there is no answer within the deadline", async () => {
    const endpoint = await start();
    const clock = new FakeClock();
    endpoint.odd.push("silence");
    const told = problem(endpoint, { clock });
    await eventually(() => endpoint.asked.length === 1);
    await clock.advance(answerMs);
    expect(await told).toMatchObject({ kind: "unreachable", reason: "EntraUnavailable" });
    expect(clock.pendingTimers).toBe(0);
  });

  test("the API server gives no sure answer, whose words are told", async () => {
    const endpoint = await start();
    const told = await problem(endpoint, { accountToken: () => Promise.reject(new Error("the API server is away")) });
    expect(told).toMatchObject({ kind: "unreachable", reason: "CredentialsUnreadable", stalled: false });
    expect(told.message).toContain("the API server is away");
    expect(endpoint.asked).toEqual([]);
  });
});

test("who does not wait any more gets its own reason, before and during the exchange", async () => {
  const endpoint = await start();
  for (const silent of ["account", "entra"] as const) {
    const controller = new AbortController();
    endpoint.odd.push("silence");
    const begun: string[] = [];
    const accountToken: EntraOptions["accountToken"] = (account) => {
      begun.push("account");
      if (silent === "entra") return makesTokens(account);
      return new Promise((_, reject) => account.signal.addEventListener("abort", () => reject(account.signal.reason as Error)));
    };
    const asked = endpoint.asked.length;
    const waiting = ask(endpoint, { accountToken, signal: controller.signal });
    await eventually(() => (silent === "account" ? begun.length === 1 : endpoint.asked.length > asked));
    controller.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
  }
});
