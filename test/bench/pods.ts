// Pods as the bench plays them, scheduler and kubelet in one: created, bound, ended, deleted, each by one request. No kubelet stands behind
// them, so nothing happens to them but what is asked for here.

import type { Api, RawPod } from "./api.ts";

export const nodeName = "bench-node";
const label = "shop";

export interface NewPod {
  readonly namespace: string;
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** `bound`: with its node from the first moment. */
  readonly binding: "bound" | "unbound";
  readonly gate: "with" | "without";
}

const podsPath = (namespace: string): string => `/api/v1/namespaces/${namespace}/pods`;
const podPath = (namespace: string, name: string): string => `${podsPath(namespace)}/${name}`;

export async function createPod(api: Api, { namespace, name, labels, binding, gate }: NewPod): Promise<RawPod> {
  const body = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, labels: labels ?? { app: label } },
    spec: {
      ...(binding === "bound" ? { nodeName } : { schedulerName: "bench" }),
      ...(gate === "with" && { readinessGates: [{ conditionType: "webfarm.dev/registered" }] }),
      containers: [
        {
          name: "web",
          image: "shop:1",
          env: [{ name: "CMSWebFarmServerName", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }],
          ports: [{ containerPort: 8080 }],
          resources: { requests: { cpu: "100m", memory: "256Mi" } },
        },
      ],
    },
  };
  return (await api.json({ method: "POST", path: podsPath(namespace), body })) as RawPod;
}

export async function bindPod(api: Api, namespace: string, name: string): Promise<void> {
  const body = { apiVersion: "v1", kind: "Binding", metadata: { name }, target: { apiVersion: "v1", kind: "Node", name: nodeName } };
  await api.text({ method: "POST", path: `${podPath(namespace, name)}/binding`, body });
}

/** As a kubelet does when the last container has ended. */
export async function endPod(api: Api, namespace: string, name: string): Promise<void> {
  const terminated = { exitCode: 0, reason: "Completed", startedAt: null, finishedAt: new Date().toISOString() };
  const status = { phase: "Succeeded", containerStatuses: [{ ...containerStatus, ready: false, state: { terminated } }] };
  await api.text({ method: "PATCH", path: `${podPath(namespace, name)}/status`, body: { status } });
}

/** As a kubelet does when its containers run and are ready. */
export async function runPod(api: Api, namespace: string, name: string): Promise<void> {
  const conditions = [{ type: "Ready", status: "True", lastTransitionTime: new Date().toISOString() }];
  const state = { running: { startedAt: new Date().toISOString() } };
  const status = { phase: "Running", podIP: "10.2.0.1", conditions, containerStatuses: [{ ...containerStatus, ready: true, state }] };
  await api.text({
    method: "PATCH",
    path: `${podPath(namespace, name)}/status`,
    body: { status },
    contentType: "application/strategic-merge-patch+json",
  });
}

const containerStatus = { name: "web", image: "shop:1", imageID: "", restartCount: 0 };

export async function deletePod(api: Api, namespace: string, name: string): Promise<void> {
  await api.text({ method: "DELETE", path: `${podPath(namespace, name)}?gracePeriodSeconds=0` });
}

export async function deletePods(api: Api, namespace: string): Promise<void> {
  await api.text({ method: "DELETE", path: `${podsPath(namespace)}?gracePeriodSeconds=0` });
}

/** Runs `work` for 0 to count - 1, sixteen at a time. */
export async function many(count: number, work: (number: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      const number = next;
      next += 1;
      await work(number);
    }
  };
  await Promise.all(Array.from({ length: Math.min(16, count) }, worker));
}

export const isGateOpen = ({ status }: RawPod): boolean =>
  status.conditions?.some(({ type, status: value }) => type === "webfarm.dev/registered" && value === "True") ?? false;
export const hasEnded = ({ status }: RawPod): boolean => status.phase === "Succeeded";
