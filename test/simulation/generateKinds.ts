// The kinds of things that happen in a random schedule, each with how often it happens and how it is made of what is there at the moment.
// A kind answers undefined where it could not happen now. What a step does is elsewhere (stepsOf*.ts).

import type { Random } from "./generateRandom.ts";
import { defaultCluster, defaultNamespace } from "./names.ts";
import type { PodObject, WorkloadKind } from "./objects.ts";
import type { Step } from "./steps.ts";
import { isLive } from "./truth.ts";
import type { World } from "./world.ts";

/** What a schedule is about; chosen once for each. */
export interface Shape {
  readonly farms: readonly { readonly name: string; readonly workload: string; readonly kind: WorkloadKind }[];
  readonly operators: readonly string[];
  /** Where the second operator lives, if it is one of another cluster. */
  readonly east: boolean;
}

export interface Moment {
  readonly world: World;
  readonly random: Random;
  readonly shape: Shape;
}

export interface Kind {
  readonly name: string;
  readonly weight: number;
  readonly make: (moment: Moment) => Step | undefined;
}

const some = <Value>(random: Random, values: readonly Value[]): Value | undefined =>
  values.length === 0 ? undefined : random.pick(values);

const storedPods = ({ world }: Moment): readonly PodObject[] => [...world.truth.cluster(defaultCluster).api.pods.values()];

/** As steps name it. */
const nameOf = ({ namespace, name }: { readonly namespace: string; readonly name: string }): string =>
  namespace === defaultNamespace ? name : `${namespace}/${name}`;

const onPod =
  (make: (pod: string, random: Random) => Step, test: (pod: PodObject) => boolean = () => true) =>
  (moment: Moment): Step | undefined => {
    const pod = some(moment.random, storedPods(moment).filter(test));
    return pod && make(nameOf(pod), moment.random);
  };

const onLivePod =
  (make: (pod: string, random: Random) => Step) =>
  (moment: Moment): Step | undefined => {
    const { truth } = moment.world;
    return onPod(make, ({ uid }) => isLive(truth.recordOf(uid)))(moment);
  };

const onFarm =
  (make: (farm: string, random: Random) => Step) =>
  (moment: Moment): Step | undefined =>
    make(moment.random.pick(moment.shape.farms).name, moment.random);

const onWorkload =
  (make: (workload: { readonly name: string; readonly isSet: boolean }, random: Random) => Step | undefined) =>
  ({ random, shape }: Moment): Step | undefined => {
    const { workload, kind } = random.pick(shape.farms);
    return make({ name: workload, isSet: kind === "StatefulSet" }, random);
  };

const onOperator =
  (make: (operator: string, random: Random) => Step, test: "runs" | "down" | "any" = "runs") =>
  ({ world, random, shape }: Moment): Step | undefined => {
    const fitting = shape.operators.filter(
      (name) => test === "any" || (world.operators.get(name)?.process !== undefined) === (test === "runs"),
    );
    const operator = some(random, fitting);
    return operator === undefined ? undefined : make(operator, random);
  };

const onRow =
  (make: (row: string, random: Random) => Step) =>
  ({ world, random }: Moment): Step | undefined => {
    const row = some(random, [...world.truth.database("main").rows.values()]);
    return row && make(row.name, random);
  };

const onNode =
  (make: (node: string) => Step, isCut?: boolean) =>
  ({ world, random }: Moment): Step | undefined => {
    const { cutNodes } = world.truth.cluster(defaultCluster);
    const node = some(
      random,
      ["n1", "n2", "n3"].filter((one) => isCut === undefined || cutNodes.has(one) === isCut),
    );
    return node === undefined ? undefined : make(node);
  };

const nodes = ["n1", "n2", "n3"];
const shortMs = [100, 500, 1_000, 2_000, 3_000, 5_000];
/** Just short of, and just over, what the design counts by. */
const longMs = [10_000, 20_000, 31_000, 41_000, 61_000, 120_000, 130_000, 180_000, 301_000, 310_000, 600_000, 660_000];
const lateMs = [1_000, 5_000, 30_000, 60_000, 120_000, 300_000, 600_000];

const faultTargets = [
  "statement",
  "write",
  "register",
  "mark",
  "remove",
  "read",
  "facts",
  "live-read",
  "gate",
  "status",
  "finalizer",
  "workload",
];
const writes = ["write", "register", "mark", "remove"];

/** Always there: without time nothing comes of anything. */
export const time: Kind = {
  name: "time passes",
  weight: 30,
  make: ({ random }) => ({ kind: "timePasses", duration: random.pick(random.oneIn(2) ? shortMs : longMs) }),
};

/** Always there where it can happen: an operator that stays down proves nothing. */
export const restarts: readonly Kind[] = [
  { name: "operator starts", weight: 10, make: onOperator((operator) => ({ kind: "operatorStarts", operator }), "down") },
  {
    name: "faults end",
    weight: 2,
    make: onOperator(
      (operator, random) =>
        random.pick<Step>([
          { kind: "apiAnswers", operator },
          { kind: "databaseAnswers", operator },
          { kind: "cacheCatchesUp", operator },
        ]),
      "any",
    ),
  },
];

/** Each schedule has a random half of them. */
export const kinds: readonly Kind[] = [
  {
    name: "scale",
    weight: 6,
    make: onWorkload(({ name, isSet }, random) => ({ kind: isSet ? "setScaled" : "deploymentScaled", name, count: random.below(6) })),
  },
  { name: "roll out", weight: 4, make: onWorkload(({ name, isSet }) => (isSet ? undefined : { kind: "deploymentRolledOut", name })) },
  {
    name: "delete workload",
    weight: 1,
    make: onWorkload(({ name, isSet }) => ({ kind: isSet ? "setDeleted" : "deploymentDeleted", name })),
  },
  {
    name: "make workload",
    weight: 2,
    make: onWorkload(({ name, isSet }, random) => ({ kind: isSet ? "setMade" : "deploymentMade", name, count: 1 + random.below(4) })),
  },
  {
    name: "grace",
    weight: 1,
    make: onWorkload(({ name }, random) => ({ kind: "podsGrace", name, duration: random.pick([1_000, 5_000, 60_000, 120_000]) })),
  },
  { name: "delete pod", weight: 6, make: onPod((pod) => ({ kind: "podDeleted", pod })) },
  { name: "force-delete pod", weight: 2, make: onPod((pod) => ({ kind: "podForceDeleted", pod })) },
  { name: "force-delete pod, process lives", weight: 3, make: onLivePod((pod) => ({ kind: "podForceDeletedAlive", pod })) },
  { name: "pod ignores its end", weight: 2, make: onLivePod((pod) => ({ kind: "podDeaf", pod })) },
  {
    name: "slow stop",
    weight: 2,
    make: onPod((pod, random) => ({ kind: "podStops", pod, duration: random.pick([0, 500, 10_000, 29_000]) })),
  },
  { name: "process ends", weight: 3, make: onLivePod((pod) => ({ kind: "processEnds", pod })) },
  {
    name: "old process ends",
    weight: 2,
    make: ({ world, random }) => {
      const old = some(
        random,
        [...world.truth.records.values()].filter((record) => record.cluster === defaultCluster && isLive(record) && !record.isStored),
      );
      return old && { kind: "oldProcessEnds", pod: nameOf(old.last) };
    },
  },
  { name: "evict", weight: 2, make: onLivePod((pod) => ({ kind: "podEvicted", pod })) },
  { name: "complete", weight: 1, make: onLivePod((pod) => ({ kind: "podCompletes", pod })) },
  { name: "crash container", weight: 3, make: onLivePod((pod) => ({ kind: "containerCrashes", pod })) },
  { name: "restart container", weight: 2, make: onLivePod((pod) => ({ kind: "containerRestarts", pod })) },
  { name: "relabel", weight: 2, make: onPod((pod, random) => ({ kind: "podRelabelled", pod, label: random.pick(["shop", "other"]) })) },
  { name: "cut node", weight: 3, make: onNode((node) => ({ kind: "nodeCut", node }), false) },
  { name: "node back", weight: 5, make: onNode((node) => ({ kind: "nodeBack", node }), true) },
  { name: "taint node", weight: 2, make: onNode((node) => ({ kind: "nodeTainted", node })) },
  { name: "collect node", weight: 2, make: onNode((node) => ({ kind: "nodeCollected", node })) },
  { name: "collect cut node", weight: 3, make: onNode((node) => ({ kind: "nodeCollected", node }), true) },
  {
    name: "bind early",
    weight: 1,
    make: onPod(
      (pod, random) => ({ kind: "podStarts", pod, node: random.pick(nodes) }),
      ({ node }) => node === undefined,
    ),
  },

  {
    name: "policy",
    weight: 3,
    make: onFarm((farm, random) => ({
      kind: "farmPolicy",
      farm,
      policy: random.pick(["Sync", "Sync", "UpsertOnly", "CreateOnly", "Observe"]),
    })),
  },
  { name: "suspend", weight: 1, make: onFarm((farm) => ({ kind: "farmSuspended", farm })) },
  { name: "resume", weight: 2, make: onFarm((farm) => ({ kind: "farmResumed", farm })) },
  { name: "newer field", weight: 1, make: onFarm((farm, random) => ({ kind: random.oneIn(2) ? "farmNewer" : "farmOlder", farm })) },
  {
    name: "deletion policy",
    weight: 2,
    make: onFarm((farm, random) => ({ kind: "farmDeletionPolicy", farm, policy: random.pick(["RemoveStale", "RemoveAll", "Retain"]) })),
  },
  { name: "delete farm", weight: 2, make: onFarm((farm) => ({ kind: "farmDeleted", farm })) },
  {
    name: "make farm",
    weight: 4,
    make: (moment) => onFarm((farm, random) => ({ kind: "farmMade", farm, policy: random.oneIn(4) ? "UpsertOnly" : "Sync" }))(moment),
  },
  { name: "approve", weight: 8, make: onFarm((farm) => ({ kind: "farmApproved", farm })) },
  { name: "skip cleanup", weight: 1, make: onFarm((farm) => ({ kind: "farmSkipCleanup", farm })) },
  { name: "force", weight: 2, make: onFarm((farm) => ({ kind: "farmForced", farm })) },
  {
    name: "node lost",
    weight: 1,
    make: onFarm((farm, random) => ({ kind: "farmNodeLost", farm, duration: random.pick([60_000, 300_000, 600_000]) })),
  },
  {
    name: "fail open",
    weight: 1,
    make: onFarm((farm, random) => ({ kind: "farmFailOpen", farm, duration: random.pick([0, 30_000, 300_000]) })),
  },
  {
    name: "member",
    weight: 1,
    make: onFarm((farm, random) =>
      random.pick<Step>([
        { kind: "farmDeploymentMember", farm, member: "live", name: random.pick(["shop", "shpo"]) },
        { kind: "farmLabelMember", farm, member: "live", label: random.pick(["shop", "shpo"]) },
        { kind: "farmSetMember", farm, member: "more", name: random.pick(["shop", "shpo"]) },
        { kind: "farmMemberGone", farm, member: random.pick(["live", "more"]) },
      ]),
    ),
  },

  { name: "crash", weight: 3, make: onOperator((operator) => ({ kind: "operatorCrashes", operator })) },
  { name: "restart", weight: 3, make: onOperator((operator) => ({ kind: "operatorStarts", operator })) },
  {
    name: "crash at effect",
    weight: 4,
    make: onOperator((operator, random) => ({
      kind: random.oneIn(2) ? "operatorCrashesBefore" : "operatorCrashesAfter",
      operator,
      nth: 1 + random.below(8),
    })),
  },
  {
    name: "pause",
    weight: 2,
    make: onOperator((operator, random) => ({ kind: "operatorPauses", operator, duration: random.pick(lateMs) })),
  },
  {
    name: "pause at effect",
    weight: 3,
    make: onOperator((operator, random) => ({
      kind: random.oneIn(2) ? "operatorPausesBefore" : "operatorPausesAfter",
      ...{ operator, nth: 1 + random.below(8), duration: random.pick(lateMs) },
    })),
  },
  { name: "resume operator", weight: 1, make: onOperator((operator) => ({ kind: "operatorResumes", operator })) },
  { name: "stall cache", weight: 3, make: onOperator((operator) => ({ kind: "cacheStalls", operator }), "any") },
  { name: "cache catches up", weight: 4, make: onOperator((operator) => ({ kind: "cacheCatchesUp", operator }), "any") },
  { name: "cache sees one", weight: 3, make: onOperator((operator) => ({ kind: "cacheSeesOne", operator })) },
  { name: "cache lists anew", weight: 3, make: onOperator((operator) => ({ kind: "cacheRelists", operator })) },
  {
    name: "late statement",
    weight: 6,
    make: onOperator((operator, random) => ({ kind: "effectLate", operator, target: random.pick(writes), duration: random.pick(lateMs) })),
  },
  {
    name: "lost reply",
    weight: 4,
    make: onOperator((operator, random) => ({
      kind: "effectLost",
      operator,
      target: random.pick([...writes, "gate", "status", "finalizer"]),
    })),
  },
  {
    name: "not applied",
    weight: 2,
    make: onOperator((operator, random) => ({ kind: "effectNotApplied", operator, target: random.pick(faultTargets) })),
  },
  {
    name: "refused",
    weight: 2,
    make: onOperator((operator, random) => ({
      kind: "effectRefused",
      operator,
      target: random.pick(["live-read", "gate", "status", "finalizer", "workload", "secret"]),
    })),
  },
  {
    name: "hangs",
    weight: 2,
    make: onOperator((operator, random) => ({ kind: "effectHangs", operator, target: random.pick(faultTargets) })),
  },
  {
    name: "meets a change",
    weight: 2,
    make: onOperator((operator, random) => ({
      kind: "effectMeetsChange",
      operator,
      target: random.pick(["status", "finalizer", "live-read"]),
    })),
  },
  { name: "api silent", weight: 2, make: onOperator((operator) => ({ kind: "apiSilent", operator })) },
  { name: "api answers", weight: 2, make: onOperator((operator) => ({ kind: "apiAnswers", operator }), "any") },
  {
    name: "api forbids",
    weight: 1,
    make: onOperator((operator, random) => ({
      kind: "apiForbids",
      operator,
      target: random.pick(["live-read", "gate", "status", "workload", "secret"]),
    })),
  },
  {
    name: "api allows",
    weight: 1,
    make: onOperator(
      (operator, random) => ({ kind: "apiAllows", operator, target: random.pick(["live-read", "gate", "status", "workload", "secret"]) }),
      "any",
    ),
  },
  { name: "database silent", weight: 2, make: onOperator((operator) => ({ kind: "databaseSilent", operator })) },
  { name: "database answers", weight: 2, make: onOperator((operator) => ({ kind: "databaseAnswers", operator }), "any") },

  {
    name: "person inserts",
    weight: 2,
    make: ({ random }) => ({ kind: "rowInserted", row: random.pick(["shop-0", "shop-1", "shop-b", "shop-c", "shop-d", "shop-e", "old"]) }),
  },
  { name: "person deletes", weight: 2, make: onRow((row) => ({ kind: "rowDeleted", row })) },
  {
    name: "person renames",
    weight: 1,
    make: onRow((row, random) => ({ kind: "rowRenamed", row, name: random.pick(["renamed", "shop-1", "shop-c"]) })),
  },
  {
    name: "person copies",
    weight: 1,
    make: onRow((row, random) => ({ kind: "rowCopied", row, name: random.pick(["copy", "shop-1", "shop-c"]) })),
  },
  { name: "person switches", weight: 1, make: onRow((row, random) => ({ kind: random.oneIn(2) ? "rowDisabled" : "rowEnabled", row })) },
  { name: "bindings", weight: 1, make: onRow((row, random) => ({ kind: "rowBound", row, count: random.pick([10, 2_500, 7_000]) })) },
  { name: "save database", weight: 3, make: () => ({ kind: "databaseSaved" }) },
  { name: "restore database", weight: 3, make: () => ({ kind: "databaseRestored" }) },
  { name: "database gone", weight: 1, make: () => ({ kind: "databaseGone" }) },
  { name: "database back", weight: 2, make: () => ({ kind: "databaseBack" }) },
  { name: "save etcd", weight: 3, make: () => ({ kind: "etcdSaved" }) },
  { name: "restore etcd", weight: 3, make: () => ({ kind: "etcdRestored" }) },
  { name: "delete secret", weight: 1, make: () => ({ kind: "secretDeleted", secret: "kentico" }) },
  { name: "make secret", weight: 2, make: () => ({ kind: "secretMade", secret: "kentico", database: "main" }) },
  { name: "delete namespace", weight: 1, make: () => ({ kind: "namespaceDeleted", name: defaultNamespace }) },
  { name: "make namespace", weight: 2, make: () => ({ kind: "namespaceMade", name: defaultNamespace }) },
];
