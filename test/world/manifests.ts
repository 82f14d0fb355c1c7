// The objects that tests and the demo apply: an application with or without the readiness gate, its Secret and its WebFarm.

import type { WebFarmSpec } from "../../operator/farm/resource.generated.ts";
import { usual } from "./generations.ts";

export interface AppOptions {
  readonly kind?: "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet";
  readonly name?: string;
  readonly namespace: string;
  readonly replicas?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly gate?: "with" | "without";
  /** Pod annotations: how kwok's stages play the pod (test/cluster/stages). */
  readonly annotations?: Readonly<Record<string, string>>;
  readonly graceSeconds?: number;
}

export function application(options: AppOptions): object {
  const { kind = "Deployment", name = "shop", namespace, replicas = 3 } = options;
  const labels = { app: name, ...options.labels };
  const template = {
    metadata: { labels, annotations: options.annotations ?? {} },
    spec: {
      terminationGracePeriodSeconds: options.graceSeconds ?? 30,
      ...(options.gate !== "without" && { readinessGates: [{ conditionType: "webfarm.dev/registered" }] }),
      tolerations: [{ operator: "Exists" }],
      containers: [
        { name: "web", image: "shop:1", env: [{ name: "CMSWebFarmServerName", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }] },
      ],
    },
  };
  return {
    apiVersion: "apps/v1",
    kind,
    metadata: { name, namespace },
    spec: {
      ...(kind !== "DaemonSet" && { replicas }),
      selector: { matchLabels: { app: name } },
      ...(kind === "StatefulSet" && { serviceName: name, podManagementPolicy: "Parallel" }),
      template,
    },
  };
}

export const secret = (namespace: string, name: string, data: Readonly<Record<string, string>>): object => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name, namespace },
  stringData: data,
});

export type SpecPart = { readonly [Key in keyof WebFarmSpec]?: WebFarmSpec[Key] | undefined };

export function webFarm(namespace: string, name = "shop", spec: SpecPart = {}, metadata: object = {}): object {
  return {
    apiVersion: "webfarm.dev/v1alpha1",
    kind: "WebFarm",
    metadata: { name, namespace, ...metadata },
    spec: {
      policy: "Sync",
      registration: "Operator",
      database: { connectionStringSecretRef: { name: "kentico", key: "CMSConnectionString" } },
      members: [{ name: "live", workloadRef: { apiVersion: "apps/v1", kind: "Deployment", name: "shop" } }],
      ...(usual.operator.spec.maxServers !== undefined && { maxServers: 0 }), // no limit, but said
      ...spec,
    },
  };
}
