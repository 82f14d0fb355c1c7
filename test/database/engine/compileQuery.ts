// SELECT to a function that makes rows: joins, grouping, TOP, DISTINCT, UNION ALL and ORDER BY. Rows without ORDER BY come shuffled.
import type { SqlValue } from "../session.ts";
import { compileCondition } from "./compileCondition.ts";
import { asType, compileExpression, groupKey, meet, meetCollations } from "./compileExpression.ts";
import { shuffle } from "./compiled.ts";
import type { Compiled, CompiledQuery, Frame, OutputColumn } from "./compiled.ts";
import { at, notInGrammar, sqlErrors } from "./errors.ts";
import { groupRows } from "./grouping.ts";
import { compileJoin } from "./joinPlan.ts";
import type { Join } from "./joinPlan.ts";
import { columnOf, newScope } from "./scope.ts";
import type { Aggregate, Binding, Scope } from "./scope.ts";
import type { Expression, OrderItem, Query, Select, SelectItem } from "./syntax.ts";
import type { Row } from "./table.ts";
import { bigint, compare, convert, keyOf } from "./types.ts";

interface Item {
  readonly name: string;
  readonly compiled: Compiled;
}
interface Sort {
  readonly compiled: Compiled;
  readonly descending: boolean;
}
interface CompiledSelect {
  readonly items: readonly Item[];
  readonly run: (frame: Frame) => readonly Row[];
  readonly exists: (frame: Frame) => boolean;
}

export function compileQuery(query: Query, binding: Binding, parent: Scope | undefined): CompiledQuery {
  const own = new Set<number>();
  const { result, slots } = binding.tracking(() => {
    const single = query.selects.length === 1;
    const selects = query.selects.map((select) => compileSelect(select, single ? query.orderBy : [], newScope(binding, parent), own));
    return single ? fromSelect(at(selects, 0), binding) : union(query, selects, binding);
  });
  for (const slot of own) binding.touched.delete(slot); // the query around knows nothing of them
  return { ...result, outer: new Set([...slots].filter((slot) => !own.has(slot))) };
}

type Made = Omit<CompiledQuery, "outer">;

const outputOf = ({ name, compiled }: Item, binding: Binding): OutputColumn => ({
  name,
  type: compiled.type,
  nullable: compiled.nullable,
  collation: compiled.type.name === "nvarchar" ? (compiled.collated?.collation ?? binding.database.collation) : undefined,
});

const fromSelect = ({ items, run, exists }: CompiledSelect, binding: Binding): Made => ({
  columns: items.map((item) => outputOf(item, binding)),
  run,
  exists,
});

function union(query: Query, selects: readonly CompiledSelect[], binding: Binding): Made {
  const first = at(selects, 0);
  if (selects.some((select) => select.items.length !== first.items.length)) throw sqlErrors.unionWidth(query.line);
  const columns = first.items.map((item, i) => {
    const parts = selects.map((select) => at(select.items, i).compiled);
    const { type } = meet(parts);
    const collated = meetCollations(parts, "UNION ALL");
    return outputOf(
      {
        name: item.name,
        compiled: {
          ...item.compiled,
          type,
          nullable: parts.some((part) => part.nullable),
          ...(collated === undefined ? {} : { collated }),
        },
      },
      binding,
    );
  });
  const converters = selects.map((select) => select.items.map((item, i) => cellConverter(item.compiled, at(columns, i))));
  const order = query.orderBy.map(({ by, descending }) => {
    const name = by.kind === "column" && by.path.length === 1 ? at(by.path, 0) : undefined;
    const index = columns.findIndex((column) => name !== undefined && binding.database.key(column.name) === binding.database.key(name));
    if (index < 0) throw notInGrammar("ORDER BY of a UNION by what is no column of its first SELECT", query.line);
    return { index, descending, collation: at(columns, index).collation };
  });
  const run = (frame: Frame): readonly Row[] => {
    const rows = selects.flatMap((select, s) => select.run(frame).map((row) => row.map((value, i) => at(at(converters, s), i)(value))));
    shuffle(rows, frame.session.server.options.random);
    if (order.length === 0) return rows;
    return rows.sort((a, b) => {
      for (const { index, descending, collation } of order) {
        const result = compareNullsFirst(a[index] ?? null, b[index] ?? null, collation);
        if (result !== 0) return descending ? -result : result;
      }
      return 0;
    });
  };
  return { columns, run, exists: (frame) => selects.some((select) => select.exists(frame)) };
}

function cellConverter(from: Compiled, to: OutputColumn): (value: SqlValue) => SqlValue {
  return (value) => (value === null ? null : from.type.name === to.type.name ? value : convert(value, from.type, to.type));
}

function compareNullsFirst(left: SqlValue, right: SqlValue, collation: OutputColumn["collation"]): number {
  if (left === null || right === null) return left === right ? 0 : left === null ? -1 : 1;
  return compare(left, right, collation);
}

const hasAggregate = (node: unknown): boolean => {
  if (typeof node !== "object" || node === null || node instanceof Uint8Array) return false;
  if ("kind" in node && node.kind === "aggregate") return true;
  if ("kind" in node && node.kind === "query") return false;
  return Object.values(node).some(hasAggregate);
};

function compileSelect(select: Select, orderBy: readonly OrderItem[], scope: Scope, own: Set<number>): CompiledSelect {
  const { join, risesBy } = compileJoin(select.from, select.where, scope);
  for (const source of scope.sources) own.add(source.slot);
  const grouped = select.groupBy.length > 0 || select.having !== undefined || hasAggregate([select.items, orderBy]);
  const aggregates: Aggregate[] = [];
  const groupBy = select.groupBy.map((key) => compileExpression(key, scope));
  if (grouped)
    scope.grouping = { keys: new Set(select.groupBy.map(groupKey)), addAggregate: (aggregate) => aggregates.push(aggregate) - 1 };
  const items = select.items.flatMap((item) => compileItem(item, scope));
  const having = select.having === undefined ? undefined : compileCondition(select.having, scope).test;
  const sorts = orderBy.map((order) => compileSort(order, items, select, scope));
  const top = select.top === undefined ? undefined : topOf(compileExpression(select.top, scope));
  const visit: Visit = grouped ? groupRows({ join, groupBy, aggregates, having, database: scope.binding.database }) : join;
  const [sort] = sorts;
  const isInOrder =
    !grouped &&
    risesBy !== undefined &&
    sorts.length === 1 &&
    sort?.descending === false &&
    sort.compiled.column?.slot === risesBy.slot &&
    sort.compiled.column.index === risesBy.index;
  const run = (frame: Frame): readonly Row[] =>
    collect({ visit, items, sorts, distinct: select.distinct, limit: top?.(frame), isInOrder }, frame);
  return { items, run, exists: (frame) => anyRow(visit, frame) };
}
export type Visit = Join;

/** The number of rows of a TOP. */
export function topOf(compiled: Compiled): (frame: Frame) => number {
  const { evaluate } = asType(compiled, bigint);
  return (frame) => {
    const limit = evaluate(frame);
    if (limit === null || Number(limit) < 0) throw sqlErrors.badTop();
    return Number(limit);
  };
}

function anyRow(visit: Visit, frame: Frame): boolean {
  let found = false;
  visit(frame, () => {
    found = true;
    return "stop";
  });
  return found;
}

function compileItem(item: SelectItem, scope: Scope): readonly Item[] {
  if (item.kind === "item") {
    const { value, alias } = item;
    const name = alias ?? (value.kind === "column" ? undefined : "");
    const compiled = compileExpression(value, scope);
    return [{ name: name ?? columnName(value, compiled, scope), compiled }];
  }
  const { database } = scope.binding;
  const { of } = item;
  const sources = scope.sources.filter((source) => of === undefined || database.key(source.alias) === database.key(of));
  if (sources.length === 0) throw notInGrammar(`${of ?? ""}.* without its table`, item.line);
  if (scope.grouping !== undefined) throw notInGrammar("* beside an aggregate", item.line);
  return sources.flatMap((source) => source.columns.map((column, i) => ({ name: column.name, compiled: columnOf(scope, source, i) })));
}

/** A column is called as in its table, not as the query wrote it. */
function columnName(value: Expression, { column }: Compiled, scope: Scope): string {
  const source = scope.sources.find((one) => one.slot === column?.slot);
  const written = value.kind === "column" ? (value.path.at(-1) ?? "") : "";
  return source?.columns[column?.index ?? -1]?.name ?? written;
}

function compileSort({ by, descending }: OrderItem, items: readonly Item[], select: Select, scope: Scope): Sort {
  if (by.kind === "literal") throw notInGrammar("ORDER BY a position", select.line);
  const { database } = scope.binding;
  const name = by.kind === "column" && by.path.length === 1 ? at(by.path, 0) : undefined;
  const aliased = name === undefined ? undefined : items.find((item) => database.key(item.name) === database.key(name));
  return { compiled: aliased?.compiled ?? compileExpression(by, scope), descending };
}

interface Collection {
  readonly visit: Visit;
  readonly items: readonly Item[];
  readonly sorts: readonly Sort[];
  readonly distinct: boolean;
  readonly limit: number | undefined;
  /** The rows are visited in the order that `sorts` asks for: the first ones are those that are wanted. */
  readonly isInOrder: boolean;
}

function collect({ visit, items, sorts, distinct, limit, isInOrder }: Collection, frame: Frame): readonly Row[] {
  const rows: { readonly row: Row; readonly keys: Row }[] = [];
  const seen = new Set<string>();
  visit(frame, () => {
    const row = items.map((item) => item.compiled.evaluate(frame));
    if (distinct && !isNew(seen, row, items)) return "on";
    rows.push({ row, keys: sorts.map((sort) => sort.compiled.evaluate(frame)) });
    return isInOrder && limit !== undefined && rows.length >= limit ? "stop" : "on";
  });
  shuffle(rows, frame.session.server.options.random);
  if (sorts.length > 0) {
    rows.sort((a, b) => {
      for (let i = 0; i < sorts.length; i++) {
        const sort = at(sorts, i);
        const order = compareNullsFirst(
          a.keys[i] ?? null,
          b.keys[i] ?? null,
          sort.compiled.type.name === "nvarchar" ? (sort.compiled.collated?.collation ?? frame.session.database.collation) : undefined,
        );
        if (order !== 0) return sort.descending ? -order : order;
      }
      return 0;
    });
  }
  return rows.slice(0, limit).map(({ row }) => row);
}

function isNew(seen: Set<string>, row: Row, items: readonly Item[]): boolean {
  const key = row.map((value, i) => keyOf(value, at(items, i).compiled.collated?.collation)).join("\u0001");
  if (seen.has(key)) return false;
  seen.add(key);
  return true;
}
