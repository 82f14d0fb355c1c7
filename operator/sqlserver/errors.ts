// Sorts what driver and server say into problems that a condition can show and a pass can act on. It never repeats a login's name, a
// password or the server's text of a refused login.
import type { DatabaseProblem } from "../farm/model.ts";
import { certificateCures, type ErrorRule, ruleByNumber } from "./errorRules.ts";

/** The only error that leaves this folder. `outcome`: whether what was sent may have been done. */
export class DatabaseError extends Error {
  override readonly name = "DatabaseError";
  readonly problem: DatabaseProblem;
  readonly outcome: "notApplied" | "unknown";

  constructor(problem: DatabaseProblem, outcome: "notApplied" | "unknown", cause?: unknown) {
    super(problem.message, { cause });
    this.problem = problem;
    this.outcome = outcome;
  }
}

/** What was being done: `connect`, or a request with the operator's statement of that name. */
export interface Doing {
  readonly statement: string; // "connect" or a statement's name
  readonly endpoint: string;
  readonly database: string;
  readonly login: { readonly user: string; readonly password: string };
  /** Numbers of the server's messages while a login was refused: the driver's error has lost them. */
  readonly loginNumbers?: readonly number[];
}

/** The connection may be used no more after these. */
const breaking: ReadonlySet<string> = new Set(["ReadOnly", "ReplicaMoving", "SessionBroken", "ServerUnavailable"]);

export const isPoolBroken = (problem: DatabaseProblem): boolean => problem.kind === "unreachable" || breaking.has(problem.reason);

/** After these the tables are not what they were taken for. */
export const isShapeDoubtful = (problem: DatabaseProblem): boolean => [207, 208, 213, 468, 515].includes(problem.number ?? 0);

export function classify(error: unknown, doing: Doing): DatabaseError {
  if (error instanceof DatabaseError) return error;
  const number = numbersOf(error, doing).find((candidate) => ruleByNumber.has(candidate));
  const rule = number === undefined ? undefined : ruleByNumber.get(number);
  const problem =
    (doing.statement === "connect" ? tlsProblem(error, doing) : undefined) ??
    (rule === undefined ? withoutRule(error, doing) : withRule(rule, number, error, doing));
  return new DatabaseError(problem, outcomeOf(problem, error, doing), withoutSecrets(error, doing));
}

interface DriverError {
  readonly code?: unknown;
  readonly number?: unknown;
  readonly message: string;
  readonly precedingErrors?: unknown;
  readonly originalError?: unknown;
  readonly cause?: unknown;
  readonly errors?: unknown;
}

// By form, not by class: mssql wraps tedious, tedious wraps node's socket errors, several addresses make an AggregateError.
function isErrorLike(value: unknown): value is DriverError {
  return typeof value === "object" && value !== null && typeof (value as Partial<DriverError>).message === "string";
}

/** The error and what it came from, outermost first; bounded, since causes can be circular. */
function chain(error: unknown): readonly DriverError[] {
  const found: DriverError[] = [];
  const pending: unknown[] = [error];
  while (pending.length > 0 && found.length < 16) {
    const next = pending.shift();
    if (!isErrorLike(next) || found.includes(next)) continue;
    found.push(next);
    pending.push(next.originalError, next.cause, ...(Array.isArray(next.errors) ? (next.errors as unknown[]) : []));
  }
  return found;
}

function numbersOf(error: unknown, doing: Doing): readonly number[] {
  const preceding = (error as DriverError | undefined)?.precedingErrors;
  // The first message says what went wrong, later ones what became of the statement (3621, 4060 followed by 18456).
  const all = [...(Array.isArray(preceding) ? (preceding as unknown[]) : []), error].flatMap((one) =>
    chain(one).map(({ number }) => number),
  );
  return [...(doing.loginNumbers ?? []), ...all].filter((number) => typeof number === "number");
}

function withRule(rule: ErrorRule, number: number | undefined, error: unknown, doing: Doing): DatabaseProblem {
  const quoted = rule.quote === true ? ` ${serverSentence(error, doing)}` : "";
  return {
    kind: rule.kind,
    reason: rule.reason,
    message: `${rule.say}${quoted} (${doing.endpoint}, database ${doing.database}${number === undefined ? "" : `, error ${number}`})`,
    stalled: rule.stalled ?? false,
    ...(number !== undefined && { number }),
    ...(rule.retryAfterMs !== undefined && { retryAfterMs: rule.retryAfterMs }),
  };
}

function tlsProblem(error: unknown, doing: Doing): DatabaseProblem | undefined {
  const errors = chain(error);
  const codes = errors.map(({ code }) => code);
  const configuration = (reason: string, message: string): DatabaseProblem => ({ kind: "configuration", reason, message, stalled: true });
  const certificate = certificateCures.find((cure) => cure.codes.some((code) => codes.includes(code)));
  if (certificate !== undefined)
    return configuration(
      "CertificateInvalid",
      `The certificate of ${doing.endpoint} is not accepted: ${certificate.why}. ${certificate.cure}`,
    );
  if (codes.includes("EENCRYPT")) {
    const isRequired = errors.some(({ message }) => message.includes("requires encryption"));
    const cure = isRequired
      ? "requires encryption: set spec.database.tls.mode: Required."
      : "does not encrypt: set spec.database.tls.mode: Disabled.";
    return configuration("EncryptionMismatch", `The server ${doing.endpoint} ${cure}`);
  }
  if (codes.some((code) => typeof code === "string" && (code.startsWith("ERR_SSL_") || code.startsWith("ERR_OSSL_"))))
    return configuration(
      "TlsFailed",
      `TLS with ${doing.endpoint} failed: ${clean(errors.at(-1)?.message ?? "", doing)}. Check spec.database.tls.`,
    );
  return undefined;
}

function withoutRule(error: unknown, doing: Doing): DatabaseProblem {
  const errors = chain(error);
  const codes = errors.map(({ code }) => code);
  const where = `${doing.endpoint}, database ${doing.database}`;
  const unreachable = (reason: string, message: string): DatabaseProblem => ({ kind: "unreachable", reason, message, stalled: false });
  if (codes.includes("ENOTFOUND")) return unreachable("HostNotFound", `No host has the name of the database server (${where}): check it.`);
  if (codes.includes("EINSTLOOKUP"))
    return unreachable(
      "InstanceNotFound",
      `The SQL Server Browser (UDP 1434) did not name the port of the instance (${where}): use a port.`,
    );
  if (codes.includes("ECONNREFUSED"))
    return unreachable("ConnectionRefused", `Nothing listens there (${where}): check host, port and network policies.`);
  if (codes.includes("ETIMEOUT") || codes.includes("EDEADLINE") || isPoolTimeout(error))
    return unreachable("Timeout", `The database did not answer in time (${where}).`);
  if (codes.includes("ECANCEL") || codes.includes("ABORT_ERR"))
    return unreachable("Aborted", `The request was ended by the operator (${where}).`);
  const loginNumber = doing.loginNumbers?.[0];
  if (codes.includes("ELOGIN") && loginNumber !== undefined)
    return {
      ...unreachable(
        "ServerUnavailable",
        `The server refused the login, for another reason than user and password: its error log says why; it is asked again (${where}, error ${loginNumber}).`,
      ),
      number: loginNumber,
    };
  if (codes.includes("ELOGIN"))
    return {
      kind: "login",
      reason: "LoginFailed",
      message: `The server refused the login (${where}): check user and password in the Secret.`,
      stalled: true,
    };
  const number = errors.map((one) => one.number).find((candidate) => typeof candidate === "number");
  if (number !== undefined)
    return {
      kind: "refused",
      reason: "StatementRefused",
      message: `The server refused the request: ${serverSentence(error, doing)} (${where}, error ${number})`,
      stalled: false,
      number,
    };
  return unreachable(
    "ConnectionLost",
    `The connection to the database is lost or was not made: ${serverSentence(error, doing)} (${where})`,
  );
}

function isPoolTimeout(error: unknown): boolean {
  return isErrorLike(error) && error.message.startsWith("Failed to acquire a connection");
}

// The server answered with an error, and XACT_ABORT ended what was begun: nothing was done. Silence proves nothing.
function outcomeOf(problem: DatabaseProblem, error: unknown, doing: Doing): "notApplied" | "unknown" {
  if (doing.statement === "connect" || isPoolTimeout(error)) return "notApplied";
  const codes = chain(error).map(({ code }) => code);
  if (codes.includes("ENOTOPEN") || codes.includes("ECONNREFUSED") || codes.includes("ENOTFOUND")) return "notApplied";
  return problem.number === undefined ? "unknown" : "notApplied";
}

function serverSentence(error: unknown, doing: Doing): string {
  const preceding = (error as DriverError | undefined)?.precedingErrors;
  const first: unknown = Array.isArray(preceding) && preceding.length > 0 ? preceding[0] : error;
  return clean(isErrorLike(first) ? first.message : String(first), doing);
}

/** One line of at most 300 characters, without password and login name. */
function clean(text: string, { login }: Doing): string {
  const words = text.replace(/[\s\p{Cc}]+/gu, " ").trim();
  const withoutPassword = login.password.length < 3 ? words : words.replaceAll(login.password, "***");
  // As a whole word only: a login called "sa" must not spoil every "necessary".
  const user = login.user.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const result =
    user === "" ? withoutPassword : withoutPassword.replace(new RegExp(`(?<![\\p{L}\\p{N}])${user}(?![\\p{L}\\p{N}])`, "giu"), "***");
  return result.length > 300 ? `${result.slice(0, 299)}…` : result;
}

function withoutSecrets(error: unknown, doing: Doing): Error {
  const text = isErrorLike(error) ? error.message : String(error);
  return new Error(clean(doing.statement === "connect" && (doing.loginNumbers?.length ?? 0) > 0 ? "Login failed" : text, doing));
}
