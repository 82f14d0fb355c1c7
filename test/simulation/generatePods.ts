// Random things that happen to workloads, pods, nodes and namespaces.

import { clusterOf, nameOf, nodes, onFarm, onNode, onPod, some } from "./generateMoment.ts";
import type { Kind } from "./generateMoment.ts";
import type { Random } from "./generateRandom.ts";
import type { Step } from "./steps.ts";
import { isLive } from "./truth.ts";

const isSet = ({ kind }: { readonly kind: string }): boolean => kind === "StatefulSet";

const onLivePod = (make: (pod: string, random: Random) => Step): Kind["make"] =>
  onPod(make, ({ uid }, { world }) => isLive(world.truth.recordOf(uid)));

export const kindsOfPods: readonly Kind[] = [
  {
    name: "scale",
    weight: 7,
    make: onFarm((farm, random) => ({ kind: isSet(farm) ? "setScaled" : "deploymentScaled", name: farm.workload, count: random.below(6) })),
  },
  { name: "roll out", weight: 4, make: onFarm((farm) => (isSet(farm) ? undefined : { kind: "deploymentRolledOut", name: farm.workload })) },
  {
    name: "delete workload",
    weight: 1,
    make: onFarm((farm) => ({ kind: isSet(farm) ? "setDeleted" : "deploymentDeleted", name: farm.workload })),
  },
  {
    name: "make workload",
    weight: 2,
    make: onFarm((farm, random) => ({ kind: isSet(farm) ? "setMade" : "deploymentMade", name: farm.workload, count: 1 + random.below(4) })),
  },
  {
    name: "grace",
    weight: 1,
    make: onFarm(({ workload }, random) => ({ kind: "podsGrace", name: workload, duration: random.pick([1_000, 5_000, 60_000, 120_000]) })),
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
    weight: 3,
    make: ({ world, random, cluster }) => {
      const old = some(
        random,
        [...world.truth.records.values()].filter((record) => record.cluster === cluster && isLive(record) && !record.isStored),
      );
      return old && { kind: "oldProcessEnds", pod: nameOf(old.last) };
    },
  },
  { name: "evict", weight: 2, make: onLivePod((pod) => ({ kind: "podEvicted", pod })) },
  { name: "complete", weight: 1, make: onLivePod((pod) => ({ kind: "podCompletes", pod })) },
  { name: "crash container", weight: 3, make: onLivePod((pod) => ({ kind: "containerCrashes", pod })) },
  {
    name: "crash container while it is deleted",
    weight: 1,
    make: onLivePod((pod) => ({ kind: "containerCrashes", pod })),
  },
  { name: "restart container", weight: 2, make: onLivePod((pod) => ({ kind: "containerRestarts", pod })) },
  {
    name: "relabel",
    weight: 2,
    make: onPod((pod, random) => ({ kind: "podRelabelled", pod, label: random.pick(["shop", "shop", "other"]) })),
  },
  {
    name: "bind early",
    weight: 1,
    make: onPod(
      (pod, random) => ({ kind: "podStarts", pod, node: random.pick(nodes) }),
      ({ node }) => node === undefined,
    ),
  },
  { name: "cut node", weight: 3, make: onNode((node) => ({ kind: "nodeCut", node }), false) },
  { name: "node back", weight: 5, make: onNode((node) => ({ kind: "nodeBack", node }), true) },
  { name: "taint node", weight: 2, make: onNode((node) => ({ kind: "nodeTainted", node })) },
  { name: "collect node", weight: 1, make: onNode((node) => ({ kind: "nodeCollected", node })) },
  { name: "collect cut node", weight: 4, make: onNode((node) => ({ kind: "nodeCollected", node }), true) },
  {
    name: "controllers rest",
    weight: 2,
    make: (moment) => ({ kind: clusterOf(moment).controllersRest ? "controllersWork" : "controllersRest" }),
  },

  { name: "save etcd", weight: 3, make: () => ({ kind: "etcdSaved" }) },
  { name: "restore etcd", weight: 5, make: (moment) => (clusterOf(moment).api.hasSaved ? { kind: "etcdRestored" } : undefined) },
  { name: "delete secret", weight: 1, make: () => ({ kind: "secretDeleted", secret: "kentico" }) },
  { name: "make secret", weight: 2, make: () => ({ kind: "secretMade", secret: "kentico", database: "main" }) },
  { name: "delete namespace", weight: 1, make: () => ({ kind: "namespaceDeleted", name: "prod" }) },
  { name: "make namespace", weight: 2, make: () => ({ kind: "namespaceMade", name: "prod" }) },
];
