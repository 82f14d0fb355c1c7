// Sessions to the database under test for the tests of our own texts and grants: the contract's session, opened by the fixture's settings.
import { afterAll } from "@jest/globals";
import { asksRealServer } from "../database/database.ts";
import type { Credentials, TestDatabase } from "../database/database.ts";
import { LoginRefused, openSession, type Reply, type Session } from "./session.ts";

export { bit, guid, int, name, type Value } from "./session.ts";
export type { Reply };
export type Connection = Session;

export const connect = async (database: TestDatabase, credentials?: Credentials): Promise<Connection> =>
  await openSession(database.config(credentials));

/** The numbers of a login's refusal; none where it was let in. */
export async function refusedLogin(database: TestDatabase, credentials: Credentials): Promise<readonly number[]> {
  try {
    await (await connect(database, credentials)).close();
  } catch (error) {
    if (error instanceof LoginRefused) return error.numbers;
    throw error;
  }
  return [];
}

/** Rows with the text in these columns in lower case: some servers fold the case of names in their catalogues. */
export const folded = (rows: Reply["sets"][number] | undefined, ...columns: readonly string[]): Reply["sets"][number] =>
  (rows ?? []).map((row) => ({
    ...row,
    ...Object.fromEntries(columns.flatMap((column) => (typeof row[column] === "string" ? [[column, row[column].toLowerCase()]] : []))),
  }));

/** Each file of the contract says at its end which server it was. */
export function reportServer(): void {
  afterAll(() => {
    process.stderr.write(
      `contract: asked ${asksRealServer() ? "the server of MSSQL_URL" : "the database under test, no real SQL Server (MSSQL_URL is not set)"}\n`,
    );
  });
}
