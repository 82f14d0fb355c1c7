// The order in which the sources of a FROM are read, and by which lookups: first rows given with the statement, then tables by
// equality. It keeps a LEFT JOIN after everything its ON speaks of.
import { compileCondition, conjuncts } from "./compileCondition.ts";
import type { Bound, CompiledCondition, Equality } from "./compileCondition.ts";
import type { Frame, Test } from "./compiled.ts";
import { compileQuery } from "./compileQuery.ts";
import { compileExpression, meet, meetCollations } from "./compileExpression.ts";
import { remember } from "./compiled.ts";
import { at, sqlErrors } from "./errors.ts";
import type { LockNeed, Scope, Source } from "./scope.ts";
import { openSource, shapeOf } from "./scope.ts";
import type { Condition, FromItem, SourceSyntax } from "./syntax.ts";
import { FrozenRows, joinKeys } from "./table.ts";
import type { ColumnShape, Row, RowSource } from "./table.ts";

/** Calls `emit` for each combination of rows, found in the frame's slots; stops when it answers "stop". */
export type Join = (frame: Frame, emit: () => "on" | "stop") => void;

interface Step {
  readonly source: Source;
  readonly left: boolean;
  readonly lookup: { readonly columns: readonly number[]; readonly keys: readonly Equality["key"][] } | undefined;
  /** The rows of the lookup in the order of the next column of a unique key. */
  readonly rising: { readonly by: number; readonly bounds: readonly Bound[] } | undefined;
  readonly tests: readonly Test[]; // of the join
  readonly filters: readonly Test[]; // after it: of WHERE, where this is a LEFT JOIN
}

export interface JoinPlan {
  readonly join: Join;
  /** The one source's rows come in the order of this column, no two with the same value. */
  readonly risesBy: { readonly slot: number; readonly index: number } | undefined;
}

/** Adds the sources to the scope and plans the join of them under ON and WHERE. */
export function compileJoin(from: readonly FromItem[], where: Condition | undefined, scope: Scope): JoinPlan {
  const joined = from.map((item) => ({ item, source: addSource(item.source, scope) }));
  const inner = joined.filter(({ item }) => item.join === "inner");
  const left = joined.filter(({ item }) => item.join === "left");
  const pool = [...inner.flatMap(({ item }) => conjuncts(item.on)), ...conjuncts(where)].map((one) => compileCondition(one, scope));
  const ons = new Map(left.map(({ item, source }) => [source, conjuncts(item.on).map((one) => compileCondition(one, scope))]));
  const own = new Set(scope.sources.map((source) => source.slot));
  const constant = pool.filter((condition) => ![...condition.slots].some((slot) => own.has(slot)));
  const varying = pool.filter((condition) => !constant.includes(condition));
  const sources = { inner: inner.map((one) => one.source), left: left.map((one) => one.source) };
  const steps = planSteps({ ...sources, pool: varying, ons, own });
  const [first, second] = steps;
  const rising = second === undefined ? first?.rising : undefined;
  return {
    join: runner(
      constant.map((one) => one.test),
      steps,
    ),
    risesBy: first === undefined || rising === undefined ? undefined : { slot: first.source.slot, index: rising.by },
  };
}

interface Parts {
  readonly inner: readonly Source[];
  readonly left: readonly Source[];
  readonly pool: readonly CompiledCondition[];
  readonly ons: ReadonlyMap<Source, readonly CompiledCondition[]>;
  readonly own: ReadonlySet<number>;
}

function planSteps({ inner, left, pool, ons, own }: Parts): readonly Step[] {
  const bound = new Set<number>();
  const isReady = (slots: ReadonlySet<number>): boolean => [...slots].every((slot) => !own.has(slot) || bound.has(slot));
  const waiting = new Set(pool);
  const ready = (): readonly CompiledCondition[] => {
    const now = [...waiting].filter((condition) => isReady(condition.slots));
    for (const condition of now) waiting.delete(condition);
    return now;
  };
  const equalitiesFor = (source: Source, conditions: Iterable<CompiledCondition>): readonly Equality[] =>
    [...conditions].flatMap((condition) =>
      condition.equalities.filter((one) => one.slot === source.slot && isReady(one.slotsOfValue)).slice(0, 1),
    );
  const rank = (source: Source): number => (equalitiesFor(source, waiting).length > 0 ? 0 : source.table === undefined ? 1 : 2);

  const steps: Step[] = [];
  const remaining = [...inner];
  while (remaining.length > 0) {
    const source = remaining.reduce((best, one) => (rank(one) < rank(best) ? one : best));
    remaining.splice(remaining.indexOf(source), 1);
    const lookup = lookupBy(equalitiesFor(source, waiting));
    const bounds = [...waiting].flatMap((condition) => condition.bounds.filter((one) => isReady(one.slotsOfValue)));
    bound.add(source.slot);
    steps.push({
      source,
      left: false,
      lookup,
      rising: risingBy(source, lookup, bounds),
      tests: ready().map((one) => one.test),
      filters: [],
    });
  }
  for (const source of left) {
    const on = ons.get(source) ?? [];
    const lookup = lookupBy(equalitiesFor(source, on));
    bound.add(source.slot);
    steps.push({
      source,
      left: true,
      lookup,
      rising: undefined,
      tests: on.map((one) => one.test),
      filters: ready().map((one) => one.test),
    });
  }
  return steps;
}

function lookupBy(equalities: readonly Equality[]): Step["lookup"] {
  const byColumn = new Map(equalities.map((one) => [one.index, one.key]));
  const columns = [...byColumn.keys()].sort((a, b) => a - b);
  return columns.length === 0 ? undefined : { columns, keys: columns.map((column) => byColumn.get(column) ?? (() => undefined)) };
}

/** Where the lookup is the beginning of a unique key, and there is a bound for its last column, an integer. */
function risingBy({ slot, table }: Source, lookup: Step["lookup"], bounds: readonly Bound[]): Step["rising"] {
  if (table === undefined || lookup === undefined) return undefined;
  const by = table.indexes
    .filter(({ unique, columns }) => unique && columns.length === lookup.columns.length + 1)
    .filter(({ columns }) => columns.slice(0, -1).every((column) => lookup.columns.includes(column)))
    .map(({ columns }) => at(columns, columns.length - 1))
    .find((column) => bounds.some((one) => one.slot === slot && one.index === column) && table.columns[column]?.nullable === false);
  return by === undefined ? undefined : { by, bounds: bounds.filter((one) => one.slot === slot && one.index === by) };
}

function rowsOf({ source, lookup, rising }: Step, frame: Frame): Iterable<Row> {
  const rows = source.rows(frame);
  if (lookup === undefined) return rows.all();
  const keys: string[] = [];
  for (const key of lookup.keys) {
    const value = key(frame);
    if (value === undefined) return [];
    keys.push(value);
  }
  const key = keys.length === 1 ? at(keys, 0) : joinKeys(keys);
  if (rising === undefined) return rows.find(lookup.columns, key);
  const range: { above?: number | bigint; upTo?: number | bigint } = {};
  for (const { end, value } of rising.bounds) {
    const limit = value(frame);
    if (limit === undefined) return [];
    range[end] ??= limit; // the others are tested row by row
  }
  return rows.findRising(lookup.columns, key, rising.by, { above: range.above, upTo: range.upTo });
}

/** `constant` are the conditions that no row can change: tested once, and all there is where nothing is read. */
function runner(constant: readonly Test[], steps: readonly Step[]): Join {
  return (frame, emit) => {
    const holds = (tests: readonly Test[]): boolean => {
      for (const test of tests) if (test(frame) !== true) return false;
      return true;
    };
    const visit = (depth: number): "on" | "stop" => {
      const step = steps[depth];
      if (step === undefined) return emit();
      const { slot } = step.source;
      let matched = false;
      for (const row of rowsOf(step, frame)) {
        frame.rows[slot] = row;
        if (!holds(step.tests)) continue;
        matched = true;
        if (holds(step.filters) && visit(depth + 1) === "stop") return "stop";
      }
      if (!step.left || matched) return "on";
      frame.rows[slot] = undefined;
      return holds(step.filters) ? visit(depth + 1) : "on";
    };
    if (holds(constant)) visit(0);
  };
}

function addSource(syntax: SourceSyntax, scope: Scope): Source {
  const source = syntax.kind === "table" ? tableSource(syntax, scope) : rowsSource(syntax, scope);
  const { binding } = scope;
  const clash = scope.sources.find(
    (one) => binding.database.key(one.alias) === binding.database.key(source.alias) && one.schema === source.schema,
  );
  if (clash !== undefined) throw sqlErrors.duplicateSource(source.alias, 0);
  scope.sources.push(source);
  return source;
}

function tableSource(syntax: Extract<SourceSyntax, { kind: "table" }>, scope: Scope): Source {
  const source = openSource(scope, syntax.name, syntax.alias);
  if (source.table === undefined) return source;
  scope.binding.takes(lockOf(syntax.hints));
  return { ...source, need: scope.binding.need("SELECT", source.table) };
}

export function lockOf(hints: readonly string[]): LockNeed {
  const has = (...names: readonly string[]): boolean => names.some((name) => hints.includes(name));
  if (has("UPDLOCK", "XLOCK", "TABLOCKX", "HOLDLOCK", "SERIALIZABLE", "REPEATABLEREAD")) return "keptRead";
  if (has("NOLOCK", "READUNCOMMITTED")) return "dirtyRead";
  return has("READCOMMITTEDLOCK", "TABLOCK", "PAGLOCK") ? "blockedRead" : "read";
}

/** VALUES and derived tables: rows made when first asked for, once in a statement unless they depend on the query around them. */
function rowsSource(syntax: Exclude<SourceSyntax, { kind: "table" }>, scope: Scope): Source {
  const { binding } = scope;
  const made = syntax.kind === "values" ? valuesRows(syntax, scope) : derivedRows(syntax, scope);
  if (syntax.columns.length > 0 && syntax.columns.length !== made.shapes.length) throw sqlErrors.aliasColumns(syntax.alias, syntax.line);
  const shapes = made.shapes.map((shape, i) => ({ ...shape, name: syntax.columns[i] ?? shape.name }));
  if (shapes.some((shape) => shape.name === "")) throw sqlErrors.unnamedColumn(syntax.alias, syntax.line);
  const make = (frame: Frame): RowSource => new FrozenRows(shapes, made.rows(frame));
  const rows = made.outer.size === 0 ? (frame: Frame) => remember(frame, make, () => make(frame)) : make;
  return { alias: syntax.alias, schema: undefined, slot: binding.newSlot(), columns: shapes, table: undefined, need: undefined, rows };
}

interface MadeRows {
  readonly shapes: readonly ColumnShape[];
  readonly rows: (frame: Frame) => readonly Row[];
  readonly outer: ReadonlySet<number>;
}

function derivedRows({ query }: Extract<SourceSyntax, { kind: "derived" }>, scope: Scope): MadeRows {
  const compiled = compileQuery(query, scope.binding, scope.parent);
  return { shapes: compiled.columns.map(shapeOf), rows: compiled.run, outer: compiled.outer };
}

function valuesRows({ rows }: Extract<SourceSyntax, { kind: "values" }>, scope: Scope): MadeRows {
  const around: Scope = { ...scope, sources: [] };
  const { result, slots } = scope.binding.tracking(() => rows.map((row) => row.map((value) => compileExpression(value, around))));
  const width = result[0]?.length ?? 0;
  const columns = Array.from({ length: width }, (_, i) => {
    const values = result.map((row) => at(row, i));
    const { type, operands } = meet(values);
    const collated = type.name === "nvarchar" ? meetCollations(values, "VALUES") : undefined;
    return {
      operands,
      shape: {
        name: "",
        type,
        nullable: values.some((value) => value.nullable),
        collation: type.name === "nvarchar" ? (collated?.collation ?? scope.binding.database.collation) : undefined,
      },
    };
  });
  const evaluators = result.map((_, r) => columns.map((column) => at(column.operands, r).evaluate));
  return {
    shapes: columns.map((column) => column.shape),
    rows: (frame) => evaluators.map((row) => row.map((evaluate) => evaluate(frame))),
    outer: slots,
  };
}
