// What definitions change of indexes, keys, foreign keys and defaults. A constraint is checked against the rows that are there.
import { conflict, isOrphan, keyText, objectName } from "./constraints.ts";
import { change, columnAt, defaultText, newName, reshape } from "./definitionContext.ts";
import type { DefinitionContext, TableDefinition } from "./definitionContext.ts";
import { at, sqlErrors } from "./errors.ts";
import type { Database } from "./model.ts";
import type { ConstraintSyntax, IndexColumn } from "./syntax.ts";
import { written } from "./syntax.ts";
import { keyOfColumns } from "./table.ts";
import type { ForeignKey, Index, Table } from "./table.ts";

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

export function setIndexes(table: Table, indexes: readonly Index[], context: DefinitionContext): void {
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

export function createIndex(definition: Extract<TableDefinition, { kind: "createIndex" }>, context: DefinitionContext): void {
  const table = context.database.findTable(definition.table.schema, definition.table.name);
  if (table === undefined) throw sqlErrors.cannotFind(written(definition.table));
  const { name, unique, clustered, columns, include } = definition;
  addIndex(table, { name, kind: "index", id: 0, unique, clustered, columns, include }, context);
}

export function dropIndex(name: string, table: Table, context: DefinitionContext): void {
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

export function replaceForeignKey(key: ForeignKey, by: ForeignKey, context: DefinitionContext): void {
  const replace = (list: readonly ForeignKey[]): readonly ForeignKey[] => list.map((one) => (one.id === key.id ? by : one));
  setForeignKeys(key.child, key.parent, replace(key.child.foreignKeys), replace(key.parent.referencedBy), context);
}

export function removeForeignKey(key: ForeignKey, context: DefinitionContext): void {
  const without = (list: readonly ForeignKey[]): readonly ForeignKey[] => list.filter((one) => one.id !== key.id);
  setForeignKeys(key.child, key.parent, without(key.child.foreignKeys), without(key.parent.referencedBy), context);
}

export function dropConstraint(table: Table, name: string, context: DefinitionContext): void {
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

export function switchConstraint(
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
