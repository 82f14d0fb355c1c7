// Asks the API server itself, not a cache, about the pods whose rows are to be removed, handed over or waited for. An error is never
// "not found".

import { isPodMissing, namesArePodNames, needsProof } from "../farm/confirm.ts";
import type { LiveRead } from "../farm/confirm.ts";
import { returnsOf, rowKey } from "../farm/memory.ts";
import { readMark } from "../farm/mark.ts";
import type { DatabaseProblem, Milliseconds, Pod, PodView, ServerRow } from "../farm/model.ts";
import type { Remark } from "../farm/plan.ts";
import type { Actions } from "../farm/policy.ts";
import { comparable } from "../farm/serverName.ts";
import { unanswered } from "./unanswered.ts";
import { watchOf } from "./waits.ts";
import type { Pass } from "./writing.ts";

/** More single reads than this are one consistent LIST. */
const mostSingleReads = 20;
export interface LiveNeeds {
  /** Of the rows that may go or begin to wait, and of the pods that are to get a row. */
  readonly names: ReadonlySet<string>;
  /** `all`: only a list of the namespace answers. */
  readonly how: "named" | "all";
}

export function liveNeeds(pass: Pass, { marks, removals }: Actions): LiveNeeds {
  const { members, pods } = pass.observation;
  const unproven = removals.filter(needsProof);
  const names = new Set([
    ...unproven.map(({ row }) => comparable(row.name)),
    ...pass.plan.unconfirmed.map(({ name }) => comparable(name)),
    ...marks.filter(isNewMark).map(({ claim }) => claim.pod.name),
  ]);
  // A row of a pod that was never seen, or of a member that is no more, may have another name than its pod.
  const isPodsName = (row: ServerRow, pod: Pod | undefined): boolean => pod?.name === comparable(row.name);
  const isNamed =
    names.size <= mostSingleReads &&
    namesArePodNames(members) &&
    unproven.every(({ row, pod }) => isPodsName(row, pod)) &&
    pass.plan.unconfirmed.every((row) => isPodsName(row, podOf(row, pods)));
  return { names, how: isNamed ? "named" : "all" };
}

function podOf(row: ServerRow, pods: PodView): Pod | undefined {
  const mark = readMark(row.guid);
  return mark === undefined ? undefined : pods.seen(mark.pod)?.pod;
}

export type Live = (name: string) => LiveRead | undefined;

export interface LiveReads {
  readonly live: Live;
  /** Wall clock: when the reads were sent. What they say may be a little younger, never older. */
  readonly atMs: Milliseconds;
  /** Why there is no answer: then nothing is handed over or removed. An error is never "not found". */
  readonly problem?: DatabaseProblem;
}

export async function readLive(pass: Pass, { names, how }: LiveNeeds): Promise<LiveReads> {
  const { cluster, observation, signal } = pass;
  const { namespace } = observation.farm;
  const atMs = pass.clock.now();
  if (names.size === 0) return { live: () => undefined, atMs };
  try {
    if (how === "all") {
      const listed: LiveRead = { kind: "listed", pods: await cluster.livePods({ namespace, signal }) };
      return { live: () => listed, atMs };
    }
    const read = async (name: string): Promise<[string, LiveRead]> => [
      name,
      { kind: "named", name, pod: await cluster.livePod({ namespace, name, signal }) },
    ];
    const reads = new Map(await Promise.all([...names].map(read)));
    return { live: (name) => reads.get(name), atMs };
  } catch (error) {
    signal.throwIfAborted();
    const what = "The pods cannot be read from the API server, so no row is removed or handed over";
    return { live: () => undefined, atMs, problem: unanswered("LiveReadFailed", what, error) };
  }
}

/** The wait for a missing pod begins when a live read finds it gone, and is forgotten when one finds it. */
export function noteWaits(pass: Pass, live: Live): void {
  const { state, plan, clock, observation } = pass;
  const missingSince = new Map(state.memory.missingSince);
  for (const row of plan.unconfirmed) {
    if (isTrue(live(comparable(row.name)), (read) => isPodMissing(row, read)))
      missingSince.set(rowKey(row), { ...watchOf(state, row, clock.monotonic()), returns: returnsOf(row.guid, observation.pods) });
  }
  for (const { row, evidence } of plan.removals) {
    const read = live(comparable(row.name));
    if (evidence === "missing" && read !== undefined && !isPodMissing(row, read)) missingSince.delete(rowKey(row));
  }
  state.memory = { ...state.memory, missingSince };
}

/** A mark that the row has already says nothing new of the pod. */
export const isNewMark = ({ kind }: Remark): boolean => kind !== "url";

export const isTrue = <T>(value: T | undefined, test: (value: T) => boolean): boolean => value !== undefined && test(value);
