// Every text that the operator can send to a database, as a pure function of the shape of its tables. It sends nothing, and no
// value ever becomes part of a text: names come from the catalogue, everything else is a parameter.
import { type DependentTable, type Shape, tableNames } from "./shape.ts";

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

/** The global keys of CMS_SettingsKey that say whether writing rows is right. */
export const settingsKeys = ["CMSWebFarmMode", "CMSWebFarmEnabled", "CMSWebFarmGenerateServers"] as const;

// sp_executesql undoes a SET at its end, so each text brings its own. The lock timeout is shorter than the search for deadlocks
// (5 s) and than our deadline; and the product, not the operator, must win a deadlock.
const prefix =
  "SET NOCOUNT, XACT_ABORT ON; SET DEADLOCK_PRIORITY LOW; SET LOCK_TIMEOUT 1500; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;";

const quoted = (name: string): string => `[${name.replaceAll("]", "]]")}]`;
const text = (...statements: readonly string[]): string => [prefix, ...statements].join("\n");
const rowNumbers = (size: number): readonly number[] => Array.from({ length: size }, (_, row) => row);
const object = (shape: Shape, table: string): string => `${quoted(shape.schema)}.${quoted(table)}`;

/** `(VALUES (@n0, @g0), (@n1, @g1)) AS v (n, g)` for the columns n and g and size 2. */
function values(columns: readonly string[], size: number): string {
  const row = (number: number): string => `(${columns.map((column) => `@${column}${number}`).join(", ")})`;
  return `(VALUES ${rowNumbers(size).map(row).join(", ")}) AS v (${columns.join(", ")})`;
}

/** Tables and what the operator needs on them. `required`: without it the farm cannot be synchronised. */
export const grants: readonly { readonly table: keyof typeof tableNames; readonly grant: string; readonly required: boolean }[] = [
  ...["SELECT", "INSERT", "UPDATE", "DELETE"].map((grant) => ({ table: "servers" as const, grant, required: true })),
  ...["SELECT", "DELETE"].map((grant) => ({ table: "bindings" as const, grant, required: true })),
  ...(["monitoring", "log", "search"] as const).flatMap((table) =>
    ["SELECT", "DELETE"].map((grant) => ({ table, grant, required: false })),
  ),
  { table: "settings", grant: "SELECT", required: false },
  ...(["servers", "bindings", "tasks"] as const).map((table) => ({ table, grant: "VIEW DEFINITION", required: false })),
];

/** Facts of server and database, columns, foreign key of the bindings, grants: four sets. Parameter: @schema. */
export function probe(): Statement {
  const tables = Object.values(tableNames).map((name) => `N'${name.toLowerCase()}'`);
  const asked = grants.map(({ table, grant }) => `(N'${tableNames[table]}', N'${grant}')`);
  const sql = text(
    "SELECT CAST(SERVERPROPERTY(N'ProductVersion') AS NVARCHAR(128)) AS [version], CAST(SERVERPROPERTY(N'Edition') AS NVARCHAR(128)) AS [edition], CAST(SERVERPROPERTY(N'EngineEdition') AS INT) AS [engineEdition], DB_NAME() AS [databaseName], CAST(DATABASEPROPERTYEX(DB_NAME(), N'Updateability') AS NVARCHAR(128)) AS [updateability], SCHEMA_ID(@schema) AS [schemaID];",
    `SELECT t.[name] AS [tableName], c.[name] AS [columnName], c.[max_length] AS [maxLength], c.[is_nullable] AS [isNullable], c.[is_identity] AS [isIdentity], c.[is_computed] AS [isComputed], c.[default_object_id] AS [defaultID] FROM sys.tables AS t INNER JOIN sys.columns AS c ON c.[object_id] = t.[object_id] WHERE t.[schema_id] = SCHEMA_ID(@schema) AND LOWER(t.[name]) IN (${tables.join(", ")}) ORDER BY t.[name], c.[column_id];`,
    `SELECT f.[name] AS [keyName], f.[is_disabled] AS [isDisabled] FROM sys.foreign_keys AS f INNER JOIN sys.tables AS t ON t.[object_id] = f.[parent_object_id] INNER JOIN sys.tables AS r ON r.[object_id] = f.[referenced_object_id] WHERE t.[schema_id] = SCHEMA_ID(@schema) AND LOWER(t.[name]) = N'${tableNames.bindings.toLowerCase()}' AND LOWER(r.[name]) = N'${tableNames.servers.toLowerCase()}';`,
    `SELECT v.[tableName], v.[permission], HAS_PERMS_BY_NAME(QUOTENAME(@schema) + N'.' + QUOTENAME(v.[tableName]), N'OBJECT', v.[permission]) AS [isHeld] FROM (VALUES ${asked.join(", ")}) AS v ([tableName], [permission]);`,
  );
  return { name: "probe", purpose: "say what server, database, tables and grants there are", sql, size: 0, writes: false };
}

/** What a read includes besides the rows. */
export interface ReadParts {
  readonly pings: "included" | "omitted";
  readonly settings: "included" | "omitted";
}

/** The rows, then the newest ping of each server, then the settings: one to three sets. */
export function read(shape: Shape, parts: ReadParts): Statement {
  const sets = [selectRows(shape)];
  const without: string[] = [];
  if (parts.pings === "included" && shape.monitoring !== undefined) sets.push(selectPings(shape, shape.monitoring));
  else without.push("Pings");
  if (parts.settings === "included" && shape.settings !== undefined) sets.push(selectSettings(shape));
  else without.push("Settings");
  return {
    name: ["read", ...without.map((part) => `Without${part}`)].join(""),
    purpose: "read the farm's rows, pings and settings",
    sql: text(...sets),
    size: 0,
    writes: false,
  };
}

/** Inserts the servers whose name the database does not have, and reads back. Row: @n name, @g guid, @u URL where there is one. */
export function register(shape: Shape, size: number): Statement {
  const { servers } = shape;
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
  const from = values(servers.url === undefined ? ["n", "g"] : ["n", "g", "u"], size);
  const sql = text(
    `INSERT INTO ${object(shape, servers.table)} (${cells.map((cell) => quoted(cell.column)).join(", ")}) SELECT ${cells.map((cell) => cell.value).join(", ")} FROM ${from} WHERE v.n IS NOT NULL AND NOT EXISTS (SELECT 1 FROM ${object(shape, servers.table)} AS s WITH (UPDLOCK, HOLDLOCK) WHERE s.${quoted(servers.name)} = v.n);`,
    selectRows(shape),
  );
  return { name: `register${size}`, purpose: "insert servers that are not there, and read back", sql, size, writes: true };
}

/** Gives rows another mark, and reads back. Row: @i ServerID, @n name, @g guid as read, @h new guid, @u URL where there is one. */
export function mark(shape: Shape, size: number): Statement {
  const { servers } = shape;
  const url = servers.url === undefined ? "" : `, ${quoted(servers.url)} = COALESCE(v.u, s.${quoted(servers.url)})`;
  const from = values(servers.url === undefined ? ["i", "n", "g", "h"] : ["i", "n", "g", "h", "u"], size);
  const guid = `s.${quoted(servers.guid)}`;
  const sql = text(
    `UPDATE s SET ${quoted(servers.guid)} = v.h${url}, ${quoted(servers.lastModified)} = GETDATE() FROM ${object(shape, servers.table)} AS s INNER JOIN ${from} ON s.${quoted(servers.serverID)} = v.i AND s.${quoted(servers.name)} = v.n AND (${guid} = v.g OR (${guid} IS NULL AND v.g IS NULL));`,
    selectRows(shape),
  );
  return {
    name: `mark${size}`,
    purpose: "give rows another pod's mark if they are as they were read, and read back",
    sql,
    size,
    writes: true,
  };
}

/**
 * In one transaction at most 2,000 bindings of the servers, then the servers that have none left; says how many of each went, and
 * reads back. Row: @i ServerID, @n name, @g guid, all as read: a row that changed since, or that is another pod's by now, stays.
 */
export function remove(shape: Shape, size: number): Statement {
  const { servers, bindings } = shape;
  const matching = `INNER JOIN ${values(["i", "n", "g"], size)} ON s.${quoted(servers.serverID)} = v.i AND s.${quoted(servers.name)} = v.n AND s.${quoted(servers.guid)} = v.g`;
  const serverTable = object(shape, servers.table);
  const bindingTable = object(shape, bindings.table);
  const sql = text(
    "DECLARE @bindings INT, @servers INT;",
    "BEGIN TRANSACTION;",
    // U on the server's row lets the product's foreign key check (S) through; 2,000 stays under the 5,000 locks that escalate.
    `DELETE TOP (${limits.bindings}) b FROM ${bindingTable} AS b WITH (ROWLOCK) INNER JOIN ${serverTable} AS s WITH (UPDLOCK, ROWLOCK) ON s.${quoted(servers.serverID)} = b.${quoted(bindings.serverID)} ${matching};`,
    "SET @bindings = @@ROWCOUNT;",
    `DELETE s FROM ${serverTable} AS s WITH (ROWLOCK) ${matching} WHERE NOT EXISTS (SELECT 1 FROM ${bindingTable} AS b WITH (HOLDLOCK) WHERE b.${quoted(bindings.serverID)} = s.${quoted(servers.serverID)});`,
    "SET @servers = @@ROWCOUNT;",
    "COMMIT TRANSACTION;",
    "SELECT @bindings AS [bindings], @servers AS [servers];",
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
    `SELECT TOP (1) ${columnsOf(shape)} FROM ${object(shape, servers.table)} AS s WHERE s.${quoted(servers.name)} = @n0 ORDER BY s.${quoted(servers.serverID)};`,
  );
  return { name: "conflict", purpose: "ask which row has a name that equals the given one", sql, size: 1, writes: false };
}

/**
 * Some of what removed servers left behind, in statements of their own: monitoring, log, search tasks, and bindings that a disabled
 * foreign key let in. Nothing of a server that is (again) there. Row: @i ServerID, @n name.
 */
export function sweep(shape: Shape, size: number): Statement {
  const { servers, search } = shape;
  const serverTable = object(shape, servers.table);
  const from = values(["i", "n"], size);
  const hints = "WITH (ROWLOCK, READPAST, READCOMMITTEDLOCK)"; // under row versioning READPAST needs the third
  const byID = (dependent: DependentTable): string =>
    `DELETE TOP (${limits.leftovers}) d FROM ${object(shape, dependent.table)} AS d ${hints} INNER JOIN ${from} ON d.${quoted(dependent.serverID)} = v.i WHERE NOT EXISTS (SELECT 1 FROM ${serverTable} AS s WHERE s.${quoted(servers.serverID)} = v.i);`;
  const deletes = [shape.bindings, shape.monitoring, shape.log].filter((table) => table !== undefined).map(byID);
  if (search !== undefined) {
    deletes.push(
      `DELETE TOP (${limits.leftovers}) d FROM ${object(shape, search.table)} AS d ${hints} INNER JOIN ${from} ON d.${quoted(search.serverName)} = v.n WHERE NOT EXISTS (SELECT 1 FROM ${serverTable} AS s WHERE s.${quoted(servers.name)} = v.n);`,
    );
  }
  return {
    name: `sweep${size}`,
    purpose: "delete what removed servers left in the tables around",
    sql: text(...deletes),
    size,
    writes: true,
  };
}

/** Every text of a shape. */
export function allStatements(shape: Shape): readonly Statement[] {
  const variants = new Map<string, Statement>();
  for (const pings of ["included", "omitted"] as const) {
    for (const settings of ["included", "omitted"] as const) {
      const statement = read(shape, { pings, settings });
      variants.set(statement.name, statement);
    }
  }
  return [
    probe(),
    ...variants.values(),
    ...sizes.register.map((size) => register(shape, size)),
    ...sizes.mark.map((size) => mark(shape, size)),
    ...sizes.remove.map((size) => remove(shape, size)),
    conflict(shape),
    ...sizes.sweep.map((size) => sweep(shape, size)),
  ];
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
function selectPings(shape: Shape, monitoring: DependentTable): string {
  const { servers } = shape;
  return `SELECT m.${quoted(monitoring.serverID)} AS [serverID], MAX(m.${quoted(monitoring.key)}) AS [newestPing] FROM ${object(shape, monitoring.table)} AS m INNER JOIN ${object(shape, servers.table)} AS s ON s.${quoted(servers.serverID)} = m.${quoted(monitoring.serverID)} GROUP BY m.${quoted(monitoring.serverID)};`;
}

function selectSettings(shape: Shape): string {
  const { settings } = shape;
  if (settings === undefined) return "";
  const keys = settingsKeys.map((key) => `N'${key}'`).join(", ");
  return `SELECT k.${quoted(settings.keyName)} AS [keyName], CAST(k.${quoted(settings.keyValue)} AS NVARCHAR(400)) AS [keyValue] FROM ${object(shape, settings.table)} AS k WHERE k.${quoted(settings.siteID)} IS NULL AND k.${quoted(settings.keyName)} IN (${keys});`;
}
