// The mssql driver, set up against its traps: what a pool is made of, and one request on it. It decides nothing about when.
import sql from "mssql";

import { answerMs } from "./entra.ts";
import { classify, DatabaseError, type Doing } from "./errors.ts";
import type { IdentityToken } from "./identityToken.ts";
import type { LoginGate } from "./loginGate.ts";
import type { Target } from "./target.ts";

export interface SentParameter {
  readonly name: string; // without @
  readonly type: "int" | "name" | "url" | "guid" | "schema";
  readonly value: number | string | null;
}

export type RecordSet = readonly Readonly<Record<string, unknown>>[];

/** The driver gives a request up after this, then waits `cancelTimeout` for the server's word. */
export const requestTimeoutMs = 8_000;
const cancelTimeoutMs = 1_000;
export const mostConnections = 2;

// Declared lengths: without one the driver takes the value's, and each length makes another plan.
const types = {
  int: sql.Int(),
  name: sql.NVarChar(100),
  url: sql.NVarChar(2000),
  guid: sql.UniqueIdentifier(),
  schema: sql.NVarChar(128),
} as const;

/** What the driver makes a connection with, which its types hide: the configuration is read anew for each. */
interface Creating {
  _poolCreate(this: sql.ConnectionPool): Promise<unknown>;
  readonly config: { authentication?: object };
}

/** What tedious tells while it connects. */
interface Announcing {
  on(event: "errorMessage", listener: (message: { readonly number: number }) => void): void;
}

export interface NewPool {
  readonly target: Target;
  readonly applicationName: string;
  readonly gate: LoginGate;
  /** No connection is made after its abort. */
  readonly abandoned: AbortSignal;
  /** Of the target's identity, where it has one. */
  readonly token?: IdentityToken | undefined;
}

/** Not connected yet. Each connection that it makes goes through the gate, and fails with a DatabaseError. */
export function newDriverPool({ target, applicationName, gate, abandoned, token }: NewPool): sql.ConnectionPool {
  const doing = doingAt(target, "connect");
  const numbers: number[] = []; // attempts of one login never overlap
  const pool = new sql.ConnectionPool({
    ...driverConfig(target, applicationName),
    // The error of a refused login has lost the server's numbers.
    beforeConnect: (connection) => (connection as unknown as Announcing).on("errorMessage", (message) => void numbers.push(message.number)),
  });
  const create = (sql.ConnectionPool.prototype as unknown as Creating)._poolCreate;
  const logIn = async (): Promise<unknown> => {
    numbers.length = 0;
    try {
      return await create.call(pool);
    } catch (error) {
      throw classify(error, { ...doing, loginNumbers: [...numbers] });
    }
  };
  const creating = pool as unknown as Creating;
  const logInWith = async (secret: string): Promise<unknown> => {
    creating.config.authentication = { type: "azure-active-directory-access-token", options: { token: secret } };
    return await logIn();
  };
  creating._poolCreate = () =>
    gate.attempt(target, abandoned, () => (token === undefined ? logIn() : logInAs(target, { token, abandoned, logInWith })));
  return pool;
}

interface LogIn {
  readonly token: IdentityToken;
  readonly abandoned: AbortSignal;
  readonly logInWith: (secret: string) => Promise<unknown>;
}

/** A token that was made before may have been taken back: then one more is tried, once. None that was refused is used again. */
async function logInAs(target: Target, { token, abandoned, logInWith }: LogIn): Promise<unknown> {
  const { token: secret, isNew } = await token.current(abandoned);
  try {
    return await logInWith(secret);
  } catch (error) {
    if (!(error instanceof DatabaseError) || error.problem.kind !== "login") throw error;
    const isTokenRefused = error.problem.reason === "LoginFailed";
    if (isTokenRefused) token.forget();
    if (isNew || !isTokenRefused) throw identityRefused(error, target);
  }
  return await logInAs(target, { token, abandoned, logInWith });
}

/** What is to be done is another thing than with a password. */
function identityRefused({ problem, outcome, cause }: DatabaseError, { identity, endpoint, database }: Target): DatabaseError {
  const number = problem.number === undefined ? "" : `, error ${problem.number}`;
  const isDatabase = problem.reason === "DatabaseNotAccessible";
  const message =
    `The server does not let in the identity of ServiceAccount ${identity?.serviceAccount ?? ""} (client ID ${identity?.clientId ?? ""}): ` +
    `run CREATE USER [<name of the application or managed identity>] FROM EXTERNAL PROVIDER in the database, and the script of permissions for that user. ` +
    (isDatabase ? "So it is too while the database is offline, being restored or recovering: it is asked again. " : "") +
    `(${endpoint}, database ${database}${number})`;
  return new DatabaseError({ ...problem, message }, outcome, cause);
}

/** Until a connection stands, with the token that it needs: then nobody waits any longer. */
export function longestLoginMs({ connectTimeoutMs, identity }: Target): number {
  return connectTimeoutMs + 5_000 + (identity === undefined ? 0 : 2 * answerMs);
}

export function doingAt(target: Target, statement: string): Doing {
  return { statement, endpoint: target.endpoint, database: target.database, login: { user: target.user, password: target.password } };
}

function driverConfig(target: Target, applicationName: string): sql.config {
  const { address, tls } = target;
  return {
    server: address.host,
    ...("port" in address && { port: address.port }),
    ...(target.identity === undefined && { user: target.user, password: target.password }),
    database: target.database,
    connectionTimeout: target.connectTimeoutMs,
    requestTimeout: requestTimeoutMs,
    validateConnection: "socket", // the default sends SELECT 1 before every request
    // Pools are closed as a whole when nobody needs them; the driver's own idle clock only ends what was forgotten.
    pool: {
      min: 0,
      max: mostConnections,
      idleTimeoutMillis: 600_000,
      acquireTimeoutMillis: longestLoginMs(target),
      createTimeoutMillis: longestLoginMs(target),
    },
    options: {
      ...("instance" in address && { instanceName: address.instance }),
      encrypt: encryptOf(tls.mode),
      trustServerCertificate: tls.mode === "Insecure",
      ...(tls.serverName !== undefined && { serverName: tls.serverName }),
      cryptoCredentialsDetails: tls.ca === undefined ? {} : { ca: tls.ca },
      appName: applicationName.slice(0, 128),
      cancelTimeout: cancelTimeoutMs,
      readOnlyIntent: false,
      multiSubnetFailover: target.multiSubnetFailover,
      maxRetriesOnTransientErrors: 0, // a wrong database name would cost four logins
    },
  };
}

function encryptOf(mode: Target["tls"]["mode"]): boolean | "strict" {
  switch (mode) {
    case "Strict":
      return "strict";
    case "Disabled":
      return false;
    case "Required":
    case "Insecure":
      return true;
  }
}

/** Rejects with the driver's error. An abort asks the server to stop, and rejects when it has (ECANCEL). */
export async function send(
  pool: sql.ConnectionPool,
  text: string,
  parameters: readonly SentParameter[],
  signal: AbortSignal,
): Promise<readonly RecordSet[]> {
  const request = pool.request();
  for (const { name, type, value } of parameters) request.input(name, types[type], value);
  const onAbort = (): void => request.cancel();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const result = await request.query(text);
    return result.recordsets as unknown as readonly RecordSet[];
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
