// Writes of many rows in requests of few sizes: one bad row fails its whole request, so the rows are halved until the culprit is alone.
// Nothing is sent twice but what the server said it had not done.
import type { DatabaseProblem } from "../farm/model.ts";
import type { RecordSet, SentParameter } from "./driver.ts";
import { DatabaseError } from "./errors.ts";
import type { Shape } from "./shape.ts";
import { limits, type Statement } from "./statements.ts";

/** One kind of write: its sizes in rising order, its text, and the parameters of one row (`undefined`: padding) and of the whole. */
export interface Write<Row> {
  readonly sizes: readonly number[];
  readonly statement: (shape: Shape, size: number) => Statement;
  readonly parameters: (row: Row | undefined) => readonly SentParameter[];
  readonly common?: readonly SentParameter[];
}

export interface Refused {
  readonly name: string;
  readonly problem: DatabaseProblem;
}

export type Send = (statement: Statement, parameters: readonly SentParameter[]) => Promise<readonly RecordSet[]>;

/** 8 bad rows among 200 need fewer; a table that refuses everything must not be asked row by row. */
const mostRequests = 100;

/** The answers of the requests that were done, in order. Throws what is not a row's fault; earlier requests are committed then. */
export async function writeRows<Row extends { readonly name: string }>(
  write: Write<Row>,
  shape: Shape,
  rows: readonly Row[],
  send: Send,
): Promise<{ readonly answers: readonly (readonly RecordSet[])[]; readonly refused: readonly Refused[] }> {
  const { fitting, refused } = sifted(rows);
  const answers: (readonly RecordSet[])[] = [];
  const pending = chunks(fitting, write.sizes.at(-1) ?? 1);
  for (let requests = 1; ; requests += 1) {
    const chunk = pending.shift();
    if (chunk === undefined) return { answers, refused };
    try {
      answers.push(await send(write.statement(shape, sizeFor(write.sizes, chunk.length)), padded(write, chunk)));
    } catch (error) {
      if (!(error instanceof DatabaseError) || !isRowsFault(error.problem)) throw error;
      const half = Math.ceil(chunk.length / 2);
      if (chunk.length > 1 && requests < mostRequests) pending.unshift(chunk.slice(0, half), chunk.slice(half));
      else for (const { name } of chunk) refused.push({ name, problem: error.problem });
    }
  }
}

// Whatever the server says against a statement that it answered may be one row's fault: a trigger fails with any number (245, 8134, 50000 …).
// Lost connections, locks, permissions, tables of another shape and full disks are of other kinds.
function isRowsFault(problem: DatabaseProblem): boolean {
  return problem.kind === "refused" && problem.number !== undefined;
}

// A longer name would be cut by its parameter's declaration, and a cut name is another name.
function sifted<Row extends { readonly name: string }>(
  rows: readonly Row[],
): { readonly fitting: readonly Row[]; readonly refused: Refused[] } {
  const isTooLong = ({ name }: Row): boolean => name.length > limits.nameLength;
  const message = `The server's name has more than ${limits.nameLength} characters: the operator does not touch such rows.`;
  const problem = { kind: "refused", reason: "NameTooLong", message, stalled: true } as const;
  return { fitting: rows.filter((row) => !isTooLong(row)), refused: rows.filter(isTooLong).map(({ name }) => ({ name, problem })) };
}

function chunks<Row>(rows: readonly Row[], size: number): (readonly Row[])[] {
  return Array.from({ length: Math.ceil(rows.length / size) }, (_, index) => rows.slice(index * size, (index + 1) * size));
}

/** The smallest size that takes `count` rows. */
export function sizeFor(sizes: readonly number[], count: number): number {
  const size = sizes.find((candidate) => candidate >= count);
  if (size === undefined) throw new Error(`Cannot write ${count} rows in one request: the largest takes ${sizes.at(-1) ?? 0}`);
  return size;
}

/** Parameters of a request: those of each row with its number behind the name, NULL for what is over, then those of the whole. */
export function padded<Row>(write: Pick<Write<Row>, "sizes" | "parameters" | "common">, rows: readonly Row[]): readonly SentParameter[] {
  const size = sizeFor(write.sizes, rows.length);
  const ofRows = Array.from({ length: size }, (_, index) =>
    write.parameters(rows[index]).map((parameter) => ({ ...parameter, name: `${parameter.name}${index}` })),
  );
  return [...ofRows.flat(), ...(write.common ?? [])];
}
