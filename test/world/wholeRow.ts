// Rows as they stand in the table, and whose they are: computed here from design.md and not by the operator's own code.

import { createHash } from "node:crypto";
import type { TestDatabase } from "../database/database.ts";

/** Every column: what must be the same when nothing may have touched the row. */
export type WholeRow = Readonly<Record<string, unknown>> & {
  readonly ServerID: number;
  readonly ServerName: string;
  readonly ServerGUID: string | null;
};

/** What a row's mark says of its pod. */
export const podPart = (uid: string): string => createHash("sha256").update(`webfarm.dev/pod\n${uid}`).digest("hex").slice(0, 9);

export const isRowOf = (pod: { readonly name: string; readonly uid: string }, row: WholeRow): boolean =>
  row.ServerName === pod.name && (row.ServerGUID ?? "").toLowerCase().endsWith(podPart(pod.uid));

export async function wholeRows(database: TestDatabase): Promise<readonly WholeRow[]> {
  return await database.adminQuery<WholeRow>("SELECT * FROM CMS_WebFarmServer ORDER BY ServerID");
}

/** A row that a person or the product made. */
export interface ForeignRow {
  readonly name: string;
  readonly guid?: string | null;
  readonly enabled?: 0 | 1;
}

export async function insertForeign(database: TestDatabase, { name, guid = null, enabled = 1 }: ForeignRow): Promise<void> {
  await database.adminQuery(
    "INSERT INTO CMS_WebFarmServer (ServerDisplayName, ServerName, ServerGUID, ServerLastModified, ServerEnabled, IsExternalWebAppServer) VALUES (@name, @name, @guid, '2026-01-02T03:04:05', @enabled, 0)",
    { name, guid, enabled },
  );
}
