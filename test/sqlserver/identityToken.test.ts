// A token is had when it is needed, had anew in time, and never asked for more often than that does good.
import { beforeEach, expect, test } from "@jest/globals";

import type { WorkloadIdentity } from "../../operator/farm/model.ts";
import { DatabaseError } from "../../operator/sqlserver/errors.ts";
import { IdentityToken } from "../../operator/sqlserver/identityToken.ts";
import { recordingLog } from "../controller/recordingLog.ts";
import { FakeClock } from "../controller/fakeClock.ts";

const never = new AbortController().signal;
const identity: WorkloadIdentity = { namespace: "shop", serviceAccount: "site", clientId: "c", tenantId: "t" };
const minuteMs = 60_000;

let clock: FakeClock;
let issued: number;
let failure: Error | undefined;
let log: ReturnType<typeof recordingLog>;
let token: IdentityToken;

beforeEach(() => {
  clock = new FakeClock();
  issued = 0;
  failure = undefined;
  log = recordingLog();
  const issue = (): Promise<{ token: string; refreshAtMs: number; endsAtMs: number }> => {
    issued += 1;
    if (failure !== undefined) return Promise.reject(failure);
    const nowMs = clock.monotonic();
    return Promise.resolve({ token: `secret-${issued}`, refreshAtMs: nowMs + 48 * minuteMs, endsAtMs: nowMs + 60 * minuteMs });
  };
  token = new IdentityToken({ identity, source: { issue }, clock, log });
});

const current = async (): Promise<string> => (await token.current(never)).token;
const away = (): DatabaseError =>
  new DatabaseError({ kind: "unreachable", reason: "EntraUnavailable", message: "away", stalled: false }, "notApplied");

test("the first one is new, the next ones are the same until another is due", async () => {
  expect(await token.current(never)).toEqual({ token: "secret-1", isNew: true });
  await clock.advance(48 * minuteMs - 1);
  expect(await token.current(never)).toEqual({ token: "secret-1", isNew: false });
  await clock.advance(1);
  expect(await token.current(never)).toEqual({ token: "secret-2", isNew: true });
});

test("while another one cannot be had the old one does, and is asked for once a minute, until it ends", async () => {
  await current();
  await clock.advance(50 * minuteMs);
  failure = away();
  expect([await current(), await current(), issued]).toEqual(["secret-1", "secret-1", 2]);
  await clock.advance(minuteMs);
  expect([await current(), issued]).toEqual(["secret-1", 3]);
  await clock.advance(9 * minuteMs);
  await expect(current()).rejects.toThrow("away");
  failure = undefined;
  expect(await current()).toBe("secret-5");
});

test("a failure without anything to go on with is thrown each time, and asked for each time", async () => {
  failure = away();
  await expect(current()).rejects.toThrow("away");
  await expect(current()).rejects.toThrow("away");
  expect(issued).toBe(2);
});

test("what is no problem of the identity is thrown although the old one would do", async () => {
  await current();
  await clock.advance(50 * minuteMs);
  failure = new Error("nobody waits");
  await expect(current()).rejects.toThrow("nobody waits");
});

test("a forgotten one is not used again, whatever fails", async () => {
  await current();
  token.forget();
  failure = away();
  await expect(current()).rejects.toThrow("away");
  failure = undefined;
  expect(await current()).toBe("secret-3");
});

test("nothing secret is logged", async () => {
  await current();
  await clock.advance(50 * minuteMs);
  failure = away();
  await current();
  expect(log.lines).toHaveLength(1);
  expect(JSON.stringify(log.lines)).not.toContain("secret-");
});
