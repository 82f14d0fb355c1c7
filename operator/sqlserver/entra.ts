// Makes database tokens for ServiceAccounts: a token of the ServiceAccount from the API server, exchanged at Microsoft Entra by one POST over
// verified TLS, within a deadline. It keeps nothing, repeats nothing and follows no redirect; no error that it throws carries a token. The
// operator's own identity has no part in it.
// https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow#third-case-access-token-request-with-a-federated-credential
import { request } from "node:https";

import type { Clock } from "../controller/clock.ts";
import type { DatabaseProblem, WorkloadIdentity } from "../farm/model.ts";
import { accountForbidden, type AccountName, accountNotFound } from "../farm/workloadIdentity.ts";
import { type Answer, assertionAudience, issuerOf, tokenOf, unavailable } from "./entraAnswers.ts";
import { certificateCures } from "./errorRules.ts";
import { DatabaseError } from "./errors.ts";

export interface DatabaseToken {
  readonly token: string;
  /** Monotonic: from then on another one should be had, and from then on it is of no use. */
  readonly refreshAtMs: number;
  readonly endsAtMs: number;
}

export interface TokenSource {
  /** A new token. Throws DatabaseError, or the signal's reason. */
  issue(identity: WorkloadIdentity, signal: AbortSignal): Promise<DatabaseToken>;
}

export type AccountToken =
  { readonly kind: "token"; readonly token: string } | { readonly kind: "absent" } | { readonly kind: "forbidden" };

export interface EntraOptions {
  readonly clock: Clock;
  /** https://login.microsoftonline.com/ or another cloud's, with its slash. */
  readonly authority: string;
  /** PEM of authorities to trust in place of Node's. */
  readonly ca?: string;
  /** A token of the ServiceAccount for this audience. Rejects when the API server gives no sure answer. */
  readonly accountToken: (account: AccountName & { readonly audience: string; readonly signal: AbortSignal }) => Promise<AccountToken>;
}

/** For each of the two answers. */
export const answerMs = 10_000;
const longestAnswer = 65_536;
const minuteMs = 60_000;

/** The audience of database tokens is the cloud's, as the authority is. */
const scopes: readonly (readonly [host: RegExp, resource: string])[] = [
  [/(^|\.)microsoftonline\.us$/, "https://database.usgovcloudapi.net"],
  [/(^|\.)(partner\.microsoftonline|chinacloudapi)\.cn$/, "https://database.chinacloudapi.cn"],
];

export function scopeOf(authority: string): string {
  const { hostname } = new URL(authority);
  const [, resource] = scopes.find(([host]) => host.test(hostname)) ?? [undefined, "https://database.windows.net"];
  return `${resource}/.default`;
}

export function createTokenSource(options: EntraOptions): TokenSource {
  return {
    issue: async (identity, signal) => {
      const assertion = await accountTokenOf(options, identity, signal);
      return await exchange(options, { identity, assertion }, signal);
    },
  };
}

const failed = (problem: DatabaseProblem, cause?: unknown): DatabaseError => new DatabaseError(problem, "notApplied", cause);

async function accountTokenOf({ accountToken }: EntraOptions, identity: WorkloadIdentity, signal: AbortSignal): Promise<string> {
  const account = { namespace: identity.namespace, name: identity.serviceAccount };
  const read = await accountToken({ ...account, audience: assertionAudience, signal }).catch((error: unknown) => {
    signal.throwIfAborted();
    const said = error instanceof Error ? error.message : String(error);
    const message = `No token of ServiceAccount ${account.name} can be had from the API server: ${said}`;
    throw failed({ kind: "unreachable", reason: "CredentialsUnreadable", message, stalled: false }, error);
  });
  switch (read.kind) {
    case "token":
      return read.token;
    case "absent":
      throw failed(accountNotFound(account));
    case "forbidden":
      throw failed(accountForbidden(account));
  }
}

interface Exchange {
  readonly identity: WorkloadIdentity;
  readonly assertion: string;
}

async function exchange(options: EntraOptions, { identity, assertion }: Exchange, signal: AbortSignal): Promise<DatabaseToken> {
  const { authority, clock } = options;
  const asking = { identity, authority, issuer: issuerOf(assertion) };
  const form = new URLSearchParams({
    grant_type: "client_credentials",
    client_id: identity.clientId,
    scope: scopeOf(authority),
    client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    client_assertion: assertion,
  });
  const startMs = clock.monotonic(); // its life counts from before it was made
  const expired = new AbortController();
  const timer = clock.after(answerMs, () => expired.abort(new Error("no answer in time")));
  try {
    const url = new URL(`${identity.tenantId}/oauth2/v2.0/token`, authority);
    const answer = await post(options, { url, body: form.toString(), signal: AbortSignal.any([signal, expired.signal]) });
    const read = tokenOf(answer, asking);
    if ("problem" in read) throw failed(read.problem);
    return { token: read.token, ...timesOf(startMs, read) };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof DatabaseError) throw error;
    if (expired.signal.aborted) throw failed(unavailable(asking, `no answer within ${answerMs / 1000} s`), error);
    throw failed(wayProblem(error, asking), error);
  } finally {
    timer.cancel();
  }
}

/** Another one is due when Entra says so, after 80 % of the life, or five minutes before its end, whichever is first. */
function timesOf(
  startMs: number,
  { lifeSeconds, refreshSeconds = Infinity }: { readonly lifeSeconds: number; readonly refreshSeconds?: number },
): Pick<DatabaseToken, "refreshAtMs" | "endsAtMs"> {
  const lifeMs = lifeSeconds * 1_000;
  const refreshMs = Math.min(refreshSeconds * 1_000, lifeMs * 0.8, Math.max(lifeMs - 5 * minuteMs, lifeMs / 2));
  return { refreshAtMs: startMs + refreshMs, endsAtMs: startMs + lifeMs };
}

function wayProblem(error: unknown, asking: Parameters<typeof unavailable>[0]): DatabaseProblem {
  const code = (error as { readonly code?: unknown }).code;
  const certificate = certificateCures.find(({ codes }) => codes.some((one) => one === code));
  if (certificate === undefined) return unavailable(asking, typeof code === "string" ? code : "the connection broke");
  const message = `The certificate of ${asking.authority} is not accepted: ${certificate.why}. Give the operator its authority (NODE_EXTRA_CA_CERTS).`;
  return { kind: "configuration", reason: "CertificateInvalid", message, stalled: true };
}

interface Post {
  readonly url: URL;
  readonly body: string;
  readonly signal: AbortSignal;
}

function post({ clock, ca }: EntraOptions, { url, body, signal }: Post): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = {
      "content-type": "application/x-www-form-urlencoded",
      accept: "application/json",
      "content-length": Buffer.byteLength(body),
    };
    // A connection of its own: the next one is hours away. Verified whatever NODE_TLS_REJECT_UNAUTHORIZED says.
    const sent = request(url, { method: "POST", headers, signal, agent: false, rejectUnauthorized: true, ...(ca !== undefined && { ca }) });
    sent.once("error", reject);
    sent.once("response", (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.once("error", reject);
      response.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > longestAnswer) response.destroy(new Error(`the answer is longer than ${longestAnswer} bytes`));
        else chunks.push(chunk);
      });
      response.once("end", () => {
        const retryAfterMs = waitOf(response.headers["retry-after"], clock.now());
        resolve({
          status: response.statusCode ?? 0,
          body: Buffer.concat(chunks).toString("utf8"),
          ...(retryAfterMs !== undefined && { retryAfterMs }),
        });
      });
    });
    sent.end(body);
  });
}

/** Seconds or an HTTP date (RFC 9110, 10.2.3). */
function waitOf(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1_000;
  const atMs = Date.parse(header);
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
}
