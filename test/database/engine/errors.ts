// Every error the engine can raise, with SQL Server's numbers and texts. It decides what an error ends (statement, batch or
// transaction); it never decides what a client sees of it.
import type { SqlMessage } from "../session.ts";

export class SqlError extends Error {
  readonly number: number;
  readonly severity: number;
  readonly state: number;
  line: number;
  constructor(number: number, severity: number, state: number, message: string, line = 0) {
    super(message);
    this.number = number;
    this.severity = severity;
    this.state = state;
    this.line = line;
  }
}

export const asMessage = (error: SqlError): SqlMessage => ({
  number: error.number,
  state: error.state,
  class: error.severity,
  message: error.message,
  line: error.line,
});

/** The element that must be there; its absence is a bug of the engine, not of the SQL. */
export function at<T>(list: readonly T[], index: number): T {
  const element = list[index];
  if (element === undefined) throw new Error(`The engine has no element ${index} in a list of ${list.length}`);
  return element;
}

/** What an uncaught error ends when XACT_ABORT is OFF. Conversion errors are known to take the transaction with them. */
export type Reach = "statement" | "batch" | "transaction";
const endsTransaction = new Set([241, 242, 245, 248, 1205, 3998, 8114, 8169]);
const endsBatch = new Set([207, 208, 209, 916, 3930, 4104, 911, 4121]);
export const reachOf = (error: SqlError): Reach =>
  endsTransaction.has(error.number) ? "transaction" : endsBatch.has(error.number) || thrown.has(error) ? "batch" : "statement";

/** Errors of THROW end the batch; errors of RAISERROR end nothing and do not trigger XACT_ABORT. */
const thrown = new WeakSet<SqlError>();
const raised = new WeakSet<SqlError>();
export function byThrow(error: SqlError): SqlError {
  thrown.add(error);
  return error;
}
export function byRaiserror(error: SqlError): SqlError {
  raised.add(error);
  return error;
}
export const isRaised = (error: SqlError): boolean => raised.has(error);

/** Name resolution errors escape TRY in the scope that made them. */
export const escapesTry = (error: SqlError): boolean => [207, 208, 209, 4104, 4121].includes(error.number);

export const syntaxError = (near: string, text: string, line: number): SqlError =>
  new SqlError(102, 15, 1, `Incorrect syntax near '${near}'; not in the grammar of the test database: ${text}`, line);
export const notInGrammar = (what: string, line = 0): SqlError =>
  new SqlError(40000, 15, 1, `not in the grammar of the test database: ${what}`, line);

export const sqlErrors = {
  undeclaredVariable: (name: string, line: number) => new SqlError(137, 15, 2, `Must declare the scalar variable "${name}".`, line),
  repeatedVariable: (name: string, line: number) =>
    new SqlError(
      134,
      15,
      2,
      `The variable name '${name}' has already been declared. Variable names must be unique within a query batch or stored procedure.`,
      line,
    ),
  invalidColumn: (name: string, line: number) => new SqlError(207, 16, 1, `Invalid column name '${name}'.`, line),
  invalidObject: (name: string, line: number) => new SqlError(208, 16, 1, `Invalid object name '${name}'.`, line),
  ambiguousColumn: (name: string, line: number) => new SqlError(209, 16, 1, `Ambiguous column name '${name}'.`, line),
  unboundIdentifier: (name: string, line: number) =>
    new SqlError(4104, 16, 1, `The multi-part identifier "${name}" could not be bound.`, line),
  unknownFunction: (name: string, line: number) => new SqlError(195, 15, 10, `'${name}' is not a recognized built-in function name.`, line),
  argumentCount: (name: string, count: number, line: number) =>
    new SqlError(174, 15, 1, `The ${name.toLowerCase()} function requires ${count} argument(s).`, line),
  conversion: (value: string, to: string) =>
    new SqlError(245, 16, 1, `Conversion failed when converting the nvarchar value '${value}' to data type ${to}.`),
  stringOverflow: (value: string, to: string) =>
    new SqlError(248, 16, 1, `The conversion of the nvarchar value '${value}' overflowed an ${to} column.`),
  bigintConversion: () => new SqlError(8114, 16, 5, "Error converting data type nvarchar to bigint."),
  substringLength: () => new SqlError(537, 16, 2, "Invalid length parameter passed to the LEFT or SUBSTRING function."),
  columnMissing: (column: string, table: string) =>
    new SqlError(1911, 16, 1, `Column name '${column}' does not exist in the target table or view '${table}'.`),
  nullableKey: (table: string) => new SqlError(8111, 16, 1, `Cannot define PRIMARY KEY constraint on nullable column in table '${table}'.`),
  secondClustered: (table: string) =>
    new SqlError(
      1902,
      16,
      3,
      `Cannot create more than one clustered index on table '${table}'. Drop the existing clustered index before creating another.`,
    ),
  invalidReference: (name: string, table: string) =>
    new SqlError(1767, 16, 0, `Foreign key '${name}' references invalid table '${table}'.`),
  notALogin: (name: string) => new SqlError(15007, 16, 1, `'${name}' is not a valid login or you do not have permission.`),
  badTop: () => new SqlError(127, 15, 1, "A TOP N or FETCH rowcount value may not be negative."),
  guidConversion: () => new SqlError(8169, 16, 2, "Conversion failed when converting from a character string to uniqueidentifier."),
  dateConversion: () => new SqlError(241, 16, 1, "Conversion failed when converting date and/or time from character string."),
  dateRange: () =>
    new SqlError(242, 16, 3, "The conversion of a nvarchar data type to a datetime data type resulted in an out-of-range value."),
  overflow: (to: string) => new SqlError(8115, 16, 2, `Arithmetic overflow error converting expression to data type ${to}.`),
  dateOverflow: () => new SqlError(517, 16, 1, "Adding a value to a 'datetime' column caused an overflow."),
  divideByZero: () => new SqlError(8134, 16, 1, "Divide by zero error encountered."),
  clash: (from: string, to: string) => new SqlError(206, 16, 2, `Operand type clash: ${from} is incompatible with ${to}`),
  invalidOperand: (type: string, operator: string) =>
    new SqlError(8117, 16, 1, `Operand data type ${type} is invalid for ${operator} operator.`),
  subqueryRows: () =>
    new SqlError(
      512,
      16,
      1,
      "Subquery returned more than 1 value. This is not permitted when the subquery follows =, !=, <, <= , >, >= or when the subquery is used as an expression.",
    ),
  subqueryColumns: (line: number) =>
    new SqlError(
      116,
      16,
      1,
      "Only one expression can be specified in the select list when the subquery is not introduced with EXISTS.",
      line,
    ),
  collationConflict: (left: string, right: string, operation: string) =>
    new SqlError(468, 16, 9, `Cannot resolve the collation conflict between "${left}" and "${right}" in the ${operation} operation.`),
  notGrouped: (name: string, line: number) =>
    new SqlError(
      8120,
      16,
      1,
      `Column '${name}' is invalid in the select list because it is not contained in either an aggregate function or the GROUP BY clause.`,
      line,
    ),
  unionWidth: (line: number) =>
    new SqlError(
      205,
      16,
      1,
      "All queries combined using a UNION, INTERSECT or EXCEPT operator must have an equal number of expressions in their target lists.",
      line,
    ),
  aliasColumns: (name: string, line: number) =>
    new SqlError(8158, 16, 1, `'${name}' has more columns than were specified in the column list.`, line),
  unnamedColumn: (name: string, line: number) => new SqlError(8155, 16, 2, `No column name was specified for column 1 of '${name}'.`, line),
  duplicateSource: (name: string, line: number) =>
    new SqlError(1011, 16, 1, `The correlation name '${name}' is specified multiple times in a FROM clause.`, line),
  tooManyRowValues: (line: number) =>
    new SqlError(
      10738,
      15,
      1,
      "The number of row value expressions in the INSERT statement exceeds the maximum allowed number of 1000 row values.",
      line,
    ),
  tooManyParameters: () =>
    new SqlError(
      8003,
      16,
      1,
      "The incoming request has too many parameters. The server supports a maximum of 2100 parameters. Reduce the number of parameters and resend the request.",
    ),
  fewerValues: (line: number) =>
    new SqlError(
      109,
      15,
      1,
      "There are more columns in the INSERT statement than values specified in the VALUES clause. The number of values in the VALUES clause must match the number of columns specified in the INSERT statement.",
      line,
    ),
  moreValues: (line: number) =>
    new SqlError(
      110,
      15,
      1,
      "There are fewer columns in the INSERT statement than values specified in the VALUES clause. The number of values in the VALUES clause must match the number of columns specified in the INSERT statement.",
      line,
    ),
  fewerSelected: (line: number) =>
    new SqlError(
      120,
      15,
      1,
      "The select list for the INSERT statement contains fewer items than the insert list. The number of SELECT values must match the number of INSERT columns.",
      line,
    ),
  moreSelected: (line: number) =>
    new SqlError(
      121,
      15,
      1,
      "The select list for the INSERT statement contains more items than the insert list. The number of SELECT values must match the number of INSERT columns.",
      line,
    ),
  columnCountMismatch: (line: number) =>
    new SqlError(213, 16, 1, "Column name or number of supplied values does not match table definition.", line),
  explicitIdentity: (table: string) =>
    new SqlError(544, 16, 1, `Cannot insert explicit value for identity column in table '${table}' when IDENTITY_INSERT is set to OFF.`),
  updateIdentity: (column: string, line: number) => new SqlError(8102, 16, 1, `Cannot update identity column '${column}'.`, line),
  notNull: (column: string, table: string, verb: string) =>
    new SqlError(
      515,
      16,
      2,
      `Cannot insert the value NULL into column '${column}', table '${table}'; column does not allow nulls. ${verb} fails.`,
    ),
  truncated: (table: string, column: string, value: string) =>
    new SqlError(
      2628,
      16,
      1,
      `String or binary data would be truncated in table '${table}', column '${column}'. Truncated value: '${value}'.`,
    ),
  truncatedQuietly: () => new SqlError(8152, 16, 30, "String or binary data would be truncated."),
  duplicateConstraint: (kind: string, constraint: string, object: string, values: string) =>
    new SqlError(
      2627,
      14,
      1,
      `Violation of ${kind} constraint '${constraint}'. Cannot insert duplicate key in object '${object}'. The duplicate key value is (${values}).`,
    ),
  duplicateIndex: (index: string, object: string, values: string) =>
    new SqlError(
      2601,
      14,
      1,
      `Cannot insert duplicate key row in object '${object}' with unique index '${index}'. The duplicate key value is (${values}).`,
    ),
  duplicateAtCreate: (object: string, index: string, values: string) =>
    new SqlError(
      1505,
      16,
      1,
      `The CREATE UNIQUE INDEX statement terminated because a duplicate key was found for the object name '${object}' and the index name '${index}'. The duplicate key value is (${values}).`,
    ),
  foreignKey: (verb: string, kind: string, name: string, database: string, table: string, column: string | undefined) =>
    new SqlError(
      547,
      16,
      0,
      `The ${verb} statement conflicted with the ${kind} constraint "${name}". The conflict occurred in database "${database}", table "${table}"${column === undefined ? "" : `, column '${column}'`}.`,
    ),
  lockTimeout: () => new SqlError(1222, 16, 51, "Lock request time out period exceeded."),
  doomed: () =>
    new SqlError(
      3930,
      16,
      1,
      "The current transaction cannot be committed and cannot support operations that write to the log file. Roll back the transaction.",
    ),
  doomedAtEnd: () =>
    new SqlError(3998, 16, 1, "Uncommittable transaction is detected at the end of the batch. The transaction is rolled back."),
  commitWithoutBegin: () => new SqlError(3902, 16, 1, "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION."),
  rollbackWithoutBegin: () => new SqlError(3903, 16, 1, "The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION."),
  transactionCount: (before: number, after: number) =>
    new SqlError(
      266,
      16,
      2,
      `Transaction count after EXECUTE indicates a mismatching number of BEGIN and COMMIT statements. Previous count = ${before}, current count = ${after}.`,
    ),
  inTransaction: (what: string) => new SqlError(226, 16, 6, `${what} statement not allowed within multi-statement transaction.`),
  readOnly: (database: string) => new SqlError(3906, 16, 1, `Failed to update database "${database}" because the database is read-only.`),
  denied: (permission: string, object: string, database: string, schema: string) =>
    new SqlError(
      229,
      14,
      5,
      `The ${permission} permission was denied on the object '${object}', database '${database}', schema '${schema}'.`,
    ),
  columnDenied: (permission: string, column: string, object: string, database: string, schema: string) =>
    new SqlError(
      230,
      14,
      1,
      `The ${permission} permission was denied on the column '${column}' of the object '${object}', database '${database}', schema '${schema}'.`,
    ),
  statementDenied: (what: string, database: string) => new SqlError(262, 14, 1, `${what} permission denied in database '${database}'.`),
  notAllowed: () => new SqlError(15247, 16, 1, "User does not have permission to perform this action."),
  noAccess: (login: string, database: string) =>
    new SqlError(
      916,
      14,
      2,
      `The server principal "${login}" is not able to access the database "${database}" under the current security context.`,
    ),
  noDatabase: (name: string) =>
    new SqlError(911, 16, 1, `Database '${name}' does not exist. Make sure that the name is entered correctly.`),
  cannotOpen: (name: string) => new SqlError(4060, 11, 1, `Cannot open database "${name}" requested by the login. The login failed.`),
  loginFailed: (user: string) => new SqlError(18456, 14, 1, `Login failed for user '${user}'.`),
  killed: () => new SqlError(596, 21, 1, "Cannot continue the execution because the session is in the kill state."),
  databaseExists: (name: string) => new SqlError(1801, 16, 3, `Database '${name}' already exists. Choose a different database name.`),
  databaseInUse: (name: string) => new SqlError(3702, 16, 4, `Cannot drop database "${name}" because it is currently in use.`),
  cannotDrop: (what: string, name: string) =>
    new SqlError(3701, 11, 5, `Cannot drop the ${what} '${name}', because it does not exist or you do not have permission.`),
  referenced: (name: string) =>
    new SqlError(3726, 16, 1, `Could not drop object '${name}' because it is referenced by a FOREIGN KEY constraint.`),
  objectExists: (name: string) => new SqlError(2714, 16, 6, `There is already an object named '${name}' in the database.`),
  indexExists: (index: string, table: string) =>
    new SqlError(
      1913,
      16,
      1,
      `The operation failed because an index or statistics with name '${index}' already exists on table '${table}'.`,
    ),
  cannotFind: (name: string) =>
    new SqlError(1088, 16, 12, `Cannot find the object "${name}" because it does not exist or you do not have permissions.`),
  cannotFindAltered: (name: string) =>
    new SqlError(4902, 16, 1, `Cannot find the object "${name}" because it does not exist or you do not have permissions.`),
  cannotFindGranted: (name: string) =>
    new SqlError(15151, 16, 1, `Cannot find the object '${name}', because it does not exist or you do not have permission.`),
  cannotFindPrincipal: (kind: string, name: string) =>
    new SqlError(15151, 16, 1, `Cannot find the ${kind} '${name}', because it does not exist or you do not have permission.`),
  principalExists: (name: string) => new SqlError(15025, 16, 1, `The server principal '${name}' already exists.`),
  userExists: (name: string) => new SqlError(15023, 16, 1, `User, group, or role '${name}' already exists in the current database.`),
  columnExists: (column: string, table: string) =>
    new SqlError(
      2705,
      16,
      4,
      `Column names in each table must be unique. Column name '${column}' in table '${table}' is specified more than once.`,
    ),
  noColumnToAlter: (column: string, table: string) =>
    new SqlError(4924, 16, 1, `ALTER TABLE failed because column '${column}' does not exist in table '${table}'.`),
  columnInUse: (what: string, column: string) =>
    new SqlError(4922, 16, 9, `${what} ${column} failed because one or more objects access this column.`),
  addNotNull: (column: string, table: string) =>
    new SqlError(
      4901,
      16,
      1,
      `ALTER TABLE only allows columns to be added that can contain nulls, or have a DEFAULT definition specified. Column '${column}' cannot be added to non-empty table '${table}' because it does not satisfy these conditions.`,
    ),
  noConstraint: (name: string) => new SqlError(4917, 16, 0, `Constraint '${name}' does not exist.`),
  noKeyForReference: (table: string, constraint: string) =>
    new SqlError(
      1776,
      16,
      0,
      `There are no primary or candidate keys in the referenced table '${table}' that match the referencing column list in the foreign key '${constraint}'.`,
    ),
  firstInBatch: (what: string, line: number) => new SqlError(111, 15, 1, `'${what}' must be the first statement in a query batch.`, line),
  noSchema: (name: string) =>
    new SqlError(2760, 16, 1, `The specified schema name "${name}" either does not exist or you do not have permission to use it.`),
  badCollation: (name: string) => new SqlError(448, 16, 3, `Invalid collation '${name}'.`),
  noProcedure: (name: string) => new SqlError(2812, 16, 62, `Could not find stored procedure '${name}'.`),
} as const;

export const statementTerminated: SqlMessage = { number: 3621, state: 0, class: 0, message: "The statement has been terminated.", line: 0 };
