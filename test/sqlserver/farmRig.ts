// A Kentico 13 database with the operator's own login, opened as the operator opens it. For tests of this folder only.
import { systemClock } from "../../operator/controller/clock.ts";
import type { Clock } from "../../operator/controller/clock.ts";
import type { Logger } from "../../operator/controller/logger.ts";
import { farmKey, type ServerName, type ServerRow } from "../../operator/farm/model.ts";
import { type Databases, openDatabases } from "../../operator/sqlserver/servers.ts";
import type { FarmDatabase, NewServer } from "../../operator/sqlserver/farmDatabase.ts";
import { noTokens } from "./noTokens.ts";
import { openTestDatabase, type TestDatabase, type TestDatabaseOptions } from "../database/database.ts";
import type { Faults } from "../database/faults.ts";
import { operatorGrants } from "../database/fixtures/kentico.ts";

export const never = new AbortController().signal;
export const applicationName = "webfarm-operator/test shop/main";

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
};

export interface FarmRigOptions {
  readonly database?: TestDatabaseOptions;
  /** `table GRANT` that the login does not get. */
  readonly lacks?: readonly string[];
  readonly clock?: Clock;
  readonly mayWrite?: () => boolean;
}

export interface FarmRig {
  readonly test: TestDatabase;
  readonly databases: Databases;
  readonly farm: FarmDatabase;
  /** The operator's login. */
  readonly user: string;
  /** Names of the requests that were answered, with their outcomes. */
  readonly observed: string[];
  /** The fault script; throws on a server that others run. */
  readonly faults: Faults;
  /** The rows as the table has them, whoever asks. */
  rows(): Promise<readonly ServerRow[]>;
  /** Rows that others made: name, and mark or NULL. */
  insert(...servers: readonly (readonly [name: string, guid: string | null])[]): Promise<void>;
  /** So many tasks bound to that server. */
  bind(serverID: number, count: number): Promise<void>;
  count(table: string): Promise<number>;
  close(): Promise<void>;
}

export async function openFarm({
  database = { kentico: { version: "13" } },
  lacks = [],
  clock = systemClock,
  mayWrite = () => true,
}: FarmRigOptions = {}): Promise<FarmRig> {
  const test = await openTestDatabase(database);
  const observed: string[] = [];
  const databases = openDatabases({
    ...{ clock, log: silent, allowedHosts: [], mostProbes: 8, mayWrite, tokens: noTokens },
    metrics: { request: (statement, outcome) => void observed.push(`${statement} ${outcome}`) },
  });
  const grants = Object.entries(operatorGrants(database.kentico?.version ?? "13")).map(
    ([table, all]) => [table, all.filter((grant) => !lacks.includes(`${table} ${grant}`))] as const,
  );
  const credentials = await test.createLogin(database.kentico === undefined ? {} : Object.fromEntries(grants));
  const use = databases.use(farmKey("shop", "main"), {
    login: { kind: "connectionString", text: test.connectionStringFor(credentials) },
    ...{ schema: database.kentico?.schema ?? "dbo", multiSubnetFailover: false, applicationName },
  });
  if (use.kind === "refused") throw new Error(use.problem.message);
  const asked = async (sql: string): Promise<readonly Record<string, unknown>[]> => await test.adminQuery(sql);
  return {
    ...{ test, databases, observed, farm: use.database, user: credentials.user },
    get faults() {
      if (test.faults === undefined) throw new Error("Cannot script the faults of a server that others run");
      return test.faults;
    },
    rows: async () =>
      (
        await asked("SELECT [ServerID], [ServerName], [ServerGUID], [ServerEnabled] FROM [dbo].[CMS_WebFarmServer] ORDER BY [ServerID];")
      ).map((row) => ({
        serverID: Number(row["ServerID"]),
        name: String(row["ServerName"]),
        guid: typeof row["ServerGUID"] === "string" ? row["ServerGUID"].toLowerCase() : null,
        enabled: row["ServerEnabled"] === true,
      })),
    insert: async (...servers) => {
      for (const [name, guid] of servers)
        await asked(
          `INSERT INTO [dbo].[CMS_WebFarmServer] ([ServerDisplayName], [ServerName], [ServerGUID], [ServerLastModified], [ServerEnabled], [IsExternalWebAppServer]) VALUES (N'${name}', N'${name}', ${guid === null ? "NULL" : `'${guid}'`}, GETDATE(), 1, 0);`,
        );
    },
    bind: async (serverID, count) => {
      for (let at = 0; at < count; at += 500) {
        const size = Math.min(500, count - at);
        await asked(`INSERT INTO [dbo].[CMS_WebFarmTask] ([TaskType]) VALUES ${Array.from({ length: size }, () => "(N'T')").join(", ")};`);
        const tasks = await asked("SELECT [TaskID] FROM [dbo].[CMS_WebFarmTask] ORDER BY [TaskID];");
        const bindings = tasks.slice(-size).map((task) => `(${serverID}, ${String(task["TaskID"])})`);
        await asked(`INSERT INTO [dbo].[CMS_WebFarmServerTask] ([ServerID], [TaskID]) VALUES ${bindings.join(", ")};`);
      }
    },
    count: async (table) => Number((await asked(`SELECT COUNT(*) AS [number] FROM [dbo].[${table}];`))[0]?.["number"]),
    close: async () => {
      await databases.close();
      await test.close();
    },
  };
}

/** A mark that is told apart by its number. */
export const guid = (number: number): string => `00000000-0000-8000-8000-${String(number).padStart(12, "0")}`;

export const server = (name: string, number = 1): NewServer => ({ name: name as ServerName, guid: guid(number) });
