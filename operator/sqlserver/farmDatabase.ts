// The rows of one farm's database, as a pass needs them: read, register, mark, remove, each one request and its read-back. It decides
// nothing about which rows; what it sends repeats what was read.
import type { Clock } from "../controller/clock.ts";
import type { DatabaseProblem, ServerRow, TableRead } from "../farm/model.ts";
import { largestSwept, pings, removalCounts, serverRow, settings, tableRead } from "./answers.ts";
import { companiesOf, type Drain, drainAfter } from "./drains.ts";
import type { RecordSet, SentParameter } from "./driver.ts";
import { DatabaseError, isPoolBroken, isShapeDoubtful } from "./errors.ts";
import { type Place, type Probed, readProbe, type SqlFacts } from "./facts.ts";
import { isOf, type MissingGrant } from "./grants.ts";
import { grantsToRun } from "./permissions.ts";
import type { TargetPool } from "./pool.ts";
import {
  marking,
  type NewMark,
  type NewServer,
  type Registering,
  registering,
  type Removal,
  removing,
  type Swept,
  sweeping,
  text,
} from "./requests.ts";
import { conflict, limits, probe, read, sizes, type Statement, sweep } from "./statements.ts";
import { padded, type Refused, type Write, writeRows } from "./writes.ts";

/** `read`: the table after the last request, the only truth about what was written. `refused`: rows that the server would not take. */
export interface WriteResult {
  readonly read: TableRead;
  readonly refused: readonly Refused[];
}

export interface RemoveResult extends WriteResult {
  /** Bindings that were deleted. */
  readonly bindings: number;
  /** A row to remove is still there as it was read, and not for the server's refusal: its bindings were more than went at once. */
  readonly bindingsRemain: boolean;
}

/** Each method throws DatabaseError, or the signal's reason when it was aborted before anything was sent. */
export interface FarmDatabase {
  readonly endpoint: string;
  readonly databaseName: string;
  facts(signal: AbortSignal): Promise<SqlFacts>;
  read(signal: AbortSignal): Promise<TableRead>;
  /** Inserts those whose name the database does not have. */
  register(servers: readonly NewServer[], signal: AbortSignal, how?: Registering): Promise<WriteResult>;
  /** Changes those that are as they were read. */
  mark(rows: readonly NewMark[], signal: AbortSignal): Promise<WriteResult>;
  /**
   * Removes those that are as they were read and have no bindings left; deletes up to 2,000 bindings a request before. Where that is not
   * enough, the next call goes on.
   */
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
  /** Of removals that take more than one request, by ServerID. */
  readonly drains: Map<number, Drain>;
}

interface Parts {
  readonly pool: TargetPool;
  readonly place: Place;
  /** What the connection string asked for in vain. */
  readonly notes: readonly string[];
  readonly knowledge: Knowledge;
  readonly clock: Clock;
}

// So long is a probe believed. A grant that a person adds is noticed soon; what no error tells of, such as a foreign key that is disabled,
// within the hour.
const believedMs = { incomplete: 60_000, complete: 3_600_000 } as const;
const deadlockPausesMs = [50, 200, 500] as const;

export function farmDatabase(parts: Parts): FarmDatabase {
  const { pool, place, notes } = parts;
  const known = (signal: AbortSignal): Promise<Probed> => probedOf(parts, signal);
  return {
    endpoint: place.endpoint,
    databaseName: pool.target.database,
    facts: async (signal) => {
      const { facts } = await known(signal);
      return { ...facts, notes: [...notes, ...facts.notes] };
    },
    read: async (signal) => readAll(parts, await known(signal), signal),
    register: async (servers, signal, how = {}) => {
      const probed = await known(signal);
      const { once, twice } = byDistinctName(servers);
      const { result } = await written(
        parts,
        probed,
        registering(probed.shape, how),
        once,
        [{ table: "servers", grant: "INSERT" }],
        signal,
      );
      return { ...result, refused: [...result.refused, ...twice] };
    },
    mark: async (rows, signal) => {
      const probed = await known(signal);
      return (await written(parts, probed, marking(probed.shape), rows, [{ table: "servers", grant: "UPDATE" }], signal)).result;
    },
    remove: (rows, signal) => removeRows(parts, rows, signal),
    conflict: async (name, signal) => {
      const probed = await known(signal);
      const [found] = (await ask(parts, conflict(probed.shape), [text("n0", "name", name)], signal))[0] ?? [];
      return found === undefined ? undefined : serverRow(found);
    },
    sweep: (removed, signal) => sweepAll(parts, removed, signal),
  };
}

async function written<Row extends { readonly name: string }>(
  parts: Parts,
  { shape, missing }: Probed,
  write: Write<Row>,
  rows: readonly Row[],
  needs: Needs,
  signal: AbortSignal,
): Promise<Written> {
  demand(parts, missing, needs);
  const { answers, refused } = await writeRows(write, shape, rows, (statement, parameters) => ask(parts, statement, parameters, signal));
  const last = answers.at(-1)?.at(-1) ?? (await ask(parts, read(shape), [], signal))[0];
  return { answers, result: { read: sharedRows(parts.knowledge, tableRead(last)), refused } };
}

async function removeRows(parts: Parts, rows: readonly Removal[], signal: AbortSignal): Promise<RemoveResult> {
  const probed = await probedOf(parts, signal);
  if (probed.shape.monitoring === undefined && rows.some(({ newestPing }) => newestPing !== undefined))
    throw missingGrants(parts, [{ table: "monitoring", grant: "SELECT" }]);
  const { drains } = parts.knowledge;
  const refused: Refused[] = [];
  let bindings = 0;
  let result: WriteResult | undefined;
  for (const company of companiesOf(rows, drains)) {
    const write = removing(probed.shape, company);
    const done = await written(parts, probed, write, company.rows, removalNeeds, signal);
    result = done.result;
    refused.push(...result.refused);
    const counts = done.answers.map(removalCounts);
    bindings += counts.reduce((sum, count) => sum + count.bindings, 0);
    const last = counts.at(-1) ?? { bindings: 0, reached: null };
    for (const row of company.rows) if (isLeft(row, result)) drains.set(row.serverID, drainAfter(company, last));
    // One long drain at a time: the next call goes on with it.
    if (company.sizes.length === 1 && last.bindings >= limits.bindings) break;
  }
  const { read } = result ?? (await written(parts, probed, removing(probed.shape, nobody), [], removalNeeds, signal)).result;
  return { read, refused, bindings, bindingsRemain: rows.some((row) => isLeft(row, { read, refused })) };
}

async function sweepAll(parts: Parts, removed: readonly Swept[], signal: AbortSignal): Promise<void> {
  const { shape, missing } = await probedOf(parts, signal);
  if (missing.length > 0) return;
  const [size] = sizes.sweep;
  for (let at = 0; at < removed.length; at += size) {
    const parameters = padded(sweeping, removed.slice(at, at + size));
    for (let requests = 1; requests <= mostSweeps; requests += 1) {
      const sets = await ask(parts, sweep(shape, size), parameters, signal);
      if (largestSwept(sets) < limits.leftovers) break;
    }
  }
}

type Needs = readonly MissingGrant[];

interface Written {
  readonly answers: readonly (readonly RecordSet[])[];
  readonly result: WriteResult;
}

const nobody = { sizes: sizes.remove, after: 0 };

const removalNeeds: Needs = [
  { table: "servers", grant: "DELETE" },
  { table: "bindings", grant: "SELECT" },
  { table: "bindings", grant: "DELETE" },
];

/** 500 rows each: what a server leaves around is some hundred; a table that grows as fast is left to the next pass. */
const mostSweeps = 20;

/** Still there as it was read, and the server did not refuse to delete it. */
function isLeft(row: Removal, { read, refused }: WriteResult): boolean {
  return (
    read.rows.some(
      ({ serverID, name, guid }) => serverID === row.serverID && name === row.name && guid === (row.guid?.toLowerCase() ?? null),
    ) && !refused.some(({ name }) => name === row.name)
  );
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
  for (const serverID of knowledge.drains.keys()) if (!knowledge.rows.has(serverID)) knowledge.drains.delete(serverID);
  return { ...read, rows };
}

async function readAll(parts: Parts, { shape }: Probed, signal: AbortSignal): Promise<TableRead> {
  const [rows, ...others] = await ask(parts, read(shape), [], signal);
  return {
    ...sharedRows(parts.knowledge, tableRead(rows)),
    ...(shape.monitoring !== undefined && { pings: pings(others.shift()) }),
    settings: shape.settings === undefined ? { kind: "unreadable", values: {} } : settings(others.shift()),
  };
}

/** What the tables are; asked once for all passes that want to know. */
async function probedOf(parts: Parts, signal: AbortSignal): Promise<Probed> {
  const { knowledge, pool, clock } = parts;
  const { probed } = knowledge;
  if (probed?.generation === pool.generation) {
    const isComplete = probed.result.facts.notes.length === 0;
    if (clock.monotonic() - probed.atMs < believedMs[isComplete ? "complete" : "incomplete"]) return probed.result;
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

/** Throws before anything is sent when a grant is missing. */
function demand(parts: Parts, missing: readonly MissingGrant[], needs: Needs): void {
  const lacks = missing.filter((one) => needs.some((need) => isOf(one, need)));
  if (lacks.length > 0) throw missingGrants(parts, lacks);
}

/** The next pass looks again. */
function missingGrants({ knowledge, place }: Parts, lacks: readonly MissingGrant[]): DatabaseError {
  delete knowledge.probed;
  const message = `A permission is missing. Run in database ${place.database}: ${grantsToRun(place.schema, lacks)} to the operator's user. (${place.endpoint})`;
  return new DatabaseError({ kind: "permission", reason: "GrantMissing", message, stalled: true }, "notApplied");
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
