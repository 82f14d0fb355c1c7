import { afterEach, describe, expect, test } from "@jest/globals";
import type sql from "mssql";
import { type Certificates, makeCertificates } from "../certificates.ts";
import { type DatabaseServer, startDatabaseServer } from "../server.ts";
import { connect, type ConnectOptions } from "./connect.ts";
import { createFakeEngine } from "./fakeEngine.ts";
import type { TlsMode } from "./prelogin.ts";

const certificates: Certificates = makeCertificates();
let server: DatabaseServer | undefined;
let pool: sql.ConnectionPool | undefined;

afterEach(async () => {
  await pool?.close();
  await server?.close();
  pool = undefined;
  server = undefined;
});

async function query(tls: TlsMode, options: NonNullable<ConnectOptions["options"]>, certificate = certificates.server): Promise<unknown> {
  server = await startDatabaseServer({ engine: createFakeEngine(), tls, certificate });
  pool = await connect(server, { options });
  // More than one TLS record each way.
  const text = "x".repeat(50_000);
  const { recordset } = await pool.request().input("text", text).query<{ text: string }>("SELECT @text");
  return recordset[0]?.text === text;
}

const verified = { encrypt: true, cryptoCredentialsDetails: { ca: certificates.authority } };

describe("a client that encrypts", () => {
  test.each<TlsMode>(["supported", "required"])("is served where TLS is %s, trusting whatever it is shown", async (tls) => {
    expect(await query(tls, { encrypt: true, trustServerCertificate: true })).toBe(true);
  });

  test("verifies the certificate by its authority, for the address", async () => {
    expect(await query("required", verified)).toBe(true);
  });

  test("verifies the certificate by its authority, for a name", async () => {
    expect(await query("required", { ...verified, serverName: "sql.example.internal" })).toBe(true);
  });

  test("verifies the certificate that the server made for itself", async () => {
    server = await startDatabaseServer({ engine: createFakeEngine() });
    pool = await connect(server, { options: { encrypt: true, cryptoCredentialsDetails: { ca: server.certificateAuthority } } });
    expect((await pool.request().query("SELECT 1")).recordset).toHaveLength(1);
  });

  test("refuses an authority that it does not know", async () => {
    await expect(query("required", verified, certificates.untrusted)).rejects.toMatchObject({
      code: "ESOCKET",
      message: expect.stringMatching(/certificate/),
    });
  });

  test("refuses a certificate for another name", async () => {
    await expect(query("required", verified, certificates.wrongName)).rejects.toMatchObject({
      code: "ESOCKET",
      message: expect.stringMatching(/altnames/),
    });
  });

  test("refuses a server without TLS", async () => {
    await expect(query("off", { encrypt: true, trustServerCertificate: true })).rejects.toMatchObject({
      message: expect.stringContaining("Server did not negotiate encryption"),
    });
  });

  test("may put the whole conversation into TLS (TDS 8, strict)", async () => {
    const strict = { ...verified, encrypt: "strict", serverName: "sql.example.internal" } as unknown as NonNullable<
      ConnectOptions["options"]
    >;
    expect(await query("required", strict)).toBe(true);
  });
});

describe("a client that does not encrypt", () => {
  test.each<TlsMode>(["off", "supported"])("is served where TLS is %s", async (tls) => {
    expect(await query(tls, { encrypt: false })).toBe(true);
  });

  test("is refused where TLS is required", async () => {
    await expect(query("required", { encrypt: false })).rejects.toMatchObject({
      message: expect.stringContaining("Server requires encryption"),
    });
  });
});
