import { afterEach, describe, expect, jest, test } from "@jest/globals";

import type { Logger } from "../../operator/controller/logger.ts";
import { systemClock } from "../../operator/controller/clock.ts";
import type { Clock } from "../../operator/controller/clock.ts";
import type { SentParameter } from "../../operator/sqlserver/driver.ts";
import { LoginGate } from "../../operator/sqlserver/loginGate.ts";
import { TargetPool } from "../../operator/sqlserver/pool.ts";
import type { Statement } from "../../operator/sqlserver/statements.ts";
import type { DatabaseMaterial } from "../../operator/farm/model.ts";
import { targetOf } from "../../operator/sqlserver/target.ts";
import { FakeClock, settle } from "../controller/fakeClock.ts";
import { makeCertificates } from "../database/certificates.ts";
import { type DatabaseServer, type DatabaseServerOptions, startDatabaseServer } from "../database/server.ts";
import { createFakeEngine, type FakeEngine, PASSWORD, USER } from "../database/wire/fakeEngine.ts";
import { NotLeading } from "../../operator/controller/mayWrite.ts";
import { Slots } from "../../operator/sqlserver/waiting.ts";
import { eventually } from "./eventually.ts";
import { noTokens } from "./noTokens.ts";

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
};
const never = new AbortController().signal;
/** For what is never answered: real time, as the driver waits for it. */
const impatient = ";Encrypt=False;Connect Timeout=3";
const statement = (sql: string, writes = false): Statement => ({ name: "test", purpose: "", sql, size: 0, writes });
const hello = statement("SELECT hello");
const parameter: SentParameter = { name: "n0", type: "name", value: "shop-0" };

const open: { readonly server: DatabaseServer; readonly pools: TargetPool[] }[] = [];

interface Options {
  readonly clock?: Clock;
  /** What the connection string says besides server, database and login. */
  readonly string?: string;
  readonly material?: Partial<DatabaseMaterial>;
  readonly password?: string;
  readonly mayWrite?: () => boolean;
  readonly server?: Omit<DatabaseServerOptions, "engine">;
}

interface Rig {
  readonly server: DatabaseServer;
  readonly engine: FakeEngine;
  readonly pool: TargetPool;
  readonly observed: string[];
  /** Another pool with another database or password, behind the same gate. */
  another(changes: { readonly password?: string }): TargetPool;
}

async function rig({ clock = systemClock, string = ";Encrypt=False", material, ...options }: Options = {}): Promise<Rig> {
  const engine = createFakeEngine();
  const server = await startDatabaseServer({ engine, ...options.server });
  const gate = new LoginGate(clock);
  const probes = new Slots(1);
  const observed: string[] = [];
  const pools: TargetPool[] = [];
  const another = ({ password = PASSWORD }): TargetPool => {
    const text = `Server=${server.host},${server.port};Database=Kentico;UID=${USER};PWD="${password}"${string}`;
    const reading = targetOf(
      { login: { kind: "connectionString", text }, schema: "dbo", multiSubnetFailover: false, applicationName: "app", ...material },
      [],
    );
    if (reading.kind === "refused") throw new Error(reading.problem.message);
    const pool = new TargetPool(reading.target, {
      ...{ clock, gate, probes, log: silent, tokens: noTokens, applicationName: "webfarm-operator/1 shop/main" },
      mayWrite: options.mayWrite ?? ((): boolean => true),
      observe: (name, outcome) => observed.push(`${name} ${outcome}`),
    });
    pools.push(pool);
    return pool;
  };
  open.push({ server, pools });
  return { server, engine, observed, another, pool: another({ password: options.password ?? PASSWORD }) };
}

afterEach(async () => {
  for (const { server, pools } of open.splice(0)) {
    await Promise.all(pools.map((pool) => pool.close()));
    await server.close();
  }
});

describe("a write", () => {
  test("that waited for its connection until the lease was over is not sent; a read is, and the next term's write too", async () => {
    let isLeading = true;
    const { pool, engine } = await rig({ mayWrite: () => isLeading });
    const waiting = pool.run(statement("DELETE late", true), [], never); // it connects first
    isLeading = false;
    await expect(waiting).rejects.toThrow(NotLeading);
    await pool.run(hello, [], never);
    isLeading = true;
    await pool.run(statement("DELETE in time", true), [], never);
    expect(engine.ran.filter(({ request }) => request.kind === "executesql").map(({ request }) => request.text)).toEqual([
      "SELECT hello",
      "DELETE in time",
    ]);
  });
});

describe("a request", () => {
  test("travels as sp_executesql with declared lengths, and nothing else travels", async () => {
    const { pool, engine, observed } = await rig();
    const sets = await pool.run(
      statement("SELECT @n0"),
      [parameter, { name: "g0", type: "guid", value: null }, { name: "i0", type: "int", value: 7 }],
      never,
    );
    expect(sets).toEqual([[{ n0: "shop-0", g0: null, i0: 7 }]]);
    await pool.run(hello, [], never);
    // tedious sets its options in a batch of its own when it logs in.
    const ran = engine.ran.filter(({ request }) => request.kind === "executesql");
    expect(engine.ran.filter(({ request }) => !request.text.startsWith("set ")).map(({ request }) => request.text)).toEqual([
      "SELECT @n0",
      "SELECT hello",
    ]);
    expect(ran[0]?.request.parameters.map(({ type }) => type)).toEqual([
      { name: "nvarchar", length: 100 },
      { name: "uniqueidentifier" },
      { name: "int" },
    ]);
    expect(observed).toEqual(["test ok", "test ok"]);
  });

  test("asks for the primary, under its name", async () => {
    const { pool, engine } = await rig();
    await pool.run(hello, [], never);
    expect(engine.logins[0]).toMatchObject({ applicationName: "webfarm-operator/1 shop/main", readOnlyIntent: false, database: "Kentico" });
  });

  test("finds at most two places on its target", async () => {
    const { pool, server } = await rig();
    const hold = server.faults.hold(/hello/, { times: 3 });
    const all = [1, 2, 3].map(() => pool.run(hello, [], never));
    await eventually(() => hold.met === 2);
    expect(server.faults.counts.sessions).toBe(2);
    hold.release();
    expect(await Promise.all(all)).toHaveLength(3);
    expect(server.faults.counts.sessions).toBe(2);
  });

  test("that is aborted before it is sent never is", async () => {
    const { pool, engine } = await rig();
    const reason = new Error("lease lost");
    await expect(pool.run(hello, [], AbortSignal.abort(reason))).rejects.toBe(reason);
    expect(engine.ran).toEqual([]);
  });

  test("that is aborted while connecting ends at once, and the connection is for the next", async () => {
    const { pool, server } = await rig({ string: impatient });
    server.faults.ignoreConnections();
    const controller = new AbortController();
    const running = pool.run(hello, [], controller.signal);
    await eventually(() => server.connections() === 1);
    const reason = new Error("lease lost");
    controller.abort(reason);
    await expect(running).rejects.toBe(reason);
    await expect(pool.run(hello, [], never)).rejects.toMatchObject({ problem: { reason: "Timeout" } });
  });

  test("that is aborted under way ends, its outcome unknown, and the connections stay", async () => {
    const { pool, server } = await rig();
    await pool.run(hello, [], never);
    const { generation } = pool;
    const hold = server.faults.hold(/slow/);
    const controller = new AbortController();
    const running = pool.run(statement("slow"), [], controller.signal);
    await hold.reached;
    controller.abort(new Error("lease lost"));
    await expect(running).rejects.toMatchObject({ problem: { kind: "unreachable", reason: "Aborted" }, outcome: "unknown" });
    await pool.run(hello, [], never);
    expect(pool.generation).toBe(generation);
  });
});

describe("a connection that breaks", () => {
  test("between two requests is replaced without a failure", async () => {
    const { pool, server } = await rig();
    await pool.run(hello, [], never);
    server.faults.dropSessions();
    await eventually(() => server.connections() === 0);
    expect(await pool.run(hello, [], never)).toHaveLength(1);
  });

  test.each(["dropBefore", "dropAfter"] as const)("under a request (%s) leaves its outcome unknown, and the next works", async (fault) => {
    const { pool, server } = await rig();
    await pool.run(hello, [], never);
    server.faults[fault](/change/);
    await expect(pool.run(statement("change"), [], never)).rejects.toMatchObject({ problem: { kind: "unreachable" }, outcome: "unknown" });
    expect(await pool.run(hello, [], never)).toHaveLength(1);
  });

  test("a server that never answers is left after the deadline, and the next request has a new connection", async () => {
    const clock = new FakeClock();
    const { pool, server } = await rig({ clock });
    const hold = server.faults.hold(/change/, { attention: "unanswered" });
    const running = pool.run(statement("change"), [], never);
    const outcome = expect(running).rejects.toMatchObject({ problem: { kind: "unreachable", reason: "Timeout" }, outcome: "unknown" });
    await hold.reached;
    await clock.advance(10_000);
    await outcome;
    expect(await pool.run(hello, [], never)).toHaveLength(1);
    hold.release();
  });

  test("a secondary is left", async () => {
    const { pool, server } = await rig();
    await pool.run(hello, [], never);
    server.faults.fail(/change/, { number: 3906 });
    await expect(pool.run(statement("change"), [], never)).rejects.toMatchObject({ problem: { kind: "readOnly" }, outcome: "notApplied" });
    await eventually(() => server.faults.counts.sessions === 0);
  });

  test("an error of the statement leaves the connection alone", async () => {
    const { pool, server } = await rig();
    server.faults.fail(/change/, { number: 1222 });
    await expect(pool.run(statement("change"), [], never)).rejects.toMatchObject({ problem: { kind: "busy", reason: "LockTimeout" } });
    const { logins } = server.faults.counts;
    await pool.run(hello, [], never);
    expect(server.faults.counts.logins).toBe(logins);
  });
});

describe("a target that cannot be reached", () => {
  test("is probed by one, the others fail at once with what was last seen", async () => {
    const { pool, server, observed } = await rig({ string: impatient });
    server.faults.ignoreConnections();
    await expect(pool.run(hello, [], never)).rejects.toMatchObject({
      problem: { kind: "unreachable", reason: "Timeout" },
      outcome: "notApplied",
    });
    const probe = pool.run(hello, [], never);
    const probed = expect(probe).rejects.toMatchObject({ problem: { reason: "Timeout" } });
    await eventually(() => server.connections() > 0);
    for (let others = 0; others < 5; others += 1)
      await expect(pool.run(hello, [], never)).rejects.toMatchObject({ problem: { reason: "Timeout" }, outcome: "notApplied" });
    expect(observed).toEqual(["test unreachable"]); // the first one's; the probe is still under way
    await probed;
  });

  test("those who waited for a place fail with it", async () => {
    const { pool, server, observed } = await rig();
    server.faults.refuseConnections();
    const results = await Promise.allSettled(Array.from({ length: 8 }, () => pool.run(hello, [], never)));
    expect(results.every(({ status }) => status === "rejected")).toBe(true);
    expect(observed.length).toBeLessThanOrEqual(2);
  });

  test("does not let others wait behind its probe when both places are taken", async () => {
    const { pool, server } = await rig();
    const slow = server.faults.hold(/slow/);
    const running = pool.run(statement("slow"), [], never);
    await slow.reached;
    server.faults.dropBefore(/change/);
    await expect(pool.run(statement("change"), [], never)).rejects.toMatchObject({ problem: { kind: "unreachable" } });
    const probe = server.faults.hold(/probe/);
    const probing = pool.run(statement("probe"), [], never);
    await probe.reached;
    await expect(pool.run(hello, [], never)).rejects.toMatchObject({ problem: { kind: "unreachable" }, outcome: "notApplied" });
    slow.release();
    probe.release();
    expect(await Promise.all([running, probing])).toHaveLength(2);
  });

  test("does not hold up the probe of another target: that one fails at once until the slot is free", async () => {
    const { pool, another, server } = await rig();
    const other = another({});
    server.faults.refuseConnections();
    for (const one of [pool, other]) await expect(one.run(hello, [], never)).rejects.toMatchObject({ problem: { kind: "unreachable" } });
    await server.faults.acceptConnections();
    const held = server.faults.hold(/held/);
    const probing = Promise.allSettled([pool.run(statement("held"), [], never)]);
    await held.reached;
    const { logins } = server.faults.counts;
    await expect(other.run(hello, [], never)).rejects.toMatchObject({ problem: { reason: "ConnectionRefused" }, outcome: "notApplied" });
    expect(server.faults.counts.logins).toBe(logins);
    held.release();
    expect(await probing).toMatchObject([{ status: "fulfilled" }]);
    expect(await other.run(hello, [], never)).toHaveLength(1);
  });

  test("works again when it is back", async () => {
    const { pool, server } = await rig();
    server.faults.refuseConnections();
    await expect(pool.run(hello, [], never)).rejects.toMatchObject({ problem: { reason: "ConnectionRefused" } });
    await server.faults.acceptConnections();
    expect(await pool.run(hello, [], never)).toHaveLength(1);
  });
});

describe("a login that is refused", () => {
  test("is not tried again for five minutes", async () => {
    const clock = new FakeClock();
    const { pool, server } = await rig({ clock, password: "wrong" });
    for (let pass = 0; pass < 3; pass += 1)
      await expect(pool.run(hello, [], never)).rejects.toMatchObject({
        problem: { kind: "login", reason: "LoginFailed", number: 18456, stalled: true },
      });
    expect(server.faults.counts.refusedLogins).toBe(1);
    await clock.advance(300_000);
    await expect(pool.run(hello, [], never)).rejects.toMatchObject({ problem: { reason: "LoginFailed" } });
    expect(server.faults.counts.refusedLogins).toBe(2);
  });

  test("says neither user nor password", async () => {
    const { pool } = await rig({ password: "wr0ng-secret" });
    const error = (await pool.run(hello, [], never).catch((caught: unknown) => caught)) as Error;
    expect(`${error.message} ${JSON.stringify(error)} ${String(error.cause)}`).not.toMatch(/wr0ng-secret|'sa'/);
  });

  test("with a new password is tried at once", async () => {
    const { pool, another } = await rig({ password: "wrong" });
    await expect(pool.run(hello, [], never)).rejects.toMatchObject({ problem: { kind: "login" } });
    expect(await another({}).run(hello, [], never)).toHaveLength(1);
  });

  test("while the server is being patched is tried again at once, and is no wrong password", async () => {
    const { pool, server } = await rig();
    server.faults.refuseLogins({ number: 18401, message: "Login failed for user 'sa'. Reason: Server is in script upgrade mode." });
    await expect(pool.run(hello, [], never)).rejects.toMatchObject({
      problem: { kind: "unreachable", reason: "ServerUnavailable", number: 18401, stalled: false },
    });
    expect(await pool.run(hello, [], never)).toHaveLength(1);
  });

  test("for the database costs one login, not four", async () => {
    const { pool, server } = await rig();
    server.faults.refuseLogins({ number: 4060, message: "Cannot open database" }, { times: 10 });
    await expect(pool.run(hello, [], never)).rejects.toMatchObject({
      problem: { kind: "login", reason: "DatabaseNotAccessible", number: 4060 },
    });
    expect(server.faults.counts.refusedLogins).toBe(1);
  });
});

describe("without need", () => {
  test("the connections are closed after a minute, and opened again when needed", async () => {
    const clock = new FakeClock();
    const { pool, server } = await rig({ clock });
    await pool.run(hello, [], never);
    await clock.advance(59_000);
    await pool.run(hello, [], never);
    await clock.advance(59_000);
    expect(server.faults.counts.sessions).toBe(1);
    await clock.advance(1_000);
    await eventually(() => server.faults.counts.sessions === 0);
    expect(await pool.run(hello, [], never)).toHaveLength(1);
  });

  test("close ends them at once", async () => {
    const { pool, server } = await rig();
    await pool.run(hello, [], never);
    await pool.close();
    await eventually(() => server.connections() === 0);
  });

  test("close does not wait for a server that does not answer, and no login begins after it", async () => {
    const clock = new FakeClock();
    const { pool, server, another } = await rig({ clock, string: impatient });
    const [behind, last] = [another({}), another({})]; // the same login: each waits for its turn
    const controller = new AbortController();
    const reason = new Error("the operator stops");
    server.faults.ignoreConnections();
    const ends = [pool, behind].map((one) => expect(one.run(hello, [], controller.signal)).rejects.toBe(reason));
    await eventually(() => server.connections() === 1);
    controller.abort(reason);
    await Promise.all(ends);
    await server.faults.acceptConnections();
    const closed: TargetPool[] = [];
    for (const one of [pool, behind]) void one.close().then(() => closed.push(one));
    await clock.advance(2_000);
    await settle();
    expect(closed).toHaveLength(2); // what connects still is left to its time-out
    await last.run(hello, [], never);
    const { logins } = server.faults.counts;
    await another({}).run(hello, [], never);
    expect(server.faults.counts.logins).toBe(logins * 2); // none of those were of `behind`
  });
});

describe("encryption", () => {
  const certificates = makeCertificates();
  const trusted = { tls: { mode: "Required", ca: certificates.authority } } as const;

  test.each(["Required", "Strict"] as const)("%s works with the authority that is given", async (mode) => {
    const { pool } = await rig({ server: { certificate: certificates.server }, material: { tls: { mode, ca: certificates.authority } } });
    expect(await pool.run(hello, [], never)).toHaveLength(1);
  });

  test("Insecure works with any certificate", async () => {
    const { pool } = await rig({ server: { certificate: certificates.untrusted }, string: ";Encrypt=True;TrustServerCertificate=True" });
    expect(await pool.run(hello, [], never)).toHaveLength(1);
  });

  test.each<[string, Options, string]>([
    ["an unknown authority", { server: { certificate: certificates.untrusted }, material: trusted }, "CertificateInvalid"],
    ["no authority given", { server: { certificate: certificates.server }, string: "" }, "CertificateInvalid"],
    ["another name", { server: { certificate: certificates.wrongName }, material: trusted }, "CertificateInvalid"],
    ["a server that does not encrypt", { server: { tls: "off" }, material: trusted }, "EncryptionMismatch"],
    ["a server that requires it", { server: { tls: "required" }, string: ";Encrypt=False" }, "EncryptionMismatch"],
  ])("%s is a matter of configuration", async (_, options, reason) => {
    const { pool } = await rig(options);
    await expect(pool.run(hello, [], never)).rejects.toMatchObject({ problem: { kind: "configuration", reason, stalled: true } });
  });

  test("another name is right when serverName says so", async () => {
    const { pool } = await rig({
      server: { certificate: certificates.wrongName },
      material: { tls: { mode: "Required", serverName: "other.example.internal", ca: certificates.authority } },
    });
    expect(await pool.run(hello, [], never)).toHaveLength(1);
  });
});

jest.setTimeout(120_000);
