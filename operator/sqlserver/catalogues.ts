// The catalogue of each product generation that this version synchronises, as a probe finds it: what the list of statements and the
// tests are made from. A running operator asks the database instead.
import { type CatalogueColumn, tableNames } from "./shape.ts";

const column = (table: keyof typeof tableNames, name: string, more: Partial<CatalogueColumn> = {}): CatalogueColumn => ({
  table: tableNames[table],
  column: name,
  maxLength: 4,
  nullable: false,
  supplied: false,
  ...more,
});

const kentico13: readonly CatalogueColumn[] = [
  column("servers", "ServerID", { supplied: true }),
  column("servers", "ServerDisplayName", { maxLength: 600, supplied: true }),
  column("servers", "ServerName", { maxLength: 600, supplied: true }),
  column("servers", "ServerGUID", { maxLength: 16, nullable: true }),
  column("servers", "ServerLastModified", { maxLength: 8, supplied: true }),
  column("servers", "ServerEnabled", { maxLength: 1 }),
  column("servers", "IsExternalWebAppServer", { maxLength: 1 }),
  column("bindings", "ServerID"),
  column("bindings", "TaskID"),
  column("bindings", "ErrorMessage", { maxLength: -1, nullable: true }),
  column("tasks", "TaskType", { maxLength: 200, supplied: true }),
  column("monitoring", "WebFarmServerMonitoringID", { supplied: true }),
  column("monitoring", "ServerID", { supplied: true }),
  column("log", "WebFarmServerLogID", { supplied: true }),
  column("log", "ServerID", { supplied: true }),
  column("search", "SearchTaskServerName", { maxLength: 400, nullable: true }),
  column("settings", "KeyName", { maxLength: 200, supplied: true }),
  column("settings", "KeyValue", { maxLength: -1, nullable: true }),
  column("settings", "SiteID", { nullable: true }),
];

/** By the name that `npm run statements` prints as `schema`. */
export const catalogues: Readonly<Record<string, readonly CatalogueColumn[]>> = { "13": kentico13 };
