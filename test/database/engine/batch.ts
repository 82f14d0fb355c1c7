// A batch, compiled as a whole before any of it runs: names of existing tables must resolve now, those of missing tables when their
// statement runs. It decides what a statement needs and never runs one.
import type { Parameter, SqlType } from "../session.ts";
import { compileCondition } from "./compileCondition.ts";
import { asType, compileExpression, converted } from "./compileExpression.ts";
import { compileQuery } from "./compileQuery.ts";
import type { Compiled, CompiledQuery, Test } from "./compiled.ts";
import { at, SqlError, sqlErrors } from "./errors.ts";
import type { Database } from "./model.ts";
import { parseBatch } from "./parseStatement.ts";
import { Binding, newScope } from "./scope.ts";
import type { Scope } from "./scope.ts";
import type { Expression, Statement } from "./syntax.ts";
import { assertConvertible, int, nvarchar } from "./types.ts";
import { compileWrite } from "./writes.ts";
import type { Write } from "./writes.ts";

/** What one statement compiles to, before its body or branches. */
export type Unit = { readonly binding: Binding; readonly schemaVersion: number } & (
  | { readonly kind: "query"; readonly query: CompiledQuery }
  | {
      readonly kind: "assign";
      readonly query: CompiledQuery;
      readonly targets: readonly { readonly name: string; readonly from: SqlType; readonly to: SqlType }[];
    }
  | { readonly kind: "write"; readonly write: Write }
  | { readonly kind: "test"; readonly test: Test }
  | { readonly kind: "values"; readonly values: readonly (Compiled | undefined)[] }
);

export interface Batch {
  readonly statements: readonly Statement[];
  readonly variables: ReadonlyMap<string, SqlType>;
  readonly units: Map<Statement, Unit>;
}

/** Parses a text; declared parameters are variables from the start. */
export function readBatch(text: string, parameters: readonly Parameter[]): Batch {
  const statements = parseBatch(text);
  const variables = new Map<string, SqlType>(parameters.map((parameter) => [parameter.name.toLowerCase(), parameter.type]));
  for (const statement of everyStatement(statements)) {
    if (statement.kind !== "declare") continue;
    for (const { name, type } of statement.variables) {
      if (variables.has(name)) throw sqlErrors.repeatedVariable(name, statement.line);
      variables.set(name, type);
    }
  }
  return { statements, variables, units: new Map() };
}

function* everyStatement(statements: readonly Statement[]): Generator<Statement> {
  for (const statement of statements) {
    yield statement;
    switch (statement.kind) {
      case "if":
        yield* everyStatement([statement.then, ...(statement.otherwise === undefined ? [] : [statement.otherwise])]);
        break;
      case "while":
        yield* everyStatement([statement.body]);
        break;
      case "block":
        yield* everyStatement(statement.body);
        break;
      case "try":
        yield* everyStatement([...statement.body, ...statement.handler]);
        break;
      default:
    }
  }
}

/** Compiles all statements that can be; what follows USE is left for when it runs. */
export function bindBatch(batch: Batch, database: Database): void {
  for (const statement of everyStatement(batch.statements)) {
    if (statement.kind === "use") return;
    try {
      unitOf(batch, statement, database);
    } catch (error) {
      if (error instanceof SqlError && error.line === 0) error.line = statement.line;
      if (!(error instanceof SqlError && error.number === 208)) throw error;
    }
  }
}

/** The unit of a statement for the database as it now is; undefined where there is nothing to compile. */
export function unitOf(batch: Batch, statement: Statement, database: Database): Unit | undefined {
  const known = batch.units.get(statement);
  if (known !== undefined && known.binding.database === database && known.schemaVersion === database.schemaVersion) return known;
  const unit = compile(statement, new Binding(database, batch.variables));
  if (unit !== undefined) batch.units.set(statement, unit);
  return unit;
}

function compile(statement: Statement, binding: Binding): Unit | undefined {
  const base = { binding, schemaVersion: binding.database.schemaVersion };
  const scope = newScope(binding, undefined);
  const values = (...list: readonly (readonly [Expression, SqlType] | undefined)[]): Unit => ({
    ...base,
    kind: "values",
    values: list.map((one) => (one === undefined ? undefined : asVariable(one[0], one[1], scope))),
  });
  switch (statement.kind) {
    case "select": {
      const query = compileQuery(statement.query, binding, undefined);
      if (statement.assign === undefined) return { ...base, kind: "query", query };
      return assignment(statement.assign, query, base);
    }
    case "write":
      return { ...base, kind: "write", write: compileWrite(statement.write, binding) };
    case "if":
    case "while":
      return { ...base, kind: "test", test: compileCondition(statement.condition, scope).test };
    case "assign":
      return values([statement.value, variableType(binding, statement.name, statement.line)]);
    case "declare":
      return values(...statement.variables.map(({ value, type }) => (value === undefined ? undefined : ([value, type] as const))));
    case "print":
      return values([statement.message, nvarchar(4000)]);
    case "raiserror":
      return values([statement.message, nvarchar(2047)], [statement.severity, int], [statement.state, int]);
    case "throw":
      return statement.error === undefined
        ? undefined
        : values([statement.error.number, int], [statement.error.message, nvarchar(2048)], [statement.error.state, int]);
    case "definition":
    case "begin":
    case "commit":
    case "rollback":
    case "block":
    case "try":
    case "return":
    case "set":
    case "use":
    case "wait":
      return undefined;
  }
}

function variableType({ variables }: Binding, name: string, line: number): SqlType {
  const type = variables.get(name);
  if (type === undefined) throw sqlErrors.undeclaredVariable(name, line);
  return type;
}

/** A value in the type of its variable: text is cut to its length. */
function asVariable(value: Expression, type: SqlType, scope: Scope): Compiled {
  const compiled = compileExpression(value, scope);
  return value.kind === "literal" && value.value === null ? asType(compiled, type) : converted(compiled, type);
}

function assignment(names: readonly string[], query: CompiledQuery, base: Pick<Unit, "binding" | "schemaVersion">): Unit {
  const targets = names.map((name, i) => {
    const [from, to] = [at(query.columns, i).type, variableType(base.binding, name, 0)];
    assertConvertible(from, to);
    return { name, from, to };
  });
  return { ...base, kind: "assign", query, targets };
}
