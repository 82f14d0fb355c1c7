// Every text that the operator can send to a database, as a pure function of the shape of its tables. It sends nothing, and no
// value ever becomes part of a text: names come from the catalogue, everything else is a parameter.
import { noPing } from "../farm/model.ts";
import { grants } from "./grants.ts";
import { comparable, numbered, object, quoted, text, values } from "./phrases.ts";
import type { DependentTable, PingTable, SettingsTable, Shape } from "./shape.ts";
import { tableNames } from "./tables.ts";

/** One text. `size` is the number of rows of parameters that it takes, 0 where it takes none. */
export interface Statement {
  readonly name: string;
  readonly purpose: string;
  readonly sql: string;
  readonly size: number;
  /** It may change something. */
  readonly writes: boolean;
}

/** Rows of parameters of a request: few sizes, so few plans; what is over is NULL. */
export const sizes = { register: [1, 16, 200], mark: [1, 16], remove: [1, 8, 100], sweep: [16] } as const;
export const limits = { rows: 10_000, bindings: 2_000, leftovers: 500, nameLength: 100, urlLength: 2_000 } as const;

/** The global keys of CMS_SettingsKey that say whether writing rows is right, and by which mechanism the farm synchronises. */
export const settingsKeys = [
  "CMSWebFarmMode", // 9 and later
  "CMSWebFarmSyncInterval", // 9 and later
  "CMSWebFarmEnabled", // 7 and 8
  "CMSWebFarmGenerateServers", // 7 and 8
  "CMSWebFarmDeleteGeneratedServers", // 7 and 8
  "CMSWebFarmUseDBUpdater", // 7 and 8
  "CMSWebFarmUpdateWithinRequest", // 7 and 8
] as const;

/** Facts of server and database, columns, foreign keys of the bindings, grants: four sets. Parameter: @schema. */
export function probe(): Statement {
  // Compared without regard to the database's collation: in a Turkish one I and i are two letters.
  const is = "COLLATE Latin1_General_CI_AS";
  const tables = Object.values(tableNames).map((name) => `N'${name}'`);
  const asked = grants.flatMap(({ table, grant, columns = [""] }) =>
    columns.map((column) => `(N'${tableNames[table]}', N'${grant}', ${column === "" ? "NULL" : `N'${column}'`})`),
  );
  const inSchema = "t.[schema_id] = SCHEMA_ID(@schema)";
  const securable = "QUOTENAME(@schema) + N'.' + QUOTENAME(t.[name]), N'OBJECT', v.[permission]";
  const sql = text(
    "SELECT CAST(SERVERPROPERTY(N'ProductVersion') AS NVARCHAR(128)) AS [version], CAST(SERVERPROPERTY(N'Edition') AS NVARCHAR(128)) AS [edition], CAST(SERVERPROPERTY(N'EngineEdition') AS INT) AS [engineEdition], DB_NAME() AS [databaseName], CAST(DATABASEPROPERTYEX(DB_NAME(), N'Updateability') AS NVARCHAR(128)) AS [updateability], CAST(DATABASEPROPERTYEX(DB_NAME(), N'Collation') AS NVARCHAR(128)) AS [collation], SCHEMA_ID(@schema) AS [schemaID];",
    `SELECT t.[name] AS [tableName], c.[name] AS [columnName], c.[max_length] AS [maxLength], c.[is_nullable] AS [isNullable], c.[is_identity] AS [isIdentity], c.[is_computed] AS [isComputed], c.[default_object_id] AS [defaultID], c.[system_type_id] AS [typeID], c.[collation_name] AS [collation] FROM sys.tables AS t INNER JOIN sys.columns AS c ON c.[object_id] = t.[object_id] WHERE ${inSchema} AND t.[name] ${is} IN (${tables.join(", ")}) ORDER BY t.[name], c.[column_id];`,
    `SELECT f.[name] AS [keyName], f.[is_disabled] AS [isDisabled] FROM sys.foreign_keys AS f INNER JOIN sys.tables AS t ON t.[object_id] = f.[parent_object_id] INNER JOIN sys.tables AS r ON r.[object_id] = f.[referenced_object_id] WHERE ${inSchema} AND t.[name] ${is} = N'${tableNames.bindings}' AND r.[name] ${is} = N'${tableNames.servers}';`,
    `SELECT t.[name] AS [tableName], v.[permission], c.[name] AS [columnName], CASE WHEN v.[columnName] IS NULL THEN HAS_PERMS_BY_NAME(${securable}) ELSE HAS_PERMS_BY_NAME(${securable}, c.[name], N'COLUMN') END AS [isHeld] FROM sys.tables AS t INNER JOIN (VALUES ${asked.join(", ")}) AS v ([tableName], [permission], [columnName]) ON t.[name] ${is} = v.[tableName] LEFT JOIN sys.columns AS c ON c.[object_id] = t.[object_id] AND c.[name] ${is} = v.[columnName] WHERE ${inSchema} AND (v.[columnName] IS NULL OR c.[name] IS NOT NULL);`,
  );
  return { name: "probe", purpose: "say what server, database, tables and grants there are", sql, size: 0, writes: false };
}

/** The rows, then the newest ping of each server, then the settings: as many sets as the shape has of these tables. */
export function read(shape: Shape): Statement {
  const { monitoring, settings } = shape;
  const pings = monitoring === undefined ? [] : [selectPings(shape, monitoring)];
  const values = settings === undefined ? [] : [selectSettings(shape, settings)];
  return {
    name: "read",
    purpose: "read the farm's rows, pings and settings",
    sql: text(selectRows(shape), ...pings, ...values),
    size: 0,
    writes: false,
  };
}

/**
 * Inserts the servers whose name the database does not have, the first ones first, and reads back. Row: @n name, @g guid, @u URL where
 * there is one. @most: so many enabled rows may the table have afterwards; NULL: any number. @ping, where the table has pings: 1 gives
 * each new row that has none the table's newest.
 */
export function register(shape: Shape, size: number): Statement {
  const { servers, monitoring } = shape;
  const serverTable = object(shape, servers.table);
  const url = servers.url === undefined ? [] : [{ column: servers.url, value: "v.u" }];
  const external = servers.external === undefined ? [] : [{ column: servers.external, value: "0" }];
  const cells = [
    { column: servers.displayName, value: "v.n" },
    { column: servers.name, value: "v.n" },
    ...url,
    { column: servers.guid, value: "v.g" },
    { column: servers.lastModified, value: "GETDATE()" },
    { column: servers.enabled, value: "1" },
    ...external,
  ];
  const from = numbered(servers.url === undefined ? ["n", "g"] : ["n", "g", "u"], size);
  const sql = text(
    "DECLARE @room INT;",
    `SET @room = ${size};`,
    "BEGIN TRANSACTION;",
    // Two leaders that count at once would each find the last place free: the second waits here until the first has committed.
    `IF @most IS NOT NULL SELECT @room = @most - COUNT(s.${quoted(servers.serverID)}) FROM ${serverTable} AS s WITH (UPDLOCK, HOLDLOCK) WHERE s.${quoted(servers.enabled)} = 1;`,
    "IF @room < 0 SET @room = 0;",
    // The absent name is locked too: no other session inserts it meanwhile, also where no unique index forbids it.
    `INSERT INTO ${serverTable} (${cells.map((cell) => quoted(cell.column)).join(", ")}) SELECT TOP (@room) ${cells.map((cell) => cell.value).join(", ")} FROM ${from} WHERE v.n IS NOT NULL AND NOT EXISTS (SELECT 1 FROM ${serverTable} AS s WITH (UPDLOCK, HOLDLOCK) WHERE ${isNamed(shape, "v.n")}) ORDER BY v.k;`,
    ...(monitoring?.takesPings === true ? [copyPing(shape, monitoring, size)] : []),
    "COMMIT TRANSACTION;",
    selectRows(shape),
  );
  return { name: `register${size}`, purpose: "insert servers that are not there, and read back", sql, size, writes: true };
}

// The ping is the application's local time, so it stays in the database: a copy is right by construction.
function copyPing(shape: Shape, monitoring: PingTable, size: number): string {
  const { servers } = shape;
  const pings = object(shape, monitoring.table);
  const [serverID, ping] = [quoted(monitoring.serverID), quoted(monitoring.ping)];
  return `IF @ping = 1 INSERT INTO ${pings} (${serverID}, ${ping}) SELECT s.${quoted(servers.serverID)}, p.[newest] FROM ${object(shape, servers.table)} AS s INNER JOIN ${values(["n", "g"], size)} ON ${isNamed(shape, "v.n")} AND s.${quoted(servers.guid)} = v.g CROSS JOIN (SELECT MAX(m.${ping}) AS [newest] FROM ${pings} AS m) AS p WHERE p.[newest] IS NOT NULL AND NOT EXISTS (SELECT 1 FROM ${pings} AS m WHERE m.${serverID} = s.${quoted(servers.serverID)});`;
}

/**
 * Gives rows another mark, or another URL, and reads back; rows that have both are not touched. Row: @i ServerID, @n name, @g guid as
 * read, @h new guid (may be the same), @u URL where there is one (NULL: as it is).
 */
export function mark(shape: Shape, size: number): Statement {
  const { servers } = shape;
  const guid = `s.${quoted(servers.guid)}`;
  const url = servers.url === undefined ? undefined : `s.${quoted(servers.url)}`;
  const from = values(url === undefined ? ["i", "n", "g", "h"] : ["i", "n", "g", "h", "u"], size);
  const assigned = [
    `${quoted(servers.guid)} = v.h`,
    ...(servers.url === undefined
      ? []
      : [`${quoted(servers.url)} = COALESCE(${comparable("v.u", servers.urlCollation)}, s.${quoted(servers.url)})`]),
    `${quoted(servers.lastModified)} = GETDATE()`,
  ];
  const changed = [
    `${guid} IS NULL OR ${guid} <> v.h`,
    // Exactly: to the database's collation two URLs may be one.
    ...(url === undefined ? [] : [`${url} <> v.u COLLATE Latin1_General_BIN2 OR DATALENGTH(${url}) <> DATALENGTH(v.u)`]),
  ];
  const sql = text(
    `UPDATE s SET ${assigned.join(", ")} FROM ${object(shape, servers.table)} AS s INNER JOIN ${from} ON ${asRead(shape)} WHERE ${changed.join(" OR ")};`,
    selectRows(shape),
  );
  return {
    name: `mark${size}`,
    purpose: "give rows another pod's mark or URL if they are as they were read, and read back",
    sql,
    size,
    writes: true,
  };
}

/**
 * In one transaction at most 2,000 bindings of the servers, then the servers that have none left; says how many of each went, and
 * reads back. Row: @i ServerID, @n name, @g guid, all as read: a row that changed since, or that is another pod's by now, stays. @p, where
 * the table has pings: only while that is the server's newest one (NULL: whatever it is).
 *
 * Of one server the bindings go in the order of their key, those above @after; `reached` is the last that was looked at. So a long
 * drain never reads again what it has deleted, which stays in the index as ghosts for a while. (Other sizes do not look at @after.)
 */
export function remove(shape: Shape, size: number): Statement {
  const { servers, bindings, monitoring } = shape;
  const serverTable = object(shape, servers.table);
  const bindingTable = object(shape, bindings.table);
  const task = `b.${quoted(bindings.key)}`;
  const matching = `INNER JOIN ${values(monitoring === undefined ? ["i", "n", "g"] : ["i", "n", "g", "p"], size)} ON ${asRead(shape)}`;
  const conditions = monitoring === undefined ? [] : [isNewestPing(shape, monitoring)];
  const where = (...more: readonly string[]): string =>
    [...conditions, ...more].map((one, at) => `${at === 0 ? " WHERE" : " AND"} ${one}`).join("");
  const isByKey = size === 1;
  const next = `SELECT TOP (${limits.bindings}) ${task} AS [taskID] FROM ${bindingTable} AS b WHERE b.${quoted(bindings.serverID)} = @i0 AND ${task} > @after ORDER BY ${task}`;
  const range = isByKey ? [`${task} > @after`, `${task} <= @reached`] : [];
  const sql = text(
    "DECLARE @bindings INT, @servers INT, @reached INT;",
    "SET @servers = 0;",
    "BEGIN TRANSACTION;",
    ...(isByKey ? [`SELECT @reached = MAX(t.[taskID]) FROM (${next}) AS t;`] : []),
    // U on the server's row lets the product's foreign key check (S) through; 2,000 stays under the 5,000 locks that escalate.
    `DELETE TOP (${limits.bindings}) b FROM ${bindingTable} AS b WITH (ROWLOCK) INNER JOIN ${serverTable} AS s WITH (UPDLOCK, ROWLOCK) ON s.${quoted(servers.serverID)} = b.${quoted(bindings.serverID)} ${matching}${where(...range)};`,
    "SET @bindings = @@ROWCOUNT;",
    // In the middle of a drain there is no use in looking for what is left: it would begin with the ghosts.
    ...(isByKey ? [`IF @bindings < ${limits.bindings}`] : []),
    "BEGIN",
    `DELETE s FROM ${serverTable} AS s WITH (ROWLOCK) ${matching}${where(`NOT EXISTS (SELECT 1 FROM ${bindingTable} AS b WITH (HOLDLOCK) WHERE b.${quoted(bindings.serverID)} = s.${quoted(servers.serverID)})`)};`,
    "SET @servers = @@ROWCOUNT;",
    "END",
    "COMMIT TRANSACTION;",
    "SELECT @bindings AS [bindings], @servers AS [servers], @reached AS [reached];",
    selectRows(shape),
  );
  return {
    name: `remove${size}`,
    purpose: "delete the bindings of servers, and the servers that have none left, and read back",
    sql,
    size,
    writes: true,
  };
}

/** The rows whose name equals @n0 in the database's eyes (case, accents, trailing blanks). */
export function conflict(shape: Shape): Statement {
  const { servers } = shape;
  const sql = text(
    `SELECT TOP (1) ${columnsOf(shape)} FROM ${object(shape, servers.table)} AS s WHERE ${isNamed(shape, "@n0")} ORDER BY s.${quoted(servers.serverID)};`,
  );
  return { name: "conflict", purpose: "ask which row has a name that equals the given one", sql, size: 1, writes: false };
}

/**
 * Some of what removed servers left behind, in statements of their own: monitoring, log, search tasks, and bindings that a disabled
 * foreign key let in. Nothing of a server that is (again) there. Row: @i ServerID, @n name. Says how many rows went of the table that most went of.
 */
export function sweep(shape: Shape, size: number): Statement {
  const { servers, search, monitoring, log, bindings } = shape;
  const serverTable = object(shape, servers.table);
  const from = values(["i", "n"], size);
  // Rows that others hold are passed over, also where readers see row versions: there READPAST needs the second. That is of one group with
  // ROWLOCK, of which a table may be given one. https://learn.microsoft.com/sql/t-sql/queries/hints-transact-sql-table
  const hints = "WITH (READPAST, READCOMMITTEDLOCK)";
  const byID = (dependent: DependentTable): string =>
    `DELETE TOP (${limits.leftovers}) d FROM ${object(shape, dependent.table)} AS d ${hints} INNER JOIN ${from} ON d.${quoted(dependent.serverID)} = v.i WHERE NOT EXISTS (SELECT 1 FROM ${serverTable} AS s WHERE s.${quoted(servers.serverID)} = v.i);`;
  const tables = [bindings, ...(monitoring?.isSwept === true ? [monitoring] : []), ...(log === undefined ? [] : [log])];
  const byName =
    search === undefined
      ? []
      : [
          `DELETE TOP (${limits.leftovers}) d FROM ${object(shape, search.table)} AS d ${hints} INNER JOIN ${from} ON d.${quoted(search.serverName)} = ${comparable("v.n", search.serverNameCollation)} WHERE NOT EXISTS (SELECT 1 FROM ${serverTable} AS s WHERE ${isNamed(shape, "v.n")});`,
        ];
  const counted = [...tables.map(byID), ...byName].flatMap((one) => [
    one,
    "SET @count = @@ROWCOUNT;",
    "IF @count > @largest SET @largest = @count;",
  ]);
  return {
    name: `sweep${size}`,
    purpose: "delete what removed servers left in the tables around",
    sql: text("DECLARE @count INT, @largest INT;", "SET @largest = 0;", ...counted, "SELECT @largest AS [largest];"),
    size,
    writes: true,
  };
}

/** Every text of a shape. */
export function allStatements(shape: Shape): readonly Statement[] {
  return [
    probe(),
    read(shape),
    ...sizes.register.map((size) => register(shape, size)),
    ...sizes.mark.map((size) => mark(shape, size)),
    ...sizes.remove.map((size) => remove(shape, size)),
    conflict(shape),
    ...sizes.sweep.map((size) => sweep(shape, size)),
  ];
}

/** The name is `value` as the column compares names. */
const isNamed = ({ servers }: Shape, value: string): string => `s.${quoted(servers.name)} = ${comparable(value, servers.nameCollation)}`;

/** The row is as it was read. */
function asRead(shape: Shape): string {
  const { servers } = shape;
  const guid = `s.${quoted(servers.guid)}`;
  return `s.${quoted(servers.serverID)} = v.i AND ${isNamed(shape, "v.n")} AND (${guid} = v.g OR (${guid} IS NULL AND v.g IS NULL))`;
}

function isNewestPing(shape: Shape, { table, key, serverID }: PingTable): string {
  return `(v.p IS NULL OR v.p = ISNULL((SELECT MAX(m.${quoted(key)}) FROM ${object(shape, table)} AS m WHERE m.${quoted(serverID)} = s.${quoted(shape.servers.serverID)}), ${noPing}))`;
}

function columnsOf(shape: Shape): string {
  const { servers } = shape;
  const columns = [servers.serverID, servers.name, servers.guid, servers.enabled, ...(servers.url === undefined ? [] : [servers.url])];
  const aliases = ["serverID", "name", "guid", "enabled", "url"];
  return columns.map((column, index) => `s.${quoted(column)} AS ${quoted(aliases[index] ?? column)}`).join(", ");
}

function selectRows(shape: Shape): string {
  const { servers } = shape;
  return `SELECT TOP (${limits.rows + 1}) ${columnsOf(shape)} FROM ${object(shape, servers.table)} AS s ORDER BY s.${quoted(servers.serverID)};`;
}

// Pings of servers that are long gone stay in the table for ever: only those of rows that are there.
function selectPings(shape: Shape, monitoring: PingTable): string {
  const { servers } = shape;
  return `SELECT m.${quoted(monitoring.serverID)} AS [serverID], MAX(m.${quoted(monitoring.key)}) AS [newestPing] FROM ${object(shape, monitoring.table)} AS m INNER JOIN ${object(shape, servers.table)} AS s ON s.${quoted(servers.serverID)} = m.${quoted(monitoring.serverID)} GROUP BY m.${quoted(monitoring.serverID)};`;
}

function selectSettings(shape: Shape, { table, keyName, keyValue, siteID }: SettingsTable): string {
  const keys = settingsKeys.map((key) => `N'${key}'`).join(", ");
  const ofAllSites = siteID === undefined ? "" : `k.${quoted(siteID)} IS NULL AND `;
  return `SELECT k.${quoted(keyName)} AS [keyName], CAST(k.${quoted(keyValue)} AS NVARCHAR(400)) AS [keyValue] FROM ${object(shape, table)} AS k WHERE ${ofAllSites}k.${quoted(keyName)} IN (${keys});`;
}
