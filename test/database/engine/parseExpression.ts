// The grammar of expressions and conditions, by precedence: OR, AND, NOT, comparison, + -, * / %, sign, COLLATE.
import type { SqlType } from "../session.ts";
import type { Cursor } from "./cursor.ts";
import { parseQuery } from "./parseQuery.ts";
import { isCondition } from "./syntax.ts";
import { nullType } from "./types.ts";
import type { Comparison, Condition, Expression } from "./syntax.ts";

export function parseExpression(cursor: Cursor): Expression {
  const node = parseSum(cursor);
  if (isCondition(node)) throw cursor.refuse();
  return node;
}

export function parseCondition(cursor: Cursor): Condition {
  const node = parseOr(cursor);
  if (!isCondition(node)) throw cursor.refuse();
  return node;
}

function parseOr(cursor: Cursor): Expression {
  let left = parseAnd(cursor);
  while (isCondition(left) && cursor.accept("OR")) left = { kind: "or", left, right: asCondition(cursor, parseAnd(cursor)) };
  return left;
}

function parseAnd(cursor: Cursor): Expression {
  let left = parseNot(cursor);
  while (isCondition(left) && cursor.accept("AND")) left = { kind: "and", left, right: asCondition(cursor, parseNot(cursor)) };
  return left;
}

function parseNot(cursor: Cursor): Expression {
  if (cursor.accept("NOT")) return { kind: "not", operand: asCondition(cursor, parseNot(cursor)) };
  return parsePredicate(cursor);
}

function asCondition(cursor: Cursor, node: Expression): Condition {
  if (!isCondition(node)) throw cursor.refuse();
  return node;
}

const comparisons: readonly (readonly [string, Comparison])[] = [
  ["=", "="],
  ["<>", "<>"],
  ["!=", "<>"],
  ["<=", "<="],
  [">=", ">="],
  ["<", "<"],
  [">", ">"],
];

function parsePredicate(cursor: Cursor): Expression {
  if (cursor.accept("EXISTS", "(")) {
    const query = parseQuery(cursor);
    cursor.expect(")");
    return { kind: "exists", query };
  }
  const operand = parseSum(cursor);
  if (isCondition(operand)) return operand;
  for (const [symbol, operator] of comparisons) {
    if (cursor.accept(symbol)) return { kind: "compare", operator, left: operand, right: parseExpression(cursor) };
  }
  if (cursor.accept("IS")) {
    const negated = cursor.accept("NOT");
    cursor.expect("NULL");
    return negate({ kind: "isNull", operand }, negated);
  }
  const negated = cursor.accept("NOT");
  if (cursor.accept("IN")) return negate(parseIn(cursor, operand), negated);
  if (cursor.accept("LIKE")) {
    const pattern = parseExpression(cursor);
    const escape = cursor.accept("ESCAPE") ? parseExpression(cursor) : undefined;
    return negate({ kind: "like", operand, pattern, escape }, negated);
  }
  if (cursor.accept("BETWEEN")) {
    const low = parseExpression(cursor);
    cursor.expect("AND");
    return negate({ kind: "between", operand, low, high: parseExpression(cursor) }, negated);
  }
  if (negated) throw cursor.refuse();
  return operand;
}

function parseIn(cursor: Cursor, operand: Expression): Condition {
  if (!cursor.sees("(", "SELECT")) return { kind: "in", operand, list: cursor.listInBrackets(() => parseExpression(cursor)) };
  cursor.expect("(");
  const list = parseQuery(cursor);
  cursor.expect(")");
  return { kind: "in", operand, list };
}

const negate = (operand: Condition, negated: boolean): Condition => (negated ? { kind: "not", operand } : operand);

function parseSum(cursor: Cursor): Expression {
  let left = parseProduct(cursor);
  for (;;) {
    if (isCondition(left)) return left;
    const operator = cursor.acceptOne(["+", "-"]);
    if (operator === undefined) return left;
    left = { kind: "arithmetic", operator, left, right: asScalar(cursor, parseProduct(cursor)) };
  }
}

function parseProduct(cursor: Cursor): Expression {
  let left = parseSigned(cursor);
  for (;;) {
    if (isCondition(left)) return left;
    const operator = cursor.acceptOne(["*", "/", "%"]);
    if (operator === undefined) return left;
    left = { kind: "arithmetic", operator, left, right: asScalar(cursor, parseSigned(cursor)) };
  }
}

function asScalar(cursor: Cursor, node: Expression): Expression {
  if (isCondition(node)) throw cursor.refuse();
  return node;
}

function parseSigned(cursor: Cursor): Expression {
  if (cursor.accept("+")) return asScalar(cursor, parseSigned(cursor));
  if (cursor.accept("-")) {
    const operand = asScalar(cursor, parseSigned(cursor));
    return operand.kind === "literal" && typeof operand.value === "number"
      ? { ...operand, value: -operand.value }
      : operand.kind === "literal" && operand.value === 2147483648n
        ? { kind: "literal", value: -2147483648, type: { name: "int" } }
        : { kind: "negate", operand };
  }
  const node = parsePrimary(cursor);
  if (isCondition(node) || !cursor.sees("COLLATE")) return node;
  const line = cursor.next().line;
  return { kind: "collate", operand: node, collation: cursor.plainName(), line };
}

function parsePrimary(cursor: Cursor): Expression {
  const token = cursor.peek();
  switch (token.kind) {
    case "string":
      cursor.next();
      return { kind: "literal", value: token.text, type: { name: "nvarchar", length: Math.max(1, token.text.length) } };
    case "number":
      cursor.next();
      return numberLiteral(cursor, token.text);
    case "binary": {
      cursor.next();
      const bytes = Uint8Array.from(Buffer.from(token.text.slice(2).padStart(Math.ceil((token.text.length - 2) / 2) * 2, "0"), "hex"));
      return { kind: "literal", value: bytes, type: { name: "varbinary", length: Math.max(1, bytes.length) } };
    }
    case "variable":
      cursor.next();
      if (token.text.startsWith("@@")) return { kind: "global", name: token.text.toUpperCase(), line: token.line };
      return { kind: "variable", name: token.text.toLowerCase(), line: token.line };
    case "symbol":
      return parseBrackets(cursor);
    case "word":
      return parseWord(cursor);
    case "quoted":
      return parseColumn(cursor);
    case "end":
      throw cursor.refuse();
  }
}

function numberLiteral(cursor: Cursor, text: string): Expression {
  const value = BigInt(text);
  if (value <= 2147483647n) return { kind: "literal", value: Number(value), type: { name: "int" } };
  if (value <= 9223372036854775807n) return { kind: "literal", value, type: { name: "bigint" } };
  throw cursor.refuse();
}

function parseBrackets(cursor: Cursor): Expression {
  const line = cursor.line;
  cursor.expect("(");
  if (cursor.sees("SELECT")) {
    const query = parseQuery(cursor);
    cursor.expect(")");
    return { kind: "subquery", query, line };
  }
  const node = parseOr(cursor);
  cursor.expect(")");
  return node;
}

const reservedFunctions = new Set(["LEFT", "RIGHT", "COALESCE", "NULLIF", "CONVERT"]);
const aggregates = ["COUNT", "MIN", "MAX", "SUM"] as const;

function parseWord(cursor: Cursor): Expression {
  const { upper, line } = cursor.peek();
  if (cursor.accept("NULL")) return { kind: "literal", value: null, type: nullType };
  if (cursor.accept("CASE")) return parseCase(cursor);
  if (cursor.accept("CURRENT_TIMESTAMP")) return { kind: "call", name: "GETDATE", operands: [], line };
  const called = cursor.peek(1).kind === "symbol" && cursor.peek(1).text === "(";
  if (!called || (!cursor.seesName && !reservedFunctions.has(upper))) return parseColumn(cursor);
  cursor.next();
  cursor.next();
  const aggregate = aggregates.find((name) => name === upper);
  if (aggregate !== undefined) return parseAggregate(cursor, aggregate, line);
  if (upper === "CAST") {
    const operand = parseExpression(cursor);
    cursor.expect("AS");
    const type = parseType(cursor, 30);
    cursor.expect(")");
    return { kind: "cast", operand, type, style: undefined };
  }
  if (upper === "CONVERT") {
    const type = parseType(cursor, 30);
    cursor.expect(",");
    const operand = parseExpression(cursor);
    const style = cursor.accept(",") ? cursor.integer() : undefined;
    cursor.expect(")");
    return { kind: "cast", operand, type, style };
  }
  const operands = parseOperands(cursor, upper);
  const [least, most] =
    upper === "COALESCE" ? [2, Infinity] : upper === "LEFT" || upper === "RIGHT" || upper === "NULLIF" ? [2, 2] : [0, Infinity];
  if (operands.length < least || operands.length > most) throw cursor.refuse();
  return { kind: "call", name: upper, operands, line };
}

/** The first operand of DATEADD and DATEDIFF is a word, not an expression. */
function parseOperands(cursor: Cursor, name: string): readonly Expression[] {
  if (cursor.accept(")")) return [];
  const datePart = name === "DATEADD" || name === "DATEDIFF" ? cursor.name().toLowerCase() : undefined;
  if (datePart !== undefined) cursor.expect(",");
  const rest = cursor.list(() => parseExpression(cursor));
  cursor.expect(")");
  return datePart === undefined ? rest : [{ kind: "literal", value: datePart, type: { name: "nvarchar", length: 20 } }, ...rest];
}

function parseAggregate(cursor: Cursor, name: (typeof aggregates)[number], line: number): Expression {
  if (name === "COUNT" && cursor.accept("*")) {
    cursor.expect(")");
    return { kind: "aggregate", name, operand: undefined, distinct: false, line };
  }
  const distinct = cursor.accept("DISTINCT");
  const operand = parseExpression(cursor);
  cursor.expect(")");
  return { kind: "aggregate", name, operand, distinct, line };
}

function parseCase(cursor: Cursor): Expression {
  const subject = cursor.sees("WHEN") ? undefined : parseExpression(cursor);
  const branches: { when: Expression; then: Expression }[] = [];
  while (cursor.accept("WHEN")) {
    const when = subject === undefined ? parseCondition(cursor) : parseExpression(cursor);
    cursor.expect("THEN");
    branches.push({ when, then: parseExpression(cursor) });
  }
  if (branches.length === 0) throw cursor.refuse();
  const otherwise = cursor.accept("ELSE") ? parseExpression(cursor) : undefined;
  cursor.expect("END");
  return { kind: "case", subject, branches, otherwise };
}

function parseColumn(cursor: Cursor): Expression {
  const line = cursor.line;
  const path = [cursor.name()];
  while (path.length < 3 && cursor.accept(".")) path.push(cursor.name());
  return { kind: "column", path, line };
}

/** A type; `length` is what T-SQL takes where none is written: 30 in CAST, 1 in a declaration. */
export function parseType(cursor: Cursor, length: number): SqlType {
  const name = cursor.name().toLowerCase();
  switch (name) {
    case "bit":
    case "int":
    case "bigint":
    case "uniqueidentifier":
    case "datetime":
      return { name };
    case "sysname":
      return { name: "nvarchar", length: 128 };
    case "datetime2": {
      const scale = parseLength(cursor, 7);
      if (scale < 0 || scale > 7) throw cursor.refuse();
      return { name, scale };
    }
    case "nvarchar":
    case "varbinary": {
      const given = parseLength(cursor, length);
      if (given === 0 || given > (name === "nvarchar" ? 4000 : 8000)) throw cursor.refuse();
      return { name, length: given };
    }
    default:
      throw cursor.refuse();
  }
}

function parseLength(cursor: Cursor, missing: number): number {
  if (!cursor.accept("(")) return missing;
  const length = cursor.accept("MAX") ? -1 : cursor.integer();
  cursor.expect(")");
  return length;
}
