// The rows of one farm's database, as a pass needs them: read, register, mark, remove, each one request and its read-back. It decides
// nothing about which rows; what it sends repeats what was read.
import type { Clock } from "../controller/clock.ts";
import type { DatabaseProblem, ServerName, ServerRow, TableRead } from "../farm/model.ts";
import { pings, serverRow, settings, tableRead } from "./answers.ts";
import type { RecordSet, SentParameter } from "./driver.ts";
import { DatabaseError, isPoolBroken, isShapeDoubtful } from "./errors.ts";
import { type Place, type Probed, readProbe, type SqlFacts } from "./facts.ts";
import { grantsToRun, type MissingGrant } from "./permissions.ts";
import type { TargetPool } from "./pool.ts";
import { conflict, mark, probe, read, register, remove, sizes, type Statement, sweep } from "./statements.ts";
import { padded, type Refused, type Write, writeRows } from "./writes.ts";

export interface NewServer {
  readonly name: ServerName;
  readonly guid: string;
  /** Where the table has ServerURL. */
  readonly url?: string;
}

export interface NewMark {
  readonly serverID: number;
  readonly name: string;
  readonly guid: string | null; // as read
  readonly newGuid: string;
  readonly url?: string;
}

export interface Removal {
  readonly serverID: number;
  readonly name: string;
  readonly guid: string;
}

/** `read`: the table after the last request, the only truth about what was written. `refused`: rows that the server would not take. */
export interface WriteResult {
  readonly read: TableRead;
  readonly refused: readonly Refused[];
}

export interface RemoveResult extends WriteResult {
  /** Bindings that were deleted. */
  readonly bindings: number;
  /** A row to remove is still there as it was read: its bindings were more than one request deletes. */
  readonly bindingsRemain: boolean;
}

/** Each method throws DatabaseError, or the signal's reason when it was aborted before anything was sent. */
export interface FarmDatabase {
  readonly endpoint: string;
  readonly databaseName: string;
  facts(signal: AbortSignal): Promise<SqlFacts>;
  read(signal: AbortSignal): Promise<TableRead>;
  /** Inserts those whose name the database does not have. */
  register(servers: readonly NewServer[], signal: AbortSignal): Promise<WriteResult>;
  /** Changes those that are as they were read. */
  mark(rows: readonly NewMark[], signal: AbortSignal): Promise<WriteResult>;
  /** Removes those that are as they were read and have no bindings left; deletes up to 2,000 bindings a request before. */
  remove(rows: readonly Removal[], signal: AbortSignal): Promise<RemoveResult>;
  /** The row whose name equals `name` in the database's eyes. */
  conflict(name: string, signal: AbortSignal): Promise<ServerRow | undefined>;
  /** Deletes some of what removed servers left around; nothing where a grant for it is missing (facts name it). */
  sweep(removed: readonly Pick<Removal, "serverID" | "name">[], signal: AbortSignal): Promise<void>;
}

/** What was learnt of the tables in one schema of one target; farms that share both share it. */
export interface Knowledge {
  probed?: { readonly result: Probed; readonly generation: number; readonly atMs: number };
  /** As last read, by ServerID. */
  rows?: ReadonlyMap<number, ServerRow>;
}

interface Parts {
  readonly pool: TargetPool;
  readonly place: Place;
  /** What the connection string asked for in vain. */
  readonly notes: readonly string[];
  readonly knowledge: Knowledge;
  readonly clock: Clock;
}

// A grant that a person adds is noticed within this time; a complete probe holds as long as the connections.
const incompleteForMs = 60_000;
const deadlockPausesMs = [50, 200, 500] as const;

const int = (name: string, value: number | undefined): SentParameter => ({ name, type: "int", value: value ?? null });
const text = (name: string, type: "name" | "url" | "guid", value: string | null | undefined): SentParameter => ({
  name,
  type,
  value: value ?? null,
});

export function farmDatabase(parts: Parts): FarmDatabase {
  const { pool, place, notes } = parts;
  const known = (signal: AbortSignal): Promise<Probed> => probedOf(parts, signal);
  const written = async <Row extends { readonly name: string }>(
    write: Write<Row>,
    rows: readonly Row[],
    needs: Needs,
    signal: AbortSignal,
  ): Promise<Written> => {
    const probed = await known(signal);
    demand(parts, probed, needs);
    const { answers, refused } = await writeRows(write, probed.shape, rows, (statement, parameters) =>
      ask(parts, statement, parameters, signal),
    );
    const last = answers.at(-1)?.at(-1) ?? (await ask(parts, read(probed.shape, { pings: "omitted", settings: "omitted" }), [], signal))[0];
    return { answers, result: { read: sharedRows(parts.knowledge, tableRead(last)), refused } };
  };
  return {
    endpoint: place.endpoint,
    databaseName: pool.target.database,
    facts: async (signal) => {
      const { facts } = await known(signal);
      return { ...facts, notes: [...notes, ...facts.notes] };
    },
    read: async (signal) => readAll(parts, await known(signal), signal),
    register: async (servers, signal) => {
      const { hasUrl } = (await known(signal)).facts;
      const { once, twice } = byDistinctName(servers);
      const { result } = await written(registering(hasUrl), once, [{ table: "servers", grant: "INSERT" }], signal);
      return { ...result, refused: [...result.refused, ...twice] };
    },
    mark: async (rows, signal) => {
      const { hasUrl } = (await known(signal)).facts;
      return (await written(marking(hasUrl), rows, [{ table: "servers", grant: "UPDATE" }], signal)).result;
    },
    remove: async (rows, signal) => {
      const { answers, result } = await written(removing, rows, removalNeeds, signal);
      const counted = answers.map((sets) => Number(sets[0]?.[0]?.["bindings"] ?? 0));
      return {
        ...result,
        bindings: counted.reduce((sum, count) => sum + count, 0),
        bindingsRemain: rows.some((row) => isThere(row, result.read)),
      };
    },
    conflict: async (name, signal) => {
      const probed = await known(signal);
      const [found] = (await ask(parts, conflict(probed.shape), [text("n0", "name", name)], signal))[0] ?? [];
      return found === undefined ? undefined : serverRow(found);
    },
    sweep: async (removed, signal) => {
      const probed = await known(signal);
      if (!probed.sweeps) return;
      const [size] = sizes.sweep;
      for (let at = 0; at < removed.length; at += size)
        await ask(parts, sweep(probed.shape, size), padded(sweeping, removed.slice(at, at + size)), signal);
    },
  };
}

type Needs = readonly MissingGrant[];

interface Written {
  readonly answers: readonly (readonly RecordSet[])[];
  readonly result: WriteResult;
}

const registering = (hasUrl: boolean): Write<NewServer> => ({
  sizes: sizes.register,
  statement: register,
  parameters: (row) => [text("n", "name", row?.name), text("g", "guid", row?.guid), ...(hasUrl ? [text("u", "url", row?.url)] : [])],
});

const marking = (hasUrl: boolean): Write<NewMark> => ({
  sizes: sizes.mark,
  statement: mark,
  parameters: (row) => [...asRead(row), text("h", "guid", row?.newGuid), ...(hasUrl ? [text("u", "url", row?.url)] : [])],
});

const removing: Write<Removal> = { sizes: sizes.remove, statement: remove, parameters: (row) => asRead(row) };

const removalNeeds: Needs = [
  { table: "servers", grant: "DELETE" },
  { table: "bindings", grant: "SELECT" },
  { table: "bindings", grant: "DELETE" },
];

const sweeping: Pick<Write<Pick<Removal, "serverID" | "name">>, "sizes" | "parameters"> = {
  sizes: sizes.sweep,
  parameters: (row) => [int("i", row?.serverID), text("n", "name", row?.name)],
};

function asRead(row: Pick<NewMark, "serverID" | "name" | "guid"> | undefined): readonly SentParameter[] {
  return [int("i", row?.serverID), text("n", "name", row?.name), text("g", "guid", row?.guid)];
}

function isThere(row: Removal, { rows }: TableRead): boolean {
  return rows.some(({ serverID, name, guid }) => serverID === row.serverID && name === row.name && guid === row.guid.toLowerCase());
}

// Where no unique index stands, two equal names of one request would both be inserted: neither sees the other.
function byDistinctName(servers: readonly NewServer[]): { readonly once: readonly NewServer[]; readonly twice: readonly Refused[] } {
  const names = new Set<string>();
  const once: NewServer[] = [];
  const twice: Refused[] = [];
  for (const server of servers) {
    const key = server.name.toLowerCase();
    if (names.has(key)) twice.push({ name: server.name, problem: duplicateName });
    else once.push(server);
    names.add(key);
  }
  return { once, twice };
}

const duplicateName: DatabaseProblem = {
  kind: "refused",
  reason: "NameTwice",
  message: "Two servers of one request have the same name: give their pods different server names.",
  stalled: true,
};

/** Rows that are as they were stay the same objects: farms of one table hold them once, and what was worked out about them holds. */
function sharedRows(knowledge: Knowledge, read: TableRead): TableRead {
  const rows = read.rows.map((row) => {
    const old = knowledge.rows?.get(row.serverID);
    const isSame = old?.name === row.name && old.guid === row.guid && old.enabled === row.enabled && old.url === row.url;
    return isSame ? old : row;
  });
  knowledge.rows = new Map(rows.map((row) => [row.serverID, row]));
  return { ...read, rows };
}

async function readAll(parts: Parts, probed: Probed, signal: AbortSignal): Promise<TableRead> {
  const { shape, readsPings, readsSettings } = probed;
  const variant = { pings: readsPings ? "included" : "omitted", settings: readsSettings ? "included" : "omitted" } as const;
  const sets = await ask(parts, read(shape, variant), [], signal);
  return {
    ...sharedRows(parts.knowledge, tableRead(sets[0])),
    ...(readsPings && { pings: pings(sets[1]) }),
    settings: readsSettings ? settings(sets[readsPings ? 2 : 1]) : { kind: "unreadable", values: {} },
  };
}

/** What the tables are; asked once for all passes that want to know. */
async function probedOf(parts: Parts, signal: AbortSignal): Promise<Probed> {
  const { knowledge, pool, clock } = parts;
  const { probed } = knowledge;
  if (probed?.generation === pool.generation) {
    const isComplete = probed.result.facts.notes.length === 0;
    if (isComplete || clock.monotonic() - probed.atMs < incompleteForMs) return probed.result;
  }
  const statement = probe();
  const sets = await ask(parts, statement, [{ name: "schema", type: "schema", value: parts.place.schema }], signal);
  const reading = readProbe(sets, parts.place);
  if (reading.kind === "refused") {
    delete knowledge.probed;
    if (isPoolBroken(reading.problem)) pool.drop();
    throw new DatabaseError(reading.problem, "notApplied");
  }
  knowledge.probed = { result: reading, generation: pool.generation, atMs: clock.monotonic() };
  return reading;
}

/** Throws before anything is sent when a grant is missing; the next pass looks again. */
function demand({ knowledge, place }: Parts, { missing }: Probed, needs: Needs): void {
  const lacks = missing.filter((one) => needs.some(({ table, grant }) => table === one.table && grant === one.grant));
  if (lacks.length === 0) return;
  delete knowledge.probed;
  const message = `A permission is missing. Run in database ${place.database}: ${grantsToRun(place.schema, lacks)} to the operator's user. (${place.endpoint})`;
  throw new DatabaseError({ kind: "permission", reason: "GrantMissing", message, stalled: true }, "notApplied");
}

/** One request; the victim of a deadlock was not done, so it is sent again. */
async function ask(
  parts: Parts,
  statement: Statement,
  parameters: readonly SentParameter[],
  signal: AbortSignal,
): Promise<readonly RecordSet[]> {
  for (let victims = 0; ; victims += 1) {
    try {
      return await parts.pool.run(statement, parameters, signal);
    } catch (error) {
      if (!(error instanceof DatabaseError)) throw error;
      if (isShapeDoubtful(error.problem) || error.problem.kind === "permission") delete parts.knowledge.probed;
      const pauseMs = deadlockPausesMs[victims];
      if (error.problem.reason !== "Deadlock" || pauseMs === undefined) throw error;
      await parts.clock.sleep(pauseMs, signal);
    }
  }
}
