// Sessions to the database under test for the tests of our own texts and grants: the contract's session, opened by the fixture's settings.
import { afterAll } from "@jest/globals";
import { asksRealServer } from "../database/database.ts";
import type { Credentials, TestDatabase } from "../database/database.ts";
import { openSession, type Session } from "./session.ts";

export { bit, guid, int, name, type Reply, type Value } from "./session.ts";
export type Connection = Session;

export const connect = async (database: TestDatabase, credentials?: Credentials): Promise<Connection> =>
  await openSession(database.config(credentials));

/** A login refused: what the driver says. */
export async function refusedLogin(database: TestDatabase, credentials: Credentials): Promise<string> {
  try {
    await (await connect(database, credentials)).close();
  } catch (error) {
    return (error as Error).message;
  }
  return "";
}

/** Each file of the contract says at its end which server it was. */
export function reportServer(): void {
  afterAll(() => {
    process.stderr.write(
      `contract: asked ${asksRealServer() ? "the server of MSSQL_URL" : "the database under test, no real SQL Server (MSSQL_URL is not set)"}\n`,
    );
  });
}
