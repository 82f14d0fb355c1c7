// The fault script between wire and engine: what a test says shall go wrong, to which statements, how often; and the record of all
// statements that arrived. Without rules it changes nothing.
import type { Engine, LoginRequest, Parameter, SqlRequest } from "./session.ts";
import type { Client, WireEngine } from "./wire/connection.ts";
import { createRules } from "./wire/rules.ts";
import { scriptSession, toMessage } from "./wire/scriptedSession.ts";
import { type Gate, openGate } from "./wire/waiting.ts";

export interface ArrivedStatement {
  readonly text: string;
  readonly kind: SqlRequest["kind"];
  readonly parameters: readonly Parameter[];
  readonly applicationName: string;
  /** Whose login it is. */
  readonly user: string;
  /** Of the client. */
  readonly processId: number | undefined;
  readonly sessionId: number;
  /** Milliseconds since 1970. */
  readonly at: number;
}

export type StatementPattern = RegExp | ((statement: ArrivedStatement) => boolean);

export interface RuleOptions {
  /** How many statements (or logins) the rule meets before it is spent. Default 1. */
  readonly times?: number;
  /** Only those of clients with this application name. */
  readonly applicationName?: string | RegExp;
}

export interface Rule {
  /** How many it has met. */
  readonly met: number;
  /** Resolves when it meets the first. */
  readonly reached: Promise<void>;
  remove(): void;
}

export interface Hold extends Rule {
  /** What was held runs now, whether its client is still there or not; the rule is spent. */
  release(): void;
  /** Resolves when all that was held has run, after the release. */
  readonly finished: Promise<void>;
}

export interface HoldOptions extends RuleOptions {
  /** `cancels` (default): attention ends a held statement, which then never runs. `unanswered`: attention waits too, as behind a dead
   *  link, and the statement runs at the release, however long its client has given it up. */
  readonly attention?: "cancels" | "unanswered";
}

export interface Failure {
  readonly number: number;
  readonly message?: string;
  /** Default 16; from 20 on the connection ends with it. */
  readonly class?: number;
  readonly state?: number;
  readonly line?: number;
  /** Whether the open transaction outlives the failure. Default kept. */
  readonly transaction?: "kept" | "rolledBack";
}

export interface Faults {
  /** The statement does not run and fails so. */
  fail(pattern: StatementPattern, failure: Failure, options?: RuleOptions): Rule;
  /** The statement does not run, 1205, its transaction is rolled back. */
  deadlock(pattern: StatementPattern, options?: RuleOptions): Rule;
  /** The statement runs so many milliseconds later, even if its client has gone meanwhile. */
  delay(pattern: StatementPattern, delayMs: number, options?: RuleOptions): Rule;
  /** The connection is cut; the statement does not run. */
  dropBefore(pattern: StatementPattern, options?: RuleOptions): Rule;
  /** The statement runs; its answer is lost with the connection. */
  dropAfter(pattern: StatementPattern, options?: RuleOptions): Rule;
  hold(pattern: StatementPattern, options?: HoldOptions): Hold;
  /** Default text for 18456: that of SQL Server. */
  refuseLogins(failure: Failure, options?: RuleOptions): Rule;
  /** Nobody listens: ECONNREFUSED. Connections that are open stay. */
  refuseConnections(): void;
  /** Connections are accepted, and never answered. */
  ignoreConnections(): void;
  /** The end of the two above; those ignored stay so. */
  acceptConnections(): Promise<void>;
  /** Cuts every session that is open now. */
  dropSessions(): void;
  /** Removes all rules; what is held runs. */
  clear(): void;
  /** Calls `look` when a statement has arrived, before any rule acts on it, and waits for it: what it sees was so before the statement
   *  ran. It may not reject. The function that it returns ends that. */
  beforeRun(look: (statement: ArrivedStatement) => Promise<void>): () => void;
  /** Calls `listener` when a statement has run (or failed), before its answer is sent. The function that it returns ends that. */
  onRun(listener: (statement: ArrivedStatement) => void): () => void;
  /** The latest 10,000 statements up to now, oldest first, also those that did not run. */
  readonly statements: readonly ArrivedStatement[];
  /** As they are now. `roundTrips`: requests since the start, each answered once. `sessions`: those that are open. */
  readonly counts: { readonly roundTrips: number; readonly logins: number; readonly refusedLogins: number; readonly sessions: number };
  /** How many of those that are open are this process's. */
  sessionsOf(processId: number): number;
  /** Empties `statements` and sets all counts but `sessions` to 0. */
  forget(): void;
}

const MOST_STATEMENTS = 10_000;

export interface Listener {
  stopListening(): void;
  listen(): Promise<void>;
}

export interface FaultScript {
  readonly faults: Faults;
  readonly engine: WireEngine;
  /** Whether a new connection is served. */
  admit(): boolean;
  /** The server closes: what is held or delayed never runs. */
  abandon(): void;
}

export function createFaults(engine: Engine, listener: Listener): FaultScript {
  const rules = createRules();
  const loginRules = createRules();
  const gates = new Set<Gate>();
  const clients = new Map<Client, LoginRequest>();
  const listeners = new Set<(statement: ArrivedStatement) => void>();
  const looks = new Set<(statement: ArrivedStatement) => Promise<void>>();
  const statements: ArrivedStatement[] = [];
  const counts = { roundTrips: 0, logins: 0, refusedLogins: 0, sessions: 0 };
  let isAdmitting = true;

  function login(request: LoginRequest, client: Client): ReturnType<Engine["login"]> {
    const { applicationName, user, processId } = request;
    counts.logins += 1;
    const action = loginRules.take({
      ...{ text: "", kind: "batch", parameters: [] },
      ...{ applicationName, user, processId, sessionId: 0, at: Date.now() },
    });
    const outcome =
      action?.kind === "fail"
        ? { refused: [toMessage(action.failure, `Login failed for user '${request.user}'.`)] }
        : engine.login(request);
    if ("refused" in outcome) {
      counts.refusedLogins += 1;
      return outcome;
    }
    counts.sessions += 1;
    clients.set(client, request);
    const session = scriptSession(outcome.session, {
      gates,
      arrived,
      look: async (statement) => {
        for (const look of looks) await look(statement);
      },
      ran: (statement) => listeners.forEach((listener) => listener(statement)),
      disconnect: () => client.disconnect(),
      closed() {
        counts.sessions -= 1;
        clients.delete(client);
      },
    });
    return { session };
  }

  function arrived(statement: ArrivedStatement): ReturnType<typeof rules.take> {
    counts.roundTrips += 1;
    statements.push(statement);
    if (statements.length > MOST_STATEMENTS) statements.shift();
    return rules.take(statement);
  }

  function hold(pattern: StatementPattern, options?: HoldOptions): Hold {
    const gate = openGate();
    gates.add(gate);
    const rule = rules.add(pattern, { kind: "hold", gate, attention: options?.attention ?? "cancels" }, options);
    return {
      get met() {
        return rule.met;
      },
      reached: rule.reached,
      remove: rule.remove,
      finished: gate.finished,
      release() {
        rule.remove();
        gates.delete(gate);
        gate.release();
      },
    };
  }

  function endAll(end: (gate: Gate) => void): void {
    rules.clear();
    loginRules.clear();
    for (const gate of gates) end(gate);
    gates.clear();
  }

  const faults: Faults = {
    fail: (pattern, failure, options) => rules.add(pattern, { kind: "fail", failure }, options),
    deadlock: (pattern, options) => rules.add(pattern, { kind: "deadlock" }, options),
    delay: (pattern, delayMs, options) => rules.add(pattern, { kind: "delay", delayMs }, options),
    dropBefore: (pattern, options) => rules.add(pattern, { kind: "drop", when: "before" }, options),
    dropAfter: (pattern, options) => rules.add(pattern, { kind: "drop", when: "after" }, options),
    hold,
    refuseLogins: (failure, options) => loginRules.add(() => true, { kind: "fail", failure: { class: 14, ...failure } }, options),
    refuseConnections: () => listener.stopListening(),
    ignoreConnections: () => void (isAdmitting = false),
    acceptConnections() {
      isAdmitting = true;
      return listener.listen();
    },
    dropSessions() {
      for (const client of clients.keys()) client.disconnect();
    },
    clear: () => endAll((gate) => gate.release()),
    beforeRun(look) {
      looks.add(look);
      return () => void looks.delete(look);
    },
    onRun(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    get statements() {
      return [...statements];
    },
    get counts() {
      return { ...counts };
    },
    sessionsOf: (processId) => [...clients.values()].filter((login) => login.processId === processId).length,
    forget() {
      statements.length = 0;
      Object.assign(counts, { roundTrips: 0, logins: 0, refusedLogins: 0 });
    },
  };

  return { faults, engine: { login }, admit: () => isAdmitting, abandon: () => endAll((gate) => gate.abandon()) };
}
