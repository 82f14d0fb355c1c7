// The story's time and the pods that end by it: nothing is done before its time, however long somebody looks, and everything at its time.

import { expect, test } from "@jest/globals";
import type { BookedPod } from "./podBook.ts";
import { PodEnds } from "./podEnds.ts";
import { StoryTime } from "./storyTime.ts";

const kubelet = "kubelet.test/behave";

interface Shape {
  readonly deleted?: boolean;
  readonly behave?: string;
  readonly phase?: string;
}

const pod = (name: string, { deleted = true, behave, phase = "Running" }: Shape = {}): BookedPod => ({
  ...{ name, realName: name, uid: `uid of ${name}`, namespace: "prod", isGone: false },
  object: {
    metadata: {
      ...{ name, uid: `uid of ${name}`, namespace: "prod", creationTimestamp: "2026-01-02T03:04:05Z" },
      ...(deleted && { deletionTimestamp: "2026-01-02T03:04:06Z" }),
      ...(behave !== undefined && { annotations: { [kubelet]: behave } }),
    },
    spec: {},
    status: { phase },
  },
});

class Kubelets {
  pods: readonly BookedPod[] = [];
  readonly ended: string[] = [];
  readonly time = new StoryTime();
  readonly ends = new PodEnds({
    time: this.time,
    book: { stored: () => this.pods },
    tell: ({ name }, annotations) => {
      this.ended.push(`${name} ${JSON.stringify(annotations)}`);
      return Promise.resolve();
    },
  });
}

test("a pod ends four seconds of the story after the deed that had it deleted, whenever that is heard, and is told once", async () => {
  const kubelets = new Kubelets();
  kubelets.time.reach(10_000);
  kubelets.time.noteDeed();
  kubelets.time.reach(13_000);
  kubelets.pods = [pod("a")];
  expect(await kubelets.ends.endDue()).toEqual([]);
  expect(await kubelets.ends.endDue()).toEqual([]); // looking takes no time
  kubelets.time.reach(14_000);
  expect(await kubelets.ends.endDue()).toEqual(["pod a is about to end"]);
  expect(await kubelets.ends.endDue()).toEqual(["pod a is about to end"]);
  expect(kubelets.ended).toEqual(['a {"stop-ms":"0"}']);
});

test("a pod takes as long as the story says", async () => {
  const kubelets = new Kubelets();
  kubelets.pods = [pod("a"), pod("b")];
  kubelets.ends.takes(pod("a"), 20_000);
  kubelets.time.reach(19_000);
  expect(await kubelets.ends.endDue()).toEqual(["pod b is about to end"]);
  kubelets.time.reach(20_000);
  await kubelets.ends.endDue();
  expect(kubelets.ended.map((one) => one[0])).toEqual(["b", "a"]);
});

test.each<[string, Shape]>([
  ["lives", { deleted: false }],
  ["has ended", { phase: "Succeeded" }],
  ["hangs", { behave: "hang" }],
  ["is on a lost node", { behave: "node-lost" }],
])("a pod that %s is not told to end", async (_what, shape) => {
  const kubelets = new Kubelets();
  kubelets.pods = [pod("a", shape)];
  kubelets.time.reach(60_000);
  expect([await kubelets.ends.endDue(), kubelets.ended]).toEqual([[], []]);
});

test("the time of a pod that hung begins when it does so no more", async () => {
  const kubelets = new Kubelets();
  kubelets.pods = [pod("a", { behave: "hang" })];
  kubelets.time.reach(60_000);
  await kubelets.ends.endDue();
  kubelets.time.noteDeed();
  kubelets.pods = [pod("a")];
  kubelets.time.reach(63_000);
  expect(await kubelets.ends.endDue()).toEqual([]);
  kubelets.time.reach(64_000);
  expect(await kubelets.ends.endDue()).toEqual(["pod a is about to end"]);
});

test("what was put off is done at its time, once, or when nobody waits any more", () => {
  const time = new StoryTime();
  const done: string[] = [];
  time.reach(1_000);
  time.later(500, () => done.push("early"));
  time.later(5_000, () => done.push("late"));
  time.reach(1_499);
  expect([done, time.isWaiting]).toEqual([[], true]);
  time.reach(1_500);
  time.reach(1_600);
  expect(done).toEqual(["early"]);
  time.hurry();
  expect([done, time.isWaiting]).toEqual([["early", "late"], false]);
});
