// Rows as they stand in the table, and whose they are: computed here from design.md and not by the operator's own code.

import { createHash, randomUUID } from "node:crypto";
import type { TestDatabase } from "../database/database.ts";

/** Every column: what must be the same when nothing may have touched the row. */
export type WholeRow = Readonly<Record<string, unknown>> & {
  readonly ServerID: number;
  readonly ServerName: string;
  readonly ServerGUID: string | null;
  /** Of the versions that have the column. */
  readonly ServerURL?: string;
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
  /** Default NULL; where the table refuses that, one that is no mark. */
  readonly guid?: string | null;
  readonly enabled?: 0 | 1;
  /** Where the table has ServerURL. */
  readonly url?: string;
}

/** Into the table of any generation: with a value for each column of it that it must have. */
export async function insertForeign(database: TestDatabase, { name, guid = null, enabled = 1, url }: ForeignRow): Promise<void> {
  const columns = await database.adminQuery<{ readonly name: string; readonly is_nullable: boolean }>(
    "SELECT c.name, c.is_nullable FROM sys.columns AS c WHERE c.object_id = OBJECT_ID(N'CMS_WebFarmServer')",
  );
  const has = (column: string): boolean => columns.some((one) => one.name === column);
  const guidIsNeeded = columns.some((column) => column.name === "ServerGUID" && !column.is_nullable);
  const more = [
    ...(has("ServerURL") ? [["ServerURL", "@url"]] : []),
    ...(has("IsExternalWebAppServer") ? [["IsExternalWebAppServer", "0"]] : []),
  ] as const;
  await database.adminQuery(
    `INSERT INTO CMS_WebFarmServer (ServerDisplayName, ServerName, ServerGUID, ServerLastModified, ServerEnabled${more.map(([column]) => `, ${column}`).join("")}) VALUES (@name, @name, @guid, '2026-01-02T03:04:05', @enabled${more.map(([, value]) => `, ${value}`).join("")})`,
    { name, guid: guid ?? (guidIsNeeded ? randomUUID() : null), enabled, url: url ?? `http://${encodeURIComponent(name)}.example` },
  );
}
