// Writes that the server took without a complaint and that are not there: once, and somebody else was quicker; twice in a row, and something
// in the database undoes them. Then the row is refused like one that the server refuses aloud. It reads and writes nothing.

import type { DatabaseProblem } from "../farm/model.ts";
import { comparable } from "../farm/serverName.ts";
import { refuse } from "./writing.ts";
import type { Pass, RefusedRows } from "./writing.ts";

const undone: DatabaseProblem = {
  kind: "refused",
  reason: "RowRefused",
  message:
    "The server took the write without an error, twice, and the row is as it was. Look for an INSTEAD OF trigger on the table of web farm servers that undoes it; it is tried again every 30 s.",
  stalled: true,
};

export interface WrittenNames {
  readonly tried: readonly string[];
  /** Of these, what is as it was before. */
  readonly unwritten: readonly string[];
}

export function noteUnwritten(pass: Pass, { tried, unwritten }: WrittenNames, refused: RefusedRows): void {
  const { state } = pass;
  const written = new Set(tried.map(comparable));
  const again = unwritten.filter((name) => state.unwritten.has(comparable(name)));
  state.unwritten = new Set([...[...state.unwritten].filter((name) => !written.has(name)), ...unwritten.map(comparable)]);
  for (const name of again) {
    refused.push({ name, problem: undone });
    refuse(pass, name, undone);
  }
}
