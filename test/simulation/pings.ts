// What live processes write into a database that has pings: every half minute each says that it lives, in the row of its server's name.

import { key } from "./apiServer.ts";
import type { WallMs } from "./objects.ts";
import { isLive } from "./truth.ts";
import type { PodRecord, Truth } from "./truth.ts";

export const pingMs = 30_000;

/** Brings the newest pings up to date; called before they are read and before a process ends. */
export function refreshPings(truth: Truth): void {
  for (const database of truth.databases.values()) {
    if (database.pings === undefined || database.isGone) continue;
    for (const record of truth.records.values()) {
      if (!isLive(record) || record.process.restarting || record.database !== database.name) continue;
      const row = database.rowNamed(record.last.name);
      if (row === undefined) continue;
      const count = Math.floor((truth.nowMs - (record.process.startedAtMs ?? truth.nowMs)) / pingMs);
      database.pings.set(row.serverID, `${record.uid}/${count}`);
    }
  }
}

/** When a process last pinged as that server by then; undefined: none that lives does. */
export function lastPingMs(truth: Truth, server: { readonly database: string; readonly name: string }, byMs: WallMs): WallMs | undefined {
  const times = [...truth.records.values()].flatMap((record) => {
    const { startedAtMs = Infinity } = record.process;
    const isOurs = isLive(record) && record.database === server.database && record.last.name === server.name.trimEnd().toLowerCase();
    return isOurs && startedAtMs <= byMs ? [startedAtMs + Math.floor((byMs - startedAtMs) / pingMs) * pingMs] : [];
  });
  return times.length === 0 ? undefined : Math.max(...times);
}

/** By the Secret that the application shares with the operator. */
export function databaseOf(truth: Truth, { cluster, last }: PodRecord): string | undefined {
  const secret = truth.cluster(cluster).api.secrets.get(key(last.namespace, "kentico"));
  return /(?:^|;)Database=([^;]+)/.exec(secret?.data["CMSConnectionString"] ?? "")?.[1];
}
