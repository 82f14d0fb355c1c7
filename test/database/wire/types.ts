// How the values of session.ts travel: TYPE_INFO and the value behind it, both ways. Converts nothing between SQL types.
import type { Column, SqlType, SqlValue, Ticks } from "../session.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { ProtocolError } from "./bytes.ts";

/** SQL_Latin1_General_CP1_CI_AS, what Kentico's databases have. */
export const COLLATION = Buffer.from([0x09, 0x04, 0xd0, 0x00, 0x34]);

const TYPE = { guid: 0x24, intN: 0x26, datetime2: 0x2a, bitN: 0x68, datetimeN: 0x6f, varbinary: 0xa5, nvarchar: 0xe7 } as const;
const FIXED = { bit: 0x32, int: 0x38, datetime: 0x3d, bigint: 0x7f } as const;
const MAX_LENGTH = 0xffff;
const NULL_LENGTH = 0xffff;
const PLP_NULL = 0xffffffffffffffffn;
const TICKS_PER_DAY = 864_000_000_000n;
const DAYS_TO_1900 = 693_595n;
const DATETIME_PARTS_PER_DAY = 25_920_000n;

/** A parameter whose type or length is not one that this server reads: SQL Server's error 8009 or 8016. */
export class ParameterError extends Error {
  override readonly name = "ParameterError";
  readonly number: number;
  constructor(number: number, message: string) {
    super(message);
    this.number = number;
  }
}

export function writeTypeInfo(writer: ByteWriter, type: SqlType): void {
  switch (type.name) {
    case "bit":
      writer.unsigned(1, TYPE.bitN).unsigned(1, 1);
      return;
    case "int":
      writer.unsigned(1, TYPE.intN).unsigned(1, 4);
      return;
    case "bigint":
      writer.unsigned(1, TYPE.intN).unsigned(1, 8);
      return;
    case "uniqueidentifier":
      writer.unsigned(1, TYPE.guid).unsigned(1, 16);
      return;
    case "datetime":
      writer.unsigned(1, TYPE.datetimeN).unsigned(1, 8);
      return;
    case "datetime2":
      writer.unsigned(1, TYPE.datetime2).unsigned(1, type.scale);
      return;
    case "nvarchar":
      writer
        .unsigned(1, TYPE.nvarchar)
        .unsigned(2, type.length === -1 ? MAX_LENGTH : Math.max(type.length, 1) * 2)
        .bytes(COLLATION);
      return;
    case "varbinary":
      writer.unsigned(1, TYPE.varbinary).unsigned(2, type.length === -1 ? MAX_LENGTH : Math.max(type.length, 1));
      return;
  }
}

/** The value of one column. A value that is not of the column's type is the engine's mistake and throws. */
export function writeValue(writer: ByteWriter, column: Column, value: SqlValue): void {
  const { type } = column;
  if (type.name === "nvarchar" || type.name === "varbinary") {
    writeVariable(writer, column, value);
    return;
  }
  if (value === null) {
    writer.unsigned(1, 0);
    return;
  }
  switch (type.name) {
    case "bit":
      if (typeof value !== "boolean") throw mismatch(column, value);
      writer.unsigned(1, 1).unsigned(1, value ? 1 : 0);
      return;
    case "int":
      if (typeof value !== "number") throw mismatch(column, value);
      writer.unsigned(1, 4).signed(4, value);
      return;
    case "bigint":
      if (typeof value !== "bigint") throw mismatch(column, value);
      writer.unsigned(1, 8).signed64(value);
      return;
    case "uniqueidentifier":
      if (typeof value !== "string") throw mismatch(column, value);
      writer.unsigned(1, 16).bytes(guidBytes(value));
      return;
    case "datetime":
      if (!isTicks(value)) throw mismatch(column, value);
      writeDatetime(writer, value.ticks);
      return;
    case "datetime2":
      if (!isTicks(value)) throw mismatch(column, value);
      writeDatetime2(writer, value.ticks, type.scale);
      return;
  }
}

function writeVariable(writer: ByteWriter, column: Column, value: SqlValue): void {
  const isMax = "length" in column.type && column.type.length === -1;
  if (value === null) {
    if (isMax) writer.unsigned64(PLP_NULL);
    else writer.unsigned(2, NULL_LENGTH);
    return;
  }
  const isText = column.type.name === "nvarchar";
  if (isText ? typeof value !== "string" : !(value instanceof Uint8Array)) throw mismatch(column, value);
  const bytes = typeof value === "string" ? Buffer.from(value, "utf16le") : (value as Uint8Array);
  if (!isMax) {
    writer.unsigned(2, bytes.length).bytes(bytes);
    return;
  }
  writer.unsigned64(BigInt(bytes.length));
  if (bytes.length > 0) writer.unsigned(4, bytes.length).bytes(bytes);
  writer.unsigned(4, 0);
}

function writeDatetime(writer: ByteWriter, ticks: bigint): void {
  const day = ticks / TICKS_PER_DAY;
  // A datetime counts three-hundredths of a second; the last half of one belongs to the next day.
  const parts = ((ticks % TICKS_PER_DAY) * 3n + 50_000n) / 100_000n;
  const carry = parts === DATETIME_PARTS_PER_DAY ? 1n : 0n;
  writer
    .unsigned(1, 8)
    .signed(4, Number(day - DAYS_TO_1900 + carry))
    .unsigned(4, carry === 1n ? 0 : Number(parts));
}

function writeDatetime2(writer: ByteWriter, ticks: bigint, scale: number): void {
  const length = timeLength(scale);
  writer
    .unsigned(1, length + 3)
    .unsigned(length, Number((ticks % TICKS_PER_DAY) / 10n ** BigInt(7 - scale)))
    .unsigned(3, Number(ticks / TICKS_PER_DAY));
}

function timeLength(scale: number): number {
  return scale <= 2 ? 3 : scale <= 4 ? 4 : 5;
}

/** A TYPE_INFO and the value behind it, as RPC parameters carry them. Throws ParameterError for a type that is not read. */
export function readTypedValue(reader: ByteReader): { readonly type: SqlType; readonly value: SqlValue } {
  const id = reader.unsigned(1);
  switch (id) {
    case FIXED.bit:
      return { type: { name: "bit" }, value: reader.unsigned(1) !== 0 };
    case FIXED.int:
      return { type: { name: "int" }, value: reader.signed(4) };
    case FIXED.bigint:
      return { type: { name: "bigint" }, value: reader.signed64() };
    case FIXED.datetime:
      return { type: { name: "datetime" }, value: readDatetime(reader, 8) };
    case TYPE.intN:
      return readInteger(reader);
    case TYPE.bitN:
      reader.unsigned(1);
      return { type: { name: "bit" }, value: reader.unsigned(1) === 0 ? null : reader.unsigned(1) !== 0 };
    case TYPE.guid: {
      reader.unsigned(1);
      const length = reader.unsigned(1);
      return { type: { name: "uniqueidentifier" }, value: length === 0 ? null : guidText(reader.bytes(length)) };
    }
    case TYPE.datetimeN:
      reader.unsigned(1);
      return { type: { name: "datetime" }, value: readDatetime(reader, reader.unsigned(1)) };
    case TYPE.datetime2: {
      const scale = reader.unsigned(1);
      return { type: { name: "datetime2", scale }, value: readDatetime2(reader, scale) };
    }
    case TYPE.nvarchar: {
      const length = reader.unsigned(2);
      reader.bytes(COLLATION.length);
      const bytes = readVariable(reader, { id, length });
      return { type: { name: "nvarchar", length: length === MAX_LENGTH ? -1 : length / 2 }, value: bytes?.toString("utf16le") ?? null };
    }
    case TYPE.varbinary: {
      const length = reader.unsigned(2);
      return { type: { name: "varbinary", length: length === MAX_LENGTH ? -1 : length }, value: readVariable(reader, { id, length }) };
    }
    default:
      throw new ParameterError(8009, `Data type 0x${hex(id)} is unknown.`);
  }
}

function readInteger(reader: ByteReader): { readonly type: SqlType; readonly value: SqlValue } {
  const declared = reader.unsigned(1);
  const length = reader.unsigned(1);
  const type: SqlType = { name: declared === 8 ? "bigint" : "int" };
  if (length === 0) return { type, value: null };
  if (declared === 8) return { type, value: reader.signed64() };
  // tinyint has no sign.
  return { type, value: length === 1 ? reader.unsigned(1) : reader.signed(length) };
}

function readDatetime(reader: ByteReader, length: number): Ticks | null {
  if (length === 0) return null;
  if (length !== 8) throw new ParameterError(8016, `Data type 0x${hex(TYPE.datetimeN)} has an invalid data length or metadata length.`);
  const days = BigInt(reader.signed(4)) + DAYS_TO_1900;
  const parts = BigInt(reader.unsigned(4));
  return { ticks: days * TICKS_PER_DAY + (parts * 100_000n + 1n) / 3n };
}

function readDatetime2(reader: ByteReader, scale: number): Ticks | null {
  const length = reader.unsigned(1);
  if (length === 0) return null;
  const time = BigInt(reader.unsigned(length - 3)) * 10n ** BigInt(7 - scale);
  return { ticks: BigInt(reader.unsigned(3)) * TICKS_PER_DAY + time };
}

function readVariable(reader: ByteReader, declared: { readonly id: number; readonly length: number }): Buffer | null {
  if (declared.length === MAX_LENGTH) return readPartiallyLengthPrefixed(reader);
  const length = reader.unsigned(2);
  if (length === NULL_LENGTH) return null;
  if (length > declared.length) {
    throw new ParameterError(8016, `Data type 0x${hex(declared.id)} has an invalid data length or metadata length.`);
  }
  return reader.bytes(length);
}

/** The total length may be unknown; the chunks end with an empty one either way. */
function readPartiallyLengthPrefixed(reader: ByteReader): Buffer | null {
  if (reader.unsigned64() === PLP_NULL) return null;
  const chunks: Buffer[] = [];
  for (let length = reader.unsigned(4); length > 0; length = reader.unsigned(4)) chunks.push(reader.bytes(length));
  return Buffer.concat(chunks);
}

/** A uniqueidentifier travels with its first three groups in little-endian order. */
function guidBytes(text: string): Buffer {
  const bytes = Buffer.from(text.replaceAll("-", ""), "hex");
  if (bytes.length !== 16) throw new Error(`Not a uniqueidentifier: ${text}`);
  return turnGroups(bytes);
}

function guidText(bytes: Buffer): string {
  if (bytes.length !== 16) throw new ProtocolError(`A uniqueidentifier has ${bytes.length} bytes`);
  const digits = turnGroups(Buffer.from(bytes)).toString("hex").toUpperCase();
  return [digits.slice(0, 8), digits.slice(8, 12), digits.slice(12, 16), digits.slice(16, 20), digits.slice(20)].join("-");
}

function turnGroups(bytes: Buffer): Buffer {
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes;
}

function isTicks(value: SqlValue): value is Ticks {
  return typeof value === "object" && value !== null && "ticks" in value;
}

function mismatch(column: Column, value: SqlValue): Error {
  return new Error(`The engine answered ${typeof value} for column ${column.name} of type ${column.type.name}`);
}

function hex(byte: number): string {
  return byte.toString(16).toUpperCase().padStart(2, "0");
}
