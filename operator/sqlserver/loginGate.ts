// Guards logins from being locked out by us: one attempt at a time for each (server, login), and none with what the server has just
// refused. It opens nothing itself.
import type { Clock } from "../controller/clock.ts";
import { DatabaseError } from "./errors.ts";
import type { Target } from "./target.ts";

const refusedForMs = 5 * 60_000;
const mostRefusals = 1_000;

type Login = Pick<Target, "loginKey" | "credentialKey">;

export class LoginGate {
  readonly #clock: Clock;
  readonly #tails = new Map<string, Promise<void>>();
  readonly #refusals = new Map<string, { readonly untilMs: number; readonly error: DatabaseError }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Runs `logIn` once its turn has come. Throws instead the remembered DatabaseError while the same login and password are refused, and
   * the signal's reason when nobody waits for the login any more: behind a dead server such turns would pile up without end.
   */
  async attempt<T>(login: Login, signal: AbortSignal, logIn: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(login.loginKey);
    let endTurn: () => void = () => undefined;
    const tail = new Promise<void>((resolve) => (endTurn = resolve));
    this.#tails.set(login.loginKey, tail);
    try {
      await before;
      signal.throwIfAborted();
      this.#throwIfRefused(login);
      const result = await logIn();
      this.#refusals.delete(login.credentialKey);
      return result;
    } catch (error) {
      if (error instanceof DatabaseError && error.problem.reason === "LoginFailed") this.#remember(login, error);
      throw error;
    } finally {
      endTurn();
      if (this.#tails.get(login.loginKey) === tail) this.#tails.delete(login.loginKey);
    }
  }

  #throwIfRefused(login: Login): void {
    const refusal = this.#refusals.get(login.credentialKey);
    if (refusal === undefined) return;
    const leftMs = refusal.untilMs - this.#clock.monotonic();
    if (leftMs > 0) throw new DatabaseError({ ...refusal.error.problem, retryAfterMs: leftMs }, "notApplied", refusal.error);
    this.#refusals.delete(login.credentialKey);
  }

  #remember(login: Login, error: DatabaseError): void {
    if (this.#refusals.has(login.credentialKey)) return; // thrown from memory: the five minutes run from the server's answer
    if (this.#refusals.size >= mostRefusals) this.#refusals.clear();
    this.#refusals.set(login.credentialKey, { untilMs: this.#clock.monotonic() + refusedForMs, error });
  }
}
