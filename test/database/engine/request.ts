// One request from its text to its answer: compiled or known already, run, and what its end undoes. An error that nothing caught
// becomes part of the answer here.
import type { ResponsePart, SqlRequest } from "../session.ts";
import { bindBatch, readBatch } from "./batch.ts";
import type { Batch } from "./batch.ts";
import { asMessage, SqlError, sqlErrors } from "./errors.ts";
import { BatchEnd, runStatements } from "./interpreter.ts";
import type { Others } from "./runDefinition.ts";
import type { SessionState } from "./sessionState.ts";
import { convert } from "./types.ts";

/** Texts compiled before, for one engine. */
export type BatchCache = Map<string, Batch>;
const cacheLimit = 500;

export async function runRequest(
  state: SessionState,
  request: SqlRequest,
  context: { readonly cache: BatchCache; readonly others: Others; readonly signal: AbortSignal },
): Promise<readonly ResponsePart[]> {
  state.parts = [];
  if (state.killed) return answer(state, sqlErrors.killed());
  const nested = request.kind === "executesql";
  const countBefore = state.transactionCount;
  const options = { ...state.options };
  try {
    if (request.parameters.length + (nested ? 2 : 0) > 2100) throw sqlErrors.tooManyParameters();
    const batch = cachedBatch(state, request, context.cache);
    state.variables = new Map(request.parameters.map(({ name, type, value }) => [name.toLowerCase(), convert(value, type, type)]));
    await runStatements(batch.statements, { state, batch, signal: context.signal, others: context.others, tries: 0 });
  } catch (error) {
    if (context.signal.aborted && !(error instanceof SqlError)) return afterAttention(state, nested ? options : undefined);
    if (error instanceof SqlError) answer(state, error);
    else if (!(error instanceof BatchEnd)) throw error;
  }
  endRequest(state, countBefore, nested ? options : undefined);
  return state.parts;
}

function cachedBatch(state: SessionState, { text, parameters }: SqlRequest, cache: BatchCache): Batch {
  const key = JSON.stringify([state.database.name, text, parameters.map(({ name, type }) => [name, type])]);
  const known = cache.get(key);
  const batch = known ?? readBatch(text, parameters);
  bindBatch(batch, state.database);
  if (known === undefined) {
    if (cache.size >= cacheLimit) cache.clear();
    cache.set(key, batch);
  }
  return batch;
}

function answer(state: SessionState, error: SqlError): readonly ResponsePart[] {
  state.lastError = error.number;
  state.parts.push({ kind: "message", message: asMessage(error) });
  state.parts.push({ kind: "done", inTransaction: state.transaction !== undefined });
  return state.parts;
}

/** An attention leaves the transaction open, unless XACT_ABORT is ON. */
function afterAttention(state: SessionState, options: SessionState["options"] | undefined): readonly ResponsePart[] {
  state.parts = [];
  if (state.transaction === undefined) state.releaseLocks();
  else if (state.options.xactAbort || state.transaction.doomed) state.rollback();
  if (options !== undefined) state.options = options;
  return state.parts;
}

/** A doomed transaction does not outlive its batch; what SET changed does not outlive sp_executesql. */
function endRequest(state: SessionState, countBefore: number, options: SessionState["options"] | undefined): void {
  state.caught = undefined;
  if (state.transaction?.doomed === true) {
    state.rollback();
    answer(state, sqlErrors.doomedAtEnd());
  }
  if (options === undefined) return;
  state.options = options;
  if (state.transactionCount !== countBefore && !state.parts.some(isErrorPart))
    answer(state, sqlErrors.transactionCount(countBefore, state.transactionCount));
}
const isErrorPart = (part: ResponsePart): boolean => part.kind === "message" && part.message.class > 10;
