// What a person approved (promise 5): which rows are published as needing approval, under which digest, and whether an approval is in
// force. It is the one thing that a decision reads back from the status, and only as the API server has it: never what is about to be
// written. A digest covers its rows and the time of their publication, so the same rows published again need another approval.

import { hash } from "node:crypto";
import type { Milliseconds, ServerRow, WebFarm } from "./model.ts";
import { stored } from "./inventory.ts";
import type { PlanStatus, UnexplainedServer } from "./resource.generated.ts";

export const approveAnnotation = "webfarm.dev/approve-removals";
/** How long an approval holds from the moment it was written down. */
export const approvalMs = 10 * 60_000;
/** More rows than this are published when these are gone. */
export const mostPublished = 500;
/** Clocks of two operators in turn may differ by this. An approval that is to hold for longer yet was written by a clock that was wrong. */
const mostSkewMs = 60_000;

/** By which approval something is done. */
export interface ApprovalRef {
  readonly digest: string;
  /** Wall clock: from this moment on nothing more is done by it. */
  readonly untilMs: Milliseconds;
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
    untilMs: Date.parse(plan.approved?.until ?? ""),
    rows: new Set((plan.unexplained ?? []).map(rowOf)),
    ...(farm.approver !== undefined && { approver: farm.approver }),
  };
}

export const isApproved = (row: ServerRow, approval: Approval | undefined): boolean => approval?.rows.has(rowOf(stored(row))) === true;

/** The approval by which this row may go, if there is one. */
export function approvalOf(row: ServerRow, approval: Approval | undefined): ApprovalRef | undefined {
  if (approval === undefined || !isApproved(row, approval)) return undefined;
  const { rows: _rows, ...ref } = approval;
  return ref;
}

function isInForce({ digest, approved }: Published, nowWallMs: Milliseconds): boolean {
  if (approved === undefined || approved.digest !== digest) return false;
  const leftMs = Date.parse(approved.until) - nowWallMs;
  return leftMs > 0 && leftMs <= approvalMs + mostSkewMs;
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
 * or none of it is left, and what then needs approval is published anew. A set that is full stays until none of it is left: the rows for
 * which it had no room would change it with every row that goes, and nobody could approve what changes all the time.
 */
export function publicationOf(publishing: Publishing): Publication | undefined {
  const { before, needing, approve, mayRemove, nowWallMs } = publishing;
  const published = knownPublication(before);
  const left = needing.filter((row) => published?.keys.has(rowOf(stored(row))) === true);
  if (published === undefined || left.length === 0) return anew(needing, nowWallMs);
  if (published.approved !== undefined) return isInForce(published, nowWallMs) ? withoutKeys(published) : anew(needing, nowWallMs);
  const isFull = published.unexplained.length >= mostPublished;
  if (left.length < needing.length && !isFull) return anew(needing, nowWallMs);
  if (approve !== published.digest || !mayRemove) return withoutKeys(published);
  return { ...withoutKeys(published), approved: { digest: published.digest, until: timestamp(nowWallMs + approvalMs) } };
}

/** A person may have been shown that the row waits for an approval. */
export const isPublished = ({ status }: Pick<WebFarm, "status">, { serverID }: Pick<ServerRow, "serverID">): boolean =>
  status.plan?.unexplained?.some((one) => one.serverID === serverID) ?? false;

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
    .map(stored)
    .map(({ serverID, name, guid }) => ({ serverID, name, ...(guid !== null && { guid }) }));
  const digest = hash("sha256", JSON.stringify({ publishedAtMs: nowWallMs, unexplained }), "hex").slice(0, 16);
  return { digest, unexplained };
}

const timestamp = (ms: Milliseconds): string => new Date(ms).toISOString();
