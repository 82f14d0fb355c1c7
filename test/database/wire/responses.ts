// Puts the parts of an answer into tokens, in the order and with the DONE tokens that a batch or a procedure has. Sends nothing.
import type { ResponsePart } from "../session.ts";
import {
  doneToken,
  ENVIRONMENT,
  environmentBytes,
  environmentText,
  isError,
  messageToken,
  returnStatusToken,
  rowTokens,
} from "./tokens.ts";

export function formatResponse(parts: readonly ResponsePart[], shape: "batch" | "procedure"): Buffer {
  return shape === "batch" ? formatBatch(parts) : formatProcedure(parts);
}

/** A DONE for each statement; the last one, and only that, says that nothing follows. */
function formatBatch(parts: readonly ResponsePart[]): Buffer {
  const tokens: Buffer[] = [];
  let failed = false;
  let inTransaction = false;
  parts.forEach((part, index) => {
    if (part.kind !== "done") {
      failed ||= part.kind === "message" && isError(part.message);
      tokens.push(partToken(part));
      return;
    }
    inTransaction = part.inTransaction;
    const more = index < parts.length - 1;
    tokens.push(doneToken({ kind: "done", more, failed, inTransaction, rowCount: part.rowCount }));
    failed = false;
  });
  if (parts.at(-1)?.kind !== "done") tokens.push(doneToken({ kind: "done", failed, inTransaction }));
  return Buffer.concat(tokens);
}

/** A DONEINPROC for each statement, then what the procedure returned: the error that its last statement ended with, or 0. */
function formatProcedure(parts: readonly ResponsePart[]): Buffer {
  const tokens: Buffer[] = [];
  let error = 0;
  let wasDone = true;
  let inTransaction = false;
  for (const part of parts) {
    if (part.kind !== "done") {
      if (wasDone) error = 0;
      wasDone = false;
      if (part.kind === "message" && isError(part.message)) error = part.message.number;
      tokens.push(partToken(part));
      continue;
    }
    if (wasDone) error = 0;
    wasDone = true;
    inTransaction = part.inTransaction;
    tokens.push(doneToken({ kind: "doneInProc", more: true, failed: error !== 0, inTransaction, rowCount: part.rowCount }));
  }
  tokens.push(returnStatusToken(error), doneToken({ kind: "doneProc", failed: error !== 0, inTransaction }));
  return Buffer.concat(tokens);
}

function partToken(part: Exclude<ResponsePart, { kind: "done" }>): Buffer {
  switch (part.kind) {
    case "rows":
      return rowTokens(part.columns, part.rows);
    case "message":
      return messageToken(part.message);
    case "database":
      return environmentText(ENVIRONMENT.database, part.after, part.before);
    case "transaction":
      return transactionToken(part);
  }
}

function transactionToken(part: Extract<ResponsePart, { kind: "transaction" }>): Buffer {
  const descriptor = Buffer.alloc(8);
  descriptor.writeBigUInt64LE(part.descriptor);
  const none = Buffer.alloc(0);
  switch (part.event) {
    case "begun":
      return environmentBytes(ENVIRONMENT.transactionBegun, descriptor, none);
    case "committed":
      return environmentBytes(ENVIRONMENT.transactionCommitted, none, descriptor);
    case "rolledBack":
      return environmentBytes(ENVIRONMENT.transactionRolledBack, none, descriptor);
  }
}
