// What one statement of the contract is: a sentence about the server, the page of Microsoft's documentation that says so, and a run that
// shows whether it holds. It knows no server and no test framework.
import { inspect, isDeepStrictEqual } from "node:util";
import type { Session } from "./session.ts";

export interface Page {
  /** Of learn.microsoft.com. */
  readonly url: string;
  /** The heading on that page, or the page's title where it has none that fits. */
  readonly section: string;
}

/** How readers behave in the database: they see row versions (READ_COMMITTED_SNAPSHOT is on), or they take locks. */
export type Readers = "versions" | "locks";

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/** Where a statement is run: two tables, dbo.Server with one row named "a", and dbo.Binding without rows. */
export interface Place {
  readonly database: string;
  /** A new session with all rights in the database; closed when the statement has been run. */
  session(): Promise<Session>;
  /** A session of another login. Rejects with what the driver says, `numbers` being those that the server told before. */
  sessionOf(credentials: Credentials, options?: { readonly database?: string; readonly applicationName?: string }): Promise<Session>;
  /** A login with a user in the database and exactly these grants, each a sentence without GRANT and TO: "SELECT ON dbo.Server". */
  login(...grants: readonly string[]): Promise<Credentials>;
  /** Sets the database read-only or writable again, whoever is in it. */
  setUpdateability(to: "READ_ONLY" | "READ_WRITE"): Promise<void>;
}

export interface Behaviour {
  /** A sentence in plain words; no two are the same. */
  readonly title: string;
  readonly page: Page;
  /** The databases in which it must hold; absent: it does not matter, so in one. */
  readonly readers?: readonly Readers[];
  /** Rejects with DidNotHold or NotApplicable; any other error means that it did not hold either. */
  readonly run: (place: Place) => Promise<void>;
}

/** What came instead, in words. */
export class DidNotHold extends Error {
  override readonly name = "DidNotHold";
}

/** Why a statement cannot be asked here: only for these reasons, each with the page that says so. */
const inapplicable = {
  noVersions: {
    why: "READ_COMMITTED_SNAPSHOT cannot be switched on here",
    page: "https://learn.microsoft.com/en-us/sql/t-sql/statements/alter-database-transact-sql-set-options",
  },
  noLocks: {
    why: "READ_COMMITTED_SNAPSHOT cannot be switched off here",
    page: "https://learn.microsoft.com/en-us/sql/t-sql/statements/alter-database-transact-sql-set-options",
  },
  oneDatabase: {
    why: "the server makes only one database for this login, so none with the other kind of readers",
    page: "https://learn.microsoft.com/en-us/sql/t-sql/statements/create-database-transact-sql",
  },
  noLogins: {
    why: "the login of MSSQL_URL may not create logins (ALTER ANY LOGIN)",
    page: "https://learn.microsoft.com/en-us/sql/t-sql/statements/create-login-transact-sql",
  },
  noReadOnly: {
    why: "the database cannot be set read-only by this login",
    page: "https://learn.microsoft.com/en-us/sql/t-sql/statements/alter-database-transact-sql-set-options",
  },
} as const;

export class NotApplicable extends Error {
  override readonly name = "NotApplicable";

  constructor(reason: keyof typeof inapplicable, said: string) {
    super(`${inapplicable[reason].why} (${said}): ${inapplicable[reason].page}`);
  }
}

const shown = (value: unknown): string => inspect(value, { depth: 6, breakLength: Infinity, maxArrayLength: 20 });

/** `what` names in words what was looked at. */
export function same(what: string, actual: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(actual, expected)) throw new DidNotHold(`${what}: ${shown(actual)} instead of ${shown(expected)}`);
}

/** One of the errors has one of the numbers. */
export function refused(what: string, errors: readonly number[], ...numbers: readonly number[]): void {
  const came = errors.length === 0 ? "no error" : `error ${errors.join(", ")}`;
  if (!errors.some((number) => numbers.includes(number))) throw new DidNotHold(`${what}: ${came} instead of ${numbers.join(" or ")}`);
}

export const accepted = (what: string, errors: readonly number[]): void => same(`errors of ${what}`, errors, []);

const learn = (path: string) => (section: string) => ({ url: `https://learn.microsoft.com/en-us/${path}`, section });

/** Pages by name, so that each address stands once. */
export const pages = {
  alterDatabaseOptions: learn("sql/t-sql/statements/alter-database-transact-sql-set-options"),
  appName: learn("sql/t-sql/functions/app-name-transact-sql"),
  bit: learn("sql/t-sql/data-types/bit-transact-sql"),
  blocking: learn("troubleshoot/sql/database-engine/performance/understand-resolve-blocking"),
  castAndConvert: learn("sql/t-sql/functions/cast-and-convert-transact-sql"),
  coalesce: learn("sql/t-sql/language-elements/coalesce-transact-sql"),
  collationPrecedence: learn("sql/t-sql/statements/collation-precedence-transact-sql"),
  collations: learn("sql/relational-databases/collations/collation-and-unicode-support"),
  columns: learn("sql/relational-databases/system-catalog-views/sys-columns-transact-sql"),
  databasePropertyEx: learn("sql/t-sql/functions/databasepropertyex-transact-sql"),
  datetime: learn("sql/t-sql/data-types/datetime-transact-sql"),
  deadlockPriority: learn("sql/t-sql/statements/set-deadlock-priority-transact-sql"),
  delete: learn("sql/t-sql/statements/delete-transact-sql"),
  disableForeignKeys: learn("sql/relational-databases/tables/disable-foreign-key-constraints-with-insert-and-update-statements"),
  errors0: learn("sql/relational-databases/errors-events/database-engine-events-and-errors-0-to-999"),
  errors1000: learn("sql/relational-databases/errors-events/database-engine-events-and-errors-1000-to-1999"),
  errors2000: learn("sql/relational-databases/errors-events/database-engine-events-and-errors-2000-to-2999"),
  errors3000: learn("sql/relational-databases/errors-events/database-engine-events-and-errors-3000-to-3999"),
  errors4000: learn("sql/relational-databases/errors-events/database-engine-events-and-errors-4000-to-4999"),
  errors18000: learn("sql/relational-databases/errors-events/database-engine-events-and-errors-18000-to-18999"),
  exists: learn("sql/t-sql/language-elements/exists-transact-sql"),
  foreignKeys: learn("sql/relational-databases/system-catalog-views/sys-foreign-keys-transact-sql"),
  grantObject: learn("sql/t-sql/statements/grant-object-permissions-transact-sql"),
  hasPerms: learn("sql/t-sql/functions/has-perms-by-name-transact-sql"),
  identity: learn("sql/t-sql/statements/create-table-transact-sql-identity-property"),
  insert: learn("sql/t-sql/statements/insert-transact-sql"),
  isNull: learn("sql/t-sql/functions/isnull-transact-sql"),
  lockEscalation: learn("troubleshoot/sql/database-engine/performance/resolve-blocking-problems-caused-lock-escalation"),
  locking: learn("sql/relational-databases/sql-server-transaction-locking-and-row-versioning-guide"),
  lockTimeout: learn("sql/t-sql/statements/set-lock-timeout-transact-sql"),
  max: learn("sql/t-sql/functions/max-transact-sql"),
  maximumCapacity: learn("sql/sql-server/maximum-capacity-specifications-for-sql-server"),
  metadataVisibility: learn("sql/relational-databases/security/metadata-visibility-configuration"),
  noCount: learn("sql/t-sql/statements/set-nocount-transact-sql"),
  nullAndUnknown: learn("sql/t-sql/language-elements/null-and-unknown-transact-sql"),
  orderBy: learn("sql/t-sql/queries/select-order-by-clause-transact-sql"),
  quoteName: learn("sql/t-sql/functions/quotename-transact-sql"),
  rowCount: learn("sql/t-sql/functions/rowcount-transact-sql"),
  schemaId: learn("sql/t-sql/functions/schema-id-transact-sql"),
  serverProperty: learn("sql/t-sql/functions/serverproperty-transact-sql"),
  selectVariable: learn("sql/t-sql/language-elements/select-local-variable-transact-sql"),
  setStatements: learn("sql/t-sql/statements/set-statements-transact-sql"),
  stringComparison: learn("sql/t-sql/language-elements/string-comparison-assignment"),
  tableHints: learn("sql/t-sql/queries/hints-transact-sql-table"),
  top: learn("sql/t-sql/queries/top-transact-sql"),
  tryCatch: learn("sql/t-sql/language-elements/try-catch-transact-sql"),
  uniqueidentifier: learn("sql/t-sql/data-types/uniqueidentifier-transact-sql"),
  valueConstructor: learn("sql/t-sql/queries/table-value-constructor-transact-sql"),
  xactAbort: learn("sql/t-sql/statements/set-xact-abort-transact-sql"),
} as const;
