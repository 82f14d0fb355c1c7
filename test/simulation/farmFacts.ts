// What the stores say of a WebFarm: its database, its owner, and whether it is the one that writes. Shares no code with operator/.

import { key } from "./apiServer.ts";
import { defaultDatabase } from "./names.ts";
import type { FarmObject } from "./objects.ts";
import type { Cluster } from "./truth.ts";

export function databaseOf({ api }: Cluster, { namespace, spec }: FarmObject): string | undefined {
  const ref = spec.database.connectionStringSecretRef;
  const text = api.secrets.get(key(namespace, ref.name))?.data[ref.key];
  return text === undefined ? undefined : (/(?:^|;)Database=([^;]+)/.exec(text)?.[1] ?? defaultDatabase);
}

export const ownerOf = ({ api }: Cluster, { namespace, name, spec }: FarmObject): { readonly ownerId: string; readonly uid: string } => {
  const uid = api.namespaces.get(namespace)?.uid ?? "";
  return { ownerId: spec.ownerId ?? `${uid}/${name}`, uid };
};

export const byAge = (a: FarmObject, b: FarmObject): number => a.createdAtMs - b.createdAtMs || (a.uid < b.uid ? -1 : 1);

/** Of several WebFarms of a namespace that mark rows alike only the oldest writes. */
export function isFirstOfOwner(cluster: Cluster, farm: FarmObject): boolean {
  const { ownerId } = ownerOf(cluster, farm);
  const alike = [...cluster.api.farms.values(), farm].filter(
    (one) => one.namespace === farm.namespace && ownerOf(cluster, one).ownerId === ownerId,
  );
  return alike.toSorted(byAge)[0]?.uid === farm.uid;
}
