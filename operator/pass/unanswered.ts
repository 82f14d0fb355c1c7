// What a farm is told when the API server gives no sure answer: it is tried again, and an error is never taken for "not found".

import type { DatabaseProblem } from "../farm/model.ts";

/** `what` is a sentence without its full stop; what the API server said follows it. */
export const unanswered = (reason: string, what: string, error: unknown): DatabaseProblem => ({
  kind: "unreachable",
  reason,
  message: `${what}: ${error instanceof Error ? error.message : String(error)}`,
  stalled: false,
});
