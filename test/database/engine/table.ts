// A table's rows with their equality lookups. Rows are never changed in place: an update takes one out and puts one in, so a set of
// rows taken out and put in is all that undoing and snapshots need.
import type { SqlType, SqlValue } from "../session.ts";
import type { Collation } from "./collation.ts";
import { at } from "./errors.ts";
import { type Range, Rising } from "./rising.ts";
import type { Expression } from "./syntax.ts";
import { keyOf } from "./types.ts";

export type Row = readonly SqlValue[];

export interface ColumnShape {
  readonly name: string;
  readonly type: SqlType;
  readonly collation: Collation | undefined; // of text only
  readonly nullable: boolean;
}

/** Rows that can be asked for by equality: a table as it is, or as it was when last committed, or made by a query. */
export interface RowSource {
  readonly size: number;
  all(): Iterable<Row>;
  find(columns: readonly number[], key: string): Iterable<Row>;
  /** As `find`, in the order of the integers in the column `by`, which are not NULL. */
  findRising(columns: readonly number[], key: string, by: number, range: Range): Iterable<Row>;
}

export const keyOfColumns = (row: Row, columns: readonly number[], shapes: readonly ColumnShape[]): string =>
  columns.length === 1
    ? keyOf(row[at(columns, 0)] ?? null, at(shapes, at(columns, 0)).collation)
    : joinKeys(columns.map((column) => keyOf(row[column] ?? null, at(shapes, column).collation)));
export const joinKeys = (keys: readonly string[]): string => keys.join("\u0001");

type Bucket = Row | Set<Row>;
interface Lookup {
  readonly columns: readonly number[];
  readonly buckets: Map<string, Bucket>;
}

interface RisingLookup {
  readonly columns: readonly number[];
  readonly by: number;
  readonly runs: Map<string, Rising>;
}

/** Lookups come into being when first asked for, and are kept up from then on. */
class Lookups {
  readonly #lookups = new Map<string, Lookup>();
  readonly #rising = new Map<string, RisingLookup>();
  readonly #shapes: readonly ColumnShape[];
  constructor(shapes: readonly ColumnShape[]) {
    this.#shapes = shapes;
  }
  find(rows: Iterable<Row>, columns: readonly number[], key: string): Iterable<Row> {
    const name = columns.join();
    let lookup = this.#lookups.get(name);
    if (lookup === undefined) {
      lookup = { columns, buckets: new Map() };
      this.#lookups.set(name, lookup);
      for (const row of rows) this.#put(lookup, row);
    }
    const bucket = lookup.buckets.get(key);
    return bucket === undefined ? [] : bucket instanceof Set ? bucket : [bucket];
  }
  findRising(rows: Iterable<Row>, { columns, by }: Omit<RisingLookup, "runs">, key: string, range: Range): Iterable<Row> {
    const name = `${columns.join()} ${by}`;
    let lookup = this.#rising.get(name);
    if (lookup === undefined) {
      lookup = { columns, by, runs: new Map() };
      this.#rising.set(name, lookup);
      for (const row of rows) this.#runOf(lookup, row).add(row);
    }
    return lookup.runs.get(key)?.within(range) ?? [];
  }
  add(row: Row): void {
    for (const lookup of this.#lookups.values()) this.#put(lookup, row);
    for (const lookup of this.#rising.values()) this.#runOf(lookup, row).add(row);
  }
  remove(row: Row): void {
    for (const lookup of this.#rising.values()) this.#runOf(lookup, row).remove(row);
    for (const { columns, buckets } of this.#lookups.values()) {
      const key = keyOfColumns(row, columns, this.#shapes);
      const bucket = buckets.get(key);
      if (bucket instanceof Set) bucket.delete(row);
      else buckets.delete(key);
    }
  }
  #runOf({ columns, by, runs }: RisingLookup, row: Row): Rising {
    const key = keyOfColumns(row, columns, this.#shapes);
    const run = runs.get(key) ?? new Rising(by);
    runs.set(key, run);
    return run;
  }
  #put({ columns, buckets }: Lookup, row: Row): void {
    const key = keyOfColumns(row, columns, this.#shapes);
    const bucket = buckets.get(key);
    if (bucket === undefined) buckets.set(key, row);
    else if (bucket instanceof Set) bucket.add(row);
    else buckets.set(key, new Set([bucket, row]));
  }
}

export class FrozenRows implements RowSource {
  readonly #rows: readonly Row[];
  readonly #lookups: Lookups;
  constructor(shapes: readonly ColumnShape[], rows: readonly Row[]) {
    this.#rows = rows;
    this.#lookups = new Lookups(shapes);
  }
  get size(): number {
    return this.#rows.length;
  }
  all(): Iterable<Row> {
    return this.#rows;
  }
  find(columns: readonly number[], key: string): Iterable<Row> {
    return this.#lookups.find(this.#rows, columns, key);
  }
  findRising(columns: readonly number[], key: string, by: number, range: Range): Iterable<Row> {
    return this.#lookups.findRising(this.#rows, { columns, by }, key, range);
  }
}

export interface TableColumn extends ColumnShape {
  readonly id: number;
  readonly identity: { readonly seed: number; readonly increment: number } | undefined;
  readonly defaultValue: { readonly name: string; readonly id: number; readonly value: Expression; readonly text: string } | undefined;
}

export interface Index {
  readonly name: string;
  readonly kind: "primaryKey" | "uniqueConstraint" | "index";
  readonly id: number; // object id of the constraint, or 0
  readonly indexId: number;
  readonly unique: boolean;
  readonly clustered: boolean;
  readonly columns: readonly number[]; // positions in the table
  readonly descending: readonly boolean[];
  readonly include: readonly number[];
}

export interface ForeignKey {
  readonly id: number;
  readonly name: string;
  readonly child: Table;
  readonly columns: readonly number[];
  readonly parent: Table;
  readonly referenced: readonly number[];
  readonly disabled: boolean;
  readonly trusted: boolean;
}

export class Table implements RowSource {
  readonly id: number;
  readonly schema: string;
  readonly name: string;
  columns: readonly TableColumn[] = [];
  indexes: readonly Index[] = [];
  foreignKeys: readonly ForeignKey[] = []; // of which it is the child
  referencedBy: readonly ForeignKey[] = [];
  nextIdentity = 1;
  #rows = new Set<Row>();
  #lookups = new Lookups([]);
  constructor(id: number, schema: string, name: string) {
    this.id = id;
    this.schema = schema;
    this.name = name;
  }
  get size(): number {
    return this.#rows.size;
  }
  all(): Iterable<Row> {
    return this.#rows;
  }
  find(columns: readonly number[], key: string): Iterable<Row> {
    return this.#lookups.find(this.#rows, columns, key);
  }
  findRising(columns: readonly number[], key: string, by: number, range: Range): Iterable<Row> {
    return this.#lookups.findRising(this.#rows, { columns, by }, key, range);
  }
  put(row: Row): void {
    this.#rows.add(row);
    this.#lookups.add(row);
  }
  take(row: Row): void {
    this.#rows.delete(row);
    this.#lookups.remove(row);
  }
  has(row: Row): boolean {
    return this.#rows.has(row);
  }
  /** Other columns, and the rows in their shape; lookups start anew. */
  reshape(columns: readonly TableColumn[], rows: Iterable<Row>): void {
    this.columns = columns;
    this.#rows = new Set(rows);
    this.#lookups = new Lookups(columns);
  }
  get identityColumn(): number {
    return this.columns.findIndex((column) => column.identity !== undefined);
  }
}
