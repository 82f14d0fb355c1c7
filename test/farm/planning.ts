// Plans told in words, and the two pods of most cases.

import { expect } from "@jest/globals";
import { approvalInForce } from "../../operator/farm/approval.ts";
import type { Approval } from "../../operator/farm/approval.ts";
import { rowKey } from "../../operator/farm/memory.ts";
import type { FarmMemory } from "../../operator/farm/memory.ts";
import type { Milliseconds, ServerRow } from "../../operator/farm/model.ts";
import { planFarm } from "../../operator/farm/plan.ts";
import type { Plan } from "../../operator/farm/plan.ts";
import { memory, nowMs, nowWallMs, observation, pod } from "./build.ts";
import type { Scene } from "./build.ts";

export const plan = (scene: Scene, remembered: FarmMemory = memory()): Plan => planFarm(observation(scene), remembered);

/** What a plan does, in words. */
export const actions = ({ inserts, marks, removals, unconfirmed }: Plan): readonly string[] => [
  ...inserts.map(({ name, claim }) => `insert ${name} for ${claim.pod.uid}`),
  ...marks.map(({ kind, row, claim }) => `${kind} ${row.serverID} to ${claim.pod.uid}`),
  ...removals.map(({ row, evidence }) => `remove ${row.serverID} ${evidence}`),
  ...unconfirmed.map(({ serverID }) => `confirm ${serverID}`),
];
export const states = ({ servers }: Plan): readonly string[] => servers.map(({ name, state, reason }) => `${name} ${state} ${reason}`);

/** In force, for these rows. */
export function approving(...rows: readonly ServerRow[]): Approval {
  const until = new Date(nowWallMs + 1_000).toISOString();
  const unexplained = rows.map(({ serverID, name, guid }) => ({ serverID, name, guid: guid ?? "" }));
  const counts = { creates: 0, updates: 0, removals: 0, blockedRemovals: 0 };
  const approval = approvalInForce(
    { status: { plan: { ...counts, digest: "d", unexplained, approved: { digest: "d", until } } } },
    nowWallMs,
  );
  if (approval === undefined) throw new Error("The approval is not in force");
  return approval;
}

export const foundGone = (row: ServerRow, agoMs: Milliseconds): FarmMemory =>
  memory({ missingSince: new Map([[rowKey(row), { sinceMs: nowMs - agoMs }]]) });
export const pings = new Map([[1, "ping-1"]]);

export interface Case {
  readonly scene: Scene;
  readonly remembered?: FarmMemory;
  readonly does?: readonly string[];
  readonly shows?: readonly string[];
}

export const expectAll = ({ scene, remembered, does = [], shows }: Case): void => {
  const result = plan(scene, remembered);
  expect(actions(result)).toEqual(does);
  if (shows !== undefined) expect(states(result)).toEqual(shows);
};

export const a = pod({ name: "shop-a" });
export const b = pod({ name: "shop-b" });
