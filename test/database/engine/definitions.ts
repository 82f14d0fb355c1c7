// What definitions change of schemas, tables and columns. Each undoes itself with its transaction.
import { findCollation } from "./collation.ts";
import { objectName } from "./constraints.ts";
import {
  addConstraint,
  createIndex,
  dropConstraint,
  dropIndex,
  removeForeignKey,
  replaceForeignKey,
  setIndexes,
  switchConstraint,
} from "./defineConstraints.ts";
import { change, columnAt, defaultText, newName, reshape } from "./definitionContext.ts";
import type { DefinitionContext, TableDefinition } from "./definitionContext.ts";
import { at, notInGrammar, sqlErrors } from "./errors.ts";
import type { ColumnSyntax, ObjectName } from "./syntax.ts";
import { written } from "./syntax.ts";
import { Table } from "./table.ts";
import type { TableColumn } from "./table.ts";

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
