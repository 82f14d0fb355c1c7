// What a transaction has done, so that it can be undone in part or whole, and what its tables were before it for those who read
// the last committed rows. It neither takes nor frees locks.
import type { Database } from "./model.ts";
import { Before } from "./before.ts";
import type { Row, RowSource, Table } from "./table.ts";

type Change =
  { readonly kind: "put" | "take"; readonly table: Table; readonly row: Row } | { readonly kind: "definition"; readonly undo: () => void };

export class Transaction {
  readonly descriptor: bigint;
  readonly databases = new Set<Database>();
  count: number;
  doomed = false;
  hasDefinitions = false;
  readonly #changes: Change[] = [];
  constructor(descriptor: bigint, count: number) {
    this.descriptor = descriptor;
    this.count = count;
  }

  put(table: Table, row: Row): void {
    table.put(row);
    this.#changes.push({ kind: "put", table, row });
  }
  take(table: Table, row: Row): void {
    table.take(row);
    this.#changes.push({ kind: "take", table, row });
  }
  define(undo: () => void): void {
    this.hasDefinitions = true;
    this.#changes.push({ kind: "definition", undo });
  }

  /** A place to come back to. */
  get mark(): number {
    return this.#changes.length;
  }
  undoTo(mark: number): void {
    while (this.#changes.length > mark) {
      const change = this.#changes.pop();
      if (change === undefined) return;
      if (change.kind === "definition") change.undo();
      else if (change.kind === "put") change.table.take(change.row);
      else change.table.put(change.row);
    }
  }

  /** What it has changed on the whole, by table: a row that it put in and took out again is in neither set. */
  changedRows(): ReadonlyMap<Table, { readonly taken: ReadonlySet<Row>; readonly put: ReadonlySet<Row> }> {
    const changed = new Map<Table, { readonly taken: Set<Row>; readonly put: Set<Row> }>();
    for (const change of this.#changes) {
      if (change.kind === "definition") continue;
      const rows = changed.get(change.table) ?? { taken: new Set<Row>(), put: new Set<Row>() };
      changed.set(change.table, rows);
      const [into, outOf] = change.kind === "put" ? [rows.put, rows.taken] : [rows.taken, rows.put];
      if (!outOf.delete(change.row)) into.add(change.row);
    }
    return changed;
  }

  /** The rows as they were before this transaction. */
  before(table: Table): RowSource {
    const changed = this.changedRows().get(table);
    return changed === undefined ? table : new Before(table, changed);
  }
}
