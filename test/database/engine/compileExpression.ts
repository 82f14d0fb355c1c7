// Expressions to closures, with their types and collations. Conditions are compiled in compileCondition.ts.
import type { SqlType, SqlValue } from "../session.ts";
import { findCollation } from "./collation.ts";
import { compileCondition } from "./compileCondition.ts";
import { compileQuery } from "./compileQuery.ts";
import type { Collated, Compiled, Frame } from "./compiled.ts";
import { remember } from "./compiled.ts";
import { at, notInGrammar, sqlErrors } from "./errors.ts";
import { functionNamed, globalNamed } from "./functions.ts";
import { resolveColumn } from "./scope.ts";
import type { Scope } from "./scope.ts";
import { isCondition } from "./syntax.ts";
import type { Expression } from "./syntax.ts";
import { assertConvertible, bigint, commonType, convert, int, kindOf, nullType, nvarchar } from "./types.ts";

export function compileExpression(node: Expression, scope: Scope): Compiled {
  if (scope.grouping?.keys.has(groupKey(node)) === true) return compileExpression(node, { ...scope, grouping: undefined });
  if (isCondition(node)) throw notInGrammar("a condition where a value is wanted");
  switch (node.kind) {
    case "literal": {
      const { value, type } = node;
      return { type, nullable: value === null, ...coercible(type, scope), evaluate: () => value };
    }
    case "variable": {
      const type = scope.binding.variables.get(node.name);
      if (type === undefined) throw sqlErrors.undeclaredVariable(node.name, node.line);
      return { type, nullable: true, ...coercible(type, scope), evaluate: (frame) => frame.session.variables.get(node.name) ?? null };
    }
    case "global":
      return { ...globalNamed(node.name, node.line) };
    case "column": {
      const column = resolveColumn(scope, node.path, node.line);
      const own = scope.sources.some((source) => source.slot === column.column?.slot);
      if (scope.grouping !== undefined && own) throw sqlErrors.notGrouped(node.path.join("."), node.line);
      return column;
    }
    case "negate": {
      const operand = compileExpression(node.operand, scope);
      if (kindOf(operand.type) !== "number") throw sqlErrors.invalidOperand(operand.type.name, "minus");
      const zero: Compiled = { type: int, nullable: false, evaluate: () => 0 };
      return compileArithmetic("-", zero, operand);
    }
    case "arithmetic": {
      const [left, right] = withoutBareNull(compileExpression(node.left, scope), compileExpression(node.right, scope));
      return kindOf(left.type) === "text" && kindOf(right.type) === "text" && node.operator === "+"
        ? concatenation(left, right)
        : compileArithmetic(node.operator, left, right);
    }
    case "call":
      return compileCall(node, scope);
    case "aggregate":
      return compileAggregate(node, scope);
    case "cast": {
      const operand = compileExpression(node.operand, scope);
      return {
        ...converted(operand, node.type, node.style),
        ...(kindOf(operand.type) === "text" ? keepCollation(operand) : coercible(node.type, scope)),
      };
    }
    case "case":
      return compileCase(node, scope);
    case "subquery":
      return compileSubquery(node, scope);
    case "collate": {
      const operand = compileExpression(node.operand, scope);
      const isDefault = ["database_default", "catalog_default"].includes(node.collation.toLowerCase());
      const collation = isDefault ? scope.binding.database.collation : findCollation(node.collation);
      if (collation === undefined) throw sqlErrors.badCollation(node.collation);
      if (kindOf(operand.type) !== "text") throw notInGrammar("COLLATE on what is no text", node.line);
      return { type: operand.type, nullable: operand.nullable, collated: { collation, strength: "explicit" }, evaluate: operand.evaluate };
    }
  }
}

/** Equal for expressions that are the same but for their places in the text. */
export const groupKey = (node: Expression): string =>
  JSON.stringify(node, (key, value: unknown) =>
    key === "line" ? undefined : typeof value === "bigint" ? String(value) : value,
  ).toLowerCase();

function coercible(type: SqlType, { binding }: Scope): { collated?: Collated } {
  return type.name === "nvarchar" ? { collated: { collation: binding.database.collation, strength: "coercible" } } : {};
}
const keepCollation = ({ collated }: Compiled): { collated?: Collated } => (collated === undefined ? {} : { collated });

/** The operand as another type. */
export function converted(operand: Compiled, type: SqlType, style?: number): Compiled {
  assertConvertible(operand.type, type);
  const { type: from, evaluate, nullable } = operand;
  return { type, nullable, ...keepCollation(operand), evaluate: (frame) => convert(evaluate(frame), from, type, style) };
}

/** Both operands in their common type; a NULL literal takes the other's. */
export function meet(operands: readonly Compiled[]): { readonly type: SqlType; readonly operands: readonly Compiled[] } {
  const typed = operands.filter((operand) => !isNullLiteral(operand));
  const type = typed.length === 0 ? int : typed.map((operand) => operand.type).reduce(commonType);
  return { type, operands: operands.map((operand) => asType(operand, type)) };
}
const isNullLiteral = (operand: Compiled): boolean => operand.type === nullType;
export const asType = (operand: Compiled, type: SqlType): Compiled =>
  operand.type.name === type.name && operand.type.name !== "datetime2"
    ? { ...operand, type }
    : isNullLiteral(operand)
      ? { ...operand, type }
      : converted(operand, type);

const withoutBareNull = (left: Compiled, right: Compiled): readonly [Compiled, Compiled] =>
  isNullLiteral(left) ? [asType(left, right.type), right] : isNullLiteral(right) ? [left, asType(right, left.type)] : [left, right];

const strengths = ["coercible", "implicit", "explicit"] as const;

/** The collation in which texts are compared, or 468. */
export function meetCollations(operands: readonly Compiled[], operation: string): Collated | undefined {
  let result: Collated | undefined;
  for (const { collated } of operands) {
    if (collated === undefined) continue;
    const order = result === undefined ? 1 : strengths.indexOf(collated.strength) - strengths.indexOf(result.strength);
    const conflict = order === 0 && result !== undefined && result.collation !== collated.collation;
    if (conflict && collated.strength !== "coercible")
      throw sqlErrors.collationConflict(result?.collation.name ?? "", collated.collation.name, operation);
    if (order > 0) result = collated;
  }
  return result;
}

function concatenation(left: Compiled, right: Compiled): Compiled {
  const [a, b] = [left.type, right.type].map((type) => (type.name === "nvarchar" ? type.length : 0)) as [number, number];
  const collated = meetCollations([left, right], "add");
  const length = a < 0 || b < 0 ? -1 : Math.min(4000, a + b);
  const evaluate = (frame: Frame): SqlValue => {
    const [first, second] = [left.evaluate(frame), right.evaluate(frame)];
    return first === null || second === null ? null : convert(`${first as string}${second as string}`, left.type, nvarchar(length));
  };
  return { type: nvarchar(length), nullable: left.nullable || right.nullable, ...(collated === undefined ? {} : { collated }), evaluate };
}

type Operator = "+" | "-" | "*" | "/" | "%";

function compileArithmetic(operator: Operator, left: Compiled, right: Compiled): Compiled {
  const common = commonType(left.type, right.type);
  const type = common.name === "bit" ? int : common;
  if (kindOf(type) !== "number") throw sqlErrors.invalidOperand(type.name, "arithmetic");
  const [a, b] = [converted(left, type), converted(right, type)];
  const evaluate = (frame: Frame): SqlValue => {
    const [x, y] = [a.evaluate(frame), b.evaluate(frame)];
    if (x === null || y === null) return null;
    return convert(calculate(operator, BigInt(x as number), BigInt(y as number)), bigint, type);
  };
  return { type, nullable: left.nullable || right.nullable, evaluate };
}

function calculate(operator: Operator, x: bigint, y: bigint): bigint {
  if ((operator === "/" || operator === "%") && y === 0n) throw sqlErrors.divideByZero();
  switch (operator) {
    case "+":
      return x + y;
    case "-":
      return x - y;
    case "*":
      return x * y;
    case "/":
      return x / y;
    case "%":
      return x % y;
  }
}

function compileCall(node: Extract<Expression, { kind: "call" }>, scope: Scope): Compiled {
  const operands = node.operands.map((operand) => compileExpression(operand, scope));
  if (node.name === "COALESCE" || node.name === "ISNULL") return compileFirstNotNull(node, operands);
  if (node.name === "NULLIF") {
    const [first, second] = [at(node.operands, 0), at(node.operands, 1)];
    const equal = { kind: "compare", operator: "=", left: first, right: second } as const;
    const nothing: Expression = { kind: "literal", value: null, type: nullType };
    return compileCase({ kind: "case", subject: undefined, branches: [{ when: equal, then: nothing }], otherwise: first }, scope);
  }
  const definition = functionNamed(node.name);
  if (definition === undefined) throw sqlErrors.unknownFunction(node.name, node.line);
  const [least, most] = definition.operands;
  if (operands.length < least || operands.length > most) throw sqlErrors.argumentCount(node.name, least, node.line);
  const type = definition.type(operands.map((operand) => operand.type));
  const collated =
    type.name === "nvarchar" ? (meetCollations(operands, node.name.toLowerCase()) ?? coercible(type, scope).collated) : undefined;
  const evaluators = operands.map((operand, i) => asOperand(operand, definition.parameters?.[i]).evaluate);
  return {
    type,
    nullable: definition.nullable ?? true,
    ...(collated === undefined ? {} : { collated }),
    evaluate: (frame) =>
      definition.evaluate(
        evaluators.map((evaluate) => evaluate(frame)),
        { frame, types: operands.map((one) => one.type), collated },
      ),
  };
}

const asOperand = (operand: Compiled, type: SqlType | undefined): Compiled =>
  type === undefined || operand.type.name === type.name ? operand : asType(operand, type);

/** ISNULL takes the type of its first operand and cuts the second to it; COALESCE the common one. */
function compileFirstNotNull(node: Extract<Expression, { kind: "call" }>, operands: readonly Compiled[]): Compiled {
  const isNull = node.name === "ISNULL";
  if (isNull ? operands.length !== 2 : operands.length < 2) throw sqlErrors.argumentCount(node.name, 2, node.line);
  const first = at(operands, 0);
  const { type, operands: met } =
    isNull && !isNullLiteral(first) ? { type: first.type, operands: [first, converted(at(operands, 1), first.type)] } : meet(operands);
  const collated = meetCollations(operands, node.name.toLowerCase());
  return {
    type,
    nullable: operands.every((operand) => operand.nullable),
    ...(collated === undefined ? {} : { collated }),
    evaluate: (frame) => {
      for (const operand of met) {
        const value = operand.evaluate(frame);
        if (value !== null) return value;
      }
      return null;
    },
  };
}

function compileCase(node: Extract<Expression, { kind: "case" }>, scope: Scope): Compiled {
  const { subject, otherwise } = node;
  const whens = node.branches.map(({ when }) => {
    const condition = subject === undefined ? when : ({ kind: "compare", operator: "=", left: subject, right: when } as const);
    if (!isCondition(condition)) throw notInGrammar("CASE WHEN without a condition");
    return compileCondition(condition, scope).test;
  });
  const results = node.branches.map(({ then }) => compileExpression(then, scope));
  const rest = compileExpression(otherwise ?? { kind: "literal", value: null, type: nullType }, scope);
  const { type, operands } = meet([...results, rest]);
  const collated = meetCollations([...results, rest], "CASE");
  const thens = operands.map((operand) => operand.evaluate);
  const evaluate = (frame: Frame): SqlValue => {
    const hit = whens.findIndex((when) => when(frame) === true);
    return at(thens, hit < 0 ? thens.length - 1 : hit)(frame);
  };
  return { type, nullable: operands.some((one) => one.nullable), ...(collated === undefined ? {} : { collated }), evaluate };
}

function compileAggregate(node: Extract<Expression, { kind: "aggregate" }>, scope: Scope): Compiled {
  if (scope.grouping === undefined) throw notInGrammar(`${node.name} outside SELECT and HAVING`, node.line);
  const operand = node.operand === undefined ? undefined : compileExpression(node.operand, { ...scope, grouping: undefined });
  if (node.name === "SUM" && (operand === undefined || !["int", "bigint"].includes(operand.type.name))) {
    throw sqlErrors.invalidOperand(operand?.type.name ?? "", "sum");
  }
  const index = scope.grouping.addAggregate({ name: node.name, operand, distinct: node.distinct });
  const type = node.name === "COUNT" ? int : (operand?.type ?? int);
  const keeps = operand === undefined || node.name === "COUNT" ? {} : keepCollation(operand);
  return { type, nullable: node.name !== "COUNT", ...keeps, evaluate: (frame) => frame.aggregates[index] ?? null };
}

function compileSubquery(node: Extract<Expression, { kind: "subquery" }>, scope: Scope): Compiled {
  const query = compileQuery(node.query, scope.binding, scope);
  const [column, second] = query.columns;
  if (column === undefined || second !== undefined) throw sqlErrors.subqueryColumns(node.line);
  const value = (frame: Frame): SqlValue => {
    const rows = query.run(frame);
    if (rows.length > 1) throw sqlErrors.subqueryRows();
    return rows[0]?.[0] ?? null;
  };
  const collated = column.collation === undefined ? {} : { collated: { collation: column.collation, strength: "implicit" as const } };
  return {
    type: column.type,
    nullable: true,
    ...collated,
    evaluate: query.outer.size === 0 ? (frame) => remember(frame, query, () => value(frame)) : value,
  };
}
