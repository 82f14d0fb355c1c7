// Things that only several steps in a row bring about, and that matter: single random steps would hardly ever meet in this order. Other
// random steps come in between.

import { clusterOf, lateMs, nameOf, onFarm, onOperator, storedPods } from "./generateMoment.ts";
import type { FarmShape, Kind, Moment } from "./generateMoment.ts";
import { farmMade } from "./generateFarms.ts";
import type { Random } from "./generateRandom.ts";
import { named } from "./names.ts";
import type { Step } from "./steps.ts";

export const passes = (duration: number): Step => ({ kind: "timePasses", duration });
export const pause = (random: Random): Step => passes(random.pick([500, 2_000, 10_000, 31_000, 45_000]));

/** In force where none is given: as `status.ownerId` says it. */
function ownerOf({ name, owner }: FarmShape, moment: Moment): string {
  const at = named(name);
  return owner ?? `${clusterOf(moment).api.namespaces.get(at.namespace)?.uid ?? "none"}/${at.name}`;
}

/** What may become of all pods at once. */
function podsVanish(moment: Moment): readonly Step[] {
  const pods = storedPods(moment).map(nameOf);
  return moment.random.pick<readonly Step[]>([
    pods.map((pod) => ({ kind: "podForceDeleted", pod })),
    pods.map((pod) => ({ kind: "podForceDeletedAlive", pod })),
    ["n1", "n2", "n3"].flatMap((node): readonly Step[] => [
      { kind: "nodeCut", node },
      { kind: "nodeCollected", node },
    ]),
  ]);
}

export const workloadMade = ({ kind, workload }: FarmShape, count: number): Step => ({
  kind: kind === "StatefulSet" ? "setMade" : "deploymentMade",
  name: workload,
  count,
});
const workloadDeleted = ({ kind, workload }: FarmShape): Step => ({
  kind: kind === "StatefulSet" ? "setDeleted" : "deploymentDeleted",
  name: workload,
});
export const scaled = ({ kind, workload }: FarmShape, count: number): Step => ({
  kind: kind === "StatefulSet" ? "setScaled" : "deploymentScaled",
  name: workload,
  count,
});
const rolledOut = (farm: FarmShape): Step =>
  farm.kind === "StatefulSet" ? scaled(farm, 0) : { kind: "deploymentRolledOut", name: farm.workload };

export const tales: readonly Kind[] = [
  {
    name: "the operator is down while pods change",
    weight: 3,
    make: onOperator((operator, random, moment) => {
      const farm = random.pick(moment.shape.farms);
      return [
        { kind: "operatorCrashes", operator },
        random.pick([rolledOut(farm), scaled(farm, 0), scaled(farm, random.below(4)), workloadDeleted(farm)]),
        passes(random.pick([3_000, 30_000, 120_000])),
        { kind: "operatorStarts", operator },
        pause(random),
      ];
    }),
  },
  {
    name: "all pods are gone and none comes",
    weight: 3,
    make: onOperator((operator, random, moment) => [
      { kind: "controllersRest" },
      ...(random.oneIn(2) ? [{ kind: "operatorCrashes", operator } as const] : []),
      ...(random.oneIn(2) ? [{ kind: "cacheStalls", operator } as const] : []),
      ...podsVanish(moment),
      passes(random.pick([1_000, 10_000])),
      { kind: "operatorStarts", operator },
      { kind: "cacheCatchesUp", operator },
      passes(random.pick([45_000, 310_000])),
      ...(random.oneIn(3) ? [] : moment.shape.farms.map(({ name }): Step => ({ kind: "farmApproved", farm: name }))),
      pause(random),
      { kind: "controllersWork" },
    ]),
  },
  {
    name: "the store goes back to a time before the pods",
    weight: 2,
    make: onFarm((farm, random) => [
      { kind: "etcdSaved" },
      random.pick([scaled(farm, 5), rolledOut(farm)]),
      passes(random.pick([5_000, 20_000, 60_000])),
      { kind: "etcdRestored" },
      pause(random),
    ]),
  },
  {
    name: "the database goes back to a time before the rows",
    weight: 2,
    make: onFarm((farm, random) => [
      { kind: "databaseSaved" },
      random.pick([scaled(farm, 5), scaled(farm, 1), rolledOut(farm)]),
      passes(random.pick([5_000, 20_000, 60_000])),
      { kind: "databaseRestored" },
      pause(random),
    ]),
  },
  {
    name: "the namespace is made anew",
    weight: 2,
    make: onFarm((farm, random) => [
      { kind: "namespaceDeleted", name: "prod" },
      passes(random.pick([5_000, 45_000, 150_000])),
      workloadMade(farm, 1 + random.below(3)),
      ...farmMade(farm, random),
      passes(random.pick([5_000, 45_000])),
      ...(random.oneIn(3) ? [] : [{ kind: "farmApproved", farm: farm.name } as const]),
      pause(random),
    ]),
  },
  {
    name: "the WebFarm has another owner than before",
    weight: 3,
    make: onFarm((farm, random, moment) => [
      { kind: "farmDeletionPolicy", farm: farm.name, policy: random.pick(["Retain", "Retain", "RemoveStale"]) },
      { kind: "farmDeleted", farm: farm.name },
      passes(random.pick([1_000, 20_000])),
      ...(random.oneIn(3) ? [scaled(farm, random.below(4)), passes(10_000)] : []),
      ...farmMade({ ...farm, owner: "eu-1/next" }, random),
      ...(random.oneIn(3) ? [{ kind: "farmPolicy", farm: farm.name, policy: "CreateOnly" } as const] : []),
      { kind: "farmFormerOwner", farm: farm.name, owner: ownerOf(farm, moment) },
      pause(random),
      ...(random.oneIn(2) ? [{ kind: "farmApproved", farm: farm.name } as const] : []),
      pause(random),
    ]),
  },
  {
    name: "a statement is late and the name comes back",
    weight: 3,
    make: onOperator((operator, random, moment) => {
      const farm = random.pick(moment.shape.farms);
      return [
        { kind: "effectLate", operator, target: random.pick(["remove", "mark", "register", "write"]), duration: random.pick(lateMs) },
        scaled(farm, random.below(2)),
        pause(random),
        scaled(farm, 1 + random.below(4)),
        pause(random),
      ];
    }),
  },
  {
    name: "a name is replaced while the cache lags",
    weight: 3,
    make: onOperator((operator, random, moment) => {
      const [pod] = storedPods(moment).map(nameOf);
      if (pod === undefined) return undefined;
      return [
        ...(random.oneIn(2) ? [{ kind: "cacheStalls", operator } as const] : []),
        { kind: random.pick(["podDeleted", "podForceDeleted", "podForceDeletedAlive"]), pod },
        pause(random),
        { kind: random.pick(["cacheSeesOne", "cacheRelists", "cacheCatchesUp"]), operator },
        pause(random),
        { kind: "cacheCatchesUp", operator },
      ];
    }),
  },
  {
    name: "the WebFarm is deleted while something stands in its way",
    weight: 2,
    make: onOperator((operator, random, moment) => {
      const farm = random.pick(moment.shape.farms);
      return [
        { kind: "farmDeletionPolicy", farm: farm.name, policy: random.pick(["RemoveStale", "RemoveAll"]) },
        ...(random.oneIn(2) ? [scaled(farm, random.below(2))] : []),
        random.pick<Step>([
          { kind: "databaseSilent", operator },
          { kind: "apiForbids", operator, target: "live-read" },
          { kind: "effectLate", operator, target: "remove", duration: 60_000 },
          { kind: "cacheStalls", operator },
        ]),
        { kind: "farmDeleted", farm: farm.name },
        passes(random.pick([5_000, 130_000])),
        ...(random.oneIn(2) ? [workloadDeleted(farm)] : []),
      ];
    }),
  },
  {
    name: "the database is away while pods start",
    weight: 2,
    make: onFarm((farm, random, moment) => {
      const away = moment.world.truth.database("main").isGone;
      return [
        { kind: away ? "databaseBack" : "databaseGone" },
        scaled(farm, 1 + random.below(5)),
        passes(random.pick([10_000, 301_000])),
        { kind: "databaseBack" },
        pause(random),
      ];
    }),
  },
  {
    name: "a node is lost and comes back",
    weight: 2,
    make: (moment) => {
      const { random } = moment;
      const node = random.pick(["n1", "n2", "n3"]);
      return [
        { kind: "nodeCut", node },
        passes(random.pick([2_000, 40_000])),
        { kind: random.pick(["nodeTainted", "nodeCollected"]), node },
        ...(clusterOf(moment).controllersRest ? [{ kind: "controllersWork" } as const] : []),
        passes(random.pick([10_000, 45_000, 310_000])),
        { kind: "nodeBack", node },
        pause(random),
      ];
    },
  },
];
