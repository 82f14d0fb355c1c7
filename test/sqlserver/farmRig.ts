// A Kentico database with the operator's own login and grants, opened as the operator opens it. It has no part in a running operator.
import mssql from "mssql";
import { systemClock } from "../../operator/controller/clock.ts";
import type { Clock } from "../../operator/controller/clock.ts";
import type { Logger } from "../../operator/controller/logger.ts";
import { farmKey, type ServerName, type ServerRow } from "../../operator/farm/model.ts";
import { type Databases, openDatabases } from "../../operator/sqlserver/servers.ts";
import { catalogues } from "../../operator/sqlserver/catalogues.ts";
import type { FarmDatabase } from "../../operator/sqlserver/farmDatabase.ts";
import { grantsOn } from "../../operator/sqlserver/permissions.ts";
import type { NewServer } from "../../operator/sqlserver/requests.ts";
import { type Shape, shapeOf } from "../../operator/sqlserver/shape.ts";
import { tableNames } from "../../operator/sqlserver/tables.ts";
import { noTokens } from "./noTokens.ts";
import { openTestDatabase, type TestDatabase, type TestDatabaseOptions } from "../database/database.ts";
import type { Faults } from "../database/faults.ts";
import type { KenticoVersion } from "../database/fixtures/kentico.ts";

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
  /** A database that was opened with these options, and stays open afterwards; absent: one of its own. */
  readonly shared?: TestDatabase;
  /** `table GRANT` that the login does not get, or `table GRANT column`. */
  readonly lacks?: readonly string[];
  readonly clock?: Clock;
  readonly mayWrite?: () => boolean;
}

export interface FarmRig {
  readonly test: TestDatabase;
  readonly databases: Databases;
  readonly farm: FarmDatabase;
  /** The same database and login, as another process opens it: with connections and knowledge of its own. */
  another(): FarmDatabase;
  /** Of the version's tables, to the operator's login; undefined where no farm can be. */
  readonly shape: Shape | undefined;
  /** The operator's login. */
  readonly user: string;
  /** Names of the requests that were answered, with their outcomes. */
  readonly observed: string[];
  /** The fault script; throws on a server that others run. */
  readonly faults: Faults;
  /** The rows as the table has them, whoever asks. */
  rows(): Promise<readonly ServerRow[]>;
  /** Rows that others made, enabled: name, mark or NULL, URL where the table has one. */
  insert(...servers: readonly (readonly [name: string, guid: string | null, url?: string])[]): Promise<void>;
  /** Runs a text in a transaction of a session of its own, which stays open until it is committed. */
  begin(sql: string): Promise<{ commit(): Promise<void> }>;
  /** So many tasks bound to that server. */
  bind(serverID: number, count: number): Promise<void>;
  /** A ping of that server, of now. */
  ping(serverID: number): Promise<void>;
  /** As text, to the last digit. */
  pingsOf(serverID: number): Promise<readonly string[]>;
  /** Sets ServerLastModified of all rows; without a moment: which rows still have the one that was set last, by ServerID. */
  modified(moment?: string): Promise<readonly boolean[]>;
  count(table: string): Promise<number>;
  close(): Promise<void>;
}

export async function openFarm({
  database = { kentico: { version: "13" } },
  shared,
  lacks = [],
  clock = systemClock,
  mayWrite = () => true,
}: FarmRigOptions = {}): Promise<FarmRig> {
  const version = database.kentico?.version ?? "13";
  const test = shared ?? (await openTestDatabase(database));
  const observed: string[] = [];
  const open = (): Databases =>
    openDatabases({
      ...{ clock, log: silent, allowedHosts: [], mostProbes: 8, mayWrite, tokens: noTokens },
      metrics: { request: (statement, outcome) => void observed.push(`${statement} ${outcome}`) },
    });
  const databases = open();
  const opened = [databases];
  const credentials = await test.createLogin(
    database.kentico === undefined ? {} : documentedGrants(version, { lacks, without: database.kentico.without }),
  );
  const farmOf = (of: Databases): FarmDatabase => {
    const use = of.use(farmKey("shop", "main"), {
      login: { kind: "connectionString", text: test.connectionStringFor(credentials) },
      ...{ schema: database.kentico?.schema ?? "dbo", multiSubnetFailover: false, applicationName },
    });
    if (use.kind === "refused") throw new Error(use.problem.message);
    return use.database;
  };
  let lastModified = "";
  const isThere = (column: string): boolean => catalogues[version].some((one) => one.column === column);
  const asked = async (sql: string): Promise<readonly Record<string, unknown>[]> => await test.adminQuery(sql);
  return {
    ...{ test, databases, observed, shape: shapeFor(database, lacks), farm: farmOf(databases), user: credentials.user },
    another: () => {
      const other = open();
      opened.push(other);
      return farmOf(other);
    },
    get faults() {
      if (test.faults === undefined) throw new Error("Cannot script the faults of a server that others run");
      return test.faults;
    },
    rows: async () =>
      (
        await asked(
          `SELECT [ServerID], [ServerName], [ServerGUID], [ServerEnabled]${isThere("ServerURL") ? ", [ServerURL]" : ""} FROM [dbo].[CMS_WebFarmServer] ORDER BY [ServerID];`,
        )
      ).map((row) => ({
        serverID: Number(row["ServerID"]),
        name: String(row["ServerName"]),
        guid: typeof row["ServerGUID"] === "string" ? row["ServerGUID"].toLowerCase() : null,
        enabled: row["ServerEnabled"] === true,
        ...(typeof row["ServerURL"] === "string" && { url: row["ServerURL"] }),
      })),
    insert: async (...servers) => {
      const more = [
        ...(isThere("ServerURL") ? ["ServerURL"] : []),
        ...(isThere("IsExternalWebAppServer") ? ["IsExternalWebAppServer"] : []),
      ];
      for (const [name, guid, url = ""] of servers) {
        const values = more.map((column) => (column === "ServerURL" ? `N'${url}'` : "0"));
        await asked(
          `INSERT INTO [dbo].[CMS_WebFarmServer] (${["ServerDisplayName", "ServerName", "ServerGUID", "ServerLastModified", "ServerEnabled", ...more].join(", ")}) VALUES (${[`N'${name}'`, `N'${name}'`, guid === null ? "NULL" : `'${guid}'`, "GETDATE()", "1", ...values].join(", ")});`,
        );
      }
    },
    begin: async (sql) => {
      const pool = await new mssql.ConnectionPool({ ...test.config(), pool: { min: 1, max: 1 } }).connect();
      const transaction = new mssql.Transaction(pool);
      await transaction.begin();
      await transaction.request().batch(sql);
      return {
        commit: async () => {
          await transaction.commit();
          await pool.close();
        },
      };
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
    ping: async (serverID) => {
      await asked(`INSERT INTO [dbo].[CMS_WebFarmServerMonitoring] ([ServerID], [ServerPing]) VALUES (${serverID}, GETDATE());`);
    },
    pingsOf: async (serverID) =>
      (
        await asked(
          `SELECT CONVERT(NVARCHAR(40), [ServerPing], 121) AS [ping] FROM [dbo].[CMS_WebFarmServerMonitoring] WHERE [ServerID] = ${serverID} ORDER BY [WebFarmServerMonitoringID];`,
        )
      ).map(({ ping }) => String(ping)),
    modified: async (moment) => {
      if (moment !== undefined) {
        lastModified = moment;
        await asked(`UPDATE [dbo].[CMS_WebFarmServer] SET [ServerLastModified] = '${moment}';`);
      }
      const rows = await asked(
        `SELECT CASE WHEN [ServerLastModified] = '${lastModified}' THEN 1 ELSE 0 END AS [isSame] FROM [dbo].[CMS_WebFarmServer] ORDER BY [ServerID];`,
      );
      return rows.map(({ isSame }) => isSame === 1);
    },
    count: async (table) => Number((await asked(`SELECT COUNT(*) AS [number] FROM [dbo].[${table}];`))[0]?.["number"]),
    close: async () => {
      for (const one of opened) await one.close();
      if (shared === undefined) await test.close();
    },
  };
}

function shapeFor({ kentico }: TestDatabaseOptions, lacks: readonly string[]): Shape | undefined {
  if (kentico === undefined) return undefined;
  const denied = grantsOn(catalogues[kentico.version]).filter(({ table, grant }) => lacks.includes(`${tableNames[table]} ${grant}`));
  const columns = catalogues[kentico.version].filter(({ table }) => kentico.without?.includes(table) !== true);
  const reading = shapeOf(kentico.schema ?? "dbo", columns, denied);
  return reading.kind === "known" ? reading.shape : undefined;
}

/** By table, as createLogin takes them: exactly what the operator's own script grants, but for what is lacking. */
export function documentedGrants(
  version: KenticoVersion,
  { lacks = [], without = [] }: { readonly lacks?: readonly string[]; readonly without?: readonly string[] | undefined } = {},
): Readonly<Record<string, readonly string[]>> {
  const grants = new Map<string, string[]>();
  for (const { table, grant, columns } of grantsOn(catalogues[version])) {
    const name = tableNames[table];
    const held = columns?.filter((column) => !lacks.includes(`${name} ${grant} ${column}`));
    if (without.includes(name) || lacks.includes(`${name} ${grant}`) || held?.length === 0) continue;
    grants.set(name, [...(grants.get(name) ?? []), held === undefined ? grant : `${grant} (${held.map((one) => `[${one}]`).join(", ")})`]);
  }
  return Object.fromEntries(grants);
}

/** A mark that is told apart by its number. */
export const guid = (number: number): string => `00000000-0000-8000-8000-${String(number).padStart(12, "0")}`;

export const server = (name: string, number = 1): NewServer => ({ name: name as ServerName, guid: guid(number) });
