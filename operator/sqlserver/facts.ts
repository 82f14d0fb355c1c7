// What a probe found, made into facts: the shape of the tables, the product, what may be done and what not. It sends nothing.
import type { DatabaseFacts, DatabaseProblem } from "../farm/model.ts";
import type { RecordSet } from "./driver.ts";
import { grantsToRun, type MissingGrant } from "./permissions.ts";
import { type CatalogueColumn, type Shape, shapeOf, tableNames } from "./shape.ts";
import { grants } from "./statements.ts";

export interface SqlFacts extends DatabaseFacts {
  /** A foreign key of the bindings is switched off: bindings of removed servers may come back, so they are swept again. */
  readonly foreignKeyDisabled: boolean;
}

export interface Probed {
  readonly kind: "usable";
  /** `notes`: grants that are missing, and what is left undone without them. */
  readonly facts: SqlFacts;
  readonly shape: Shape;
  readonly readsPings: boolean;
  readonly readsSettings: boolean;
  readonly sweeps: boolean;
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
  const reading = shapeOf(place.schema, (sets[1] ?? []).map(catalogueColumn));
  if (reading.kind === "unknown")
    return refused(
      "schema",
      "NotKentico",
      `This is no database of Kentico, or the operator's user may not see its tables: not found in schema ${place.schema}: ${reading.missing.join(", ")}. Check database and schema, and run the README's script of permissions. ${where}`,
    );
  const missing = missingGrants(sets[3] ?? []);
  if (missing.some(({ table, grant }) => table === "servers" && grant === "SELECT"))
    return refused(
      "permission",
      "GrantMissing",
      `The operator's user may not read the rows: ${grantsToRun(place.schema, missing.filter(isRequired))} to it. ${where}`,
    );
  if (reading.shape.product !== "12-13")
    return refused(
      "schema",
      "ProductNotSupportedYet",
      `The tables are those of Kentico ${reading.shape.product}. This version of the operator knows 12 and 13 only. ${where}`,
    );
  return usable(reading.shape, missing, server, sets[2] ?? [], place);
}

function refused(kind: DatabaseProblem["kind"], reason: string, message: string, stalled = true): ProbeReading {
  return { kind: "refused", problem: { kind, reason, message, stalled } };
}

function catalogueColumn(row: RecordSet[number]): CatalogueColumn {
  return {
    table: String(row["tableName"]),
    column: String(row["columnName"]),
    maxLength: Number(row["maxLength"]),
    nullable: row["isNullable"] === true,
    supplied: row["isIdentity"] === true || row["isComputed"] === true || Number(row["defaultID"]) !== 0,
  };
}

// NULL: the object does not exist, or the user may not see it. Both are a grant that is not held.
function missingGrants(held: RecordSet): readonly MissingGrant[] {
  const isHeld = (table: string, grant: string): boolean =>
    held.some(
      (row) => String(row["tableName"]).toLowerCase() === table.toLowerCase() && row["permission"] === grant && Number(row["isHeld"]) === 1,
    );
  return grants.filter(({ table, grant }) => !isHeld(tableNames[table], grant));
}

function isRequired({ table, grant }: MissingGrant): boolean {
  return grants.some((one) => one.required && one.table === table && one.grant === grant);
}

function usable(shape: Shape, missing: readonly MissingGrant[], server: RecordSet[number], foreignKeys: RecordSet, place: Place): Probed {
  const lacks = (...wanted: readonly MissingGrant[]): readonly MissingGrant[] =>
    missing.filter((one) => wanted.some(({ table, grant }) => table === one.table && grant === one.grant));
  const around = (["monitoring", "log", "search"] as const).filter((table) => shape[table] !== undefined);
  const unread = lacks({ table: "monitoring", grant: "SELECT" });
  const unset = lacks({ table: "settings", grant: "SELECT" });
  const unswept = lacks(...around.flatMap((table) => ["SELECT", "DELETE"].map((grant) => ({ table, grant }))));
  const unwritten = missing.filter(isRequired);
  const readsPings = shape.monitoring !== undefined && unread.length === 0;
  const sentences: readonly (readonly [string, readonly MissingGrant[]])[] = [
    ["The operator's user may not change all that it has to", unwritten],
    ["Pings cannot be read", unread],
    ["The web farm mode cannot be read", unset],
    ["Rows around removed servers stay", unswept],
  ];
  return {
    kind: "usable",
    facts: {
      endpoint: place.endpoint,
      name: String(server["databaseName"]),
      product: shape.product,
      engineVersion: `${String(server["version"])} ${String(server["edition"])}`,
      hasUrl: shape.servers.url !== undefined,
      hasPings: readsPings,
      foreignKeyDisabled: foreignKeys.some((row) => row["isDisabled"] === true),
      notes: sentences.filter(([, lack]) => lack.length > 0).map(([what, lack]) => `${what}: ${grantsToRun(place.schema, lack)} to it.`),
    },
    shape,
    readsPings,
    readsSettings: shape.settings !== undefined && unset.length === 0,
    sweeps: unswept.length === 0 && unwritten.length === 0,
    missing: unwritten,
  };
}
