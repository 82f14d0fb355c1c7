// The databases and logins that the contract makes on a server, and takes away again. It uses what every T-SQL server has: no USE, no
// option of CREATE DATABASE or CREATE LOGIN, and it asks before it relies on an option.
import { randomBytes } from "node:crypto";
import { type Address, configFor } from "./address.ts";
import { type Credentials, NotApplicable, type Place, type Readers } from "./behaviour.ts";
import { dropDatabase, dropLogin, type Tell } from "./cleanUp.ts";
import { openSession, type Session } from "./session.ts";

export interface ContractServer {
  /** What the server says of itself: version and edition. */
  readonly product: string;
  /** Runs `act` in a database of this kind (absent: any), with fresh tables; all its sessions are closed afterwards. */
  visit(readers: Readers | undefined, act: (place: Place) => Promise<void>): Promise<void>;
  /** Drops all that was made, whoever is in it. Rejects with the name of what could not be dropped. */
  close(): Promise<void>;
}

interface Made {
  readonly name: string;
  readonly readers: Readers;
  /** What the server said when it was told otherwise. */
  readonly refusal: string | undefined;
}

/** In Azure a database takes minutes to be made. */
const longestMs = 600_000;

export async function openServer(address: Address): Promise<ContractServer> {
  const master = await openSession({ ...configFor(address, "master"), requestTimeout: longestMs });
  const suffix = randomBytes(6).toString("hex");
  const databases: string[] = [];
  const logins: string[] = [];
  const made = new Map<Readers, Promise<Made>>();
  const creations = new Set<Promise<unknown>>();
  let isClosing = false;

  /** What is being created when the end comes is waited for, and nothing is created afterwards: else it would stay. */
  async function creating<T>(create: () => Promise<T>): Promise<T> {
    if (isClosing) throw new Error("Cannot create anything: the contract is being cleaned up");
    const creation = create();
    creations.add(creation);
    return await creation.finally(() => creations.delete(creation));
  }

  async function make(wanted: Readers): Promise<Made> {
    const name = `webfarm_contract_${suffix}_${wanted}`;
    await creating(async () => {
      const created = await master.ask(`CREATE DATABASE [${name}];`);
      if (created.errors.length > 0 && databases.length > 0) throw new NotApplicable("oneDatabase", created.message);
      if (created.errors.length > 0) throw new Error(`Cannot create a database: ${created.message} (${created.errors.join(", ")})`);
      databases.push(name);
    });
    const reply = await master.ask(
      `ALTER DATABASE [${name}] SET READ_COMMITTED_SNAPSHOT ${wanted === "versions" ? "ON" : "OFF"} WITH ROLLBACK IMMEDIATE;`,
    );
    const session = await openSession(configFor(address, name));
    const row = await session.row("SELECT CAST(is_read_committed_snapshot_on AS INT) AS isOn FROM sys.databases WHERE name = DB_NAME()");
    await session.close();
    return { name, readers: row?.["isOn"] === 1 ? "versions" : "locks", refusal: reply.errors.length === 0 ? undefined : reply.message };
  }
  const database = (wanted: Readers): Promise<Made> => {
    const known = made.get(wanted) ?? make(wanted);
    made.set(wanted, known);
    return known;
  };

  async function visit(readers: Readers | undefined, act: (place: Place) => Promise<void>): Promise<void> {
    const base = await database("versions");
    // A server that cannot do as it was told may have made what is wanted now.
    const found = readers === undefined || base.readers === readers ? base : await database(readers);
    if (readers !== undefined && found.readers !== readers)
      throw new NotApplicable(readers === "versions" ? "noVersions" : "noLocks", found.refusal ?? "the server did as told, without effect");
    const sessions: Session[] = [];
    const open = async (login: Credentials, options: { readonly database?: string; readonly applicationName?: string } = {}) => {
      const config = configFor(address, options.database ?? found.name, login, options.applicationName);
      const session = await creating(async () => await openSession(config));
      sessions.push(session);
      return session;
    };
    try {
      const first = await open(address);
      await freshTables(first);
      await act({
        database: found.name,
        session: async () => await open(address),
        sessionOf: open,
        login: async (...grants) => await createLogin(first, grants),
        setUpdateability: async (to) => {
          const reply = await master.ask(`ALTER DATABASE [${found.name}] SET ${to} WITH ROLLBACK IMMEDIATE;`);
          if (reply.errors.length > 0 && to === "READ_ONLY") throw new NotApplicable("noReadOnly", reply.message);
          if (reply.errors.length > 0) throw new Error(`Cannot set the database ${to}: ${reply.message}`);
        },
      });
    } finally {
      await closeAll(sessions);
    }
  }

  async function createLogin(inDatabase: Session, grants: readonly string[]): Promise<Credentials> {
    const user = `webfarm_contract_${suffix}_${logins.length}`;
    const password = `Pw-${randomBytes(12).toString("hex")}`;
    await creating(async () => {
      const reply = await master.ask(`CREATE LOGIN [${user}] WITH PASSWORD = N'${password}';`);
      if (reply.errors.length > 0) throw new NotApplicable("noLogins", reply.message);
      logins.push(user);
    });
    await inDatabase.run(
      [`CREATE USER [${user}] FOR LOGIN [${user}];`, ...grants.map((grant) => `GRANT ${grant} TO [${user}];`)].join("\n"),
    );
    return { user, password };
  }

  async function close(): Promise<void> {
    isClosing = true;
    await Promise.allSettled(creations);
    const cleaner = await openSession({ ...configFor(address, "master"), requestTimeout: longestMs });
    const left: string[] = [];
    const tell: Tell = async (sql) => {
      const reply = await cleaner.ask(sql);
      return reply.errors.length > 0 ? reply.message : undefined;
    };
    for (const name of databases) {
      const refusal = await dropDatabase(tell, name);
      if (refusal !== undefined) left.push(`database ${name} (${refusal})`);
    }
    for (const login of logins) {
      const refusal = await dropLogin(tell, login);
      if (refusal !== undefined) left.push(`login ${login} (${refusal})`);
    }
    await cleaner.close();
    await master.close();
    if (left.length > 0) throw new Error(`Cannot clean up; drop by hand: ${left.join("; ")}`);
  }

  try {
    await database("versions");
    const product = await master.row(
      "SELECT CAST(SERVERPROPERTY(N'ProductVersion') AS NVARCHAR(128)) AS v, CAST(SERVERPROPERTY(N'Edition') AS NVARCHAR(128)) AS e",
    );
    return { product: `${String(product?.["v"])}, ${String(product?.["e"])}`, visit, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** All, also where one cannot be closed any more; rejects with the first refusal. */
async function closeAll(sessions: readonly Session[]): Promise<void> {
  const closed = await Promise.allSettled(sessions.map((session) => session.close()));
  for (const one of closed) if (one.status === "rejected") throw one.reason;
}

/** The same rows for each statement, whatever the one before left. */
async function freshTables(session: Session): Promise<void> {
  for (const table of ["Extra", "Binding", "Server"])
    await session.run(`IF OBJECT_ID(N'dbo.${table}') IS NOT NULL DROP TABLE dbo.${table};`);
  await session.run(
    `CREATE TABLE dbo.Server (ID int IDENTITY(1, 1) NOT NULL CONSTRAINT PK_Server PRIMARY KEY, Name nvarchar(10) NOT NULL, Guid uniqueidentifier NULL, Seen datetime NULL, Enabled bit NOT NULL CONSTRAINT DF_Server_Enabled DEFAULT (1));
    CREATE UNIQUE NONCLUSTERED INDEX IX_Server_Name ON dbo.Server (Name);
    CREATE TABLE dbo.Binding (ServerID int NOT NULL, TaskID int NOT NULL, CONSTRAINT PK_Binding PRIMARY KEY (ServerID, TaskID), CONSTRAINT FK_Binding_Server FOREIGN KEY (ServerID) REFERENCES dbo.Server (ID));
    INSERT INTO dbo.Server (Name) VALUES (N'a');`,
  );
}
