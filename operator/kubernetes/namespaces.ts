// In which namespace a WebFarm is: the UID, which is part of every mark, as a namespace that was made anew under its name is another one.
import type { WebFarm } from "../farm/model.ts";
import type { KubernetesApi } from "./client.ts";
import { recordOf, required, textOf } from "./decode.ts";
import { liveFarm } from "./farmWrites.ts";

export interface Namespaces {
  /** metadata.uid. Read once for each WebFarm, which never leaves its namespace; rejects when that very WebFarm is not there any more. */
  uid(farm: WebFarm, signal?: AbortSignal): Promise<string>;
  /** When the WebFarm has gone. */
  forget(farm: WebFarm): void;
}

export function createNamespaces(api: KubernetesApi): Namespaces {
  const known = new Map<string, string>();
  return {
    uid: async (farm, signal) => {
      const found = known.get(farm.uid);
      if (found !== undefined) return found;
      const { namespace, name } = farm;
      const read = recordOf(await api.request({ method: "GET", path: `/api/v1/namespaces/${encodeURIComponent(namespace)}`, signal }));
      const uid = required(textOf(recordOf(read["metadata"])["uid"]), "metadata.uid");
      // A cache that lags may still have a WebFarm whose namespace has gone and come back: what is there now is not what it was in.
      const now = await liveFarm(api, { namespace, name, signal });
      if (now?.uid !== farm.uid) throw new Error(`WebFarm ${farm.key} is not there any more: the watch lags behind`);
      known.set(farm.uid, uid);
      return uid;
    },
    forget: ({ uid }) => void known.delete(uid),
  };
}
