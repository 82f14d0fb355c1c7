// One simulated database: the rows of CMS_WebFarmServer, their bindings and pings, the product's mode, and what the statements of
// operator/sqlserver/statements.ts do to them, each as one committed step. It knows nothing of pods; every committed change is told.

import type { RowChange, RowObject, Writer } from "./objects.ts";

/** At most so many bindings go with one remove request. */
const bindingsARequest = 2_000;

export interface RowAsRead {
  readonly serverID: number;
  readonly name: string;
  readonly guid: string | null;
}

interface Saved {
  readonly rows: ReadonlyMap<number, RowObject>;
  readonly bindings: ReadonlyMap<number, number>;
  readonly nextID: number;
  readonly mode: string | null;
  readonly pings: ReadonlyMap<number, string> | undefined;
}

/** Two names that are one to a database with the usual collation. */
const folded = (name: string): string => name.trimEnd().toLowerCase();

export class SimDatabase {
  readonly name: string;
  readonly rows = new Map<number, RowObject>();
  readonly bindings = new Map<number, number>();
  /** Newest ping of each server, as a text that changes with each; undefined where the table has none. */
  pings: Map<number, string> | undefined;
  /** CMSWebFarmMode. */
  mode: string | null = "2";
  /** What connecting to it fails with. */
  isGone = false;
  #nextID = 1;
  #saved: Saved | undefined;
  readonly #onChange: (change: Omit<RowChange, "atMs">) => void;

  constructor(name: string, onChange: (change: Omit<RowChange, "atMs">) => void) {
    this.name = name;
    this.#onChange = onChange;
  }

  get hasSaved(): boolean {
    return this.#saved !== undefined;
  }

  rowNamed(name: string): RowObject | undefined {
    for (const row of this.rows.values()) if (folded(row.name) === folded(name)) return row;
    return undefined;
  }

  /** Inserts those whose name the table does not have, while it has fewer enabled rows than `most`. */
  register(servers: readonly { readonly name: string; readonly guid: string }[], by: Writer, most = Infinity): void {
    for (const { name, guid } of servers) {
      const enabled = [...this.rows.values()].filter((row) => row.enabled).length;
      if (enabled < most && this.rowNamed(name) === undefined) this.insert({ name, guid, enabled: true }, by);
    }
  }

  /** Changes those that are as they were read. */
  mark(rows: readonly (RowAsRead & { readonly newGuid: string })[], by: Writer): void {
    for (const wanted of rows) {
      const row = this.#asRead(wanted);
      if (row !== undefined) this.#put({ ...row, guid: wanted.newGuid }, by);
    }
  }

  /** Deletes bindings of those that are as they were read, then those that have none left; answers how many bindings went. */
  remove(rows: readonly RowAsRead[], by: Writer): number {
    let left = bindingsARequest;
    for (const wanted of rows) {
      const row = this.#asRead(wanted);
      if (row === undefined || row.guid === null) continue;
      const bound = this.bindings.get(row.serverID) ?? 0;
      const goes = Math.min(bound, left);
      left -= goes;
      if (bound > goes) this.bindings.set(row.serverID, bound - goes);
      else {
        this.bindings.delete(row.serverID);
        this.#delete(row, by);
      }
    }
    return bindingsARequest - left;
  }

  insert(row: Omit<RowObject, "serverID">, by: Writer): RowObject {
    return this.#put({ ...row, serverID: this.#nextID++ }, by);
  }

  change(row: RowObject, by: Writer): void {
    this.#put(row, by);
  }

  delete(row: RowObject, by: Writer): void {
    this.bindings.delete(row.serverID);
    this.#delete(row, by);
  }

  /** An insert that failed or was rolled back leaves a gap. */
  skipID(): void {
    this.#nextID += 1;
  }

  save(): void {
    this.#saved = this.#copy();
  }

  /** Throws where nothing was saved. */
  restore(): void {
    if (this.#saved === undefined) throw new Error(`Cannot restore database ${this.name}: it was never saved`);
    this.#become(this.#saved);
  }

  /** This database's content over another's. */
  copyOver(other: SimDatabase): void {
    other.#become(this.#copy());
  }

  #copy(): Saved {
    return {
      rows: new Map(this.rows),
      bindings: new Map(this.bindings),
      nextID: this.#nextID,
      mode: this.mode,
      pings: this.pings && new Map(this.pings),
    };
  }

  #become(saved: Saved): void {
    const by: Writer = { kind: "restore" };
    for (const row of [...this.rows.values()]) if (!saved.rows.has(row.serverID)) this.#delete(row, by);
    for (const row of saved.rows.values()) if (this.rows.get(row.serverID) !== row) this.#put(row, by);
    this.bindings.clear();
    for (const [serverID, count] of saved.bindings) this.bindings.set(serverID, count);
    this.#nextID = saved.nextID;
    this.mode = saved.mode;
    this.pings = saved.pings && new Map(saved.pings);
  }

  #asRead({ serverID, name, guid }: RowAsRead): RowObject | undefined {
    const row = this.rows.get(serverID);
    return row !== undefined && folded(row.name) === folded(name) && row.guid === guid ? row : undefined;
  }

  #put(row: RowObject, by: Writer): RowObject {
    const before = this.rows.get(row.serverID);
    this.rows.set(row.serverID, row);
    this.#onChange({ database: this.name, after: row, by, ...(before !== undefined && { before }) });
    return row;
  }

  #delete(row: RowObject, by: Writer): void {
    this.rows.delete(row.serverID);
    this.pings?.delete(row.serverID);
    this.#onChange({ database: this.name, before: row, by });
  }
}
