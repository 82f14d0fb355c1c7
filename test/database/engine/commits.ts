// What each commit changed, row by row, for tests that judge a change at its moment and not by what a later look finds. It changes nothing.
import type { SqlValue } from "../session.ts";
import type { Row, Table } from "./table.ts";
import type { Transaction } from "./transaction.ts";

/** A row by its columns' names. */
export type RowView = Readonly<Record<string, SqlValue>>;

/** Of one table. An updated row is in both lists: as it was, and as it is. */
export interface CommittedChange {
  readonly table: string;
  readonly taken: readonly RowView[];
  readonly put: readonly RowView[];
}

/** Called at once when a transaction, or a statement without one, has committed; before its answer is sent. */
export type CommitListener = (change: CommittedChange) => void;

export function tellCommit(transaction: Transaction, listener: CommitListener | undefined): void {
  if (listener === undefined) return;
  for (const [table, { taken, put }] of transaction.changedRows()) {
    if (taken.size === 0 && put.size === 0) continue;
    listener({ table: table.name, taken: [...taken].map((row) => view(table, row)), put: [...put].map((row) => view(table, row)) });
  }
}

const view = (table: Table, row: Row): RowView => Object.fromEntries(table.columns.map(({ name }, index) => [name, row[index] ?? null]));
