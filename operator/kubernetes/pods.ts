// The pods of every namespace that has a WebFarm: one reflector and one ledger each, started and stopped as farms come and go.
// It never says that a pod is gone for good; only a live read (livePods.ts) does.
import type { Pod, PodView } from "../farm/model.ts";
import { decodePod } from "./decodePod.ts";
import { PodLedger } from "./podLedger.ts";
import { Reflector, type ReflectorFailure, type ReflectorParts } from "./reflector.ts";

export interface Pods {
  /** Starts what is missing and stops the rest. May be called with the same set again and again. */
  follow(namespaces: ReadonlySet<string>): void;
  /** `pods` as of this moment, `seen` as of the moment it is asked. A namespace that is not followed is not synced. */
  view(namespace: string): PodView;
  /** Reflectors that do not hear anything at present. */
  failures(): readonly ReflectorFailure[];
  /** Nothing is told once it has resolved. */
  stop(): Promise<void>;
}

export interface PodsOptions extends ReflectorParts {
  /** Adds keys only. */
  readonly onChange: (before: Pod | undefined, after: Pod | undefined) => void;
  readonly onSynced: (namespace: string) => void;
}

interface Followed {
  readonly reflector: Reflector<Pod>;
  readonly ledger: PodLedger;
}

const nothing: PodView = Object.freeze({ synced: false, pods: [], seen: () => undefined });

export function createPods(options: PodsOptions): Pods {
  const followed = new Map<string, Followed>();
  const stopping = new Set<Promise<void>>();

  const start = (namespace: string): void => {
    const ledger = new PodLedger();
    const reflector = new Reflector<Pod>({
      ...options,
      resource: "pods",
      namespace,
      path: `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`,
      decode: decodePod,
      onChange: (before, after, how) => {
        ledger.note(before, after, how);
        options.onChange(before, after);
      },
      onRewind: () => ledger.forgetEnds(),
      onSynced: () => options.onSynced(namespace),
    });
    followed.set(namespace, { reflector, ledger });
    reflector.start();
  };

  const stop = (namespace: string, { reflector }: Followed): void => {
    followed.delete(namespace);
    const ended = reflector.stop().finally(() => stopping.delete(ended));
    stopping.add(ended);
  };

  return {
    follow: (namespaces) => {
      for (const namespace of namespaces) if (!followed.has(namespace)) start(namespace);
      for (const [namespace, it] of [...followed]) if (!namespaces.has(namespace)) stop(namespace, it);
    },
    view: (namespace) => {
      const it = followed.get(namespace);
      if (it === undefined) return nothing;
      const { isSynced, cache } = it.reflector;
      return { synced: isSynced, pods: cache.all(), lists: cache.lists, seen: (hash) => it.ledger.seen(hash) };
    },
    failures: () => [...followed.values()].flatMap(({ reflector }) => reflector.failure ?? []),
    stop: async () => {
      for (const [namespace, it] of [...followed]) stop(namespace, it);
      await Promise.all(stopping);
    },
  };
}
