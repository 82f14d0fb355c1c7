// What a person approved (promise 5): which rows are published as needing approval, under which digest, and whether an approval is in
// force. It is the one thing that a decision reads back from the status, and only as the API server has it: never what is about to be
// written. A digest covers its rows and the time of their publication, so the same rows published again need another approval.

import { hash } from "node:crypto";
import type { Milliseconds, ServerRow, WebFarm } from "./model.ts";
import type { PlanStatus, UnexplainedServer } from "./resource.generated.ts";

export const approveAnnotation = "webfarm.dev/approve-removals";
/** How long an approval holds from the moment it was written down. */
export const approvalMs = 10 * 60_000;
/** More rows than this are published when these are gone. */
export const mostPublished = 500;

/** What log lines say of an approval. */
export interface ApprovalRef {
  readonly digest: string;
  /** The field manager that set the annotation, where the API server kept it. */
  readonly approver?: string;
}

export interface Approval extends ApprovalRef {
  readonly rows: ReadonlySet<ApprovedRow>;
}

/** A row as it was published: another ServerID, name or GUID is another row. */
type ApprovedRow = string & { readonly approvedRow: never };
type Published = Pick<PlanStatus, "digest" | "unexplained" | "approved">;

const rowOf = ({
  serverID,
  name,
  guid,
}: {
  readonly serverID: number;
  readonly name: string;
  readonly guid?: string | null;
}): ApprovedRow => `${serverID}/${guid ?? ""}/${name}` as ApprovedRow;

/** `farm`: as the API server has it. `nowWallMs`: wall clock, as an approval outlives the process that wrote it down. */
export function approvalInForce(farm: Pick<WebFarm, "status" | "approver">, nowWallMs: Milliseconds): Approval | undefined {
  const { plan } = farm.status;
  if (plan === undefined || !isInForce(plan, nowWallMs)) return undefined;
  return {
    digest: plan.digest ?? "",
    rows: new Set((plan.unexplained ?? []).map(rowOf)),
    ...(farm.approver !== undefined && { approver: farm.approver }),
  };
}

export const isApproved = (row: ServerRow, approval: Approval | undefined): boolean => approval?.rows.has(rowOf(row)) === true;

function isInForce({ digest, approved }: Published, nowWallMs: Milliseconds): boolean {
  return approved !== undefined && approved.digest === digest && nowWallMs < Date.parse(approved.until);
}

export interface Publishing {
  /** What the status says now. */
  readonly before: Published | undefined;
  /** Rows that may go only by approval, also those that are approved already and still there. */
  readonly needing: readonly ServerRow[];
  /** The annotation's value. */
  readonly approve: string | undefined;
  /** Whether the farm may remove rows now: an approval's ten minutes do not begin before. */
  readonly mayRemove: boolean;
  readonly nowWallMs: Milliseconds;
}

export interface Publication {
  readonly digest: string;
  readonly unexplained: readonly UnexplainedServer[];
  readonly approved?: { readonly digest: string; readonly until: string };
}

/**
 * What the status publishes. The set stays as it is until a row outside it needs approval; an approved set stays until its time is over
 * or none of it is left, and what then needs approval is published anew.
 */
export function publicationOf(publishing: Publishing): Publication | undefined {
  const { before, needing, approve, mayRemove, nowWallMs } = publishing;
  const published = knownPublication(before);
  const left = needing.filter((row) => published?.keys.has(rowOf(row)) === true);
  if (published === undefined || left.length === 0) return anew(needing, nowWallMs);
  if (published.approved !== undefined) return isInForce(published, nowWallMs) ? withoutKeys(published) : anew(needing, nowWallMs);
  const isRoomForMore = left.length < needing.length && left.length < mostPublished;
  if (isRoomForMore) return anew(needing, nowWallMs);
  if (approve !== published.digest || !mayRemove) return withoutKeys(published);
  return { ...withoutKeys(published), approved: { digest: published.digest, until: timestamp(nowWallMs + approvalMs) } };
}

interface KnownPublication extends Publication {
  readonly keys: ReadonlySet<ApprovedRow>;
}

function knownPublication(before: Published | undefined): KnownPublication | undefined {
  if (before?.digest === undefined) return undefined;
  const { digest, unexplained = [], approved } = before;
  return { digest, unexplained, keys: new Set(unexplained.map(rowOf)), ...(approved !== undefined && { approved }) };
}

const withoutKeys = ({ keys: _keys, ...publication }: KnownPublication): Publication => publication;

function anew(needing: readonly ServerRow[], nowWallMs: Milliseconds): Publication | undefined {
  if (needing.length === 0) return undefined;
  const unexplained = needing
    .toSorted((a, b) => a.serverID - b.serverID)
    .slice(0, mostPublished)
    .map(({ serverID, name, guid }) => ({ serverID, name, ...(guid !== null && { guid }) }));
  const digest = hash("sha256", JSON.stringify({ publishedAtMs: nowWallMs, unexplained }), "hex").slice(0, 16);
  return { digest, unexplained };
}

const timestamp = (ms: Milliseconds): string => new Date(ms).toISOString();
