// The control plane on which a scenario is played: the one that the run shares, or one of its own where the story takes etcd back in time, which
// nobody else on it would survive.

import { startCluster } from "../../cluster/cluster.ts";
import type { TestCluster } from "../../cluster/cluster.ts";
import { connectCluster } from "../../cluster/shared.ts";
import type { SharedCluster } from "../../cluster/shared.ts";
import type { Scenario } from "../../simulation/scenario.ts";
import type { StepKind } from "../../simulation/steps.ts";
import { createFarmWorld } from "../../world/farmWorld.ts";

export interface Ground {
  readonly cluster: SharedCluster;
  /** Of a control plane of its own. */
  readonly store?: Pick<TestCluster, "saveStore" | "restoreStore">;
}

export interface OwnGround extends Ground {
  readonly close: () => Promise<void>;
}

const stepsWithStore: readonly StepKind[] = ["etcdSaved", "etcdRestored"];

export const needsOwnControlPlane = ({ lines }: Scenario): boolean =>
  lines.some((line) => line.kind !== "Then" && line.steps.some(({ kind }) => stepsWithStore.includes(kind)));

/** Resolves when the chart is installed, whose rights the operators have. */
export async function openOwnGround(): Promise<OwnGround> {
  const own = await startCluster();
  try {
    const cluster = await connectCluster(own.directory);
    await installChart(cluster);
    return { cluster, store: own, close: own.stop };
  } catch (error) {
    await own.stop();
    throw error;
  }
}

/** Once in a cluster, whoever comes first. */
export async function installChart(cluster: SharedCluster): Promise<void> {
  const world = await createFarmWorld({ cluster, operator: "absent" });
  await world.close();
}
