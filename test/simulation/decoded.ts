// A WebFarm of the simulated store as an operator's border decodes it: by the real decodeFarm, once for each spec. Versions of the operator
// that know less than this one are simulated by a field that none knows.

import type { WebFarm } from "../../operator/farm/model.ts";
import { farmKey } from "../../operator/farm/model.ts";
import { decodeFarm } from "../../operator/kubernetes/decodeFarm.ts";
import type { FarmObject, FarmSpec } from "./objects.ts";

const specs = new WeakMap<FarmSpec, Pick<WebFarm, "spec" | "unsupported">>();
const farms = new WeakMap<FarmObject, WebFarm>();

export function decoded(farm: FarmObject): WebFarm {
  const known = farms.get(farm);
  if (known !== undefined) return known;
  const { uid, namespace, name, resourceVersion, generation, createdAtMs, deletionAtMs, finalizers, annotations, status } = farm;
  const made: WebFarm = {
    ...specOf(farm),
    key: farmKey(namespace, name),
    ...{ uid, namespace, name, resourceVersion, generation, createdAtMs, finalizers, annotations, status },
    ...(deletionAtMs !== undefined && { deletionAtMs }),
  };
  farms.set(farm, made);
  return made;
}

function specOf({ namespace, name, uid, spec }: FarmObject): Pick<WebFarm, "spec" | "unsupported"> {
  const known = specs.get(spec);
  if (known !== undefined) return known;
  const { spec: withDefaults, unsupported } = decodeFarm({ metadata: { namespace, name, uid }, spec });
  const made = { spec: withDefaults, unsupported };
  specs.set(spec, made);
  return made;
}
