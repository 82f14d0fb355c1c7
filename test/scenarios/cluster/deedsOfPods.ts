// Steps about pods and their nodes on the real control plane. What a kubelet does is asked of kwok's stages by annotations
// (test/cluster/README.md); a node of a scenario is every third pod, as in the simulated world, so that scenarios share the real nodes.

import type { BookedPod } from "./podBook.ts";
import type { Deeds } from "./deeds.ts";
import type { Stage } from "./stage.ts";
import { podPath } from "./objects.ts";

const strategic = "application/strategic-merge-patch+json";
const nodes = ["n1", "n2", "n3"];
/** A crashed container runs again after so long: later than anybody looks. */
const restartMs = "60000";

type Kinds =
  | `pod${"Stops" | "Deleted" | "ForceDeleted" | "ForceDeletedAlive" | "Deaf" | "Evicted" | "Completes" | "Relabelled"}`
  | "processEnds"
  | "oldProcessEnds"
  | `container${"Crashes" | "Restarts"}`
  | `node${"Cut" | "Back" | "Tainted" | "Collected"}`;

export const deedsOfPods: Deeds<Kinds> = {
  podStops: async (stage, { pod, duration }) => stage.podEnds.takes(await stage.pod(pod), duration),
  podDeleted: async (stage, { pod }) => await remove(stage, await stage.pod(pod)),
  podForceDeleted: async (stage, { pod }) => await remove(stage, await stage.pod(pod), 0),
  podForceDeletedAlive: async (stage, { pod }) => {
    const found = await stage.pod(pod);
    await tell(stage, found, { behave: "node-lost" }); // the judge knows it as cut off
    await remove(stage, found, 0);
  },
  podDeaf: async (stage, { pod }) => await tell(stage, await stage.pod(pod), { behave: "hang" }),
  processEnds: async (stage, { pod }) => {
    const found = await stage.pod(pod);
    const isGoing = found.object.metadata.deletionTimestamp !== undefined;
    const end = isGoing ? { behave: null, "stop-ms": "0", "stop-exit-code": "1" } : { behave: "fail", "finish-ms": "0" };
    await tell(stage, found, end);
  },
  oldProcessEnds: () => Promise.resolve(), // no container runs here
  podEvicted: async (stage, { pod }) => await tell(stage, await running(stage, pod), { behave: "evict" }),
  podCompletes: async (stage, { pod }) => await tell(stage, await running(stage, pod), { behave: "complete", "finish-ms": "0" }),
  podRelabelled: async (stage, { pod, label }) => {
    const { namespace, realName } = await stage.pod(pod);
    await stage.patch(podPath({ namespace, name: realName }), { metadata: { labels: { app: label } } });
  },
  containerCrashes: async (stage, { pod }) => {
    const found = await running(stage, pod);
    if (found.object.metadata.deletionTimestamp !== undefined) {
      await reportCrash(stage, found); // no stage crashes a pod that ends
      return;
    }
    const crashes = stage.count(`crash of ${found.uid}`);
    await tell(stage, found, { behave: "crash", crashes: String(crashes), "crash-ms": "0", "restart-ms": restartMs });
    await stage.until(`the container of ${pod} has crashed`, () => !isRunning(stage, found.uid));
  },
  containerRestarts: async (stage, { pod }) => await tell(stage, await stage.pod(pod), { "restart-ms": "0" }),

  nodeCut: async (stage, { node }) => {
    for (const pod of podsOn(stage, node)) await tell(stage, pod, { behave: "node-lost" });
  },
  nodeBack: async (stage, { node }) => {
    for (const pod of podsOn(stage, node)) await tell(stage, pod, { behave: null });
  },
  nodeTainted: async (stage, { node }) => {
    for (const pod of podsOn(stage, node)) {
      if (pod.object.metadata.deletionTimestamp !== undefined) continue;
      await disrupt(stage, pod, { conditions: [disruption("DeletionByTaintManager")] });
      await remove(stage, pod);
    }
  },
  nodeCollected: async (stage, { node }) => {
    for (const pod of podsOn(stage, node)) {
      const hasEnded = /Succeeded|Failed/.test(pod.object.status.phase ?? "");
      if (!hasEnded) await disrupt(stage, pod, { phase: "Failed", conditions: [disruption("DeletionByPodGC")] });
      await remove(stage, pod, 0);
    }
  },
};

const tell = (stage: Stage, pod: BookedPod, annotations: Readonly<Record<string, string | null>>): Promise<void> =>
  stage.tellPod(pod, annotations);

/** Resolves when the book has seen it too. */
async function remove(stage: Stage, pod: BookedPod, gracePeriodSeconds?: number): Promise<void> {
  const { namespace, realName, uid } = pod;
  if (gracePeriodSeconds === 0) stage.book.noteSentAway(pod);
  const body = { preconditions: { uid }, ...(gracePeriodSeconds !== undefined && { gracePeriodSeconds }) };
  await stage.api.json({ method: "DELETE", path: podPath({ namespace, name: realName }), body });
  await stage.until(`pod ${realName} is on its way`, () => {
    const found = stage.book.all().find((one) => one.uid === uid);
    return found?.isGone === true || found?.object.metadata.deletionTimestamp !== undefined;
  });
}

/** What the control plane writes into a pod of a node that it gives up. */
async function disrupt(stage: Stage, { namespace, realName, uid }: BookedPod, status: object): Promise<void> {
  await stage.patch(`${podPath({ namespace, name: realName })}/status`, { metadata: { uid }, status }, strategic);
}

const disruption = (reason: string): object => ({
  type: "DisruptionTarget",
  status: "True",
  reason,
  message: "A scenario gives the node up",
  lastTransitionTime: new Date().toISOString(),
});

/** As a kubelet does; the phase stays, and the pod goes on ending. */
async function reportCrash(stage: Stage, pod: BookedPod): Promise<void> {
  const now = new Date().toISOString();
  const terminated = { exitCode: 1, reason: "Error", startedAt: now, finishedAt: now };
  const containerStatuses = pod.object.status.containerStatuses?.map((container) => ({
    ...container,
    ...{ ready: false, started: false, state: { terminated } },
  }));
  const body = { metadata: { uid: pod.uid }, status: { containerStatuses } };
  await stage.patch(`${podPath({ namespace: pod.namespace, name: pod.realName })}/status`, body, "application/merge-patch+json");
  await stage.until(`the container of ${pod.name} has crashed`, () => !isRunning(stage, pod.uid));
}

async function running(stage: Stage, text: string): Promise<BookedPod> {
  const pod = await stage.pod(text);
  await stage.until(`the container of ${text} runs`, () => isRunning(stage, pod.uid));
  return pod;
}

const isRunning = ({ book }: Stage, uid: string): boolean =>
  book.all().find((pod) => pod.uid === uid)?.object.status.containerStatuses?.[0]?.state.running !== undefined;

/** Of pods that are there: the first that was made is on n1, the second on n2, the third on n3, the fourth on n1, … */
function podsOn({ book }: Stage, node: string): readonly BookedPod[] {
  const ordered = book.all().toSorted((a, b) => madeAt(a) - madeAt(b) || (isOfOneSet(a, b) ? ordinal(a) - ordinal(b) : 0));
  return ordered.filter((pod, index) => nodes[index % nodes.length] === node && !pod.isGone);
}

const madeAt = ({ object }: BookedPod): number => Date.parse(object.metadata.creationTimestamp);
const ordinal = ({ realName }: BookedPod): number => Number(realName.slice(realName.lastIndexOf("-") + 1));
/** A StatefulSet makes several at once, in any order. */
const isOfOneSet = (a: BookedPod, b: BookedPod): boolean => {
  const [first, second] = [a, b].map(({ object }) => object.metadata.ownerReferences?.[0]);
  return first?.kind === "StatefulSet" && second?.kind === "StatefulSet" && first.name === second.name;
};

/** Has the controller take the pods away that the simulated one would: the youngest first. */
export async function preferOldPods(stage: Stage, namespace: string, deployment: string): Promise<void> {
  for (const [index, pod] of stage.book.all().entries()) {
    const isIts = pod.namespace === namespace && pod.name !== pod.realName && pod.name.startsWith(`${deployment}-`);
    if (!isIts || pod.isGone || pod.object.metadata.deletionTimestamp !== undefined) continue;
    const annotations = { "controller.kubernetes.io/pod-deletion-cost": String(-index) };
    await stage.patch(podPath({ namespace, name: pod.realName }), { metadata: { annotations } });
  }
}
