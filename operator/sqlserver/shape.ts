// The shape of the product's tables in one database: which tables and columns there are, spelled as the catalogue spells them.
// It decides what the texts name and which product generation this is; it never reads the database itself.
import type { Product } from "../farm/model.ts";
import { isOf, type MissingGrant } from "./grants.ts";
import { type CatalogueColumn, type CollationName, isCollationName, tableNames } from "./tables.ts";

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
  /** Of name and of url, where it is not the database's. */
  readonly nameCollation?: CollationName;
  readonly urlCollation?: CollationName;
}

/** A table whose rows belong to a server by its ServerID. `key` is its own identity where it has one. */
export interface DependentTable {
  readonly table: string;
  readonly serverID: string;
  readonly key: string;
}

/** Pings: a sign of life of each server every 20 s, the newest 20 of each are kept. */
export interface PingTable extends DependentTable {
  readonly ping: string;
  /** A new server may be given a ping. */
  readonly takesPings: boolean;
  /** Rows of removed servers may be deleted. */
  readonly isSwept: boolean;
}

export interface SearchTable {
  readonly table: string;
  readonly serverName: string;
  /** Where it is not the database's. */
  readonly serverNameCollation?: CollationName;
}

export interface SettingsTable {
  readonly table: string;
  readonly keyName: string;
  readonly keyValue: string;
  /** NULL in it: of all sites. Not in Xperience by Kentico, where each key is. */
  readonly siteID?: string;
}

/** Names exactly as found. A table is absent where the database has none, or where the user may not do what it is there for. */
export interface Shape {
  readonly schema: string;
  readonly product: Product;
  readonly servers: ServersTable;
  readonly bindings: DependentTable;
  readonly monitoring?: PingTable;
  readonly log?: DependentTable;
  readonly search?: SearchTable;
  readonly settings?: SettingsTable;
}

export type ShapeReading =
  { readonly kind: "known"; readonly shape: Shape } | { readonly kind: "unknown"; readonly missing: readonly string[] };

type Found = ReadonlyMap<string, CatalogueColumn>; // of one table, by column name in lower case

/** What the tables are to a user without the `denied` grants; `missing` lists in words what keeps them from being a farm's tables. */
export function shapeOf(schema: string, columns: readonly CatalogueColumn[], denied: readonly MissingGrant[] = []): ShapeReading {
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
    ...columnsNobodyFills(servers, filled).map(
      (column) => `a value for ${tableNames.servers}.${column} (NOT NULL without a default, unknown to this version)`,
    ),
    ...comparedColumns
      .filter(([table, column]) => {
        const collation = tables.get(tableNames[table].toLowerCase())?.get(column.toLowerCase())?.collation;
        return collation !== undefined && !isCollationName(collation);
      })
      .map(([table, column]) => `a collation of ${tableNames[table]}.${column} that can be named`),
  ];
  if (missing.length > 0) return { kind: "unknown", missing };
  return { kind: "known", shape: knownShape(schema, servers, bindings, tables, denied) };
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

const filled = [
  "ServerDisplayName",
  "ServerName",
  "ServerURL",
  "ServerGUID",
  "ServerLastModified",
  "ServerEnabled",
  "IsExternalWebAppServer",
];

// An insert would fail with 515 for each row: better said once, before anything is written.
function columnsNobodyFills(found: Found, filledNames: readonly string[]): readonly string[] {
  const isFilled = (column: string): boolean => filledNames.some((name) => name.toLowerCase() === column.toLowerCase());
  return [...found.values()]
    .filter(({ column, nullable, supplied }) => !nullable && !supplied && !isFilled(column))
    .map(({ column }) => column);
}

/** Columns of text that a text compares with a parameter in a row. */
const comparedColumns = [
  ["servers", "ServerName"],
  ["servers", "ServerURL"],
  ["search", "SearchTaskServerName"],
] as const;

/** Undefined: the database's. */
function namedCollation(found: Found, column: string): CollationName | undefined {
  const collation = found.get(column.toLowerCase())?.collation;
  return collation === undefined || isCollationName(collation) ? collation : broken();
}

function knownShape(
  schema: string,
  servers: Found,
  bindings: Found,
  tables: ReadonlyMap<string, Found>,
  denied: readonly MissingGrant[],
): Shape {
  const isDenied = (table: MissingGrant["table"], grant: MissingGrant["grant"]): boolean =>
    denied.some((one) => isOf(one, { table, grant }));
  const optional = (table: MissingGrant["table"], ...needed: readonly MissingGrant["grant"][]): Found =>
    (needed.some((grant) => isDenied(table, grant)) ? undefined : tables.get(tableNames[table].toLowerCase())) ?? new Map();
  const monitoring = pingTable(optional("monitoring", "SELECT"), isDenied);
  const log = dependent(optional("log", "SELECT", "DELETE"), "WebFarmServerLogID");
  const search = searchTable(optional("search", "SELECT", "DELETE"));
  const settings = settingsTable(optional("settings", "SELECT"));
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

function pingTable(found: Found, isDenied: (table: "monitoring", grant: "INSERT" | "DELETE") => boolean): PingTable | undefined {
  const known = spelled(found, { serverID: "ServerID", key: "WebFarmServerMonitoringID", ping: "ServerPing" });
  return (
    known && {
      ...known,
      takesPings: columnsNobodyFills(found, ["ServerID", "ServerPing"]).length === 0 && !isDenied("monitoring", "INSERT"),
      isSwept: !isDenied("monitoring", "DELETE"),
    }
  );
}

function searchTable(found: Found): SearchTable | undefined {
  const known = spelled(found, { serverName: "SearchTaskServerName" });
  const serverNameCollation = namedCollation(found, "SearchTaskServerName");
  return known && { ...known, ...(serverNameCollation && { serverNameCollation }) };
}

function settingsTable(found: Found): SettingsTable | undefined {
  const known = spelled(found, { keyName: "KeyName", keyValue: "KeyValue" });
  const siteID = found.get("siteid")?.column;
  return known && { ...known, ...(siteID !== undefined && { siteID }) };
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
  const nameCollation = namedCollation(servers, "ServerName");
  const urlCollation = namedCollation(servers, "ServerURL");
  return {
    ...(known ?? broken()),
    ...(url !== undefined && { url }),
    ...(external !== undefined && { external }),
    ...(nameCollation && { nameCollation }),
    ...(urlCollation && { urlCollation }),
  };
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
  throw new Error("Cannot make the shape: its columns and collations were checked before");
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
