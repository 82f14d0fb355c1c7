// The store of one simulated API server: objects by name, one version that rises with each write, watchers that hear every write, and
// copies of the store to which it can be taken back. It knows no kubelet, no controller and no time.

import type {
  FarmObject,
  LeaseObject,
  NamespaceObject,
  PodObject,
  SecretObject,
  WatchEvent,
  WorkloadKind,
  WorkloadObject,
} from "./objects.ts";

export const key = (namespace: string, name: string): string => `${namespace}/${name}`;
export const workloadKey = (namespace: string, kind: WorkloadKind, name: string): string => `${namespace}/${kind}/${name}`;

interface Stored {
  readonly namespaces: ReadonlyMap<string, NamespaceObject>;
  readonly pods: ReadonlyMap<string, PodObject>;
  readonly farms: ReadonlyMap<string, FarmObject>;
  readonly workloads: ReadonlyMap<string, WorkloadObject>;
  readonly secrets: ReadonlyMap<string, SecretObject>;
  readonly leases: ReadonlyMap<string, LeaseObject>;
  readonly version: number;
}

/** Hears writes in their order; `onRestore`: every watch has ended and only a new list tells what there is. */
export interface Watcher {
  onEvent(event: WatchEvent): void;
  onRestore(): void;
}

export class ApiServer implements Stored {
  readonly name: string;
  readonly namespaces = new Map<string, NamespaceObject>();
  readonly pods = new Map<string, PodObject>();
  readonly farms = new Map<string, FarmObject>();
  readonly workloads = new Map<string, WorkloadObject>();
  readonly secrets = new Map<string, SecretObject>();
  readonly leases = new Map<string, LeaseObject>();
  version = 1;
  readonly watchers = new Set<Watcher>();
  /** What the operators' watches have not to wait for: set by the truth, which keeps a history of WebFarms. */
  onFarm: (before: FarmObject | undefined, after: FarmObject | undefined) => void = () => undefined;
  readonly #untold: WatchEvent[] = [];
  #saved: Stored | undefined;

  constructor(name: string) {
    this.name = name;
  }

  get hasSaved(): boolean {
    return this.#saved !== undefined;
  }

  putPod(pod: PodObject): PodObject {
    this.version += 1;
    this.pods.set(key(pod.namespace, pod.name), pod);
    this.#tell({ resource: "pods", type: "put", object: pod, version: this.version });
    return pod;
  }

  removePod(pod: PodObject): void {
    const last = this.pods.get(key(pod.namespace, pod.name));
    if (last?.uid !== pod.uid) return;
    this.version += 1;
    this.pods.delete(key(pod.namespace, pod.name));
    this.#tell({ resource: "pods", type: "delete", object: last, version: this.version });
  }

  /** Gives it its version. */
  putFarm(farm: FarmObject): FarmObject {
    this.version += 1;
    const at = key(farm.namespace, farm.name);
    const before = this.farms.get(at);
    const after = { ...farm, resourceVersion: String(this.version) };
    this.farms.set(at, after);
    this.onFarm(before, after);
    this.#tell({ resource: "farms", type: "put", object: after, version: this.version });
    return after;
  }

  removeFarm(farm: FarmObject): void {
    const at = key(farm.namespace, farm.name);
    const last = this.farms.get(at);
    if (last?.uid !== farm.uid) return;
    this.version += 1;
    this.farms.delete(at);
    this.onFarm(last, undefined);
    this.#tell({ resource: "farms", type: "delete", object: last, version: this.version });
  }

  /** Gives it its version. */
  putLease(lease: LeaseObject): LeaseObject {
    this.version += 1;
    const after = { ...lease, resourceVersion: String(this.version) };
    this.leases.set(key(lease.namespace, lease.name), after);
    this.#tell({ resource: "leases", type: "put", object: after, version: this.version });
    return after;
  }

  putWorkload(workload: WorkloadObject): WorkloadObject {
    this.version += 1;
    this.workloads.set(workloadKey(workload.namespace, workload.kind, workload.name), workload);
    return workload;
  }

  removeWorkload({ namespace, kind, name }: WorkloadObject): void {
    this.version += 1;
    this.workloads.delete(workloadKey(namespace, kind, name));
  }

  putNamespace(namespace: NamespaceObject): void {
    this.version += 1;
    this.namespaces.set(namespace.name, namespace);
  }

  removeNamespace({ name }: NamespaceObject): void {
    this.version += 1;
    this.namespaces.delete(name);
  }

  putSecret(secret: SecretObject): void {
    this.version += 1;
    this.secrets.set(key(secret.namespace, secret.name), secret);
  }

  removeSecret(namespace: string, name: string): void {
    this.version += 1;
    this.secrets.delete(key(namespace, name));
  }

  podByUid(uid: string): PodObject | undefined {
    for (const pod of this.pods.values()) if (pod.uid === uid) return pod;
    return undefined;
  }

  save(): void {
    this.#saved = {
      namespaces: new Map(this.namespaces),
      pods: new Map(this.pods),
      farms: new Map(this.farms),
      workloads: new Map(this.workloads),
      secrets: new Map(this.secrets),
      leases: new Map(this.leases),
      version: this.version,
    };
  }

  /**
   * Takes back every object; what was made since is gone without an event. Versions go back too, or go on where the restore was told to
   * raise them (etcdutl --bump-revision). Throws where nothing was saved.
   */
  restore(versions: "go back" | "go on" = "go back"): void {
    const saved = this.#saved;
    if (saved === undefined) throw new Error(`Cannot restore the store of cluster ${this.name}: it was never saved`);
    for (const [at, farm] of this.farms) if (!saved.farms.has(at)) this.onFarm(farm, undefined);
    for (const [at, farm] of saved.farms) if (this.farms.get(at) !== farm) this.onFarm(this.farms.get(at), farm);
    takeBack(this.namespaces, saved.namespaces);
    takeBack(this.pods, saved.pods);
    takeBack(this.farms, saved.farms);
    takeBack(this.workloads, saved.workloads);
    takeBack(this.secrets, saved.secrets);
    takeBack(this.leases, saved.leases);
    this.version = versions === "go back" ? saved.version : this.version + 1;
    for (const watcher of this.watchers) watcher.onRestore();
  }

  /** Whoever writes because it heard of a write is told of when all have heard of that one: nobody hears the later one first. */
  #tell(event: WatchEvent): void {
    this.#untold.push(event);
    if (this.#untold.length > 1) return;
    try {
      for (let next: WatchEvent | undefined = event; next !== undefined; next = this.#untold[0]) {
        for (const watcher of this.watchers) watcher.onEvent(next);
        this.#untold.shift();
      }
    } finally {
      this.#untold.length = 0;
    }
  }
}

function takeBack<V>(now: Map<string, V>, saved: ReadonlyMap<string, V>): void {
  now.clear();
  for (const [at, value] of saved) now.set(at, value);
}
