// The catalogue of each product generation that this version knows, as far as the operator looks: what the list of statements, the scripts
// of permissions and tests are made from. A running operator asks the database instead.
import { type CatalogueColumn, tableNames } from "./tables.ts";

export const schemas = ["6", "7", "8.2", "10", "11", "12", "13", "xbyk"] as const;
/** The names by which `npm run statements` prints them; 10 stands for 9 too, 8.2 for each 8. */
export type SchemaName = (typeof schemas)[number];

const column = (table: keyof typeof tableNames, name: string, more: Partial<CatalogueColumn> = {}): CatalogueColumn => ({
  table: tableNames[table],
  column: name,
  maxLength: 4,
  nullable: false,
  supplied: false,
  ...more,
});

const bindings = [
  column("bindings", "ServerID"),
  column("bindings", "TaskID"),
  column("bindings", "ErrorMessage", { maxLength: -1, nullable: true }),
];
const search = column("search", "SearchTaskServerName", { maxLength: 400, nullable: true });
const siteID = column("settings", "SiteID", { nullable: true });
const taskType = (characters: 50 | 100): CatalogueColumn =>
  column("tasks", "TaskType", { maxLength: 2 * characters, supplied: characters === 100 });
const settings = (hasDefaults: boolean): readonly CatalogueColumn[] => [
  column("settings", "KeyName", { maxLength: 200, supplied: hasDefaults }),
  column("settings", "KeyValue", { maxLength: -1, nullable: true }),
];
/** Tables of 9 and later; whether ServerID has a default is known of 9 and 10 only. */
const pings = (hasDefaults: boolean): readonly CatalogueColumn[] => [
  column("monitoring", "WebFarmServerMonitoringID", { supplied: true }),
  column("monitoring", "ServerID", { supplied: hasDefaults }),
  column("monitoring", "ServerPing", { maxLength: 8, nullable: true }),
  column("log", "WebFarmServerLogID", { supplied: true }),
  column("log", "ServerID", { supplied: hasDefaults }),
];

/** CMS_WebFarmServer of 6 to 8: an address of each server, names of 200 or 300 characters. */
const serversWithUrl = (characters: 200 | 300): readonly CatalogueColumn[] => [
  column("servers", "ServerID", { supplied: true }),
  column("servers", "ServerDisplayName", { maxLength: 2 * characters, supplied: characters === 300 }),
  column("servers", "ServerName", { maxLength: 2 * characters, supplied: characters === 300 }),
  column("servers", "ServerURL", { maxLength: 4000 }),
  column("servers", "ServerGUID", { maxLength: 16 }),
  column("servers", "ServerLastModified", { maxLength: 8 }),
  column("servers", "ServerEnabled", { maxLength: 1 }),
  column("servers", "ServerLastUpdated", { maxLength: 8, nullable: true }),
];

/** CMS_WebFarmServer of 9 and later. */
const servers = (enabled: Partial<CatalogueColumn> = {}): readonly CatalogueColumn[] => [
  column("servers", "ServerID", { supplied: true }),
  column("servers", "ServerDisplayName", { maxLength: 600, supplied: true }),
  column("servers", "ServerName", { maxLength: 600, supplied: true }),
  column("servers", "ServerGUID", { maxLength: 16, nullable: true }),
  column("servers", "ServerLastModified", { maxLength: 8, supplied: true }),
  column("servers", "ServerEnabled", { maxLength: 1, ...enabled }),
];
const external = column("servers", "IsExternalWebAppServer", { maxLength: 1 });

export const catalogues: Readonly<Record<SchemaName, readonly CatalogueColumn[]>> = {
  "6": [...serversWithUrl(200), ...bindings, taskType(50), search, ...settings(false), siteID],
  "7": [...serversWithUrl(300), ...bindings, taskType(50), search, ...settings(false), siteID],
  "8.2": [...serversWithUrl(300), ...bindings, taskType(50), search, ...settings(false), siteID],
  "10": [...servers({ nullable: true, supplied: true }), ...[...bindings, taskType(50), ...pings(true), search, ...settings(true), siteID]],
  "11": [...servers(), external, ...bindings, taskType(50), ...pings(false), search, ...settings(true), siteID],
  "12": [...servers(), external, ...bindings, taskType(100), ...pings(false), search, ...settings(true), siteID],
  "13": [...servers(), external, ...bindings, taskType(100), ...pings(false), search, ...settings(true), siteID],
  xbyk: [...servers(), ...bindings, taskType(100), ...pings(false), ...settings(true)],
};
