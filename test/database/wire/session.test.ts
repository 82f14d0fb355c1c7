import { afterEach, describe, expect, test } from "@jest/globals";
import sql from "mssql";
import { type DatabaseServer, type DatabaseServerOptions, startDatabaseServer } from "../server.ts";
import { connect, type ConnectOptions } from "./connect.ts";
import { type Answer, createFakeEngine, done, failure, type FakeEngine, table } from "./fakeEngine.ts";

let engine: FakeEngine;
let server: DatabaseServer;
const pools: sql.ConnectionPool[] = [];

afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()));
  await server.close();
  expect(engine.open()).toBe(0);
});

async function start(answer?: Answer, options: Partial<DatabaseServerOptions> = {}): Promise<void> {
  engine = createFakeEngine(answer);
  server = await startDatabaseServer({ engine, tls: "off", ...options });
}

async function open(options?: ConnectOptions): Promise<sql.ConnectionPool> {
  const pool = await connect(server, options);
  pools.push(pool);
  return pool;
}

const int = { name: "int" } as const;

describe("a login", () => {
  test("brings user, password, database, application, host and process", async () => {
    await start();
    await open({ options: { appName: "webfarm-operator/1 shop/main", readOnlyIntent: true } });
    expect(engine.logins[0]).toEqual({
      user: "sa",
      password: "Päss wörd 🔑",
      database: "Kentico",
      applicationName: "webfarm-operator/1 shop/main",
      hostName: expect.stringMatching(/./),
      processId: process.pid,
      readOnlyIntent: true,
    });
  });

  test("without a database gets the login's own, and read-write intent", async () => {
    await start();
    const pool = await open({ database: "" });
    expect(engine.logins[0]).toMatchObject({ database: "", readOnlyIntent: false });
    expect((await pool.request().query("SELECT 1")).recordset).toHaveLength(1);
  });

  test("with a wrong password fails as ELOGIN, and its number is seen by the driver's event", async () => {
    await start();
    const numbers: number[] = [];
    const attempt = connect(server, { password: "wrong", onErrorNumber: (number) => numbers.push(number) });
    await expect(attempt).rejects.toMatchObject({ code: "ELOGIN", message: "Login failed for user 'sa'." });
    expect(numbers).toEqual([18456]);
  });
});

describe("an answer", () => {
  test("has the rows of each statement and the number of rows of each", async () => {
    await start(() => [
      table({ a: int }, [[1], [2]]),
      done({ rowCount: 2 }),
      done({ rowCount: 5 }),
      done({}),
      table({ b: int }, []),
      done({ rowCount: 0 }),
    ]);
    const pool = await open();
    for (const result of [await pool.request().query("procedure"), await pool.request().batch("batch")]) {
      expect(result.recordsets).toEqual([[{ a: 1 }, { a: 2 }], []]);
      expect(result.rowsAffected).toEqual([2, 5, 0]);
    }
  });

  test("with errors names number, class, state and line, the earlier ones before the last", async () => {
    await start(() => [
      failure(50000, { class: 10, message: "a remark" }),
      failure(547, { class: 16, line: 3, message: "The DELETE statement conflicted" }),
      done({}),
      failure(3621, { class: 14, line: 4 }),
    ]);
    const pool = await open();
    for (const attempt of [pool.request().query("procedure"), pool.request().batch("batch")]) {
      await expect(attempt).rejects.toMatchObject({
        code: "EREQUEST",
        number: 3621,
        class: 14,
        state: 1,
        lineNumber: 4,
        precedingErrors: [{ number: 547, class: 16, lineNumber: 3, message: "The DELETE statement conflicted" }],
      });
    }
  });

  test("with a remark only is a success", async () => {
    await start(() => [failure(5701, { class: 0, message: "a remark" }), done({})]);
    const pool = await open();
    const request = pool.request();
    const remarks: string[] = [];
    request.on("info", (info: { readonly message: string }) => remarks.push(info.message));
    await request.query("PRINT");
    expect(remarks).toEqual(["a remark"]);
  });

  test("of class 20 ends the connection, and the pool opens another", async () => {
    await start((request) => (request.text === "fatal" ? [failure(823, { class: 24 })] : undefined));
    const pool = await open();
    await expect(pool.request().query("fatal")).rejects.toMatchObject({ number: 823 });
    await expectEventually(() => engine.open() === 0 && server.connections() === 0);
    expect((await pool.request().query("SELECT 1")).recordset).toHaveLength(1);
    expect(sessionsOf(/^(fatal|SELECT 1)$/)).toBe(2);
  });

  test("that the engine could not make tells why", async () => {
    await start(() => {
      throw new Error("the engine has a bug");
    });
    const pool = await open();
    await expect(pool.request().query("SELECT 1")).rejects.toMatchObject({ message: expect.stringContaining("the engine has a bug") });
  });
});

describe("a procedure", () => {
  test("sp_executesql may be called by its name", async () => {
    await start();
    const pool = await open();
    const call = pool
      .request()
      .input("statement", sql.NVarChar, "SELECT @a")
      .input("params", sql.NVarChar, "@a int")
      .input("a", sql.Int, 7);
    expect((await call.execute("sp_executesql")).recordset).toEqual([{ a: 7 }]);
    expect(engine.ran.at(-1)?.request).toMatchObject({ kind: "executesql", text: "SELECT @a" });
  });

  test("other than sp_executesql is not found, by its name", async () => {
    await start();
    const pool = await open();
    await expect(pool.request().execute("Proc_CMS_WebFarmServer_Delete")).rejects.toMatchObject({
      number: 2812,
      message: "Could not find stored procedure 'Proc_CMS_WebFarmServer_Delete'.",
    });
    await expect(new sql.PreparedStatement(pool).prepare("SELECT 1")).rejects.toMatchObject({ number: 2812, message: /'sp_prepare'/ });
  });

  test("without a declared parameter says which", async () => {
    await start();
    const pool = await open();
    const call = pool.request().input("statement", sql.NVarChar, "SELECT @a, @b").input("params", sql.NVarChar, "@a decimal(9, 2), @b int");
    await expect(call.input("a", sql.Int, 7).execute("sp_executesql")).rejects.toMatchObject({ number: 8178, message: /'@b'/ });
  });

  test("takes 2,000 parameters, and refuses more than 2,100", async () => {
    await start();
    const pool = await open();
    const request = (count: number) => {
      const made = pool.request();
      for (let index = 0; index < count; index++) made.input(`p${index}`, sql.Int, index);
      return made.query<Record<string, number>>("SELECT all of them");
    };
    const { recordset } = await request(2000);
    expect(Object.values(recordset[0] ?? {})).toEqual(Array.from({ length: 2000 }, (_, index) => index));
    // @statement and @params count too.
    await request(2098);
    await expect(request(2099)).rejects.toMatchObject({ number: 8003 });
  });
});

describe("a transaction of the driver", () => {
  test("begins, commits and rolls back as statements", async () => {
    await start();
    const pool = await open();
    const first = pool.transaction();
    await first.begin(sql.ISOLATION_LEVEL.SERIALIZABLE);
    await first.request().query("INSERT");
    await first.commit();
    const second = pool.transaction();
    await second.begin();
    await second.rollback();
    expect(engine.ran.map(({ request }) => request.text).filter((text) => !text.startsWith("set "))).toEqual([
      "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; BEGIN TRANSACTION",
      "INSERT",
      "COMMIT TRANSACTION",
      "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; BEGIN TRANSACTION",
      "ROLLBACK TRANSACTION",
    ]);
  });
});

describe("attention", () => {
  test("ends a statement that its client gives up, and the connection goes on", async () => {
    const causes: unknown[] = [];
    await start((request, signal) => {
      if (request.text !== "WAITFOR") return undefined;
      return new Promise((resolve) => {
        signal.addEventListener("abort", () => {
          causes.push(signal.reason);
          resolve([]);
        });
      });
    });
    const pool = await open();
    const request = pool.request();
    const cancelled = expect(request.query("WAITFOR")).rejects.toMatchObject({ code: "ECANCEL" });
    await expectEventually(() => engine.ran.at(-1)?.request.text === "WAITFOR");
    request.cancel();
    await cancelled;
    expect((await pool.request().query("SELECT 1")).recordset).toEqual([{ text: "SELECT 1" }]);
    expect(causes).toEqual(["attention"]);
    expect(sessionsOf(/^(WAITFOR|SELECT 1)$/)).toBe(1);
  });

  test("that comes too late gives nothing but its own answer", async () => {
    let finish: () => void = () => undefined;
    await start((request) => {
      if (request.text !== "WAITFOR") return undefined;
      return new Promise((resolve) => {
        finish = () => resolve([table({ a: int }, [[1]]), done({ rowCount: 1 })]);
      });
    });
    const pool = await open();
    const request = pool.request();
    const attempt = request.query("WAITFOR").then(
      () => "answered",
      (error: unknown) => (error as { code: string }).code,
    );
    await expectEventually(() => engine.ran.at(-1)?.request.text === "WAITFOR");
    request.cancel();
    finish();
    expect(await attempt).toBe("ECANCEL");
    expect((await pool.request().query("SELECT 1")).recordset).toHaveLength(1);
    expect(sessionsOf(/^(WAITFOR|SELECT 1)$/)).toBe(1);
  });

  test("of a client that goes away ends its statement and its session", async () => {
    let cause: unknown;
    await start((_, signal) => {
      return new Promise((resolve) => {
        signal.addEventListener("abort", () => {
          cause = signal.reason;
          resolve([]);
        });
      });
    });
    const pool = await open({ requestTimeout: 0 });
    const attempt = pool.request().query("WAITFOR");
    attempt.catch(() => undefined);
    await expectEventually(() => engine.ran.at(-1)?.request.text === "WAITFOR");
    const closing = pools.pop();
    await expect(server.close().then(() => attempt)).rejects.toMatchObject({
      code: expect.stringMatching(/ESOCKET|ECONNCLOSED|ECONNRESET/),
    });
    await closing?.close();
    expect(cause).toBe("disconnected");
  });
});

describe("messages and packets", () => {
  test.each([512, 4096, 8000, 32767])("pass whole with a packet size of %i, plain and encrypted", async (packetSize) => {
    await start(undefined, { tls: "supported" });
    for (const encrypt of [false, true]) {
      const pool = await open({ options: { packetSize, encrypt, trustServerCertificate: true } });
      // Around one packet, so that a boundary falls on each side of each part of the message.
      for (const characters of [packetSize / 2 - 60, packetSize / 2 - 4, packetSize / 2, packetSize, 3 * packetSize].map(Math.floor)) {
        for (const extra of [0, 1, 2, 3]) {
          const text = "é".repeat(characters + extra);
          const { recordset } = await pool.request().input("text", sql.NVarChar(sql.MAX), text).query<{ text: string }>("SELECT @text");
          expect(recordset[0]?.text === text).toBe(true);
        }
      }
    }
  });

  test("of two connections do not mix", async () => {
    const waiting: (() => void)[] = [];
    await start((request) => {
      const answer = [table({ text: { name: "nvarchar", length: 20 } }, [[request.text]]), done({ rowCount: 1 })];
      // The first waits for the second: answers come in the other order.
      if (request.text === "second") waiting.forEach((go) => go());
      return request.text === "first" ? new Promise((resolve) => waiting.push(() => resolve(answer))) : answer;
    });
    const [left, right] = [await open(), await open()];
    const first = left.request().query("first");
    await expectEventually(() => waiting.length === 1);
    const second = await right.request().query("second");
    expect([(await first).recordset, second.recordset]).toEqual([[{ text: "first" }], [{ text: "second" }]]);
    expect(sessionsOf(/^(first|second)$/)).toBe(2);
  });
});

function sessionsOf(text: RegExp): number {
  return new Set(engine.ran.filter(({ request }) => text.test(request.text)).map(({ sessionId }) => sessionId)).size;
}

/** Waits turn by turn of the event loop; the test's own time limit ends it. */
async function expectEventually(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setImmediate(resolve));
}
