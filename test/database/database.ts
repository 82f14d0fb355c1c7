// One database for one test: on the server that MSSQL_URL names, else on an engine and an endpoint of its own. It makes a database
// with a name that nobody else has, and drops it, with the logins it made, when closed.
import { randomBytes } from "node:crypto";
import mssql from "mssql";
import { createEngine, defaultAdminPassword } from "./engine/engine.ts";
import type { EngineOptions } from "./engine/engine.ts";
import type { Faults } from "./faults.ts";
import { kenticoDatabase, operatorGrants, operatorLogin } from "./fixtures/kentico.ts";
import type { KenticoOptions, LoginOptions } from "./fixtures/kentico.ts";
import { startDatabaseServer } from "./server.ts";
import type { DatabaseServerOptions } from "./server.ts";

export interface TestDatabaseOptions {
  /** Tables of this product; absent: an empty database. */
  readonly kentico?: Omit<KenticoOptions, "database">;
  /** READ_COMMITTED_SNAPSHOT. Default on. */
  readonly snapshotReads?: "on" | "off";
  readonly collation?: string;
  /** Of the server that is started where MSSQL_URL names none. */
  readonly tls?: DatabaseServerOptions["tls"];
  /** Of the same: who logs in with which token. */
  readonly identities?: DatabaseServerOptions["identities"];
  readonly engine?: Omit<EngineOptions, "adminPassword">;
}

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

export interface TestDatabase extends Credentials {
  /** A server that others run, named by MSSQL_URL. */
  readonly real: boolean;
  readonly host: string;
  readonly port: number;
  readonly database: string;
  /** .NET's, as the operator reads it. */
  readonly connectionString: string;
  connectionStringFor(credentials: Credentials): string;
  /** For a pool of the mssql driver. */
  config(credentials?: Credentials): mssql.config;
  /** In this database, with all rights; the first recordset. Parameters by name, without @. */
  adminQuery<Row = Record<string, unknown>>(sql: string, parameters?: Readonly<Record<string, unknown>>): Promise<readonly Row[]>;
  /** A login with exactly these grants (default: what the operator is documented to need), dropped with the database. */
  createLogin(grants?: LoginOptions["grants"]): Promise<Credentials>;
  /** Of our own server only. */
  readonly faults: Faults | undefined;
  readonly certificateAuthority: string | undefined;
  close(): Promise<void>;
}

interface Host extends Credentials {
  readonly real: boolean;
  readonly host: string;
  readonly port: number;
  readonly encrypt: boolean;
  readonly trustServerCertificate: boolean;
  readonly faults: Faults | undefined;
  readonly certificateAuthority: string | undefined;
  readonly stop: () => Promise<void>;
}

export const asksRealServer = (): boolean => (process.env["MSSQL_URL"] ?? "") !== "";

/** When it throws, nothing that it opened or made is left. */
export async function openTestDatabase(options: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const host = asksRealServer() ? hostOfUrl(process.env["MSSQL_URL"] ?? "") : await startHost(options);
  const closing: Closing[] = [host.stop];
  try {
    return await openOn(host, options, closing);
  } catch (error) {
    await closeAll(closing).catch((second: unknown) => {
      throw new AggregateError([error, second], "Cannot open a test database, nor close what was opened of it");
    });
    throw error;
  }
}

type Closing = () => Promise<unknown>;

/** The last first; each is tried, whatever became of those before. */
async function closeAll(closing: Closing[]): Promise<void> {
  const last = closing.pop();
  if (last === undefined) return;
  try {
    await last();
  } finally {
    await closeAll(closing);
  }
}

/** `closing` gets what undoes each thing that is opened or made. */
async function openOn(host: Host, options: TestDatabaseOptions, closing: Closing[]): Promise<TestDatabase> {
  const suffix = randomBytes(6).toString("hex");
  const database = `webfarm_test_${suffix}`;
  const master = await connect(host, "master", host);
  closing.push(async () => await master.close());
  const collate = options.collation === undefined ? "" : ` COLLATE ${options.collation}`;
  await master.batch(`CREATE DATABASE [${database}]${collate};`);
  const logins: string[] = [];
  closing.push(async () => {
    await master.batch(`ALTER DATABASE [${database}] SET SINGLE_USER WITH ROLLBACK IMMEDIATE;`);
    await master.batch(`DROP DATABASE [${database}];`);
    for (const login of logins) await master.batch(`DROP LOGIN [${login}];`);
  });
  await master.batch(
    `ALTER DATABASE [${database}] SET READ_COMMITTED_SNAPSHOT ${options.snapshotReads === "off" ? "OFF" : "ON"} WITH ROLLBACK IMMEDIATE;`,
  );
  const admin = await connect(host, database, host);
  closing.push(async () => await admin.close());
  const run = async (sql: string): Promise<unknown> => await admin.batch(sql);
  if (options.kentico !== undefined) await kenticoDatabase(run, { ...options.kentico, database });

  async function createLogin(given?: LoginOptions["grants"]): Promise<Credentials> {
    const login = `webfarm_login_${suffix}_${logins.length}`;
    const password = `Pw-${randomBytes(12).toString("hex")}`;
    logins.push(login);
    const { kentico } = options;
    const grants = given ?? (kentico === undefined ? {} : operatorGrants(kentico.version, kentico.without));
    await operatorLogin(run, { database, login, password, grants, schema: kentico?.schema ?? "dbo" });
    return { user: login, password };
  }

  const connectionStringFor = ({ user, password }: Credentials): string =>
    `Server=tcp:${host.host},${host.port};Database=${database};User ID=${user};Password="${password.replaceAll('"', '""')}";Encrypt=${host.encrypt ? "True" : "False"};TrustServerCertificate=${host.trustServerCertificate ? "True" : "False"}`;
  return {
    ...host,
    database,
    connectionString: connectionStringFor(host),
    connectionStringFor,
    config: (credentials = host) => configOf(host, database, credentials),
    adminQuery: async (sql, parameters = {}) => await query(admin, sql, parameters),
    createLogin,
    close: async () => await closeAll(closing),
  };
}

async function query<Row>(pool: mssql.ConnectionPool, sql: string, parameters: Readonly<Record<string, unknown>>): Promise<readonly Row[]> {
  const request = pool.request();
  for (const [name, value] of Object.entries(parameters)) request.input(name, value);
  const { recordsets } = await request.query<Row>(sql);
  return (recordsets as readonly (readonly Row[])[]).at(0) ?? [];
}

async function startHost(options: TestDatabaseOptions): Promise<Host> {
  const engine = createEngine(options.engine);
  const { tls = "supported", identities } = options;
  const server = await startDatabaseServer({ engine, tls, ...(identities !== undefined && { identities }) });
  return {
    real: false,
    host: server.host,
    port: server.port,
    user: "sa",
    password: defaultAdminPassword,
    encrypt: options.tls === "required",
    trustServerCertificate: true,
    faults: server.faults,
    certificateAuthority: server.certificateAuthority,
    stop: async () => await server.close(),
  };
}

/** mssql://user:password@host:port/?encrypt=true&trustServerCertificate=true */
export function hostOfUrl(text: string): Host {
  const url = new URL(text);
  return {
    real: true,
    host: url.hostname,
    port: url.port === "" ? 1433 : Number(url.port),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    encrypt: url.searchParams.get("encrypt") !== "false",
    trustServerCertificate: url.searchParams.get("trustServerCertificate") === "true",
    faults: undefined,
    certificateAuthority: undefined,
    stop: () => Promise.resolve(),
  };
}

function configOf(host: Host, database: string, { user, password }: Credentials): mssql.config {
  const { encrypt, trustServerCertificate } = host;
  return {
    server: host.host,
    port: host.port,
    user,
    password,
    database,
    pool: { min: 0, max: 1 },
    options: { encrypt, trustServerCertificate },
  };
}

async function connect(host: Host, database: string, credentials: Credentials): Promise<mssql.ConnectionPool> {
  const pool = new mssql.ConnectionPool(configOf(host, database, credentials));
  // A pool without a listener ends the process when its server goes; the next query says so too.
  pool.on("error", () => undefined);
  return await pool.connect();
}
