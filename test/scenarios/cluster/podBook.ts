// The pods of one scenario in the order of their making, each under the name that scenario files give it: a Deployment's pods are shop-a,
// shop-b, …, whatever the control plane calls them. It also says what is known of each pod's process. It watches and changes nothing.

import type { ApiAccess } from "../../cluster/apiRequest.ts";
import { goneBy, seenAt, sentAway } from "../../e2e/podLives.ts";
import type { PodLife, PodObject } from "../../e2e/podLives.ts";
import { watchPods } from "../../e2e/podWatch.ts";
import { podPart } from "../../world/wholeRow.ts";
import { letters } from "../../simulation/workloads.ts";

/** What the API server says of a pod, as far as scenarios look at it. */
export type StoredPod = PodObject & {
  readonly metadata: {
    readonly namespace: string;
    readonly generateName?: string;
    readonly creationTimestamp: string;
    readonly ownerReferences?: readonly { readonly kind: string; readonly name: string }[];
  };
  readonly status: { readonly containerStatuses?: readonly ContainerStatus[] };
};

interface ContainerStatus {
  readonly restartCount: number;
  readonly ready: boolean;
  readonly state: { readonly running?: object };
}

export interface BookedPod {
  /** In scenario files. */
  readonly name: string;
  /** As the API server knows it, and so the name of its server. */
  readonly realName: string;
  readonly uid: string;
  /** The real one. */
  readonly namespace: string;
  /** Its last state. */
  readonly object: StoredPod;
  readonly isGone: boolean;
}

export class PodBook {
  readonly #pods = new Map<string, BookedPod>(); // by UID, in the order of their making
  readonly #lives = new Map<string, PodLife>(); // by the part of a mark
  readonly #made = new Map<string, number>(); // by namespace and Deployment
  readonly #watch: typeof watchPods;
  readonly #followed = new Map<string, ApiAccess>(); // by namespace
  #ends: (() => void)[] = [];
  #known: Promise<unknown> = Promise.resolve();
  /** Why nothing is heard of some pods any more. */
  readonly failures: string[] = [];

  constructor(watch: typeof watchPods = watchPods) {
    this.#watch = watch;
  }

  /** Resolves when it watches, so before the first pod of the namespace is made. */
  async follow(access: ApiAccess, namespace: string): Promise<void> {
    this.#followed.set(namespace, access);
    await this.#listen(access, namespace, (pod) => this.note(pod, "there"));
  }

  close(): void {
    for (const end of this.#ends) end();
    this.#ends = [];
  }

  /** Runs `restore`, which takes the store back in time, and hears anew what pods there are; who asks `whenKnown` waits so long. */
  async through(restore: () => Promise<void>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#known = promise;
    const beganAtMs = performance.now();
    this.close();
    try {
      await restore();
      for (const [namespace, access] of this.#followed) await this.#hearAnew(access, namespace, beganAtMs);
    } finally {
      resolve(undefined);
    }
  }

  /** Resolves at once, but while the store is taken back. */
  async whenKnown(): Promise<void> {
    await this.#known;
  }

  /** All that ever were, oldest first. */
  all(): readonly BookedPod[] {
    return [...this.#pods.values()];
  }

  stored(): readonly BookedPod[] {
    return this.all().filter(({ isGone }) => !isGone);
  }

  /** The newest pod of that name. */
  named(namespace: string, name: string): BookedPod | undefined {
    return this.all().findLast((pod) => pod.namespace === namespace && pod.name === name);
  }

  /** What scenario files call the server that has this name. */
  nameOfServer(server: string): string {
    return this.all().find(({ realName }) => realName.toLowerCase() === server.toLowerCase())?.name ?? server;
  }

  /** What is known of the pod whose mark this is. */
  lifeOf(mark: string | null): PodLife | undefined {
    return this.#lives.get((mark ?? "").slice(-9).toLowerCase());
  }

  ofMark(mark: string | null): BookedPod | undefined {
    return this.all().find(({ uid }) => podPart(uid) === (mark ?? "").slice(-9).toLowerCase());
  }

  /** Told before somebody asks for the pod's deletion by force. */
  noteSentAway({ uid }: BookedPod): void {
    const life = this.#lives.get(podPart(uid));
    if (life !== undefined) this.#lives.set(podPart(uid), sentAway(life, performance.now()));
  }

  /** Whoever has seen it tells. */
  note(object: StoredPod, state: "there" | "gone"): void {
    const { uid, name: realName, namespace } = object.metadata;
    const known = this.#pods.get(uid);
    const isGone = state === "gone" || known?.isGone === true; // two tellers need not be equally quick
    this.#pods.set(uid, { name: known?.name ?? this.#nameFor(object), realName, uid, namespace, object, isGone });
    const life = seenAt(this.#lives.get(podPart(uid)), object, performance.now());
    this.#lives.set(podPart(uid), state === "gone" ? goneBy(life, performance.now()) : life);
  }

  async #listen(access: ApiAccess, namespace: string, there: (pod: StoredPod) => void): Promise<void> {
    this.#ends.push(
      await this.#watch(access, namespace, {
        there: (pod) => there(pod as StoredPod),
        gone: (pod) => this.note(pod as StoredPod, "gone"),
        failed: (error) => void this.failures.push(`The pods of ${namespace} cannot be watched any more: ${String(error)}`),
      }),
    );
  }

  async #hearAnew(access: ApiAccess, namespace: string, beganAtMs: number): Promise<void> {
    const listed = new Set<string>();
    let isListed = false;
    await this.#listen(access, namespace, (pod) => {
      if (!isListed) this.#takeBack(pod);
      this.note(pod, "there");
      listed.add(pod.metadata.uid);
    });
    isListed = true;
    for (const pod of this.stored()) if (pod.namespace === namespace && !listed.has(pod.uid)) this.#lose(pod, beganAtMs);
  }

  /** The store has it: what was known of its end is of a time that is lost, and its kubelet goes on with it. */
  #takeBack({ metadata: { uid } }: StoredPod): void {
    const known = this.#pods.get(uid);
    if (known !== undefined) this.#pods.set(uid, { ...known, isGone: false });
    this.#lives.delete(podPart(uid));
  }

  /** The store has it no more: if its end was not seen before, nobody plays a kubelet that would end it, and nobody can say that it has ended. */
  #lose(pod: BookedPod, beganAtMs: number): void {
    const life = this.#lives.get(podPart(pod.uid));
    this.#pods.set(pod.uid, { ...pod, isGone: true });
    if (life !== undefined) this.#lives.set(podPart(pod.uid), goneBy({ ...life, isCutOff: true }, beganAtMs));
  }

  #nameFor({ metadata }: StoredPod): string {
    const deployment = deploymentOf(metadata.generateName, metadata.ownerReferences?.[0]?.kind);
    if (deployment === undefined) return metadata.name;
    const at = `${metadata.namespace}/${deployment}`;
    const count = this.#made.get(at) ?? 0;
    this.#made.set(at, count + 1);
    return `${deployment}-${letters(count)}`;
  }
}

/** A ReplicaSet of a Deployment names its pods `<deployment>-<hash>-<random>`. */
function deploymentOf(generateName: string | undefined, ownerKind: string | undefined): string | undefined {
  if (ownerKind !== "ReplicaSet") return undefined;
  return /^(.+)-[a-z0-9]+-$/.exec(generateName ?? "")?.[1];
}
