// The grammar of definitions: databases, tables, indexes, logins, users and permissions.
import type { Cursor } from "./cursor.ts";
import { notInGrammar } from "./errors.ts";
import { parseExpression, parseType } from "./parseExpression.ts";
import type { ColumnSyntax, ConstraintSyntax, DatabaseChange, DefinitionSyntax, Expression, IndexColumn, Securable } from "./syntax.ts";

/** A definition, or undefined where the next words begin none. */
export function parseDefinition(cursor: Cursor): DefinitionSyntax | undefined {
  if (cursor.accept("CREATE")) return parseCreate(cursor);
  if (cursor.accept("ALTER")) return parseAlter(cursor);
  if (cursor.accept("DROP")) return parseDrop(cursor);
  const action = cursor.acceptOne(["GRANT", "DENY", "REVOKE"]);
  if (action !== undefined) return parsePermission(cursor, action);
  if (cursor.acceptOne(["EXEC", "EXECUTE"]) !== undefined) return parseExecute(cursor);
  return undefined;
}

function parseCreate(cursor: Cursor): DefinitionSyntax {
  if (cursor.accept("DATABASE")) {
    const name = cursor.name();
    return { kind: "createDatabase", name, collation: cursor.accept("COLLATE") ? cursor.plainName() : undefined };
  }
  if (cursor.accept("SCHEMA")) return { kind: "createSchema", name: cursor.name() };
  if (cursor.accept("TABLE")) return parseCreateTable(cursor);
  if (cursor.accept("LOGIN")) return { kind: "createLogin", name: cursor.name(), password: parsePassword(cursor) };
  if (cursor.accept("USER")) {
    const name = cursor.name();
    return { kind: "createUser", name, login: cursor.accept("FOR", "LOGIN") ? cursor.name() : name };
  }
  return parseCreateIndex(cursor);
}

function parsePassword(cursor: Cursor): string {
  cursor.expect("WITH", "PASSWORD", "=");
  const password = cursor.string();
  const options = new Set<string>();
  while (cursor.accept(",")) {
    const option = cursor.expectOne(["CHECK_POLICY", "CHECK_EXPIRATION"]);
    if (options.has(option)) throw cursor.refuse();
    options.add(option);
    cursor.expect("=", "OFF");
  }
  return password;
}

function parseCreateIndex(cursor: Cursor): DefinitionSyntax {
  const unique = cursor.accept("UNIQUE");
  const clustered = cursor.acceptOne(["CLUSTERED", "NONCLUSTERED"]) === "CLUSTERED";
  cursor.expect("INDEX");
  const name = cursor.name();
  cursor.expect("ON");
  const table = cursor.objectName();
  const columns = parseIndexColumns(cursor);
  const include = cursor.accept("INCLUDE") ? cursor.listInBrackets(() => cursor.name()) : [];
  return { kind: "createIndex", name, table, unique, clustered, columns, include };
}

const parseIndexColumns = (cursor: Cursor): readonly IndexColumn[] =>
  cursor.listInBrackets(() => ({ name: cursor.name(), descending: cursor.acceptOne(["ASC", "DESC"]) === "DESC" }));

function parseCreateTable(cursor: Cursor): DefinitionSyntax {
  const name = cursor.objectName();
  const columns: ColumnSyntax[] = [];
  const constraints: ConstraintSyntax[] = [];
  cursor.listInBrackets(() => {
    const constraint = parseTableConstraint(cursor);
    if (constraint === undefined) columns.push(parseColumn(cursor));
    else constraints.push(constraint);
  });
  return { kind: "createTable", name, columns, constraints };
}

function parseTableConstraint(cursor: Cursor): ConstraintSyntax | undefined {
  const name = cursor.accept("CONSTRAINT") ? cursor.name() : undefined;
  if (cursor.sees("PRIMARY") || cursor.sees("UNIQUE")) return { ...parseKey(cursor, name), columns: parseIndexColumns(cursor) };
  if (cursor.accept("FOREIGN", "KEY")) {
    const columns = cursor.listInBrackets(() => cursor.name());
    return { kind: "foreignKey", name, columns, ...parseReferences(cursor) };
  }
  if (cursor.sees("DEFAULT")) {
    const { value, text } = parseDefault(cursor);
    cursor.expect("FOR");
    return { kind: "default", name, column: cursor.name(), value, text };
  }
  if (name !== undefined) throw cursor.refuse();
  return undefined;
}

function parseKey(cursor: Cursor, name: string | undefined) {
  const primary = cursor.accept("PRIMARY", "KEY");
  if (!primary) cursor.expect("UNIQUE");
  const kind = cursor.acceptOne(["CLUSTERED", "NONCLUSTERED"]);
  return { kind: "key", name, primary, clustered: kind === undefined ? undefined : kind === "CLUSTERED" } as const;
}

function parseReferences(cursor: Cursor) {
  cursor.expect("REFERENCES");
  const references = cursor.objectName();
  const referenced = cursor.listInBrackets(() => cursor.name());
  for (const verb of ["DELETE", "UPDATE"]) if (cursor.accept("ON", verb)) cursor.expect("NO", "ACTION");
  return { references, referenced };
}

function parseDefault(cursor: Cursor): { value: Expression; text: string } {
  cursor.expect("DEFAULT");
  const start = cursor.peek();
  const value = parseExpression(cursor);
  if (hasQuery(value)) throw cursor.refuse();
  const text = cursor.textBetween(start, cursor.previous() ?? start);
  return { value, text };
}

const hasQuery = (node: unknown): boolean =>
  typeof node === "object" && node !== null && (("kind" in node && node.kind === "query") || Object.values(node).some(hasQuery));

function parseColumn(cursor: Cursor): ColumnSyntax {
  const name = cursor.name();
  const type = parseType(cursor, 1);
  const constraints: ConstraintSyntax[] = [];
  let column: ColumnSyntax = {
    name,
    type,
    collation: undefined,
    nullable: undefined,
    identity: undefined,
    defaultValue: undefined,
    constraints,
  };
  const once = <K extends "collation" | "nullable" | "identity" | "defaultValue">(key: K, value: ColumnSyntax[K]): void => {
    if (column[key] !== undefined) throw cursor.refuse();
    column = { ...column, [key]: value };
  };
  for (;;) {
    if (cursor.accept("COLLATE")) once("collation", cursor.plainName());
    else if (cursor.accept("NOT", "NULL")) once("nullable", false);
    else if (cursor.accept("NULL")) once("nullable", true);
    else if (cursor.accept("IDENTITY")) once("identity", parseIdentity(cursor));
    else {
      const constraintName = cursor.accept("CONSTRAINT") ? cursor.name() : undefined;
      if (cursor.sees("DEFAULT")) once("defaultValue", { name: constraintName, ...parseDefault(cursor) });
      else if (cursor.sees("PRIMARY") || cursor.sees("UNIQUE")) {
        constraints.push({ ...parseKey(cursor, constraintName), columns: [{ name, descending: false }] });
      } else if (cursor.sees("REFERENCES")) {
        constraints.push({ kind: "foreignKey", name: constraintName, columns: [name], ...parseReferences(cursor) });
      } else if (constraintName !== undefined) throw cursor.refuse();
      else return column;
    }
  }
}

function parseIdentity(cursor: Cursor): { seed: number; increment: number } {
  if (!cursor.accept("(")) return { seed: 1, increment: 1 };
  const seed = cursor.integer();
  cursor.expect(",");
  const increment = cursor.integer();
  cursor.expect(")");
  return { seed, increment };
}

function parseAlter(cursor: Cursor): DefinitionSyntax {
  if (cursor.accept("DATABASE")) {
    const name = cursor.accept("CURRENT") ? undefined : cursor.name();
    cursor.expect("SET");
    const change = parseDatabaseChange(cursor);
    if (cursor.accept("WITH")) if (!cursor.accept("NO_WAIT")) cursor.expect("ROLLBACK", "IMMEDIATE");
    return { kind: "alterDatabase", name, change };
  }
  if (cursor.accept("LOGIN")) return { kind: "alterLogin", name: cursor.name(), password: parsePassword(cursor) };
  if (cursor.accept("ROLE")) {
    const role = cursor.name();
    cursor.expect("ADD", "MEMBER");
    return { kind: "addMember", role, member: cursor.name() };
  }
  cursor.expect("TABLE");
  return parseAlterTable(cursor);
}

function parseDatabaseChange(cursor: Cursor): DatabaseChange {
  if (cursor.accept("READ_COMMITTED_SNAPSHOT")) return { option: "snapshotReads", on: cursor.expectOne(["ON", "OFF"]) === "ON" };
  const word = cursor.expectOne(["READ_ONLY", "READ_WRITE", "SINGLE_USER", "MULTI_USER"]);
  return word.startsWith("READ") ? { option: "readOnly", on: word === "READ_ONLY" } : { option: "singleUser", on: word === "SINGLE_USER" };
}

function parseAlterTable(cursor: Cursor): DefinitionSyntax {
  const table = cursor.objectName();
  const checked = cursor.accept("WITH") ? cursor.expectOne(["CHECK", "NOCHECK"]) === "CHECK" : undefined;
  if (cursor.accept("ADD")) {
    const constraint = parseTableConstraint(cursor);
    if (constraint !== undefined) return { kind: "addConstraint", table, constraint, check: checked ?? true };
    if (checked !== undefined) throw cursor.refuse();
    return { kind: "addColumns", table, columns: cursor.list(() => parseColumn(cursor)) };
  }
  const verb = cursor.acceptOne(["CHECK", "NOCHECK"]);
  if (verb !== undefined) {
    cursor.expect("CONSTRAINT");
    const name = cursor.name();
    return { kind: "switchConstraint", table, name, enabled: verb === "CHECK", check: checked ?? false };
  }
  if (checked !== undefined) throw cursor.refuse();
  if (cursor.accept("ALTER", "COLUMN")) return { kind: "alterColumn", table, column: parseColumn(cursor) };
  cursor.expect("DROP");
  if (cursor.accept("COLUMN")) return { kind: "dropColumn", table, column: cursor.name() };
  cursor.expect("CONSTRAINT");
  return { kind: "dropConstraint", table, name: cursor.name() };
}

function parseDrop(cursor: Cursor): DefinitionSyntax {
  if (cursor.accept("DATABASE")) return { kind: "dropDatabase", name: cursor.name() };
  if (cursor.accept("TABLE")) return { kind: "dropTable", name: cursor.objectName() };
  if (cursor.accept("LOGIN")) return { kind: "dropLogin", name: cursor.name() };
  if (cursor.accept("USER")) return { kind: "dropUser", name: cursor.name() };
  cursor.expect("INDEX");
  const name = cursor.name();
  cursor.expect("ON");
  return { kind: "dropIndex", name, table: cursor.objectName() };
}

const permissionNames = [
  "SELECT",
  "INSERT",
  "UPDATE",
  "DELETE",
  "REFERENCES",
  "ALTER",
  "CONTROL",
  "EXECUTE",
  "CONNECT",
  "VIEW DEFINITION",
  "VIEW DATABASE STATE",
  "CREATE TABLE",
];

function parsePermission(cursor: Cursor, word: "GRANT" | "DENY" | "REVOKE"): DefinitionSyntax {
  const permissions = cursor.list(() => {
    const name = permissionNames.find((words) => cursor.accept(...words.split(" ")));
    if (name === undefined) throw cursor.refuse();
    return { name, columns: cursor.sees("(") ? cursor.listInBrackets(() => cursor.name()) : [] };
  });
  const on = cursor.accept("ON") ? parseSecurable(cursor) : ({ kind: "database" } as const);
  if (on.kind !== "object" && permissions.some((permission) => permission.columns.length > 0)) throw cursor.refuse();
  if (word === "REVOKE" && cursor.accept("FROM"))
    return { kind: "permission", action: "revoke", permissions, on, principal: cursor.name() };
  cursor.expect("TO");
  const action = word === "GRANT" ? "grant" : word === "DENY" ? "deny" : "revoke";
  return { kind: "permission", action, permissions, on, principal: cursor.name() };
}

function parseSecurable(cursor: Cursor): Securable {
  if (cursor.accept("SCHEMA", "::")) return { kind: "schema", name: cursor.name() };
  if (cursor.accept("DATABASE", "::")) {
    cursor.name();
    return { kind: "database" };
  }
  cursor.accept("OBJECT", "::");
  const name = cursor.objectName();
  return { kind: "object", name, columns: cursor.sees("(") ? cursor.listInBrackets(() => cursor.name()) : [] };
}

/** The only procedures: sp_addrolemember, which servers before 2012 need for role members. */
function parseExecute(cursor: Cursor): DefinitionSyntax {
  const line = cursor.line;
  const procedure = cursor.objectName();
  if (procedure.name.toLowerCase() !== "sp_addrolemember") throw notInGrammar(`EXEC ${procedure.name}`, line);
  const role = cursor.string();
  cursor.expect(",");
  return { kind: "addMember", role, member: cursor.string() };
}
