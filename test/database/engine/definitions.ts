// What definitions change: databases, tables, indexes, constraints. Each undoes itself with its transaction; those about databases and
// logins cannot be undone, as on SQL Server.
import { findCollation } from "./collation.ts";
import { conflict, isOrphan, keyText, objectName } from "./constraints.ts";
import { at, notInGrammar, sqlErrors } from "./errors.ts";
import type { Database } from "./model.ts";
import type { ColumnSyntax, ConstraintSyntax, DefinitionSyntax, Expression, IndexColumn, ObjectName } from "./syntax.ts";
import { written } from "./syntax.ts";
import { keyOfColumns, Table } from "./table.ts";
import type { ForeignKey, Index, Row, TableColumn } from "./table.ts";
import type { Transaction } from "./transaction.ts";

export type TableDefinition = Extract<
  DefinitionSyntax,
  {
    kind:
      | "createSchema"
      | "createTable"
      | "dropTable"
      | "addColumns"
      | "dropColumn"
      | "alterColumn"
      | "addConstraint"
      | "dropConstraint"
      | "switchConstraint"
      | "createIndex"
      | "dropIndex";
  }
>;

export interface DefinitionContext {
  readonly database: Database;
  readonly transaction: Transaction;
  /** The value of a default or a new column for the rows that are there. */
  readonly evaluate: (value: Expression, column: TableColumn, table: Table) => Row[number];
  readonly convert: (value: Row[number], from: TableColumn, to: TableColumn, table: Table) => Row[number];
}

export function define(definition: TableDefinition, context: DefinitionContext): void {
  switch (definition.kind) {
    case "createSchema": {
      createSchema(definition.name, context);
      return;
    }
    case "createTable": {
      createTable(definition, context);
      return;
    }
    case "dropTable": {
      dropTable(definition.name, context);
      return;
    }
    case "addColumns": {
      addColumns(tableToAlter(definition.table, context), definition.columns, context);
      return;
    }
    case "dropColumn": {
      dropColumn(tableToAlter(definition.table, context), definition.column, context);
      return;
    }
    case "alterColumn": {
      alterColumn(tableToAlter(definition.table, context), definition.column, context);
      return;
    }
    case "addConstraint": {
      addConstraint(tableToAlter(definition.table, context), definition.constraint, definition.check ? "check" : "noCheck", context);
      return;
    }
    case "dropConstraint": {
      dropConstraint(tableToAlter(definition.table, context), definition.name, context);
      return;
    }
    case "switchConstraint": {
      switchConstraint(tableToAlter(definition.table, context), definition, context);
      return;
    }
    case "createIndex": {
      createIndex(definition, context);
      return;
    }
    case "dropIndex": {
      dropIndex(definition.name, tableToAlter(definition.table, context), context);
      return;
    }
  }
}

/** Changes something of the database, to be undone with the transaction; compiled statements are compiled anew. */
function change({ database, transaction }: DefinitionContext, change: () => void, undo: () => void): void {
  change();
  database.schemaVersion++;
  transaction.define(() => {
    undo();
    database.schemaVersion++;
  });
}

function createSchema(name: string, context: DefinitionContext): void {
  const { database } = context;
  const key = database.key(name);
  if (database.schemas.has(key)) throw sqlErrors.objectExists(name);
  const schema = { name, id: database.schemas.size + 3 };
  change(
    context,
    () => database.schemas.set(key, schema),
    () => database.schemas.delete(key),
  );
}

function tableToAlter(name: ObjectName, { database }: DefinitionContext): Table {
  const table = database.findTable(name.schema, name.name);
  if (table === undefined) throw sqlErrors.cannotFindAltered(written(name));
  return table;
}

const columnAt = (table: Table, name: string, database: Database): number => {
  const index = table.columns.findIndex((column) => database.key(column.name) === database.key(name));
  if (index < 0) throw sqlErrors.columnMissing(name, table.name);
  return index;
};

function newName(prefix: string, { database }: DefinitionContext, table: Table): string {
  return `${prefix}__${table.name.slice(0, 20)}__${database.newObjectId().toString(16).toUpperCase().padStart(8, "0")}`;
}

function makeColumn(syntax: ColumnSyntax, id: number, table: Table, context: DefinitionContext): TableColumn {
  const { database } = context;
  const collation = syntax.collation === undefined ? database.collation : findCollation(syntax.collation);
  if (collation === undefined) throw sqlErrors.badCollation(syntax.collation ?? "");
  const isKey = syntax.constraints.some((constraint) => constraint.kind === "key" && constraint.primary);
  const { defaultValue } = syntax;
  return {
    id,
    name: syntax.name,
    type: syntax.type,
    collation: syntax.type.name === "nvarchar" ? collation : undefined,
    nullable: syntax.nullable ?? !(isKey || syntax.identity !== undefined),
    identity: syntax.identity,
    defaultValue:
      defaultValue === undefined
        ? undefined
        : {
            name: defaultValue.name ?? newName("DF", context, table),
            id: database.newObjectId(),
            value: defaultValue.value,
            text: defaultText(defaultValue.value, defaultValue.text),
          },
  };
}

/** Kept as SQL Server keeps it: numbers in two pairs of brackets, all else in one. */
function defaultText(value: Expression, text: string): string {
  if (value.kind === "literal" && typeof value.value === "number") return `((${value.value}))`;
  return text.startsWith("(") ? text : `(${text})`;
}

function createTable(syntax: Extract<TableDefinition, { kind: "createTable" }>, context: DefinitionContext): void {
  const { database } = context;
  const { schema = "dbo", name } = syntax.name;
  const known = database.schemas.get(database.key(schema));
  if (known === undefined) throw sqlErrors.noSchema(schema);
  const key = database.tableKey(schema, name);
  if (database.tables.has(key)) throw sqlErrors.objectExists(name);
  const table = new Table(database.newObjectId(), known.name, name);
  const keyColumns = syntax.constraints.flatMap((one) =>
    one.kind === "key" && one.primary ? one.columns.map((column) => database.key(column.name)) : [],
  );
  const columns = syntax.columns.map((column, i) =>
    makeColumn(keyColumns.includes(database.key(column.name)) ? { ...column, nullable: false } : column, i + 1, table, context),
  );
  const repeated = columns.find((column, i) => columns.findIndex((one) => database.key(one.name) === database.key(column.name)) !== i);
  if (repeated !== undefined) throw sqlErrors.columnExists(repeated.name, name);
  table.reshape(columns, []);
  table.nextIdentity = columns.find((column) => column.identity !== undefined)?.identity?.seed ?? 1;
  change(
    context,
    () => database.tables.set(key, table),
    () => database.tables.delete(key),
  );
  for (const constraint of [...syntax.columns.flatMap((column) => column.constraints), ...syntax.constraints])
    addConstraint(table, constraint, "check", context);
}

function dropTable(name: ObjectName, context: DefinitionContext): void {
  const { database } = context;
  const table = database.findTable(name.schema, name.name);
  if (table === undefined) throw sqlErrors.cannotDrop("table", written(name));
  if (table.referencedBy.some((key) => key.child !== table)) throw sqlErrors.referenced(written(name));
  for (const key of table.foreignKeys) removeForeignKey(key, context);
  const key = database.tableKey(table.schema, table.name);
  change(
    context,
    () => database.tables.delete(key),
    () => database.tables.set(key, table),
  );
}

function reshape(table: Table, columns: readonly TableColumn[], rows: readonly Row[], context: DefinitionContext): void {
  const before = { columns: table.columns, rows: [...table.all()] };
  change(
    context,
    () => table.reshape(columns, rows),
    () => table.reshape(before.columns, before.rows),
  );
}

function addColumns(table: Table, syntax: readonly ColumnSyntax[], context: DefinitionContext): void {
  const { database } = context;
  let nextId = Math.max(0, ...table.columns.map((column) => column.id)) + 1;
  const added = syntax.map((column) => makeColumn(column, nextId++, table, context));
  for (const column of added) {
    if (table.columns.some((one) => database.key(one.name) === database.key(column.name)))
      throw sqlErrors.columnExists(column.name, table.name);
    if (!column.nullable && column.defaultValue === undefined && table.size > 0) throw sqlErrors.addNotNull(column.name, table.name);
    if (column.identity !== undefined) throw notInGrammar("an identity column added to a table");
  }
  // A nullable column does not take its default for the rows that are there.
  const cells = added.map((column) =>
    column.nullable || column.defaultValue === undefined ? null : context.evaluate(column.defaultValue.value, column, table),
  );
  reshape(
    table,
    [...table.columns, ...added],
    [...table.all()].map((row) => [...row, ...cells]),
    context,
  );
  for (const constraint of syntax.flatMap((column) => column.constraints)) addConstraint(table, constraint, "check", context);
}

function isUsed(table: Table, index: number): boolean {
  return (
    table.columns[index]?.defaultValue !== undefined ||
    table.indexes.some((one) => one.columns.includes(index) || one.include.includes(index)) ||
    table.foreignKeys.some((key) => key.columns.includes(index)) ||
    table.referencedBy.some((key) => key.referenced.includes(index))
  );
}

function dropColumn(table: Table, name: string, context: DefinitionContext): void {
  const index = table.columns.findIndex((column) => context.database.key(column.name) === context.database.key(name));
  if (index < 0) throw sqlErrors.noColumnToAlter(name, table.name);
  if (isUsed(table, index)) throw sqlErrors.columnInUse("ALTER TABLE DROP COLUMN", name);
  const without = <T>(list: readonly T[]): readonly T[] => list.filter((_, i) => i !== index);
  const shift = (column: number): number => (column > index ? column - 1 : column);
  reshape(table, without(table.columns), [...table.all()].map(without), context);
  setIndexes(
    table,
    table.indexes.map((one) => ({ ...one, columns: one.columns.map(shift), include: one.include.map(shift) })),
    context,
  );
  for (const key of [...table.foreignKeys, ...table.referencedBy]) {
    const moved = {
      ...key,
      columns: key.child === table ? key.columns.map(shift) : key.columns,
      referenced: key.parent === table ? key.referenced.map(shift) : key.referenced,
    };
    replaceForeignKey(key, moved, context);
  }
}

function alterColumn(table: Table, syntax: ColumnSyntax, context: DefinitionContext): void {
  const { database } = context;
  const index = columnAt(table, syntax.name, database);
  const old = at(table.columns, index);
  const made = makeColumn(syntax, old.id, table, context);
  const column: TableColumn = { ...made, nullable: syntax.nullable ?? true, defaultValue: old.defaultValue, identity: old.identity };
  const inKey = table.indexes.some((one) => one.columns.includes(index));
  if (inKey && (old.type.name !== column.type.name || old.collation !== column.collation))
    throw sqlErrors.columnInUse("ALTER TABLE ALTER COLUMN", column.name);
  const rows = [...table.all()].map((row) => {
    if (row[index] === null && !column.nullable) throw sqlErrors.notNull(column.name, `${database.name}.${objectName(table)}`, "UPDATE");
    return row.map((value, i) => (i === index ? context.convert(value, old, column, table) : value));
  });
  reshape(
    table,
    table.columns.map((one, i) => (i === index ? column : one)),
    rows,
    context,
  );
}

export function addConstraint(table: Table, constraint: ConstraintSyntax, check: "check" | "noCheck", context: DefinitionContext): void {
  const { database } = context;
  switch (constraint.kind) {
    case "key": {
      const name = constraint.name ?? newName(constraint.primary ? "PK" : "UQ", context, table);
      const hasClustered = table.indexes.some((index) => index.clustered);
      const clustered = constraint.clustered ?? (constraint.primary && !hasClustered);
      if (constraint.primary) for (const column of constraint.columns) refuseNullable(table, column.name, database);
      addIndex(
        table,
        {
          name,
          kind: constraint.primary ? "primaryKey" : "uniqueConstraint",
          id: database.newObjectId(),
          unique: true,
          clustered,
          columns: constraint.columns,
          include: [],
        },
        context,
      );
      return;
    }
    case "foreignKey": {
      addForeignKey(table, constraint, check, context);
      return;
    }
    case "default": {
      const index = columnAt(table, constraint.column, database);
      const defaultValue = {
        name: constraint.name ?? newName("DF", context, table),
        id: database.newObjectId(),
        value: constraint.value,
        text: defaultText(constraint.value, constraint.text),
      };
      reshape(
        table,
        table.columns.map((column, i) => (i === index ? { ...column, defaultValue } : column)),
        [...table.all()],
        context,
      );
      return;
    }
  }
}

function refuseNullable(table: Table, name: string, database: Database): void {
  const column = at(table.columns, columnAt(table, name, database));
  if (column.nullable) throw sqlErrors.nullableKey(table.name);
}

function setIndexes(table: Table, indexes: readonly Index[], context: DefinitionContext): void {
  const before = table.indexes;
  change(
    context,
    () => void (table.indexes = indexes),
    () => void (table.indexes = before),
  );
}

interface NewIndex extends Omit<Index, "columns" | "descending" | "include" | "indexId"> {
  readonly columns: readonly IndexColumn[];
  readonly include: readonly string[];
}

function addIndex(table: Table, made: NewIndex, context: DefinitionContext): void {
  const { database } = context;
  if (table.indexes.some((one) => database.key(one.name) === database.key(made.name)))
    throw sqlErrors.indexExists(made.name, objectName(table));
  if (made.clustered && table.indexes.some((one) => one.clustered)) throw sqlErrors.secondClustered(objectName(table));
  const indexId = made.clustered ? 1 : Math.max(1, ...table.indexes.map((one) => one.indexId)) + 1;
  const positions = (names: readonly string[]): readonly number[] => names.map((name) => columnAt(table, name, database));
  const index: Index = {
    ...made,
    indexId,
    columns: positions(made.columns.map((column) => column.name)),
    descending: made.columns.map((column) => column.descending),
    include: positions(made.include),
  };
  if (index.unique) refuseDuplicates(index, table);
  setIndexes(table, [...table.indexes, index], context);
}

function refuseDuplicates(index: Index, table: Table): void {
  const seen = new Set<string>();
  for (const row of table.all()) {
    const key = keyOfColumns(row, index.columns, table.columns);
    if (seen.has(key)) throw sqlErrors.duplicateAtCreate(objectName(table), index.name, keyText(index, table, row));
    seen.add(key);
  }
}

function createIndex(definition: Extract<TableDefinition, { kind: "createIndex" }>, context: DefinitionContext): void {
  const table = context.database.findTable(definition.table.schema, definition.table.name);
  if (table === undefined) throw sqlErrors.cannotFind(written(definition.table));
  const { name, unique, clustered, columns, include } = definition;
  addIndex(table, { name, kind: "index", id: 0, unique, clustered, columns, include }, context);
}

function dropIndex(name: string, table: Table, context: DefinitionContext): void {
  const index = table.indexes.find((one) => one.kind === "index" && context.database.key(one.name) === context.database.key(name));
  if (index === undefined) throw sqlErrors.cannotDrop("index", `${objectName(table)}.${name}`);
  setIndexes(
    table,
    table.indexes.filter((one) => one !== index),
    context,
  );
}

function addForeignKey(
  child: Table,
  syntax: Extract<ConstraintSyntax, { kind: "foreignKey" }>,
  check: "check" | "noCheck",
  context: DefinitionContext,
): void {
  const { database } = context;
  const parent = database.findTable(syntax.references.schema ?? child.schema, syntax.references.name);
  const name = syntax.name ?? newName("FK", context, child);
  if (parent === undefined) throw sqlErrors.invalidReference(name, written(syntax.references));
  const columns = syntax.columns.map((column) => columnAt(child, column, database));
  const referenced = syntax.referenced.map((column) => columnAt(parent, column, database));
  const isKey = parent.indexes.some(
    (index) => index.unique && index.columns.length === referenced.length && referenced.every((column) => index.columns.includes(column)),
  );
  if (!isKey) throw sqlErrors.noKeyForReference(objectName(parent), name);
  const key: ForeignKey = {
    id: database.newObjectId(),
    name,
    child,
    columns,
    parent,
    referenced,
    disabled: false,
    trusted: check === "check",
  };
  if (check === "check" && [...child.all()].some((row) => isOrphan(key, row))) throw conflict("ALTER TABLE", database, key, "FOREIGN KEY");
  setForeignKeys(child, parent, [...child.foreignKeys, key], [...parent.referencedBy, key], context);
}

function setForeignKeys(
  child: Table,
  parent: Table,
  ofChild: readonly ForeignKey[],
  ofParent: readonly ForeignKey[],
  context: DefinitionContext,
): void {
  const before = [child.foreignKeys, parent.referencedBy] as const;
  const set = (keys: readonly ForeignKey[], back: readonly ForeignKey[]): void => {
    child.foreignKeys = keys;
    parent.referencedBy = back;
  };
  change(
    context,
    () => set(ofChild, ofParent),
    () => set(...before),
  );
}

function replaceForeignKey(key: ForeignKey, by: ForeignKey, context: DefinitionContext): void {
  const replace = (list: readonly ForeignKey[]): readonly ForeignKey[] => list.map((one) => (one.id === key.id ? by : one));
  setForeignKeys(key.child, key.parent, replace(key.child.foreignKeys), replace(key.parent.referencedBy), context);
}

function removeForeignKey(key: ForeignKey, context: DefinitionContext): void {
  const without = (list: readonly ForeignKey[]): readonly ForeignKey[] => list.filter((one) => one.id !== key.id);
  setForeignKeys(key.child, key.parent, without(key.child.foreignKeys), without(key.parent.referencedBy), context);
}

function dropConstraint(table: Table, name: string, context: DefinitionContext): void {
  const isNamed = (one: string): boolean => context.database.key(one) === context.database.key(name);
  const key = table.foreignKeys.find((one) => isNamed(one.name));
  if (key !== undefined) {
    removeForeignKey(key, context);
    return;
  }
  const index = table.indexes.find((one) => one.id > 0 && isNamed(one.name));
  if (index !== undefined) {
    setIndexes(
      table,
      table.indexes.filter((one) => one !== index),
      context,
    );
    return;
  }
  const column = table.columns.find((one) => one.defaultValue !== undefined && isNamed(one.defaultValue.name));
  if (column === undefined) throw sqlErrors.noConstraint(name);
  reshape(
    table,
    table.columns.map((one) => (one === column ? { ...one, defaultValue: undefined } : one)),
    [...table.all()],
    context,
  );
}

function switchConstraint(
  table: Table,
  { name, enabled, check }: Extract<TableDefinition, { kind: "switchConstraint" }>,
  context: DefinitionContext,
): void {
  const { database } = context;
  const key = table.foreignKeys.find((one) => database.key(one.name) === database.key(name));
  if (key === undefined) throw sqlErrors.noConstraint(name);
  if (enabled && check && [...table.all()].some((row) => isOrphan(key, row))) throw conflict("ALTER TABLE", database, key, "FOREIGN KEY");
  replaceForeignKey(key, { ...key, disabled: !enabled, trusted: enabled && (check || (key.trusted && !key.disabled)) }, context);
}
