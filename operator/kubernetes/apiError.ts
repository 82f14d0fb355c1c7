// What the API server answered when it did not do as asked, parsed from its Status. It never keeps headers or a raw body, because
// both may carry credentials, and it never takes an answer of somebody else (a proxy, a load balancer) for "not found".

export interface StatusDetails {
  readonly name?: string;
  readonly kind?: string;
  readonly group?: string;
  readonly uid?: string;
  /** Reasons of the causes, for example ResourceVersionTooLarge. */
  readonly causes: readonly string[];
}

export class ApiError extends Error {
  /** HTTP status; 0 when there was no answer (reason Unreachable or DeadlineExceeded): the outcome of a write is then unknown. */
  readonly code: number;
  /** Reason of the Status (NotFound, Forbidden, Conflict, Expired, …); `Http<code>` where the answer was no Status. */
  readonly reason: string;
  readonly retryAfterMs: number | undefined;
  readonly details: StatusDetails;

  constructor(message: string, facts: ApiFailure, options?: ErrorOptions) {
    super(message, options);
    this.name = "ApiError";
    this.code = facts.code;
    this.reason = facts.reason;
    this.retryAfterMs = facts.retryAfterMs;
    this.details = facts.details ?? { causes: [] };
  }

  /** A 404 of the API server that names the object which is not there. A wrong path, or a 404 of a proxy, is none. */
  get notFound(): boolean {
    return this.code === 404 && this.reason === "NotFound" && (this.details.name ?? "") !== "" && (this.details.kind ?? "") !== "";
  }
}

export interface ApiFailure {
  readonly code: number;
  readonly reason: string;
  readonly retryAfterMs?: number | undefined;
  readonly details?: StatusDetails;
}

/** `notFound`, and it is this object that is not there. */
export function isNotFound(error: unknown, { resource, name }: { readonly resource: string; readonly name: string }): error is ApiError {
  return error instanceof ApiError && error.notFound && error.details.kind === resource && error.details.name === name;
}

/** From a body that should be a Status. `doing` is what was tried, for example `GET /api/v1/pods`; `nowMs` is wall clock. */
export function apiErrorOf(answer: {
  readonly doing: string;
  readonly code: number;
  readonly body: string;
  readonly retryAfter: string | undefined;
  readonly nowMs: number;
}): ApiError {
  const status = parsedStatus(answer.body);
  const retryAfterMs = retryAfterOf(answer.retryAfter, answer.nowMs) ?? status?.retryAfterMs;
  if (status === undefined) {
    return new ApiError(`Cannot ${answer.doing}: HTTP ${answer.code} without a Status of the API server`, {
      code: answer.code,
      reason: `Http${answer.code}`,
      retryAfterMs,
    });
  }
  return new ApiError(`Cannot ${answer.doing}: ${status.message}`, { ...status, code: answer.code, retryAfterMs });
}

/** An ERROR event of a watch carries a Status as its object. */
export function apiErrorOfEvent(doing: string, object: unknown): ApiError {
  const status = statusOf(object);
  return status === undefined
    ? new ApiError(`Cannot ${doing}: an ERROR event without a Status`, { code: 500, reason: "NoStatus" })
    : new ApiError(`Cannot ${doing}: ${status.message}`, status);
}

interface ParsedStatus extends ApiFailure {
  readonly message: string;
}

function parsedStatus(body: string): ParsedStatus | undefined {
  try {
    return statusOf(JSON.parse(body) as unknown);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined; // A proxy's page: what it says is not for a log.
    throw error;
  }
}

const longestMessage = 1_000;

function statusOf(raw: unknown): ParsedStatus | undefined {
  if (!isRecord(raw) || raw["kind"] !== "Status") return undefined;
  const code = typeof raw["code"] === "number" ? raw["code"] : 500;
  const details = isRecord(raw["details"]) ? raw["details"] : {};
  const seconds = details["retryAfterSeconds"];
  return {
    code,
    reason: textOf(raw["reason"]) ?? `Http${code}`,
    message: (textOf(raw["message"]) ?? `HTTP ${code}`).slice(0, longestMessage),
    retryAfterMs: typeof seconds === "number" && seconds > 0 ? seconds * 1_000 : undefined,
    details: {
      ...optional("name", textOf(details["name"])),
      ...optional("kind", textOf(details["kind"])),
      ...optional("group", textOf(details["group"])),
      ...optional("uid", textOf(details["uid"])),
      causes: Array.isArray(details["causes"])
        ? details["causes"].flatMap((cause: unknown) => (isRecord(cause) ? (textOf(cause["reason"]) ?? []) : []))
        : [],
    },
  };
}

/** Seconds or an HTTP date (RFC 9110, 10.2.3). */
export function retryAfterOf(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1_000;
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function optional<K extends string>(key: K, value: string | undefined): Partial<Record<K, string>> {
  return (value === undefined ? {} : { [key]: value }) as Partial<Record<K, string>>;
}
