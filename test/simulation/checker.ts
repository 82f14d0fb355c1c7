// Judges every committed change of the simulated world in the moment in which it is committed, by the promises of the design. It shares no
// code with operator/ (no import, not even types) and computes marks on its own. Whatever it reports is a row lost, a row touched, or a gate
// opened that should not have been; what the promises except is counted apart.

import { FarmHistory } from "./farmHistory.ts";
import { gateFault } from "./gateRules.ts";
import { Leases } from "./leases.ts";
import { Looks, showsBound, showsNone } from "./looks.ts";
import { partsOf, podPart } from "./marks.ts";
import type { FarmObject, GateOpening, PodObject, RowChange, RowObject, WallMs } from "./objects.ts";
import { olderFarmOf } from "./olderRules.ts";
import { lastPingMs } from "./pings.ts";
import { rowsLeftBehind } from "./releaseRules.ts";
import { isLive, saysEnded } from "./truth.ts";
import type { PodRecord, Truth } from "./truth.ts";
import { notThatPods, wasEverAllowed, wasEverHeld } from "./writeRules.ts";
import type { Deed, OperatorWriter } from "./writeRules.ts";

export type Rule =
  | "liveRowRemoved"
  | "livePodsRowRemoved"
  | "liveRowHandedOver"
  | "foreignRowTouched"
  | "rowWithoutMark"
  | "rowOfNoPod"
  | "writeForbidden"
  | "writeWithoutFinalizer"
  | "removedUnseen"
  | "markedUnseen"
  | "nameTwice"
  | "withoutApproval"
  | "gateWithoutRow"
  | "gateTooEarly"
  | "gateWithoutCause"
  | "approval"
  | "releasedEarly"
  | "takenFromOlder"
  | "writeAfterLease";

export interface Violation {
  readonly rule: Rule;
  readonly atMs: WallMs;
  readonly text: string;
}

/** What the promises except, and what they say nothing about: for reports. */
export interface Counts {
  /** Rows removed of processes that lived longer than the wait of promise 3 after their pod's object had gone. */
  outlived: number;
  /** Rows handed to the next pod of their name while the process of the last, whose object is gone, lived. */
  handedOverAlive: number;
  /** Rows of a former owner given to a pod of the farm although their own pod is there, in another cluster or namespace that it cannot see. */
  takenFromElsewhere: number;
  /** Rows of another cluster given to a pod of this one, because nobody pinged as that server for as long as the WebFarm says. */
  takenFromSilent: number;
  /**
   * Rows removed by a process that no list has shown that the store went back: it cannot know that ends and waits from before count no
   * longer, and its live read found the pod gone once more.
   */
  unaware: number;
  /** The store went back in time after the statement was sent, and the pod that had ended is there again. */
  reborn: number;
  /** Removed by approval, by RemoveAll, as surplus duplicates. */
  approved: number;
  removeAll: number;
  duplicates: number;
  removed: number;
  inserted: number;
  marked: number;
  /** Statements that were executed although the lease of their sender had ended meanwhile. */
  afterLease: number;
}

const folded = (name: string): string => name.trimEnd().toLowerCase();
const padMs = 10_000;
const smallestGraceSeconds = 30;

export class Checker {
  readonly counts: Counts = {
    ...{
      outlived: 0,
      handedOverAlive: 0,
      takenFromElsewhere: 0,
      takenFromSilent: 0,
      unaware: 0,
      reborn: 0,
      approved: 0,
      removeAll: 0,
      duplicates: 0,
    },
    ...{ removed: 0, inserted: 0, marked: 0, afterLease: 0 },
  };
  readonly #truth: Truth;
  readonly #farms = new Map<string, FarmHistory>();
  readonly #byHash = new Map<string, PodRecord>();
  /** Hashes of pods that ever had a row of their own. */
  readonly #everRegistered = new Set<string>();
  #violations: Violation[] = [];
  readonly #leases = new Leases();
  readonly #looks = new Looks();
  #seen = { records: 0 };

  /** Judges from now on. One for each world. */
  constructor(truth: Truth) {
    this.#truth = truth;
    truth.onCommit = {
      row: (change) => this.#judgeRow(change),
      gate: (opening) => this.#judgeGate(opening),
      lease: (write) => this.#leases.note(write),
      look: (look) => this.#looks.note(look),
      farm: (change) => {
        const farm = change.after ?? change.before;
        if (farm === undefined) return;
        for (const wrong of this.#history(change.cluster, `${farm.namespace}/${farm.name}`).note(truth, change))
          this.#report("approval", wrong);
        if (change.after === undefined) this.#judgeRelease(change.cluster, farm);
      },
    };
  }

  /** What was found since the last call. */
  take(): readonly Violation[] {
    const found = this.#violations;
    if (found.length > 0) this.#violations = [];
    return found;
  }

  history(cluster: string, farm: string): FarmHistory | undefined {
    return this.#farms.get(`${cluster}/${farm}`);
  }

  #history(cluster: string, farm: string): FarmHistory {
    const at = `${cluster}/${farm}`;
    const known = this.#farms.get(at);
    if (known !== undefined) return known;
    const made = new FarmHistory();
    this.#farms.set(at, made);
    return made;
  }

  #report(rule: Rule, text: string): void {
    this.#violations.push({ rule, atMs: this.#truth.nowMs, text });
  }

  #judgeRow(change: RowChange): void {
    const { before, after, by } = change;
    if (after !== undefined) this.#noteRegistered(after);
    if (by.kind !== "operator") return;
    this.#judgeLease(by);
    const farm = this.#history(by.cluster, by.farm);
    this.#judgeRight(before === undefined ? "insert" : after === undefined ? "remove" : "mark", by, farm);
    if (after !== undefined) this.#judgePod(after, by);
    if (after !== undefined) this.#judgeOlder(after, by, farm);
    if (before === undefined) this.#judgeInsert(change, after, by, farm);
    else this.#judgeChange(change, before, by, farm);
  }

  #noteRegistered({ guid }: RowObject): void {
    const parts = partsOf(guid);
    if (parts !== undefined) this.#everRegistered.add(parts.pod);
  }

  #judgeLease({
    cluster,
    process,
    sentAtMs,
    statement,
  }: Pick<OperatorWriter, "cluster" | "process" | "sentAtMs"> & { readonly statement: string }): void {
    if (!this.#leases.isHeld(cluster, process, sentAtMs)) this.#report("writeAfterLease", `${process} sent ${statement} without the lease`);
    else if (!this.#leases.isHeld(cluster, process, this.#truth.nowMs)) this.counts.afterLease += 1;
  }

  #judgeRight(deed: Deed, by: OperatorWriter, farm: FarmHistory): void {
    const text = `${by.process} sent a ${by.statement} for ${by.farm}`;
    if (!wasEverAllowed(farm, deed, by.sentAtMs)) this.#report("writeForbidden", `${text}, which never allowed it`);
    if (!wasEverHeld(farm, by.sentAtMs)) this.#report("writeWithoutFinalizer", `${text}, which has no finalizer`);
  }

  /** The row carries the mark of a pod that can have it. */
  #judgePod(row: RowObject, by: OperatorWriter): void {
    const why = notThatPods(row, this.#ownerOf(row), by);
    if (why !== undefined) this.#report("rowOfNoPod", `${by.process} wrote row ${told(row)}: ${why}`);
  }

  /** The pod is not another WebFarm's. */
  #judgeOlder(row: RowObject, by: OperatorWriter, { versions }: FarmHistory): void {
    const [pod, younger] = [this.#ownerOf(row), versions.at(-1)?.farm];
    if (pod === undefined || younger === undefined) return;
    const older = olderFarmOf(this.#truth, younger, { pod, sentAtMs: by.sentAtMs, histories: this.#farms });
    if (older !== undefined)
      this.#report("takenFromOlder", `${by.process} wrote row ${told(row)} for ${by.farm}, whose pod ${older.name} has`);
  }

  #judgeInsert({ database }: RowChange, after: RowObject | undefined, by: OperatorWriter, farm: FarmHistory): void {
    if (after === undefined) return;
    this.counts.inserted += 1;
    if (farm.kinship(after) !== "ours")
      this.#report("rowWithoutMark", `${by.process} made row ${told(after)} without the mark of ${by.farm}`);
    const same = [...this.#truth.database(database).rows.values()].filter(({ name }) => folded(name) === folded(after.name));
    if (same.length > 1) this.#report("nameTwice", `${by.process} made row ${told(after)} beside another of that name`);
  }

  #judgeChange({ database, after }: RowChange, before: RowObject, by: OperatorWriter, farm: FarmHistory): void {
    const kin = farm.kinship(before);
    const deed = `${by.process} ${after === undefined ? "removed" : "changed"} row ${told(before)}`;
    if (after === undefined) this.counts.removed += 1;
    else this.counts.marked += 1;
    if (kin === "foreign") {
      this.#report("foreignRowTouched", `${deed}, which is not of ${by.farm}`);
      return;
    }
    if (after !== undefined && farm.kinship(after) !== "ours") this.#report("rowWithoutMark", `${deed} to ${told(after)}`);
    if (after !== undefined) this.#judgeSeen(before, after, deed, by);
    if (farm.isApproved(before, by.sentAtMs)) {
      this.counts.approved += 1;
      return;
    }
    if (after === undefined && isRemoveAll(farm, by) && kin === "ours") {
      this.counts.removeAll += 1;
      return;
    }
    if (after === undefined && this.#isDuplicate(database, before)) {
      this.counts.duplicates += 1;
      return;
    }
    if (after === undefined) this.#judgeSeen(before, after, deed, by);
    if (kin !== "ours" && after === undefined) this.#report("withoutApproval", `${deed} (${kin}), which nobody approved`);
    if (kin === "otherCluster" && after !== undefined) {
      this.#judgeTakeOver(database, before, deed, by, farm);
      return;
    }
    const owner = this.#ownerOf(before);
    // formerOwnerIds says that this life is over (section 4); a farm can look only where it is.
    if (kin === "formerOwner" && after !== undefined && owner !== undefined && isElsewhere(owner, by)) {
      this.counts.takenFromElsewhere += 1;
      return;
    }
    if (owner !== undefined && partsOf(after?.guid ?? null)?.pod !== podPart(owner.uid))
      this.#judgeLoss(owner, { before, after, deed }, by, farm);
  }

  /** Another cluster's row may be given to a pod of this one only when nobody has pinged as that server for nodeLostSeconds (section 4). */
  #judgeTakeOver(database: string, before: RowObject, deed: string, by: OperatorWriter, farm: FarmHistory): void {
    const pingedMs = lastPingMs(this.#truth, { database, name: before.name }, by.sentAtMs);
    const isSilent = by.sentAtMs - (pingedMs ?? -Infinity) >= nodeLostMs(farm);
    if (this.#truth.database(database).pings === undefined) this.#report("withoutApproval", `${deed} of another cluster without pings`);
    else if (!isSilent) this.#report("liveRowHandedOver", `${deed} of another cluster, whose server pinged at ${pingedMs ?? "no time"}`);
    else this.counts.takenFromSilent += 1;
  }

  /** A live read had shown what the statement rests on: the pod that gets the row; or, for a removal, that no pod of its name is there. */
  #judgeSeen(before: RowObject, after: RowObject | undefined, deed: string, by: OperatorWriter): void {
    const look = this.#lookFor(before, by);
    if (look === "unknown") return;
    if (after === undefined && !showsNone(look, folded(before.name)))
      this.#report("removedUnseen", `${deed} without having seen that no pod of that name is there`);
    if (after !== undefined && !showsBound(look, this.#ownerOf(after)?.uid))
      this.#report("markedUnseen", `${deed} without having seen the pod that got it`);
  }

  /** `unknown`: nobody tells what that process looked at. */
  #lookFor(row: RowObject, { process, farm, sentAtMs }: OperatorWriter): ReturnType<Looks["last"]> | "unknown" {
    if (!this.#truth.watchedProcesses.has(process)) return "unknown";
    const [namespace = ""] = farm.split("/");
    return this.#looks.last(process, sentAtMs, { namespace, name: folded(row.name) });
  }

  /** What the sender had last seen of the name is of a time that the store has lost, and nothing has told it so since. */
  #restsOnLostTime(row: RowObject, by: OperatorWriter, { cluster }: PodRecord): boolean {
    const look = this.#lookFor(row, by);
    if (look === "unknown" || look === undefined || !this.#truth.isUnaware(by.process, cluster)) return false;
    return look.atMs <= (this.#truth.cluster(cluster).restoredAtMs ?? -Infinity);
  }

  /** The pod `owner` has lost a row with its mark. */
  #judgeLoss(owner: PodRecord, { before, after, deed }: Loss, by: OperatorWriter, farm: FarmHistory): void {
    const stored = this.#truth.stored(owner);
    const restoredAtMs = this.#truth.cluster(owner.cluster).restoredAtMs ?? -Infinity;
    // Whatever is said of an ended pod afterwards, as by a taint of its node, it stays ended, unless the store goes back.
    const isOver = (owner.process.endedAtMs ?? -Infinity) > restoredAtMs;
    const isThere = stored?.node !== undefined && !saysEnded(stored) && !isOver;
    if (!isThere && !isLive(owner)) return;
    // In one millisecond the order is not to be told; what was executed later than it was sent may have been sent before.
    if (restoredAtMs > by.sentAtMs || (restoredAtMs === by.sentAtMs && this.#truth.nowMs > by.sentAtMs)) {
      this.counts.reborn += 1;
      return;
    }
    if (this.#restsOnLostTime(before, by, owner)) {
      this.counts.unaware += 1;
      return;
    }
    if (!isThere && after !== undefined) {
      this.counts.handedOverAlive += 1;
      return;
    }
    if (!isThere && this.#truth.isUnaware(by.process, owner.cluster)) {
      this.counts.unaware += 1;
      return;
    }
    const known = this.#truth.watchedProcesses.get(by.process);
    const leastMs = waitMs(known === undefined ? owner.last : known.get(owner.uid), farm);
    if (!isThere && this.#truth.nowMs - (owner.goneAtMs ?? Infinity) >= leastMs) {
      this.counts.outlived += 1;
      return;
    }
    const why = `${isLive(owner) ? "its process lives" : "it is there"}, ${isThere ? "its object has not ended" : `its object went ${owner.goneAtMs ?? "never"}`}`;
    const rule = after !== undefined ? "liveRowHandedOver" : isLive(owner) ? "liveRowRemoved" : "livePodsRowRemoved";
    this.#report(rule, `${deed} of pod ${owner.last.name} (${owner.uid}): ${why}`);
  }

  /** Another row of the same name, which came before. */
  #isDuplicate(database: string, { serverID, name }: RowObject): boolean {
    return [...this.#truth.database(database).rows.values()].some((row) => folded(row.name) === folded(name) && row.serverID < serverID);
  }

  #ownerOf({ guid }: RowObject): PodRecord | undefined {
    const parts = partsOf(guid);
    if (parts === undefined) return undefined;
    const { records } = this.#truth;
    if (this.#seen.records !== records.size) {
      for (const record of records.values()) this.#byHash.set(podPart(record.uid), record);
      this.#seen.records = records.size;
    }
    return this.#byHash.get(parts.pod);
  }

  #judgeRelease(cluster: string, farm: FarmObject): void {
    const at = `${farm.namespace}/${farm.name}`;
    for (const row of rowsLeftBehind(this.#truth, { cluster, farm }, this.#history(cluster, at)))
      this.#report("releasedEarly", `${at} went and left row ${told(row)}, whose pod had gone before the deletion began`);
  }

  #judgeGate(opening: GateOpening): void {
    const { cluster, pod, by, sentAtMs } = opening;
    this.#judgeLease({ cluster, process: by, sentAtMs, statement: "a gate" });
    const record = this.#truth.recordOf(pod.uid);
    const isOlders = ({ versions }: FarmHistory): boolean => {
      const farm = versions.at(-1)?.farm;
      const question = { pod: record, sentAtMs, histories: this.#farms };
      return farm !== undefined && olderFarmOf(this.#truth, farm, question) !== undefined;
    };
    const farms = [...this.#farms].flatMap(([at, farm]) =>
      at.startsWith(`${cluster}/${pod.namespace}/`) && !isOlders(farm) ? [farm] : [],
    );
    const everRegistered = this.#everRegistered.has(podPart(pod.uid));
    const fault = gateFault(opening, { farms, boundAtMs: record.boundAtMs, everRegistered });
    if (fault !== undefined) this.#report(fault.rule, fault.text);
  }
}

interface Loss {
  readonly before: RowObject;
  /** Absent: the row was removed. */
  readonly after: RowObject | undefined;
  readonly deed: string;
}

/** The least that an operator waits after a pod's object has gone, its end unseen. `seen`: as it last saw the pod, if it ever did. */
function waitMs(seen: PodObject | undefined, farm: FarmHistory): number {
  const graceMs = (seen?.graceSeconds ?? smallestGraceSeconds) * 1_000 + padMs;
  const isGuessed = seen?.disruption === "DeletionByPodGC" || seen?.disruption === "DeletionByTaintManager";
  return isGuessed ? Math.max(graceMs, nodeLostMs(farm)) : graceMs;
}

/** The least that the WebFarm ever said. */
const nodeLostMs = ({ versions }: FarmHistory): number =>
  Math.min(...versions.map(({ farm }) => (farm.spec.removal?.nodeLostSeconds ?? 300) * 1_000));

const isElsewhere = ({ cluster, last }: PodRecord, by: OperatorWriter): boolean =>
  cluster !== by.cluster || !by.farm.startsWith(`${last.namespace}/`);

const isRemoveAll = (farm: FarmHistory, { sentAtMs }: OperatorWriter): boolean =>
  farm.everWas(sentAtMs, (one) => one.deletionAtMs !== undefined && one.spec.deletionPolicy === "RemoveAll");

const told = ({ serverID, name, guid }: RowObject): string => `${serverID} ${name} ${guid ?? "without GUID"}`;
