// The shape of the product's tables in one database: which tables and columns there are, spelled as the catalogue spells them.
// It decides what the texts name and which product generation this is; it never reads the database itself.
import type { Product } from "../farm/model.ts";

/** A column as sys.columns lists it. `maxLength` in bytes, -1 for max. */
export interface CatalogueColumn {
  readonly table: string;
  readonly column: string;
  readonly maxLength: number;
  readonly nullable: boolean;
  /** The server supplies a value when an insert names none: a default, an identity, a computed column. */
  readonly supplied: boolean;
}

export interface ServersTable {
  readonly table: string;
  readonly serverID: string;
  readonly displayName: string;
  readonly name: string;
  readonly url?: string;
  readonly guid: string;
  readonly lastModified: string;
  readonly enabled: string;
  readonly external?: string;
}

/** A table whose rows belong to a server by its ServerID. `key` is its own identity where it has one. */
export interface DependentTable {
  readonly table: string;
  readonly serverID: string;
  readonly key: string;
}

export interface SearchTable {
  readonly table: string;
  readonly serverName: string;
}

export interface SettingsTable {
  readonly table: string;
  readonly keyName: string;
  readonly keyValue: string;
  readonly siteID: string;
}

/** Names exactly as found. An optional table is absent where the database has none (or hides it). */
export interface Shape {
  readonly schema: string;
  readonly product: Product;
  readonly servers: ServersTable;
  readonly bindings: DependentTable;
  readonly monitoring?: DependentTable;
  readonly log?: DependentTable;
  readonly search?: SearchTable;
  readonly settings?: SettingsTable;
}

export type ShapeReading =
  { readonly kind: "known"; readonly shape: Shape } | { readonly kind: "unknown"; readonly missing: readonly string[] };

/** Names the tables that the operator asks the catalogue for, in lower case: some servers fold them. */
export const tableNames = {
  servers: "CMS_WebFarmServer",
  bindings: "CMS_WebFarmServerTask",
  tasks: "CMS_WebFarmTask",
  monitoring: "CMS_WebFarmServerMonitoring",
  log: "CMS_WebFarmServerLog",
  search: "CMS_SearchTask",
  settings: "CMS_SettingsKey",
} as const;

type Found = ReadonlyMap<string, CatalogueColumn>; // of one table, by column name in lower case

/** What the tables are; `missing` lists in words what keeps them from being a farm's tables. */
export function shapeOf(schema: string, columns: readonly CatalogueColumn[]): ShapeReading {
  const tables = byTable(columns);
  const servers = tables.get(tableNames.servers.toLowerCase());
  const bindings = tables.get(tableNames.bindings.toLowerCase());
  if (servers === undefined || bindings === undefined) {
    const absent = [servers === undefined ? tableNames.servers : "", bindings === undefined ? tableNames.bindings : ""];
    return { kind: "unknown", missing: absent.filter((name) => name !== "").map((name) => `table ${name}`) };
  }
  const missing = [
    ...missingColumns(tableNames.servers, servers, [
      "ServerID",
      "ServerDisplayName",
      "ServerName",
      "ServerGUID",
      "ServerLastModified",
      "ServerEnabled",
    ]),
    ...missingColumns(tableNames.bindings, bindings, ["ServerID", "TaskID"]),
    ...columnsNobodyFills(servers),
  ];
  if (missing.length > 0) return { kind: "unknown", missing };
  return { kind: "known", shape: knownShape(schema, servers, bindings, tables) };
}

function byTable(columns: readonly CatalogueColumn[]): ReadonlyMap<string, Found> {
  const tables = new Map<string, Map<string, CatalogueColumn>>();
  for (const column of columns) {
    const key = column.table.toLowerCase();
    const found = tables.get(key) ?? new Map<string, CatalogueColumn>();
    tables.set(key, found.set(column.column.toLowerCase(), column));
  }
  return tables;
}

function missingColumns(table: string, found: Found, names: readonly string[]): readonly string[] {
  return names.filter((name) => !found.has(name.toLowerCase())).map((name) => `column ${table}.${name}`);
}

const filled = new Set(
  [
    "ServerID",
    "ServerDisplayName",
    "ServerName",
    "ServerURL",
    "ServerGUID",
    "ServerLastModified",
    "ServerEnabled",
    "IsExternalWebAppServer",
  ].map((name) => name.toLowerCase()),
);

// An insert would fail with 515 for each row: better said once, before anything is written.
function columnsNobodyFills(servers: Found): readonly string[] {
  return [...servers.values()]
    .filter((column) => !column.nullable && !column.supplied && !filled.has(column.column.toLowerCase()))
    .map((column) => `a value for ${tableNames.servers}.${column.column} (NOT NULL without a default, unknown to this version)`);
}

function knownShape(schema: string, servers: Found, bindings: Found, tables: ReadonlyMap<string, Found>): Shape {
  const optional = (name: keyof typeof tableNames): Found =>
    tables.get(tableNames[name].toLowerCase()) ?? new Map<string, CatalogueColumn>();
  const monitoring = dependent(optional("monitoring"), "WebFarmServerMonitoringID");
  const log = dependent(optional("log"), "WebFarmServerLogID");
  const search = spelled(optional("search"), { serverName: "SearchTaskServerName" });
  const settings = spelled(optional("settings"), { keyName: "KeyName", keyValue: "KeyValue", siteID: "SiteID" });
  return {
    schema,
    product: productOf(servers, tables),
    servers: serversTable(servers),
    bindings: dependent(bindings, "TaskID") ?? broken(),
    ...(monitoring && { monitoring }),
    ...(log && { log }),
    ...(search && { search }),
    ...(settings && { settings }),
  };
}

function serversTable(servers: Found): ServersTable {
  const known = spelled(servers, {
    serverID: "ServerID",
    displayName: "ServerDisplayName",
    name: "ServerName",
    guid: "ServerGUID",
    lastModified: "ServerLastModified",
    enabled: "ServerEnabled",
  });
  const url = servers.get("serverurl")?.column;
  const external = servers.get("isexternalwebappserver")?.column;
  return { ...(known ?? broken()), ...(url !== undefined && { url }), ...(external !== undefined && { external }) };
}

function dependent(found: Found, key: string): DependentTable | undefined {
  return spelled(found, { serverID: "ServerID", key });
}

/** The table's and the columns' names as found; undefined when one of them is not there. */
function spelled<K extends string>(
  found: Found,
  names: Readonly<Record<K, string>>,
): (Readonly<Record<K, string>> & { readonly table: string }) | undefined {
  const result: Record<string, string> = {};
  for (const [key, name] of Object.entries<string>(names)) {
    const column = found.get(name.toLowerCase());
    if (column === undefined) return undefined;
    result[key] = column.column;
    result["table"] = column.table;
  }
  return result as Readonly<Record<K, string>> & { readonly table: string };
}

function broken(): never {
  throw new Error("Cannot spell columns: they were checked to be there");
}

/**
 * | ServerURL | IsExternalWebAppServer | told apart by                                | product     |
 * |-----------|------------------------|----------------------------------------------|-------------|
 * | yes       | -                      | ServerName of 200 characters                 | 6, else 7-8 |
 * | no        | yes                    | CMS_WebFarmTask.TaskType of 50 characters    | 11, else 12-13 |
 * | no        | no                     | ServerEnabled may be NULL                    | 9-10, else XbyK |
 */
function productOf(servers: Found, tables: ReadonlyMap<string, Found>): Product {
  if (servers.has("serverurl")) return servers.get("servername")?.maxLength === 400 ? "6" : "7-8";
  if (servers.has("isexternalwebappserver")) {
    const taskType = tables.get(tableNames.tasks.toLowerCase())?.get("tasktype");
    return taskType?.maxLength === 100 ? "11" : "12-13";
  }
  return servers.get("serverenabled")?.nullable === true ? "9-10" : "XbyK";
}
