// What the compiler makes: closures over a frame. A frame is one running statement; each source of rows has a slot in it, so a
// correlated subquery simply reads the slots of the query around it.
import type { SqlType, SqlValue, Ticks } from "../session.ts";
import type { Collation } from "./collation.ts";
import type { Database, Login, Principal, Server } from "./model.ts";
import type { SqlError } from "./errors.ts";
import type { Row, RowSource, Table } from "./table.ts";

/** What functions and system views may know of the session. */
export interface SessionView {
  readonly server: Server;
  readonly id: number;
  readonly login: Login;
  readonly database: Database;
  readonly principal: Principal;
  readonly hostName: string;
  readonly applicationName: string;
  readonly variables: Map<string, SqlValue>;
  readonly rowCount: number;
  readonly lastError: number;
  readonly transactionCount: number;
  readonly transactionState: -1 | 0 | 1;
  readonly lockTimeoutMs: number;
  readonly scopeIdentity: bigint | null;
  readonly caught: SqlError | undefined;
}

export interface Frame {
  readonly session: SessionView;
  readonly now: Ticks;
  readonly source: (table: Table) => RowSource;
  /** What is the same for the whole statement: uncorrelated subqueries. */
  readonly memo: Map<object, unknown>;
  rows: (Row | undefined)[];
  aggregates: readonly SqlValue[];
}

export interface Collated {
  readonly collation: Collation;
  readonly strength: "coercible" | "implicit" | "explicit";
}

export interface Compiled {
  readonly type: SqlType;
  readonly nullable: boolean;
  readonly collated?: Collated; // of text
  readonly column?: { readonly slot: number; readonly index: number };
  readonly evaluate: (frame: Frame) => SqlValue;
}

/** Three-valued: null is unknown. */
export type Test = (frame: Frame) => boolean | null;

export interface OutputColumn {
  readonly name: string;
  readonly type: SqlType;
  readonly nullable: boolean;
  readonly collation: Collation | undefined;
}

export interface CompiledQuery {
  readonly columns: readonly OutputColumn[];
  readonly run: (frame: Frame) => readonly Row[];
  readonly exists: (frame: Frame) => boolean;
  /** Slots of queries around it that it reads. */
  readonly outer: ReadonlySet<number>;
}

export function remember<T>(frame: Frame, key: object, make: () => T): T {
  const known = frame.memo.get(key) as { readonly value: T } | undefined;
  if (known !== undefined) return known.value;
  const value = make();
  frame.memo.set(key, { value });
  return value;
}

/** In no order, so that nobody relies on one. */
export function shuffle<T>(list: T[], random: () => number): T[] {
  for (let i = list.length - 1; i > 0; i--) {
    const other = Math.floor(random() * (i + 1));
    const [a, b] = [list[i], list[other]];
    if (a !== undefined && b !== undefined) [list[i], list[other]] = [b, a];
  }
  return list;
}
