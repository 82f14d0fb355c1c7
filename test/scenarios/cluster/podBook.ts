// The pods of one scenario in the order of their making, each under the name that scenario files give it: a Deployment's pods are shop-a,
// shop-b, …, whatever the control plane calls them. It also says what is known of each pod's process. It watches and changes nothing.

import type { ApiAccess } from "../../cluster/apiRequest.ts";
import { goneBy, seenAt } from "../../e2e/podLives.ts";
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
  readonly #ends: (() => void)[] = [];
  /** Why nothing is heard of some pods any more. */
  readonly failures: string[] = [];

  /** Resolves when it watches, so before the first pod of the namespace is made. */
  async follow(access: ApiAccess, namespace: string): Promise<void> {
    this.#ends.push(
      await watchPods(access, namespace, {
        there: (pod) => this.note(pod as StoredPod, "there"),
        gone: (pod) => this.note(pod as StoredPod, "gone"),
        failed: (error) => void this.failures.push(`The pods of ${namespace} cannot be watched any more: ${String(error)}`),
      }),
    );
  }

  close(): void {
    for (const end of this.#ends) end();
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

  /** Whoever has seen it tells. */
  note(object: StoredPod, state: "there" | "gone"): void {
    const { uid, name: realName, namespace } = object.metadata;
    const known = this.#pods.get(uid);
    const isGone = state === "gone" || known?.isGone === true; // two tellers need not be equally quick
    this.#pods.set(uid, { name: known?.name ?? this.#nameFor(object), realName, uid, namespace, object, isGone });
    const life = seenAt(this.#lives.get(podPart(uid)), object, performance.now());
    this.#lives.set(podPart(uid), state === "gone" ? goneBy(life, performance.now()) : life);
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
