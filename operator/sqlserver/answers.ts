// From the sets of an answer to the farm's words. An answer of another form is an error, not a guess.
import type { FarmSettings, ServerRow, TableRead } from "../farm/model.ts";
import type { RecordSet } from "./driver.ts";
import { DatabaseError } from "./errors.ts";
import { limits, settingsKeys } from "./statements.ts";

type Answer = RecordSet[number];

/** Rows as `SELECT TOP (10001)` gave them. */
export function tableRead(set: RecordSet | undefined): TableRead {
  const rows = (set ?? unexpected("rows")).map(serverRow);
  return { rows: rows.slice(0, limits.rows), truncated: rows.length > limits.rows };
}

export function serverRow(answer: Answer): ServerRow {
  const { serverID, name, guid, url } = answer;
  if (typeof serverID !== "number" || typeof name !== "string") return unexpected("a server");
  if (guid !== null && typeof guid !== "string") return unexpected("a mark");
  return {
    serverID,
    name,
    guid: guid === null ? null : guid.toLowerCase(),
    enabled: answer["enabled"] === true,
    ...(typeof url === "string" && { url }),
  };
}

/** Newest ping of each server that has any. */
export function pings(set: RecordSet | undefined): ReadonlyMap<number, string> {
  return new Map((set ?? unexpected("pings")).map((answer) => [Number(answer["serverID"]), String(answer["newestPing"])] as const));
}

export function settings(set: RecordSet | undefined): FarmSettings {
  const answers = set ?? unexpected("settings");
  const valueOf = (key: string): string | null => {
    const found = answers.find((answer) => String(answer["keyName"]).toLowerCase() === key.toLowerCase())?.["keyValue"];
    return typeof found === "string" ? found : null;
  };
  return { kind: "read", values: Object.fromEntries(settingsKeys.map((key) => [key, valueOf(key)])) };
}

// The sets of a write are counted from the end: a trigger that SELECTs puts its own before them.

/** What a remove says of itself, before its rows. `reached`: the last TaskID that it looked at; null where it went from the front, or found none. */
export function removalCounts(sets: readonly RecordSet[]): { readonly bindings: number; readonly reached: number | null } {
  const { bindings, reached } = sets.at(-2)?.[0] ?? unexpected("a removal");
  if (typeof bindings !== "number" || (reached !== null && typeof reached !== "number")) return unexpected("a removal");
  return { bindings, reached };
}

/** How many rows a sweep deleted from the table that most went of. */
export function largestSwept(sets: readonly RecordSet[]): number {
  const { largest } = sets.at(-1)?.[0] ?? unexpected("a sweep");
  return typeof largest === "number" ? largest : unexpected("a sweep");
}

function unexpected(what: string): never {
  const message = `The server's answer has not the form of ${what}: report this as an error of the operator.`;
  throw new DatabaseError({ kind: "schema", reason: "AnswerUnexpected", message, stalled: true }, "unknown");
}
