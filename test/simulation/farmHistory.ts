// What the checker remembers of each WebFarm: under which names it ever marked rows, what it was ever told, and what a person approved. It
// looks only at the objects of the store, never at what an operator says that it did.

import type { FarmChange, FarmObject, RowObject, WallMs } from "./objects.ts";
import { namespacePart, ownerPart, partsOf } from "./marks.ts";
import type { Truth } from "./truth.ts";

/** Whose marks a farm wrote at some time. */
export interface Identity {
  readonly ownerId: string;
  readonly namespaceUid: string;
  readonly formerOwnerIds: readonly string[];
}

export interface Approval {
  readonly digest: string;
  readonly writtenAtMs: WallMs;
  readonly untilMs: WallMs;
  readonly rows: ReadonlySet<string>;
  /** How often the cluster's store had been taken back when it was written. */
  readonly restores: number;
}

export type Kinship = "ours" | "otherCluster" | "formerOwner" | "foreign";

const nearestFirst: readonly Kinship[] = ["ours", "formerOwner", "otherCluster"];

interface PlanStatus {
  readonly digest?: string;
  readonly unexplained?: readonly { readonly serverID: number; readonly name: string; readonly guid?: string }[];
  readonly approved?: { readonly digest: string; readonly until: string };
}

export const planOf = (farm: FarmObject | undefined): PlanStatus => farm?.status["plan"] ?? {};

const approvedRow = ({ serverID, name, guid }: { serverID: number; name: string; guid?: string | null }): string =>
  `${serverID}/${name}/${guid ?? ""}`;

const approvalMs = 10 * 60_000;
/** What is written is rounded. */
const roundingMs = 1_000;

export class FarmHistory {
  /** Every version that was ever stored, oldest first. */
  readonly versions: { readonly farm: FarmObject; readonly atMs: WallMs }[] = [];
  readonly identities = new Map<string, Identity>();
  readonly approvals = new Map<string, Approval>();
  isGone = false;

  /** Answers what is wrong about the change itself. */
  note(truth: Truth, { atMs, cluster, after }: FarmChange): readonly string[] {
    this.isGone = after === undefined;
    if (after === undefined) return [];
    this.versions.push({ farm: after, atMs });
    const namespaceUid = truth.cluster(cluster).api.namespaces.get(after.namespace)?.uid ?? "";
    const ownerId = after.spec.ownerId ?? `${namespaceUid}/${after.name}`;
    const formerOwnerIds = after.spec.formerOwnerIds ?? [];
    this.identities.set(JSON.stringify([ownerId, namespaceUid, formerOwnerIds]), { ownerId, namespaceUid, formerOwnerIds });
    return this.#noteApproval(after, atMs, truth.cluster(cluster).restores);
  }

  #noteApproval(farm: FarmObject, atMs: WallMs, restores: number): readonly string[] {
    const { digest, approved, unexplained = [] } = planOf(farm);
    if (approved === undefined || digest === undefined) return [];
    const untilMs = Date.parse(approved.until);
    const before = this.approvals.get(approved.digest);
    if (before?.untilMs === untilMs) return [];
    // A store that was taken back has forgotten that the person's word was used: there is nowhere else to remember it.
    if (before !== undefined && before.restores === restores)
      return [`digest ${approved.digest} works twice: until ${before.untilMs} and until ${untilMs}`];
    this.approvals.set(approved.digest, { digest, writtenAtMs: atMs, untilMs, rows: new Set(unexplained.map(approvedRow)), restores });
    const wrong: string[] = [];
    if (approved.digest !== digest) wrong.push(`digest ${approved.digest} is approved, but ${digest} is published`);
    if (untilMs > atMs + approvalMs + roundingMs) wrong.push(`the approval of ${digest} lasts longer than ten minutes`);
    if (!this.versions.some((one) => one.farm.annotations["webfarm.dev/approve-removals"] === approved.digest))
      wrong.push(`nobody approved ${approved.digest}`);
    return wrong;
  }

  /** A person approved that this row goes, and the statement was sent in time. */
  isApproved(row: RowObject, sentAtMs: WallMs): boolean {
    const wanted = approvedRow(row);
    return [...this.approvals.values()].some(({ rows, untilMs }) => rows.has(wanted) && sentAtMs <= untilMs);
  }

  /** By the nearest of all names that the farm ever had. */
  kinship(row: RowObject): Kinship {
    const parts = partsOf(row.guid);
    if (parts === undefined) return "foreign";
    const found = [...this.identities.values()].map(({ ownerId, namespaceUid, formerOwnerIds }): Kinship => {
      if (parts.owner === ownerPart(ownerId, row.name)) return parts.namespace === namespacePart(namespaceUid) ? "ours" : "otherCluster";
      return formerOwnerIds.some((former) => parts.owner === ownerPart(former, row.name)) ? "formerOwner" : "foreign";
    });
    return nearestFirst.find((kin) => found.includes(kin)) ?? "foreign";
  }

  /** Some version that was stored by then is so. */
  everWas(byMs: WallMs, test: (farm: FarmObject) => boolean): boolean {
    return this.versions.some(({ farm, atMs }) => atMs <= byMs && test(farm));
  }
}
