// Guards the connections to one target: opened when needed, two passes at a time, one probe while it cannot be reached, dropped when in
// doubt, closed after a minute without need. It never sends anything twice.
import type sql from "mssql";

import type { Clock, Timer } from "../controller/clock.ts";
import type { Logger } from "../controller/logger.ts";
import { NotLeading, type MayWrite } from "../controller/mayWrite.ts";
import type { DatabaseProblem } from "../farm/model.ts";
import {
  doingAt,
  longestLoginMs,
  mostConnections,
  newDriverPool,
  type RecordSet,
  requestTimeoutMs,
  send,
  type SentParameter,
} from "./driver.ts";
import type { TokenSource } from "./entra.ts";
import { classify, DatabaseError, isPoolBroken } from "./errors.ts";
import { IdentityToken } from "./identityToken.ts";
import type { LoginGate } from "./loginGate.ts";
import type { Statement } from "./statements.ts";
import type { Target } from "./target.ts";
import { orAborted, Places, type Slots, withDeadline } from "./waiting.ts";

export interface PoolOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly gate: LoginGate;
  /** For targets that an identity logs in to. */
  readonly tokens: TokenSource;
  /** Asked in the turn in which a write would be sent. */
  readonly mayWrite: MayWrite;
  /** Shared by all targets: so many of those that do not answer are probed at a time, each may hold up its pass for long. */
  readonly probes: Slots;
  readonly applicationName: string;
  /** Called once for each request, whatever came of it. */
  readonly observe: (statement: string, outcome: "ok" | DatabaseProblem["kind"], durationMs: number) => void;
}

const idleMs = 60_000;
// The driver's own time-out ends at the first byte of an answer; this one does not.
const deadlineMs = requestTimeoutMs + 2_000;
const closeMs = 2_000;

export class TargetPool {
  readonly target: Target;
  readonly #options: PoolOptions;
  readonly #token: IdentityToken | undefined;
  readonly #places = new Places(mostConnections);
  #opening: Promise<sql.ConnectionPool> | undefined;
  /** Of the one that is being opened, or open. */
  #abandoned = new AbortController();
  #generation = 0;
  #problem: DatabaseProblem | undefined;
  #problems = 0;
  #isProbed = false;
  #inUse = 0;
  #idle: Timer | undefined;

  constructor(target: Target, options: PoolOptions) {
    this.target = target;
    this.#options = options;
    const { identity } = target;
    const { tokens: source, clock, log } = options;
    if (identity !== undefined) this.#token = new IdentityToken({ identity, source, clock, log });
  }

  /** Grows whenever the connections were given up: what was learnt of the server before is not known any more. */
  get generation(): number {
    return this.#generation;
  }

  /** The answer's sets. Throws DatabaseError; before anything was sent also the signal's reason, or NotLeading. */
  async run(statement: Statement, parameters: readonly SentParameter[], signal: AbortSignal): Promise<readonly RecordSet[]> {
    const problemsBefore = this.#problems;
    if (this.#isProbed) this.#throwProblem();
    const giveBack = await this.#places.take(signal);
    this.#inUse += 1;
    this.#idle?.cancel();
    try {
      // Others found out while this one waited, or are finding out.
      if (this.#isProbed || this.#problems > problemsBefore) this.#throwProblem();
      return await this.#runAsProbe(statement, parameters, signal);
    } finally {
      this.#inUse -= 1;
      giveBack();
      this.#closeWhenIdle();
    }
  }

  /** Gives the connections up: the next request opens new ones. */
  drop(): void {
    const opening = this.#opening;
    this.#opening = undefined;
    this.#generation += 1;
    if (opening !== undefined) void this.#close(opening);
  }

  /** Resolves when the connections are closed, or after two seconds. A login that is under way then ends by itself; none begins any more. */
  async close(): Promise<void> {
    this.#idle?.cancel();
    this.#abandoned.abort(nobodyWaits());
    const opening = this.#opening;
    this.#opening = undefined;
    this.#generation += 1;
    if (opening !== undefined) await this.#close(opening);
  }

  #throwProblem(): void {
    if (this.#problem !== undefined) throw new DatabaseError(this.#problem, "notApplied");
  }

  async #runAsProbe(statement: Statement, parameters: readonly SentParameter[], signal: AbortSignal): Promise<readonly RecordSet[]> {
    const isProbe = this.#problem !== undefined;
    const giveBack = isProbe ? this.#options.probes.take() : undefined;
    if (isProbe && giveBack === undefined) this.#throwProblem();
    if (isProbe) this.#isProbed = true;
    try {
      const sets = await this.#runOnce(statement, parameters, signal);
      this.#problem = undefined;
      return sets;
    } finally {
      if (isProbe) this.#isProbed = false;
      giveBack?.();
    }
  }

  async #runOnce(statement: Statement, parameters: readonly SentParameter[], signal: AbortSignal): Promise<readonly RecordSet[]> {
    const { clock, mayWrite, observe } = this.#options;
    const startMs = clock.monotonic();
    let outcome: "ok" | DatabaseProblem["kind"] = "ok";
    let doing = "connect";
    const opening = (this.#opening ??= this.#open());
    try {
      const pool = await orAborted(opening, signal);
      signal.throwIfAborted();
      if (statement.writes && !mayWrite()) throw new NotLeading(`send ${statement.name}`);
      doing = statement.name;
      return await withDeadline(clock, deadlineMs, send(pool, statement.sql, parameters, signal));
    } catch (error) {
      if (error instanceof NotLeading || (doing === "connect" && signal.aborted && error === signal.reason)) throw error;
      const failure = classify(error, doingAt(this.target, doing));
      outcome = failure.problem.kind;
      this.#note(failure, doing, opening);
      throw failure;
    } finally {
      observe(statement.name, outcome, clock.monotonic() - startMs);
    }
  }

  #note({ problem }: DatabaseError, doing: string, opening: Promise<sql.ConnectionPool>): void {
    if (problem.reason === "Aborted") return; // our own doing says nothing of the server
    const isBroken = doing === "connect" || isPoolBroken(problem) || problem.kind === "login" || problem.kind === "configuration";
    if (!isBroken) {
      this.#problem = undefined;
      return;
    }
    this.#problem = problem;
    this.#problems += 1;
    if (this.#opening === opening) {
      this.#options.log.debug("Connections to a database are given up", {
        endpoint: this.target.endpoint,
        reason: problem.reason,
        action: doing,
      });
      this.drop();
    }
  }

  async #open(): Promise<sql.ConnectionPool> {
    const { clock, log, applicationName, gate } = this.#options;
    const abandoned = new AbortController();
    this.#abandoned = abandoned;
    const pool = newDriverPool({ target: this.target, applicationName, gate, abandoned: abandoned.signal, token: this.#token });
    // Without a listener an idle connection that breaks would end the process. What it broke for, the next request finds out.
    pool.on("error", (error: unknown) => {
      const { problem } = classify(error, doingAt(this.target, "connect"));
      log.debug("A connection to a database broke", { endpoint: this.target.endpoint, reason: problem.reason });
    });
    const connecting = pool.connect();
    try {
      await withDeadline(clock, longestLoginMs(this.target), connecting);
    } catch (error) {
      abandoned.abort(nobodyWaits());
      // A pool cannot be closed while it connects.
      connecting.then(
        () => this.#close(Promise.resolve(pool)),
        () => undefined,
      );
      throw error;
    }
    return pool;
  }

  #closeWhenIdle(): void {
    if (this.#inUse > 0 || this.#opening === undefined) return;
    this.#idle?.cancel();
    this.#idle = this.#options.clock.after(idleMs, () => {
      if (this.#inUse === 0) this.drop();
    });
  }

  /** Without an error: why an opening failed is told to those who wait for it. */
  async #close(opening: Promise<sql.ConnectionPool>): Promise<void> {
    const closing = opening.then(
      (pool) => pool.close(),
      () => undefined,
    );
    try {
      // Waits for a login under way and for borrowed connections, so for ever behind a dead link.
      await withDeadline(this.#options.clock, closeMs, closing);
    } catch (error) {
      const { problem } = classify(error, doingAt(this.target, "connect"));
      this.#options.log.debug("Connections to a database could not be closed in time", {
        endpoint: this.target.endpoint,
        reason: problem.reason,
      });
    }
  }
}

const nobodyWaits = (): Error => new Error("Cannot log in: nobody waits for it any more");
