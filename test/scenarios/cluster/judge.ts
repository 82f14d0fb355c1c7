// Judges every committed change of the rows while a scenario runs on the real control plane, by the pods' objects and not by the operator's
// code. Before a statement of an operator that removes or hands over rows runs, it asks the API server for the pods that the statement names,
// so that no row changes whose pod was not looked at before. It changes nothing.

import type { Api } from "../../bench/api.ts";
import type { CommittedChange } from "../../database/engine/commits.ts";
import type { ArrivedStatement } from "../../database/faults.ts";
import { judgeRemoval } from "../../e2e/verdict.ts";
import type { WholeRow } from "../../world/wholeRow.ts";
import type { BookedPod, PodBook, StoredPod } from "./podBook.ts";

/** What operators did to a row: what scenarios call it. */
export interface RowDeed {
  readonly kind: "inserted" | "marked" | "removed";
  readonly server: string;
}

export class Judge {
  readonly #book: PodBook;
  readonly #api: Api;
  readonly #hadRow = new Set<string>(); // UIDs
  /** ServerIDs that a person approved, or everything. */
  readonly #approved = new Set<number>();
  #mayRemoveAll = false;
  readonly #problems = new Set<string>();
  readonly deeds: RowDeed[] = [];
  /** Rows that went although their process may live, the wait being over. */
  outlived = 0;

  constructor(book: PodBook, api: Api) {
    this.#book = book;
    this.#api = api;
  }

  /** One sentence for each thing that must never be. */
  problems(): readonly string[] {
    for (const pod of this.#book.all()) {
      const gate = pod.object.status.conditions?.find(({ type }) => type === "webfarm.dev/registered");
      if (gate?.status === "True" && gate.reason === "Registered" && !this.#hadRow.has(pod.uid))
        this.#problems.add(`The gate of pod ${pod.name} is open, and no row of it was ever committed`);
    }
    return [...this.#problems, ...this.#book.failures];
  }

  approve(serverIDs: readonly number[]): void {
    for (const id of serverIDs) this.#approved.add(id);
  }

  /** A WebFarm with `deletionPolicy: RemoveAll` is deleted. */
  allowRemoveAll(): void {
    this.#mayRemoveAll = true;
  }

  /** Each commit, and by whom: `person` stands for everybody but operators. */
  hear(change: CommittedChange, by: "operator" | "person"): void {
    if (change.table !== "CMS_WebFarmServer") return;
    const { put, taken } = paired(change);
    for (const row of put.values()) this.#noteRegistered(row);
    if (by === "person") return;
    for (const [id, row] of put) this.#judgePut(taken.get(id), row);
    for (const [id, row] of taken) if (!put.has(id)) this.#judgeRemoval(row);
  }

  /** For `Faults.beforeRun`. */
  async lookBefore({ text, parameters, applicationName }: ArrivedStatement): Promise<void> {
    if (!applicationName.startsWith("webfarm-operator/") || !/DELETE s|UPDATE s/.test(text)) return;
    await this.#book.whenKnown();
    const pods = parameters.flatMap(({ value }) => (typeof value === "string" ? (this.#book.ofMark(value) ?? []) : []));
    await Promise.all(pods.filter(({ isGone }) => !isGone).map((pod) => this.#lookAt(pod)));
  }

  async #lookAt({ namespace, realName, object, uid }: BookedPod): Promise<void> {
    const found = await this.#api
      .json({ method: "GET", path: `/api/v1/namespaces/${namespace}/pods/${realName}` })
      .catch((error: unknown) => {
        if (String(error).includes(": 404 ")) return undefined;
        throw error;
      });
    const pod = found as StoredPod | undefined;
    if (pod?.metadata.uid === uid) this.#book.note(pod, "there");
    else this.#book.note(object, "gone");
  }

  #noteRegistered(row: WholeRow): void {
    const pod = this.#book.ofMark(row.ServerGUID);
    if (pod !== undefined) this.#hadRow.add(pod.uid);
  }

  #judgePut(before: WholeRow | undefined, row: WholeRow): void {
    const pod = this.#book.ofMark(row.ServerGUID);
    const text = described(row);
    if (pod === undefined || pod.realName.toLowerCase() !== row.ServerName.toLowerCase())
      this.#problems.add(`${text} was written with a mark that is not its pod's`);
    this.deeds.push({ kind: before === undefined ? "inserted" : "marked", server: this.#nameOf(row) });
    if (before === undefined) return;
    if (before.ServerName !== row.ServerName) this.#problems.add(`${described(before)} was renamed to ${row.ServerName}`);
    const last = this.#book.ofMark(before.ServerGUID);
    if (last === undefined) this.#problems.add(`${described(before)}, which is no pod's, was given to pod ${pod?.name}`);
    else if (last.uid !== pod?.uid && !last.isGone && this.#book.lifeOf(before.ServerGUID)?.endedAtMs === undefined)
      this.#problems.add(`${described(before)} was given away, and its pod was there and had not ended`);
  }

  #judgeRemoval(row: WholeRow): void {
    this.deeds.push({ kind: "removed", server: this.#nameOf(row) });
    if (this.#approved.has(row.ServerID) || this.#mayRemoveAll) return;
    const verdict = judgeRemoval(this.#book.lifeOf(row.ServerGUID), performance.now());
    if (verdict.kind === "outlived") this.outlived += 1;
    if (verdict.kind === "wrong") this.#problems.add(`${described(row)} was removed: ${verdict.why}`);
  }

  #nameOf({ ServerName }: WholeRow): string {
    return this.#book.nameOfServer(ServerName);
  }
}

type ByID = ReadonlyMap<number, WholeRow>;

const paired = ({ put, taken }: CommittedChange): { readonly put: ByID; readonly taken: ByID } => ({ put: byID(put), taken: byID(taken) });

const byID = (rows: CommittedChange["put"]): ByID => new Map((rows as readonly WholeRow[]).map((row) => [row.ServerID, row]));

const described = ({ ServerID, ServerName, ServerGUID }: WholeRow): string => `Row ${ServerID} ${ServerName} (${ServerGUID})`;
