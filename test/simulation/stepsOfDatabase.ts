// Steps about a database: what people do to its rows, and what becomes of it as a whole.

import type { Deeds, Place } from "./applyStep.ts";
import type { RowObject, Writer } from "./objects.ts";
import { Inapplicable } from "./inapplicable.ts";

type Kinds =
  | `row${"Inserted" | "Deleted" | "Renamed" | "Disabled" | "Enabled" | "Copied" | "Bound"}`
  | `database${"Saved" | "Restored" | "Copied" | "Gone" | "Back" | "Pings" | "Mode"}`;

const person: Writer = { kind: "person" };
/** As the product makes them: a random UUID of version 4. */
const guidOf = (count: number): string => `2f1f7c0e-6a7c-4b1e-9d55-${String(count).padStart(12, "0")}`;

export const stepsOfDatabase: Deeds<Kinds> = {
  rowInserted: (place, { row }) => {
    needNoRow(place, row);
    place.database.insert({ name: row, guid: guidOf(place.truth.rowChanges.length), enabled: true }, person);
  },
  rowDeleted: (place, { row }) => place.database.delete(rowOf(place, row), person),
  rowRenamed: (place, { row, name }) => {
    const found = rowOf(place, row);
    needNoRow(place, name);
    place.database.change({ ...found, name }, person);
  },
  rowDisabled: (place, { row }) => place.database.change({ ...rowOf(place, row), enabled: false }, person),
  rowEnabled: (place, { row }) => place.database.change({ ...rowOf(place, row), enabled: true }, person),
  rowCopied: (place, { row, name }) => {
    const { guid } = rowOf(place, row);
    needNoRow(place, name);
    place.database.insert({ name, guid, enabled: true }, person);
  },
  rowBound: (place, { row, count }) => {
    const { serverID } = rowOf(place, row);
    place.database.bindings.set(serverID, (place.database.bindings.get(serverID) ?? 0) + count);
  },
  databaseSaved: ({ database }) => database.save(),
  databaseRestored: ({ database }) => {
    if (!database.hasSaved) throw new Inapplicable("The database was never saved");
    database.restore();
  },
  databaseCopied: ({ database, truth }, step) => database.copyOver(truth.database(step.database)),
  databaseGone: ({ database }) => void (database.isGone = true),
  databaseBack: ({ database }) => void (database.isGone = false),
  databasePings: ({ database }) => void (database.pings ??= new Map()),
  databaseMode: ({ database }, { mode }) => void (database.mode = mode === "none" ? null : mode),
};

function rowOf({ database }: Place, name: string): RowObject {
  const row = database.rowNamed(name);
  if (row === undefined) throw new Inapplicable(`There is no row ${name}`);
  return row;
}

function needNoRow({ database }: Place, name: string): void {
  if (database.rowNamed(name) !== undefined) throw new Inapplicable(`There is a row ${name}`);
}
