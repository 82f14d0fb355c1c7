// The database under test as a server for the contract, and what it is known not to do, each with the reason that test/database/GRAMMAR.md
// gives. Only this file of the contract knows the engine.
import { createEngine, defaultAdminPassword } from "../database/engine/engine.ts";
import type { Faults } from "../database/faults.ts";
import { startDatabaseServer } from "../database/server.ts";

export interface OwnServer {
  readonly url: string;
  readonly faults: Faults;
  readonly stop: () => Promise<void>;
}

export async function startOwnServer(): Promise<OwnServer> {
  const { host, port, faults, close } = await startDatabaseServer({ engine: createEngine() });
  return { url: `mssql://sa:${defaultAdminPassword}@${host}:${port}/?encrypt=false`, faults, stop: close };
}

const coarse = "the database under test has no locks finer than a database (GRAMMAR.md, What is not)";

/** By title. A test says that each still does not hold. */
export const ownGaps: ReadonlyMap<string, string> = new Map([
  ["UPDLOCK on a server's row lets others insert rows that refer to it", coarse],
  ["READPAST with READCOMMITTEDLOCK leaves out the rows that others hold instead of waiting for them", coarse],
  ["A transaction that has deleted 2,000 bindings of one server lets others insert bindings of another", coarse],
  [
    "Of two sessions in a deadlock the one with DEADLOCK_PRIORITY LOW is told 1205, its transaction is gone, its connection usable",
    `${coarse}, so no deadlocks: its fault script makes them`,
  ],
  [
    "A trigger that rolls back ends the batch with 3609, and one that raises an error says its number; the row is not there",
    "the database under test has no triggers (GRAMMAR.md, What is not)",
  ],
  ["sys.columns tells that a column is computed", "the database under test has no computed columns (GRAMMAR.md, What is not)"],
]);
