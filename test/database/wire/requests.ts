// Reads what a client asks for: a batch, sp_executesql, or a transaction request. Other procedures are refused here, by name.
import type { Parameter, SqlMessage, SqlRequest } from "../session.ts";
import { ByteReader, ProtocolError } from "./bytes.ts";
import type { Message } from "./packets.ts";
import { PACKET_TYPE } from "./packets.ts";
import { type Declaration, readDeclarations } from "./declarations.ts";
import { ParameterError, readTypedValue } from "./types.ts";

/** `shape` says which DONE tokens the client expects: those of a batch, or those of a procedure. */
export type ClientRequest =
  | { readonly kind: "run"; readonly shape: "batch" | "procedure"; readonly request: SqlRequest }
  | { readonly kind: "refused"; readonly shape: "batch" | "procedure"; readonly message: SqlMessage };

const EXECUTE_SQL = "sp_executesql";
/** MS-TDS 2.2.6.6: procedures that may be called by number. */
const PROCEDURE_NAMES: Readonly<Record<number, string>> = {
  1: "sp_cursor",
  2: "sp_cursoropen",
  3: "sp_cursorprepare",
  4: "sp_cursorexecute",
  5: "sp_cursorprepexec",
  6: "sp_cursorunprepare",
  7: "sp_cursorfetch",
  8: "sp_cursoroption",
  9: "sp_cursorclose",
  10: EXECUTE_SQL,
  11: "sp_prepare",
  12: "sp_execute",
  13: "sp_prepexec",
  14: "sp_prepexecrpc",
  15: "sp_unprepare",
};
const CALLED_BY_NUMBER = 0xffff;
const MOST_PARAMETERS = 2100;
const PARAMETER_STATUS = { byReference: 0x01, defaultValue: 0x02 } as const;
const TRANSACTION_REQUEST = { begin: 0x05, commit: 0x07, rollback: 0x08, save: 0x09 } as const;
const ISOLATION_LEVELS: Readonly<Record<number, string>> = {
  1: "READ UNCOMMITTED",
  2: "READ COMMITTED",
  3: "REPEATABLE READ",
  4: "SERIALIZABLE",
  5: "SNAPSHOT",
};

export function readRequest(message: Message): ClientRequest {
  const reader = new ByteReader(message.data);
  skipHeaders(reader);
  switch (message.type) {
    case PACKET_TYPE.batch:
      return { kind: "run", shape: "batch", request: { kind: "batch", text: reader.rest().toString("utf16le"), parameters: [] } };
    case PACKET_TYPE.rpc:
      return readProcedureCall(reader);
    case PACKET_TYPE.transaction:
      return readTransactionRequest(reader);
    default:
      throw new ProtocolError(`Messages of type 0x${message.type.toString(16)} are not served`);
  }
}

/** ALL_HEADERS: the transaction descriptor, which the session knows itself. */
function skipHeaders(reader: ByteReader): void {
  const length = reader.unsigned(4);
  reader.bytes(length - 4);
}

function readProcedureCall(reader: ByteReader): ClientRequest {
  const nameLength = reader.unsigned(2);
  const procedure = nameLength === CALLED_BY_NUMBER ? procedureName(reader.unsigned(2)) : reader.text(nameLength);
  if (procedure.toLowerCase().replace(/^(sys\.|dbo\.)/, "") !== EXECUTE_SQL) {
    return refused(2812, `Could not find stored procedure '${procedure}'.`, { class: 16, state: 62 });
  }
  reader.unsigned(2);
  const given: Parameter[] = [];
  while (reader.remaining > 0) {
    try {
      given.push(readParameter(reader));
    } catch (error) {
      if (!(error instanceof ParameterError)) throw error;
      const stream = "The incoming tabular data stream (TDS) remote procedure call (RPC) protocol stream is incorrect.";
      return refused(error.number, `${stream} Parameter ${given.length + 1} (""): ${error.message}`);
    }
  }
  return toStatement(given);
}

function procedureName(id: number): string {
  return PROCEDURE_NAMES[id] ?? String(id);
}

function readParameter(reader: ByteReader): Parameter {
  const name = reader.text(reader.unsigned(1));
  const status = reader.unsigned(1);
  if (status !== 0) {
    const what = (status & PARAMETER_STATUS.byReference) !== 0 ? "is an output parameter" : "asks for its default";
    throw new ParameterError(8009, `Parameter ${name} ${what}, which this server does not know.`);
  }
  return { name, ...readTypedValue(reader) };
}

function toStatement(given: readonly Parameter[]): ClientRequest {
  if (given.length > MOST_PARAMETERS) {
    const limit = `The server supports a maximum of ${MOST_PARAMETERS} parameters.`;
    return refused(8003, `The incoming request has too many parameters. ${limit} Reduce the number of parameters and resend the request.`);
  }
  const [statement, declared, ...values] = given;
  if (statement === undefined)
    return refused(201, "Procedure or function 'sp_executesql' expects parameter '@statement', which was not supplied.");
  if (typeof statement.value !== "string") return refused(214, "Procedure expects parameter '@statement' of type 'ntext/nchar/nvarchar'.");
  const text = statement.value;
  if (declared === undefined) return { kind: "run", shape: "procedure", request: { kind: "executesql", text, parameters: [] } };
  if (typeof declared.value !== "string") return refused(214, "Procedure expects parameter '@params' of type 'ntext/nchar/nvarchar'.");
  const declarations = readDeclarations(declared.value);
  return bind({ text, declarations, declared: declared.value, values });
}

/** Gives each declared parameter its value, by name or else by position. */
function bind(call: {
  readonly text: string;
  readonly declared: string;
  readonly declarations: readonly Declaration[];
  readonly values: readonly Parameter[];
}): ClientRequest {
  const byName = new Map(call.declarations.map((declaration) => [declaration.name.toLowerCase(), declaration]));
  const parameters: Parameter[] = [];
  for (const [index, value] of call.values.entries()) {
    const declaration = value.name === "" ? call.declarations[index] : byName.get(value.name.toLowerCase());
    if (declaration === undefined) return refused(8145, `${value.name} is not a parameter for procedure .`);
    parameters.push({ ...value, name: declaration.name });
    byName.delete(declaration.name.toLowerCase());
  }
  const [missing] = byName.values();
  if (missing !== undefined) {
    const query = `(${call.declared})${call.text}`;
    return refused(8178, `The parameterized query '${query}' expects the parameter '${missing.name}', which was not supplied.`);
  }
  return { kind: "run", shape: "procedure", request: { kind: "executesql", text: call.text, parameters } };
}

/** The driver's Transaction: the same as the statements, which is what the engine gets. Names of transactions mean nothing to it. */
function readTransactionRequest(reader: ByteReader): ClientRequest {
  const type = reader.unsigned(2);
  const batch = (text: string): ClientRequest => ({ kind: "run", shape: "batch", request: { kind: "batch", text, parameters: [] } });
  switch (type) {
    case TRANSACTION_REQUEST.begin: {
      const level = ISOLATION_LEVELS[reader.unsigned(1)];
      return batch(level === undefined ? "BEGIN TRANSACTION" : `SET TRANSACTION ISOLATION LEVEL ${level}; BEGIN TRANSACTION`);
    }
    case TRANSACTION_REQUEST.commit:
      return batch("COMMIT TRANSACTION");
    case TRANSACTION_REQUEST.rollback:
      return batch("ROLLBACK TRANSACTION");
    case TRANSACTION_REQUEST.save:
      return batch(`SAVE TRANSACTION ${reader.text(reader.unsigned(1) / 2)}`);
    default:
      throw new ProtocolError(`Transaction requests of type ${type} are not served`);
  }
}

function refused(number: number, message: string, severity?: { readonly class: number; readonly state: number }): ClientRequest {
  return { kind: "refused", shape: "procedure", message: { number, message, line: 1, class: 16, state: 1, ...severity } };
}
