// What a session is between and during statements: its options, its transaction, the locks it holds. It runs no statement itself.
import type { ResponsePart, SqlValue } from "../session.ts";
import { tellCommit } from "./commits.ts";
import type { Frame, SessionView } from "./compiled.ts";
import { sqlErrors } from "./errors.ts";
import type { SqlError } from "./errors.ts";
import type { Database, Login, Principal, Server } from "./model.ts";
import { allowed } from "./model.ts";
import { ticksOf } from "./moments.ts";
import type { Binding, LockNeed } from "./scope.ts";
import type { Isolation } from "./syntax.ts";
import type { RowSource, Table } from "./table.ts";
import { Transaction } from "./transaction.ts";

export interface SessionOptions {
  noCount: boolean;
  xactAbort: boolean;
  lockTimeoutMs: number;
  isolation: Isolation;
}

export interface Identity {
  readonly id: number;
  readonly login: Login;
  readonly hostName: string;
  readonly applicationName: string;
}

let descriptors = 0n;

export class SessionState implements SessionView {
  readonly server: Server;
  readonly id: number;
  readonly login: Login;
  readonly hostName: string;
  readonly applicationName: string;
  options: SessionOptions = { noCount: false, xactAbort: false, lockTimeoutMs: -1, isolation: "READ COMMITTED" };
  database: Database;
  variables = new Map<string, SqlValue>();
  rowCount = 0;
  lastError = 0;
  scopeIdentity: bigint | null = null;
  caught: SqlError | undefined;
  identityInsert: Table | undefined;
  killed = false;
  parts: ResponsePart[] = [];
  transaction: Transaction | undefined;
  readonly #held = new Set<Database>();

  constructor(server: Server, identity: Identity, database: Database) {
    this.server = server;
    this.id = identity.id;
    this.login = identity.login;
    this.hostName = identity.hostName;
    this.applicationName = identity.applicationName;
    this.database = database;
  }

  get principal(): Principal {
    return this.database.principalOf(this.login) ?? { user: "guest", roles: new Set() };
  }
  get transactionCount(): number {
    return this.transaction?.count ?? 0;
  }
  get transactionState(): -1 | 0 | 1 {
    return this.transaction === undefined ? 0 : this.transaction.doomed ? -1 : 1;
  }
  get lockTimeoutMs(): number {
    return this.options.lockTimeoutMs;
  }

  begin(): void {
    if (this.transaction !== undefined) {
      this.transaction.count++;
      return;
    }
    this.transaction = new Transaction(++descriptors, 1);
    this.parts.push({ kind: "transaction", event: "begun", descriptor: this.transaction.descriptor });
  }

  commit(): void {
    const { transaction } = this;
    if (transaction === undefined) throw sqlErrors.commitWithoutBegin();
    if (transaction.doomed) throw sqlErrors.doomed();
    if (--transaction.count > 0) return;
    this.transaction = undefined;
    this.releaseLocks();
    this.parts.push({ kind: "transaction", event: "committed", descriptor: transaction.descriptor });
    tellCommit(transaction, this.server.options.onCommit);
  }

  rollback(): void {
    const { transaction } = this;
    if (transaction === undefined) throw sqlErrors.rollbackWithoutBegin();
    transaction.undoTo(0);
    this.transaction = undefined;
    this.releaseLocks();
    this.parts.push({ kind: "transaction", event: "rolledBack", descriptor: transaction.descriptor });
  }

  /** Waits until the statement may run. Without a transaction, `releaseLocks` must follow it. */
  async enter(database: Database, need: LockNeed, signal: AbortSignal): Promise<void> {
    if (!this.#mustLock(database, need)) return;
    await database.lock.acquire(this, this.options.lockTimeoutMs, signal);
    this.#held.add(database);
  }

  #mustLock(database: Database, need: LockNeed): boolean {
    const { isolation } = this.options;
    const defined = database.writer !== undefined && database.writer !== this.transaction && database.writer.hasDefinitions;
    switch (need) {
      case "none":
        return false;
      case "dirtyRead":
        return defined;
      case "read":
        if (isolation === "READ UNCOMMITTED") return defined;
        return isolation !== "READ COMMITTED" || !database.snapshotReads || defined;
      case "blockedRead":
      case "keptRead":
      case "write":
        return true;
    }
  }

  /** Under READ COMMITTED a reader keeps nothing after its statement, not even in a transaction. */
  leave(database: Database, need: LockNeed): void {
    const keeps = need === "write" || need === "keptRead" || ["REPEATABLE READ", "SERIALIZABLE"].includes(this.options.isolation);
    if (this.transaction === undefined) this.releaseLocks();
    else if (!keeps && !this.#kept.has(database)) this.#release(database);
    else if (keeps) this.#kept.add(database);
  }
  readonly #kept = new Set<Database>();

  releaseLocks(): void {
    for (const database of this.#held) this.#release(database);
  }
  #release(database: Database): void {
    this.#held.delete(database);
    this.#kept.delete(database);
    if (!database.lock.isHeldBy(this)) return;
    database.writer = undefined;
    database.lock.release(this);
  }

  /** The frame of one statement. Who reads beside a writer reads what was committed before it. */
  frame(need: LockNeed): Frame {
    const now = { ticks: ticksOf(this.server.options.clock()) };
    const dirty = need === "dirtyRead" || this.options.isolation === "READ UNCOMMITTED";
    const source = (table: Table): RowSource => {
      const { writer } = this.database;
      return writer === undefined || dirty || this.database.lock.isHeldBy(this) ? table : writer.before(table);
    };
    return { session: this, now, source, memo: new Map(), rows: [], aggregates: [] };
  }

  checkPermissions({ needs, database }: Binding): void {
    const { principal } = this;
    if (principal.roles.has("db_owner")) return;
    for (const { permission, table, columns, onlyTarget } of needs) {
      if (onlyTarget && columns.size === 0) continue;
      const asked = columns.size === 0 ? [undefined] : [...columns];
      for (const column of asked) {
        const answer = allowed(principal, { permission, database, table, ...(column === undefined ? {} : { column }) });
        if (answer === "no") throw sqlErrors.denied(permission, table.name, database.name, table.schema);
        const name = table.columns.find((one) => one.id === column)?.name ?? "";
        if (answer === "column") throw sqlErrors.columnDenied(permission, name, table.name, database.name, table.schema);
      }
    }
  }
}
