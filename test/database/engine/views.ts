// The catalogue views of the grammar, in lower case, with the columns that are asked for. They show a session the tables on which
// its user has some right, and no others.
import type { SqlType, SqlValue } from "../session.ts";
import { defaultCollation } from "./collation.ts";
import type { SessionView } from "./compiled.ts";
import { sees } from "./model.ts";
import type { Database } from "./model.ts";
import { roundToDatetime } from "./moments.ts";
import { FrozenRows } from "./table.ts";
import type { ColumnShape, ForeignKey, Index, Row, RowSource, Table, TableColumn } from "./table.ts";
import { bit, fixedBytes, int, nvarchar, ticks } from "./types.ts";

export interface SystemView {
  readonly columns: readonly ColumnShape[];
  readonly rows: (session: SessionView) => RowSource;
}

type Cells<T> = readonly (readonly [name: string, type: SqlType, value: (of: T, session: SessionView) => SqlValue])[];

/** Names in catalogue views have the collation of the database. */
function view<T>(cells: Cells<T>, items: (session: SessionView) => readonly T[]): SystemView {
  const shapes = (database?: Database): readonly ColumnShape[] =>
    cells.map(([name, type]) => ({
      name,
      type,
      nullable: true,
      collation: type.name === "nvarchar" ? (database?.collation ?? defaultCollation) : undefined,
    }));
  const rows = (session: SessionView): RowSource =>
    new FrozenRows(
      shapes(session.database),
      items(session).map((item): Row => cells.map(([, , value]) => value(item, session))),
    );
  return { columns: shapes(), rows };
}

const name = nvarchar(128);
const datetime: SqlType = { name: "datetime" };

const tables = ({ database, principal }: SessionView): readonly Table[] =>
  [...database.tables.values()].filter((table) => sees(principal, database, table));
const schemaOf = (table: Table, { database }: SessionView): number => database.schemaId(table.schema);

const typeIds: Readonly<Record<SqlType["name"], number>> = {
  bit: 104,
  int: 56,
  bigint: 127,
  uniqueidentifier: 36,
  datetime: 61,
  datetime2: 42,
  nvarchar: 231,
  varbinary: 165,
};
function sizeOf(type: SqlType): number {
  if (type.name === "nvarchar") return type.length < 0 ? -1 : type.length * 2;
  if (type.name === "varbinary") return type.length;
  return type.name === "datetime2" ? (type.scale < 3 ? 6 : type.scale < 5 ? 7 : 8) : fixedBytes[type.name];
}
const precisionOf = (type: SqlType): number =>
  (({ bit: 1, int: 10, bigint: 19, datetime: 23, datetime2: 27 }) as Readonly<Record<string, number>>)[type.name] ?? 0;
const scaleOf = (type: SqlType): number => (type.name === "datetime2" ? type.scale : type.name === "datetime" ? 3 : 0);

interface OfTable<T> {
  readonly table: Table;
  readonly it: T;
}
const each =
  <T>(list: (table: Table) => readonly T[]) =>
  (session: SessionView): readonly OfTable<T>[] =>
    tables(session).flatMap((table) => list(table).map((it) => ({ table, it })));

interface AnyObject {
  readonly name: string;
  readonly id: number;
  readonly type: string;
  readonly description: string;
  readonly table: Table;
  readonly parent: number;
}
function objects(session: SessionView): readonly AnyObject[] {
  return tables(session).flatMap((table) => [
    { name: table.name, id: table.id, type: "U", description: "USER_TABLE", table, parent: 0 },
    ...table.indexes
      .filter((index) => index.id > 0)
      .map((index) => ({
        name: index.name,
        id: index.id,
        type: index.kind === "primaryKey" ? "PK" : "UQ",
        description: index.kind === "primaryKey" ? "PRIMARY_KEY_CONSTRAINT" : "UNIQUE_CONSTRAINT",
        table,
        parent: table.id,
      })),
    ...table.foreignKeys.map((key) => ({
      name: key.name,
      id: key.id,
      type: "F",
      description: "FOREIGN_KEY_CONSTRAINT",
      table,
      parent: table.id,
    })),
    ...table.columns.flatMap(({ defaultValue }) =>
      defaultValue === undefined
        ? []
        : [{ name: defaultValue.name, id: defaultValue.id, type: "D", description: "DEFAULT_CONSTRAINT", table, parent: table.id }],
    ),
  ]);
}

const indexColumns = (
  index: Index,
): readonly { readonly index: Index; readonly column: number; readonly place: number; readonly included: boolean }[] => [
  ...index.columns.map((column, i) => ({ index, column, place: i + 1, included: false })),
  ...index.include.map((column, i) => ({ index, column, place: index.columns.length + i + 1, included: true })),
];
const columnId = (table: Table, position: number): number => table.columns[position]?.id ?? 0;

const views: Readonly<Record<string, SystemView>> = {
  tables: view<Table>(
    [
      ["name", name, (table) => table.name],
      ["object_id", int, (table) => table.id],
      ["schema_id", int, schemaOf],
      ["type", nvarchar(2), () => "U"],
      ["type_desc", nvarchar(60), () => "USER_TABLE"],
      ["is_ms_shipped", bit, () => false],
    ],
    tables,
  ),
  objects: view<AnyObject>(
    [
      ["name", name, (object) => object.name],
      ["object_id", int, (object) => object.id],
      ["schema_id", int, (object, session) => schemaOf(object.table, session)],
      ["parent_object_id", int, (object) => object.parent],
      ["type", nvarchar(2), (object) => object.type],
      ["type_desc", nvarchar(60), (object) => object.description],
    ],
    objects,
  ),
  schemas: view<{ readonly name: string; readonly id: number }>(
    [
      ["name", name, (schema) => schema.name],
      ["schema_id", int, (schema) => schema.id],
    ],
    ({ database }) => [...database.schemas.values()],
  ),
  columns: view<OfTable<TableColumn>>(
    [
      ["object_id", int, ({ table }) => table.id],
      ["name", name, ({ it }) => it.name],
      ["column_id", int, ({ it }) => it.id],
      ["system_type_id", int, ({ it }) => typeIds[it.type.name]],
      ["user_type_id", int, ({ it }) => typeIds[it.type.name]],
      ["max_length", int, ({ it }) => sizeOf(it.type)],
      ["precision", int, ({ it }) => precisionOf(it.type)],
      ["scale", int, ({ it }) => scaleOf(it.type)],
      ["collation_name", name, ({ it }) => it.collation?.name ?? null],
      ["is_nullable", bit, ({ it }) => it.nullable],
      ["is_identity", bit, ({ it }) => it.identity !== undefined],
      ["is_computed", bit, () => false],
      ["default_object_id", int, ({ it }) => it.defaultValue?.id ?? 0],
    ],
    each((table) => table.columns),
  ),
  types: view<SqlType["name"]>(
    [
      ["name", name, (type) => type],
      ["system_type_id", int, (type) => typeIds[type]],
      ["user_type_id", int, (type) => typeIds[type]],
    ],
    () => Object.keys(typeIds) as SqlType["name"][],
  ),
  indexes: view<OfTable<Index>>(
    [
      ["object_id", int, ({ table }) => table.id],
      ["name", name, ({ it }) => it.name],
      ["index_id", int, ({ it }) => it.indexId],
      ["type", int, ({ it }) => (it.clustered ? 1 : 2)],
      ["type_desc", nvarchar(60), ({ it }) => (it.clustered ? "CLUSTERED" : "NONCLUSTERED")],
      ["is_unique", bit, ({ it }) => it.unique],
      ["is_primary_key", bit, ({ it }) => it.kind === "primaryKey"],
      ["is_unique_constraint", bit, ({ it }) => it.kind === "uniqueConstraint"],
      ["is_disabled", bit, () => false],
      ["has_filter", bit, () => false],
      ["ignore_dup_key", bit, () => false],
    ],
    each((table) => table.indexes),
  ),
  index_columns: view<OfTable<ReturnType<typeof indexColumns>[number]>>(
    [
      ["object_id", int, ({ table }) => table.id],
      ["index_id", int, ({ it }) => it.index.indexId],
      ["index_column_id", int, ({ it }) => it.place],
      ["column_id", int, ({ table, it }) => columnId(table, it.column)],
      ["key_ordinal", int, ({ it }) => (it.included ? 0 : it.place)],
      ["is_descending_key", bit, ({ it }) => it.index.descending[it.place - 1] ?? false],
      ["is_included_column", bit, ({ it }) => it.included],
    ],
    each((table) => table.indexes.flatMap(indexColumns)),
  ),
  foreign_keys: view<OfTable<ForeignKey>>(
    [
      ["name", name, ({ it }) => it.name],
      ["object_id", int, ({ it }) => it.id],
      ["parent_object_id", int, ({ table }) => table.id],
      ["referenced_object_id", int, ({ it }) => it.parent.id],
      ["schema_id", int, ({ table }, session) => schemaOf(table, session)],
      ["is_disabled", bit, ({ it }) => it.disabled],
      ["is_not_trusted", bit, ({ it }) => !it.trusted],
      ["delete_referential_action", int, () => 0],
      ["delete_referential_action_desc", nvarchar(60), () => "NO_ACTION"],
      ["update_referential_action", int, () => 0],
    ],
    each((table) => table.foreignKeys),
  ),
  foreign_key_columns: view<OfTable<{ readonly key: ForeignKey; readonly i: number }>>(
    [
      ["constraint_object_id", int, ({ it }) => it.key.id],
      ["constraint_column_id", int, ({ it }) => it.i + 1],
      ["parent_object_id", int, ({ table }) => table.id],
      ["parent_column_id", int, ({ table, it }) => columnId(table, it.key.columns[it.i] ?? -1)],
      ["referenced_object_id", int, ({ it }) => it.key.parent.id],
      ["referenced_column_id", int, ({ it }) => columnId(it.key.parent, it.key.referenced[it.i] ?? -1)],
    ],
    each((table) => table.foreignKeys.flatMap((key) => key.columns.map((_, i) => ({ key, i })))),
  ),
  default_constraints: view<OfTable<TableColumn>>(
    [
      ["name", name, ({ it }) => it.defaultValue?.name ?? null],
      ["object_id", int, ({ it }) => it.defaultValue?.id ?? null],
      ["parent_object_id", int, ({ table }) => table.id],
      ["parent_column_id", int, ({ it }) => it.id],
      ["definition", nvarchar(-1), ({ it }) => it.defaultValue?.text ?? null],
    ],
    each((table) => table.columns.filter((column) => column.defaultValue !== undefined)),
  ),
  key_constraints: view<OfTable<Index>>(
    [
      ["name", name, ({ it }) => it.name],
      ["object_id", int, ({ it }) => it.id],
      ["parent_object_id", int, ({ table }) => table.id],
      ["type", nvarchar(2), ({ it }) => (it.kind === "primaryKey" ? "PK" : "UQ")],
      ["unique_index_id", int, ({ it }) => it.indexId],
    ],
    each((table) => table.indexes.filter((index) => index.id > 0)),
  ),
  triggers: view<Table>(
    [
      ["name", name, () => null],
      ["object_id", int, () => null],
      ["parent_id", int, () => null],
      ["is_disabled", bit, () => null],
    ],
    () => [],
  ),
  databases: view<Database>(
    [
      ["name", name, (database) => database.name],
      ["database_id", int, (database) => database.id],
      ["create_date", datetime, (database) => ticks(roundToDatetime(database.createdAt))],
      ["collation_name", name, (database) => database.collation.name],
      ["is_read_only", bit, (database) => database.readOnly],
      ["is_read_committed_snapshot_on", bit, (database) => database.snapshotReads],
      ["snapshot_isolation_state", int, () => 0],
      ["compatibility_level", int, (_, { server }) => Number(server.options.version.split(".")[0]) * 10],
      ["state", int, () => 0],
      ["state_desc", nvarchar(60), () => "ONLINE"],
      ["user_access", int, (database) => (database.singleUser ? 1 : 0)],
      ["user_access_desc", nvarchar(60), (database) => (database.singleUser ? "SINGLE_USER" : "MULTI_USER")],
    ],
    ({ server }) => [...server.databases.values()],
  ),
};

export const findSystemView = (name: string): SystemView | undefined => (Object.hasOwn(views, name) ? views[name] : undefined);
export const systemViewNames: readonly string[] = Object.keys(views);
