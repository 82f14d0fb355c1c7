// Unique indexes and foreign keys: what refuses a row. NULLs are equal to each other in a unique index, and refer to nothing.
import type { SqlType, SqlValue } from "../session.ts";
import { at, sqlErrors } from "./errors.ts";
import type { Database } from "./model.ts";
import { keyOfColumns } from "./table.ts";
import type { ForeignKey, Index, Row, Table } from "./table.ts";
import type { Transaction } from "./transaction.ts";
import { toText } from "./types.ts";

const isEmpty = (rows: Iterable<Row>): boolean => rows[Symbol.iterator]().next().done === true;

export const objectName = (table: Table): string => `${table.schema}.${table.name}`;

export function putUnique(transaction: Transaction, table: Table, row: Row): void {
  for (const index of table.indexes) if (index.unique) refuseDuplicate(index, table, row);
  transaction.put(table, row);
}

function refuseDuplicate(index: Index, table: Table, row: Row): void {
  if (isEmpty(table.find(index.columns, keyOfColumns(row, index.columns, table.columns)))) return;
  const values = keyText(index, table, row);
  if (index.kind === "index") throw sqlErrors.duplicateIndex(index.name, objectName(table), values);
  throw sqlErrors.duplicateConstraint(index.kind === "primaryKey" ? "PRIMARY KEY" : "UNIQUE KEY", index.name, objectName(table), values);
}

export const keyText = (index: Index, table: Table, row: Row): string =>
  index.columns.map((column) => valueText(row[column] ?? null, at(table.columns, column).type)).join(", ");

function valueText(value: SqlValue, type: SqlType): string {
  if (value === null) return "<NULL>";
  const text = toText(value, type, 1);
  return type.name === "uniqueidentifier" ? text.toLowerCase() : text;
}

export interface Written {
  readonly verb: "INSERT" | "UPDATE" | "DELETE";
  readonly database: Database;
  readonly table: Table;
  readonly taken: readonly Row[];
  readonly put: readonly Row[];
}

/** Checked when the whole statement has written. */
export function checkForeignKeys(change: Written): void {
  const { verb, database, table, taken, put } = change;
  for (const key of table.foreignKeys) {
    if (key.disabled) continue;
    const orphan = put.find((row) => isOrphan(key, row));
    if (orphan !== undefined) throw conflict(verb, database, key, "FOREIGN KEY");
  }
  for (const key of table.referencedBy) {
    if (key.disabled) continue;
    if (taken.some((row) => leavesOrphans(key, row))) throw conflict(verb, database, key, "REFERENCE");
  }
}

export function isOrphan(key: ForeignKey, row: Row): boolean {
  const values = key.columns.map((column) => row[column] ?? null);
  if (values.includes(null)) return false;
  const asParent: SqlValue[] = [];
  for (const [i, referenced] of key.referenced.entries()) asParent[referenced] = values[i] ?? null;
  return isEmpty(key.parent.find(key.referenced, keyOfColumns(asParent, key.referenced, key.parent.columns)));
}

function leavesOrphans(key: ForeignKey, row: Row): boolean {
  if (!isEmpty(key.parent.find(key.referenced, keyOfColumns(row, key.referenced, key.parent.columns)))) return false;
  const asChild: SqlValue[] = [];
  for (const [i, column] of key.columns.entries()) asChild[column] = row[at(key.referenced, i)] ?? null;
  return !isEmpty(key.child.find(key.columns, keyOfColumns(asChild, key.columns, key.child.columns)));
}

/** The message names the other table: the parent for a missing one, the child for one left behind. */
export function conflict(verb: string, database: Database, key: ForeignKey, kind: "FOREIGN KEY" | "REFERENCE") {
  const [table, columns] = kind === "FOREIGN KEY" ? [key.parent, key.referenced] : [key.child, key.columns];
  const column = columns.length === 1 ? at(table.columns, at(columns, 0)).name : undefined;
  const sameTable = kind === "FOREIGN KEY" ? "FOREIGN KEY SAME TABLE" : "SAME TABLE REFERENCE";
  return sqlErrors.foreignKey(verb, key.parent === key.child ? sameTable : kind, key.name, database.name, objectName(table), column);
}
