// What of a value decides the future, as a text with holes: moments are told by how long ago they were (beyond their last threshold all are
// one), versions and digests only by which of them are the same. Two states with the same fingerprint do the same from now on; see
// exploreState.ts for what is in it. It knows no operator and decides nothing.

import { originMs } from "./truth.ts";

/** `text` has no moment in it; `ages` and `names` fill its holes in order. */
export interface Shape {
  readonly text: number;
  /** Moments (wall clock), each followed by the age at which it stops to matter. */
  readonly moments: readonly number[];
  /** Things of which only sameness matters. */
  readonly names: readonly string[];
}

const texts = new Map<string, number>();

/** The same number for the same text. */
export function textNumber(text: string): number {
  const known = texts.get(text);
  if (known !== undefined) return known;
  texts.set(text, texts.size);
  return texts.size - 1;
}

/** No threshold of a small world lies beyond this but those named below: waits of 60 s, a grace of 30 s, deletions of 120 s and 10 s more. */
const longestMs = 135_000;
/**
 * When the age of a moment stops to matter, by the name of its field (with that of its parent where one name has several meanings). Each
 * is at least the longest wait that is counted from it.
 */
const thresholdsMs: Readonly<Record<string, number>> = {
  lastWriteMs: 1_000, // 10 ms between two writes
  "status.atMs": 1_000, // one status a second
  "table.atMs": 30_000, // resync
  "workloads.atMs": 30_000, // resync; 1 s where something is open
  "credentials.atMs": 60_000,
  lastBusyMs: 600_000,
  removedAsMissing: 600_000,
  goneSince: 60_000,
  "gone.atMs": 0, // told to people
  until: 0,
  dueMs: 0,
  retryMs: 0,
};
/** Moments of which only their being there decides anything: ages of pods are in the order of their UIDs. */
const undated: ReadonlySet<string> = new Set([
  ...["createdAtMs", "startedAtMs", "endedAtMs", "rebornAtMs"],
  ...["goneMs", "askedMs", "drainAtMs"], // of a removal under way: told to people; a small world has no bindings
]);
/** Only compared for equality. */
const named: ReadonlySet<string> = new Set(["resourceVersion", "basedOn", "digest", "webfarm.dev/approve-removals", "lastChangeWallMs"]);

const isoTime = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/;
/** Smaller numbers are counts and durations, larger ones wall clock; between lie moments of the processes' clocks. */
const firstMonotonic = 500_000_000;
const firstWall = 1_000_000_000_000;

/** `undecisive`: fields whose moments decide nothing in this world. */
export function shapeOf(value: unknown, undecisive: ReadonlySet<string> = new Set()): Shape {
  const holes: Holes = { moments: [], names: [], undecisive };
  const text = textNumber(told(value, "", "", holes));
  return { text, moments: holes.moments, names: holes.names };
}

interface Holes {
  readonly moments: number[];
  readonly names: string[];
  readonly undecisive: ReadonlySet<string>;
}

function told(value: unknown, field: string, parent: string, holes: Holes): string {
  if (typeof value === "number") return toldNumber(value, field, parent, holes);
  if (typeof value === "string") return toldString(value, field, parent, holes);
  if (value === undefined) return "~";
  if (typeof value === "boolean" || value === null) return String(value);
  if (typeof value !== "object") throw new Error(`Cannot tell ${typeof value} ${field} from others`);
  if (value instanceof Map) return toldEntries(value.entries(), field, parent, holes);
  if (value instanceof Set) return `s${told([...(value as Set<unknown>)], field, parent, holes)}`;
  if (value instanceof Error) return `!${value.message}`;
  if (Array.isArray(value)) return `[${value.map((one) => told(one, field, parent, holes)).join()}]`;
  const entries = Object.entries(value);
  return `{${entries.map(([name, one]) => (one === undefined ? "" : `${name}:${told(one, name, field, holes)}`)).join()}}`;
}

/** The entries of a map are moments or objects of the field that holds the map. */
function toldEntries(entries: Iterable<[unknown, unknown]>, field: string, parent: string, holes: Holes): string {
  return `m{${[...entries].map(([name, one]) => `${String(name)}:${told(one, field, parent, holes)}`).join()}}`;
}

function toldNumber(value: number, field: string, parent: string, { moments, names, undecisive }: Holes): string {
  if (value < firstMonotonic || value === Infinity) return String(value);
  if (undated.has(field) || undecisive.has(`${parent}.${field}`)) return "@";
  if (named.has(field)) {
    names.push(String(value));
    return "=";
  }
  moments.push(value < firstWall ? value + originMs : value, thresholdsMs[`${parent}.${field}`] ?? thresholdsMs[field] ?? longestMs);
  return "#";
}

function toldString(value: string, field: string, parent: string, holes: Holes): string {
  if (named.has(field)) {
    holes.names.push(value);
    return "=";
  }
  if (!isoTime.test(value)) return JSON.stringify(value);
  if (field === "until") return toldNumber(Date.parse(value), field, parent, holes);
  holes.names.push(value);
  return "=";
}

/** How long ago the moments of a shape were, those beyond their thresholds as one. */
export function agesOf({ moments }: Shape, nowMs: number): readonly number[] {
  const ages: number[] = [];
  for (let at = 0; at < moments.length; at += 2) ages.push(Math.min(nowMs - (moments[at] ?? 0), moments[at + 1] ?? 0));
  return ages;
}
