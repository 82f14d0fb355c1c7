// What the checker remembers of live reads: what each process was shown by the API server of pods, and when. A statement is judged by what
// its sender had last seen when it was sent. Shares no code with operator/.

import type { PodObject, WallMs } from "./objects.ts";
import { saysEnded } from "./truth.ts";

export interface Look {
  readonly atMs: WallMs;
  readonly process: string;
  readonly namespace: string;
  /** Of one pod; absent: of all of the namespace. */
  readonly name?: string;
  readonly pods: readonly PodObject[];
}

export class Looks {
  readonly #byProcess = new Map<string, Look[]>();

  note(look: Look): void {
    const known = this.#byProcess.get(look.process);
    if (known === undefined) this.#byProcess.set(look.process, [look]);
    else known.push(look);
  }

  /** The last that shows whether there is a pod of that name. */
  last(process: string, byMs: WallMs, pod: { readonly namespace: string; readonly name: string }): Look | undefined {
    return this.#byProcess
      .get(process)
      ?.findLast(({ atMs, namespace, name }) => atMs <= byMs && namespace === pod.namespace && (name === undefined || name === pod.name));
  }
}

/** The pod was there, bound and not terminating. */
export function showsBound(look: Look | undefined, uid: string | undefined): boolean {
  const pod = look?.pods.find((one) => one.uid === uid);
  return pod?.node !== undefined && pod.deletionAtMs === undefined && pod.phase !== "Failed" && pod.phase !== "Succeeded";
}

/** No pod of that name was there that had not ended. */
export const showsNone = (look: Look | undefined, name: string): boolean =>
  look !== undefined && !look.pods.some((pod) => pod.name === name && !saysEnded(pod));
