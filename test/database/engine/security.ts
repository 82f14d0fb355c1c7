// What definitions change of databases as a whole, logins, users and permissions. Nothing here touches rows.
import { findCollation } from "./collation.ts";
import { at, sqlErrors } from "./errors.ts";
import type { Database, Permission, PermissionTarget, Principal, Server } from "./model.ts";
import { ticksOf } from "./moments.ts";
import type { TableDefinition } from "./definitionContext.ts";
import type { DefinitionSyntax } from "./syntax.ts";
import { written } from "./syntax.ts";

export type ServerDefinition = Exclude<DefinitionSyntax, TableDefinition>;

export interface SecurityContext {
  readonly server: Server;
  readonly database: Database;
  readonly isAdmin: boolean;
  readonly principal: Principal;
  readonly inTransaction: boolean;
  /** Ends all other sessions in a database. */
  readonly killOthers: (database: Database) => void;
  readonly usersOf: (database: Database) => number;
}

export function defineSecurity(definition: ServerDefinition, context: SecurityContext): void {
  const { server, database } = context;
  switch (definition.kind) {
    case "createDatabase": {
      createDatabase(definition.name, definition.collation, context);
      return;
    }
    case "alterDatabase": {
      alterDatabase(definition, context);
      return;
    }
    case "dropDatabase": {
      dropDatabase(definition.name, context);
      return;
    }
    case "createLogin":
      requireAdmin(context);
      if (server.logins.has(definition.name.toLowerCase())) throw sqlErrors.principalExists(definition.name);
      {
        server.addLogin(definition.name, definition.password, "none");
        return;
      }
    case "alterLogin": {
      requireAdmin(context);
      const login = server.logins.get(definition.name.toLowerCase());
      if (login === undefined) throw sqlErrors.cannotFindPrincipal("login", definition.name);
      login.password = definition.password;
      return;
    }
    case "dropLogin":
      requireAdmin(context);
      if (!server.logins.delete(definition.name.toLowerCase())) throw sqlErrors.cannotFindPrincipal("login", definition.name);
      return;
    case "createUser": {
      requireOwner(context);
      const key = definition.name.toLowerCase();
      if (database.users.has(key)) throw sqlErrors.userExists(definition.name);
      if (!server.logins.has(definition.login.toLowerCase())) throw sqlErrors.notALogin(definition.login);
      database.users.set(key, { name: definition.name, id: database.users.size + 5, login: definition.login });
      return;
    }
    case "dropUser": {
      requireOwner(context);
      const user = database.users.get(definition.name.toLowerCase());
      if (user === undefined) throw sqlErrors.cannotFindPrincipal("user", definition.name);
      database.users.delete(user.name.toLowerCase());
      database.permissions = database.permissions.filter((permission) => permission.user !== user.name);
      for (const members of database.members.values()) members.delete(user.name.toLowerCase());
      return;
    }
    case "permission":
      requireOwner(context);
      {
        changePermission(definition, context);
        return;
      }
    case "addMember": {
      requireOwner(context);
      const user = database.users.get(definition.member.toLowerCase());
      if (user === undefined) throw sqlErrors.cannotFindPrincipal("user", definition.member);
      const role = definition.role.toLowerCase();
      if (!fixedRoles.includes(role)) throw sqlErrors.cannotFindPrincipal("role", definition.role);
      database.members.set(role, (database.members.get(role) ?? new Set()).add(user.name.toLowerCase()));
      return;
    }
  }
}

const fixedRoles = ["db_owner", "db_datareader", "db_datawriter", "db_ddladmin", "db_denydatareader", "db_denydatawriter"];

function requireAdmin({ isAdmin }: SecurityContext): void {
  if (!isAdmin) throw sqlErrors.notAllowed();
}
function requireOwner({ principal }: SecurityContext): void {
  if (!principal.roles.has("db_owner")) throw sqlErrors.notAllowed();
}

function createDatabase(name: string, collationName: string | undefined, context: SecurityContext): void {
  const { server, isAdmin, inTransaction, database } = context;
  if (inTransaction) throw sqlErrors.inTransaction("CREATE DATABASE");
  if (!isAdmin) throw sqlErrors.statementDenied("CREATE DATABASE", database.name);
  if (server.findDatabase(name) !== undefined) throw sqlErrors.databaseExists(name);
  const collation = collationName === undefined ? undefined : findCollation(collationName);
  if (collationName !== undefined && collation === undefined) throw sqlErrors.badCollation(collationName);
  server.addDatabase(name, collation, ticksOf(server.options.clock()));
}

function databaseNamed(name: string, { server }: SecurityContext): Database {
  const database = server.findDatabase(name);
  if (database === undefined) throw sqlErrors.noDatabase(name);
  return database;
}

function alterDatabase({ name, change }: Extract<ServerDefinition, { kind: "alterDatabase" }>, context: SecurityContext): void {
  if (context.inTransaction) throw sqlErrors.inTransaction("ALTER DATABASE");
  requireOwner(context);
  const database = name === undefined ? context.database : databaseNamed(name, context);
  switch (change.option) {
    case "snapshotReads":
      database.snapshotReads = change.on;
      return;
    case "readOnly":
      context.killOthers(database);
      database.readOnly = change.on;
      return;
    case "singleUser":
      if (change.on) context.killOthers(database);
      database.singleUser = change.on;
  }
}

function dropDatabase(name: string, context: SecurityContext): void {
  if (context.inTransaction) throw sqlErrors.inTransaction("DROP DATABASE");
  requireAdmin(context);
  const database = context.server.findDatabase(name);
  if (database === undefined) throw sqlErrors.cannotDrop("database", name);
  if (context.usersOf(database) > 0) throw sqlErrors.databaseInUse(name);
  context.server.databases.delete(name.toLowerCase());
}

function changePermission(definition: Extract<ServerDefinition, { kind: "permission" }>, context: SecurityContext): void {
  const { database } = context;
  const { action, on } = definition;
  const user = definition.principal.toLowerCase() === "public" ? "public" : database.users.get(definition.principal.toLowerCase())?.name;
  if (user === undefined) throw sqlErrors.cannotFindPrincipal("user", definition.principal);
  for (const { name, columns } of definition.permissions) {
    for (const target of targetsOf(on, columns, database)) {
      const same = (one: Permission): boolean => one.user === user && one.name === name && isSameTarget(one.on, target);
      const others = database.permissions.filter((one) => !same(one));
      database.permissions = action === "revoke" ? others : [...others, { user, name, denied: action === "deny", on: target }];
    }
  }
}

function targetsOf(
  on: Extract<ServerDefinition, { kind: "permission" }>["on"],
  columns: readonly string[],
  database: Database,
): readonly PermissionTarget[] {
  switch (on.kind) {
    case "database":
      return [on];
    case "schema":
      if (!database.schemas.has(database.key(on.name))) throw sqlErrors.cannotFindPrincipal("schema", on.name);
      return [{ kind: "schema", schema: on.name }];
    case "object": {
      const table = database.findTable(on.name.schema, on.name.name);
      if (table === undefined) throw sqlErrors.cannotFindGranted(written(on.name));
      const named = [...columns, ...on.columns];
      if (named.length === 0) return [{ kind: "object", table: table.id, column: undefined }];
      return named.map((name) => {
        const index = table.columns.findIndex((column) => database.key(column.name) === database.key(name));
        if (index < 0) throw sqlErrors.columnMissing(name, table.name);
        return { kind: "object", table: table.id, column: at(table.columns, index).id };
      });
    }
  }
}

/** REVOKE of a whole object takes the columns' permissions with it. */
function isSameTarget(one: PermissionTarget, target: PermissionTarget): boolean {
  if (one.kind === "object" && target.kind === "object")
    return one.table === target.table && (target.column === undefined || one.column === target.column);
  if (one.kind === "schema" && target.kind === "schema") return one.schema.toLowerCase() === target.schema.toLowerCase();
  return one.kind === "database" && target.kind === "database";
}
