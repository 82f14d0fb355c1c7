// What a server holds: databases with their tables, principals and permissions. It answers questions about itself and changes nothing
// by itself; definitions.ts and writes.ts do.
import type { Collation } from "./collation.ts";
import { defaultCollation } from "./collation.ts";
import type { CommitListener } from "./commits.ts";
import { Lock } from "./lock.ts";
import type { Table } from "./table.ts";
import type { Transaction } from "./transaction.ts";

export interface Login {
  readonly name: string;
  readonly id: number;
  password: string;
  readonly sysadmin: boolean;
}
export interface User {
  readonly name: string;
  readonly id: number;
  readonly login: string;
}

export type PermissionTarget =
  | { readonly kind: "database" }
  | { readonly kind: "schema"; readonly schema: string }
  | { readonly kind: "object"; readonly table: number; readonly column: number | undefined }; // ids
export interface Permission {
  readonly user: string; // or "public"
  readonly denied: boolean;
  readonly name: string;
  readonly on: PermissionTarget;
}
/** Who asks: a login in a database; `user` is "dbo" for members of sysadmin. */
export interface Principal {
  readonly user: string;
  readonly roles: ReadonlySet<string>;
}

export class Database {
  readonly id: number;
  readonly name: string;
  readonly collation: Collation;
  readonly lock = new Lock();
  /** The transaction that has written here and not ended; the holder of the lock. */
  writer: Transaction | undefined;
  readonly schemas: Map<string, { readonly name: string; readonly id: number }>;
  readonly tables = new Map<string, Table>();
  readonly users = new Map<string, User>();
  readonly members = new Map<string, Set<string>>(); // of a role: names of users in lower case
  permissions: readonly Permission[] = [];
  snapshotReads = false;
  readOnly = false;
  singleUser = false;
  schemaVersion = 0;
  readonly createdAt: bigint;
  #nextObject = 1_000_000;
  constructor(id: number, name: string, collation: Collation, createdAt: bigint) {
    this.id = id;
    this.name = name;
    this.collation = collation;
    this.createdAt = createdAt;
    this.schemas = new Map(["dbo", "sys"].map((schema) => [this.key(schema), { name: schema, id: schema === "dbo" ? 1 : 4 }]));
  }
  /** Names are equal by the collation of the database. */
  key(name: string): string {
    return this.collation.key(name);
  }
  newObjectId(): number {
    return this.#nextObject++;
  }
  tableKey(schema: string, name: string): string {
    return `${this.key(schema)}\u0001${this.key(name)}`;
  }
  findTable(schema: string | undefined, name: string): Table | undefined {
    return this.tables.get(this.tableKey(schema ?? "dbo", name));
  }
  schemaId(schema: string): number {
    return this.schemas.get(this.key(schema))?.id ?? 0;
  }
  /** The user of a login here, or undefined where it has none. */
  principalOf(login: Login): Principal | undefined {
    if (login.sysadmin) return { user: "dbo", roles: new Set(["db_owner"]) };
    const user = [...this.users.values()].find((one) => one.login.toLowerCase() === login.name.toLowerCase());
    if (user === undefined) return this.name === "master" ? { user: "guest", roles: new Set() } : undefined;
    const roles = [...this.members].filter(([, names]) => names.has(user.name.toLowerCase())).map(([role]) => role);
    return { user: user.name, roles: new Set(roles) };
  }
}

const roleGrants: Readonly<Record<string, readonly string[]>> = {
  db_datareader: ["SELECT"],
  db_datawriter: ["INSERT", "UPDATE", "DELETE"],
  db_ddladmin: ["ALTER", "VIEW DEFINITION"],
};
const impliedBy: Readonly<Record<string, readonly string[]>> = { "VIEW DEFINITION": ["ALTER", "CONTROL"] };

const covers = (permission: Permission, name: string): boolean =>
  permission.name === name || permission.name === "CONTROL" || (!permission.denied && (impliedBy[name] ?? []).includes(permission.name));

function concerns(permission: Permission, database: Database, table: Table | undefined): boolean {
  switch (permission.on.kind) {
    case "database":
      return true;
    case "schema":
      return table !== undefined && database.key(table.schema) === database.key(permission.on.schema);
    case "object":
      return permission.on.table === table?.id;
  }
}

export interface Asked {
  readonly permission: string;
  readonly database: Database;
  readonly table?: Table;
  readonly column?: number; // id
}

/** "column": refused for this column although other columns are allowed, which is another message. */
export function allowed(principal: Principal, { permission, database, table, column }: Asked): "yes" | "no" | "column" {
  if (principal.roles.has("db_owner")) return "yes";
  const mine = database.permissions.filter(
    (one) => (one.user === principal.user || one.user === "public") && covers(one, permission) && concerns(one, database, table),
  );
  const byColumn = mine.filter((one) => one.on.kind === "object" && one.on.column !== undefined);
  const whole = mine.filter((one) => !byColumn.includes(one));
  const byRole = [...principal.roles].some((role) => roleGrants[role]?.includes(permission));
  const deniedByRole = principal.roles.has(`db_deny${["SELECT"].includes(permission) ? "datareader" : "datawriter"}`);
  if (deniedByRole || whole.some((one) => one.denied)) return "no";
  const columnRules = byColumn.filter((one) => one.on.kind === "object" && one.on.column === column);
  if (column !== undefined && columnRules.some((one) => one.denied)) return "column";
  if (byRole || whole.length > 0) return "yes";
  if (columnRules.length > 0) return "yes";
  return byColumn.some((one) => !one.denied) && column !== undefined ? "column" : "no";
}

/** Catalogue views show a table to those who have any right on it. */
export function sees(principal: Principal, database: Database, table: Table): boolean {
  if (principal.roles.has("db_owner") || [...principal.roles].some((role) => role in roleGrants)) return true;
  return database.permissions.some(
    (one) =>
      !one.denied &&
      one.name !== "CONNECT" &&
      (one.user === principal.user || one.user === "public") &&
      concerns(one, database, table) &&
      (one.on.kind !== "database" ||
        ["SELECT", "INSERT", "UPDATE", "DELETE", "VIEW DEFINITION", "CONTROL", "ALTER", "REFERENCES"].includes(one.name)),
  );
}

export interface ServerOptions {
  readonly version: string;
  readonly verboseTruncation: boolean;
  readonly clock: () => Date;
  /** A number from 0 up to, without, 1; the same series for the same seed. */
  readonly random: () => number;
  readonly onCommit: CommitListener | undefined;
}

export class Server {
  readonly options: ServerOptions;
  readonly databases = new Map<string, Database>();
  readonly logins = new Map<string, Login>();
  #nextDatabase = 1;
  #nextLogin = 1;
  constructor(options: ServerOptions) {
    this.options = options;
  }
  findDatabase(name: string): Database | undefined {
    return this.databases.get(name.toLowerCase());
  }
  addDatabase(name: string, collation: Collation | undefined, createdAt: bigint): Database {
    const database = new Database(this.#nextDatabase++, name, collation ?? defaultCollation, createdAt);
    if (this.#nextDatabase === 2) this.#nextDatabase = 5; // 2 to 4 are tempdb, model, msdb
    this.databases.set(name.toLowerCase(), database);
    return database;
  }
  addLogin(name: string, password: string, role: "sysadmin" | "none"): void {
    this.logins.set(name.toLowerCase(), { name, password, id: this.#nextLogin++, sysadmin: role === "sysadmin" });
  }
}
