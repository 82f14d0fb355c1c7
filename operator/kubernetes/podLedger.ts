// What this process has seen of the pods of one namespace, also of those that are gone: evidence for removals. It forgets the oldest of
// the gone, and never counts as seen what it was not shown.
import { hasEnded } from "../farm/hasEnded.ts";
import { podHash } from "../farm/mark.ts";
import type { Pod, PodHash, SeenPod } from "../farm/model.ts";
import type { ChangeHow } from "./objectCache.ts";

export const mostGonePods = 20_000;

export class PodLedger {
  readonly #present = new Map<PodHash, SeenPod>();
  /** In the order in which they went. */
  readonly #gone = new Map<PodHash, SeenPod>();
  readonly #mostGone: number;

  constructor(mostGone: number = mostGonePods) {
    this.#mostGone = mostGone;
  }

  seen(hash: PodHash): SeenPod | undefined {
    return this.#present.get(hash) ?? this.#gone.get(hash);
  }

  note(before: Pod | undefined, after: Pod | undefined, how: ChangeHow): void {
    if (after !== undefined) this.#put(after);
    else if (before !== undefined) this.#leave(before, how);
  }

  /**
   * The store went back in time: what ended in the time that was lost may not have ended in this one. What is present is judged anew by
   * the list that follows.
   */
  forgetEnds(): void {
    for (const [hash, seen] of this.#present) this.#present.set(hash, { ...seen, ended: false });
    for (const [hash, seen] of this.#gone)
      this.#gone.set(hash, { ...seen, presence: "listedGone", ended: false, returns: (seen.returns ?? 0) + 1 });
  }

  #put(pod: Pod): void {
    const hash = podHash(pod.uid);
    const before = this.#present.get(hash);
    const isSame = before?.pod.uid === pod.uid;
    // A UID never comes back: the store went back in time, also where a restore raised its versions.
    if (this.#gone.get(hash)?.pod.uid === pod.uid) this.forgetEnds();
    const { returns } = (isSame ? before : this.#gone.get(hash)) ?? {};
    this.#gone.delete(hash);
    const ended = hasEnded(pod) || (isSame && before.ended);
    this.#present.set(hash, { pod, presence: "present", ended, ...(returns !== undefined && { returns }) });
  }

  #leave(pod: Pod, how: ChangeHow): void {
    const hash = podHash(pod.uid);
    const before = this.#present.get(hash);
    // Another pod of the same hash (36 bits) is here: its presence counts more than this one's end.
    if (before === undefined || before.pod.uid !== pod.uid) return;
    this.#present.delete(hash);
    // An unbound pod is deleted in one step: its last state says nothing of the deletion, and no kubelet ever had it. What a list does not
    // have was last seen in a time that may be lost.
    const isSeenEnd = before.ended || (how === "event" && (hasEnded(pod) || pod.node === undefined));
    this.#gone.set(hash, { ...before, pod, presence: how === "event" ? "deleted" : "listedGone", ended: isSeenEnd });
    if (this.#gone.size <= this.#mostGone) return;
    const [oldest] = this.#gone.keys();
    if (oldest !== undefined) this.#gone.delete(oldest);
  }
}
