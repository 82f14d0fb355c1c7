// Several rows of one name: versions 6 and 7 have no unique index, and the product gives a name's tasks to the first row only. Of ours the one
// with the smallest ServerID stays and the others go; between ours and somebody else's a person decides.

import { kinship } from "./mark.ts";
import type { MarkIdentity } from "./mark.ts";
import type { DatabaseFacts, Product, ServerRow } from "./model.ts";
import { comparable } from "./serverName.ts";

/** Rows and pods with the same one have the same name for every database. Those that differ in case or accents may have. */
export const sureName = ({ name }: Pick<ServerRow, "name">): string => (name.endsWith(" ") ? name.replace(/ +$/, "") : name);

/** Of each surplus row of ours, the row of its name that stays. */
export function surplusRows(ours: readonly ServerRow[]): ReadonlyMap<ServerRow, ServerRow> {
  const kept = new Map<string, ServerRow>();
  const surplus = new Map<ServerRow, ServerRow>();
  for (const row of ours.toSorted((a, b) => a.serverID - b.serverID)) {
    const first = kept.get(sureName(row));
    if (first === undefined) kept.set(sureName(row), row);
    else surplus.set(row, first);
  }
  return surplus;
}

/** Whether a row of ours with the same name and a smaller ServerID is there: then this one may go. */
export const isSurplus = (row: ServerRow, rows: readonly ServerRow[], identity: MarkIdentity): boolean =>
  rows.some((other) => other.serverID < row.serverID && sureName(other) === sureName(row) && kinship(other, identity).kind === "ours");

/** The rows that carry no mark of this farm's owners, by name. */
export interface ForeignRows {
  /** Those that surely have this name. */
  readonly named: (name: string) => readonly ServerRow[];
  /** Those too that have it but for case, where names need not be unique and the database takes these for one. */
  readonly alike: (name: string) => readonly ServerRow[];
}

export const noForeignRows: ForeignRows = { named: () => [], alike: () => [] };

/** No unique index stands there. Elsewhere rows of two names that differ in case prove that the database tells them apart. */
const namesRepeat: ReadonlySet<Product> = new Set<Product>(["6", "7-8"]);

export function foreignRows(
  rows: readonly ServerRow[],
  identity: MarkIdentity,
  facts: Pick<DatabaseFacts, "product" | "foldsCase"> | undefined,
): ForeignRows {
  const foreign = rows.filter((row) => kinship(row, identity).kind === "foreign");
  const bySureName = Map.groupBy(foreign, sureName);
  const named = (name: string): readonly ServerRow[] => bySureName.get(sureName({ name })) ?? [];
  if (facts === undefined || !facts.foldsCase || !namesRepeat.has(facts.product)) return { named, alike: named };
  const byComparable = Map.groupBy(foreign, ({ name }) => comparable(name));
  return { named, alike: (name) => byComparable.get(comparable(name)) ?? [] };
}
