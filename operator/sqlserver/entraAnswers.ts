// What Microsoft Entra's token endpoint answers, as a token with its life or as a problem that a person can act on. Pure: it asks nothing, and
// nothing of a token is in what it says.
import type { DatabaseProblem, WorkloadIdentity } from "../farm/model.ts";

export const assertionAudience = "api://AzureADTokenExchange";

export interface TokenAnswer {
  readonly token: string;
  readonly lifeSeconds: number;
  /** When Entra advises to ask for another; absent for short lives. */
  readonly refreshSeconds?: number;
}

/** Who asked, and with what. */
export interface Asking {
  readonly identity: WorkloadIdentity;
  /** `iss` of the ServiceAccount's token. */
  readonly issuer: string;
  readonly authority: string;
}

export interface Answer {
  readonly status: number;
  readonly retryAfterMs?: number;
  readonly body: string;
}

export function tokenOf(answer: Answer, asking: Asking): TokenAnswer | { readonly problem: DatabaseProblem } {
  const fields = parsed(answer.body);
  if (answer.status !== 200) return { problem: problemOf(answer, fields, asking) };
  const token = fields["access_token"];
  const lifeSeconds = Number(fields["expires_in"]);
  const refreshSeconds = Number(fields["refresh_in"]);
  if (typeof token !== "string" || token === "" || !(lifeSeconds > 0))
    return { problem: unavailable(asking, "its answer has no token", answer.retryAfterMs) };
  return { token, lifeSeconds, ...(refreshSeconds > 0 && { refreshSeconds }) };
}

/** Who asks for more patience is asked again all the same: a person may have cured it. */
const longestWaitMs = 10 * 60_000;

/** The way to Entra, or Entra itself, does not work: tried again. `what` ends the sentence. */
export function unavailable({ authority }: Asking, what: string, retryAfterMs?: number): DatabaseProblem {
  return {
    kind: "unreachable",
    reason: "EntraUnavailable",
    message: `Microsoft Entra (${authority}) gave no token: ${what}.`,
    stalled: false,
    ...(retryAfterMs !== undefined && { retryAfterMs: Math.min(retryAfterMs, longestWaitMs) }),
  };
}

// Code numbers change over time, as their page says, so what is not here is told in Entra's own words.
// https://learn.microsoft.com/entra/identity-platform/reference-error-codes
const codes: readonly { readonly codes: readonly number[]; readonly reason: string; readonly say: (asking: Asking) => string }[] = [
  {
    codes: [70021, 700211, 700212, 700213],
    reason: "FederatedCredentialMissing",
    say: ({ identity, issuer }) =>
      `The application or managed identity ${identity.clientId} has no federated credential for this ServiceAccount: add one with issuer ${issuer}, ` +
      `subject system:serviceaccount:${identity.namespace}:${identity.serviceAccount} and audience ${assertionAudience}.`,
  },
  {
    codes: [700016, 90002, 900021, 900023],
    reason: "EntraIdentityNotFound",
    say: ({ identity, authority }) =>
      `Microsoft Entra (${authority}) knows no application ${identity.clientId} in tenant ${identity.tenantId}: correct the annotations ` +
      `azure.workload.identity/client-id and azure.workload.identity/tenant-id of ServiceAccount ${identity.serviceAccount}.`,
  },
  {
    // Its own words have the time of day in them.
    codes: [700024],
    reason: "EntraRefused",
    say: () => "Microsoft Entra finds the ServiceAccount's token not valid at this time: check the clock of the API server.",
  },
];

const transientErrors = new Set(["temporarily_unavailable", "server_error"]);

function problemOf({ status, retryAfterMs }: Answer, fields: Readonly<Record<string, unknown>>, asking: Asking): DatabaseProblem {
  const error = typeof fields["error"] === "string" ? fields["error"] : undefined;
  if (status === 429 || status === 408) return unavailable(asking, "it asks for patience", retryAfterMs);
  if (status >= 500 || error === undefined || transientErrors.has(error)) return unavailable(asking, `HTTP ${status}`, retryAfterMs);
  const numbers = Array.isArray(fields["error_codes"]) ? (fields["error_codes"] as unknown[]) : [];
  const rule = codes.find((one) => one.codes.some((code) => numbers.includes(code)));
  if (rule !== undefined) {
    const number = rule.codes.find((code) => numbers.includes(code));
    return refused(rule.reason, `${rule.say(asking)} (AADSTS${number ?? ""})`);
  }
  return refused(
    "EntraRefused",
    `Microsoft Entra refused the identity of ServiceAccount ${asking.identity.serviceAccount}: ${sentence(fields)}`,
  );
}

const refused = (reason: string, message: string): DatabaseProblem => ({ kind: "configuration", reason, message, stalled: true });

/** Without what is new in every answer (trace, time), and without what looks like a token. */
function sentence(fields: Readonly<Record<string, unknown>>): string {
  const text = typeof fields["error_description"] === "string" ? fields["error_description"] : String(fields["error"]);
  const [first = ""] = text.split(/\s*(?:Trace ID|Correlation ID|Timestamp):/i);
  const words = first
    .replace(/[\s\p{Cc}]+/gu, " ")
    .replace(/\beyJ[\w-]+\.[\w-]+\.[\w-]*/g, "***")
    .trim();
  return words.length > 300 ? `${words.slice(0, 299)}…` : words;
}

function parsed(body: string): Readonly<Record<string, unknown>> {
  try {
    const value = JSON.parse(body) as unknown;
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {}; // the page of a proxy
    throw error;
  }
}

/** Of a JSON web token, which is not verified here: for a person who configures whom to trust. */
export function issuerOf(token: string): string {
  const [, payload = ""] = token.split(".");
  const issuer = parsed(Buffer.from(payload, "base64url").toString("utf8"))["iss"];
  return typeof issuer === "string" ? issuer.slice(0, 300) : "(that of the cluster)";
}
