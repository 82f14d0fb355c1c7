// Microsoft Entra's token endpoint for tests: over real TLS with an authority of its own, as strict as Entra about what it is asked, with Entra's
// answers. Each token that it gives is another one. It knows nothing of databases.
import { createPublicKey, randomBytes, randomUUID, verify } from "node:crypto";
import { createServer, type Server } from "node:https";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { type Certificate, issueCertificate, makeAuthority } from "../database/certificates.ts";

/** An application that trusts the tokens of one ServiceAccount. */
export interface Application {
  readonly tenantId: string;
  readonly clientId: string;
  /** The federated credential; absent: it has none. */
  readonly trusts?: { readonly issuer: string; readonly subject: string; readonly audience?: string };
}

export interface EntraEndpointOptions {
  readonly applications: readonly Application[];
  /** Of the issuer of the ServiceAccounts' tokens, PEM: their signatures are verified. */
  readonly issuerKey?: string;
  /** Of tokens; default 3,600. */
  readonly lifeSeconds?: number;
  readonly refreshSeconds?: number;
  readonly certificate?: Certificate;
}

/** What a test has it answer in place of what is right: status, headers and body, or nothing at all, for ever. */
export type Odd =
  { readonly status: number; readonly body: string; readonly headers?: Readonly<Record<string, string>> } | "silence" | "cut";

export interface EntraEndpoint {
  /** https://127.0.0.1:port/ */
  readonly authority: string;
  /** PEM; absent if the certificate was given. */
  readonly ca: string;
  /** Client IDs that asked, in order, whatever came of it. */
  readonly asked: readonly string[];
  /** Tokens that were given, with the client ID of each. */
  readonly given: ReadonlyMap<string, string>;
  /** What the next requests are answered, in order. */
  readonly odd: Odd[];
  /** Everything secret that it has seen or made. */
  readonly secrets: ReadonlySet<string>;
  close(): Promise<void>;
}

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const grant = { grant_type: "client_credentials", scope: "https://database.windows.net/.default", client_assertion_type: assertionType };

export async function startEntraEndpoint(options: EntraEndpointOptions): Promise<EntraEndpoint> {
  const authority = makeAuthority("Entra under test");
  const certificate = options.certificate ?? issueCertificate(authority, ["127.0.0.1", "localhost"]);
  const asked: string[] = [];
  const odd: Odd[] = [];
  const given = new Map<string, string>();
  const secrets = new Set<string>();
  const sockets = new Set<TLSSocket>();

  function answer(request: IncomingMessage, form: URLSearchParams): { readonly status: number; readonly body: object } {
    asked.push(form.get("client_id") ?? "");
    secrets.add(form.get("client_assertion") ?? "");
    const wrong = problemOf(options, request, form);
    if (wrong !== undefined) return { status: wrong.status ?? 400, body: errorBody(wrong) };
    // As long as Entra's, so that a login spans several packets.
    const token = `eyJ0eXAiOiJKV1QifQ.${randomBytes(1_200).toString("base64url")}.${randomBytes(32).toString("base64url")}`;
    given.set(token, form.get("client_id") ?? "");
    secrets.add(token);
    const { lifeSeconds = 3_600, refreshSeconds } = options;
    const refresh = refreshSeconds === undefined ? {} : { refresh_in: refreshSeconds };
    return {
      status: 200,
      body: { token_type: "Bearer", expires_in: lifeSeconds, ext_expires_in: lifeSeconds, ...refresh, access_token: token },
    };
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = "";
    for await (const chunk of request) text += String(chunk);
    const { status, body } = answer(request, new URLSearchParams(text));
    const next = odd.shift();
    if (next === "silence") return;
    if (next === "cut") response.destroy();
    else if (next !== undefined) response.writeHead(next.status, next.headers ?? {}).end(next.body);
    else response.writeHead(status, { "content-type": "application/json; charset=utf-8" }).end(JSON.stringify(body));
  }

  const server: Server = createServer({ cert: certificate.certificate, key: certificate.key }, (request, response) => {
    serve(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  server.on("secureConnection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  server.on("tlsClientError", () => undefined); // the client did not like the certificate
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  return {
    authority: `https://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    ca: authority.certificate,
    ...{ asked, given, odd, secrets },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

interface Wrong {
  readonly error: string;
  readonly code: number;
  readonly text: string;
  readonly status?: number;
}

/** In the order in which Entra looks. */
function problemOf(options: EntraEndpointOptions, request: IncomingMessage, form: URLSearchParams): Wrong | undefined {
  const tenantId = /^\/([^/]+)\/oauth2\/v2\.0\/token$/.exec(request.url ?? "")?.[1];
  if (request.method !== "POST" || request.headers["content-type"] !== "application/x-www-form-urlencoded")
    return { error: "invalid_request", code: 900144, text: "The request body must be a form." };
  const inTenant = options.applications.filter((application) => application.tenantId === tenantId);
  if (inTenant.length === 0)
    return {
      error: "invalid_request",
      code: 90002,
      text: `Tenant '${tenantId ?? ""}' not found. Check to make sure you have the correct tenant ID.`,
    };
  const odd = Object.entries(grant).find(([name, value]) => form.get(name) !== value);
  if (odd !== undefined) return { error: "invalid_request", code: 900144, text: `The parameter '${odd[0]}' is wrong.` };
  const clientId = form.get("client_id") ?? "";
  const application = inTenant.find((one) => one.clientId === clientId);
  if (application === undefined)
    return {
      error: "unauthorized_client",
      code: 700016,
      text: `Application with identifier '${clientId}' was not found in the directory.`,
    };
  return assertionProblem(options, application, form.get("client_assertion") ?? "");
}

function assertionProblem({ issuerKey }: EntraEndpointOptions, { trusts }: Application, assertion: string): Wrong | undefined {
  const [header = "", payload = "", signature = ""] = assertion.split(".");
  const refuse = (code: number, text: string): Wrong => ({ error: "invalid_client", status: 401, code, text });
  if (trusts === undefined) return refuse(70021, "No matching federated identity record found for presented assertion.");
  const claims = JSON.parse(Buffer.from(payload, "base64url").toString("utf8")) as Readonly<Record<string, unknown>>;
  const audience = trusts.audience ?? "api://AzureADTokenExchange";
  const nowSeconds = Date.now() / 1_000;
  if (claims["iss"] !== trusts.issuer)
    return refuse(700211, `No matching federated identity record found for presented assertion issuer '${String(claims["iss"])}'.`);
  if (claims["sub"] !== trusts.subject)
    return refuse(700213, `No matching federated identity record found for presented assertion subject '${String(claims["sub"])}'.`);
  if (![claims["aud"]].flat().includes(audience))
    return refuse(700212, `No matching federated identity record found for presented assertion audience '${String(claims["aud"])}'.`);
  if (Number(claims["exp"]) < nowSeconds)
    return refuse(700024, `Client assertion is not within its valid time range. Current time: ${new Date().toISOString()}.`);
  if (
    issuerKey !== undefined &&
    !verify("sha256", Buffer.from(`${header}.${payload}`), createPublicKey(issuerKey), Buffer.from(signature, "base64url"))
  )
    return refuse(700027, "The certificate with identifier used to sign the client assertion is not registered on application.");
  return undefined;
}

/** With what is new in each of Entra's answers. */
export function errorBody({ error, code, text }: Wrong): object {
  const [trace, correlation, time] = [randomUUID(), randomUUID(), new Date().toISOString()];
  return {
    error,
    error_description: `AADSTS${code}: ${text} Trace ID: ${trace} Correlation ID: ${correlation} Timestamp: ${time}`,
    error_codes: [code],
    timestamp: time,
    trace_id: trace,
    correlation_id: correlation,
    error_uri: `https://login.microsoftonline.com/error?code=${code}`,
  };
}

/** A ServiceAccount's token as the API server makes it, but for the signature. */
export function accountTokenFor(claims: { readonly issuer: string; readonly subject: string; readonly audience: string }): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const exp = Math.floor(Date.now() / 1_000) + 600;
  const payload = { iss: claims.issuer, sub: claims.subject, aud: [claims.audience], exp, jti: randomUUID() };
  return `${part({ alg: "RS256", typ: "JWT" })}.${part(payload)}.${randomBytes(32).toString("base64url")}`;
}
