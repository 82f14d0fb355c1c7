// The nodes of a test cluster: objects that kwok animates. They differ from real ones in nothing that a controller looks at.
import { apiJson } from "./apiRequest.ts";
import type { ApiAccess } from "./apiRequest.ts";

export async function createNodes(access: ApiAccess, count: number): Promise<void> {
  for (let number = 1; number <= count; number++) await apiJson(access, { method: "POST", path: "/api/v1/nodes", body: node(number) });
}

interface NodeView {
  readonly spec: { readonly taints?: readonly unknown[] };
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

/** Ready, and without the taint that keeps pods off a node which is just beginning. */
export async function nodesReady(access: ApiAccess): Promise<boolean> {
  const list = (await apiJson(access, { method: "GET", path: "/api/v1/nodes" })) as { readonly items: readonly NodeView[] };
  return list.items.every(
    ({ spec, status }) =>
      spec.taints === undefined && status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") === true,
  );
}

function node(number: number): unknown {
  const name = `node-${number}`;
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name,
      labels: {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "kubelet.test/managed": "true",
      },
    },
    status: {
      addresses: [
        { type: "InternalIP", address: `10.1.${Math.floor(number / 250)}.${(number % 250) + 1}` },
        { type: "Hostname", address: name },
      ],
    },
  };
}
