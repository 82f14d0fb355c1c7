// A table as it was before a transaction that is still open: the table, without what was put in, with what was taken out. It copies no rows.
import type { Range } from "./rising.ts";
import { keyOfColumns } from "./table.ts";
import type { Row, RowSource, Table } from "./table.ts";

export class Before implements RowSource {
  readonly #table: Table;
  readonly #taken: ReadonlySet<Row>;
  readonly #put: ReadonlySet<Row>;

  /** `taken` and `put`: what the transaction has changed on the whole. */
  constructor(table: Table, { taken, put }: { readonly taken: ReadonlySet<Row>; readonly put: ReadonlySet<Row> }) {
    this.#table = table;
    this.#taken = taken;
    this.#put = put;
  }
  get size(): number {
    return this.#table.size - this.#put.size + this.#taken.size;
  }
  *all(): Generator<Row> {
    for (const row of this.#table.all()) if (!this.#put.has(row)) yield row;
    yield* this.#taken;
  }
  *find(columns: readonly number[], key: string): Generator<Row> {
    for (const row of this.#table.find(columns, key)) if (!this.#put.has(row)) yield row;
    yield* this.#takenWith(columns, key);
  }
  *findRising(columns: readonly number[], key: string, by: number, range: Range): Generator<Row> {
    const valueOf = (row: Row): number | bigint => row[by] as number | bigint;
    const taken = this.#takenWith(columns, key)
      .filter(
        (row) => (range.above === undefined || valueOf(row) > range.above) && (range.upTo === undefined || valueOf(row) <= range.upTo),
      )
      .sort((a, b) => (valueOf(a) < valueOf(b) ? -1 : 1));
    let next = 0;
    for (const row of this.#table.findRising(columns, key, by, range)) {
      for (let first = taken[next]; first !== undefined && valueOf(first) < valueOf(row); first = taken[next]) {
        next += 1;
        yield first;
      }
      if (!this.#put.has(row)) yield row;
    }
    yield* taken.slice(next);
  }
  #takenWith(columns: readonly number[], key: string): Row[] {
    return [...this.#taken].filter((row) => keyOfColumns(row, columns, this.#table.columns) === key);
  }
}
