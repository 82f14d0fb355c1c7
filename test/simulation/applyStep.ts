// Does one step to a world, at once and completely, or not at all (Inapplicable). What each step does is in the stepsOf files beside this.

import type { SimDatabase } from "./database.ts";
import { defaultCluster, defaultDatabase } from "./names.ts";
import { stepsOfCluster } from "./stepsOfCluster.ts";
import { stepsOfDatabase } from "./stepsOfDatabase.ts";
import { stepsOfFarm } from "./stepsOfFarm.ts";
import { stepsOfOperator } from "./stepsOfOperator.ts";
import { stepsOfPod } from "./stepsOfPod.ts";
import type { Step, StepKind, StepOf } from "./steps.ts";
import type { Cluster, Truth } from "./truth.ts";
import type { World } from "./world.ts";

/** Where a step happens. */
export interface Place {
  readonly world: World;
  readonly truth: Truth;
  readonly cluster: string;
  readonly in: Cluster;
  readonly database: SimDatabase;
}

export type Deeds<Kind extends StepKind> = { readonly [K in Kind]: (place: Place, step: StepOf<K>) => void };

const deeds: Deeds<Exclude<StepKind, "timePasses">> = {
  ...stepsOfCluster,
  ...stepsOfPod,
  ...stepsOfFarm,
  ...stepsOfOperator,
  ...stepsOfDatabase,
};

export function applyStep(world: World, step: Exclude<Step, StepOf<"timePasses">>): void {
  const { truth } = world;
  const cluster = step.at?.cluster ?? defaultCluster;
  const place = { world, truth, cluster, in: truth.cluster(cluster), database: truth.database(step.at?.database ?? defaultDatabase) };
  (deeds[step.kind] as (place: Place, step: Step) => void)(place, step);
}
