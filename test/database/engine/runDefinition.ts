// Runs one definition for a session: its locks, its right to it, its transaction.
import { compileExpression } from "./compileExpression.ts";
import { define } from "./definitions.ts";
import type { DefinitionContext, TableDefinition } from "./definitionContext.ts";
import { sqlErrors } from "./errors.ts";
import type { Database } from "./model.ts";
import { Binding, newScope } from "./scope.ts";
import { defineSecurity } from "./security.ts";
import type { ServerDefinition } from "./security.ts";
import type { SessionState } from "./sessionState.ts";
import type { DefinitionSyntax } from "./syntax.ts";
import { Transaction } from "./transaction.ts";
import { storing } from "./writes.ts";

/** The other sessions of the engine. */
export interface Others {
  readonly kill: (database: Database, except: SessionState) => void;
  readonly count: (database: Database) => number;
}

const ofTables = new Set([
  "createSchema",
  "createTable",
  "dropTable",
  "addColumns",
  "dropColumn",
  "alterColumn",
  "addConstraint",
  "dropConstraint",
  "switchConstraint",
  "createIndex",
  "dropIndex",
]);
const isTableDefinition = (definition: DefinitionSyntax): definition is TableDefinition => ofTables.has(definition.kind);

export async function runDefinition(
  definition: DefinitionSyntax,
  state: SessionState,
  { others, signal }: { readonly others: Others; readonly signal: AbortSignal },
): Promise<void> {
  if (!isTableDefinition(definition)) {
    runServerDefinition(definition, state, others);
    return;
  }
  const { database } = state;
  if (state.transaction?.doomed === true) throw sqlErrors.doomed();
  await state.enter(database, "write", signal);
  try {
    if (!state.principal.roles.has("db_owner") && !state.principal.roles.has("db_ddladmin"))
      throw sqlErrors.statementDenied(definition.kind === "createTable" ? "CREATE TABLE" : "ALTER", database.name);
    if (database.readOnly) throw sqlErrors.readOnly(database.name);
    const transaction = state.transaction ?? new Transaction(0n, 0);
    database.writer = transaction;
    const mark = transaction.mark;
    try {
      define(definition, contextOf(state, transaction));
    } catch (error) {
      transaction.undoTo(mark);
      throw error;
    }
  } finally {
    state.leave(database, "write");
  }
}

function contextOf(state: SessionState, transaction: Transaction): DefinitionContext {
  const { database } = state;
  const binding = new Binding(database, new Map());
  return {
    database,
    transaction,
    evaluate: (value, column, table) => {
      const compiled = compileExpression(value, newScope(binding, undefined));
      const frame = state.frame("write");
      return storing(compiled.type, column, table, database)(compiled.evaluate(frame), frame);
    },
    convert: (value, from, to, table) => storing(from.type, to, table, database)(value, state.frame("write")),
  };
}

function runServerDefinition(definition: ServerDefinition, state: SessionState, others: Others): void {
  const { server, database, principal } = state;
  const isAdmin = state.login.sysadmin;
  const killOthers = (other: Database): void => others.kill(other, state);
  defineSecurity(definition, {
    server,
    database,
    principal,
    isAdmin,
    inTransaction: state.transaction !== undefined,
    killOthers,
    usersOf: others.count,
  });
}
