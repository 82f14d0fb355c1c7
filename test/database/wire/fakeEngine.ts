// An engine without SQL for the tests of the wire: it answers with what it was given. Only the tests use it.
import type { Column, Engine, LoginRequest, ResponsePart, Session, SqlRequest, SqlType, SqlValue } from "../session.ts";

export interface RunRecord {
  readonly request: SqlRequest;
  readonly sessionId: number;
}

export interface FakeEngine extends Engine {
  /** What has run, in order. */
  readonly ran: readonly RunRecord[];
  readonly logins: readonly LoginRequest[];
  /** Sessions that are not closed. */
  open(): number;
}

/** What the engine answers to a text; undefined: it echoes the parameters as one row. */
export type Answer = (request: SqlRequest, signal: AbortSignal) => readonly ResponsePart[] | Promise<readonly ResponsePart[]> | undefined;

export const USER = "sa";
export const PASSWORD = "Päss wörd 🔑";

export function createFakeEngine(answer: Answer = () => undefined): FakeEngine {
  const ran: RunRecord[] = [];
  const logins: LoginRequest[] = [];
  const open = new Set<number>();
  let sessions = 50;
  let transactions = 0n;
  return {
    ran,
    logins,
    open: () => open.size,
    login(login) {
      logins.push(login);
      if (login.user !== USER || login.password !== PASSWORD) {
        return { refused: [{ number: 18456, state: 1, class: 14, line: 1, message: `Login failed for user '${login.user}'.` }] };
      }
      sessions += 1;
      const id = sessions;
      open.add(id);
      let transaction: bigint | undefined;
      const session: Session = {
        id,
        login,
        database: login.database === "" ? "master" : login.database,
        async run(request, signal) {
          ran.push({ request, sessionId: id });
          if (/BEGIN TRAN/i.test(request.text)) {
            transactions += 1n;
            transaction = transactions;
            return [{ kind: "transaction", event: "begun", descriptor: transaction }, done({ inTransaction: true })];
          }
          const ending = /^(COMMIT|ROLLBACK) TRAN/i.exec(request.text)?.[1]?.toUpperCase();
          if (ending !== undefined && transaction !== undefined) {
            const descriptor = transaction;
            transaction = undefined;
            return [{ kind: "transaction", event: ending === "COMMIT" ? "committed" : "rolledBack", descriptor }, done({})];
          }
          if (/^set /.test(request.text)) return [done({})];
          const parts = await answer(request, signal);
          return parts ?? [echo(request), done({ rowCount: 1, inTransaction: transaction !== undefined })];
        },
        close: () => void open.delete(id),
      };
      return { session };
    },
  };
}

export function done(options: { readonly rowCount?: number; readonly inTransaction?: boolean }): ResponsePart {
  return { kind: "done", inTransaction: false, ...options };
}

export function failure(
  number: number,
  options: { readonly class?: number; readonly line?: number; readonly message?: string } = {},
): ResponsePart {
  return { kind: "message", message: { number, state: 1, class: 16, line: 1, message: `Error ${number}`, ...options } };
}

export function table(columns: Readonly<Record<string, SqlType>>, rows: readonly (readonly SqlValue[])[]): ResponsePart {
  const list = Object.entries(columns).map(([name, type]): Column => ({ name, type, nullable: true }));
  return { kind: "rows", columns: list, rows };
}

function echo(request: SqlRequest): ResponsePart {
  if (request.parameters.length === 0) return table({ text: { name: "nvarchar", length: -1 } }, [[request.text]]);
  const columns = request.parameters.map(({ name, type }): Column => ({ name: name.slice(1), type, nullable: true }));
  return { kind: "rows", columns, rows: [request.parameters.map(({ value }) => value)] };
}
