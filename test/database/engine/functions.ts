// The functions of the grammar. Each says its operands and its type; it never sees the text of a query.
import { randomUUID } from "node:crypto";
import type { SqlType, SqlValue, Ticks } from "../session.ts";
import type { Collated, Compiled, Frame } from "./compiled.ts";
import { at, notInGrammar, sqlErrors } from "./errors.ts";
import { addToMoment, boundariesBetween, isDatePart, roundToDatetime } from "./moments.ts";
import { metadataFunctions } from "./metadata.ts";
import { bigint, convert, fixedBytes, int, isTicks, nvarchar, ticks, toText, uniqueidentifier } from "./types.ts";

export interface Call {
  readonly frame: Frame;
  readonly types: readonly SqlType[];
  readonly collated: Collated | undefined;
}
export interface FunctionDefinition {
  readonly operands: readonly [least: number, most: number];
  readonly parameters?: readonly (SqlType | undefined)[]; // operands are converted to these
  readonly type: (operands: readonly SqlType[]) => SqlType;
  readonly nullable?: boolean;
  readonly evaluate: (operands: readonly SqlValue[], call: Call) => SqlValue;
}

const datetime: SqlType = { name: "datetime" };
const datetime2: SqlType = { name: "datetime2", scale: 7 };
const text = nvarchar(4000);

const sameText = (operands: readonly SqlType[]): SqlType => {
  const first = at(operands, 0);
  return first.name === "nvarchar" ? first : text;
};
/** NULL for any NULL operand; numbers arrive as numbers. */
const strict =
  (evaluate: (operands: readonly string[], numbers: readonly number[]) => SqlValue) =>
  (operands: readonly SqlValue[], { types }: Call): SqlValue =>
    operands.includes(null)
      ? null
      : evaluate(
          operands.map((value, i) => toText(value, at(types, i))),
          operands.map(Number),
        );

const now = (type: SqlType): FunctionDefinition => ({
  operands: [0, 0],
  type: () => type,
  nullable: false,
  evaluate: (_, { frame }) => ticks(type.name === "datetime" ? roundToDatetime(frame.now.ticks) : frame.now.ticks),
});

function substring(value: string, start: number, length: number): string {
  if (length < 0) throw sqlErrors.substringLength();
  const from = start - 1;
  return value.slice(Math.max(0, from), Math.max(0, from + length));
}
function side(which: "left" | "right") {
  return strict(([value = ""], [, count = 0]) => {
    if (count < 0) throw sqlErrors.substringLength();
    return which === "left" ? value.slice(0, count) : count === 0 ? "" : value.slice(-count);
  });
}

function replaceAll(operands: readonly SqlValue[], { types, collated }: Call): SqlValue {
  if (operands.includes(null)) return null;
  const [value, search, replacement] = operands.map((operand, i) => toText(operand, at(types, i))) as [string, string, string];
  if (search === "" || collated === undefined) return value;
  const { fold } = collated.collation;
  let result = "";
  for (let i = 0; i < value.length;) {
    const hit = fold(value.slice(i, i + search.length)) === fold(search);
    result += hit ? replacement : value.charAt(i);
    i += hit ? search.length : 1;
  }
  return result;
}

function datePart(value: SqlValue): string {
  if (typeof value !== "string" || !isDatePart(value))
    throw notInGrammar(`the date part ${typeof value === "string" ? value : "that is no word"}`);
  return value;
}
const moment = (value: SqlValue): bigint => (isTicks(value) ? value : (convert(value, text, datetime2) as Ticks)).ticks;

const definitions: Readonly<Record<string, FunctionDefinition>> = {
  LEN: { operands: [1, 1], type: () => int, evaluate: strict(([value = ""]) => value.replace(/ +$/, "").length) },
  DATALENGTH: { operands: [1, 1], type: () => int, evaluate: ([value], { types }) => dataLength(value ?? null, at(types, 0)) },
  LOWER: { operands: [1, 1], type: sameText, evaluate: strict(([value = ""]) => value.toLowerCase()) },
  UPPER: { operands: [1, 1], type: sameText, evaluate: strict(([value = ""]) => value.toUpperCase()) },
  LTRIM: { operands: [1, 1], type: sameText, evaluate: strict(([value = ""]) => value.replace(/^ +/, "")) },
  RTRIM: { operands: [1, 1], type: sameText, evaluate: strict(([value = ""]) => value.replace(/ +$/, "")) },
  LEFT: { operands: [2, 2], parameters: [undefined, int], type: sameText, evaluate: side("left") },
  RIGHT: { operands: [2, 2], parameters: [undefined, int], type: sameText, evaluate: side("right") },
  SUBSTRING: {
    operands: [3, 3],
    parameters: [undefined, int, int],
    type: sameText,
    evaluate: strict(([value = ""], [, start = 0, length = 0]) => substring(value, start, length)),
  },
  REPLACE: { operands: [3, 3], type: () => text, evaluate: replaceAll },
  REPLICATE: {
    operands: [2, 2],
    parameters: [undefined, int],
    type: () => text,
    evaluate: strict(([value = ""], [, count = 0]) => (count < 0 ? null : value.repeat(count).slice(0, 4000))),
  },
  CHARINDEX: {
    operands: [2, 2],
    type: () => int,
    evaluate: (operands, { types, collated: _, frame }) => {
      if (operands.includes(null)) return null;
      const { fold } = frame.session.database.collation;
      const [search, value] = operands.map((operand, i) => fold(toText(operand, at(types, i)))) as [string, string];
      return value.indexOf(search) + 1;
    },
  },
  GETDATE: now(datetime),
  GETUTCDATE: now(datetime),
  SYSDATETIME: now(datetime2),
  SYSUTCDATETIME: now(datetime2),
  DATEADD: {
    operands: [3, 3],
    parameters: [undefined, int],
    type: ([, , operand]) => (operand?.name === "datetime2" ? operand : datetime),
    evaluate: ([part = null, amount = null, value = null], { types }) => {
      if (amount === null || value === null) return null;
      const sum = addToMoment(datePart(part), Number(amount), moment(value));
      return ticks(types[2]?.name === "datetime2" ? sum : roundToDatetime(sum));
    },
  },
  DATEDIFF: {
    operands: [3, 3],
    type: () => int,
    evaluate: ([part = null, from = null, to = null]) =>
      from === null || to === null ? null : boundariesBetween(datePart(part), moment(from), moment(to)),
  },
  NEWID: { operands: [0, 0], type: () => uniqueidentifier, nullable: false, evaluate: () => randomUUID().toUpperCase() },
  ABS: {
    operands: [1, 1],
    parameters: [int],
    type: () => int,
    evaluate: ([value = null]) => (value === null ? null : Math.abs(Number(value))),
  },
  XACT_STATE: { operands: [0, 0], type: () => int, nullable: false, evaluate: (_, { frame }) => frame.session.transactionState },
  SCOPE_IDENTITY: { operands: [0, 0], type: () => bigint, evaluate: (_, { frame }) => frame.session.scopeIdentity },
  ERROR_NUMBER: { operands: [0, 0], type: () => int, evaluate: (_, { frame }) => frame.session.caught?.number ?? null },
  ERROR_SEVERITY: { operands: [0, 0], type: () => int, evaluate: (_, { frame }) => frame.session.caught?.severity ?? null },
  ERROR_STATE: { operands: [0, 0], type: () => int, evaluate: (_, { frame }) => frame.session.caught?.state ?? null },
  ERROR_LINE: { operands: [0, 0], type: () => int, evaluate: (_, { frame }) => frame.session.caught?.line ?? null },
  ERROR_MESSAGE: { operands: [0, 0], type: () => text, evaluate: (_, { frame }) => frame.session.caught?.message ?? null },
  ...metadataFunctions,
};

function dataLength(value: SqlValue, type: SqlType): SqlValue {
  if (value === null) return null;
  return typeof value === "string" && type.name === "nvarchar"
    ? value.length * 2
    : value instanceof Uint8Array
      ? value.length
      : fixedBytes[type.name];
}

export const functionNamed = (name: string): FunctionDefinition | undefined => definitions[name];
export const functionNames: readonly string[] = Object.keys(definitions);

const globals: Readonly<Record<string, Compiled>> = {
  "@@ROWCOUNT": { type: int, nullable: false, evaluate: ({ session }) => session.rowCount },
  "@@TRANCOUNT": { type: int, nullable: false, evaluate: ({ session }) => session.transactionCount },
  "@@SPID": { type: int, nullable: false, evaluate: ({ session }) => session.id },
  "@@ERROR": { type: int, nullable: false, evaluate: ({ session }) => session.lastError },
  "@@LOCK_TIMEOUT": { type: int, nullable: false, evaluate: ({ session }) => session.lockTimeoutMs },
  "@@IDENTITY": { type: bigint, nullable: true, evaluate: ({ session }) => session.scopeIdentity },
  "@@VERSION": {
    type: nvarchar(300),
    nullable: false,
    evaluate: ({ session }) => `Microsoft SQL Server (database under test) - ${session.server.options.version}`,
  },
  "@@SERVERNAME": { type: nvarchar(128), nullable: true, evaluate: () => "TEST" },
};
export const globalNames: readonly string[] = Object.keys(globals);

export function globalNamed(name: string, line: number): Compiled {
  const found = globals[name];
  if (found === undefined) throw sqlErrors.undeclaredVariable(name, line);
  return found;
}
