// Which processes of versions 9 to 13 live and have a row, but will not be synchronised before they restart. Such a process reads the servers
// once: one that started alone keeps an empty list of peers and makes no tasks, whatever rows appear; one whose row was removed or made
// anew under another ServerID goes on with the old one. What this process of the operator did not see it does not claim. A process that
// registers itself may have made its row anew: there the pings decide, of whatever product has them.
//
//   seen of a pod's containers                            and then                     its server is
//   they began to run while its row was the only enabled  another enabled row appears  Unsynchronised, StartedAlone
//   its row had a ServerID while they ran                 its row has another one      Unsynchronised, RowReplaced
//   the same, registration Application                    the new one gets no ping for 3 minutes in which others ping   Unsynchronised, RowReplaced
//   any of these                                          a container restarts         as if nothing was known
//   another enabled row was there before they ran         -                            Registered

import { isAlive } from "./hasEnded.ts";
import { kinship } from "./mark.ts";
import type { Milliseconds, Pod, PodUid, Product, ServerRow, TableRead } from "./model.ts";
import type { Observation } from "./observation.ts";

/** One life of a pod's containers, from when it was first seen to run; another number of restarts is another life. */
interface Life {
  readonly restarts: number;
  /** Of the pod's row then. */
  readonly serverID: number;
  /**
   * It was seen to begin, and no other enabled row was known then. Sure when a read made after `sinceMs` showed that too: what is known of
   * the rows may be half a minute old.
   */
  readonly alone?: { readonly sinceMs: Milliseconds; readonly isSure: boolean };
  /** With registration Application: the row of another ServerID that its pod has now, while no ping of it has come. */
  readonly unheard?: { readonly serverID: number; readonly sinceMs: Milliseconds; readonly isSure: boolean };
}

interface PingsRead {
  readonly atMs: Milliseconds;
  readonly pings: ReadonlyMap<number, string>;
}

export interface Processes {
  readonly lives: ReadonlyMap<PodUid, Life>;
  /** Pods that were seen alive before their containers ran: their next life is seen to begin. */
  readonly starting: ReadonlySet<PodUid>;
  /** With registration Application: the last pings that were read. */
  readonly heard?: PingsRead;
}

export const noProcesses: Processes = { lives: new Map(), starting: new Set() };

/** The product calls a server that has sent none for so long not responding. */
const silentMs = 180_000;
/** Reads that lie farther apart say nothing of who pinged in between: the database may have been away. */
const longestGapMs = 120_000;

export type Unsynchronised = "StartedAlone" | "RowReplaced";

/** Why the server of this row, whose pod is alive, is not synchronised; undefined: nothing is known against it. */
export function whyUnsynchronised(
  { lives, heard }: Processes,
  pod: Pod,
  row: ServerRow,
  rows: readonly ServerRow[],
): Unsynchronised | undefined {
  const life = lives.get(pod.uid);
  if (life === undefined || !pod.running || life.restarts !== restartsOf(pod)) return undefined;
  if (heard !== undefined) return life.unheard?.serverID === row.serverID && life.unheard.isSure ? "RowReplaced" : undefined;
  if (life.serverID !== row.serverID) return "RowReplaced";
  return life.alone?.isSure === true && rows.some((other) => other.enabled && other !== row) ? "StartedAlone" : undefined;
}

const restartsOf = ({ restarts = 0 }: Pod): number => restarts;

/** 9 to 13 read the servers once. 6 to 8 read their rows each time; Xperience by Kentico registers itself. */
export const readOnce: ReadonlySet<Product> = new Set<Product>(["9-10", "11", "12-13"]);

/** What is known after this observation, whose rows were read at `rowsReadMs` (monotonic). */
export function noteProcesses(known: Processes, observation: Observation, rowsReadMs: Milliseconds): Processes {
  const { table, farm, pods, nowMs } = observation;
  if (table.kind !== "read" || table.read.truncated) return known;
  if (farm.spec.registration === "Application") return noteSelfRegistered(known, observation, table.read, rowsReadMs);
  if (!readOnce.has(table.facts.product) || known.heard !== undefined) return noProcesses;
  const alive = new Map(pods.pods.filter(isAlive).map((pod) => [pod.uid, pod]));
  const enabled = table.read.rows.filter((row) => row.enabled);
  // Of a pod whose row is gone for now the ServerID is kept: the row comes back under another one.
  const lives = new Map<PodUid, Life>();
  for (const [uid, life] of known.lives) {
    const pod = alive.get(uid);
    if (pod !== undefined && restartsOf(pod) === life.restarts) lives.set(uid, surer(life, enabled, rowsReadMs));
  }
  for (const row of table.read.rows) {
    const pod = livingPodOf(row, observation);
    if (pod?.running !== true || lives.has(pod.uid)) continue;
    const wasSeenToBegin = known.starting.has(pod.uid) || known.lives.has(pod.uid);
    const isAlone = wasSeenToBegin && enabled.length === 1 && row.enabled;
    lives.set(pod.uid, { restarts: restartsOf(pod), serverID: row.serverID, ...(isAlone && { alone: { sinceMs: nowMs, isSure: false } }) });
  }
  return { lives, starting: new Set([...alive.values()].filter(({ running }) => !running).map(({ uid }) => uid)) };
}

/** The same where the application registers itself; `observation`: as withInventory gives it. */
function noteSelfRegistered(known: Processes, observation: Observation, { rows, pings }: TableRead, rowsReadMs: Milliseconds): Processes {
  if (pings === undefined) return noProcesses;
  if (known.heard !== undefined && known.heard.atMs >= rowsReadMs) return known; // the same rows as before
  const heard = { atMs: rowsReadMs, pings };
  const before = known.heard !== undefined && rowsReadMs - known.heard.atMs <= longestGapMs ? known.heard : undefined;
  const alive = new Map(observation.pods.pods.filter(isAlive).map((pod) => [pod.uid, pod]));
  const isTheSame = ([uid, { restarts }]: readonly [PodUid, Life]): boolean => {
    const pod = alive.get(uid);
    return pod !== undefined && restartsOf(pod) === restarts;
  };
  const lives = new Map(known.heard === undefined ? [] : [...known.lives].filter(isTheSame));
  for (const row of rows) {
    const pod = livingPodOf(row, observation);
    if (pod?.running !== true) continue;
    lives.set(pod.uid, lifeWith(row.serverID, lives.get(pod.uid) ?? { restarts: restartsOf(pod), serverID: row.serverID }, before, heard));
  }
  return { lives, starting: new Set(), heard };
}

/** A life whose pod has the row of this ServerID now. */
function lifeWith(serverID: number, life: Life, before: PingsRead | undefined, heard: PingsRead): Life {
  const { restarts, unheard } = life;
  if (life.serverID === serverID) return { restarts, serverID };
  const isNew = (id: number): boolean => before !== undefined && before.pings.get(id) !== heard.pings.get(id);
  if (unheard?.serverID !== serverID || before === undefined)
    return { restarts, serverID: life.serverID, unheard: { serverID, sinceMs: heard.atMs, isSure: false } };
  if (isNew(serverID)) return { restarts, serverID }; // the process uses it
  const othersPing = [...before.pings.keys()].some((id) => heard.pings.has(id) && isNew(id));
  const isSure = unheard.isSure || (othersPing && heard.atMs - unheard.sinceMs >= silentMs);
  return { ...life, unheard: { ...unheard, isSure } };
}

/** What a later read says of a life that seemed to begin alone. */
function surer(life: Life, enabled: readonly ServerRow[], rowsReadMs: Milliseconds): Life {
  const { alone, ...rest } = life;
  if (alone === undefined || alone.isSure) return life;
  if (enabled.length !== 1) return rest; // those rows may have been there before it began
  return rowsReadMs > alone.sinceMs ? { ...rest, alone: { ...alone, isSure: true } } : life;
}

/**
 * What is known after this process inserted rows, before it is noted what was read back: if no others were added, those that seemed to
 * begin alone were alone until now.
 */
export function noteInserted(
  known: Processes,
  rows: { readonly before: readonly ServerRow[]; readonly after: readonly ServerRow[]; readonly inserted: ReadonlySet<string> },
): Processes {
  const before = new Set(rows.before.map(({ serverID }) => serverID));
  const added = rows.after.filter(({ serverID }) => !before.has(serverID));
  if (!added.every(({ guid }) => guid !== null && rows.inserted.has(guid.toLowerCase()))) return known;
  const isSure = ([uid, life]: readonly [PodUid, Life]): readonly [PodUid, Life] =>
    life.alone === undefined ? [uid, life] : [uid, { ...life, alone: { ...life.alone, isSure: true } }];
  return { ...known, lives: new Map([...known.lives].map(isSure)) };
}

function livingPodOf(row: ServerRow, { identity, pods }: Observation): Pod | undefined {
  const kin = kinship(row, identity);
  const seen = kin.kind === "ours" ? pods.seen(kin.pod) : undefined;
  return seen?.presence === "present" && isAlive(seen.pod) ? seen.pod : undefined;
}
