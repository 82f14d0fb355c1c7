// In which requests the servers to remove travel: all together first, then in ever smaller companies, at last alone and by key. So a
// server with a million bindings soon keeps nobody waiting but itself. Nothing here is needed to go on: without it a drain begins anew.
import { limits, sizes } from "./statements.ts";

/** What the last request left of a server's bindings. */
export interface Drain {
  /** It travels with so many others at most. */
  readonly size: number;
  /** Alone: its bindings up to this TaskID went. 0: begin at the front. */
  readonly after: number;
}

/** Removals that one request takes, or as many as they need of the largest of `sizes`. */
export interface Company<Row> {
  readonly rows: readonly Row[];
  readonly sizes: readonly number[];
  readonly after: number;
}

/** By ServerID; a server that is not in it has not been tried. */
export type Drains = ReadonlyMap<number, Drain>;

/** In the order in which to send them: those that most need least, first. */
export function companiesOf<Row extends { readonly serverID: number }>(rows: readonly Row[], drains: Drains): readonly Company<Row>[] {
  const drainOf = ({ serverID }: Row): Drain => drains.get(serverID) ?? { size: largest, after: 0 };
  const together = [...sizes.remove]
    .reverse()
    .filter((size) => size > 1)
    .map((size) => ({
      rows: rows.filter((row) => drainOf(row).size === size),
      sizes: sizes.remove.filter((one) => one <= size),
      after: 0,
    }));
  const alone = rows.filter((row) => drainOf(row).size === 1).toSorted((a, b) => Math.sign(drainOf(a).after) - Math.sign(drainOf(b).after));
  return [
    ...together.filter((company) => company.rows.length > 0),
    ...alone.map((row) => ({ rows: [row], sizes: [1], after: drainOf(row).after })),
  ];
}

const largest = Math.max(...sizes.remove);

/** What is known of a server that is still there after its company's request. `reached`: the last TaskID that was looked at. */
export function drainAfter(
  { rows, sizes: ofCompany }: Company<unknown>,
  answer: { readonly bindings: number; readonly reached: number | null },
): Drain {
  if (rows.length > 1) {
    const taken = ofCompany.find((size) => size >= rows.length) ?? Math.max(...ofCompany);
    return { size: ofCompany.filter((size) => size < taken).at(-1) ?? 1, after: 0 };
  }
  // Fewer than a request takes: the end was reached, what is left came in behind and is found from the front.
  return { size: 1, after: answer.bindings < limits.bindings ? 0 : (answer.reached ?? 0) };
}
