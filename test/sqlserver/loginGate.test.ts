import { expect, test } from "@jest/globals";

import { DatabaseError } from "../../operator/sqlserver/errors.ts";
import { LoginGate } from "../../operator/sqlserver/loginGate.ts";
import { FakeClock, settle } from "../controller/fakeClock.ts";

const never = new AbortController().signal;
const login = { loginKey: "server/sa", credentialKey: "server/sa/old" };
const failed = (reason: string): DatabaseError =>
  new DatabaseError({ kind: "login", reason, message: reason, stalled: true }, "notApplied");

test("two attempts with one login never overlap, two logins do", async () => {
  const gate = new LoginGate(new FakeClock());
  const running: string[] = [];
  const ends: (() => void)[] = [];
  const attempt = (name: string, loginKey: string): Promise<string> =>
    gate.attempt({ loginKey, credentialKey: loginKey }, never, () => {
      running.push(name);
      return new Promise((resolve) => ends.push(() => resolve(name)));
    });
  const all = [attempt("a1", "a"), attempt("a2", "a"), attempt("b1", "b")];
  await settle();
  expect(running).toEqual(["a1", "b1"]);
  ends[0]?.();
  await settle();
  expect(running).toEqual(["a1", "b1", "a2"]);
  for (const end of ends) end();
  expect(await Promise.all(all)).toEqual(["a1", "a2", "b1"]);
});

test("after a refusal nothing is tried for five minutes with that password, and says how long", async () => {
  const clock = new FakeClock();
  const gate = new LoginGate(clock);
  let attempts = 0;
  const refuse = (): Promise<never> => {
    attempts += 1;
    return Promise.reject(failed("LoginFailed"));
  };
  await expect(gate.attempt(login, never, refuse)).rejects.toThrow("LoginFailed");
  await clock.advance(4 * 60_000);
  await expect(gate.attempt(login, never, refuse)).rejects.toMatchObject({ problem: { reason: "LoginFailed", retryAfterMs: 60_000 } });
  expect(attempts).toBe(1);
  await clock.advance(60_000);
  await expect(gate.attempt(login, never, refuse)).rejects.toThrow("LoginFailed");
  expect(attempts).toBe(2);
});

test("another password is tried at once", async () => {
  const gate = new LoginGate(new FakeClock());
  await expect(gate.attempt(login, never, () => Promise.reject(failed("LoginFailed")))).rejects.toThrow();
  expect(await gate.attempt({ ...login, credentialKey: "server/sa/new" }, never, () => Promise.resolve("in"))).toBe("in");
});

test("those who waited behind a refused attempt do not try again", async () => {
  const gate = new LoginGate(new FakeClock());
  let attempts = 0;
  const refuse = async (): Promise<never> => {
    attempts += 1;
    await settle();
    throw failed("LoginFailed");
  };
  const results = await Promise.allSettled([1, 2, 3].map(() => gate.attempt(login, never, refuse)));
  expect(results.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
  expect(attempts).toBe(1);
});

test.each(["DatabaseNotAccessible", "Timeout"])("%s is no refusal of the password, the next attempt is made", async (reason) => {
  const gate = new LoginGate(new FakeClock());
  await expect(gate.attempt(login, never, () => Promise.reject(failed(reason)))).rejects.toThrow(reason);
  expect(await gate.attempt(login, never, () => Promise.resolve("in"))).toBe("in");
});

test("a turn that nobody waits for any more is not taken", async () => {
  const gate = new LoginGate(new FakeClock());
  let endFirst: () => void = () => undefined;
  const first = gate.attempt(login, never, () => new Promise<void>((resolve) => (endFirst = resolve)));
  const given = new AbortController();
  let attempts = 0;
  const second = gate.attempt(login, given.signal, () => Promise.resolve((attempts += 1)));
  await settle();
  given.abort(new Error("given up"));
  endFirst();
  await first;
  await expect(second).rejects.toThrow("given up");
  expect(attempts).toBe(0);
  expect(await gate.attempt(login, never, () => Promise.resolve("in"))).toBe("in");
});
