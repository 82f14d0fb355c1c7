// One line of status.servers: for a row, for a pod that has none, or for both. It decides nothing.

import type { ClaimedPod } from "./desired.ts";
import type { Pod, ServerRow } from "./model.ts";
import type { ServerState, ServerView } from "./plan.ts";

export const podView = (pod: Pod, state: ServerState, reason: string, message: string): ServerView => ({
  name: pod.name,
  pod,
  state,
  reason,
  message,
});

export const claimView = (claim: ClaimedPod, name: string, state: ServerState, reason: string, message: string): ServerView => ({
  ...podView(claim.pod, state, reason, message),
  name,
  member: claim.member.name,
});

export function rowView(row: ServerRow, state: ServerState, reason: string, message: string, pod?: Pod, member?: string): ServerView {
  return { name: row.name, row, state, reason, message, ...(pod !== undefined && { pod }), ...(member !== undefined && { member }) };
}
