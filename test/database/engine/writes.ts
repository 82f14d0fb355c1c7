// INSERT, UPDATE and DELETE: compiled to functions that do all or nothing of a statement. The caller undoes what an error leaves.
import type { SqlType, SqlValue } from "../session.ts";
import { compileExpression } from "./compileExpression.ts";

import { compileQuery, topOf } from "./compileQuery.ts";
import { shuffle } from "./compiled.ts";
import type { Compiled, Frame } from "./compiled.ts";
import { checkForeignKeys, putUnique } from "./constraints.ts";
import { at, sqlErrors } from "./errors.ts";
import { compileJoin } from "./joinPlan.ts";
import type { Join } from "./joinPlan.ts";
import type { Database } from "./model.ts";
import { newScope } from "./scope.ts";
import type { Binding, Scope, Source } from "./scope.ts";
import { written } from "./syntax.ts";
import type { FromItem, InsertValue, ObjectName, WriteSyntax } from "./syntax.ts";
import type { Row, Table, TableColumn } from "./table.ts";
import type { Transaction } from "./transaction.ts";
import { assertConvertible, convert, nullType } from "./types.ts";

export interface WriteContext {
  readonly transaction: Transaction;
  readonly identityInsert: Table | undefined;
}
export interface WriteResult {
  readonly rowCount: number;
  readonly identity?: bigint;
}
export type Write = (frame: Frame, context: WriteContext) => WriteResult;

export function compileWrite(write: WriteSyntax, binding: Binding): Write {
  binding.takes("write");
  switch (write.kind) {
    case "insert":
      return compileInsert(write, binding);
    case "update":
      return compileUpdate(write, binding);
    case "delete":
      return compileDelete(write, binding);
  }
}

function tableNamed(name: ObjectName, { database }: Binding): Table {
  const table = database.findTable(name.schema, name.name);
  if (table === undefined) throw sqlErrors.invalidObject(written(name), name.line);
  return table;
}

function columnNamed(table: Table, name: string, database: Database, line: number): number {
  const index = table.columns.findIndex((column) => database.key(column.name) === database.key(name));
  if (index < 0) throw sqlErrors.invalidColumn(name, line);
  return index;
}

/** A value on its way into a column: converted, and refused where it would be cut. */
export function storing(from: SqlType, column: TableColumn, table: Table, database: Database): (value: SqlValue, frame: Frame) => SqlValue {
  if (from !== nullType) assertConvertible(from, column.type);
  const { type } = column;
  return (value, frame) => {
    if (value === null) return null;
    const unlimited: SqlType = type.name === "nvarchar" || type.name === "varbinary" ? { name: type.name, length: -1 } : type;
    const stored = from.name === type.name && type.name !== "datetime2" ? value : convert(value, from, unlimited);
    if (type.name !== "nvarchar" && type.name !== "varbinary") return stored;
    const fits = type.length < 0 || (stored as string | Uint8Array).length <= type.length;
    if (fits) return stored;
    const cut = (stored as string | Uint8Array).slice(0, type.length);
    if (typeof stored === "string" && stored.slice(type.length).trim() === "") return cut; // blanks too many are dropped in silence
    if (!frame.session.server.options.verboseTruncation) throw sqlErrors.truncatedQuietly();
    const name = `${database.name}.${table.schema}.${table.name}`;
    throw sqlErrors.truncated(name, column.name, typeof cut === "string" ? cut : "");
  };
}

function refuseNulls(row: Row, table: Table, database: Database, verb: string): void {
  for (const [i, column] of table.columns.entries()) {
    if (row[i] === null && !column.nullable) throw sqlErrors.notNull(column.name, `${database.name}.${table.schema}.${table.name}`, verb);
  }
}

function compileDefault(column: TableColumn, scope: Scope): Compiled {
  const value = column.defaultValue?.value ?? { kind: "literal", value: null, type: nullType };
  return compileExpression(value, newScope(scope.binding, undefined));
}

function compileInsert(write: Extract<WriteSyntax, { kind: "insert" }>, binding: Binding): Write {
  const { database } = binding;
  const table = tableNamed(write.into, binding);
  const identity = table.identityColumn;
  const targets =
    write.columns?.map((name) => columnNamed(table, name, database, write.line)) ?? [...table.columns.keys()].filter((i) => i !== identity);
  const need = binding.need("INSERT", table);
  if (write.columns !== undefined) for (const target of targets) need.columns.add(at(table.columns, target).id);
  const scope = newScope(binding, undefined);
  const defaults = table.columns.map((column, i) => ({
    store: storing(compileDefault(column, scope).type, column, table, database),
    value: compileDefault(column, scope),
    given: targets.indexOf(i),
  }));
  const makeRows = write.source.kind === "rows" ? valueRows(write, targets, table, scope) : queryRows(write, targets, table, binding);
  const givesIdentity = targets.includes(identity);
  return (frame, { transaction, identityInsert }) => {
    if (givesIdentity && identityInsert !== table) throw sqlErrors.explicitIdentity(table.name);
    let lastIdentity: bigint | undefined;
    const rows = makeRows(frame).map((given) => {
      const row = defaults.map((column, i) => {
        if (i === identity && !givesIdentity) return null;
        const value = column.given < 0 ? undefined : at(given, column.given);
        return value === undefined || value === "default" ? column.store(column.value.evaluate(frame), frame) : value.stored;
      });
      if (identity >= 0) {
        lastIdentity = nextIdentity(table, identity, row[identity] ?? null);
        row[identity] = convert(lastIdentity, { name: "bigint" }, at(table.columns, identity).type);
      }
      refuseNulls(row, table, database, "INSERT");
      return row;
    });
    for (const row of rows) putUnique(transaction, table, row);
    checkForeignKeys({ verb: "INSERT", database, table, taken: [], put: rows });
    return { rowCount: rows.length, ...(lastIdentity === undefined ? {} : { identity: lastIdentity }) };
  };
}

/** Counts on even when the row is refused later or the transaction is rolled back: that is where gaps come from. */
function nextIdentity(table: Table, index: number, given: SqlValue): bigint {
  const { identity } = at(table.columns, index);
  const increment = identity?.increment ?? 1;
  const value = given === null ? table.nextIdentity : Number(given);
  if (given === null) table.nextIdentity += increment;
  else if (Math.sign(increment) * (value - table.nextIdentity) >= 0) table.nextIdentity = value + increment;
  return BigInt(value);
}

type Given = { readonly stored: SqlValue } | "default";

function valueRows(
  write: Extract<WriteSyntax, { kind: "insert" }>,
  targets: readonly number[],
  table: Table,
  scope: Scope,
): (frame: Frame) => readonly (readonly Given[])[] {
  if (write.source.kind !== "rows") throw new Error("valueRows needs rows");
  const rows = write.source.rows.map((row) => {
    if (row.length !== targets.length) {
      throw write.columns === undefined
        ? sqlErrors.columnCountMismatch(write.line)
        : row.length < targets.length
          ? sqlErrors.fewerValues(write.line)
          : sqlErrors.moreValues(write.line);
    }
    return row.map((value, i) => compileInto(value, at(table.columns, at(targets, i)), table, scope));
  });
  return (frame) => rows.map((row) => row.map((value) => (value === "default" ? value : { stored: value(frame) })));
}

function compileInto(value: InsertValue, column: TableColumn, table: Table, scope: Scope): ((frame: Frame) => SqlValue) | "default" {
  if (value === "default") return value;
  const compiled = compileExpression(value, scope);
  const store = storing(compiled.type, column, table, scope.binding.database);
  return (frame) => store(compiled.evaluate(frame), frame);
}

function queryRows(
  write: Extract<WriteSyntax, { kind: "insert" }>,
  targets: readonly number[],
  table: Table,
  binding: Binding,
): (frame: Frame) => readonly (readonly Given[])[] {
  if (write.source.kind !== "query") throw new Error("queryRows needs a query");
  const query = compileQuery(write.source, binding, undefined);
  if (query.columns.length < targets.length) throw sqlErrors.fewerSelected(write.line);
  if (query.columns.length > targets.length) throw sqlErrors.moreSelected(write.line);
  const stores = query.columns.map((column, i) => storing(column.type, at(table.columns, at(targets, i)), table, binding.database));
  return (frame) => query.run(frame).map((row) => row.map((value, i) => ({ stored: at(stores, i)(value, frame) })));
}

interface Target {
  readonly source: Source;
  readonly table: Table;
  readonly join: Join;
}

/** The target is a source of FROM, by alias or by name, or the only source. */
function compileTarget(write: Exclude<WriteSyntax, { kind: "insert" }>, scope: Scope): Target {
  const { binding } = scope;
  const { database } = binding;
  const alone: FromItem = {
    source: { kind: "table", name: write.target, alias: undefined, hints: write.hints },
    join: "inner",
    on: undefined,
  };
  const { join } = compileJoin(write.from.length === 0 ? [alone] : write.from, write.where, scope);
  const key = database.key(write.target.name);
  const named = database.findTable(write.target.schema, write.target.name);
  const source =
    scope.sources.find((one) => write.target.schema === undefined && database.key(one.alias) === key) ??
    scope.sources.find((one) => one.table !== undefined && one.table === named);
  if (source?.table === undefined) throw sqlErrors.invalidObject(written(write.target), write.line);
  const { table } = source;
  if (source.need !== undefined && scope.sources.filter((one) => one.table === table).length === 1) source.need.onlyTarget = true;
  return { source, table, join };
}

/** TOP takes any rows: so many are looked at that chance has a choice, and never all of a large table. */
const choiceFor = (limit: number): number => 2 * limit + 100;

/** Each row of the target once, however often it was joined; which of its partners is left to chance. */
function matches({ source, join }: Target, limit: number | undefined, frame: Frame, each: () => SqlValue[]): ReadonlyMap<Row, SqlValue[]> {
  const found: [Row, SqlValue[]][] = [];
  const seen = new Set<Row>();
  join(frame, () => {
    const row = frame.rows[source.slot];
    if (row === undefined) return "on";
    found.push([row, each()]);
    if (limit === undefined) return "on";
    return seen.add(row).size >= choiceFor(limit) ? "stop" : "on";
  });
  const distinct = new Map(shuffle(found, frame.session.server.options.random));
  return limit === undefined || distinct.size <= limit ? distinct : new Map([...distinct].slice(0, limit));
}

function compileUpdate(write: Extract<WriteSyntax, { kind: "update" }>, binding: Binding): Write {
  const { database } = binding;
  const scope = newScope(binding, undefined);
  const target = compileTarget(write, scope);
  const { table } = target;
  const need = binding.need("UPDATE", table);
  const top = write.top === undefined ? undefined : topOf(compileExpression(write.top, newScope(binding, undefined)));
  const sets = write.set.map(({ column: name, value, line }) => {
    const index = columnNamed(table, name, database, line);
    const column = at(table.columns, index);
    if (column.identity !== undefined) throw sqlErrors.updateIdentity(column.name, line);
    need.columns.add(column.id);
    const into = compileInto(value, column, table, scope);
    const fallback = compileDefault(column, scope);
    const store = storing(fallback.type, column, table, database);
    return { index, evaluate: into === "default" ? (frame: Frame) => store(fallback.evaluate(frame), frame) : into };
  });
  return (frame, { transaction }) => {
    const found = matches(target, top?.(frame), frame, () => sets.map((set) => set.evaluate(frame)));
    const put: Row[] = [];
    for (const [old, values] of found) {
      const row = [...old];
      for (const [i, set] of sets.entries()) row[set.index] = values[i] ?? null;
      refuseNulls(row, table, database, "UPDATE");
      put.push(row);
    }
    for (const old of found.keys()) transaction.take(table, old);
    for (const row of put) putUnique(transaction, table, row);
    checkForeignKeys({ verb: "UPDATE", database, table, taken: [...found.keys()], put });
    return { rowCount: put.length };
  };
}

function compileDelete(write: Extract<WriteSyntax, { kind: "delete" }>, binding: Binding): Write {
  const scope = newScope(binding, undefined);
  const target = compileTarget(write, scope);
  const { table } = target;
  binding.need("DELETE", table);
  const top = write.top === undefined ? undefined : topOf(compileExpression(write.top, newScope(binding, undefined)));
  return (frame, { transaction }) => {
    const found = matches(target, top?.(frame), frame, () => []);
    for (const row of found.keys()) transaction.take(table, row);
    checkForeignKeys({ verb: "DELETE", database: binding.database, table, taken: [...found.keys()], put: [] });
    return { rowCount: found.size };
  };
}
