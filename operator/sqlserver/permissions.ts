// What the operator's user needs to be granted: as a script for a person, and as sentences about what is missing. It grants nothing.
import { type Grant, grants, type MissingGrant } from "./grants.ts";
import { type CatalogueColumn, tableNames } from "./tables.ts";

const quoted = (name: string): string => `[${name.replaceAll("]", "]]")}]`;

/** The least that the operator needs on these tables, as T-SQL for a person to run in the site's database. */
export function permissionScript(schema: string, columns: readonly CatalogueColumn[]): string {
  const line = (one: Grant): string => `GRANT ${grantOn(schema, one)} TO [webfarm-operator]; -- ${one.reason}`;
  return [
    "-- In the site's database, by one who may grant. The login first, on the server:",
    "-- CREATE LOGIN [webfarm-operator] WITH PASSWORD = N'...';",
    "CREATE USER [webfarm-operator] FOR LOGIN [webfarm-operator]; -- a contained database: WITH PASSWORD = N'...', and no login",
    ...grantsOn(columns).map(line),
    "",
  ].join("\n");
}

/** The grants on tables and columns that are there. */
export function grantsOn(columns: readonly CatalogueColumn[]): readonly Grant[] {
  const isThere = (table: string, column?: string): boolean =>
    columns.some((one) => isSame(one.table, table) && (column === undefined || isSame(one.column, column)));
  return grants
    .filter(({ table }) => isThere(tableNames[table]))
    .map((one) =>
      one.columns === undefined ? one : { ...one, columns: one.columns.filter((column) => isThere(tableNames[one.table], column)) },
    );
}

const isSame = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase();

/** `GRANT DELETE ON [dbo].[CMS_WebFarmServerTask]; GRANT …`: what to run, without saying for whom. */
export function grantsToRun(schema: string, missing: readonly MissingGrant[]): string {
  return missing.map((one) => `GRANT ${grantOn(schema, one)}`).join("; ");
}

/** `SELECT ([ServerID], [TaskID]) ON [dbo].[CMS_WebFarmServerTask]` */
function grantOn(schema: string, { table, grant, columns }: MissingGrant): string {
  const named = columns === undefined ? "" : ` (${columns.map(quoted).join(", ")})`;
  return `${grant}${named} ON ${quoted(schema)}.${quoted(tableNames[table])}`;
}
