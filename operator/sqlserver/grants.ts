// What the operator's user must be allowed, table by table, each grant with its reason: the scripts, the probe and the messages all come
// from this list. It grants nothing.
import type { tableNames } from "./tables.ts";

export interface Grant {
  readonly table: keyof typeof tableNames;
  readonly grant: "SELECT" | "INSERT" | "UPDATE" | "DELETE" | "VIEW DEFINITION";
  /** Those that are enough, where SQL Server grants by column (SELECT and UPDATE); a column that a version has not is left out. */
  readonly columns?: readonly string[];
  /** Without it the farm cannot be kept in step. */
  readonly required: boolean;
  readonly reason: string;
}

export const grants: readonly Grant[] = [
  {
    ...{ table: "servers", grant: "SELECT", required: true, reason: "to read the rows" },
    columns: ["ServerID", "ServerName", "ServerGUID", "ServerEnabled", "ServerURL"],
  },
  { table: "servers", grant: "INSERT", required: true, reason: "to add the server of a new pod" },
  {
    ...{ table: "servers", grant: "UPDATE", required: true, reason: "to give a row another pod's mark and URL" },
    columns: ["ServerGUID", "ServerURL", "ServerLastModified"],
  },
  { table: "servers", grant: "DELETE", required: true, reason: "to remove the server of a pod that is gone" },
  {
    ...{
      table: "servers",
      grant: "VIEW DEFINITION",
      required: false,
      reason: "to see all columns of the table, so that none is left without a value",
    },
  },
  {
    table: "bindings",
    grant: "SELECT",
    required: true,
    reason: "to find the tasks of a server to remove",
    columns: ["ServerID", "TaskID"],
  },
  { table: "bindings", grant: "DELETE", required: true, reason: "to delete the tasks of a server to remove, which it will never fetch" },
  { table: "bindings", grant: "VIEW DEFINITION", required: false, reason: "to see whether its foreign key is enabled" },
  {
    table: "tasks",
    grant: "VIEW DEFINITION",
    required: false,
    reason: "to tell the product's versions apart; its rows are never read or changed",
  },
  {
    ...{ table: "monitoring", grant: "SELECT", required: false, reason: "to see that a server lives" },
    columns: ["WebFarmServerMonitoringID", "ServerID", "ServerPing"],
  },
  {
    ...{ table: "monitoring", grant: "INSERT", required: false },
    reason: "to give a new server the newest ping, so that it is not reported as not responding before it starts",
  },
  { table: "monitoring", grant: "DELETE", required: false, reason: "to delete the pings of removed servers" },
  { table: "log", grant: "SELECT", required: false, reason: "to find the log rows of removed servers", columns: ["ServerID"] },
  { table: "log", grant: "DELETE", required: false, reason: "to delete the log rows of removed servers" },
  {
    table: "search",
    grant: "SELECT",
    required: false,
    reason: "to find the search tasks of removed servers",
    columns: ["SearchTaskServerName"],
  },
  { table: "search", grant: "DELETE", required: false, reason: "to delete the search tasks of removed servers" },
  {
    ...{ table: "settings", grant: "SELECT", required: false, reason: "to read the web farm's mode; without it set spec.webFarmMode" },
    columns: ["KeyName", "KeyValue", "SiteID"],
  },
];

/** A grant that the user has not, or (`columns`) has not on these columns. */
export type MissingGrant = Pick<Grant, "table" | "grant" | "columns">;

export const isOf = (missing: MissingGrant, wanted: Pick<Grant, "table" | "grant">): boolean =>
  missing.table === wanted.table && missing.grant === wanted.grant;
