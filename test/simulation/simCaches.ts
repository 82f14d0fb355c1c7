// The caches of one simulated operator process: the real ObjectCache and PodLedger, fed by watches that lag on their own. Each watch is a
// queue of undelivered events in their order; nothing is seen before it is delivered, and a list shows what there is but not what was.

import type { Pod, PodHash, PodView, WebFarm } from "../../operator/farm/model.ts";
import { ObjectCache } from "../../operator/kubernetes/objectCache.ts";
import type { ChangeHow } from "../../operator/kubernetes/objectCache.ts";
import { PodLedger } from "../../operator/kubernetes/podLedger.ts";
import type { ApiServer, Watcher } from "./apiServer.ts";
import { decoded } from "./decoded.ts";
import type { FarmObject, LeaseObject, PodObject, WatchEvent } from "./objects.ts";

/** Truth's pods have the shape that the operator decodes them to; decoding itself has tests of its own. */
export const asPod = (pod: PodObject): Pod => pod as unknown as Pod;
export const asPodObject = (pod: Pod): PodObject => pod as unknown as PodObject;

interface StreamOptions<O> {
  readonly api: ApiServer;
  readonly list: () => readonly O[];
  readonly onPut: (object: O) => void;
  readonly onDelete: (object: O) => void;
  readonly onList: (objects: readonly O[]) => void;
  readonly onRewind: () => void;
  readonly onSynced: () => void;
}

interface StreamEvent<O> {
  readonly type: "put" | "delete";
  readonly object: O;
  readonly version: number;
}

/** One watch, as operator/kubernetes/reflector.ts follows it. */
export class Stream<O> {
  readonly #options: StreamOptions<O>;
  #undelivered: StreamEvent<O>[] = [];
  #needsList = true;
  #lastVersion = 0;
  isSynced = false;

  constructor(options: StreamOptions<O>) {
    this.#options = options;
  }

  hear(event: StreamEvent<O>): void {
    if (!this.#needsList) this.#undelivered.push(event); // the list to come shows it
  }

  /** What is on its way is lost; the next delivery is a list. */
  breakOff(): void {
    this.#undelivered = [];
    this.#needsList = true;
  }

  get undelivered(): number {
    return this.#undelivered.length + (this.#needsList ? 1 : 0);
  }

  /** What would be delivered, one text each, for people and fingerprints. */
  texts(describe: (object: O) => string): readonly string[] {
    return [...(this.#needsList ? ["list"] : []), ...this.#undelivered.map(({ type, object }) => `${type} ${describe(object)}`)];
  }

  /** Delivers the next event, or the list that is due. False: there was nothing. */
  deliver(): boolean {
    if (this.#needsList) {
      this.#list();
      return true;
    }
    const event = this.#undelivered.shift();
    if (event === undefined) return false;
    this.#lastVersion = event.version;
    if (event.type === "put") this.#options.onPut(event.object);
    else this.#options.onDelete(event.object);
    return true;
  }

  #list(): void {
    const { api, list, onList, onRewind, onSynced } = this.#options;
    if (api.version < this.#lastVersion) onRewind();
    this.#needsList = false;
    this.#lastVersion = api.version;
    onList(list());
    if (this.isSynced) return;
    this.isSynced = true;
    onSynced();
  }
}

export interface CachesOptions {
  readonly api: ApiServer;
  readonly onPod: (before: Pod | undefined, after: Pod | undefined) => void;
  readonly onPodsSynced: (namespace: string) => void;
  /** A list has shown what the store is now: the first one, or one whose version shows that the store went back. */
  readonly onPodsListed?: () => void;
  readonly onFarm: (before: WebFarm | undefined, after: WebFarm | undefined) => void;
  readonly onFarmsSynced: () => void;
  readonly onLease: (lease: LeaseObject | undefined) => void;
}

interface Followed {
  readonly stream: Stream<PodObject>;
  readonly cache: ObjectCache<Pod>;
  readonly ledger: PodLedger;
}

const nothing: PodView = { synced: false, pods: [], seen: () => undefined };

export class SimCaches implements Watcher {
  readonly #options: CachesOptions;
  readonly #followed = new Map<string, Followed>();
  readonly #farms: ObjectCache<WebFarm>;
  readonly #farmStream: Stream<FarmObject>;
  readonly #leaseStream: Stream<LeaseObject>;
  /** Nothing is delivered. */
  isStalled = false;

  constructor(options: CachesOptions) {
    this.#options = options;
    const { api } = options;
    this.#farms = new ObjectCache<WebFarm>((before, after) => options.onFarm(before, after));
    this.#farmStream = new Stream<FarmObject>({
      api,
      list: () => [...api.farms.values()],
      onPut: (farm) => this.#farms.put(decoded(farm), "event"),
      onDelete: (farm) => this.#farms.remove(decoded(farm)),
      // A list decodes everything anew, also what has not changed.
      onList: (farms) => this.#farms.replace(new Map(farms.map((farm) => [farm.uid, { ...decoded(farm) }]))),
      onRewind: () => undefined,
      onSynced: () => options.onFarmsSynced(),
    });
    this.#leaseStream = new Stream<LeaseObject>({
      api,
      list: () => [...api.leases.values()],
      onPut: (lease) => options.onLease(lease),
      onDelete: () => options.onLease(undefined),
      onList: (leases) => options.onLease(leases[0]),
      onRewind: () => undefined,
      onSynced: () => undefined,
    });
  }

  onEvent(event: WatchEvent): void {
    switch (event.resource) {
      case "pods":
        this.#followed.get(event.object.namespace)?.stream.hear(event);
        return;
      case "farms":
        this.#farmStream.hear(event);
        return;
      case "leases":
        this.#leaseStream.hear(event);
    }
  }

  onRestore(): void {
    this.breakOff();
  }

  /** Every watch ends; what comes next are lists. */
  breakOff(): void {
    for (const stream of this.#streams()) stream.breakOff();
  }

  get hasUndelivered(): boolean {
    return this.#streams().some((stream) => stream.undelivered > 0);
  }

  /** Names of watches that have something to deliver. */
  waiting(): readonly string[] {
    return [...this.#named()].flatMap(([name, stream]) => (stream.undelivered > 0 ? [name] : []));
  }

  /** Delivers one event of the watch that has this name ("farms", "leases", "pods prod"). False: there was none. */
  deliverOf(name: string): boolean {
    return this.#named().get(name)?.deliver() ?? false;
  }

  /** Delivers one event of any watch. False: there was none. */
  deliverOne(): boolean {
    return this.#streams().some((stream) => stream.undelivered > 0 && stream.deliver());
  }

  /** What is on its way, one text each. */
  undelivered(): readonly string[] {
    const of = (name: string, texts: readonly string[]): readonly string[] => texts.map((text) => `${name}: ${text}`);
    return [
      ...of(
        "farms",
        this.#farmStream.texts((farm) => JSON.stringify(farm)),
      ),
      ...of(
        "leases",
        this.#leaseStream.texts((lease) => JSON.stringify(lease)),
      ),
      ...[...this.#followed].flatMap(([namespace, { stream }]) =>
        of(
          namespace,
          stream.texts((pod) => JSON.stringify(pod)),
        ),
      ),
    ];
  }

  follow(namespaces: ReadonlySet<string>): void {
    for (const namespace of namespaces) if (!this.#followed.has(namespace)) this.#followed.set(namespace, this.#followedOf(namespace));
    for (const namespace of this.#followed.keys()) if (!namespaces.has(namespace)) this.#followed.delete(namespace);
  }

  view(namespace: string): PodView {
    const it = this.#followed.get(namespace);
    if (it === undefined) return nothing;
    return { synced: it.stream.isSynced, pods: it.cache.all(), seen: (hash: PodHash) => it.ledger.seen(hash) };
  }

  farm(farmKey: string): WebFarm | undefined {
    const [namespace = "", name = ""] = farmKey.split("/");
    return this.#farms.byName(namespace, name);
  }

  farms(): readonly WebFarm[] {
    return this.#farms.all();
  }

  get isFarmsSynced(): boolean {
    return this.#farmStream.isSynced;
  }

  #followedOf(namespace: string): Followed {
    const { api } = this.#options;
    const ledger = new PodLedger();
    const cache = new ObjectCache<Pod>((before, after, how: ChangeHow) => {
      ledger.note(before, after, how);
      this.#options.onPod(before, after);
    });
    const stream = new Stream<PodObject>({
      api,
      list: () => [...api.pods.values()].filter((pod) => pod.namespace === namespace),
      onPut: (pod) => cache.put(asPod(pod), "event"),
      onDelete: (pod) => cache.remove(asPod(pod)),
      onList: (pods) => cache.replace(new Map(pods.map((pod) => [pod.uid, asPod(pod)]))),
      onRewind: () => {
        ledger.forgetEnds();
        this.#options.onPodsListed?.();
      },
      onSynced: () => {
        this.#options.onPodsListed?.();
        this.#options.onPodsSynced(namespace);
      },
    });
    return { stream, cache, ledger };
  }

  #streams(): readonly { readonly undelivered: number; deliver(): boolean; breakOff(): void }[] {
    return [this.#farmStream, this.#leaseStream, ...[...this.#followed.values()].map(({ stream }) => stream)];
  }

  #named(): ReadonlyMap<string, { readonly undelivered: number; deliver(): boolean }> {
    return new Map<string, { readonly undelivered: number; deliver(): boolean }>([
      ["farms", this.#farmStream],
      ["leases", this.#leaseStream],
      ...[...this.#followed].map(([namespace, { stream }]) => [`pods ${namespace}`, stream] as const),
    ]);
  }
}
