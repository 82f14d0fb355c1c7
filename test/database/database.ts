// One database for one test: on the server that MSSQL_URL names, else on an engine and an endpoint of its own. It makes a database
// with a name that nobody else has, and drops it, with the logins it made, when closed. Of a server it needs no option that a test did not
// ask for.
import { randomBytes } from "node:crypto";
import mssql from "mssql";
import { addressOf } from "../contract/address.ts";
import { dropDatabase, dropLogin, type Tell } from "../contract/cleanUp.ts";
import { createEngine, defaultAdminPassword } from "./engine/engine.ts";
import type { EngineOptions } from "./engine/engine.ts";
import type { Faults } from "./faults.ts";
import { kenticoDatabase, operatorGrants, userOf } from "./fixtures/kentico.ts";
import type { KenticoOptions, UserOptions } from "./fixtures/kentico.ts";
import { startDatabaseServer } from "./server.ts";
import type { DatabaseServerOptions } from "./server.ts";

export interface TestDatabaseOptions {
  /** Tables of this product; absent: an empty database. */
  readonly kentico?: KenticoOptions;
  /** READ_COMMITTED_SNAPSHOT. Absent: on, where the server takes that. */
  readonly snapshotReads?: "on" | "off";
  /** Absent: one that ignores case, as the product's setup asks for, where the server takes that. */
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
  createLogin(grants?: UserOptions["grants"]): Promise<Credentials>;
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

/** The server has no database as a test asks for it, though it makes others. */
export class OptionRefused extends Error {
  override readonly name = "OptionRefused";

  constructor(option: string, said: string) {
    super(`The server refuses ${option}: ${said}`);
  }
}

/** Options of which a line has said already that the server refuses them. */
const noted = new Set<string>();
const note = (line: string): void => void process.stderr.write(`test database: ${line}\n`);
function noteOnce(option: string, line: string): void {
  if (!noted.has(option)) note(line);
  noted.add(option);
}

/** For a test that is about an option of the database: on a server that others run and that refuses the option, the test is not applicable,
 *  and a line says so. */
export const whereTaken =
  <Args extends readonly unknown[]>(act: (...args: Args) => Promise<void>): ((...args: Args) => Promise<void>) =>
  async (...args) => {
    try {
      await act(...args);
    } catch (error) {
      if (!(error instanceof OptionRefused) || !asksRealServer()) throw error;
      note(`not applicable here. ${error.message}`);
    }
  };

/** When it throws, nothing that it opened or made is left. Rejects with OptionRefused for a collation or a snapshotReads that the server
 *  does not take. */
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
  const tell = telling(master);
  const logins: string[] = [];
  await createDatabase(tell, {
    database,
    collation: options.collation,
    created: () => closing.push(() => dropAll(tell, database, logins)),
  });
  await setSnapshotReads(tell, database, options.snapshotReads);
  const admin = await connect(host, database, host);
  closing.push(async () => await admin.close());
  const run = async (sql: string): Promise<unknown> => await admin.batch(sql);
  const { textCollation } = options.kentico ?? {};
  if (textCollation !== undefined) {
    const refusal = await telling(admin)(`SELECT N'a' COLLATE ${textCollation} AS a;`);
    if (refusal !== undefined) throw new OptionRefused(`COLLATE ${textCollation}`, refusal);
  }
  if (options.kentico !== undefined) await kenticoDatabase(run, options.kentico);

  let made = 0;
  async function createLogin(given?: UserOptions["grants"]): Promise<Credentials> {
    const login = `webfarm_login_${suffix}_${(made += 1)}`; // also of two at once
    const password = `Pw-${randomBytes(12).toString("hex")}`;
    const { kentico } = options;
    const grants = given ?? (kentico === undefined ? {} : operatorGrants(kentico.version, kentico.without));
    await run(`CREATE LOGIN [${login}] WITH PASSWORD = N'${password}';`); // as every policy for passwords takes it
    logins.push(login);
    await userOf(run, { login, grants, schema: kentico?.schema ?? "dbo" });
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

/** Of statements, each a batch. */
const telling =
  (pool: mssql.ConnectionPool): Tell =>
  async (sql) => {
    try {
      await pool.batch(sql);
      return undefined;
    } catch (error) {
      if (error instanceof mssql.RequestError && error.number !== undefined) return `${error.message} (${error.number})`;
      throw error;
    }
  };

const usualCollation = "SQL_Latin1_General_CP1_CI_AS";

interface Creation {
  readonly database: string;
  readonly collation: string | undefined;
  /** Called at once when the database is there. */
  readonly created: () => unknown;
}

async function createDatabase(tell: Tell, { database, collation, created }: Creation): Promise<void> {
  const option = `COLLATE ${collation ?? usualCollation}`;
  const refusal = await tell(`CREATE DATABASE [${database}] ${option};`);
  if (refusal === undefined) return void created();
  if ((await tell(`CREATE DATABASE [${database}];`)) !== undefined) throw new Error(`Cannot create a database: ${refusal}`);
  created();
  if (collation !== undefined) throw new OptionRefused(option, refusal);
  noteOnce(option, `names are compared as the server does: it refuses ${option}: ${refusal}`);
}

async function setSnapshotReads(tell: Tell, database: string, wanted: TestDatabaseOptions["snapshotReads"]): Promise<void> {
  const option = `READ_COMMITTED_SNAPSHOT ${wanted === "off" ? "OFF" : "ON"}`;
  const refusal = await tell(`ALTER DATABASE [${database}] SET ${option} WITH ROLLBACK IMMEDIATE;`);
  if (refusal === undefined) return;
  if (wanted !== undefined) throw new OptionRefused(option, refusal);
  noteOnce(option, `readers take locks or not, as the server makes its databases: it refuses ${option}: ${refusal}`);
}

/** Each is tried; rejects with what is left. */
async function dropAll(tell: Tell, database: string, logins: readonly string[]): Promise<void> {
  const left: string[] = [];
  const refusal = await dropDatabase(tell, database);
  if (refusal !== undefined) left.push(`database ${database}: ${refusal}`);
  for (const login of logins) {
    const said = await dropLogin(tell, login);
    if (said !== undefined) left.push(`login ${login}: ${said}`);
  }
  if (left.length > 0) throw new Error(`Cannot clean up; drop by hand: ${left.join("; ")}`);
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

function hostOfUrl(text: string): Host {
  return { ...addressOf(text), real: true, faults: undefined, certificateAuthority: undefined, stop: () => Promise.resolve() };
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
    connectionTimeout: 30_000,
    requestTimeout: 60_000,
    options: { encrypt, trustServerCertificate },
  };
}

/** A server may take minutes to make a database. */
const longestRequestMs = 600_000;

async function connect(host: Host, database: string, credentials: Credentials): Promise<mssql.ConnectionPool> {
  const pool = new mssql.ConnectionPool({ ...configOf(host, database, credentials), requestTimeout: longestRequestMs });
  // A pool without a listener ends the process when its server goes; the next query says so too.
  pool.on("error", () => undefined);
  return await pool.connect();
}
