// Opens the driver's pool on a server, with the settings that the tests of the wire share. Only the tests use it.
import sql from "mssql";
import type { DatabaseServer } from "../server.ts";
import { PASSWORD, USER } from "./fakeEngine.ts";

export interface ConnectOptions extends Omit<Partial<sql.config>, "options"> {
  readonly options?: sql.config["options"];
  /** Numbers of the messages that the server sent as errors, as the driver's own event says them. */
  readonly onErrorNumber?: (number: number) => void;
  /** The driver's own connection, before it connects. */
  readonly onConnection?: (connection: unknown) => void;
}

interface DriverConnection {
  on(event: "errorMessage", listener: (message: { readonly number: number }) => void): void;
}

/** A pool of one connection without encryption, unless said otherwise. The caller closes it. */
export async function connect(server: DatabaseServer, overrides: ConnectOptions = {}): Promise<sql.ConnectionPool> {
  const { onErrorNumber, onConnection, options, ...rest } = overrides;
  const pool = new sql.ConnectionPool({
    server: server.host,
    port: server.port,
    user: USER,
    password: PASSWORD,
    database: "Kentico",
    // The default sends a statement of its own before each of ours.
    validateConnection: "socket",
    ...rest,
    options: { encrypt: false, trustServerCertificate: false, appName: "wire test", ...options },
    pool: { min: 1, max: 1, ...rest.pool },
    beforeConnect: (connection: unknown) => {
      onConnection?.(connection);
      (connection as DriverConnection).on("errorMessage", ({ number }) => onErrorNumber?.(number));
    },
  });
  pool.on("error", () => undefined);
  await pool.connect();
  return pool;
}
