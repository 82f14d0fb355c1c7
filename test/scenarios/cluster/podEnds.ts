// Kubelets that end pods by the story's time: kwok would wait for ever, and is told to end a pod when the story says that its time to stop is
// over. So a pod that ends may be looked at for as long as a busy machine takes. It ends nothing whose kubelet or process hears nothing.

import type { BookedPod, PodBook, StoredPod } from "./podBook.ts";
import type { StoryTime } from "./storyTime.ts";

export interface PodEndsOptions {
  readonly book: Pick<PodBook, "stored">;
  readonly time: StoryTime;
  /** Gives a pod annotations without their prefix, where it is still there. */
  readonly tell: (pod: BookedPod, annotations: Readonly<Record<string, string>>) => Promise<void>;
}

/** From deleted to ended, unless the pod says otherwise: long enough to be looked at in between. */
const usualStopMs = 4_000;

/** For the annotation stop-ms of all pods: nobody ends by himself. */
export const neverMs = "31536000000";

export class PodEnds {
  readonly #options: PodEndsOptions;
  readonly #stopMs = new Map<string, number>(); // by UID
  readonly #beganAtMs = new Map<string, number>(); // of those that end
  readonly #told = new Set<string>();

  constructor(options: PodEndsOptions) {
    this.#options = options;
  }

  /** From now on the pod takes so long from deleted to ended. */
  takes({ uid }: BookedPod, stopMs: number): void {
    this.#stopMs.set(uid, stopMs);
  }

  /** Ends the pods whose time is over; resolves to one sentence for each that is still to be seen to end. */
  async endDue(): Promise<readonly string[]> {
    const { book, time } = this.#options;
    const due: BookedPod[] = [];
    for (const pod of book.stored()) {
      if (!ends(pod)) {
        this.#beganAtMs.delete(pod.uid);
        continue;
      }
      const beganAtMs = this.#beganAtMs.get(pod.uid) ?? time.deedAtMs;
      this.#beganAtMs.set(pod.uid, beganAtMs);
      if (beganAtMs + (this.#stopMs.get(pod.uid) ?? usualStopMs) <= time.nowMs) due.push(pod);
    }
    for (const pod of due) {
      if (this.#told.has(pod.uid)) continue;
      this.#told.add(pod.uid);
      await this.#options.tell(pod, { "stop-ms": "0" });
    }
    return due.map(({ name }) => `pod ${name} is about to end`);
  }
}

/** Deleted, and its kubelet at work on it. */
const ends = ({ object }: BookedPod): boolean =>
  object.metadata.deletionTimestamp !== undefined &&
  !isDeaf(object) &&
  object.status.phase !== "Succeeded" &&
  object.status.phase !== "Failed";

/** However long one waits, it does not end when it is deleted. */
export const isDeaf = ({ metadata }: StoredPod): boolean => /^(hang|node-lost)$/.test(metadata.annotations?.["kubelet.test/behave"] ?? "");
