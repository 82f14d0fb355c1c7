// The small worlds: one WebFarm, one name or two, a row that is not ours, two operators that both write. Each says how it begins and what
// happens in it; when, and in what order to everything that operators do, is for the exploration to try.

import { markOf } from "./marks.ts";
import type { Deed } from "./exploreTruth.ts";
import { parseStep } from "./steps.ts";
import type { World } from "./world.ts";

export interface SmallWorld {
  readonly name: string;
  /** What it looks for. */
  readonly why: string;
  readonly begins: readonly string[];
  /** What no step says. */
  readonly prepare?: (world: World) => void;
  /** Has happened already when the exploration begins, and no operator has heard of it: it begins where much is on its way. */
  readonly unheard?: readonly string[];
  /** Each chain happens in its order. */
  readonly chains: readonly (readonly string[])[];
  /** Somebody reads back what operators write into the status. */
  readonly statusMatters?: boolean;
  readonly workloadsChange?: boolean;
  readonly goesBack?: boolean;
}

const farm = ["webfarm shop fails open after 60s", "webfarm shop gives nodes up after 60s"];
const setFarm = ["webfarm shop with policy Sync", "webfarm shop has member live of statefulset shop", ...farm];
const deploymentFarm = ["webfarm shop with policy Sync", ...farm];
const foreign = "a person inserts row legacy";
const oneSetPod = [foreign, "statefulset shop wants 1", ...setFarm, "statefulset shop makes pod 0", "pod shop-0 starts on n1"];
const onePod = [foreign, "deployment shop wants 1", ...deploymentFarm, "deployment shop makes a pod", "pod shop-a starts on n1"];
const ends = (pod: string): readonly string[] => [`pod ${pod} is deleted`, `pod ${pod}'s process ends`, `pod ${pod}'s object is removed`];
const formerOwner = "old/shop";

export const smallWorlds: readonly SmallWorld[] = [
  {
    name: "successor",
    why: "the pod of a StatefulSet is replaced under its name",
    begins: oneSetPod,
    chains: [[...ends("shop-0"), "statefulset shop makes pod 0", "pod shop-0 starts on n2"]],
  },
  {
    name: "successor unheard",
    why: "both operators hear late that a StatefulSet's pod has gone and has a successor",
    begins: oneSetPod,
    unheard: [...ends("shop-0"), "statefulset shop makes pod 0"],
    chains: [["pod shop-0 starts on n2"]],
  },
  {
    name: "forced unheard",
    why: "the same of a pod that was force-deleted and whose process lives on",
    begins: oneSetPod,
    unheard: ["pod shop-0 is force-deleted and its process lives on", "statefulset shop makes pod 0", "pod shop-0 starts on n2"],
    chains: [["pod shop-0 is deleted", "pod shop-0's process ends"]],
  },
  {
    name: "forced",
    why: "a pod is force-deleted, its process lives on, and its successor has its name",
    begins: oneSetPod,
    chains: [
      ["pod shop-0 is force-deleted and its process lives on", "statefulset shop makes pod 0", "pod shop-0 starts on n2"],
      ["old pod shop-0's process ends"],
    ],
  },
  {
    name: "rollout",
    why: "the pod of a Deployment is replaced by one with another name",
    begins: onePod,
    chains: [["deployment shop makes a pod", "pod shop-b starts on n2"], ends("shop-a")],
  },
  {
    name: "lost node",
    why: "a node is cut off and given up, its process writes on, another pod comes, the node comes back",
    begins: onePod,
    chains: [
      ["node n1 is cut off", "node n1 is given up and its pods collected", "node n1 is back"],
      ["deployment shop makes a pod", "pod shop-b starts on n2"],
    ],
  },
  {
    name: "restore",
    why: "the store goes back to before the end of a pod, of which operators may have heard, and which may have a successor",
    begins: oneSetPod,
    unheard: ["etcd is saved", ...ends("shop-0")],
    chains: [["etcd is restored"], ["statefulset shop makes pod 0", "pod shop-0 starts on n2"]],
    goesBack: true,
  },
  {
    name: "approval",
    why: "a person approves the removal of a former owner's row while a pod ends",
    begins: [...onePod, `webfarm shop had owner ${formerOwner}`],
    prepare: ({ truth }) => {
      const uid = truth.cluster("main").api.namespaces.get("prod")?.uid ?? "";
      const guid = markOf(formerOwner, uid, "shop-x", "pod-of-old");
      truth.database("main").insert({ name: "shop-x", guid, enabled: true }, { kind: "person" });
    },
    chains: [["webfarm shop is annotated approve"], ["pod shop-a is deleted", "pod shop-a's process ends"]],
    statusMatters: true,
  },
  {
    name: "removeStale",
    why: "a WebFarm is deleted, with its workload, while two operators run",
    begins: onePod,
    chains: [["webfarm shop is deleted"], ["deployment shop is deleted", ...ends("shop-a")]],
    workloadsChange: true,
  },
  {
    name: "removeAll",
    why: "a WebFarm with deletion policy RemoveAll is deleted while two operators run and a pod comes",
    begins: [...onePod, "webfarm shop sets deletion policy RemoveAll"],
    chains: [["webfarm shop is deleted"], ["deployment shop makes a pod", "pod shop-b starts on n2"]],
  },
];

export const deedOf = (line: string): Deed => {
  const step = parseStep(line);
  if (step.kind === "timePasses") throw new Error(`Cannot explore "${line}": time passes by itself in a small world`);
  return step;
};
