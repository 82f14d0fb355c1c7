// Farms that log in with the identity of their ServiceAccount: from the API server's token to the database's rows, over real TLS to both, by the
// pools that the operator uses. And to whom a token never goes.
import { afterEach, describe, expect, test } from "@jest/globals";

import { systemClock } from "../../operator/controller/clock.ts";
import type { Clock } from "../../operator/controller/clock.ts";
import { type DatabaseMaterial, type DatabaseProblem, farmKey, type WorkloadIdentity } from "../../operator/farm/model.ts";
import { answerMs, createTokenSource } from "../../operator/sqlserver/entra.ts";
import { DatabaseError } from "../../operator/sqlserver/errors.ts";
import { LoginGate } from "../../operator/sqlserver/loginGate.ts";
import { TargetPool } from "../../operator/sqlserver/pool.ts";
import { type Databases, openDatabases } from "../../operator/sqlserver/servers.ts";
import type { Statement } from "../../operator/sqlserver/statements.ts";
import { targetOf } from "../../operator/sqlserver/target.ts";
import { Slots } from "../../operator/sqlserver/waiting.ts";
import { FakeClock } from "../controller/fakeClock.ts";
import { type Line, recordingLog } from "../controller/recordingLog.ts";
import { makeAuthority } from "../database/certificates.ts";
import { type DatabaseServer, startDatabaseServer } from "../database/server.ts";
import { createFakeEngine, type FakeEngine, PASSWORD, USER } from "../database/wire/fakeEngine.ts";
import { accountTokenFor, type EntraEndpoint, startEntraEndpoint } from "./entraEndpoint.ts";
import { eventually } from "./eventually.ts";

const never = new AbortController().signal;
const issuer = "https://oidc.example.com/cluster";
const minuteMs = 60_000;
const hello: Statement = { name: "test", purpose: "", sql: "SELECT hello", size: 0, writes: false };

const identityNamed = (serviceAccount: string): WorkloadIdentity => ({
  ...{ namespace: "shop", serviceAccount, tenantId: "example.onmicrosoft.com" },
  clientId: `00000000-0000-0000-0000-${Buffer.from(serviceAccount).toString("hex").padStart(12, "0")}`,
});
const site = identityNamed("site");
const other = identityNamed("other");

interface Rig {
  readonly entra: EntraEndpoint;
  readonly engine: FakeEngine;
  readonly server: DatabaseServer;
  /** Tokens with which somebody logged in, or tried to, in order. */
  readonly presented: string[];
  /** Which of Entra's tokens the database takes: all, unless a test says otherwise. */
  readonly database: { takes: (token: string) => boolean };
  /** ServiceAccounts of which a token was asked for, in order. */
  readonly accounts: string[];
  readonly lines: Line[];
  readonly observed: string[];
  readonly databases: (allowedHosts: readonly string[]) => Databases;
  readonly pool: (material?: DatabaseMaterial) => TargetPool;
  readonly material: (more?: Partial<DatabaseMaterial>, identity?: WorkloadIdentity) => DatabaseMaterial;
}

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function rig({ clock = systemClock }: { readonly clock?: Clock } = {}): Promise<Rig> {
  const trusts = ({ serviceAccount }: WorkloadIdentity) => ({
    trusts: { issuer, subject: `system:serviceaccount:shop:${serviceAccount}` },
  });
  const entra = await startEntraEndpoint({ applications: [site, other].map((identity) => ({ ...identity, ...trusts(identity) })) });
  const engine = createFakeEngine();
  const presented: string[] = [];
  const database: Rig["database"] = { takes: () => true };
  const accounts: string[] = [];
  const server = await startDatabaseServer({
    ...{ engine, tls: "required" },
    identities: (token) => {
      presented.push(token);
      return entra.given.has(token) && database.takes(token) ? { user: USER, password: PASSWORD } : undefined;
    },
  });
  const tokens = createTokenSource({
    ...{ clock, authority: entra.authority, ca: entra.ca },
    accountToken: ({ namespace, name, audience }) => {
      accounts.push(name);
      return Promise.resolve({
        kind: "token",
        token: accountTokenFor({ issuer, subject: `system:serviceaccount:${namespace}:${name}`, audience }),
      });
    },
  });
  const log = recordingLog();
  const observed: string[] = [];
  const material: Rig["material"] = (more = {}, identity = site) => ({
    login: { kind: "identity", host: "localhost", port: server.port, database: "Kentico", identity },
    ...{ schema: "dbo", multiSubnetFailover: false, applicationName: "webfarm-operator/1 shop/main" },
    ...(server.certificateAuthority !== undefined && { tls: { ca: server.certificateAuthority } }),
    ...more,
  });
  const pool: Rig["pool"] = (given = material()) => {
    const reading = targetOf(given, []);
    if (reading.kind === "refused") throw new Error(reading.problem.message);
    const made = new TargetPool(reading.target, {
      ...{ clock, log, tokens, gate: new LoginGate(clock), probes: new Slots(1), mayWrite: () => true },
      applicationName: given.applicationName,
      observe: (name, outcome) => observed.push(`${name} ${outcome}`),
    });
    cleanups.push(() => made.close());
    return made;
  };
  const databases: Rig["databases"] = (allowedHosts) => {
    const opened = openDatabases({ ...{ clock, log, tokens, allowedHosts, mostProbes: 4, mayWrite: () => true } });
    cleanups.push(() => opened.close());
    return opened;
  };
  cleanups.push(
    () => entra.close(),
    () => server.close(),
    () => {
      const told = JSON.stringify([log.lines, observed], (_key, value: unknown) =>
        value instanceof Error ? `${value.message} ${value.stack ?? ""} ${String(value.cause)}` : value,
      );
      for (const secret of [...entra.secrets, ...presented]) expect(told).not.toContain(secret);
      return Promise.resolve();
    },
  );
  return { entra, engine, server, presented, database, accounts, lines: log.lines, observed, databases, pool, material };
}

async function problemOf(work: Promise<unknown>): Promise<DatabaseProblem> {
  const error: unknown = await work.then(
    () => new Error("It worked"),
    (reason: unknown) => reason,
  );
  if (!(error instanceof DatabaseError)) throw error;
  return error.problem;
}

describe("a farm with an identity", () => {
  test.each(["Required", "Strict"] as const)("reads with one exchange for all its connections, under tls.mode %s", async (mode) => {
    const { pool, material, server, entra, presented } = await rig();
    const { certificateAuthority: ca = "" } = server;
    const opened = pool(material({ tls: { mode, ca } }));
    const [first, second] = await Promise.all([opened.run(hello, [], never), opened.run(hello, [], never)]);
    expect([first, second]).toEqual([[[{ text: "SELECT hello" }]], [[{ text: "SELECT hello" }]]]);
    expect(entra.asked).toEqual([site.clientId]);
    expect(new Set(presented)).toEqual(new Set(entra.given.keys()));
  });

  test("keeps the connections of a token that has ended: no login and no exchange while they are in use", async () => {
    const clock = new FakeClock();
    const { pool, entra, presented } = await rig({ clock });
    const opened = pool();
    await opened.run(hello, [], never);
    const logins = presented.length;
    for (let passed = 0; passed < 65 * minuteMs; passed += minuteMs / 2) {
      await clock.advance(minuteMs / 2);
      await opened.run(hello, [], never);
    }
    expect([entra.asked.length, presented.length]).toEqual([1, logins]);
  });

  test("logs in with the token that it has after its connections were closed, and with another one when that is due", async () => {
    const clock = new FakeClock();
    const { pool, entra, presented } = await rig({ clock });
    const opened = pool();
    await opened.run(hello, [], never);
    await clock.advance(47 * minuteMs); // closed after one
    await opened.run(hello, [], never);
    expect([new Set(presented).size, entra.asked.length]).toEqual([1, 1]);
    await clock.advance(minuteMs);
    await clock.advance(minuteMs);
    await opened.run(hello, [], never);
    expect([new Set(presented).size, entra.asked.length]).toEqual([2, 2]);
  });

  test("goes on with the token that it has while Entra is away", async () => {
    const clock = new FakeClock();
    const { pool, entra, presented, lines } = await rig({ clock });
    const opened = pool();
    await opened.run(hello, [], never);
    await clock.advance(50 * minuteMs);
    entra.odd.push({ status: 503, body: "" });
    await opened.run(hello, [], never);
    expect(new Set(presented).size).toBe(1);
    expect(lines.filter(({ level }) => level === "warn")).toHaveLength(1);
  });
});

describe("a token that the database does not take", () => {
  test("any more is replaced by another one, once", async () => {
    const clock = new FakeClock();
    const { pool, entra, database, presented } = await rig({ clock });
    const opened = pool();
    await opened.run(hello, [], never);
    const [old] = presented;
    database.takes = (token) => token !== old;
    await clock.advance(2 * minuteMs);
    await opened.run(hello, [], never);
    expect([new Set(presented).size, entra.asked.length]).toEqual([2, 2]);
  });

  test("although it is new is told with the cure, and nothing is tried for five minutes", async () => {
    const clock = new FakeClock();
    const { pool, entra, database, presented } = await rig({ clock });
    database.takes = () => false;
    const opened = pool();
    const told = await problemOf(opened.run(hello, [], never));
    expect(told).toMatchObject({ kind: "login", reason: "LoginFailed", number: 18456, stalled: true });
    for (const part of ["ServiceAccount site", site.clientId, "FROM EXTERNAL PROVIDER", "error 18456"])
      expect(told.message).toContain(part);
    await clock.advance(4 * minuteMs);
    expect(await problemOf(opened.run(hello, [], never))).toMatchObject({ reason: "LoginFailed", message: told.message });
    expect([entra.asked.length, presented.length]).toEqual([1, 1]);
    await clock.advance(2 * minuteMs);
    expect((await problemOf(opened.run(hello, [], never))).reason).toBe("LoginFailed");
    expect([entra.asked.length, presented.length]).toEqual([2, 2]);
  });

  test("nor the one after it is given up after these two", async () => {
    const clock = new FakeClock();
    const { pool, entra, database, presented } = await rig({ clock });
    const opened = pool();
    await opened.run(hello, [], never);
    const before = presented.length;
    database.takes = () => false;
    await clock.advance(2 * minuteMs);
    expect((await problemOf(opened.run(hello, [], never))).message).toContain("FROM EXTERNAL PROVIDER");
    expect([entra.asked.length, presented.length - before]).toEqual([2, 2]);
  });

  test("is not to blame where the database is not open to the identity: no other one is asked for", async () => {
    const clock = new FakeClock();
    const { pool, entra, server } = await rig({ clock });
    const opened = pool();
    await opened.run(hello, [], never);
    await clock.advance(2 * minuteMs);
    server.faults.refuseLogins({ number: 4060 }, { times: 2 });
    for (const _attempt of [1, 2])
      expect(await problemOf(opened.run(hello, [], never))).toMatchObject({
        reason: "DatabaseNotAccessible",
        message: expect.stringMatching(/FROM EXTERNAL PROVIDER.*recovering/) as unknown,
      });
    expect(entra.asked).toHaveLength(1);
  });
});

describe("no token is", () => {
  test.each<[string, Partial<DatabaseMaterial>, readonly string[], string]>([
    ["asked for a host that is not allowed", {}, ["sql.example.internal"], "HostNotAllowed"],
    ["asked for a server that may be anybody", { tls: { mode: "Insecure" } }, [], "TlsRequired"],
    ["asked for a connection that everybody can read", { tls: { mode: "Disabled" } }, [], "TlsRequired"],
  ])("%s", async (_what, more, allowedHosts, reason) => {
    const { databases, material, entra, accounts, presented } = await rig();
    const used = databases(allowedHosts).use(farmKey("shop", "main"), material(more));
    expect(used).toMatchObject({ kind: "refused", problem: { kind: "configuration", reason, stalled: true } });
    expect([accounts, entra.asked, presented]).toEqual([[], [], []]);
  });

  test("sent to a server whose certificate does not verify", async () => {
    const { pool, material, presented } = await rig();
    const told = await problemOf(pool(material({ tls: { ca: makeAuthority("another").certificate } })).run(hello, [], never));
    expect(told.reason).toBe("CertificateInvalid");
    expect(presented).toEqual([]);
  });

  test("shared by farms of different ServiceAccounts, nor is a pool; farms of the same one share both", async () => {
    const { databases, material, entra, accounts, presented, server } = await rig();
    const opened = databases([]);
    const use = async (name: string, identity: WorkloadIdentity): Promise<void> => {
      const used = opened.use(farmKey("shop", name), material({}, identity));
      if (used.kind === "refused") throw new Error(used.problem.message);
      // The fake engine is no Kentico database; that it was asked is enough here.
      expect((await problemOf(used.database.facts(never))).kind).toBe("schema");
    };
    await use("one", site);
    const connections = server.connections();
    await use("twin", site);
    expect([accounts, server.connections()]).toEqual([["site"], connections]);
    await use("two", other);
    expect(accounts).toEqual(["site", "other"]);
    expect(entra.asked).toEqual([site.clientId, other.clientId]);
    expect(server.connections()).toBeGreaterThan(connections);
    expect(presented.map((token) => entra.given.get(token))).toEqual(expect.arrayContaining([site.clientId, other.clientId]));
    expect(new Set(presented).size).toBe(2);
  });
});

describe("an endpoint of Entra that does not answer", () => {
  test("fails the request after its deadline, and the next request asks again", async () => {
    const clock = new FakeClock();
    const { pool, entra, presented } = await rig({ clock });
    const opened = pool();
    entra.odd.push("silence");
    const told = problemOf(opened.run(hello, [], never));
    await eventually(() => entra.asked.length === 1);
    await clock.advance(answerMs);
    expect(await told).toMatchObject({ kind: "unreachable", reason: "EntraUnavailable" });
    expect(presented).toEqual([]);
    await opened.run(hello, [], never);
    expect(entra.asked).toHaveLength(2);
  });

  test("holds up neither who gives up nor the end of the pool", async () => {
    const { pool, entra } = await rig();
    const opened = pool();
    entra.odd.push("silence", "silence");
    const controller = new AbortController();
    const waiting = opened.run(hello, [], controller.signal);
    await eventually(() => entra.asked.length === 1);
    controller.abort(new Error("the pass is over"));
    await expect(waiting).rejects.toThrow("the pass is over");
    await opened.close();
  });
});
