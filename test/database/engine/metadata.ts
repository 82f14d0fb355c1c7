// Functions about the server, the database and permissions, as the session's login sees them.
import type { SqlValue } from "../session.ts";
import type { Call, FunctionDefinition } from "./functions.ts";
import type { Frame } from "./compiled.ts";
import type { Database } from "./model.ts";
import { allowed, sees } from "./model.ts";
import { parseNameText } from "./names.ts";
import type { Table } from "./table.ts";
import { int, nvarchar } from "./types.ts";

const name = nvarchar(128);
const words = nvarchar(4000);

const about =
  (evaluate: (frame: Frame, operands: readonly SqlValue[]) => SqlValue) =>
  (operands: readonly SqlValue[], { frame }: Call) =>
    evaluate(frame, operands);
const asString = (value: SqlValue | undefined): string | undefined => (typeof value === "string" ? value : undefined);

function databaseOf({ session }: Frame, operand: SqlValue | undefined): Database | undefined {
  if (operand === undefined) return session.database;
  if (typeof operand === "number") return [...session.server.databases.values()].find((one) => one.id === operand);
  return typeof operand === "string" ? session.server.findDatabase(operand) : undefined;
}

function visibleTable({ session }: Frame, operand: SqlValue | undefined): Table | undefined {
  const path = parseNameText(asString(operand) ?? "");
  if (path === undefined) return undefined;
  const table = session.database.findTable(path.at(-2), path.at(-1) ?? "");
  return table !== undefined && sees(session.principal, session.database, table) ? table : undefined;
}

/** EngineEdition 3 is Enterprise (and Developer). */
function serverProperty({ session }: Frame, property: string): SqlValue {
  const [major = "16"] = session.server.options.version.split(".");
  switch (property.toLowerCase()) {
    case "productversion":
      return session.server.options.version;
    case "productmajorversion":
      return major;
    case "productlevel":
      return "RTM";
    case "edition":
      return "Developer Edition (64-bit)";
    case "engineedition":
      return "3";
    case "collation":
      return "SQL_Latin1_General_CP1_CI_AS";
    case "servername":
    case "machinename":
      return "TEST";
    case "ishadrenabled":
      return "0";
    default:
      return null;
  }
}

function databaseProperty(database: Database, property: string): SqlValue {
  switch (property.toLowerCase()) {
    case "updateability":
      return database.readOnly ? "READ_ONLY" : "READ_WRITE";
    case "collation":
      return database.collation.name;
    case "status":
      return "ONLINE";
    case "useraccess":
      return database.singleUser ? "SINGLE_USER" : "MULTI_USER";
    case "recovery":
      return "SIMPLE";
    default:
      return null;
  }
}

function hasPermission(frame: Frame, operands: readonly SqlValue[]): SqlValue {
  const { session } = frame;
  const [securable, kind, permission, sub] = operands;
  const asked = (asString(permission) ?? "").toUpperCase();
  const yes = (table?: Table, column?: number): number =>
    allowed(session.principal, {
      permission: asked,
      database: session.database,
      ...(table === undefined ? {} : { table }),
      ...(column === undefined ? {} : { column }),
    }) === "yes"
      ? 1
      : 0;
  switch ((asString(kind) ?? "").toUpperCase()) {
    case "DATABASE":
      return yes();
    case "OBJECT": {
      const table = visibleTable(frame, securable);
      if (table === undefined) return null;
      const column = asString(sub);
      if (column === undefined) return yes(table);
      const found = table.columns.find((one) => session.database.key(one.name) === session.database.key(column));
      return found === undefined ? null : yes(table, found.id);
    }
    case "":
      return session.login.sysadmin ? 1 : 0;
    default:
      return null;
  }
}

export const metadataFunctions: Readonly<Record<string, FunctionDefinition>> = {
  DB_NAME: { operands: [0, 1], type: () => name, evaluate: about((frame, [id]) => databaseOf(frame, id)?.name ?? null) },
  DB_ID: { operands: [0, 1], type: () => int, evaluate: about((frame, [of]) => databaseOf(frame, of)?.id ?? null) },
  OBJECT_ID: { operands: [1, 2], type: () => int, evaluate: about((frame, [of]) => visibleTable(frame, of)?.id ?? null) },
  OBJECT_NAME: {
    operands: [1, 1],
    type: () => name,
    evaluate: about(
      ({ session }, [id]) =>
        [...session.database.tables.values()].find((one) => one.id === id && sees(session.principal, session.database, one))?.name ?? null,
    ),
  },
  SCHEMA_ID: {
    operands: [0, 1],
    type: () => int,
    evaluate: about(({ session }, [of]) => (of === undefined ? 1 : session.database.schemaId(asString(of) ?? "") || null)),
  },
  SCHEMA_NAME: {
    operands: [0, 1],
    type: () => name,
    evaluate: about(({ session }, [id]) =>
      id === undefined ? "dbo" : ([...session.database.schemas.values()].find((one) => one.id === id)?.name ?? null),
    ),
  },
  SUSER_SNAME: { operands: [0, 0], type: () => name, evaluate: about(({ session }) => session.login.name) },
  SUSER_NAME: { operands: [0, 0], type: () => name, evaluate: about(({ session }) => session.login.name) },
  ORIGINAL_LOGIN: { operands: [0, 0], type: () => name, evaluate: about(({ session }) => session.login.name) },
  USER_NAME: { operands: [0, 0], type: () => name, evaluate: about(({ session }) => session.principal.user) },
  HOST_NAME: { operands: [0, 0], type: () => name, evaluate: about(({ session }) => session.hostName) },
  APP_NAME: { operands: [0, 0], type: () => name, evaluate: about(({ session }) => session.applicationName) },
  IS_SRVROLEMEMBER: { operands: [1, 1], type: () => int, evaluate: about(({ session }) => (session.login.sysadmin ? 1 : 0)) },
  IS_MEMBER: {
    operands: [1, 1],
    type: () => int,
    evaluate: about(({ session }, [role]) => (session.principal.roles.has((asString(role) ?? "").toLowerCase()) ? 1 : 0)),
  },
  SERVERPROPERTY: {
    operands: [1, 1],
    type: () => name,
    evaluate: about((frame, [property]) => serverProperty(frame, asString(property) ?? "")),
  },
  DATABASEPROPERTYEX: {
    operands: [2, 2],
    type: () => name,
    evaluate: about((frame, [of = null, property]) => {
      const database = databaseOf(frame, of);
      return database === undefined ? null : databaseProperty(database, asString(property) ?? "");
    }),
  },
  COL_LENGTH: {
    operands: [2, 2],
    type: () => int,
    evaluate: about((frame, [of, column]) => {
      const key = (text: string): string => frame.session.database.key(text);
      const type = visibleTable(frame, of)?.columns.find((one) => key(one.name) === key(asString(column) ?? ""))?.type;
      if (type === undefined) return null;
      return type.name === "nvarchar" ? (type.length < 0 ? -1 : type.length * 2) : type.name === "varbinary" ? type.length : 8;
    }),
  },
  HAS_PERMS_BY_NAME: { operands: [3, 5], type: () => int, evaluate: about(hasPermission) },
  HAS_DBACCESS: {
    operands: [1, 1],
    type: () => int,
    evaluate: about((frame, [of = null]) => {
      const database = databaseOf(frame, of);
      return database === undefined ? null : database.principalOf(frame.session.login) === undefined ? 0 : 1;
    }),
  },
  QUOTENAME: {
    operands: [1, 1],
    type: () => words,
    evaluate: ([text = null]) => (typeof text === "string" && text.length <= 128 ? `[${text.replaceAll("]", "]]")}]` : null),
  },
};
