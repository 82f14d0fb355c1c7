// The parts that texts are made of: the session's settings, quoted names, rows of parameters, values to compare with text. Pure functions;
// no value ever becomes part of a text, and the only names that are not in brackets are those of collations, which are checked.
import type { Shape } from "./shape.ts";
import type { CollationName } from "./tables.ts";

// sp_executesql undoes a SET at its end, so each text brings its own. The lock timeout is shorter than the search for deadlocks
// (5 s) and than our deadline; and the product, not the operator, must win a deadlock.
const prefix =
  "SET NOCOUNT, XACT_ABORT ON; SET DEADLOCK_PRIORITY LOW; SET LOCK_TIMEOUT 1500; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;";

/** Statements as one text, with its session's settings before them. */
export const text = (...statements: readonly string[]): string => [prefix, ...statements].join("\n");

export const quoted = (name: string): string => `[${name.replaceAll("]", "]]")}]`;
export const object = (shape: Shape, table: string): string => `${quoted(shape.schema)}.${quoted(table)}`;

const rowNumbers = (size: number): readonly number[] => Array.from({ length: size }, (_, row) => row);
const parameters = (columns: readonly string[], row: number): string => columns.map((column) => `@${column}${row}`).join(", ");

/** `(VALUES (@n0, @g0), (@n1, @g1)) AS v (n, g)` for the columns n and g and size 2. */
export function values(columns: readonly string[], size: number): string {
  const rows = rowNumbers(size).map((row) => `(${parameters(columns, row)})`);
  return `(VALUES ${rows.join(", ")}) AS v (${columns.join(", ")})`;
}

/** The same with the row's number as its first column, k. */
export function numbered(columns: readonly string[], size: number): string {
  const rows = rowNumbers(size).map((row) => `(${row}, ${parameters(columns, row)})`);
  return `(VALUES ${rows.join(", ")}) AS v (k, ${columns.join(", ")})`;
}

/**
 * A parameter, or a column of `values`, to be compared with a column of text. `own`: the collation of that column where it is not its database's.
 *
 * A parameter alone takes the column's collation. What it has when it comes out of a row of VALUES is not documented: if the database's, then
 * the two do not compare at all (468). A collation that is named wins over both, and an index of the column is sorted by it, so it still serves.
 * https://learn.microsoft.com/sql/t-sql/statements/collation-precedence-transact-sql
 */
export const comparable = (value: string, own: CollationName | undefined): string =>
  own === undefined ? value : `${value} COLLATE ${own}`;
