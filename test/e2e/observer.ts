// Watches pods and rows by itself, beside the operator and without a line of its code: every pod by a watch of its own, every change of
// CMS_WebFarmServer at its commit. Before a statement that deletes runs, it asks the API server for each pod that the statement's marks name
// and that it does not know to have ended; so no row goes whose pod was not looked at before. It changes nothing.

import { apiRequest } from "../cluster/apiRequest.ts";
import type { ApiAccess } from "../cluster/apiRequest.ts";
import type { CommitListener } from "../database/engine/commits.ts";
import type { ArrivedStatement, Faults } from "../database/faults.ts";
import { podPart } from "../world/wholeRow.ts";
import type { WholeRow } from "../world/wholeRow.ts";
import { goneBy, hasTerminalPhase, isRegistered, seenAt, sentAway } from "./podLives.ts";
import type { PodLife, PodObject } from "./podLives.ts";
import { watchPods } from "./podWatch.ts";
import { judgeRemoval } from "./verdict.ts";

export interface Observed {
  readonly podsMade: number;
  /** Of them, those that have ended or gone. */
  readonly podsEnded: number;
  readonly rowsInserted: number;
  /** Rows that got the mark of another pod of their name. */
  readonly rowsHandedOver: number;
  readonly rowsRemoved: number;
  /** Pods that a statement named, of whose end the watch did not know: the API server was asked before the statement ran. */
  readonly looks: number;
  /** One sentence for each row that might not go. */
  readonly wrongRemovals: readonly string[];
  /** One for each process that may have lived longer than the wait of promise 3. */
  readonly outlived: readonly string[];
  /** One for each other thing that must never be: a planted row touched, a row renamed, a gate open without a row. */
  readonly other: readonly string[];
}

export interface Observer {
  /** The pods that there are now. */
  readonly pods: () => readonly PodObject[];
  readonly observed: () => Observed;
  /** Told before somebody asks for the pod's deletion by force. */
  readonly sendingAway: (pod: PodObject) => void;
  readonly close: () => void;
}

export interface ObserverOptions {
  readonly access: ApiAccess;
  readonly namespace: string;
  readonly faults: Faults;
  /** ServerIDs of rows that nobody may touch. */
  readonly planted: ReadonlySet<number>;
  /** Has a listener called for every commit; the function that it returns ends that. */
  readonly onCommit: (listener: CommitListener) => () => void;
}

const table = "CMS_WebFarmServer";
const markPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/i;

/** Resolves when it watches, so before the first pod is made. */
export async function startObserver({ access, namespace, faults, planted, onCommit }: ObserverOptions): Promise<Observer> {
  const pods = new Map<string, PodObject>(); // by UID: those that are there
  const lives = new Map<string, PodLife>(); // by the mark's part: all that ever were
  const hadRow = new Set<string>(); // marks' parts
  const lookedAt = new Set<string>(); // of those too: named by a statement that deletes, before it ran
  const counts = { rowsInserted: 0, rowsHandedOver: 0, rowsRemoved: 0, looks: 0 };
  const wrongRemovals: string[] = [];
  const outlived: string[] = [];
  const other: string[] = [];

  function see(pod: PodObject): void {
    const part = podPart(pod.metadata.uid);
    lives.set(part, seenAt(lives.get(part), pod, performance.now()));
    if (isRegistered(pod) && !hadRow.has(part)) {
      hadRow.add(part); // told once
      other.push(`The gate of pod ${pod.metadata.name} is open, and no row of it was ever committed`);
    }
  }

  function forget({ metadata }: PodObject): void {
    pods.delete(metadata.uid);
    const part = podPart(metadata.uid);
    const life = lives.get(part);
    if (life !== undefined) lives.set(part, goneBy(life, performance.now()));
  }

  async function lookAt(part: string): Promise<void> {
    lookedAt.add(part);
    const life = lives.get(part);
    if (life === undefined || life.endedAtMs !== undefined || life.goneAtMs !== undefined) return;
    counts.looks += 1;
    const answer = await apiRequest(access, { method: "GET", path: `/api/v1/namespaces/${namespace}/pods/${life.name}` });
    const pod = answer.status === 200 ? (JSON.parse(answer.text) as PodObject) : undefined;
    if (pod === undefined && answer.status !== 404) throw new Error(`Cannot look at pod ${life.name}: ${answer.status} ${answer.text}`);
    const known = lives.get(part) ?? life; // the watch may have been quicker
    if (pod?.metadata.uid !== life.uid) lives.set(part, goneBy(known, performance.now()));
    else if (hasTerminalPhase(pod)) lives.set(part, seenAt(known, pod, performance.now()));
  }

  async function lookBefore({ text, parameters }: ArrivedStatement): Promise<void> {
    if (!text.includes("DELETE")) return;
    const marks = parameters.flatMap(({ value }) => (typeof value === "string" && markPattern.test(value) ? [partOf(value)] : []));
    await Promise.all(marks.map(lookAt));
  }

  function judge(row: WholeRow): void {
    counts.rowsRemoved += 1;
    const part = partOf(row.ServerGUID);
    if (!lookedAt.has(part)) wrongRemovals.push(`${described(row)} was removed by a statement that did not name its mark`);
    const verdict = judgeRemoval(lives.get(part), performance.now());
    if (verdict.kind === "right") return;
    (verdict.kind === "wrong" ? wrongRemovals : outlived).push(`${described(row)} was removed: ${verdict.why}`);
  }

  const committed: CommitListener = (change) => {
    if (change.table !== table) return;
    const put = byID(change.put as readonly WholeRow[]);
    const taken = byID(change.taken as readonly WholeRow[]);
    for (const [id, row] of [...put, ...taken]) if (planted.has(id)) other.push(`${described(row)}, which is not the farm's, was touched`);
    for (const [id, row] of put) {
      const before = taken.get(id);
      hadRow.add(partOf(row.ServerGUID));
      if (before === undefined) counts.rowsInserted += 1;
      else if (before.ServerName !== row.ServerName) other.push(`${described(before)} was renamed to ${row.ServerName}`);
      else if (before.ServerGUID !== row.ServerGUID) counts.rowsHandedOver += 1;
    }
    for (const [id, row] of taken) if (!put.has(id)) judge(row);
  };

  const endCommits = onCommit(committed);
  const endLooks = faults.beforeRun(lookBefore);
  const endWatch = await watchPods(access, namespace, {
    there: (pod) => {
      see(pod);
      pods.set(pod.metadata.uid, pod);
    },
    gone: (pod) => {
      see(pod);
      forget(pod);
    },
    failed: (error) => other.push(`The observer saw no pod any more: ${String(error)}`),
  });
  return {
    pods: () => [...pods.values()],
    sendingAway: ({ metadata }) => {
      const life = lives.get(podPart(metadata.uid));
      if (life !== undefined) lives.set(podPart(metadata.uid), sentAway(life, performance.now()));
    },
    observed: () => ({
      ...counts,
      podsMade: lives.size,
      podsEnded: [...lives.values()].filter(({ endedAtMs, goneAtMs }) => endedAtMs !== undefined || goneAtMs !== undefined).length,
      wrongRemovals: [...wrongRemovals],
      outlived: [...outlived],
      other: [...other],
    }),
    close: () => {
      endCommits();
      endLooks();
      endWatch();
    },
  };
}

const byID = (rows: readonly WholeRow[]): ReadonlyMap<number, WholeRow> => new Map(rows.map((row) => [row.ServerID, row]));

/** The nine digits that say for which pod a mark was made. */
const partOf = (guid: string | null): string => (guid ?? "").slice(-9).toLowerCase();

const described = ({ ServerID, ServerName, ServerGUID }: WholeRow): string => `Row ${ServerID} ${ServerName} (${ServerGUID})`;
