// Conditions to three-valued tests, and which of them are equalities that a lookup can answer.
import type { SqlValue } from "../session.ts";
import type { Collation } from "./collation.ts";
import { likeTest } from "./collation.ts";
import { asType, compileExpression, meet, meetCollations } from "./compileExpression.ts";
import { compileQuery } from "./compileQuery.ts";
import { remember } from "./compiled.ts";
import type { Compiled, CompiledQuery, Frame, Test } from "./compiled.ts";
import { at, sqlErrors } from "./errors.ts";
import type { Scope } from "./scope.ts";
import { collationOf } from "./scope.ts";
import type { Comparison, Condition, Expression } from "./syntax.ts";
import { collationFor, commonType, compare, keyOf, kindOf, nvarchar, toText } from "./types.ts";

/** `column = value`: the value's key in the column's lookup, undefined where it is NULL and nothing can be equal. */
export interface Equality {
  readonly slot: number;
  readonly index: number;
  readonly slotsOfValue: ReadonlySet<number>;
  readonly key: (frame: Frame) => string | undefined;
}
/** `column > value` or `column <= value` of integers; undefined where the value is NULL and nothing can be so. */
export interface Bound {
  readonly slot: number;
  readonly index: number;
  readonly slotsOfValue: ReadonlySet<number>;
  readonly end: "above" | "upTo";
  readonly value: (frame: Frame) => number | bigint | undefined;
}
export interface CompiledCondition {
  readonly test: Test;
  readonly slots: ReadonlySet<number>;
  readonly equalities: readonly Equality[];
  readonly bounds: readonly Bound[];
}

export function compileCondition(node: Condition, scope: Scope): CompiledCondition {
  const found: Found = { equalities: [], bounds: [] };
  const { result: test, slots } = scope.binding.tracking(() =>
    node.kind === "compare" ? compileComparison(node, scope, found) : compileTest(node, scope),
  );
  return { test, slots, ...found };
}

interface Found {
  readonly equalities: Equality[];
  readonly bounds: Bound[];
}

/** The parts of a condition that all must hold. */
export const conjuncts = (node: Condition | undefined): readonly Condition[] =>
  node === undefined ? [] : node.kind === "and" ? [...conjuncts(node.left), ...conjuncts(node.right)] : [node];

function compileTest(node: Condition, scope: Scope): Test {
  switch (node.kind) {
    case "compare":
      return compileComparison(node, scope);
    case "and": {
      const [left, right] = [compileTest(node.left, scope), compileTest(node.right, scope)];
      return (frame) => {
        const first = left(frame);
        if (first === false) return false;
        const second = right(frame);
        return second === false ? false : first === null || second === null ? null : true;
      };
    }
    case "or": {
      const [left, right] = [compileTest(node.left, scope), compileTest(node.right, scope)];
      return (frame) => {
        const first = left(frame);
        if (first === true) return true;
        const second = right(frame);
        return second === true ? true : first === null || second === null ? null : false;
      };
    }
    case "not": {
      const operand = compileTest(node.operand, scope);
      return (frame) => {
        const value = operand(frame);
        return value === null ? null : !value;
      };
    }
    case "exists": {
      const query = compileQuery(node.query, scope.binding, scope);
      return query.outer.size === 0 ? (frame) => remember(frame, query, () => query.exists(frame)) : query.exists;
    }
    case "in":
      return compileIn(node.operand, node.list, scope);
    case "isNull": {
      const { evaluate } = compileExpression(node.operand, scope);
      return (frame) => evaluate(frame) === null;
    }
    case "between": {
      const low = compileComparison({ kind: "compare", operator: ">=", left: node.operand, right: node.low }, scope);
      const high = compileComparison({ kind: "compare", operator: "<=", left: node.operand, right: node.high }, scope);
      return (frame) => {
        const [first, second] = [low(frame), high(frame)];
        return first === false || second === false ? false : first === null || second === null ? null : true;
      };
    }
    case "like":
      return compileLike(node, scope);
  }
}

const verdict: Readonly<Record<Comparison, (order: number) => boolean>> = {
  "=": (order) => order === 0,
  "<>": (order) => order !== 0,
  "<": (order) => order < 0,
  "<=": (order) => order <= 0,
  ">": (order) => order > 0,
  ">=": (order) => order >= 0,
};
const operations: Readonly<Record<Comparison, string>> = {
  "=": "equal to",
  "<>": "not equal to",
  "<": "less than",
  "<=": "less than or equal to",
  ">": "greater than",
  ">=": "greater than or equal to",
};

function compileComparison(node: Extract<Condition, { kind: "compare" }>, scope: Scope, found?: Found): Test {
  const { result: left, slots: leftSlots } = scope.binding.tracking(() => compileExpression(node.left, scope));
  const { result: right, slots: rightSlots } = scope.binding.tracking(() => compileExpression(node.right, scope));
  const { type, operands } = meet([left, right]);
  const collated = type.name === "nvarchar" ? meetCollations([left, right], operations[node.operator]) : undefined;
  const collation = type.name === "nvarchar" ? (collated?.collation ?? scope.binding.database.collation) : undefined;
  const [a, b] = [at(operands, 0).evaluate, at(operands, 1).evaluate];
  if (found !== undefined) {
    const halves: readonly Half[] = [
      { of: left, value: at(operands, 1), slotsOfValue: rightSlots, collation },
      { of: right, value: at(operands, 0), slotsOfValue: leftSlots, collation },
    ];
    if (node.operator === "=") for (const half of halves) addEquality(found.equalities, half);
    else if (node.operator === ">" || node.operator === "<=")
      addBound(found.bounds, at(halves, 0), node.operator === ">" ? "above" : "upTo");
  }
  const decide = verdict[node.operator];
  return (frame) => {
    const [x, y] = [a(frame), b(frame)];
    return x === null || y === null ? null : decide(compare(x, y, collation));
  };
}

interface Half {
  readonly of: Compiled;
  readonly value: Compiled;
  readonly slotsOfValue: ReadonlySet<number>;
  readonly collation: Collation | undefined;
}

/** A lookup serves only where the column itself is not converted and its own collation is used. */
function addEquality(equalities: Equality[], { of, value, slotsOfValue, collation }: Half): void {
  if (of.column === undefined || kindOf(of.type) !== kindOf(value.type) || slotsOfValue.has(of.column.slot)) return;
  if (of.type.name === "nvarchar" && of.collated?.collation !== collation) return;
  const { evaluate } = value;
  const key = (frame: Frame): string | undefined => {
    const result = evaluate(frame);
    return result === null ? undefined : keyOf(result, collation);
  };
  equalities.push({ ...of.column, slotsOfValue, key });
}

function addBound(bounds: Bound[], { of, value, slotsOfValue }: Half, end: Bound["end"]): void {
  const isInteger = ({ type }: Compiled): boolean => type.name === "int" || type.name === "bigint";
  if (of.column === undefined || !isInteger(of) || !isInteger(value) || slotsOfValue.has(of.column.slot)) return;
  const { evaluate } = value;
  bounds.push({ ...of.column, slotsOfValue, end, value: (frame) => (evaluate(frame) as number | bigint | null) ?? undefined });
}

function compileIn(operand: Expression, list: readonly Expression[] | { readonly kind: "query" }, scope: Scope): Test {
  if ("kind" in list) return compileInQuery(operand, compileQuery(list as never, scope.binding, scope), scope);
  const subject = compileExpression(operand, scope);
  const choices = list.map((choice) => compileExpression(choice, scope));
  const { type, operands } = meet([subject, ...choices]);
  const collation =
    type.name === "nvarchar"
      ? (meetCollations([subject, ...choices], "equal to")?.collation ?? scope.binding.database.collation)
      : undefined;
  const [first, ...rest] = operands.map((one) => one.evaluate);
  return (frame) => {
    const value = first?.(frame) ?? null;
    return value === null
      ? null
      : isIn(
          value,
          rest.map((evaluate) => evaluate(frame)),
          collation,
        );
  };
}

function isIn(value: SqlValue, choices: readonly SqlValue[], collation: Collation | undefined): boolean | null {
  if (choices.some((choice) => choice !== null && compare(value, choice, collation) === 0)) return true;
  return choices.includes(null) ? null : false;
}

function compileInQuery(operand: Expression, query: CompiledQuery, scope: Scope): Test {
  const [column, second] = query.columns;
  if (column === undefined || second !== undefined) throw sqlErrors.subqueryColumns(0);
  const subject = compileExpression(operand, scope);
  const element: Compiled = {
    type: column.type,
    nullable: true,
    ...(column.collation === undefined ? {} : { collated: { collation: column.collation, strength: "implicit" as const } }),
    evaluate: () => null,
  };
  const type = commonType(subject.type, column.type);
  const collated = meetCollations([subject, element], "equal to");
  const collation = collationFor(type, collated?.collation ?? scope.binding.database.collation);
  const { evaluate } = asType(subject, type);
  const keys = (frame: Frame): ReadonlySet<string> => {
    const rows = query.run(frame);
    return new Set(rows.map(([value]) => keyOf(asType({ ...element, evaluate: () => value ?? null }, type).evaluate(frame), collation)));
  };
  return (frame) => {
    const value = evaluate(frame);
    const known = query.outer.size === 0 ? remember(frame, query, () => keys(frame)) : keys(frame);
    if (known.size === 0) return false;
    if (value === null) return null;
    if (known.has(keyOf(value, collation))) return true;
    return known.has(keyOf(null, collation)) ? null : false;
  };
}

function compileLike(node: Extract<Condition, { kind: "like" }>, scope: Scope): Test {
  const [operand, pattern] = [node.operand, node.pattern].map((one) => compileExpression(one, scope)) as [Compiled, Compiled];
  const escape = node.escape === undefined ? undefined : compileExpression(node.escape, scope).evaluate;
  meetCollations([operand, pattern], "like");
  const collation = collationOf(operand, scope.binding.database);
  const compiledPatterns = new Map<string, (text: string) => boolean>();
  return (frame) => {
    const [text, like] = [operand.evaluate(frame), pattern.evaluate(frame)];
    if (text === null || like === null) return null;
    const character = escape === undefined ? undefined : toText(escape(frame), nvarchar(1));
    const key = `${character ?? ""}\u0000${toText(like, pattern.type)}`;
    let test = compiledPatterns.get(key);
    if (test === undefined) {
      test = likeTest(toText(like, pattern.type), character, collation);
      if (compiledPatterns.size < 100) compiledPatterns.set(key, test);
    }
    return test(toText(text, operand.type));
  };
}
