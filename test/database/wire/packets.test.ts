import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { type DatabaseServer, startDatabaseServer } from "../server.ts";
import { createFakeEngine, failure, type FakeEngine } from "./fakeEngine.ts";
import { PACKET_TYPE } from "./packets.ts";
import { batchData, openRawClient, type RawClient } from "./rawClient.ts";

const ENCRYPT = { off: 0, on: 1, notSupported: 2, required: 3 };
const ATTENTION_DONE = Buffer.from("fd200000000000000000000000", "hex");
const PLAIN_DONE = Buffer.from("fd000000000000000000000000", "hex");

let engine: FakeEngine;
let server: DatabaseServer;
let client: RawClient;

beforeEach(async () => {
  engine = createFakeEngine(({ text }) => (text === "fatal" ? [failure(823, { class: 24 })] : undefined));
  server = await startDatabaseServer({ engine });
  client = await openRawClient(server);
});

afterEach(async () => {
  client.destroy();
  await server.close();
  expect(engine.open()).toBe(0);
});

async function logIn(): Promise<void> {
  await client.prelogin(ENCRYPT.notSupported);
  expect((await client.login()).includes(Buffer.from("Microsoft SQL Server", "utf16le"))).toBe(true);
}

function texts(): string[] {
  return engine.ran.map(({ request }) => request.text);
}

describe("a request in packets", () => {
  test("is put together again, also when the packets come byte by byte", async () => {
    await logIn();
    const data = batchData("SELECT 'in three packets'");
    client.packet(PACKET_TYPE.batch, data.subarray(0, 5), 0);
    client.packet(PACKET_TYPE.batch, data.subarray(5, 33), 0);
    const last = Buffer.concat([Buffer.from([PACKET_TYPE.batch, 1, 0, data.length - 33 + 8, 0, 0, 3, 0]), data.subarray(33)]);
    for (const byte of last) client.bytes(Buffer.from([byte]));
    await client.message();
    expect(texts()).toEqual(["SELECT 'in three packets'"]);
  });

  test("that attention interrupts is never run, and attention is answered once", async () => {
    await logIn();
    client.packet(PACKET_TYPE.batch, batchData("DELETE"), 0);
    client.packet(PACKET_TYPE.attention, Buffer.alloc(0));
    expect(await client.message()).toEqual(ATTENTION_DONE);
    client.packet(PACKET_TYPE.batch, batchData("SELECT"));
    await client.message();
    expect(texts()).toEqual(["SELECT"]);
  });

  test("that its client has marked as ignored is answered, not run", async () => {
    await logIn();
    client.packet(PACKET_TYPE.batch, batchData("DELETE"), 0x01 | 0x02);
    expect(await client.message()).toEqual(PLAIN_DONE);
    expect(texts()).toEqual([]);
  });

  test("gets its answer before the attention that follows it", async () => {
    await logIn();
    const hold = server.faults.hold(/DELETE/);
    client.packet(PACKET_TYPE.batch, batchData("DELETE"));
    await hold.reached;
    client.packet(PACKET_TYPE.attention, Buffer.alloc(0));
    expect(await client.message()).toEqual(PLAIN_DONE);
    expect(await client.message()).toEqual(ATTENTION_DONE);
    expect(texts()).toEqual([]);
  });

  test("behind one that ended the connection is not run", async () => {
    await logIn();
    client.packet(PACKET_TYPE.batch, batchData("fatal"));
    client.packet(PACKET_TYPE.batch, batchData("DELETE"));
    expect((await client.message())[0]).toBe(0xaa);
    await client.closed;
    expect(texts()).toEqual(["fatal"]);
  });

  test("with the reset flag starts in a fresh session", async () => {
    await logIn();
    client.packet(PACKET_TYPE.batch, batchData("first"));
    await client.message();
    client.packet(PACKET_TYPE.batch, batchData("second"), 0x01 | 0x08);
    expect((await client.message()).subarray(0, 6)).toEqual(Buffer.from("e30300120000", "hex"));
    const [first, second] = engine.ran;
    expect(second?.sessionId).not.toBe(first?.sessionId);
    expect(engine.open()).toBe(1);
  });
});

describe("bytes that are not TDS", () => {
  test.each<[string, (client: RawClient) => void]>([
    ["a packet that is shorter than its header", (raw) => raw.bytes(Buffer.from([PACKET_TYPE.batch, 1, 0, 3, 0, 0, 0, 0]))],
    [
      "a message that changes its type",
      (raw) => {
        raw.packet(PACKET_TYPE.batch, batchData("a"), 0);
        raw.packet(PACKET_TYPE.rpc, batchData("b"));
      },
    ],
    ["a bulk load", (raw) => raw.packet(0x07, batchData("a"))],
    [
      "a call that ends too early",
      (raw) => raw.packet(PACKET_TYPE.rpc, Buffer.concat([batchData(""), Buffer.from([0xff, 0xff, 10, 0, 0, 0, 1])])),
    ],
  ])("(%s) end the connection with an error", async (_, send) => {
    await logIn();
    send(client);
    const answer = await client.message();
    expect([answer[0], answer.readInt32LE(3)]).toEqual([0xaa, 4002]);
    await client.closed;
    expect(texts()).toEqual([]);
  });
});

describe("PRELOGIN", () => {
  test("of a client with ENCRYPT_OFF encrypts the login alone", async () => {
    expect(await client.prelogin(ENCRYPT.off)).toBe(ENCRYPT.off);
    const answer = await client.loginEncrypted(server.certificateAuthority ?? "");
    expect(answer.includes(Buffer.from("Microsoft SQL Server", "utf16le"))).toBe(true);
    client.packet(PACKET_TYPE.batch, batchData("in the clear"));
    await client.message();
    expect(texts()).toEqual(["in the clear"]);
  });

  test.each([
    ["supported", ENCRYPT.notSupported, ENCRYPT.notSupported],
    ["supported", ENCRYPT.on, ENCRYPT.on],
    ["supported", ENCRYPT.required, ENCRYPT.on],
    ["required", ENCRYPT.notSupported, ENCRYPT.required],
    ["required", ENCRYPT.off, ENCRYPT.required],
    ["required", ENCRYPT.on, ENCRYPT.on],
    ["off", ENCRYPT.on, ENCRYPT.notSupported],
  ] as const)("where TLS is %s answers ENCRYPT %i with %i", async (tls, asked, answered) => {
    const other = await startDatabaseServer({ engine, tls });
    const raw = await openRawClient(other);
    expect(await raw.prelogin(asked)).toBe(answered);
    raw.destroy();
    await other.close();
  });
});
