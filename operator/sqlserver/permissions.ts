// What the operator's user needs to be granted: as a script for a person, and as sentences about what is missing. It grants nothing.
import { tableNames } from "./shape.ts";
import { grants } from "./statements.ts";

export interface MissingGrant {
  readonly table: keyof typeof tableNames;
  readonly grant: string;
}

const quoted = (name: string): string => `[${name.replaceAll("]", "]]")}]`;

const reasons: Readonly<Record<keyof typeof tableNames, string>> = {
  servers: "the rows themselves",
  bindings: "tasks of a removed server that it will never fetch",
  tasks: "to tell the product's versions apart (its definition only)",
  monitoring: "pings (read), and those of removed servers (delete)",
  log: "log rows of removed servers",
  search: "search tasks of removed servers (not in Xperience by Kentico)",
  settings: "the web farm mode; without it set spec.webFarmMode: Manual",
};

/** The least that the operator needs, as T-SQL for a person to run in the site's database. */
export function permissionScript(schema: string): string {
  const tables = [...new Set(grants.map(({ table }) => table))];
  const line = (table: keyof typeof tableNames): string => {
    const wanted = grants.filter((grant) => grant.table === table).map(({ grant }) => grant);
    return `GRANT ${wanted.join(", ")} ON ${quoted(schema)}.${quoted(tableNames[table])} TO [webfarm-operator]; -- ${reasons[table]}`;
  };
  return [
    "-- In the site's database. The login: CREATE LOGIN [webfarm-operator] WITH PASSWORD = N'...';",
    "CREATE USER [webfarm-operator] FOR LOGIN [webfarm-operator];",
    ...tables.map(line),
    "",
  ].join("\n");
}

/** `GRANT DELETE ON [dbo].[CMS_WebFarmServerTask]; GRANT …`: what to run, without saying for whom. */
export function grantsToRun(schema: string, missing: readonly MissingGrant[]): string {
  const tables = [...new Set(missing.map(({ table }) => table))];
  return tables
    .map((table) => {
      const wanted = missing.filter((one) => one.table === table).map(({ grant }) => grant);
      return `GRANT ${wanted.join(", ")} ON ${quoted(schema)}.${quoted(tableNames[table])}`;
    })
    .join("; ");
}
