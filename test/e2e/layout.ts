// What a run plants: the workloads of two WebFarms in one namespace and one database, and rows that nobody may touch.

import type { SpecPart } from "../world/manifests.ts";
import { usual } from "../world/generations.ts";
import { application, secret, webFarm } from "../world/manifests.ts";
import { markOf } from "../world/mark.ts";
import type { ForeignRow } from "../world/wholeRow.ts";

export interface Workload {
  readonly farm: "shop" | "store";
  readonly kind: "Deployment" | "StatefulSet";
  readonly name: string;
  readonly replicas: number;
  readonly graceSeconds: number;
  /** How its pods behave (test/cluster/README.md). */
  readonly annotations: Readonly<Record<string, string>>;
}

type Share = Omit<Workload, "replicas"> & { readonly percent: number };

const shares: readonly Share[] = [
  { farm: "shop", kind: "Deployment", name: "shop-web", percent: 35, graceSeconds: 5, annotations: {} },
  { farm: "shop", kind: "StatefulSet", name: "shop-set", percent: 20, graceSeconds: 5, annotations: {} },
  {
    ...{ farm: "shop", kind: "Deployment", name: "shop-slow", percent: 15, graceSeconds: 30 },
    annotations: { "kubelet.test/start-ms": "1500", "kubelet.test/stop-ms": "2500", "kubelet.test/stop-exit-code": "1" },
  },
  { farm: "store", kind: "Deployment", name: "store-web", percent: 20, graceSeconds: 2, annotations: {} },
  {
    ...{ farm: "store", kind: "Deployment", name: "store-loop", percent: 10, graceSeconds: 5 },
    annotations: { "kubelet.test/behave": "crash-loop", "kubelet.test/crash-ms": "1500", "kubelet.test/restart-ms": "3000" },
  },
];

/** Together `pods` pods, at least one of each workload. */
export function layOut(pods: number): readonly Workload[] {
  const sized = shares.map(({ percent, ...workload }) => ({ ...workload, replicas: Math.max(1, Math.floor((pods * percent) / 100)) }));
  const spare = Math.max(0, pods - sized.reduce((sum, { replicas }) => sum + replicas, 0));
  return sized.map((workload, index) => (index === 0 ? { ...workload, replicas: workload.replicas + spare } : workload));
}

/** Secret, WebFarms, workloads. */
export function objectsOf(workloads: readonly Workload[], namespace: string, connectionString: string): readonly object[] {
  const farm = (name: Workload["farm"]): object => {
    const members: SpecPart["members"] = workloads
      .filter((workload) => workload.farm === name)
      .map(({ kind, name }) => ({ name, workloadRef: { apiVersion: "apps/v1", kind, name } }));
    // Where the product does not ping, nodeLostSeconds is the whole wait for a pod that nobody saw end.
    return webFarm(namespace, name, { members, ...(!usual.hasPings && { removal: { nodeLostSeconds: 40 } }) });
  };
  return [
    secret(namespace, "kentico", { CMSConnectionString: connectionString }),
    ...[farm("shop"), farm("store")],
    ...workloads.map((workload) => application({ ...workload, namespace })),
  ];
}

/**
 * Rows that stand there before: of people, of other owners, one with a name that a pod of the StatefulSet gets while it is scaled up, one
 * with a mark of the farm that was made for another name, and one that the same owner's farm of another cluster made.
 */
export function foreignRows(workloads: readonly Workload[], namespaceUid: string): readonly ForeignRow[] {
  const set = workloads.find(({ kind }) => kind === "StatefulSet");
  if (set === undefined) throw new Error("Cannot plant a row with a pod's name: there is no StatefulSet");
  const ownerId = `${namespaceUid}/shop`;
  const pod = "5d0c2f7e-9a41-4c58-bb1d-3f6f0a9d2c11"; // none that there ever was
  return [
    { name: "ADMIN-01", guid: "3f2504e0-4f89-41d3-9a0c-0305e82c3301" },
    { name: "old.editing", enabled: 0 },
    { name: "shop-web-6d4cf56db6-x2x7p", guid: markOf({ ownerId: "eu-1/shop", namespaceUid, server: "shop-web-6d4cf56db6-x2x7p", pod }) },
    { name: `${set.name}-${set.replicas + 1}`, guid: markOf({ ownerId: "eu-1/shop", namespaceUid, server: set.name, pod }) },
    { name: "shop-web-7c9f8b5d4-renam", guid: markOf({ ownerId, namespaceUid, server: "shop-web-7c9f8b5d4-other", pod }) },
    {
      name: "shop-elsewhere-1",
      guid: markOf({ ownerId, namespaceUid: "0b5d9f0e-1c2d-4e3f-8a9b-0c1d2e3f4a5b", server: "shop-elsewhere-1", pod }),
    },
  ];
}
