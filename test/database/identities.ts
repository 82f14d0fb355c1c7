// Lets an engine that knows names and passwords be logged in to with tokens, as Azure does: who a token stands for is the test's to say.
import type { Engine } from "./session.ts";

/** The login that a token stands for; undefined: it is refused. */
export type LoginOfToken = (token: string) => { readonly user: string; readonly password: string } | undefined;

export function withIdentities(engine: Engine, loginOf: LoginOfToken): Engine {
  return {
    login: ({ token, ...request }) => {
      if (token === undefined) return engine.login(request);
      const login = loginOf(token);
      return login === undefined ? refused : engine.login({ ...request, ...login });
    },
  };
}

/** As Azure says it: nothing of the token. */
const refused = {
  refused: [{ number: 18456, state: 1, class: 14, line: 1, message: "Login failed for user '<token-identified principal>'." }],
};
