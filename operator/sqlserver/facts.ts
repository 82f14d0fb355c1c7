// What a probe found, made into facts: the shape of the tables, the product, what may be done and what not. It sends nothing.
import type { DatabaseFacts, DatabaseProblem, Product } from "../farm/model.ts";
import { catalogues, type SchemaName } from "./catalogues.ts";
import type { RecordSet } from "./driver.ts";
import { grants, isOf, type MissingGrant } from "./grants.ts";
import { grantsOn, grantsToRun } from "./permissions.ts";
import { type Shape, shapeOf } from "./shape.ts";
import { type CatalogueColumn, tableNames } from "./tables.ts";

export interface SqlFacts extends DatabaseFacts {
  /** No foreign key of the bindings is enabled: bindings of removed servers may come back, so they are swept again. */
  readonly foreignKeyDisabled: boolean;
}

export interface Probed {
  readonly kind: "usable";
  /** `notes`: grants that are missing, and what is left undone without them. */
  readonly facts: SqlFacts;
  /** Without what the user may not do and the farm can do without. */
  readonly shape: Shape;
  /** Grants that a write needs and the user has not. */
  readonly missing: readonly MissingGrant[];
}

export interface Place {
  readonly endpoint: string;
  readonly database: string;
  readonly schema: string;
}

export type ProbeReading = Probed | { readonly kind: "refused"; readonly problem: DatabaseProblem };

/** `sets`: the four of the statement `probe`. */
export function readProbe(sets: readonly RecordSet[], place: Place): ProbeReading {
  const [server = {}] = sets[0] ?? [];
  const where = `(${place.endpoint}, database ${place.database})`;
  if (server["updateability"] === "READ_ONLY")
    return refused(
      "readOnly",
      "ReadOnly",
      `The database is read-only here: a secondary, or set so. Name the listener or the primary. ${where}`,
      false,
    );
  if (server["schemaID"] === null)
    return refused(
      "schema",
      "SchemaMissing",
      `The database has no schema ${place.schema} that the operator's user may see: check spec.database.schema. ${where}`,
    );
  const columns = (sets[1] ?? []).map((row) => catalogueColumn(row, server["collation"]));
  const hidden = hiddenTables(columns);
  if (columns.length === 0)
    return refused(
      "schema",
      "NotKentico",
      `No table of Kentico, such as ${tableNames.servers}, is to be seen in schema ${place.schema}. Check database and schema, and whether the operator's user has the grants of docs/permissions. ${where}`,
    );
  if (hidden.length > 0)
    return refused(
      "permission",
      "GrantMissing",
      `Some of Kentico's tables are not there, or the operator's user has no grant on them: ${grantsToRun(place.schema, wholeGrants(hidden))} to it. ${where}`,
    );
  const denied = deniedGrants(columns, sets[3] ?? []);
  const reading = shapeOf(place.schema, columns, denied);
  if (reading.kind === "unknown")
    return refused(
      "schema",
      "ShapeNotSupported",
      `The tables are not as this version of the operator knows them, so it writes nothing: it lacks ${reading.missing.join(", ")}.${hiddenColumns(place, denied)} ${where}`,
    );
  const unseen = hiddenGrants(columns, reading.shape.product);
  const missing = [...denied, ...unseen];
  if (missing.some((one) => isOf(one, { table: "servers", grant: "SELECT" })))
    return refused(
      "permission",
      "GrantMissing",
      `The operator's user may not read the rows: ${grantsToRun(place.schema, missing.filter(isRequired))} to it. ${where}`,
    );
  return usable({ shape: reading.shape, missing, unseen, server, foreignKeys: sets[2] ?? [], place });
}

function refused(kind: DatabaseProblem["kind"], reason: string, message: string, stalled = true): ProbeReading {
  return { kind: "refused", problem: { kind, reason, message, stalled } };
}

/** `usual`: the database's own collation. */
function catalogueColumn(row: RecordSet[number], usual: unknown): CatalogueColumn {
  const { collation } = row;
  return {
    table: String(row["tableName"]),
    column: String(row["columnName"]),
    maxLength: Number(row["maxLength"]),
    nullable: row["isNullable"] === true,
    supplied: isSupplied(row),
    ...(typeof collation === "string" && collation !== usual && { collation }),
  };
}

const rowversion = 189;

function isSupplied(row: RecordSet[number]): boolean {
  const isFilled = row["isIdentity"] === true || row["isComputed"] === true || Number(row["defaultID"]) !== 0;
  return isFilled || Number(row["typeID"]) === rowversion;
}

type Table = MissingGrant["table"];

const isVisible = (columns: readonly CatalogueColumn[], table: Table): boolean =>
  columns.some((column) => column.table.toLowerCase() === tableNames[table].toLowerCase());

/** Tables without which nothing works and that the user does not see: the catalogue hides a table on which it has no grant at all. */
const hiddenTables = (columns: readonly CatalogueColumn[]): readonly Table[] =>
  (["servers", "bindings"] as const).filter((table) => !isVisible(columns, table));

/** On the whole table, as its columns are not known. */
const wholeGrants = (tables: readonly Table[]): readonly MissingGrant[] =>
  grants.filter(({ table }) => tables.includes(table)).map(({ table, grant }) => ({ table, grant }));

/** On tables that are seen. NULL: the user may not see what is asked for, so it is not held. */
function deniedGrants(columns: readonly CatalogueColumn[], answers: RecordSet): readonly MissingGrant[] {
  const isHeld = (one: MissingGrant, column?: string): boolean =>
    answers.some(
      (row) =>
        isSame(row["tableName"], tableNames[one.table]) &&
        row["permission"] === one.grant &&
        (column === undefined || isSame(row["columnName"], column)) &&
        Number(row["isHeld"]) === 1,
    );
  return grantsOn(columns).flatMap((one): readonly MissingGrant[] => {
    const { table, grant } = one;
    if (one.columns === undefined) return isHeld(one) ? [] : [{ table, grant }];
    const denied = one.columns.filter((column) => !isHeld(one, column));
    return denied.length === 0 ? [] : [{ table, grant, columns: denied }];
  });
}

const isSame = (one: unknown, other: string): boolean => String(one).toLowerCase() === other.toLowerCase();

const schemaOf: Readonly<Record<Product, SchemaName>> = { "6": "6", "7-8": "7", "9-10": "10", "11": "11", "12-13": "13", XbyK: "xbyk" };

/** On tables that the product has and the user does not see. */
const hiddenGrants = (columns: readonly CatalogueColumn[], product: Product): readonly MissingGrant[] =>
  grantsOn(catalogues[schemaOf[product]]).filter(({ table }) => !isVisible(columns, table));

const isRequired = (missing: MissingGrant): boolean => grants.some((one) => one.required && isOf(missing, one));

/** A column that seems not to be there may be one that the user does not see. */
function hiddenColumns({ schema }: Place, denied: readonly MissingGrant[]): string {
  const views = denied.filter(({ grant }) => grant === "VIEW DEFINITION");
  return views.length === 0 ? "" : ` If the database has them: ${grantsToRun(schema, views)} to the operator's user.`;
}

interface Usable {
  readonly shape: Shape;
  readonly missing: readonly MissingGrant[];
  /** Of these, on tables that are not seen, so perhaps not there. */
  readonly unseen: readonly MissingGrant[];
  readonly server: RecordSet[number];
  readonly foreignKeys: RecordSet;
  readonly place: Place;
}

function usable({ shape, missing, unseen, server, foreignKeys, place }: Usable): Probed {
  const { monitoring } = shape;
  const unwritten = missing.filter(isRequired);
  const optional = missing.filter((one) => !isRequired(one));
  const lacks = (...wanted: readonly Pick<MissingGrant, "table" | "grant">[]): readonly MissingGrant[] =>
    optional.filter((one) => wanted.some((other) => isOf(one, other)));
  const sentences: readonly (readonly [string, readonly MissingGrant[]])[] = [
    ["The operator's user may not change all that it has to", unwritten],
    ["Pings cannot be read", lacks({ table: "monitoring", grant: "SELECT" })],
    ["New servers get no ping, so the site reports them as not responding until they run", lacks({ table: "monitoring", grant: "INSERT" })],
    ["The web farm mode cannot be read", lacks({ table: "settings", grant: "SELECT" })],
    ["Rows around removed servers stay", optional.filter(isForSweep)],
    // A table that is seen for another grant shows its columns: db_datareader and db_datawriter are enough.
    ["Not all that tells the product's version can be seen", unseen.filter(({ grant }) => grant === "VIEW DEFINITION")],
  ];
  const unfilled =
    monitoring?.takesPings === false && lacks({ table: "monitoring", grant: "INSERT" }).length === 0
      ? [`New servers get no ping: ${monitoring.table} has a column that this version does not know, NOT NULL without a default.`]
      : [];
  return {
    kind: "usable",
    facts: {
      endpoint: place.endpoint,
      name: String(server["databaseName"]),
      product: shape.product,
      engineVersion: `${String(server["version"])} ${String(server["edition"])}`,
      hasUrl: shape.servers.url !== undefined,
      hasPings: monitoring !== undefined,
      foldsCase: foldsCase(shape.servers.nameCollation ?? server["collation"]),
      foreignKeyDisabled: !foreignKeys.some((row) => row["isDisabled"] === false),
      notes: [
        ...sentences
          .filter(([, lack]) => lack.length > 0)
          .map(([what, lack]) => {
            const mayBeAbsent = lack.some((one) => unseen.includes(one)) ? ", where the table is there" : "";
            return `${what}: ${grantsToRun(place.schema, lack)} to it${mayBeAbsent}.`;
          }),
        ...unfilled,
      ],
    },
    shape,
    missing: unwritten,
  };
}

/** In Turkish and Azeri, I and i are two letters. */
const foldsCase = (collation: unknown): boolean =>
  typeof collation === "string" && /_CI_/i.test(collation) && !/^(Turkish|Azeri)|_CP1254_/i.test(collation);

function isForSweep({ table, grant }: MissingGrant): boolean {
  switch (table) {
    case "log":
    case "search":
      return true;
    case "monitoring":
      return grant === "DELETE";
    case "servers":
    case "bindings":
    case "tasks":
    case "settings":
      return false;
  }
}
