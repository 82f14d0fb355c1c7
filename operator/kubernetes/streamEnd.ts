// Why a stream or a list ended, as a word for the metric and the next step, and which of two versions is the older. Pure.
import { ApiError } from "./apiError.ts";
import { versionOf } from "./watchEvent.ts";

/** `closed` is the only one that is no failure. */
export type StreamEnd = "closed" | "cut" | "silent" | "expired" | "throttled" | "refused" | "unreachable" | "garbage";

export function endOf(error: unknown): StreamEnd {
  if (!(error instanceof ApiError)) return "cut";
  if (error.code === 410 || error.reason === "Expired" || error.reason === "Gone" || isVersionTooLarge(error)) return "expired";
  if (error.code === 429) return "throttled";
  if (error.reason === "Garbage") return "garbage";
  return error.code === 0 ? "unreachable" : "refused";
}

function isVersionTooLarge(error: ApiError): boolean {
  return (
    error.code === 504 && (error.details.causes.includes("ResourceVersionTooLarge") || /too large resource version/i.test(error.message))
  );
}

/** Versions of one resource can be compared as integers (promised from 1.35 on); what is no integer is never older. */
export function isOlder(version: string, than: string): boolean {
  const [a, b] = [versionOf(version), versionOf(than)];
  return a !== undefined && b !== undefined && (a.length === b.length ? a < b : a.length < b.length);
}
