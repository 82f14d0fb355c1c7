// What a watch sends line by line, and a list page by page, taken apart. It never quotes what it could not read: a pod's environment
// may hold secrets.
import { ApiError } from "./apiError.ts";

export type WatchEvent =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly version: string; readonly object: unknown }
  | { readonly type: "BOOKMARK"; readonly version: string; readonly endsInitial: boolean }
  | { readonly type: "ERROR"; readonly object: unknown };

export interface Page {
  readonly items: readonly unknown[];
  readonly version: string;
  /** Token of the next page. */
  readonly next: string | undefined;
}

interface RawEvent {
  readonly type?: unknown;
  readonly object?: { readonly metadata?: RawMetadata };
}

interface RawMetadata {
  readonly resourceVersion?: unknown;
  readonly continue?: unknown;
  readonly annotations?: Readonly<Record<string, unknown>>;
}

/** Throws ApiError (reason Garbage) for what is no event. */
export function parseEvent(line: string): WatchEvent {
  const raw = parseJson(line);
  const metadata = raw.object?.metadata;
  switch (raw.type) {
    case "ERROR":
      return { type: "ERROR", object: raw.object };
    case "BOOKMARK":
      return {
        type: "BOOKMARK",
        version: requiredVersion(metadata),
        endsInitial: metadata?.annotations?.["k8s.io/initial-events-end"] === "true",
      };
    case "ADDED":
    case "MODIFIED":
    case "DELETED":
      return { type: raw.type, version: requiredVersion(metadata), object: raw.object };
    default:
      throw garbage("a line of a watch is no event");
  }
}

/** Throws ApiError (reason Garbage) for what is no list. */
export function parsePage(body: unknown): Page {
  const { items, metadata } = (body ?? {}) as { items?: unknown; metadata?: RawMetadata };
  // An empty list of some servers has `items: null`; a body without the field is no list.
  if (items === undefined || (items !== null && !Array.isArray(items))) throw garbage("the answer to a list is no list");
  const next = metadata?.continue;
  return {
    items: items ?? [],
    version: requiredVersion(metadata),
    next: typeof next === "string" && next !== "" ? next : undefined,
  };
}

/** Digits without leading zeros, if it is a number. */
export function versionOf(text: string): string | undefined {
  return /^\d+$/.test(text) ? text.replace(/^0+(?=\d)/, "") : undefined;
}

function parseJson(line: string): RawEvent {
  let raw: unknown;
  try {
    raw = JSON.parse(line);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw garbage("a line of a watch is not JSON");
  }
  if (typeof raw !== "object" || raw === null) throw garbage("a line of a watch is no event");
  return raw;
}

function requiredVersion(metadata: RawMetadata | undefined): string {
  const version = metadata?.resourceVersion;
  if (typeof version !== "string" || version === "") throw garbage("an object without a resourceVersion");
  return version;
}

function garbage(what: string): ApiError {
  return new ApiError(`Cannot read ${what}`, { code: 0, reason: "Garbage" });
}
