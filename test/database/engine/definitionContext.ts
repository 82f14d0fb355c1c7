// What all definitions share: the database they change, how a change is undone with its transaction, and names made up for them.
import { sqlErrors } from "./errors.ts";
import type { Database } from "./model.ts";
import type { DefinitionSyntax, Expression } from "./syntax.ts";
import type { Row, Table, TableColumn } from "./table.ts";
import type { Transaction } from "./transaction.ts";

export type TableDefinition = Extract<
  DefinitionSyntax,
  {
    kind:
      | "createSchema"
      | "createTable"
      | "dropTable"
      | "addColumns"
      | "dropColumn"
      | "alterColumn"
      | "addConstraint"
      | "dropConstraint"
      | "switchConstraint"
      | "createIndex"
      | "dropIndex";
  }
>;

export interface DefinitionContext {
  readonly database: Database;
  readonly transaction: Transaction;
  /** The value of a default or a new column for the rows that are there. */
  readonly evaluate: (value: Expression, column: TableColumn, table: Table) => Row[number];
  readonly convert: (value: Row[number], from: TableColumn, to: TableColumn, table: Table) => Row[number];
}

/** Changes something of the database, to be undone with the transaction; compiled statements are compiled anew. */
export function change({ database, transaction }: DefinitionContext, change: () => void, undo: () => void): void {
  change();
  database.schemaVersion++;
  transaction.define(() => {
    undo();
    database.schemaVersion++;
  });
}

export const columnAt = (table: Table, name: string, database: Database): number => {
  const index = table.columns.findIndex((column) => database.key(column.name) === database.key(name));
  if (index < 0) throw sqlErrors.columnMissing(name, table.name);
  return index;
};

export function newName(prefix: string, { database }: DefinitionContext, table: Table): string {
  return `${prefix}__${table.name.slice(0, 20)}__${database.newObjectId().toString(16).toUpperCase().padStart(8, "0")}`;
}

/** Kept as SQL Server keeps it: numbers in two pairs of brackets, all else in one. */
export function defaultText(value: Expression, text: string): string {
  if (value.kind === "literal" && typeof value.value === "number") return `((${value.value}))`;
  return text.startsWith("(") ? text : `(${text})`;
}

export function reshape(table: Table, columns: readonly TableColumn[], rows: readonly Row[], context: DefinitionContext): void {
  const before = { columns: table.columns, rows: [...table.all()] };
  change(
    context,
    () => table.reshape(columns, rows),
    () => table.reshape(before.columns, before.rows),
  );
}
