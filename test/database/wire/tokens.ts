// Writes the tokens of a TDS 7.4 response, one function for each. Decides nothing about their order.
import type { Column, SqlMessage, SqlValue } from "../session.ts";
import { ByteWriter } from "./bytes.ts";
import { writeTypeInfo, writeValue } from "./types.ts";

export const ENVIRONMENT = {
  database: 1,
  language: 2,
  packetSize: 4,
  collation: 7,
  transactionBegun: 8,
  transactionCommitted: 9,
  transactionRolledBack: 10,
  reset: 18,
} as const;

const SERVER_NAME = "DATABASE-UNDER-TEST";
// The whole token must fit into 65,535 bytes; SQL Server's own messages end at 2,047 characters.
const LONGEST_MESSAGE = 8000;
const ERROR_FROM_CLASS = 11;

export function isError(message: SqlMessage): boolean {
  return message.class >= ERROR_FROM_CLASS;
}

/** ERROR, or INFO for classes up to 10. */
export function messageToken(message: SqlMessage): Buffer {
  const body = new ByteWriter().signed(4, message.number).unsigned(1, message.state).unsigned(1, message.class);
  body.longText(message.message.slice(0, LONGEST_MESSAGE)).shortText(SERVER_NAME).shortText("").unsigned(4, message.line);
  return withLength(isError(message) ? 0xaa : 0xab, body.finish());
}

export function environmentText(type: number, after: string, before: string): Buffer {
  return withLength(0xe3, new ByteWriter().unsigned(1, type).shortText(after).shortText(before).finish());
}

export function environmentBytes(type: number, after: Uint8Array, before: Uint8Array): Buffer {
  const body = new ByteWriter().unsigned(1, type).unsigned(1, after.length).bytes(after).unsigned(1, before.length).bytes(before);
  return withLength(0xe3, body.finish());
}

export interface Done {
  readonly kind: "done" | "doneInProc" | "doneProc";
  readonly more?: boolean;
  readonly failed?: boolean;
  readonly inTransaction?: boolean;
  readonly rowCount?: number | undefined;
  readonly attention?: boolean;
}

export function doneToken(done: Done): Buffer {
  const status =
    (done.more === true ? 0x01 : 0) |
    (done.failed === true ? 0x02 : 0) |
    (done.inTransaction === true ? 0x04 : 0) |
    (done.rowCount === undefined ? 0 : 0x10) |
    (done.attention === true ? 0x20 : 0);
  const token = { done: 0xfd, doneProc: 0xfe, doneInProc: 0xff }[done.kind];
  return new ByteWriter()
    .unsigned(1, token)
    .unsigned(2, status)
    .unsigned(2, 0)
    .unsigned64(BigInt(done.rowCount ?? 0))
    .finish();
}

export function returnStatusToken(status: number): Buffer {
  return new ByteWriter().unsigned(1, 0x79).signed(4, status).finish();
}

/** COLMETADATA and a ROW for each row. */
export function rowTokens(columns: readonly Column[], rows: readonly (readonly SqlValue[])[]): Buffer {
  const writer = new ByteWriter().unsigned(1, 0x81).unsigned(2, columns.length);
  for (const column of columns) {
    writer.unsigned(4, 0).unsigned(2, column.nullable ? 0x01 : 0x00);
    writeTypeInfo(writer, column.type);
    writer.shortText(column.name);
  }
  for (const row of rows) {
    if (row.length !== columns.length) throw new Error(`A row has ${row.length} values for ${columns.length} columns`);
    writer.unsigned(1, 0xd1);
    row.forEach((value, index) => {
      const column = columns[index];
      if (column !== undefined) writeValue(writer, column, value);
    });
  }
  return writer.finish();
}

function withLength(token: number, body: Buffer): Buffer {
  return new ByteWriter().unsigned(1, token).unsigned(2, body.length).bytes(body).finish();
}
