// Rows in the order of an integer column: what a clustered key gives a server, so that a range of a million rows is not read from its
// beginning each time. Most rows come at the end and go from the front; it never changes a row.
import type { SqlValue } from "../session.ts";
import type { Row } from "./table.ts";

/** Above and up to; undefined: no end there. */
export interface Range {
  readonly above: number | bigint | undefined;
  readonly upTo: number | bigint | undefined;
}

const numberOf = (value: SqlValue | undefined): number | bigint => (typeof value === "bigint" ? value : Number(value));

/** The rows that went are passed over until they are half of all. */
const fewest = 16;

export class Rising {
  readonly #column: number;
  readonly #gone = new Set<Row>();
  #rows: Row[] = [];
  #isSorted = true;

  constructor(column: number) {
    this.#column = column;
  }

  add(row: Row): void {
    if (this.#gone.delete(row)) return; // taken out, and put back by an undo
    const last = this.#rows.at(-1);
    if (last !== undefined && this.#valueOf(row) < this.#valueOf(last)) this.#isSorted = false;
    this.#rows.push(row);
  }

  remove(row: Row): void {
    this.#gone.add(row);
    if (this.#gone.size < fewest || this.#gone.size * 2 < this.#rows.length) return;
    this.#rows = this.#rows.filter((one) => !this.#gone.has(one));
    this.#gone.clear();
  }

  *within({ above, upTo }: Range): Generator<Row> {
    if (!this.#isSorted) {
      this.#rows.sort((a, b) => (this.#valueOf(a) < this.#valueOf(b) ? -1 : 1));
      this.#isSorted = true;
    }
    const rows = this.#rows; // a removal makes another list
    for (let at = above === undefined ? 0 : this.#firstAbove(above); at < rows.length; at += 1) {
      const row = rows[at];
      if (row === undefined || (upTo !== undefined && this.#valueOf(row) > upTo)) return;
      if (!this.#gone.has(row)) yield row;
    }
  }

  #valueOf(row: Row): number | bigint {
    return numberOf(row[this.#column]);
  }

  #firstAbove(above: number | bigint): number {
    let low = 0;
    let high = this.#rows.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const row = this.#rows[middle];
      if (row !== undefined && this.#valueOf(row) <= above) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
