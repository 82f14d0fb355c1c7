// Whether a new row may be given the table's newest ping. A row without any ping is reported as not responding by every instance within
// seconds (an event and an e-mail each), one with an old ping would be switched off: so only while pings are seen to arrive.

import type { Milliseconds, TableRead } from "./model.ts";

/** So old may the newest ping be, at most; the product calls a server that has sent none for three minutes not responding. */
const freshMs = 120_000;

type Pings = TableRead["pings"];

/**
 * The moment after which a ping arrived, as two reads of this process show it: that of the first of the two. Undefined: none arrived. A
 * server that is in the second read only says nothing: its ping may be the one that it was given with its row.
 */
export function arrivedAfterMs(before: { readonly pings: Pings; readonly atMs: Milliseconds }, pings: Pings): Milliseconds | undefined {
  if (before.pings === undefined || pings === undefined) return undefined;
  for (const [serverID, ping] of pings) {
    const last = before.pings.get(serverID);
    if (last !== undefined && last !== ping) return before.atMs;
  }
  return undefined;
}

/** `pingAfterMs`: what `arrivedAfterMs` said last; both monotonic. */
export const pingsArrive = (pingAfterMs: Milliseconds | undefined, nowMs: Milliseconds): boolean =>
  pingAfterMs !== undefined && nowMs - pingAfterMs < freshMs;
