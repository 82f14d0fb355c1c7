import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import type sql from "mssql";
import { type DatabaseServer, startDatabaseServer } from "../server.ts";
import { connect, type ConnectOptions } from "./connect.ts";
import { createFakeEngine, type FakeEngine } from "./fakeEngine.ts";
import { until } from "../../world/until.ts";
import { deferred } from "./waiting.ts";

let engine: FakeEngine;
let server: DatabaseServer;
let pool: sql.ConnectionPool;
const pools: sql.ConnectionPool[] = [];

beforeEach(async () => {
  engine = createFakeEngine();
  server = await startDatabaseServer({ engine, tls: "off" });
  pool = await open();
});

afterEach(async () => {
  await Promise.all(pools.splice(0).map((each) => each.close()));
  await server.close();
  expect(engine.open()).toBe(0);
});

async function open(options?: ConnectOptions): Promise<sql.ConnectionPool> {
  const made = await connect(server, options);
  pools.push(made);
  return made;
}

function query(text: string): Promise<unknown> {
  const answer = pool.request().query(text);
  // Most tests look at the answer late.
  answer.catch(() => undefined);
  return answer;
}

function ran(text: string): number {
  return engine.ran.filter(({ request }) => request.text === text).length;
}

const CUT = { code: expect.stringMatching(/ESOCKET|ECONNCLOSED|ECONNRESET/) };

describe("a rule", () => {
  test("fails the statement that it matches, once, without running it", async () => {
    const rule = server.faults.fail(/^DELETE/, { number: 547, class: 16, state: 2, line: 9, message: "conflicted" });
    await query("SELECT");
    await expect(query("DELETE")).rejects.toMatchObject({ number: 547, class: 16, state: 2, lineNumber: 9, message: "conflicted" });
    expect([rule.met, ran("DELETE")]).toEqual([1, 0]);
    await query("DELETE");
    expect(ran("DELETE")).toBe(1);
  });

  test("fails as often as it says, until it is removed", async () => {
    const rule = server.faults.fail((statement) => statement.kind === "executesql", { number: 40501 }, { times: Infinity });
    for (const _ of [1, 2, 3]) await expect(query("INSERT")).rejects.toMatchObject({ number: 40501 });
    rule.remove();
    await query("INSERT");
    expect([rule.met, ran("INSERT")]).toEqual([3, 1]);
  });

  test("meets only the application that it names", async () => {
    server.faults.fail(/./, { number: 1222 }, { applicationName: "other", times: Infinity });
    await query("SELECT");
    pool = await open({ options: { appName: "other" } }).catch((error: unknown) => {
      throw error;
    });
    await expect(query("SELECT")).rejects.toMatchObject({ number: 1222 });
  });

  test("makes a deadlock victim: 1205, and the transaction is gone", async () => {
    server.faults.deadlock(/^UPDATE/);
    const transaction = pool.transaction();
    await transaction.begin();
    await expect(transaction.request().query("UPDATE")).rejects.toMatchObject({ number: 1205, class: 13 });
    await expect(transaction.rollback()).rejects.toMatchObject({ code: "EABORT" });
    expect([ran("UPDATE"), ran("ROLLBACK TRANSACTION")]).toEqual([0, 1]);
    expect(await query("SELECT")).toMatchObject({ rowsAffected: [1] });
  });

  test("keeps the transaction of a failure that does not end it", async () => {
    server.faults.fail(/^UPDATE/, { number: 2627, class: 14 });
    const transaction = pool.transaction();
    await transaction.begin();
    await expect(transaction.request().query("UPDATE")).rejects.toMatchObject({ number: 2627 });
    await transaction.commit();
    expect(ran("COMMIT TRANSACTION")).toBe(1);
  });

  test("delays a statement by no less than it says", async () => {
    server.faults.delay(/^SELECT/, 60);
    const before = performance.now();
    await query("SELECT");
    expect(performance.now() - before).toBeGreaterThanOrEqual(59);
    expect(ran("SELECT")).toBe(1);
  });

  test("drops the connection before the statement runs", async () => {
    server.faults.dropBefore(/^INSERT/);
    await expect(query("INSERT")).rejects.toMatchObject(CUT);
    expect(ran("INSERT")).toBe(0);
    await query("INSERT");
    expect(ran("INSERT")).toBe(1);
  });

  test("drops the connection after the statement ran: the answer is lost", async () => {
    server.faults.dropAfter(/^INSERT/);
    await expect(query("INSERT")).rejects.toMatchObject(CUT);
    expect(ran("INSERT")).toBe(1);
  });
});

describe("a hold", () => {
  test("keeps a statement until it is released", async () => {
    const hold = server.faults.hold(/^DELETE/);
    const answer = query("DELETE");
    await hold.reached;
    expect(ran("DELETE")).toBe(0);
    hold.release();
    expect(await answer).toMatchObject({ rowsAffected: [1] });
    await hold.finished;
    expect([hold.met, ran("DELETE")]).toEqual([1, 1]);
  });

  test("runs its statement at the release although the client has gone", async () => {
    const hold = server.faults.hold(/^DELETE/);
    const answer = query("DELETE");
    await hold.reached;
    server.faults.dropSessions();
    await expect(answer).rejects.toMatchObject(CUT);
    pool = await open();
    await query("INSERT");
    expect(ran("DELETE")).toBe(0);
    hold.release();
    await hold.finished;
    expect(ran("DELETE")).toBe(1);
  });

  test("gives way to attention: the statement never runs, the connection goes on", async () => {
    const hold = server.faults.hold(/^DELETE/);
    const request = pool.request();
    const answer = request.query("DELETE");
    const cancelled = expect(answer).rejects.toMatchObject({ code: "ECANCEL" });
    await hold.reached;
    request.cancel();
    await cancelled;
    hold.release();
    await hold.finished;
    await query("SELECT");
    expect([ran("DELETE"), ran("SELECT")]).toEqual([0, 1]);
  });

  test("that leaves attention unanswered runs its statement after the client has given up", async () => {
    pool = await open({ requestTimeout: 100, options: { cancelTimeout: 100 } });
    const hold = server.faults.hold(/^DELETE/, { attention: "unanswered" });
    await expect(query("DELETE")).rejects.toMatchObject({ code: "ETIMEOUT" });
    expect(ran("DELETE")).toBe(0);
    hold.release();
    await hold.finished;
    expect(ran("DELETE")).toBe(1);
  });

  test("that nobody releases ends with the server, and its statement never runs", async () => {
    const hold = server.faults.hold(/^DELETE/);
    const answer = query("DELETE");
    await hold.reached;
    await server.close();
    await expect(answer).rejects.toMatchObject(CUT);
    await hold.finished;
    expect([ran("DELETE"), engine.open()]).toEqual([0, 0]);
  });
});

describe("connections", () => {
  test("are refused at the login with any number", async () => {
    const numbers: number[] = [];
    const onErrorNumber = (number: number) => numbers.push(number);
    server.faults.refuseLogins({ number: 18456 });
    await expect(open({ onErrorNumber })).rejects.toMatchObject({ code: "ELOGIN", message: "Login failed for user 'sa'." });
    server.faults.refuseLogins({ number: 18470, message: "The account is disabled." });
    await expect(open({ onErrorNumber })).rejects.toMatchObject({ code: "ELOGIN", message: "The account is disabled." });
    expect(numbers).toEqual([18456, 18470]);
    await open();
    expect(server.faults.counts.refusedLogins).toBe(2);
  });

  test("are refused where nobody listens, while open ones go on", async () => {
    await query("SELECT");
    server.faults.refuseConnections();
    await expect(open()).rejects.toMatchObject({ code: "ESOCKET", message: expect.stringMatching(/Could not connect/) });
    await query("SELECT");
    const { port } = server;
    await server.faults.acceptConnections();
    await open();
    expect(server.port).toBe(port);
  });

  test("are accepted and never answered", async () => {
    server.faults.ignoreConnections();
    await expect(open({ connectionTimeout: 200 })).rejects.toMatchObject({ code: "ETIMEOUT" });
    await server.faults.acceptConnections();
    await open();
  });
});

describe("the record", () => {
  test("has each statement with its application, and counts round trips", async () => {
    await query("warm up");
    server.faults.forget();
    server.faults.fail(/^INSERT/, { number: 547 });
    const before = server.faults.counts;
    await query("SELECT");
    await query("INSERT").catch(() => undefined);
    expect(server.faults.statements).toMatchObject([
      { text: "SELECT", kind: "executesql", applicationName: "wire test" },
      { text: "INSERT", kind: "executesql", applicationName: "wire test" },
    ]);
    expect(before).toEqual({ roundTrips: 0, logins: 0, refusedLogins: 0, sessions: 1 });
    expect(server.faults.counts).toEqual({ roundTrips: 2, logins: 0, refusedLogins: 0, sessions: 1 });
  });

  test("is looked at before a statement runs, whatever a rule then does with it, with its parameters", async () => {
    await query("warm up");
    const { promise: looked, resolve: goOn } = deferred<undefined>();
    const seen: unknown[] = [];
    const end = server.faults.beforeRun(async ({ text, parameters }) => {
      seen.push([text, parameters.map(({ name, value }) => [name, value]), ran(text)]);
      await looked;
    });
    server.faults.dropAfter(/^DELETE/);
    const request = pool.request().input("n0", "shop-1");
    const answer = request.query("DELETE @n0");
    answer.catch(() => undefined);
    await until("the statement is looked at", () => seen.length === 1);
    expect(seen).toEqual([["DELETE @n0", [["@n0", "shop-1"]], 0]]);
    expect(ran("DELETE @n0")).toBe(0);
    goOn(undefined);
    await expect(answer).rejects.toMatchObject(CUT);
    expect(ran("DELETE @n0")).toBe(1);
    end();
    const before = seen.length; // the pool has opened another connection meanwhile
    await query("SELECT");
    expect(seen).toHaveLength(before);
  });
});
