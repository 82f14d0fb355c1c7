// More things that only several steps in a row bring about: each is a way in which one rule of the design alone keeps a row. Planted bugs
// that no other schedule found are why they are here.

import { nameOf, onFarm, onOperator, storedPods } from "./generateMoment.ts";
import type { Kind } from "./generateMoment.ts";
import { farmMade } from "./generateFarms.ts";
import { passes, pause, scaled, workloadMade } from "./generateTales.ts";

export const rareTales: readonly Kind[] = [
  {
    name: "a pod that had ended comes to life with the store, and its object goes again",
    weight: 2,
    make: onOperator((operator, random, moment) => {
      const [pod] = storedPods(moment).map(nameOf);
      if (pod === undefined) return undefined;
      return [
        { kind: "etcdSaved" },
        { kind: "databaseSilent", operator },
        { kind: "podDeleted", pod },
        passes(5_000),
        { kind: "etcdRestored" },
        passes(5_000),
        { kind: "podForceDeletedAlive", pod },
        { kind: "databaseAnswers", operator },
        pause(random),
      ];
    }),
  },
  {
    name: "the store gives a pod back that the cache has lost",
    weight: 2,
    make: onOperator((operator, random, moment) => {
      const [pod] = storedPods(moment).map(nameOf);
      if (pod === undefined) return undefined;
      return [
        { kind: "etcdSaved" },
        { kind: "apiSilent", operator },
        { kind: "podForceDeletedAlive", pod },
        passes(500),
        { kind: "cacheStalls", operator },
        { kind: "etcdRestored" },
        { kind: "apiAnswers", operator },
        passes(random.pick([31_000, 35_000])),
        { kind: "podForceDeletedAlive", pod },
        passes(random.pick([5_000, 10_000])),
        { kind: "cacheCatchesUp", operator },
      ];
    }),
  },
  {
    name: "a name's next pod ends while the cache shows only that the last one has ended",
    weight: 2,
    make: onOperator((operator, random, moment) => {
      const farm = moment.shape.farms.find(({ kind, cluster }) => kind === "StatefulSet" && cluster === moment.cluster);
      if (farm === undefined) return undefined;
      return [
        { kind: "databaseSilent", operator },
        scaled(farm, 0),
        passes(5_000),
        { kind: "cacheStalls", operator },
        scaled(farm, 1 + random.below(3)),
        passes(3_000),
        { kind: "podDeaf", pod: `${farm.workload}-0` },
        scaled(farm, 0),
        { kind: "databaseAnswers", operator },
        passes(random.pick([20_000, 31_000])),
        { kind: "cacheCatchesUp", operator },
      ];
    }),
  },
  {
    name: "an approval is over before anything came of it",
    weight: 2,
    make: onOperator((operator, random, moment) =>
      onFarm((farm) => [
        { kind: "namespaceDeleted", name: "prod" },
        passes(150_000),
        workloadMade(farm, 1 + random.below(3)),
        ...farmMade({ ...farm, owner: farm.owner ?? "eu-1/shop" }, random),
        passes(5_000),
        { kind: "apiForbids", operator, target: "live-read" },
        { kind: "farmApproved", farm: farm.name },
        passes(random.pick([2_000, 610_000])),
        ...(random.oneIn(2) ? [{ kind: "cacheStalls", operator } as const] : []),
        passes(random.pick([45_000, 60_000])),
        { kind: "apiAllows", operator, target: "live-read" },
        passes(random.pick([31_000, 61_000])),
        { kind: "cacheCatchesUp", operator },
      ])(moment),
    ),
  },
  {
    name: "the policy forbids to take over what a former owner left",
    weight: 1,
    make: onFarm((farm, random) => [
      { kind: "farmDeletionPolicy", farm: farm.name, policy: "Retain" },
      { kind: "farmDeleted", farm: farm.name },
      passes(random.pick([1_000, 5_000])),
      { kind: "farmMadeFor", farm: farm.name, policy: "CreateOnly", owner: "eu-1/next" },
      { kind: "farmFormerOwner", farm: farm.name, owner: farm.owner ?? "namespace-0001/shop" },
      ...(farm.kind === "StatefulSet" ? [{ kind: "farmSetMember", farm: farm.name, member: "live", name: farm.workload } as const] : []),
      ...(random.oneIn(2) ? [{ kind: "operatorStarts", operator: "A" } as const] : []),
      pause(random),
      scaled(farm, 4),
      pause(random),
    ]),
  },
];
