// One connection of the unmodified driver, for the contract: a text goes out, rows, counts and error numbers come back. It knows nothing
// of which server answers, and of no test framework.
import mssql from "mssql";

export type Value = readonly [type: () => mssql.ISqlType, value: unknown];
export const int = (value: number | null): Value => [() => mssql.Int(), value];
export const bit = (value: boolean | null): Value => [() => mssql.Bit(), value];
export const name = (value: string | null): Value => [() => mssql.NVarChar(100), value];
export const guid = (value: string | null): Value => [() => mssql.UniqueIdentifier(), value];

type Row = Readonly<Record<string, unknown>>;

export interface Reply {
  readonly sets: readonly (readonly Row[])[];
  readonly rowsAffected: readonly number[];
  /** Numbers of errors, in order; empty where it went well. -1: the driver's own. */
  readonly errors: readonly number[];
  readonly message: string;
}

export interface Session {
  /** A batch, or sp_executesql where parameters are given. */
  ask(text: string, parameters?: Readonly<Record<string, Value>>): Promise<Reply>;
  /** Only the numbers of its errors. */
  errors(text: string, parameters?: Readonly<Record<string, Value>>): Promise<readonly number[]>;
  /** Throws where the server refuses it. */
  run(text: string): Promise<void>;
  /** The first row of the last set. */
  row(text: string): Promise<Row | undefined>;
  /** The first column of the last set. */
  column(text: string): Promise<readonly unknown[]>;
  /** The sets of the answer. Throws where the server refuses it. */
  sets(text: string, parameters?: Readonly<Record<string, Value>>): Promise<Reply["sets"]>;
  /** Sends a batch, and asks the server to stop it once `seen` has resolved. */
  cancelled(text: string, seen: () => Promise<void>): Promise<Reply>;
  close(): Promise<void>;
}

/** A login was refused. `numbers`: what the server said before, which the driver's own error has lost. */
export class LoginRefused extends Error {
  override readonly name = "LoginRefused";
  readonly numbers: readonly number[];

  constructor(numbers: readonly number[], cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.numbers = numbers;
  }
}

interface Announcing {
  on(event: "errorMessage", listener: (message: { readonly number: number }) => void): void;
}

/** What the sentences of the contract rest on, and a server's `user options` may say otherwise.
 *  https://learn.microsoft.com/en-us/sql/database-engine/configure-windows/configure-the-user-options-server-configuration-option */
const settings: readonly string[] = [
  "SET ANSI_NULLS, ANSI_PADDING, ANSI_WARNINGS, ARITHABORT, CONCAT_NULL_YIELDS_NULL, QUOTED_IDENTIFIER ON;",
  "SET ANSI_NULL_DFLT_ON ON;",
  "SET NOCOUNT OFF;",
  "SET XACT_ABORT OFF;",
  "SET IMPLICIT_TRANSACTIONS OFF;",
  "SET LOCK_TIMEOUT -1;",
  "SET DEADLOCK_PRIORITY NORMAL;",
  "SET TRANSACTION ISOLATION LEVEL READ COMMITTED;",
  "SET LANGUAGE us_english;",
  "SET DATEFORMAT mdy;",
];

/** A server that does not know an option has only one way to behave: then the others are set all the same. */
async function settle({ errors }: Session): Promise<void> {
  if ((await errors(settings.join(" "))).length === 0) return;
  for (const one of settings) await errors(one);
}

/** A pool of one: every text goes over the same session, which begins with the contract's settings. */
export async function openSession(config: mssql.config): Promise<Session> {
  const numbers: number[] = [];
  const pool = new mssql.ConnectionPool({
    ...config,
    pool: { min: 1, max: 1 },
    validateConnection: "socket" as const,
    options: { ...config.options, maxRetriesOnTransientErrors: 0 },
    beforeConnect: (connection) => (connection as unknown as Announcing).on("errorMessage", (message) => void numbers.push(message.number)),
  });
  pool.on("error", () => undefined); // the next text says so too
  try {
    await pool.connect();
  } catch (error) {
    throw new LoginRefused(numbers, error);
  }
  const session = sessionOn(pool);
  try {
    await settle(session);
  } catch (error) {
    await pool.close();
    throw error;
  }
  return session;
}

function sessionOn(pool: mssql.ConnectionPool): Session {
  const ask: Session["ask"] = async (text, parameters) => {
    const request = pool.request();
    for (const [key, [type, value]] of Object.entries(parameters ?? {})) request.input(key, type(), value);
    return await answer(parameters === undefined ? request.batch(text) : request.query(text));
  };
  const sets: Session["sets"] = async (text, parameters) => {
    const reply = await ask(text, parameters);
    if (reply.errors.length > 0) throw new Error(`The server refused ${text}: ${reply.message} (${reply.errors.join(", ")})`);
    return reply.sets;
  };
  const last = async (text: string): Promise<readonly Row[]> => (await sets(text)).at(-1) ?? [];
  return {
    ask,
    sets,
    errors: async (text, parameters) => (await ask(text, parameters)).errors,
    run: async (text) => void (await last(text)),
    row: async (text) => (await last(text))[0],
    column: async (text) => (await last(text)).map((row) => Object.values(row)[0]),
    cancelled: async (text, seen) => {
      const request = pool.request();
      const running = answer(request.batch(text));
      await seen();
      request.cancel();
      return await running;
    },
    close: async () => await pool.close(),
  };
}

async function answer(running: Promise<mssql.IResult<unknown>>): Promise<Reply> {
  try {
    const { recordsets, rowsAffected } = await running;
    return { sets: recordsets as unknown as Reply["sets"], rowsAffected, errors: [], message: "" };
  } catch (error) {
    return { sets: [], rowsAffected: [], errors: numbersOf(error), message: (error as Error).message };
  }
}

function numbersOf(error: unknown): readonly number[] {
  if (!(error instanceof mssql.RequestError)) throw error;
  const before = (error as { readonly precedingErrors?: readonly { readonly number?: number }[] }).precedingErrors ?? [];
  return [...before, error].map((one) => one.number ?? -1);
}
