// A session before which the fault script stands: it carries out the action of the rule that meets a statement, and passes on the
// rest unchanged. Chooses no rule.
import type { ArrivedStatement, Failure } from "../faults.ts";
import type { ResponsePart, Session, SqlMessage, SqlRequest } from "../session.ts";
import type { Action } from "./rules.ts";
import { attentionOnly, type Gate, openGate, type Outcome, waitUnlessAttention, withoutAbort } from "./waiting.ts";

/** What the script keeps for all sessions. */
export interface SessionScript {
  arrived(statement: ArrivedStatement): Action | undefined;
  /** Resolves when whoever looks at statements before they run has looked. */
  look(statement: ArrivedStatement): Promise<void>;
  ran(statement: ArrivedStatement): void;
  disconnect(): void;
  closed(): void;
  /** Those that are abandoned when the server closes. */
  readonly gates: Set<Gate>;
}

export function scriptSession(inner: Session, script: SessionScript): Session {
  let isInTransaction = false;

  async function run(request: SqlRequest, signal: AbortSignal): Promise<readonly ResponsePart[]> {
    const parts = await inner.run(request, signal);
    isInTransaction = parts.findLast((part) => part.kind === "done")?.inTransaction ?? isInTransaction;
    return parts;
  }

  async function runAfter(wait: Promise<Outcome>, request: SqlRequest, signal: AbortSignal): Promise<readonly ResponsePart[]> {
    return (await wait) === "go" ? run(request, signal) : [];
  }

  async function fail(failure: Failure): Promise<readonly ResponsePart[]> {
    let ended: readonly ResponsePart[] = [];
    if (failure.transaction === "rolledBack" && isInTransaction) {
      ended = await run({ kind: "batch", text: "ROLLBACK TRANSACTION", parameters: [] }, withoutAbort());
    }
    const events = ended.filter((part) => part.kind === "transaction");
    const message = toMessage(failure, "The fault script says so.");
    return [{ kind: "message", message }, ...events, { kind: "done", inTransaction: isInTransaction }];
  }

  async function delay(delayMs: number, request: SqlRequest, signal: AbortSignal): Promise<readonly ResponsePart[]> {
    const gate = openGate();
    script.gates.add(gate);
    const timer = setTimeout(gate.release, delayMs);
    try {
      return await runAfter(waitUnlessAttention(gate.opened, signal), request, attentionOnly(signal));
    } finally {
      clearTimeout(timer);
      script.gates.delete(gate);
    }
  }

  async function act(action: Action, request: SqlRequest, signal: AbortSignal): Promise<readonly ResponsePart[]> {
    switch (action.kind) {
      case "fail":
        return fail(action.failure);
      case "deadlock":
        return fail(deadlock(inner.id));
      case "delay":
        return delay(action.delayMs, request, signal);
      case "drop": {
        const parts = action.when === "after" ? await run(request, withoutAbort()) : [];
        script.disconnect();
        return parts;
      }
      case "hold": {
        const { gate } = action;
        if (action.attention === "unanswered") return gate.pass(() => runAfter(gate.opened, request, withoutAbort()));
        return gate.pass(() => runAfter(waitUnlessAttention(gate.opened, signal), request, attentionOnly(signal)));
      }
    }
  }

  return {
    id: inner.id,
    login: inner.login,
    get database() {
      return inner.database;
    },
    async run(request, signal) {
      const { applicationName, user, processId } = inner.login;
      const statement = { ...request, applicationName, user, processId, sessionId: inner.id, at: Date.now() };
      const action = script.arrived(statement);
      await script.look(statement);
      const parts = await (action === undefined ? run(request, signal) : act(action, request, signal));
      script.ran(statement);
      return parts;
    },
    close() {
      script.closed();
      inner.close();
    },
  };
}

function deadlock(sessionId: number): Failure {
  const victim = `Transaction (Process ID ${sessionId}) was deadlocked on lock resources with another process and has been chosen as the deadlock victim.`;
  return { number: 1205, class: 13, state: 51, message: `${victim} Rerun the transaction.`, transaction: "rolledBack" };
}

export function toMessage(failure: Failure, text: string): SqlMessage {
  const { number, message = text, class: severity = 16, state = 1, line = 1 } = failure;
  return { number, message, class: severity, state, line };
}
