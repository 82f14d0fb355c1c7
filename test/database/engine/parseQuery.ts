// The grammar of SELECT: lists, sources, joins, grouping, UNION ALL and ORDER BY.
import type { Cursor } from "./cursor.ts";
import { parseCondition, parseExpression } from "./parseExpression.ts";
import type { Condition, Expression, FromItem, OrderItem, Query, Select, SelectItem, SourceSyntax } from "./syntax.ts";

export function parseQuery(cursor: Cursor): Query {
  const line = cursor.line;
  const selects = [parseSelect(cursor)];
  while (cursor.accept("UNION")) {
    cursor.expect("ALL");
    selects.push(parseSelect(cursor));
  }
  const orderBy = cursor.accept("ORDER") ? parseOrder(cursor) : [];
  return { kind: "query", selects, orderBy, line };
}

function parseOrder(cursor: Cursor): readonly OrderItem[] {
  cursor.expect("BY");
  return cursor.list(() => {
    const by = parseExpression(cursor);
    const descending = cursor.acceptOne(["ASC", "DESC"]) === "DESC";
    return { by, descending };
  });
}

function parseSelect(cursor: Cursor): Select {
  const line = cursor.line;
  cursor.expect("SELECT");
  const distinct = cursor.accept("DISTINCT");
  const top = parseTop(cursor);
  const items = cursor.list(() => parseItem(cursor));
  const from = cursor.accept("FROM") ? parseFrom(cursor) : [];
  const where = parseWhere(cursor);
  let groupBy: readonly Expression[] = [];
  if (cursor.accept("GROUP")) {
    cursor.expect("BY");
    groupBy = cursor.list(() => parseExpression(cursor));
  }
  const having = cursor.accept("HAVING") ? parseCondition(cursor) : undefined;
  return { top, distinct, items, from, where, groupBy, having, line };
}

/** The brackets are asked for everywhere: SELECT alone could do without, and DELETE could not. */
export function parseTop(cursor: Cursor): Expression | undefined {
  if (!cursor.accept("TOP")) return undefined;
  cursor.expect("(");
  const top = parseExpression(cursor);
  cursor.expect(")");
  return top;
}

export const parseWhere = (cursor: Cursor): Condition | undefined => (cursor.accept("WHERE") ? parseCondition(cursor) : undefined);

function parseItem(cursor: Cursor): SelectItem {
  const line = cursor.line;
  if (cursor.accept("*")) return { kind: "star", of: undefined, line };
  if (cursor.seesName && cursor.peek(1).text === "." && cursor.peek(2).kind === "symbol" && cursor.peek(2).text === "*") {
    const of = cursor.name();
    cursor.expect(".", "*");
    return { kind: "star", of, line };
  }
  const value = parseExpression(cursor);
  const alias = cursor.accept("AS") ? cursor.name() : cursor.seesName ? cursor.name() : undefined;
  return { kind: "item", value, alias };
}

export function parseFrom(cursor: Cursor): readonly FromItem[] {
  const items: FromItem[] = [{ source: parseSource(cursor), join: "inner", on: undefined }];
  for (;;) {
    if (cursor.accept(",") || cursor.accept("CROSS", "JOIN")) {
      items.push({ source: parseSource(cursor), join: "inner", on: undefined });
      continue;
    }
    const left = cursor.accept("LEFT");
    if (left) {
      cursor.accept("OUTER");
      cursor.expect("JOIN");
    } else if (!cursor.accept("INNER", "JOIN") && !cursor.accept("JOIN")) return items;
    const source = parseSource(cursor);
    cursor.expect("ON");
    items.push({ source, join: left ? "left" : "inner", on: parseCondition(cursor) });
  }
}

function parseSource(cursor: Cursor): SourceSyntax {
  const line = cursor.line;
  if (cursor.accept("(")) {
    if (cursor.accept("VALUES")) {
      const rows = cursor.list(() => cursor.listInBrackets(() => parseExpression(cursor)));
      if (rows.some((row) => row.length !== rows[0]?.length)) throw cursor.refuse();
      cursor.expect(")");
      return { kind: "values", rows, ...parseAlias(cursor), line };
    }
    const query = parseQuery(cursor);
    cursor.expect(")");
    const { alias, columns } = parseAlias(cursor);
    return { kind: "derived", query, alias, columns, line };
  }
  const name = cursor.objectName();
  const alias = cursor.accept("AS") ? cursor.name() : cursor.seesName ? cursor.name() : undefined;
  return { kind: "table", name, alias, hints: parseHints(cursor) };
}

function parseAlias(cursor: Cursor): { alias: string; columns: readonly string[] } {
  cursor.accept("AS");
  const alias = cursor.name();
  return { alias, columns: cursor.sees("(") ? cursor.listInBrackets(() => cursor.name()) : [] };
}

const hints = `UPDLOCK HOLDLOCK ROWLOCK XLOCK TABLOCK TABLOCKX PAGLOCK NOLOCK READPAST READCOMMITTED READCOMMITTEDLOCK READUNCOMMITTED
  REPEATABLEREAD SERIALIZABLE NOWAIT`.split(/\s+/);

export function parseHints(cursor: Cursor): readonly string[] {
  if (!cursor.accept("WITH")) return [];
  return cursor.listInBrackets(() => cursor.expectOne(hints));
}
