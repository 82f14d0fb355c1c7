// Names that the database takes for one although they are not the same: case, accents, width, whatever its collation says. Only the
// database knows, by refusing to insert; what it said is remembered as long as that row is there under that name.

import type { ServerRow, TableRead } from "./model.ts";
import { comparable } from "./serverName.ts";

/** By the comparable name of a pod's server: the row that has the same name in the database's eyes. */
export type EqualNames = ReadonlyMap<string, Pick<ServerRow, "serverID" | "name">>;

/** The comparable name under which a row is found: its own, or that of the pod whose name the database takes for it. */
export function rowNames(equal: EqualNames): (row: Pick<ServerRow, "serverID" | "name">) => string {
  if (equal.size === 0) return ({ name }) => comparable(name);
  const byRow = new Map([...equal].map(([name, row]) => [row.serverID, { name, rowName: row.name }]));
  return (row) => {
    const known = byRow.get(row.serverID);
    return known?.rowName === row.name ? known.name : comparable(row.name);
  };
}

/** What of it still stands: the rows that are there under the name that they had. */
export function stillEqual(equal: EqualNames, { rows }: TableRead): EqualNames {
  if (equal.size === 0) return equal;
  const names = new Map(rows.map(({ serverID, name }) => [serverID, name]));
  return new Map([...equal].filter(([, { serverID, name }]) => names.get(serverID) === name));
}
