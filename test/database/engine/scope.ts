// Which name means what: the sources of a query, the queries around it, and what a statement needs (tables, columns, locks).
import type { SqlType } from "../session.ts";
import type { Collation } from "./collation.ts";
import type { Compiled, Frame, OutputColumn } from "./compiled.ts";
import { sqlErrors } from "./errors.ts";
import type { Database } from "./model.ts";
import type { ColumnShape, RowSource, Table } from "./table.ts";
import type { ObjectName } from "./syntax.ts";
import { written } from "./syntax.ts";
import { findSystemView } from "./views.ts";

export interface Need {
  readonly permission: "SELECT" | "INSERT" | "UPDATE" | "DELETE";
  readonly table: Table;
  readonly columns: Set<number>; // ids; empty: the table as such
  onlyTarget: boolean; // of an UPDATE or DELETE: read only where one of its columns is
}

/** What a statement takes: nothing; a read that waits for no one, for writers, or keeps others out; a write. */
export type LockNeed = "none" | "dirtyRead" | "read" | "blockedRead" | "keptRead" | "write";
const lockOrder: readonly LockNeed[] = ["none", "dirtyRead", "read", "blockedRead", "keptRead", "write"];

/** What is gathered while one statement is compiled. */
export class Binding {
  readonly database: Database;
  readonly variables: ReadonlyMap<string, SqlType>;
  readonly needs: Need[] = [];
  lock: LockNeed = "none";
  touched = new Set<number>();
  #slots = 0;
  constructor(database: Database, variables: ReadonlyMap<string, SqlType>) {
    this.database = database;
    this.variables = variables;
  }
  newSlot(): number {
    return this.#slots++;
  }
  takes(lock: LockNeed): void {
    if (lockOrder.indexOf(lock) > lockOrder.indexOf(this.lock)) this.lock = lock;
  }
  need(permission: Need["permission"], table: Table): Need {
    const known = this.needs.find((need) => need.permission === permission && need.table === table);
    if (known !== undefined) return known;
    const need: Need = { permission, table, columns: new Set(), onlyTarget: false };
    this.needs.push(need);
    return need;
  }
  /** Runs `compile` and says which slots it read. */
  tracking<T>(compile: () => T): { readonly result: T; readonly slots: ReadonlySet<number> } {
    const around = this.touched;
    this.touched = new Set();
    try {
      const result = compile();
      return { result, slots: this.touched };
    } finally {
      for (const slot of this.touched) around.add(slot);
      this.touched = around;
    }
  }
}

export interface Source {
  readonly alias: string;
  readonly schema: string | undefined; // of a table without an alias: dbo.t.c is a name too
  readonly slot: number;
  readonly columns: readonly ColumnShape[];
  readonly table: Table | undefined;
  readonly need: Need | undefined;
  readonly rows: (frame: Frame) => RowSource;
}

export interface Scope {
  readonly binding: Binding;
  readonly parent: Scope | undefined;
  readonly sources: Source[];
  grouping: Grouping | undefined;
}
export interface Grouping {
  /** The texts of the expressions after GROUP BY. */
  readonly keys: ReadonlySet<string>;
  readonly addAggregate: (aggregate: Aggregate) => number;
}
export interface Aggregate {
  readonly name: "COUNT" | "MIN" | "MAX" | "SUM";
  readonly operand: Compiled | undefined;
  readonly distinct: boolean;
}

export const newScope = (binding: Binding, parent: Scope | undefined): Scope => ({ binding, parent, sources: [], grouping: undefined });

export function resolveColumn(scope: Scope, path: readonly string[], line: number): Compiled {
  for (let at: Scope | undefined = scope; at !== undefined; at = at.parent) {
    const found = findInSources(at, path, line);
    if (found !== undefined) return found;
  }
  const name = path.join(".");
  const known = path.length === 1 || hasAlias(scope, path);
  throw known ? sqlErrors.invalidColumn(path.at(-1) ?? "", line) : sqlErrors.unboundIdentifier(name, line);
}

function hasAlias(scope: Scope | undefined, path: readonly string[]): boolean {
  return scope !== undefined && (scope.sources.some((source) => isNamed(scope, source, path)) || hasAlias(scope.parent, path));
}

function isNamed({ binding: { database } }: Scope, source: Source, path: readonly string[]): boolean {
  if (path.length === 1) return true;
  const [schema, alias] = path.length === 3 ? path : [undefined, path[0]];
  if (database.key(alias ?? "") !== database.key(source.alias)) return false;
  return schema === undefined || (source.schema !== undefined && database.key(schema) === database.key(source.schema));
}

function findInSources(scope: Scope, path: readonly string[], line: number): Compiled | undefined {
  const { binding } = scope;
  const key = binding.database.key(path.at(-1) ?? "");
  const found = scope.sources
    .filter((source) => isNamed(scope, source, path))
    .map((source) => ({ source, index: source.columns.findIndex((column) => binding.database.key(column.name) === key) }))
    .filter(({ index }) => index >= 0);
  const [first, second] = found;
  if (second !== undefined) throw sqlErrors.ambiguousColumn(path.join("."), line);
  return first === undefined ? undefined : columnOf(scope, first.source, first.index);
}

export function columnOf({ binding }: Scope, source: Source, index: number): Compiled {
  const { slot } = source;
  const shape = source.columns[index];
  if (shape === undefined) throw new Error(`No column ${index} in ${source.alias}`);
  binding.touched.add(slot);
  const id = source.table?.columns[index]?.id;
  if (id !== undefined) source.need?.columns.add(id);
  return {
    type: shape.type,
    nullable: shape.nullable,
    ...(shape.collation === undefined ? {} : { collated: { collation: shape.collation, strength: "implicit" as const } }),
    column: { slot, index },
    evaluate: (frame) => frame.rows[slot]?.[index] ?? null,
  };
}

export const shapeOf = ({ name, type, nullable, collation }: OutputColumn): ColumnShape => ({ name, type, nullable, collation });

/** A table or system view by name, or 208, which SQL Server raises when the statement runs. */
export function openSource(scope: Scope, name: ObjectName, alias: string | undefined): Source {
  const { binding } = scope;
  const slot = binding.newSlot();
  const named = { alias: alias ?? name.name, schema: alias === undefined ? (name.schema ?? "dbo") : undefined, slot };
  if (name.schema === "sys") {
    const view = findSystemView(name.name);
    if (view === undefined) throw sqlErrors.invalidObject(written(name), name.line);
    return { ...named, columns: view.columns, table: undefined, need: undefined, rows: (frame) => view.rows(frame.session) };
  }
  const table = binding.database.findTable(name.schema, name.name);
  if (table === undefined) throw sqlErrors.invalidObject(written(name), name.line);
  return { ...named, columns: table.columns, table, need: undefined, rows: (frame) => frame.source(table) };
}

export function collationOf(compiled: Compiled, database: Database): Collation {
  return compiled.collated?.collation ?? database.collation;
}
