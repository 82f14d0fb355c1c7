// The database under test as a server for the contract, and what it is known not to do: each with the reason that test/database/GRAMMAR.md
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
