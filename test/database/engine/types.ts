// What values of each type are worth: conversion, comparison, keys. Implicit and explicit conversions are the same here, but for
// storing: a text that does not fit its column is an error, in a CAST it is cut.
import type { SqlType, SqlValue, Ticks } from "../session.ts";
import { defaultCollation } from "./collation.ts";
import type { Collation } from "./collation.ts";
import { sqlErrors } from "./errors.ts";
import { formatMoment, formatPlain, parseMoment, roundToDatetime, roundToScale } from "./moments.ts";

export const int: SqlType = { name: "int" };
/** The type of a bare NULL, known by its identity: it takes whatever type it meets. */
export const nullType: SqlType = { name: "int" };
export const bigint: SqlType = { name: "bigint" };
export const bit: SqlType = { name: "bit" };
export const uniqueidentifier: SqlType = { name: "uniqueidentifier" };
export const nvarchar = (length: number): SqlType => ({ name: "nvarchar", length });

/** Bytes that a value takes; 0 where that depends on its length. */
export const fixedBytes: Readonly<Record<SqlType["name"], number>> = {
  bit: 1,
  int: 4,
  bigint: 8,
  uniqueidentifier: 16,
  datetime: 8,
  datetime2: 8,
  nvarchar: 0,
  varbinary: 0,
};

const precedence: readonly SqlType["name"][] = [
  "varbinary",
  "nvarchar",
  "uniqueidentifier",
  "bit",
  "int",
  "bigint",
  "datetime",
  "datetime2",
];

/** The type that two operands meet in. */
export function commonType(left: SqlType, right: SqlType): SqlType {
  if (left.name === "nvarchar" && right.name === "nvarchar") return nvarchar(widest(left.length, right.length));
  if (left.name === "varbinary" && right.name === "varbinary") return { name: "varbinary", length: widest(left.length, right.length) };
  if (left.name === "datetime2" && right.name === "datetime2") return left.scale >= right.scale ? left : right;
  const [lower, higher] = precedence.indexOf(left.name) <= precedence.indexOf(right.name) ? [left, right] : [right, left];
  assertConvertible(lower, higher);
  return higher;
}

const widest = (left: number, right: number): number => (left < 0 || right < 0 ? -1 : Math.max(left, right));

const kinds: Readonly<Record<SqlType["name"], "number" | "text" | "moment" | "guid" | "bytes">> = {
  bit: "number",
  int: "number",
  bigint: "number",
  nvarchar: "text",
  datetime: "moment",
  datetime2: "moment",
  uniqueidentifier: "guid",
  varbinary: "bytes",
};
export const kindOf = (type: SqlType) => kinds[type.name];

/** Refuses pairs that SQL Server never converts (206). */
export function assertConvertible(from: SqlType, to: SqlType): void {
  const [a, b] = [kindOf(from), kindOf(to)];
  const allowed =
    a === b ||
    a === "text" ||
    b === "text" ||
    (a === "guid" && b === "bytes") ||
    (a === "bytes" && (b === "guid" || b === "number")) ||
    (a === "number" && b === "bytes");
  const binaryText = (a === "bytes" && b === "text") || (a === "text" && b === "bytes");
  if (!allowed || binaryText) throw sqlErrors.clash(from.name, to.name);
}

export const ticks = (value: bigint): Ticks => ({ ticks: value });
export const isTicks = (value: SqlValue): value is Ticks => typeof value === "object" && value !== null && "ticks" in value;

/** A value as another type; text is cut to its length. `style` is CONVERT's. */
export function convert(value: SqlValue, from: SqlType, to: SqlType, style?: number): SqlValue {
  if (value === null) return null;
  switch (to.name) {
    case "bit":
      return toBit(value);
    case "int":
      return toInt(value);
    case "bigint":
      return toBigint(value);
    case "uniqueidentifier":
      return toGuid(value);
    case "datetime":
      return ticks(roundToDatetime(isTicks(value) ? value.ticks : parseMoment(asText(value), 3)));
    case "datetime2":
      return ticks(roundToScale(isTicks(value) ? value.ticks : parseMoment(asText(value), 7), to.scale));
    case "nvarchar": {
      const text = toText(value, from, style);
      if (to.length < 0 || text.length <= to.length) return text;
      if (typeof value === "number" || typeof value === "bigint") throw sqlErrors.overflow("nvarchar");
      return text.slice(0, to.length);
    }
    case "varbinary":
      return toBytes(value, from, to.length);
  }
}

function toBytes(value: SqlValue, from: SqlType, length: number): Uint8Array {
  if (value instanceof Uint8Array) return length < 0 || value.length <= length ? value : value.slice(0, length);
  if (from.name !== "int" && from.name !== "bigint") throw sqlErrors.clash(from.name, "varbinary");
  const bytes = Buffer.alloc(from.name === "int" ? 4 : 8);
  if (from.name === "int") bytes.writeInt32BE(Number(value));
  else bytes.writeBigInt64BE(BigInt(value as number));
  return Uint8Array.from(bytes);
}

function asText(value: SqlValue): string {
  if (typeof value !== "string") throw sqlErrors.clash("int", "datetime");
  return value;
}

function toBit(value: SqlValue): boolean {
  if (typeof value !== "string") return Boolean(typeof value === "object" ? null : value);
  const text = value.trim().toLowerCase();
  if (text === "true") return true;
  if (text === "false" || text === "") return false;
  if (!/^[+-]?\d+$/.test(text)) throw sqlErrors.conversion(value, "bit");
  return BigInt(text) !== 0n;
}

function toInteger(value: SqlValue, to: "int" | "bigint"): bigint {
  if (typeof value === "boolean") return value ? 1n : 0n;
  if (typeof value === "number" || typeof value === "bigint") return BigInt(value);
  if (value instanceof Uint8Array) return BigInt.asIntN(to === "int" ? 32 : 64, BigInt(`0x0${Buffer.from(value).toString("hex")}`));
  const text = asText(value).trim();
  if (text !== "" && !/^[+-]?\d+$/.test(text)) {
    throw to === "int" ? sqlErrors.conversion(asText(value), to) : sqlErrors.bigintConversion();
  }
  return BigInt(text.replace(/^\+/, ""));
}

function toInt(value: SqlValue): number {
  const integer = toInteger(value, "int");
  if (integer >= -2147483648n && integer <= 2147483647n) return Number(integer);
  throw typeof value === "string" ? sqlErrors.stringOverflow(value, "int") : sqlErrors.overflow("int");
}

function toBigint(value: SqlValue): bigint {
  const integer = toInteger(value, "bigint");
  if (BigInt.asIntN(64, integer) === integer) return integer;
  throw sqlErrors.overflow("bigint");
}

const guidShape = /^(?:\{[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/i;

/** Text longer than a GUID is cut, as SQL Server does. */
function toGuid(value: SqlValue): string {
  if (value instanceof Uint8Array) return guidOfBytes(value);
  const match = typeof value === "string" ? guidShape.exec(value) : null;
  if (match === null) throw sqlErrors.guidConversion();
  return match[0].replace(/[{}]/g, "").toUpperCase();
}

function guidOfBytes(bytes: Uint8Array): string {
  const hex = (...positions: readonly number[]): string => positions.map((i) => (bytes[i] ?? 0).toString(16).padStart(2, "0")).join("");
  return `${hex(3, 2, 1, 0)}-${hex(5, 4)}-${hex(7, 6)}-${hex(8, 9)}-${hex(10, 11, 12, 13, 14, 15)}`.toUpperCase();
}

export function toText(value: SqlValue, from: SqlType, style?: number): string {
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return value ? "1" : "0";
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  if (isTicks(value)) {
    const digits = from.name === "datetime2" ? from.scale : 3;
    if (style === 126) return formatMoment(value.ticks, "T", digits);
    if (style === 120) return formatMoment(value.ticks, " ", 0);
    return from.name === "datetime2" || style === 121 ? formatMoment(value.ticks, " ", digits) : formatPlain(value.ticks);
  }
  if (value instanceof Uint8Array && (style === 1 || style === 2))
    return `${style === 1 ? "0x" : ""}${Buffer.from(value).toString("hex").toUpperCase()}`;
  throw sqlErrors.clash(from.name, "nvarchar");
}

/** Orders two values of one type that are not NULL. */
export function compare(left: SqlValue, right: SqlValue, collation: Collation | undefined): number {
  if (typeof left === "string" && typeof right === "string") {
    return collation === undefined ? compareGuids(left, right) : collation.compare(left, right);
  }
  if (left instanceof Uint8Array && right instanceof Uint8Array) return Math.sign(Buffer.compare(left, right));
  const [a, b] = [isTicks(left) ? left.ticks : left, isTicks(right) ? right.ticks : right];
  return (a as number) < (b as number) ? -1 : a == b ? 0 : 1; // numbers and bigints compare across
}

/** SQL Server orders GUIDs by their last group first. */
function compareGuids(left: string, right: string): number {
  if (left === right) return 0;
  const order = (guid: string): string => guid.slice(24) + guid.slice(19, 23) + guid.slice(14, 18) + guid.slice(9, 13) + guid.slice(0, 8);
  return order(left) < order(right) ? -1 : 1;
}

/** Equal values of a type have equal keys; NULL has one of its own. */
export function keyOf(value: SqlValue, collation: Collation | undefined): string {
  if (typeof value === "string") return collation === undefined ? value : collation.key(value);
  if (value === null) return "\u0000";
  if (typeof value === "boolean") return value ? "1" : "0";
  if (isTicks(value)) return String(value.ticks);
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  return String(value);
}

export const collationFor = (type: SqlType, collation: Collation | undefined): Collation | undefined =>
  type.name === "nvarchar" ? (collation ?? defaultCollation) : undefined;
