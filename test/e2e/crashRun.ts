// The end-to-end run: pods come and go, operators are killed with SIGKILL at random moments, connections are cut before and after commits,
// and an observer of its own judges every row that goes. In the end the faults stop, one operator lives, and the rows must be those of the
// live pods, the planted ones as they were to the byte. What is done follows from the seed; when it meets the real control plane does not.

import { readFileSync } from "node:fs";
import { openApi } from "../bench/api.ts";
import type { SharedCluster } from "../cluster/shared.ts";
import { connectCluster } from "../cluster/shared.ts";
import type { CommitListener } from "../database/engine/commits.ts";
import { createFarmWorld } from "../world/farmWorld.ts";
import type { FarmWorld } from "../world/farmWorld.ts";
import { startOperatorProcess } from "../world/operatorProcess.ts";
import type { LogLine, OperatorProcess } from "../world/operatorProcess.ts";
import { until } from "../world/until.ts";
import { insertForeign, isRowOf, wholeRows } from "../world/wholeRow.ts";
import type { WholeRow } from "../world/wholeRow.ts";
import { createChance } from "./chance.ts";
import { startChurn } from "./churn.ts";
import { startCuts } from "./cuts.ts";
import type { Cuts } from "./cuts.ts";
import { killAtRandom } from "./killing.ts";
import type { Killed } from "./killing.ts";
import { foreignRows, layOut, objectsOf } from "./layout.ts";
import type { Workload } from "./layout.ts";
import { startObserver } from "./observer.ts";
import type { Observed, Observer } from "./observer.ts";
import { behaviourOf, isReady, isRegistered, isTerminating, needsRow } from "./podLives.ts";

export interface CrashRunOptions {
  readonly kills: number;
  readonly pods: number;
  readonly seed: number;
  /** One in so many writes is cut or runs late. */
  readonly writesPerCut?: number;
  /** Another bundle than dist/operator.mjs. */
  readonly entry?: string;
  /** Hears what the run is doing. */
  readonly say?: (text: string) => void;
}

export interface CrashReport {
  readonly seed: number;
  readonly pods: number;
  readonly kills: Killed["ways"];
  readonly cuts: Cuts;
  readonly deeds: Readonly<Record<string, number>>;
  readonly observed: Observed;
  /** Of the removals, those before the faults were over. */
  readonly removedInStorm: number;
  /** Rows in the end, without the planted ones: as many as there are live pods. */
  readonly rows: number;
  /** Milliseconds from the first pod to the last kill, and from there until the rows were those of the live pods. */
  readonly stormMs: number;
  readonly settleMs: number;
  /** Everything that must not be; empty when all is well. */
  readonly problems: readonly string[];
}

const releaseAccount = { namespace: "webfarm-system", name: "webfarm-operator" };
/** The wait of promise 3 for a pod that no living process saw is 40 s here; the rest is for a busy machine. */
const settleLimitMs = 300_000;

export async function runCrashes(options: CrashRunOptions): Promise<CrashReport> {
  const listeners = new Set<CommitListener>();
  const onCommit = (listener: CommitListener): (() => void) => {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  };
  const cluster = await connectCluster();
  const operators: OperatorProcess[] = [];
  const killAll = (): void => operators.forEach((operator) => operator.signal("SIGKILL"));
  process.once("exit", killAll);
  let world: FarmWorld | undefined;
  try {
    world = await createFarmWorld({
      cluster,
      operator: "absent",
      engine: { onCommit: (change) => listeners.forEach((hear) => hear(change)) },
    });
    return await storm({ world, cluster, operators, onCommit, options });
  } finally {
    for (const operator of operators) await operator.kill();
    process.off("exit", killAll);
    await world?.close();
    await cluster.close();
  }
}

interface Stage {
  readonly world: FarmWorld;
  readonly cluster: SharedCluster;
  /** All that were ever started. */
  readonly operators: OperatorProcess[];
  readonly onCommit: (listener: CommitListener) => () => void;
  readonly options: CrashRunOptions;
}

async function storm({ world, cluster, operators, onCommit, options }: Stage): Promise<CrashReport> {
  const { seed, kills, say = () => undefined, writesPerCut = 5, entry } = options;
  const { namespace, database } = world;
  const { faults } = database;
  if (faults === undefined) throw new Error("Cannot cut connections of a server that others run: unset MSSQL_URL");
  const target = { directory: cluster.directory, url: cluster.url, token: adminToken(cluster) };
  const api = openApi(target);
  const workloads = layOut(options.pods);
  const { metadata } = (await api.json({ method: "GET", path: `/api/v1/namespaces/${namespace}` })) as { metadata: { uid: string } };
  for (const row of foreignRows(workloads, metadata.uid)) await insertForeign(database, row);
  const plantedBefore = await wholeRows(database);
  const planted = new Set(plantedBefore.map(({ ServerID }) => ServerID));
  const observer = await startObserver({ access: target, namespace, faults, planted, onCommit });
  const kubeconfigPath = await cluster.serviceAccountKubeconfig(releaseAccount);
  const start = (): OperatorProcess => {
    const operator = startOperatorProcess({
      kubeconfigPath,
      env: { WEBFARM_NAMESPACES: namespace, WEBFARM_LEADER_ELECTION: "false", WEBFARM_IDENTITY: `storm-${operators.length + 1}` },
      ...(entry !== undefined && { entry }),
    });
    operators.push(operator);
    return operator;
  };

  const startedAtMs = performance.now();
  say(`${options.pods} pods of ${workloads.length} workloads, ${kills} kills, seed ${seed}`);
  await world.apply(...objectsOf(workloads, namespace, database.connectionStringFor(await database.createLogin())));
  const cuts = startCuts(faults, createChance(seed + 1), writesPerCut);
  const churn = startChurn({
    api,
    namespace,
    workloads,
    chance: createChance(seed + 2),
    pods: observer.pods,
    sendingAway: observer.sendingAway,
  });
  const killed = await killAtRandom({ faults, chance: createChance(seed), kills, start, say });
  // However little those did that were killed so soon: the one that lives on sees pods end.
  await until("a row was removed", () => observer.observed().rowsRemoved > 0, { timeoutMs: settleLimitMs });
  const stormMs = performance.now() - startedAtMs;
  const cutsMade = cuts();
  const removedInStorm = observer.observed().rowsRemoved;
  faults.clear();
  say("the faults are over; the rows of unseen pods wait for theirs");
  const deeds = await churn.calm();
  const problems = await settled({ observer, workloads, rows: () => ownRows(world, planted), survivor: killed.survivor });
  const settleMs = performance.now() - startedAtMs - stormMs;
  const { rows, observed } = await seenTogether(observer, () => wholeRows(database));
  if (JSON.stringify(rows.filter(({ ServerID }) => planted.has(ServerID))) !== JSON.stringify(plantedBefore))
    problems.push(`The planted rows are not what they were: ${JSON.stringify({ plantedBefore, rows })}`);
  observer.close();
  await api.close();
  return {
    ...{ seed, pods: options.pods, kills: killed.ways, cuts: cutsMade, deeds, observed, removedInStorm, stormMs, settleMs },
    rows: rows.length - planted.size,
    problems: [...killed.endedByThemselves, ...observed.wrongRemovals, ...observed.other, ...problems],
  };
}

/** Rows and counts of one moment: pods that crash again and again may still be rolled out. */
async function seenTogether(
  { observed }: Observer,
  rows: () => Promise<readonly WholeRow[]>,
): Promise<{ readonly rows: readonly WholeRow[]; readonly observed: Observed }> {
  for (;;) {
    const before = observed();
    const found = await rows();
    const after = observed();
    if (before.rowsInserted === after.rowsInserted && before.rowsRemoved === after.rowsRemoved) return { rows: found, observed: after };
  }
}

const ownRows = async ({ database }: FarmWorld, planted: ReadonlySet<number>): Promise<readonly WholeRow[]> =>
  (await wholeRows(database)).filter(({ ServerID }) => !planted.has(ServerID));

interface Settling {
  readonly observer: Observer;
  readonly workloads: readonly Workload[];
  readonly rows: () => Promise<readonly WholeRow[]>;
  readonly survivor: OperatorProcess;
}

/** Waits until rows and live pods are the same, one to one by the mark, and every pod that can be is Ready; says in vain for what. */
async function settled({ observer, workloads, rows, survivor }: Settling): Promise<string[]> {
  const missing = async (): Promise<readonly string[]> => {
    const pods = observer.pods();
    const live = pods.filter(needsRow);
    const own = await rows();
    return [
      // A rollout of pods that crash does not end, so there may be more.
      ...workloads.flatMap(({ name, replicas }) => {
        const count = live.filter(({ metadata }) => metadata.labels?.["app"] === name).length;
        return count >= replicas ? [] : [`${count} of ${replicas} pods of ${name} live`];
      }),
      ...pods.filter(isTerminating).map(({ metadata }) => `Pod ${metadata.name} is on its way`),
      ...live.filter(({ metadata }) => !own.some((row) => isRowOf(metadata, row))).map(({ metadata }) => `Pod ${metadata.name} has no row`),
      ...own
        .filter((row) => !live.some(({ metadata }) => isRowOf(metadata, row)))
        .map(({ ServerName, ServerGUID }) => `Row ${ServerName} (${ServerGUID}) is no live pod's`),
      ...live
        .filter((pod) => behaviourOf(pod) === undefined && !(isReady(pod) && isRegistered(pod)))
        .map(({ metadata }) => `Pod ${metadata.name} is not Ready`),
    ];
  };
  try {
    await until("rows and live pods are the same", async () => (await missing()).length === 0, { timeoutMs: settleLimitMs, everyMs: 250 });
    return [];
  } catch (error) {
    return [String(error), ...(await missing()), `The operator's last lines: ${survivor.lines.slice(-20).map(told).join("; ")}`];
  }
}

const told = ({ timestamp, message, server, reason }: LogLine): string =>
  [timestamp, message, server, reason].filter((part) => typeof part === "string").join(" ");

function adminToken({ kubeconfigPath }: SharedCluster): string {
  const { users } = JSON.parse(readFileSync(kubeconfigPath, "utf8")) as { users: readonly { user: { token: string } }[] };
  const token = users[0]?.user.token;
  if (token === undefined) throw new Error(`Cannot read a token of ${kubeconfigPath}`);
  return token;
}
