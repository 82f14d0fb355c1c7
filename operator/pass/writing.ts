// What the parts of applying a plan share: one pass's inputs, and a write whose read-back is the truth. It decides nothing.

import type { Clock } from "../controller/clock.ts";
import type { Logger } from "../controller/logger.ts";
import type { ApprovalRef } from "../farm/approval.ts";
import type { Outcome } from "../farm/conditions.ts";
import type { Refusal } from "../farm/memory.ts";
import type { Observation } from "../farm/observation.ts";
import type { Plan } from "../farm/plan.ts";
import { comparable } from "../farm/serverName.ts";
import { readBack } from "./observe.ts";
import type { Cluster, FarmDatabase, PassMetrics, WriteResult } from "./ports.ts";
import type { FarmState } from "./state.ts";

export interface ApplyOptions {
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: PassMetrics;
  readonly identity: string;
}

export interface Pass extends ApplyOptions {
  readonly observation: Observation;
  readonly plan: Plan;
  readonly database: FarmDatabase;
  readonly state: FarmState;
  readonly signal: AbortSignal;
}

/** Rows that the server would not write in this pass, and why; the parts of a pass add to it. */
export type RefusedRows = Outcome["refused"][number][];

const refusalRetryMs = 30_000;

/** Runs a write, takes what it read back for the truth, and keeps the rows that the server refused out of the next passes for a while. */
export async function written<T extends WriteResult>(pass: Pass, write: () => Promise<T>, refused: RefusedRows): Promise<T> {
  const { state, clock } = pass;
  state.lastWriteMs = clock.monotonic();
  state.table = { ...state.table, dirty: true }; // until it is known what became of it, also when this pass is cut off
  const result = await write();
  readBack(state, result.read);
  for (const one of result.refused) {
    refused.push(one);
    refuse(pass, one.name, one.problem);
  }
  return result;
}

/** For 30 s: what is refused once is refused again. */
export function refuse({ state, clock }: Pass, name: string, why: Omit<Refusal, "retryMs">): void {
  state.memory = {
    ...state.memory,
    refusals: new Map([...state.memory.refusals, [comparable(name), { ...why, retryMs: clock.monotonic() + refusalRetryMs }]]),
  };
}

/** Asked again right before each statement: what was read before may have taken its time. */
export const isInTime = ({ clock }: Pass, { approval }: { readonly approval?: ApprovalRef }): boolean =>
  approval === undefined || clock.now() < approval.untilMs;

export const aboutApproval = (approval: ApprovalRef | undefined): Pick<ApprovalRef, "digest" | "approver"> | undefined =>
  approval && { digest: approval.digest, ...(approval.approver !== undefined && { approver: approval.approver }) };
