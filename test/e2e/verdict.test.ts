import { expect, test } from "@jest/globals";
import { goneBy, seenAt, sentAway } from "./podLives.ts";
import type { PodLife, PodObject } from "./podLives.ts";
import { judgeRemoval } from "./verdict.ts";

const running: PodObject = {
  metadata: { name: "shop-1", uid: "u1" },
  spec: { nodeName: "node-1", terminationGracePeriodSeconds: 5 },
  status: { phase: "Running" },
};
const live = seenAt(undefined, running, 1_000);
const cutOff = seenAt(live, { ...running, metadata: { ...running.metadata, annotations: { "kubelet.test/behave": "node-lost" } } }, 2_000);
const ended = seenAt(live, { ...running, status: { phase: "Failed" } }, 3_000);
const unbound = seenAt(undefined, { ...running, spec: {}, status: { phase: "Pending" } }, 1_000);

test.each<[string, PodLife | undefined, number, string]>([
  ["of a mark that no pod had", undefined, 9_000, "wrong"],
  ["of a pod that runs", live, 9_000, "wrong"],
  ["of a pod that has ended", ended, 9_000, "right"],
  ["of a pod that has ended and gone", goneBy(ended, 4_000), 4_100, "right"],
  ["of a pod that went by force, within its grace period", goneBy(live, 4_000), 7_000, "wrong"],
  ["of a pod that went by force, after its grace period", goneBy(live, 4_000), 9_001, "right"],
  ["of a pod that was sent away by force and heard of late, after its grace period", goneBy(sentAway(live, 4_000), 8_900), 9_001, "right"],
  ["of a pod of a lost node that was heard of late, after its wait", goneBy(sentAway(cutOff, 4_000), 18_900), 19_001, "outlived"],
  ["of a pod that went before it was bound", goneBy(unbound, 4_000), 4_100, "right"],
  ["of a pod of a lost node, before it was deleted by force", cutOff, 60_000, "wrong"],
  ["of a pod of a lost node, before its wait is over", goneBy(cutOff, 4_000), 16_000, "wrong"],
  ["of a pod of a lost node, after its wait", goneBy(cutOff, 4_000), 19_001, "outlived"],
])("the removal of the row %s", (_, life, atMs, kind) => {
  expect(judgeRemoval(life, atMs).kind).toBe(kind);
});

test("what was learnt first counts: an end is not unlearnt, an object goes once", () => {
  expect(seenAt(ended, { ...running, status: { phase: "Failed" } }, 8_000)).toMatchObject({ endedAtMs: 3_000 });
  expect(goneBy(goneBy(live, 4_000), 9_000)).toMatchObject({ goneAtMs: 4_000, endedAtMs: undefined });
});
