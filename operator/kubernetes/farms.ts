// The WebFarms of the namespaces that the operator watches, from a cache. It never writes (farmWrites.ts does).
import type { FarmKey, WebFarm } from "../farm/model.ts";
import { webFarmApi } from "../farm/resource.generated.ts";
import { decodeFarm } from "./decodeFarm.ts";
import { Reflector, type ReflectorFailure, type ReflectorParts } from "./reflector.ts";

export interface Farms {
  /** Every WebFarm has been told to `onChange` since the start. */
  readonly synced: boolean;
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
  /** Once, when all are synced. */
  readonly onSynced: () => void;
}

export function createFarms(options: FarmsOptions): Farms {
  const isSynced = (): boolean => reflectors.every((reflector) => reflector.isSynced);
  const reflectorOf = (namespace: string | undefined): Reflector<WebFarm> =>
    new Reflector({
      ...options,
      resource: webFarmApi.plural,
      namespace,
      path: farmsPath(namespace),
      decode: decodeFarm,
      onChange: (before, after) => options.onChange(before, after),
      onSynced: () => {
        if (isSynced()) options.onSynced();
      },
    });
  const reflectors = options.namespaces.length === 0 ? [reflectorOf(undefined)] : [...new Set(options.namespaces)].map(reflectorOf);

  return {
    get synced() {
      return isSynced();
    },
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
