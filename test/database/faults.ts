// The fault script between wire and engine: what a test says shall go wrong, to which statements, how often; and the record of all
// statements that arrived. Without rules it changes nothing.
import type { Engine, LoginRequest, ResponsePart, Session, SqlMessage, SqlRequest } from "./session.ts";
import type { Client, WireEngine } from "./wire/connection.ts";
import { attentionOnly, deferred, type Gate, openGate, waitUnlessAttention, withoutAbort } from "./wire/waiting.ts";

export interface ArrivedStatement {
  readonly text: string;
  readonly kind: SqlRequest["kind"];
  readonly applicationName: string;
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
  /** The latest 10,000 statements, oldest first, also those that did not run. */
  readonly statements: readonly ArrivedStatement[];
  /** `roundTrips`: requests since the start, each answered once. `sessions`: open now. */
  readonly counts: { readonly roundTrips: number; readonly logins: number; readonly refusedLogins: number; readonly sessions: number };
  /** Empties `statements` and sets all counts but `sessions` to 0. */
  forget(): void;
}

type Action =
  | { readonly kind: "fail"; readonly failure: Failure }
  | { readonly kind: "delay"; readonly delayMs: number }
  | { readonly kind: "drop"; readonly when: "before" | "after" }
  | { readonly kind: "hold"; readonly gate: Gate; readonly attention: "cancels" | "unanswered" };

interface ScriptedRule {
  readonly matches: (statement: ArrivedStatement) => boolean;
  readonly action: Action;
  readonly rule: Rule;
  meet(): void;
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
  const rules = new Set<ScriptedRule>();
  const loginRules = new Set<ScriptedRule>();
  const gates = new Set<Gate>();
  const clients = new Set<Client>();
  const statements: ArrivedStatement[] = [];
  const counts = { roundTrips: 0, logins: 0, refusedLogins: 0, sessions: 0 };
  let isAdmitting = true;

  function add(target: Set<ScriptedRule>, pattern: StatementPattern, action: Action, options: RuleOptions = {}): Rule {
    const { promise: reached, resolve } = deferred<undefined>();
    let met = 0;
    const scripted: ScriptedRule = {
      matches: (statement) => matchesName(options.applicationName, statement.applicationName) && matchesPattern(pattern, statement),
      action,
      meet() {
        met += 1;
        if (met >= (options.times ?? 1)) target.delete(scripted);
        resolve(undefined);
      },
      rule: {
        get met() {
          return met;
        },
        reached,
        remove: () => void target.delete(scripted),
      },
    };
    target.add(scripted);
    return scripted.rule;
  }

  function take(target: ReadonlySet<ScriptedRule>, statement: ArrivedStatement): Action | undefined {
    for (const scripted of target) {
      if (!scripted.matches(statement)) continue;
      scripted.meet();
      return scripted.action;
    }
    return undefined;
  }

  function record(statement: ArrivedStatement): void {
    counts.roundTrips += 1;
    statements.push(statement);
    if (statements.length > MOST_STATEMENTS) statements.shift();
  }

  function login(request: LoginRequest, client: Client): ReturnType<Engine["login"]> {
    counts.logins += 1;
    const { applicationName } = request;
    const action = take(loginRules, { text: "", kind: "batch", applicationName, sessionId: 0, at: Date.now() });
    const outcome =
      action?.kind === "fail"
        ? { refused: [toMessage(action.failure, `Login failed for user '${request.user}'.`)] }
        : engine.login(request);
    if ("refused" in outcome) {
      counts.refusedLogins += 1;
      return outcome;
    }
    counts.sessions += 1;
    clients.add(client);
    const onClosed = () => {
      counts.sessions -= 1;
      clients.delete(client);
    };
    return { session: scriptSession(outcome.session, { client, onClosed }) };
  }

  function scriptSession(inner: Session, owner: { readonly client: Client; readonly onClosed: () => void }): Session {
    let isInTransaction = false;
    async function runInner(request: SqlRequest, signal: AbortSignal): Promise<readonly ResponsePart[]> {
      const parts = await inner.run(request, signal);
      isInTransaction = parts.findLast((part) => part.kind === "done")?.inTransaction ?? isInTransaction;
      return parts;
    }

    async function fail(failure: Failure): Promise<readonly ResponsePart[]> {
      const message: ResponsePart = { kind: "message", message: toMessage(failure, "The fault script says so.") };
      let ended: readonly ResponsePart[] = [];
      if (failure.transaction === "rolledBack" && isInTransaction) {
        ended = await runInner({ kind: "batch", text: "ROLLBACK TRANSACTION", parameters: [] }, withoutAbort());
      }
      const events = ended.filter((part) => part.kind === "transaction");
      return [message, ...events, { kind: "done", inTransaction: isInTransaction }];
    }

    async function runLater(request: SqlRequest, signal: AbortSignal, wait: Promise<"go" | "cancelled" | "abandoned">) {
      return (await wait) === "go" ? runInner(request, signal) : [];
    }

    async function act(action: Action, request: SqlRequest, signal: AbortSignal): Promise<readonly ResponsePart[]> {
      switch (action.kind) {
        case "fail":
          return fail(action.failure);
        case "delay": {
          const gate = openGate();
          gates.add(gate);
          const timer = setTimeout(gate.release, action.delayMs);
          const parts = await runLater(request, attentionOnly(signal), waitUnlessAttention(gate.opened, signal));
          clearTimeout(timer);
          gates.delete(gate);
          return parts;
        }
        case "drop": {
          const parts = action.when === "after" ? await runInner(request, withoutAbort()) : [];
          owner.client.disconnect();
          return parts;
        }
        case "hold": {
          if (action.attention === "unanswered") return action.gate.pass(() => runLater(request, withoutAbort(), action.gate.opened));
          return action.gate.pass(() => runLater(request, attentionOnly(signal), waitUnlessAttention(action.gate.opened, signal)));
        }
      }
    }

    return {
      id: inner.id,
      login: inner.login,
      get database() {
        return inner.database;
      },
      run(request, signal) {
        const { applicationName } = inner.login;
        const statement = { text: request.text, kind: request.kind, applicationName, sessionId: inner.id, at: Date.now() };
        record(statement);
        const action = take(rules, statement);
        return action === undefined ? runInner(request, signal) : act(action, request, signal);
      },
      close() {
        owner.onClosed();
        inner.close();
      },
    };
  }

  const faults: Faults = {
    fail: (pattern, failure, options) => add(rules, pattern, { kind: "fail", failure }, options),
    deadlock: (pattern, options) => add(rules, pattern, { kind: "fail", failure: DEADLOCK }, options),
    delay: (pattern, delayMs, options) => add(rules, pattern, { kind: "delay", delayMs }, options),
    dropBefore: (pattern, options) => add(rules, pattern, { kind: "drop", when: "before" }, options),
    dropAfter: (pattern, options) => add(rules, pattern, { kind: "drop", when: "after" }, options),
    hold(pattern, options) {
      const gate = openGate();
      gates.add(gate);
      const rule = add(rules, pattern, { kind: "hold", gate, attention: options?.attention ?? "cancels" }, options);
      const release = () => {
        rule.remove();
        gates.delete(gate);
        gate.release();
      };
      const hold: Hold = {
        get met() {
          return rule.met;
        },
        reached: rule.reached,
        remove: rule.remove,
        release,
        finished: gate.finished,
      };
      return hold;
    },
    refuseLogins: (failure, options) => add(loginRules, () => true, { kind: "fail", failure: { class: 14, ...failure } }, options),
    refuseConnections: () => listener.stopListening(),
    ignoreConnections: () => void (isAdmitting = false),
    acceptConnections() {
      isAdmitting = true;
      return listener.listen();
    },
    dropSessions() {
      for (const client of clients) client.disconnect();
    },
    clear() {
      rules.clear();
      loginRules.clear();
      for (const gate of gates) gate.release();
      gates.clear();
    },
    statements,
    counts,
    forget() {
      statements.length = 0;
      Object.assign(counts, { roundTrips: 0, logins: 0, refusedLogins: 0 });
    },
  };

  return {
    faults,
    engine: { login },
    admit: () => isAdmitting,
    abandon() {
      rules.clear();
      loginRules.clear();
      for (const gate of gates) gate.abandon();
      gates.clear();
    },
  };
}

const DEADLOCK: Failure = {
  number: 1205,
  class: 13,
  state: 51,
  message:
    "Transaction was deadlocked on lock resources with another process and has been chosen as the deadlock victim. Rerun the transaction.",
  transaction: "rolledBack",
};

function toMessage(failure: Failure, text: string): SqlMessage {
  const { number, message = text, class: severity = 16, state = 1, line = 1 } = failure;
  return { number, message, class: severity, state, line };
}

function matchesPattern(pattern: StatementPattern, statement: ArrivedStatement): boolean {
  // search, not test: a pattern with the g flag must not remember where it stopped.
  return typeof pattern === "function" ? pattern(statement) : statement.text.search(pattern) >= 0;
}

function matchesName(wanted: string | RegExp | undefined, name: string): boolean {
  if (wanted === undefined) return true;
  return typeof wanted === "string" ? wanted === name : name.search(wanted) >= 0;
}
