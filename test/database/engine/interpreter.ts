// Runs statements in order and decides what an error ends: its statement, the batch, or the transaction too.
// It answers with what SQL Server would send.
import { unitOf } from "./batch.ts";
import type { Batch, Unit } from "./batch.ts";
import { tellCommit } from "./commits.ts";
import {
  asMessage,
  byRaiserror,
  byThrow,
  escapesTry,
  isRaised,
  notInGrammar,
  reachOf,
  SqlError,
  sqlErrors,
  statementTerminated,
} from "./errors.ts";
import { runDefinition } from "./runDefinition.ts";
import type { Others } from "./runDefinition.ts";
import type { SessionState } from "./sessionState.ts";
import type { SetOption, Statement } from "./syntax.ts";
import { written } from "./syntax.ts";
import { Transaction } from "./transaction.ts";
import { convert, toText } from "./types.ts";
import { pause } from "./pause.ts";

/** Ends the batch; the error has been answered. */
export class BatchEnd extends Error {}

export interface Run {
  readonly state: SessionState;
  readonly batch: Batch;
  readonly signal: AbortSignal;
  readonly others: Others;
  tries: number;
}

class Return extends Error {}

export async function runStatements(statements: readonly Statement[], run: Run): Promise<void> {
  try {
    for (const statement of statements) await runStatement(statement, run);
  } catch (error) {
    if (!(error instanceof Return)) throw error;
  }
}

async function runStatement(statement: Statement, run: Run): Promise<void> {
  const { state } = run;
  try {
    await perform(statement, run);
    if (statement.kind !== "if" && statement.kind !== "block" && statement.kind !== "try" && statement.kind !== "while")
      state.lastError = 0;
  } catch (error) {
    if (!(error instanceof SqlError) || isStructure(statement)) {
      if (state.transaction === undefined) state.releaseLocks();
      throw error;
    }
    if (error.line === 0) error.line = statement.line;
    if (state.transaction === undefined) state.releaseLocks();
    settle(error, statement, run);
  }
}

const isStructure = (statement: Statement): boolean => ["block", "try"].includes(statement.kind);

/** What the error ends. Inside TRY it goes to the CATCH, and may leave a transaction that can only be rolled back. */
function settle(error: SqlError, statement: Statement, { state, tries }: Run): void {
  state.rowCount = 0;
  const reach = state.options.xactAbort && !isRaised(error) && error.severity > 10 ? "transaction" : reachOf(error);
  if (tries > 0 && !escapesTry(error) && error.severity > 10 && error.severity < 20) {
    if (reach === "transaction" && state.transaction !== undefined) state.transaction.doomed = true;
    throw error;
  }
  state.lastError = error.number;
  state.parts.push({ kind: "message", message: asMessage(error) });
  if (reach === "transaction" && state.transaction !== undefined) state.rollback();
  if (reach === "statement" && statement.kind === "write")
    state.parts.push({ kind: "message", message: { ...statementTerminated, line: statement.line } });
  state.parts.push({ kind: "done", inTransaction: state.transaction !== undefined });
  if (reach !== "statement") throw new BatchEnd();
}

async function perform(statement: Statement, run: Run): Promise<void> {
  const { state, batch } = run;
  switch (statement.kind) {
    case "select":
    case "write":
    case "declare":
    case "assign":
    case "print":
    case "raiserror": {
      await runUnit(statement, run);
      return;
    }
    case "throw":
      if (statement.error !== undefined) {
        await runUnit(statement, run);
        return;
      }
      if (state.caught === undefined) throw notInGrammar("THROW without parameters outside CATCH", statement.line);
      throw byThrow(state.caught);
    case "if":
    case "while": {
      await runBranches(statement, run);
      return;
    }
    case "block": {
      await runInner(statement.body, run);
      return;
    }
    case "try": {
      await runTry(statement, run);
      return;
    }
    case "begin":
      state.begin();
      {
        done(state);
        return;
      }
    case "commit":
      state.commit();
      {
        done(state);
        return;
      }
    case "rollback":
      state.rollback();
      {
        done(state);
        return;
      }
    case "set":
      for (const option of statement.options) setOption(state, option);
      {
        done(state);
        return;
      }
    case "use":
      useDatabase(state, statement.database);
      {
        done(state);
        return;
      }
    case "wait":
      await pause(statement.milliseconds, run.signal);
      {
        done(state);
        return;
      }
    case "return":
      throw new Return();
    case "definition":
      await runDefinition(statement.definition, state, { others: run.others, signal: run.signal });
      batch.units.clear();
      {
        done(state);
        return;
      }
  }
}

async function runInner(statements: readonly Statement[], run: Run): Promise<void> {
  for (const statement of statements) await runStatement(statement, run);
}

function done(state: SessionState): void {
  state.rowCount = 0;
  state.parts.push({ kind: "done", inTransaction: state.transaction !== undefined });
}

async function runBranches(statement: Extract<Statement, { kind: "if" | "while" }>, run: Run): Promise<void> {
  const holds = async (): Promise<boolean> => {
    let result = false;
    await withUnit(statement, run, (unit) => {
      if (unit.kind === "test") result = unit.test(run.state.frame(unit.binding.lock)) === true;
    });
    return result;
  };
  if (statement.kind === "while") {
    while (await holds()) await runStatement(statement.body, run);
    return;
  }
  const branch = (await holds()) ? statement.then : statement.otherwise;
  if (branch !== undefined) await runStatement(branch, run);
}

async function runTry(statement: Extract<Statement, { kind: "try" }>, run: Run): Promise<void> {
  const { state } = run;
  run.tries++;
  let caught: SqlError | undefined;
  try {
    await runInner(statement.body, run);
  } catch (error) {
    if (!(error instanceof SqlError) || escapesTry(error)) throw error;
    caught = error;
  } finally {
    run.tries--;
  }
  if (caught === undefined) return;
  const around = state.caught;
  state.caught = caught;
  state.lastError = caught.number;
  await runInner(statement.handler, run);
  state.caught = around;
}

/** Compiles where needed, waits for its turn, checks permissions, and runs `act` without any wait. */
async function withUnit(statement: Statement, run: Run, act: (unit: Unit) => void): Promise<void> {
  const { state } = run;
  const unit = unitOf(run.batch, statement, state.database);
  if (unit === undefined) return;
  const { binding } = unit;
  if (binding.lock === "write" && state.transaction?.doomed === true) throw sqlErrors.doomed();
  await state.enter(binding.database, binding.lock, run.signal);
  const fresh = unitOf(run.batch, statement, state.database) ?? unit; // the wait may have been for an ALTER TABLE
  try {
    state.checkPermissions(fresh.binding);
    act(fresh);
  } finally {
    state.leave(binding.database, binding.lock);
  }
}

async function runUnit(statement: Statement, run: Run): Promise<void> {
  await withUnit(statement, run, (unit) => {
    const { state } = run;
    switch (unit.kind) {
      case "query": {
        const rows = unit.query.run(state.frame(unit.binding.lock));
        const columns = unit.query.columns.map(({ name, type, nullable }) => ({ name, type, nullable }));
        state.rowCount = rows.length;
        state.parts.push({ kind: "rows", columns, rows });
        countDone(state);
        return;
      }
      case "assign": {
        const rows = unit.query.run(state.frame(unit.binding.lock));
        const last = rows.at(-1);
        if (last !== undefined)
          for (const [i, { name, from, to }] of unit.targets.entries()) state.variables.set(name, convert(last[i] ?? null, from, to));
        state.rowCount = rows.length;
        return;
      }
      case "write": {
        runWrite(unit, state);
        return;
      }
      case "values": {
        runValues(statement, unit, state);
        return;
      }
      case "test":
    }
  });
}

function countDone(state: SessionState): void {
  state.parts.push({
    kind: "done",
    ...(state.options.noCount ? {} : { rowCount: state.rowCount }),
    inTransaction: state.transaction !== undefined,
  });
}

/** Without a transaction the statement is one of its own. */
function runWrite(unit: Extract<Unit, { kind: "write" }>, state: SessionState): void {
  const { database } = unit.binding;
  if (database.readOnly) throw sqlErrors.readOnly(database.name);
  const transaction = state.transaction ?? new Transaction(0n, 0);
  database.writer = transaction;
  const mark = transaction.mark;
  try {
    const result = unit.write(state.frame("write"), { transaction, identityInsert: state.identityInsert });
    state.rowCount = result.rowCount;
    if (result.identity !== undefined) state.scopeIdentity = result.identity;
  } catch (error) {
    transaction.undoTo(mark);
    throw error;
  }
  if (transaction !== state.transaction) tellCommit(transaction, state.server.options.onCommit);
  countDone(state);
}

function runValues(statement: Statement, unit: Extract<Unit, { kind: "values" }>, state: SessionState): void {
  const frame = state.frame(unit.binding.lock);
  const value = (i: number) => unit.values[i]?.evaluate(frame) ?? null;
  const text = (i: number): string => toText(value(i) ?? "", { name: "nvarchar", length: -1 });
  switch (statement.kind) {
    case "declare":
      for (const [i, { name }] of statement.variables.entries()) if (unit.values[i] !== undefined) state.variables.set(name, value(i));
      return;
    case "assign":
      state.variables.set(statement.name, value(0));
      state.rowCount = 1;
      return;
    case "print":
      state.parts.push({ kind: "message", message: { number: 0, state: 1, class: 0, message: text(0), line: statement.line } });
      {
        done(state);
        return;
      }
    case "raiserror": {
      const [severity, errorState] = [Number(value(1)), Math.min(255, Math.max(1, Number(value(2))))];
      if (severity > 18) throw notInGrammar("RAISERROR with a severity above 18", statement.line);
      const error = byRaiserror(new SqlError(50000, severity, errorState, text(0), statement.line));
      if (severity > 10) throw error;
      state.parts.push({ kind: "message", message: { ...asMessage(error), number: 50000, class: severity } });
      done(state);
      return;
    }
    case "throw":
      if (Number(value(0)) < 50000) throw notInGrammar("THROW of a number below 50000", statement.line);
      throw byThrow(new SqlError(Number(value(0)), 16, Number(value(2)), text(1), statement.line));
    default:
      throw new Error(`No values belong to ${statement.kind}`);
  }
}

function setOption(state: SessionState, option: SetOption): void {
  switch (option.name) {
    case "NOCOUNT":
      state.options.noCount = option.on;
      return;
    case "XACT_ABORT":
      state.options.xactAbort = option.on;
      return;
    case "LOCK_TIMEOUT":
      state.options.lockTimeoutMs = option.milliseconds;
      return;
    case "ISOLATION":
      state.options.isolation = option.level;
      return;
    case "IDENTITY_INSERT": {
      const table = state.database.findTable(option.table.schema, option.table.name);
      if (table === undefined) throw sqlErrors.cannotFind(written(option.table));
      state.identityInsert = option.on ? table : undefined;
      return;
    }
    case "DEADLOCK_PRIORITY":
    case "IGNORED":
  }
}

function useDatabase(state: SessionState, name: string): void {
  const database = state.server.findDatabase(name);
  if (database === undefined) throw sqlErrors.noDatabase(name);
  if (database.principalOf(state.login) === undefined) throw sqlErrors.noAccess(state.login.name, database.name);
  state.parts.push({ kind: "database", before: state.database.name, after: database.name });
  state.database = database;
}
