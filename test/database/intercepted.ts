// An engine whose sessions treat requests otherwise than the engine does: a server with another collation, or with options of its own.
import type { Engine, ResponsePart, Session, SqlRequest } from "./session.ts";

/** Runs one request on the session that the engine gave. */
export type Treat = (session: Session, request: SqlRequest, signal: AbortSignal) => Promise<readonly ResponsePart[]>;

export const intercepted = (engine: Engine, treat: Treat): Engine => ({
  login(request) {
    const outcome = engine.login(request);
    if ("refused" in outcome) return outcome;
    const { session } = outcome;
    return {
      session: {
        ...{ id: session.id, login: session.login, close: () => session.close() },
        get database() {
          return session.database;
        },
        run: async (sent, signal) => await treat(session, sent, signal),
      },
    };
  },
});
