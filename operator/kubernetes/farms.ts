// The WebFarms of the namespaces that the operator watches, from a cache. It never writes (farmWrites.ts does).
import type { FarmKey, WebFarm } from "../farm/model.ts";
import { webFarmApi } from "../farm/resource.generated.ts";
import { decodeFarm } from "./decodeFarm.ts";
import { Reflector, type ReflectorFailure, type ReflectorParts } from "./reflector.ts";

export interface Farms {
  /** Every WebFarm has been told to `onChange` since the start. */
  readonly synced: boolean;
  /** Every WebFarm of this namespace has: one that cannot be watched holds up no other. */
  isSynced(namespace: string): boolean;
  get(key: FarmKey): WebFarm | undefined;
  all(): readonly WebFarm[];
  failures(): readonly ReflectorFailure[];
  start(): void;
  stop(): Promise<void>;
}

export interface FarmsOptions extends ReflectorParts {
  /** Empty: all. */
  readonly namespaces: readonly string[];
  /** Adds keys only. The operator's own status writes come back here too. */
  readonly onChange: (before: WebFarm | undefined, after: WebFarm | undefined) => void;
  /** Once for each reflector: of all, or of each namespace. */
  readonly onSynced: () => void;
}

export function createFarms(options: FarmsOptions): Farms {
  const reflectorOf = (namespace: string | undefined): Reflector<WebFarm> =>
    new Reflector({
      ...options,
      resource: webFarmApi.plural,
      namespace,
      path: farmsPath(namespace),
      decode: decodeFarm,
      onChange: (before, after) => options.onChange(before, after),
      onSynced: () => options.onSynced(),
    });
  const watched = options.namespaces.length === 0 ? [undefined] : [...new Set(options.namespaces)];
  const byNamespace = new Map(watched.map((namespace) => [namespace, reflectorOf(namespace)]));
  const reflectors = [...byNamespace.values()];

  return {
    get synced() {
      return reflectors.every((reflector) => reflector.isSynced);
    },
    isSynced: (namespace) => (byNamespace.get(namespace) ?? byNamespace.get(undefined))?.isSynced ?? false,
    get: (key) => {
      const [namespace = "", name = ""] = key.split("/");
      for (const reflector of reflectors) {
        const found = reflector.cache.byName(namespace, name);
        if (found !== undefined) return found;
      }
      return undefined;
    },
    all: () => reflectors.flatMap((reflector) => reflector.cache.all()),
    failures: () => reflectors.flatMap((reflector) => reflector.failure ?? []),
    start: () => reflectors.forEach((reflector) => reflector.start()),
    stop: async () => {
      await Promise.all(reflectors.map((reflector) => reflector.stop()));
    },
  };
}

export function farmsPath(namespace: string | undefined): string {
  const scope = namespace === undefined ? "" : `namespaces/${encodeURIComponent(namespace)}/`;
  return `/apis/${webFarmApi.group}/${webFarmApi.version}/${scope}${webFarmApi.plural}`;
}

export function farmPath(namespace: string, name: string): string {
  return `${farmsPath(namespace)}/${encodeURIComponent(name)}`;
}
