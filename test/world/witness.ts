// Looks at rows and pods by turns for as long as a story lasts, and remembers what must never be: whatever moment it looks at. It judges by
// what was so both before and after a look, so a race between two looks is never taken for a fault.

import { setTimeout as pause } from "node:timers/promises";
import type { PodSummary } from "./farmWorld.ts";
import { isRowOf as isMarkedFor } from "./wholeRow.ts";
import type { WholeRow } from "./wholeRow.ts";

export interface Witness {
  /** Ends the looking; resolves to what was seen that must not be, each once. */
  readonly stop: () => Promise<readonly string[]>;
}

interface WitnessOptions {
  readonly rows: () => Promise<readonly WholeRow[]>;
  readonly pods: () => Promise<readonly PodSummary[]>;
  /** Default: by the row's mark. */
  readonly isRowOf?: (pod: PodSummary, row: WholeRow) => boolean;
}

const everyMs = 100;

export function startWitness({ rows, pods, isRowOf = isMarkedFor }: WitnessOptions): Witness {
  const seen = new Set<string>();
  const hadRow = new Set<string>(); // UIDs of pods
  let looks = 0;
  let isStopped = false;

  async function look(before: readonly PodSummary[]): Promise<readonly PodSummary[]> {
    const table = await rows();
    const after = await pods();
    const names = table.map(({ ServerName }) => ServerName.toLowerCase());
    for (const name of names) if (names.indexOf(name) !== names.lastIndexOf(name)) seen.add(`two rows named ${name}`);
    for (const pod of after) {
      const has = table.some((row) => isRowOf(pod, row));
      const wasReady = before.some(({ uid, ready, gate }) => uid === pod.uid && ready && gate === "Registered");
      const hasEnded = pod.phase === "Succeeded" || pod.phase === "Failed";
      if (!has && !hasEnded && hadRow.has(pod.uid)) seen.add(`pod ${pod.name} (${pod.uid}) live after its row had gone`);
      if (!has && !hasEnded && wasReady) seen.add(`pod ${pod.name} (${pod.uid}) Ready as Registered without its row`);
      if (has) hadRow.add(pod.uid);
    }
    looks += 1;
    return after;
  }

  async function watch(): Promise<void> {
    let last: readonly PodSummary[] = [];
    while (!isStopped) {
      last = await look(last);
      await pause(everyMs);
    }
  }

  const watching = watch();
  watching.catch(() => undefined); // told by stop
  return {
    stop: async () => {
      isStopped = true;
      await watching;
      return looks === 0 ? ["nothing at all"] : [...seen];
    },
  };
}
