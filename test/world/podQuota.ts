// A namespace that takes no pods for a while: what is gone there does not come back. It ends no pod.

import type { FarmWorld } from "./farmWorld.ts";

const name = "no-pods";

/** Resolves when the API server refuses every new pod of the world's namespace. */
export async function forbidPods(world: FarmWorld): Promise<void> {
  await world.apply({ apiVersion: "v1", kind: "ResourceQuota", metadata: { name }, spec: { hard: { pods: "0" } } });
  await world.until("no pod is taken any more", async () => (await refusal(world)).includes(`exceeded quota: ${name}`));
}

/** Resolves when it takes them again. A workload's controller that was refused has backed off: scale the workload, and it looks at once. */
export async function allowPods(world: FarmWorld): Promise<void> {
  await world.kubectl("delete", "resourcequota", name);
  await world.until("pods are taken again", async () => (await refusal(world)) === "");
}

/** Why a pod would be refused now; empty: it would not be. */
const refusal = async ({ kubectl }: FarmWorld): Promise<string> =>
  await kubectl("run", "probe", "--image=probe", "--dry-run=server").then(() => "", String);
