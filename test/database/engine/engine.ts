// The engine: logins in, sessions out. It keeps everything in memory and ends with the process.
import type { Engine, LoginRequest, ResponsePart, Session, SqlMessage, SqlRequest } from "../session.ts";
import type { CommitListener } from "./commits.ts";
import { asMessage, sqlErrors } from "./errors.ts";
import { runRequest } from "./request.ts";
import type { BatchCache } from "./request.ts";
import type { Database } from "./model.ts";
import { Server } from "./model.ts";
import { ticksOf } from "./moments.ts";
import type { Others } from "./runDefinition.ts";
import { seededRandom } from "./random.ts";
import { SessionState } from "./sessionState.ts";

export interface EngineOptions {
  /** What SERVERPROPERTY('ProductVersion') says; 15 and later name the column in a truncation (2628), earlier ones do not (8152). */
  readonly version?: string;
  /** Of the order in which unordered rows come. */
  readonly seed?: number;
  readonly clock?: () => Date;
  /** Of the login sa. */
  readonly adminPassword?: string;
  /** Hears of every committed change of a row, in order. It may not throw. */
  readonly onCommit?: CommitListener;
}
export interface TestEngine extends Engine {
  readonly sessions: () => readonly { readonly id: number; readonly database: string; readonly inTransaction: boolean }[];
}

export const defaultAdminPassword = "Webfarm-Test-1";

export function createEngine(options: EngineOptions = {}): TestEngine {
  const { version = "16.0.4135.4", seed = 1, clock = () => new Date(), adminPassword = defaultAdminPassword, onCommit } = options;
  const verboseTruncation = Number(version.split(".")[0]) >= 15;
  const server = new Server({ version, verboseTruncation, clock, random: seededRandom(seed), onCommit });
  server.addDatabase("master", undefined, ticksOf(clock()));
  server.addLogin("sa", adminPassword, "sysadmin");
  const cache: BatchCache = new Map();
  const states = new Set<SessionState>();
  let nextId = 51; // sessions below are SQL Server's own

  const others: Others = {
    kill: (database, except) => {
      for (const state of states) {
        if (state === except || state.database !== database) continue;
        if (state.transaction !== undefined) state.rollback();
        state.releaseLocks();
        state.killed = true;
        states.delete(state);
      }
    },
    count: (database) => [...states].filter((state) => state.database === database).length,
  };

  function login(request: LoginRequest): { readonly session: Session } | { readonly refused: readonly SqlMessage[] } {
    const known = server.logins.get(request.user.toLowerCase());
    const failed = asMessage(sqlErrors.loginFailed(request.user));
    if (known?.password !== request.password) return { refused: [failed] };
    const name = request.database === "" ? "master" : request.database;
    const database = server.findDatabase(name);
    if (database?.principalOf(known) === undefined || !hasRoom(database))
      return { refused: [asMessage(sqlErrors.cannotOpen(name)), failed] };
    const { hostName, applicationName } = request;
    const state = new SessionState(server, { id: nextId++, login: known, hostName, applicationName }, database);
    states.add(state);
    return { session: sessionOf(state, request) };
  }

  const hasRoom = (database: Database): boolean => !database.singleUser || others.count(database) === 0;

  function sessionOf(state: SessionState, request: LoginRequest): Session {
    let running = 0;
    const closing = new AbortController();
    const end = (): void => {
      if (state.transaction !== undefined) state.rollback();
      state.releaseLocks();
      states.delete(state);
    };
    return {
      id: state.id,
      login: request,
      get database() {
        return state.database.name;
      },
      run: async (sql: SqlRequest, signal: AbortSignal): Promise<readonly ResponsePart[]> => {
        running++;
        try {
          return await runRequest(state, sql, { cache, others, signal: AbortSignal.any([signal, closing.signal]) });
        } finally {
          running--;
          if (closing.signal.aborted && running === 0) end();
        }
      },
      close: () => {
        closing.abort(new Error("The session was closed"));
        if (running === 0) end();
      },
    };
  }

  const sessions = () =>
    [...states].map((state) => ({ id: state.id, database: state.database.name, inTransaction: state.transaction !== undefined }));
  return { login, sessions };
}
