// What a random schedule can see when it chooses its next step, and how kinds of steps find something that they can happen to.

import type { Random } from "./generateRandom.ts";
import { defaultCluster, defaultNamespace } from "./names.ts";
import type { PodObject, WorkloadKind } from "./objects.ts";
import type { Step } from "./steps.ts";
import type { Cluster } from "./truth.ts";
import type { World } from "./world.ts";

export interface FarmShape {
  /** As steps name it: `shop`, `staging/shop`. */
  readonly name: string;
  readonly cluster: string;
  readonly workload: string;
  readonly kind: WorkloadKind;
  readonly owner?: string;
}

/** What a schedule is about; chosen once for each. */
export interface Shape {
  readonly farms: readonly FarmShape[];
  readonly operators: readonly { readonly name: string; readonly cluster: string }[];
}

export interface Moment {
  readonly world: World;
  readonly random: Random;
  readonly shape: Shape;
  /** In which cluster the next thing happens. */
  readonly cluster: string;
}

/** One thing that happens: a step, or several in a row; undefined where it could not happen now. */
export interface Kind {
  readonly name: string;
  readonly weight: number;
  readonly make: (moment: Moment) => Step | readonly Step[] | undefined;
}

export const some = <Value>(random: Random, values: readonly Value[]): Value | undefined =>
  values.length === 0 ? undefined : random.pick(values);

export const clusterOf = ({ world, cluster }: Moment): Cluster => world.truth.cluster(cluster);

export const storedPods = (moment: Moment): readonly PodObject[] => [...clusterOf(moment).api.pods.values()];

/** As steps name it. */
export const nameOf = ({ namespace, name }: { readonly namespace: string; readonly name: string }): string =>
  namespace === defaultNamespace ? name : `${namespace}/${name}`;

/** In the cluster in which it happens. */
export const placed = (step: Step, cluster: string): Step => (cluster === defaultCluster ? step : { ...step, at: { ...step.at, cluster } });

type Make<Subject> = (subject: Subject, random: Random, moment: Moment) => Step | readonly Step[] | undefined;

export const onPod =
  (make: Make<string>, test: (pod: PodObject, moment: Moment) => boolean = () => true) =>
  (moment: Moment): ReturnType<Kind["make"]> => {
    const pod = some(
      moment.random,
      storedPods(moment).filter((one) => test(one, moment)),
    );
    return pod && make(nameOf(pod), moment.random, moment);
  };

export const onFarm =
  (make: Make<FarmShape>) =>
  (moment: Moment): ReturnType<Kind["make"]> => {
    const farm = some(
      moment.random,
      moment.shape.farms.filter(({ cluster }) => cluster === moment.cluster),
    );
    return farm && make(farm, moment.random, moment);
  };

export const onOperator =
  (make: Make<string>, test: "runs" | "down" | "any" = "runs") =>
  (moment: Moment): ReturnType<Kind["make"]> => {
    const { world, random, shape, cluster } = moment;
    const runs = (name: string): boolean => world.operators.get(name)?.process !== undefined;
    const fitting = shape.operators.filter((one) => one.cluster === cluster && (test === "any" || runs(one.name) === (test === "runs")));
    const operator = some(random, fitting);
    return operator && make(operator.name, random, moment);
  };

export const onRow =
  (make: Make<string>) =>
  (moment: Moment): ReturnType<Kind["make"]> => {
    const row = some(moment.random, [...moment.world.truth.database("main").rows.values()]);
    return row && make(row.name, moment.random, moment);
  };

export const nodes = ["n1", "n2", "n3"];

export const onNode =
  (make: (node: string) => Step, isCut?: boolean) =>
  (moment: Moment): ReturnType<Kind["make"]> => {
    const { cutNodes } = clusterOf(moment);
    const node = some(
      moment.random,
      nodes.filter((one) => isCut === undefined || cutNodes.has(one) === isCut),
    );
    return node === undefined ? undefined : make(node);
  };

export const shortMs = [100, 500, 1_000, 2_000, 3_000, 5_000];
/** Just short of, and just over, what the design counts by. */
export const longMs = [10_000, 20_000, 31_000, 41_000, 61_000, 120_000, 130_000, 301_000, 310_000, 610_000];
export const lateMs = [1_000, 5_000, 30_000, 60_000, 120_000, 300_000, 600_000];
