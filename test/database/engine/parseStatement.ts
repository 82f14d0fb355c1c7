// The grammar of a batch: control of flow, transactions, settings and writes; definitions are parsed in their own file.
import { Cursor } from "./cursor.ts";
import { sqlErrors } from "./errors.ts";
import { tokenize } from "./lexer.ts";
import { parseDefinition } from "./parseDefinition.ts";
import { parseCondition, parseExpression, parseType } from "./parseExpression.ts";
import { parseFrom, parseHints, parseQuery, parseTop, parseWhere } from "./parseQuery.ts";
import type { Expression, InsertValue, Isolation, SetOption, Statement, WriteSyntax } from "./syntax.ts";

/** The statements of a batch, or a SqlError of class 15 that quotes what is not in the grammar. */
export function parseBatch(text: string): readonly Statement[] {
  const cursor = new Cursor(text, tokenize(text));
  const statements = parseStatements(cursor, () => cursor.atEnd);
  const lonely = statements.find((statement) => statement.kind === "definition" && statement.definition.kind === "createSchema");
  if (lonely !== undefined && statements.length > 1) throw sqlErrors.firstInBatch("CREATE SCHEMA", lonely.line);
  return statements;
}

function parseStatements(cursor: Cursor, ended: () => boolean): readonly Statement[] {
  const statements: Statement[] = [];
  for (;;) {
    while (cursor.accept(";"));
    if (ended()) return statements;
    statements.push(parseStatement(cursor));
  }
}

function parseStatement(cursor: Cursor): Statement {
  const line = cursor.line;
  const statement = parseSimple(cursor, line);
  if (statement !== undefined) return statement;
  if (cursor.accept("IF")) return parseIf(cursor, line);
  if (cursor.accept("WHILE")) return { kind: "while", condition: parseCondition(cursor), body: parseStatement(cursor), line };
  if (cursor.sees("BEGIN", "TRY")) return parseTry(cursor, line);
  if (cursor.accept("BEGIN", "TRAN") || cursor.accept("BEGIN", "TRANSACTION")) return { kind: "begin", line };
  if (cursor.accept("BEGIN")) {
    const body = parseStatements(cursor, () => cursor.sees("END"));
    if (body.length === 0) throw cursor.refuse();
    cursor.expect("END");
    return { kind: "block", body, line };
  }
  const definition = parseDefinition(cursor);
  if (definition === undefined) throw cursor.refuse();
  return { kind: "definition", definition, line };
}

function parseSimple(cursor: Cursor, line: number): Statement | undefined {
  if (cursor.sees("SELECT")) return parseSelectStatement(cursor, line);
  if (cursor.accept("INSERT")) return { kind: "write", write: parseInsert(cursor, line), line };
  if (cursor.accept("UPDATE")) return { kind: "write", write: parseUpdate(cursor, line), line };
  if (cursor.accept("DELETE")) return { kind: "write", write: parseDelete(cursor, line), line };
  if (cursor.accept("COMMIT")) return endOfTransaction(cursor, "commit", line);
  if (cursor.accept("ROLLBACK")) return endOfTransaction(cursor, "rollback", line);
  if (cursor.accept("SET")) return parseSet(cursor, line);
  if (cursor.accept("DECLARE")) return { kind: "declare", variables: cursor.list(() => parseVariable(cursor)), line };
  if (cursor.accept("USE")) return { kind: "use", database: cursor.name(), line };
  if (cursor.accept("PRINT")) return { kind: "print", message: parseExpression(cursor), line };
  if (cursor.accept("RETURN")) return { kind: "return", line };
  if (cursor.sees("THROW")) return parseThrow(cursor, line);
  if (cursor.accept("RAISERROR", "(")) return parseRaiserror(cursor, line);
  if (cursor.accept("WAITFOR")) {
    cursor.expect("DELAY");
    const parts = /^(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,3}))?)?$/.exec(cursor.peek().text);
    if (parts === null) throw cursor.refuse();
    cursor.string();
    const [hours, minutes, seconds] = [parts[1], parts[2], parts[3] ?? "0"].map(Number) as [number, number, number];
    return { kind: "wait", milliseconds: ((hours * 60 + minutes) * 60 + seconds) * 1000 + Number((parts[4] ?? "0").padEnd(3, "0")), line };
  }
  return undefined;
}

/** SELECT @a = x, @b = y FROM … assigns; the items are kept apart so that both cannot be mixed. */
function parseSelectStatement(cursor: Cursor, line: number): Statement {
  const names: string[] = [];
  if (cursor.peek(1).kind === "variable" && cursor.peek(2).text === "=") {
    cursor.expect("SELECT");
    const items = cursor.list(() => {
      names.push(variableName(cursor));
      cursor.expect("=");
      return { kind: "item", value: parseExpression(cursor), alias: undefined } as const;
    });
    const from = cursor.accept("FROM") ? parseFrom(cursor) : [];
    const select = { top: undefined, distinct: false, items, from, where: parseWhere(cursor), groupBy: [], having: undefined, line };
    return { kind: "select", query: { kind: "query", selects: [select], orderBy: [], line }, assign: names, line };
  }
  return { kind: "select", query: parseQuery(cursor), assign: undefined, line };
}

function endOfTransaction(cursor: Cursor, kind: "commit" | "rollback", line: number): Statement {
  cursor.acceptOne(["TRAN", "TRANSACTION"]);
  return { kind, line };
}

function parseIf(cursor: Cursor, line: number): Statement {
  const condition = parseCondition(cursor);
  const then = parseStatement(cursor);
  if (cursor.sees(";", "ELSE")) cursor.accept(";");
  return { kind: "if", condition, then, otherwise: cursor.accept("ELSE") ? parseStatement(cursor) : undefined, line };
}

function parseTry(cursor: Cursor, line: number): Statement {
  cursor.expect("BEGIN", "TRY");
  const body = parseStatements(cursor, () => cursor.sees("END"));
  cursor.expect("END", "TRY");
  cursor.expect("BEGIN", "CATCH");
  const handler = parseStatements(cursor, () => cursor.sees("END"));
  cursor.expect("END", "CATCH");
  if (body.length === 0) throw cursor.refuse();
  return { kind: "try", body, handler, line };
}

/** THROW is no reserved word: the statement before it must have ended with a semicolon, or it would be read as a name. */
function parseThrow(cursor: Cursor, line: number): Statement {
  const before = cursor.previous();
  if (before !== undefined && before.text !== ";" && before.upper !== "BEGIN" && before.upper !== "CATCH" && before.upper !== "TRY") {
    throw cursor.refuse();
  }
  cursor.expect("THROW");
  if (!["number", "variable"].includes(cursor.peek().kind)) return { kind: "throw", error: undefined, line };
  const number = constant(cursor, "int");
  cursor.expect(",");
  const message = constant(cursor, "nvarchar");
  cursor.expect(",");
  return { kind: "throw", error: { number, message, state: constant(cursor, "int") }, line };
}

function parseRaiserror(cursor: Cursor, line: number): Statement {
  const message = constant(cursor, "nvarchar");
  cursor.expect(",");
  const severity = constant(cursor, "int");
  cursor.expect(",");
  const state = constant(cursor, "int");
  cursor.expect(")");
  return { kind: "raiserror", message, severity, state, line };
}

/** THROW and RAISERROR take a literal or a variable, no expression. */
function constant(cursor: Cursor, type: "int" | "nvarchar"): Expression {
  const expression = parseExpression(cursor);
  const isLiteral = expression.kind === "literal" && expression.value !== null && expression.type.name === type;
  if (!isLiteral && expression.kind !== "variable") throw cursor.refuse();
  return expression;
}

function variableName(cursor: Cursor): string {
  const token = cursor.peek();
  if (token.kind !== "variable" || token.text.startsWith("@@")) throw cursor.refuse();
  return cursor.next().text.toLowerCase();
}

function parseVariable(cursor: Cursor) {
  const name = variableName(cursor);
  cursor.accept("AS");
  const type = parseType(cursor, 1);
  return { name, type, value: cursor.accept("=") ? parseExpression(cursor) : undefined };
}

const ansiOptions = [
  "ANSI_NULLS",
  "ANSI_PADDING",
  "ANSI_WARNINGS",
  "ARITHABORT",
  "CONCAT_NULL_YIELDS_NULL",
  "QUOTED_IDENTIFIER",
  "ANSI_NULL_DFLT_ON",
];
const isolations: readonly Isolation[] = ["READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"];

function parseSet(cursor: Cursor, line: number): Statement {
  if (cursor.peek().kind === "variable") {
    const name = variableName(cursor);
    cursor.expect("=");
    return { kind: "assign", name, value: parseExpression(cursor), line };
  }
  return { kind: "set", options: parseOptions(cursor), line };
}

function parseOptions(cursor: Cursor): readonly SetOption[] {
  if (cursor.accept("LOCK_TIMEOUT")) return [{ name: "LOCK_TIMEOUT", milliseconds: cursor.integer() }];
  if (cursor.accept("DEADLOCK_PRIORITY")) {
    if (cursor.acceptOne(["LOW", "NORMAL", "HIGH"]) === undefined) cursor.integer();
    return [{ name: "DEADLOCK_PRIORITY" }];
  }
  if (cursor.accept("TRANSACTION", "ISOLATION", "LEVEL")) {
    const level = isolations.find((words) => cursor.accept(...words.split(" ")));
    if (level === undefined) throw cursor.refuse();
    return [{ name: "ISOLATION", level }];
  }
  if (cursor.accept("IDENTITY_INSERT")) {
    const table = cursor.objectName();
    return [{ name: "IDENTITY_INSERT", table, on: cursor.expectOne(["ON", "OFF"]) === "ON" }];
  }
  if (cursor.accept("LANGUAGE")) return [{ name: "IGNORED", option: cursor.name() }];
  if (cursor.accept("DATEFORMAT")) return [{ name: "IGNORED", option: cursor.name() }];
  if (cursor.accept("DATEFIRST") || cursor.accept("TEXTSIZE")) return [{ name: "IGNORED", option: String(cursor.integer()) }];
  const names = cursor.list(() =>
    cursor.expectOne(["NOCOUNT", "XACT_ABORT", "IMPLICIT_TRANSACTIONS", "CURSOR_CLOSE_ON_COMMIT", ...ansiOptions]),
  );
  const on = cursor.expectOne(["ON", "OFF"]) === "ON";
  return names.map((name) => {
    if (name === "NOCOUNT" || name === "XACT_ABORT") return { name, on };
    if (on !== ansiOptions.includes(name)) throw cursor.refuse();
    return { name: "IGNORED", option: name };
  });
}

function parseInsertValue(cursor: Cursor): InsertValue {
  return cursor.accept("DEFAULT") ? "default" : parseExpression(cursor);
}

function parseInsert(cursor: Cursor, line: number): WriteSyntax {
  cursor.accept("INTO");
  const into = cursor.objectName();
  const hints = parseHints(cursor);
  const columns = cursor.sees("(") ? cursor.listInBrackets(() => cursor.name()) : undefined;
  if (cursor.sees("SELECT")) return { kind: "insert", into, hints, columns, source: parseQuery(cursor), line };
  cursor.expect("VALUES");
  const rows = cursor.list(() => cursor.listInBrackets(() => parseInsertValue(cursor)));
  if (rows.length > 1000) throw sqlErrors.tooManyRowValues(line);
  return { kind: "insert", into, hints, columns, source: { kind: "rows", rows }, line };
}

function parseUpdate(cursor: Cursor, line: number): WriteSyntax {
  const top = parseTop(cursor);
  const target = cursor.objectName();
  const hints = parseHints(cursor);
  cursor.expect("SET");
  const set = cursor.list(() => {
    const at = cursor.line;
    const column = cursor.objectName();
    cursor.expect("=");
    return { column: column.name, value: parseInsertValue(cursor), line: at };
  });
  const from = cursor.accept("FROM") ? parseFrom(cursor) : [];
  return { kind: "update", target, hints, top, set, from, where: parseWhere(cursor), line };
}

function parseDelete(cursor: Cursor, line: number): WriteSyntax {
  const top: Expression | undefined = parseTop(cursor);
  cursor.accept("FROM");
  const target = cursor.objectName();
  const hints = parseHints(cursor);
  const from = cursor.accept("FROM") ? parseFrom(cursor) : [];
  return { kind: "delete", target, hints, top, from, where: parseWhere(cursor), line };
}
