// One connection of the unmodified driver to the database under test, for the contract: a text goes out, rows, counts and error
// numbers come back. It knows nothing of which server answers.
import { afterAll } from "@jest/globals";
import mssql from "mssql";
import { asksRealServer } from "../database/database.ts";
import type { Credentials, TestDatabase } from "../database/database.ts";

export type Value = readonly [type: () => mssql.ISqlType, value: unknown];
export const int = (value: number | null): Value => [() => mssql.Int(), value];
export const name = (value: string | null): Value => [() => mssql.NVarChar(100), value];
export const guid = (value: string | null): Value => [() => mssql.UniqueIdentifier(), value];

export interface Reply {
  readonly sets: readonly (readonly Readonly<Record<string, unknown>>[])[];
  readonly rowsAffected: readonly number[];
  /** Of errors, in order; empty where it went well. */
  readonly errors: readonly number[];
  readonly message: string;
}

export interface Connection {
  /** A batch, or sp_executesql where parameters are given. */
  ask(text: string, parameters?: Readonly<Record<string, Value>>): Promise<Reply>;
  /** The first row of the last set. */
  row(text: string): Promise<Readonly<Record<string, unknown>> | undefined>;
  /** The first column of the last set. */
  column(text: string): Promise<readonly unknown[]>;
  close(): Promise<void>;
}

/** A pool of one: every text goes over the same session. */
export async function connect(database: TestDatabase, credentials?: Credentials): Promise<Connection> {
  const config = { ...database.config(credentials), pool: { min: 1, max: 1 }, validateConnection: "socket" as const };
  const pool = new mssql.ConnectionPool(config);
  pool.on("error", () => undefined); // the next text says so too
  await pool.connect();
  const ask: Connection["ask"] = async (text, parameters) => {
    const request = pool.request();
    for (const [key, [type, value]] of Object.entries(parameters ?? {})) request.input(key, type(), value);
    try {
      const { recordsets, rowsAffected } = await (parameters === undefined ? request.batch(text) : request.query(text));
      return { sets: recordsets as unknown as Reply["sets"], rowsAffected, errors: [], message: "" };
    } catch (error) {
      return { sets: [], rowsAffected: [], errors: numbersOf(error), message: (error as Error).message };
    }
  };
  const last = async (text: string) => {
    const reply = await ask(text);
    if (reply.errors.length > 0) throw new Error(`Cannot run ${text}: ${reply.message}`);
    return reply.sets.at(-1) ?? [];
  };
  return {
    ask,
    row: async (text) => (await last(text))[0],
    column: async (text) => (await last(text)).map((row) => Object.values(row)[0]),
    close: async () => await pool.close(),
  };
}

function numbersOf(error: unknown): readonly number[] {
  if (!(error instanceof mssql.RequestError)) throw error;
  const before = (error as { readonly precedingErrors?: readonly { readonly number?: number }[] }).precedingErrors ?? [];
  return [...before, error].map((one) => one.number ?? -1);
}

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

/** Runs `act` with both connections and closes them. */
export async function withTwo(database: TestDatabase, act: (one: Connection, other: Connection) => Promise<void>): Promise<void> {
  const [one, other] = [await connect(database), await connect(database)];
  try {
    await act(one, other);
  } finally {
    await one.close();
    await other.close();
  }
}
