// A dead server with a million bindings in a busy farm: how long its removal takes, and what it costs those who insert meanwhile: the pods of
// the same farm, those of another farm in the same database, and the product itself, whose content changes bind a task to every row.

import { setTimeout as pause } from "node:timers/promises";
import type { ArrivedStatement } from "../database/faults.ts";
import type { OperatorProcess } from "../world/operatorProcess.ts";
import { until } from "../world/until.ts";
import { countRows, databaseName, isFrom, isRegister, isRemove, nextRun } from "./benchWorld.ts";
import type { BenchDatabase, BenchWorld } from "./benchWorld.ts";
import { percentile, print, say } from "./figure.ts";
import { watchPods } from "./latency.ts";
import { createMoments } from "./moments.ts";
import type { Moments } from "./moments.ts";
import { bindPod, createPod, deletePod, endPod, many, runPod } from "./pods.ts";

const bindings = Number(process.env["BENCH_BINDINGS"] ?? 1_000_000);
const livingEach = 20;
const dead = "dead";
/** One request of the operator deletes so many. */
const bindingsARequest = 2_000;
const paceMs = 150;
const warmUp = 30;
const longestDrainMs = 1_800_000;

const namespaces = ["drained", "beside"] as const;
type Namespace = (typeof namespaces)[number];

/** Milliseconds, of each who inserts. */
type Latencies = Readonly<Record<Namespace | "product", number[]>>;

interface BusyFarms {
  readonly world: BenchWorld;
  readonly database: BenchDatabase;
  readonly moments: Moments;
  /** Of the pod that is to die. */
  readonly deadUid: string;
  readonly operator: OperatorProcess;
}

export async function measureDrain(world: BenchWorld, samples: number): Promise<void> {
  const busy = await createBusyFarms(world);
  const { database, moments } = busy;
  await bindTasks(database);
  await measureInserts(busy, "first", (count) => count >= warmUp);
  say(`${samples} pods of each farm without a drain`);
  const without = await measureInserts(busy, "quiet", (count) => count >= samples);

  const requests: ArrivedStatement[] = [];
  const stop = database.faults.onRun((statement) => {
    if (isFrom("operator", statement) && isRemove(statement) && names(statement, dead)) requests.push(statement);
  });
  say(`the server with ${bindings} bindings dies`);
  let isGone = false;
  const inserts = measureInserts(busy, "drain", () => isGone);
  await endPod(world.api, "drained", dead);
  const endedAt = await moments.when(`ended ${busy.deadUid}`);
  await Promise.race([
    until("the dead server's row is gone", async () => (await deadServer(database)) === undefined, {
      timeoutMs: longestDrainMs,
      everyMs: 250,
    }),
    inserts,
  ]);
  const seconds = (performance.now() - endedAt) / 1000;
  isGone = true;
  stop();
  printDrain({ seconds, requests: requests.length }, without, await inserts);
}

function printDrain(drain: { readonly seconds: number; readonly requests: number }, without: Latencies, during: Latencies): void {
  const what = `dead server with ${bindings} bindings`;
  print(databaseName, { name: `${what}: pod ended → row gone`, value: drain.seconds, unit: "s", floor: null, samples: 1 });
  print(databaseName, {
    ...{ name: `${what}: remove requests until its row is gone`, value: drain.requests, unit: "requests", samples: 1 },
    floor: Math.ceil(bindings / bindingsARequest) + 1,
  });
  const who = {
    drained: "pod of the same farm bound → row committed",
    beside: "pod of another farm in the same database bound → row committed",
    product: "the product's insert of a task and its bindings",
  } as const;
  for (const [key, name] of Object.entries(who) as [keyof Latencies, string][]) {
    for (const percent of [50, 99]) {
      print(databaseName, {
        name: `${name}, during the drain (floor: without it), p${percent}`,
        value: percentile(during[key], percent),
        unit: "ms",
        floor: percentile(without[key], percent),
        samples: during[key].length,
      });
    }
  }
}

/** Two farms that share a database and the operator's connections to it, all registered; one has a pod that is to die. */
async function createBusyFarms(world: BenchWorld): Promise<BusyFarms> {
  const database = await world.openDatabase();
  const moments = createMoments();
  for (const namespace of namespaces) {
    await world.createNamespace(namespace);
    await many(livingEach, async (number) => {
      const name = `${namespace}-${number}`;
      await createPod(world.api, { namespace, name, binding: "bound", gate: "without" });
    });
    await world.createFarm({ namespace, database, replicas: livingEach + 1 });
  }
  const { metadata } = await createPod(world.api, { namespace: "drained", name: dead, binding: "bound", gate: "without" });
  for (const namespace of namespaces) await watchPods(world, namespace, moments);
  const operator = await world.startOperator(...namespaces);
  await until("the busy farms are registered", async () => (await countRows(database)) === 2 * livingEach + 1, { timeoutMs: 60_000 });
  for (const namespace of namespaces) await many(livingEach, (number) => runPod(world.api, namespace, `${namespace}-${number}`));
  return { world, database, moments, deadUid: metadata.uid, operator };
}

const digits = (alias: string): string => `(VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) AS ${alias} (n)`;
const tenThousand = `${digits("a")} INNER JOIN ${digits("b")} ON 1 = 1 INNER JOIN ${digits("c")} ON 1 = 1 INNER JOIN ${digits("d")} ON 1 = 1`;
const chunk = 10_000;

/** Binds so many tasks to the server that is to die: in sets of ten thousand, the last one cut. The table of tasks is new: its first is 1. */
async function bindTasks(database: BenchDatabase): Promise<void> {
  const server = await deadServer(database);
  for (let from = 0; from < bindings; from += chunk) {
    if (from % 100_000 === 0) say(`${from} of ${bindings} tasks are bound`);
    const size = Math.min(chunk, bindings - from);
    await database.adminQuery(`INSERT INTO CMS_WebFarmTask (TaskType) SELECT TOP (${size}) N'BENCH' FROM ${tenThousand}`);
    await database.adminQuery(
      `INSERT INTO CMS_WebFarmServerTask (ServerID, TaskID) SELECT @server, @first + t.n FROM (SELECT a.n + 10 * b.n + 100 * c.n + 1000 * d.n AS n FROM ${tenThousand}) AS t WHERE t.n < @size`,
      { server, first: from + 1, size },
    );
  }
}

/** Its ServerID while its row is there. */
async function deadServer(database: BenchDatabase): Promise<number | undefined> {
  const [row] = await database.adminQuery<{ ServerID: number }>("SELECT ServerID FROM CMS_WebFarmServer WHERE ServerName = @dead", {
    dead,
  });
  return row?.ServerID;
}

/** At a steady pace, whatever is still under way: a pod of each farm that comes and goes, and a content change of the product. */
async function measureInserts(busy: BusyFarms, phase: string, isEnough: (pods: number) => boolean): Promise<Latencies> {
  const latencies: Latencies = { drained: [], beside: [], product: [] };
  const open = new Set<Promise<void>>();
  const failures: unknown[] = [];
  const track = (work: Promise<void>): void => {
    const tracked = work.catch((error: unknown) => void failures.push(error)).finally(() => open.delete(tracked));
    open.add(tracked);
  };
  for (let number = 0; !isEnough(number) && failures.length === 0; number += 1) {
    for (const namespace of namespaces) track(onePod(busy, namespace, `${phase}-${namespace}-${number}`, latencies[namespace]));
    track(oneChange(busy.database, latencies.product));
    await pause(paceMs);
  }
  await Promise.all(open);
  if (failures.length > 0) say(`failed: ${String(failures[0])}`); // closing the world may fail too, and would be all that is told
  if (failures.length > 0) throw new Error(`Cannot insert in the phase ${phase}: ${unserved(busy)}`, { cause: failures[0] });
  return latencies;
}

/** What the operator last complained of. */
const unserved = ({ operator }: BusyFarms): string =>
  JSON.stringify(operator.lines.filter(({ level }) => level === "error" || level === "warn").slice(-5));

const names = ({ parameters }: ArrivedStatement, name: string): boolean => parameters.some(({ value }) => value === name);

async function onePod(
  { world: { api }, database, moments }: BusyFarms,
  namespace: Namespace,
  name: string,
  latencies: number[],
): Promise<void> {
  const { metadata } = await createPod(api, { namespace, name, binding: "unbound", gate: "without" });
  const committed = nextRun(database, (statement) => isFrom("operator", statement) && isRegister(statement) && names(statement, name));
  const [boundAt, committedAt] = await Promise.all([
    moments.when(`bound ${metadata.uid}`),
    committed,
    bindPod(api, namespace, name).then(() => moments.note(`bound ${metadata.uid}`)),
  ]);
  latencies.push(committedAt - boundAt);
  await endPod(api, namespace, name);
  await deletePod(api, namespace, name);
  for (const what of ["bound", "ended"]) moments.forget(`${what} ${metadata.uid}`);
}

/** As the product does it: the task, then a binding for every row of the table, the dead one's too. */
async function oneChange(database: BenchDatabase, latencies: number[]): Promise<void> {
  const sentAt = performance.now();
  await database.adminQuery(
    "SET XACT_ABORT ON; BEGIN TRANSACTION; INSERT INTO CMS_WebFarmTask (TaskType) VALUES (N'CHANGE'); DECLARE @task INT; SET @task = SCOPE_IDENTITY(); INSERT INTO CMS_WebFarmServerTask (ServerID, TaskID) SELECT s.ServerID, @task FROM CMS_WebFarmServer AS s; COMMIT TRANSACTION;",
  );
  latencies.push(performance.now() - sentAt);
}
