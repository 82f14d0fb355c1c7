// Single pods that come and go in a quiet farm of 200, each beside the bare process of floor.ts doing the same in its own namespace, turn by
// turn, so that both meet the same noise. All moments are this process's: it watches both and has the database's endpoint in it.

import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { setTimeout as pause } from "node:timers/promises";
import { until } from "../world/until.ts";
import { countRows, databaseName, isFrom, isRegister, isRemove, nextRun } from "./benchWorld.ts";
import type { BenchDatabase, BenchWorld, SentBy } from "./benchWorld.ts";
import { percentile, print, say } from "./figure.ts";
import { createMoments } from "./moments.ts";
import type { Moments } from "./moments.ts";
import { bindPod, createPod, deletePod, endPod, hasEnded, isGateOpen, many, runPod } from "./pods.ts";

export const quietPods = 200;
const namespaces: Readonly<Record<SentBy, string>> = { operator: "quiet", floor: "floor" };

export interface QuietFarm {
  readonly world: BenchWorld;
  readonly database: BenchDatabase;
}

/** A farm of 200 running pods with rows and open gates, and an operator that serves it. */
export async function createQuietFarm(world: BenchWorld): Promise<QuietFarm> {
  const namespace = namespaces.operator;
  const database = await world.openDatabase();
  for (const name of Object.values(namespaces)) await world.createNamespace(name);
  await many(quietPods, async (number) => {
    const name = `steady-${number}`;
    await createPod(world.api, { namespace, name, binding: "bound", gate: "with" });
  });
  await world.createFarm({ namespace, database, replicas: quietPods });
  await world.startOperator(namespace);
  await until("the quiet farm is registered", async () => (await countRows(database)) === quietPods);
  await many(quietPods, (number) => runPod(world.api, namespace, `steady-${number}`));
  return { world, database };
}

/** `…FromRequest`: from when the request that binds or ends the pod was sent, so with the API server's own work. */
interface Samples {
  readonly register: number[];
  readonly registerFromRequest: number[];
  readonly gate: number[];
  readonly remove: number[];
  readonly removeFromRequest: number[];
}

const noSamples = (): Samples => ({ register: [], registerFromRequest: [], gate: [], remove: [], removeFromRequest: [] });

export async function measureLatency({ world, database }: QuietFarm, count: number): Promise<void> {
  const moments = createMoments();
  const floor = await startFloor(world, database);
  try {
    for (const namespace of Object.values(namespaces)) await watchPods(world, namespace, moments);
    const samples: Readonly<Record<SentBy, Samples>> = {
      operator: noSamples(),
      floor: noSamples(),
    };
    const warmUp = Math.min(50, count);
    for (let number = -warmUp; number < count; number += 1) {
      if (number === 0) for (const kind of Object.values(samples).flatMap((of) => Object.values(of) as number[][])) kind.length = 0;
      if (number % 100 === 0) say(`${number} of ${count} pods came and went`);
      await onePod({ world, database, moments }, number + warmUp, samples);
    }
    printLatency(samples);
  } finally {
    floor.kill("SIGKILL");
  }
}

function printLatency({ operator, floor }: Readonly<Record<SentBy, Samples>>): void {
  for (const percent of [50, 99]) {
    const of = (kind: Exclude<keyof Samples, "gate">, name: string): void =>
      print(databaseName, {
        name: `${name}, quiet farm of ${quietPods}, p${percent}`,
        value: percentile(operator[kind], percent),
        unit: "ms",
        floor: percentile(floor[kind], percent),
        samples: operator[kind].length,
      });
    of("register", "pod bound to a node → row committed");
    of("registerFromRequest", "request to bind sent → row committed");
    of("remove", "pod ended → row removed, witnessed");
    of("removeFromRequest", "request with the pod's end sent → row removed, witnessed");
    print(databaseName, {
      ...{ name: `row committed → gate open, p${percent}`, unit: "ms", floor: null },
      ...{ value: percentile(operator.gate, percent), samples: operator.gate.length },
    });
  }
}

interface Measured {
  readonly world: BenchWorld;
  readonly database: BenchDatabase;
  readonly moments: Moments;
}

/** One pod of the operator's and one of the floor's: created, bound, ended, deleted, one after the other. */
async function onePod({ world, database, moments }: Measured, number: number, samples: Readonly<Record<SentBy, Samples>>): Promise<void> {
  const { api } = world;
  const name = `pod-${number}`;
  const sides = ["operator", "floor"] as const;
  const uids = { operator: "", floor: "" };
  for (const who of sides) {
    const { metadata } = await createPod(api, { namespace: namespaces[who], name, binding: "unbound", gate: "with" });
    uids[who] = metadata.uid;
  }
  await quiet();
  for (const who of sides) {
    const sentAt = performance.now();
    const committed = nextRun(database, (statement) => isFrom(who, statement) && isRegister(statement));
    const [boundAt, committedAt] = await Promise.all([
      moments.when(`bound ${uids[who]}`),
      committed,
      bindPod(api, namespaces[who], name).then(() => moments.note(`bound ${uids[who]}`)),
    ]);
    samples[who].register.push(committedAt - boundAt);
    samples[who].registerFromRequest.push(committedAt - sentAt);
    if (who === "operator") samples.operator.gate.push((await moments.when(`open ${uids.operator}`)) - committedAt);
    await quiet();
  }
  for (const who of sides) {
    const sentAt = performance.now();
    const removed = nextRun(database, (statement) => isFrom(who, statement) && isRemove(statement));
    const [endedAt, removedAt] = await Promise.all([
      moments.when(`ended ${uids[who]}`),
      removed,
      endPod(api, namespaces[who], name).then(() => moments.note(`ended ${uids[who]}`)),
    ]);
    samples[who].remove.push(removedAt - endedAt);
    samples[who].removeFromRequest.push(removedAt - sentAt);
    await quiet();
  }
  await Promise.all(sides.map((who) => deletePod(api, namespaces[who], name)));
  for (const uid of Object.values(uids)) for (const what of ["bound", "open", "ended"]) moments.forget(`${what} ${uid}`);
}

/** A quiet farm has no changes in a row: what follows a write (gate, events, status) is over, and the next one is not in step with it. */
const quiet = async (): Promise<void> => await pause(20 + Math.random() * 20);

/** What is noted first counts: the answer to the write, or the event that it made. */
export async function watchPods({ api }: BenchWorld, namespace: string, moments: Moments): Promise<void> {
  await api.watch(`/api/v1/namespaces/${namespace}/pods?watch=true`, ({ type, object }) => {
    const { uid } = object.metadata;
    if (type === "DELETED") return;
    if (object.spec.nodeName !== undefined) moments.note(`bound ${uid}`);
    if (isGateOpen(object)) moments.note(`open ${uid}`);
    if (hasEnded(object)) moments.note(`ended ${uid}`);
  });
}

async function startFloor({ target }: BenchWorld, database: BenchDatabase): Promise<ChildProcess> {
  const options = { api: target, namespace: namespaces.floor, database: database.config(await database.createLogin()) };
  const child = spawn(process.execPath, ["test/bench/floor.ts"], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { PATH: process.env["PATH"] ?? "", BENCH_FLOOR: JSON.stringify(options) },
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout.once("data", () => resolve());
    child.once("exit", (code) => reject(new Error(`The floor's process ended with ${code}`)));
  });
  return child;
}
