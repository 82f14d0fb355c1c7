// The shapes that the parser makes of a batch. Nothing here is resolved: names are as written.
import type { SqlType, SqlValue } from "../session.ts";

export type Expression =
  | { readonly kind: "literal"; readonly value: SqlValue; readonly type: SqlType }
  | { readonly kind: "variable"; readonly name: string; readonly line: number }
  | { readonly kind: "global"; readonly name: string; readonly line: number }
  | { readonly kind: "column"; readonly path: readonly string[]; readonly line: number }
  | { readonly kind: "negate"; readonly operand: Expression }
  | { readonly kind: "arithmetic"; readonly operator: "+" | "-" | "*" | "/" | "%"; readonly left: Expression; readonly right: Expression }
  | { readonly kind: "call"; readonly name: string; readonly operands: readonly Expression[]; readonly line: number }
  | {
      readonly kind: "aggregate";
      readonly name: "COUNT" | "MIN" | "MAX" | "SUM";
      readonly operand: Expression | undefined; // undefined: COUNT(*)
      readonly distinct: boolean;
      readonly line: number;
    }
  | { readonly kind: "cast"; readonly operand: Expression; readonly type: SqlType; readonly style: number | undefined }
  | {
      readonly kind: "case";
      readonly subject: Expression | undefined;
      readonly branches: readonly { readonly when: Expression; readonly then: Expression }[];
      readonly otherwise: Expression | undefined;
    }
  | { readonly kind: "subquery"; readonly query: Query; readonly line: number }
  | { readonly kind: "collate"; readonly operand: Expression; readonly collation: string; readonly line: number }
  | Condition;

export type Comparison = "=" | "<>" | "<" | "<=" | ">" | ">=";
export type Condition =
  | { readonly kind: "compare"; readonly operator: Comparison; readonly left: Expression; readonly right: Expression }
  | { readonly kind: "and" | "or"; readonly left: Condition; readonly right: Condition }
  | { readonly kind: "not"; readonly operand: Condition }
  | { readonly kind: "exists"; readonly query: Query }
  | { readonly kind: "in"; readonly operand: Expression; readonly list: readonly Expression[] | Query }
  | { readonly kind: "isNull"; readonly operand: Expression }
  | { readonly kind: "like"; readonly operand: Expression; readonly pattern: Expression; readonly escape: Expression | undefined }
  | { readonly kind: "between"; readonly operand: Expression; readonly low: Expression; readonly high: Expression };

const conditions = new Set<string>(["compare", "and", "or", "not", "exists", "in", "isNull", "like", "between"]);
export const isCondition = (node: Expression): node is Condition => conditions.has(node.kind);

export interface ObjectName {
  readonly schema: string | undefined;
  readonly name: string;
  readonly line: number;
}
export const written = (name: ObjectName): string => (name.schema === undefined ? name.name : `${name.schema}.${name.name}`);

export interface Query {
  readonly kind: "query";
  readonly selects: readonly Select[]; // more than one: UNION ALL
  readonly orderBy: readonly OrderItem[];
  readonly line: number;
}
export interface OrderItem {
  readonly by: Expression;
  readonly descending: boolean;
}
export interface Select {
  readonly top: Expression | undefined;
  readonly distinct: boolean;
  readonly items: readonly SelectItem[];
  readonly from: readonly FromItem[];
  readonly where: Condition | undefined;
  readonly groupBy: readonly Expression[];
  readonly having: Condition | undefined;
  readonly line: number;
}
export type SelectItem =
  | { readonly kind: "star"; readonly of: string | undefined; readonly line: number }
  | { readonly kind: "item"; readonly value: Expression; readonly alias: string | undefined };

export interface FromItem {
  readonly source: SourceSyntax;
  readonly join: "inner" | "left";
  readonly on: Condition | undefined;
}
export type SourceSyntax =
  | { readonly kind: "table"; readonly name: ObjectName; readonly alias: string | undefined; readonly hints: readonly string[] }
  | {
      readonly kind: "values";
      readonly rows: readonly (readonly Expression[])[];
      readonly alias: string;
      readonly columns: readonly string[];
      readonly line: number;
    }
  | { readonly kind: "derived"; readonly query: Query; readonly alias: string; readonly columns: readonly string[]; readonly line: number };

export type InsertValue = Expression | "default";
export type WriteSyntax =
  | {
      readonly kind: "insert";
      readonly into: ObjectName;
      readonly hints: readonly string[];
      readonly columns: readonly string[] | undefined;
      readonly source: { readonly kind: "rows"; readonly rows: readonly (readonly InsertValue[])[] } | Query;
      readonly line: number;
    }
  | {
      readonly kind: "update";
      readonly target: ObjectName;
      readonly hints: readonly string[];
      readonly top: Expression | undefined;
      readonly set: readonly { readonly column: string; readonly value: InsertValue; readonly line: number }[];
      readonly from: readonly FromItem[];
      readonly where: Condition | undefined;
      readonly line: number;
    }
  | {
      readonly kind: "delete";
      readonly target: ObjectName;
      readonly hints: readonly string[];
      readonly top: Expression | undefined;
      readonly from: readonly FromItem[];
      readonly where: Condition | undefined;
      readonly line: number;
    };

export interface ColumnSyntax {
  readonly name: string;
  readonly type: SqlType;
  readonly collation: string | undefined;
  readonly nullable: boolean | undefined;
  readonly identity: { readonly seed: number; readonly increment: number } | undefined;
  readonly defaultValue: { readonly name: string | undefined; readonly value: Expression; readonly text: string } | undefined;
  readonly constraints: readonly ConstraintSyntax[];
}
export interface IndexColumn {
  readonly name: string;
  readonly descending: boolean;
}
export type ConstraintSyntax =
  | {
      readonly kind: "key";
      readonly name: string | undefined;
      readonly primary: boolean;
      readonly clustered: boolean | undefined;
      readonly columns: readonly IndexColumn[];
    }
  | {
      readonly kind: "foreignKey";
      readonly name: string | undefined;
      readonly columns: readonly string[];
      readonly references: ObjectName;
      readonly referenced: readonly string[];
    }
  | {
      readonly kind: "default";
      readonly name: string | undefined;
      readonly column: string;
      readonly value: Expression;
      readonly text: string;
    };

export type DatabaseChange = { readonly option: "snapshotReads" | "readOnly" | "singleUser"; readonly on: boolean };
export type Securable =
  | { readonly kind: "object"; readonly name: ObjectName; readonly columns: readonly string[] }
  | { readonly kind: "schema"; readonly name: string }
  | { readonly kind: "database" };

export type DefinitionSyntax =
  | { readonly kind: "createDatabase"; readonly name: string; readonly collation: string | undefined }
  | { readonly kind: "alterDatabase"; readonly name: string | undefined; readonly change: DatabaseChange }
  | { readonly kind: "dropDatabase"; readonly name: string }
  | { readonly kind: "createSchema"; readonly name: string }
  | {
      readonly kind: "createTable";
      readonly name: ObjectName;
      readonly columns: readonly ColumnSyntax[];
      readonly constraints: readonly ConstraintSyntax[];
    }
  | { readonly kind: "dropTable"; readonly name: ObjectName }
  | { readonly kind: "addColumns"; readonly table: ObjectName; readonly columns: readonly ColumnSyntax[] }
  | { readonly kind: "dropColumn"; readonly table: ObjectName; readonly column: string }
  | { readonly kind: "alterColumn"; readonly table: ObjectName; readonly column: ColumnSyntax }
  | { readonly kind: "addConstraint"; readonly table: ObjectName; readonly constraint: ConstraintSyntax; readonly check: boolean }
  | { readonly kind: "dropConstraint"; readonly table: ObjectName; readonly name: string }
  | {
      readonly kind: "switchConstraint";
      readonly table: ObjectName;
      readonly name: string;
      readonly enabled: boolean;
      readonly check: boolean;
    }
  | {
      readonly kind: "createIndex";
      readonly name: string;
      readonly table: ObjectName;
      readonly unique: boolean;
      readonly clustered: boolean;
      readonly columns: readonly IndexColumn[];
      readonly include: readonly string[];
    }
  | { readonly kind: "dropIndex"; readonly name: string; readonly table: ObjectName }
  | { readonly kind: "createLogin" | "alterLogin"; readonly name: string; readonly password: string }
  | { readonly kind: "dropLogin"; readonly name: string }
  | { readonly kind: "createUser"; readonly name: string; readonly login: string }
  | { readonly kind: "dropUser"; readonly name: string }
  | {
      readonly kind: "permission";
      readonly action: "grant" | "deny" | "revoke";
      readonly permissions: readonly { readonly name: string; readonly columns: readonly string[] }[];
      readonly on: Securable;
      readonly principal: string;
    }
  | { readonly kind: "addMember"; readonly role: string; readonly member: string };

export type SetOption =
  | { readonly name: "NOCOUNT" | "XACT_ABORT"; readonly on: boolean }
  | { readonly name: "IGNORED"; readonly option: string } // ANSI options that are as this engine always is
  | { readonly name: "LOCK_TIMEOUT"; readonly milliseconds: number }
  | { readonly name: "DEADLOCK_PRIORITY" }
  | { readonly name: "ISOLATION"; readonly level: Isolation }
  | { readonly name: "IDENTITY_INSERT"; readonly table: ObjectName; readonly on: boolean };
export type Isolation = "READ UNCOMMITTED" | "READ COMMITTED" | "REPEATABLE READ" | "SERIALIZABLE";

export type Statement = { readonly line: number } & (
  | { readonly kind: "select"; readonly query: Query; readonly assign: readonly string[] | undefined }
  | { readonly kind: "write"; readonly write: WriteSyntax }
  | { readonly kind: "definition"; readonly definition: DefinitionSyntax }
  | { readonly kind: "begin" | "commit" | "rollback" }
  | { readonly kind: "if"; readonly condition: Condition; readonly then: Statement; readonly otherwise: Statement | undefined }
  | { readonly kind: "while"; readonly condition: Condition; readonly body: Statement }
  | { readonly kind: "block"; readonly body: readonly Statement[] }
  | { readonly kind: "try"; readonly body: readonly Statement[]; readonly handler: readonly Statement[] }
  | {
      readonly kind: "throw";
      readonly error: { readonly number: Expression; readonly message: Expression; readonly state: Expression } | undefined;
    }
  | { readonly kind: "raiserror"; readonly message: Expression; readonly severity: Expression; readonly state: Expression }
  | { readonly kind: "print"; readonly message: Expression }
  | { readonly kind: "return" }
  | {
      readonly kind: "declare";
      readonly variables: readonly { readonly name: string; readonly type: SqlType; readonly value: Expression | undefined }[];
    }
  | { readonly kind: "assign"; readonly name: string; readonly value: Expression }
  | { readonly kind: "set"; readonly options: readonly SetOption[] }
  | { readonly kind: "use"; readonly database: string }
  | { readonly kind: "wait"; readonly milliseconds: number }
);
