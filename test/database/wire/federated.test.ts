// Logins with a token of Microsoft Entra (MS-TDS 2.2.6.4, FEDAUTH with a security token), by the unmodified driver and by its bytes.
import { afterEach, describe, expect, test } from "@jest/globals";
import type sql from "mssql";
import { type DatabaseServer, startDatabaseServer } from "../server.ts";
import { connect, type ConnectOptions } from "./connect.ts";
import { createFakeEngine, type FakeEngine, PASSWORD, USER } from "./fakeEngine.ts";
import { readLogin } from "./login.ts";

const good = `good.${"x".repeat(6_000)}`; // longer than a packet
let engine: FakeEngine;
let server: DatabaseServer;
const pools: sql.ConnectionPool[] = [];

afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()));
  await server.close();
});

async function start(identities: "given" | "absent" = "given"): Promise<void> {
  engine = createFakeEngine();
  const loginOf = (token: string): { user: string; password: string } | undefined =>
    token === good ? { user: USER, password: PASSWORD } : undefined;
  server = await startDatabaseServer({ engine, ...(identities === "given" && { identities: loginOf }) });
}

async function logIn(token: string, more: Partial<ConnectOptions> = {}): Promise<sql.ConnectionPool> {
  const authentication = { type: "azure-active-directory-access-token", options: { token } } as const;
  const pool = await connect(server, {
    ...{ authentication, ...more },
    options: { encrypt: true, serverName: "localhost", cryptoCredentialsDetails: { ca: server.certificateAuthority }, ...more.options },
  });
  pools.push(pool);
  return pool;
}

describe("a login with a token", () => {
  test.each([
    ["in TDS 7.4", true as const],
    ["in TDS 8", "strict" as const],
  ])("is the login that the token stands for, and works as any other: %s", async (_what, encrypt) => {
    await start();
    const pool = await logIn(good, { options: { encrypt: encrypt as boolean } });
    expect((await pool.request().query("SELECT 1")).recordset).toHaveLength(1);
    expect(engine.logins.at(-1)).toMatchObject({ user: USER, password: PASSWORD, database: "Kentico" });
  });

  test("that nobody knows is refused as Azure refuses it, and the token is not repeated", async () => {
    await start();
    const numbers: number[] = [];
    await expect(logIn("bad.token", { onErrorNumber: (number) => numbers.push(number) })).rejects.toMatchObject({
      code: "ELOGIN",
      message: "Login failed for user '<token-identified principal>'.",
    });
    expect(numbers).toEqual([18456]);
    expect(engine.logins).toEqual([]);
  });

  test("is refused where no tokens are taken", async () => {
    await start("absent");
    await expect(logIn(good)).rejects.toMatchObject({ code: "ELOGIN" });
    expect(engine.logins).toEqual([]);
  });

  test("without encryption breaks the protocol", async () => {
    await start();
    const numbers: number[] = [];
    await expect(logIn(good, { options: { encrypt: false }, onErrorNumber: (number) => numbers.push(number) })).rejects.toThrow(
      "A token came without encryption",
    );
    expect(numbers).toEqual([4002]);
  });

  test("of a client that has not seen FEDAUTHREQUIRED breaks the protocol", async () => {
    await start();
    const blind = (connection: unknown): void =>
      void Object.defineProperty(connection, "fedAuthRequired", { get: () => false, set: () => undefined });
    await expect(logIn(good, { onConnection: blind })).rejects.toThrow("fFedAuthEcho is not what PRELOGIN said");
  });
});

test("a login with a password is what it was where tokens are taken", async () => {
  await start();
  const pool = await connect(server);
  pools.push(pool);
  expect(engine.logins).toEqual([expect.objectContaining({ user: USER, password: PASSWORD })]);
  expect(engine.logins[0]).not.toHaveProperty("token");
});

describe("LOGIN7 with the feature FEDAUTH", () => {
  /** `length` is what the token says of itself. */
  function login(options: number, token: Buffer, length = token.length): Buffer {
    const fixed = Buffer.alloc(94 + 4);
    fixed.writeUInt32LE(0x74000004, 4);
    fixed.writeUInt8(0x10, 27); // fExtension
    for (const place of [36, 40, 44, 48, 52, 60, 64, 68]) fixed.writeUInt16LE(94, place);
    fixed.writeUInt16LE(94, 56);
    fixed.writeUInt32LE(98, 94);
    const head = Buffer.alloc(10);
    head.writeUInt8(0x02, 0);
    head.writeUInt32LE(token.length + 5, 1);
    head.writeUInt8(options, 5);
    head.writeUInt32LE(length, 6);
    return Buffer.concat([fixed, head, token, Buffer.from([0xff])]);
  }
  const token = Buffer.from("abc", "utf16le");

  test("brings the token and what it echoes", () => {
    expect(readLogin(login(0x02, token))).toMatchObject({ request: { token: "abc", user: "", password: "" }, echo: false });
    expect(readLogin(login(0x03, token))).toMatchObject({ request: { token: "abc" }, echo: true, features: [2] });
  });

  test.each([
    ["another library", login(0x04, token)],
    ["a length that is too short", login(0x02, token, 4)],
    ["a length that is too long", login(0x02, token, 8)],
    ["half a letter", login(0x02, Buffer.alloc(3, 1))],
    ["no token", login(0x02, Buffer.alloc(0))],
  ])("is refused with %s", (_what, data) => {
    expect(() => readLogin(data)).toThrow();
  });
});
