// A TDS client by hand, for what the driver never sends: packets in an odd order, encryption of the login alone, broken bytes. Only
// the tests use it.
import { connect as connectTcp, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { connect as connectTls, type TLSSocket } from "node:tls";
import type { DatabaseServer } from "../server.ts";
import { PASSWORD, USER } from "./fakeEngine.ts";
import { MessageSplitter, PACKET_TYPE } from "./packets.ts";
import { deferred } from "./waiting.ts";

export interface RawClient {
  /** One packet; `status` 1 ends a message. */
  packet(type: number, data: Buffer, status?: number): void;
  bytes(bytes: Buffer): void;
  /** The data of the next message. */
  message(): Promise<Buffer>;
  /** PRELOGIN with this ENCRYPT value; answers with the server's. */
  prelogin(encrypt: number): Promise<number>;
  login(): Promise<Buffer>;
  /** PRELOGIN with ENCRYPT_OFF, a handshake, LOGIN7 inside TLS, and then no TLS any more. */
  loginEncrypted(ca: string): Promise<Buffer>;
  readonly closed: Promise<void>;
  destroy(): void;
}

export async function openRawClient(server: DatabaseServer): Promise<RawClient> {
  const socket: Socket = connectTcp(server.port, server.host);
  const { promise: connected, resolve: onConnected, reject } = deferred<undefined>();
  const { promise: closed, resolve: onClosed } = deferred<undefined>();
  socket.once("connect", () => onConnected(undefined));
  socket.on("error", reject);
  socket.on("close", () => onClosed(undefined));
  const splitter = new MessageSplitter();
  const arrived: Buffer[] = [];
  const readers: ((data: Buffer) => void)[] = [];
  socket.on("data", (bytes: Buffer) => {
    for (const { data } of splitter.push(bytes)) {
      const reader = readers.shift();
      if (reader === undefined) arrived.push(data);
      else reader(data);
    }
  });
  await connected;

  function message(): Promise<Buffer> {
    const data = arrived.shift();
    return data === undefined ? new Promise((resolve) => readers.push(resolve)) : Promise.resolve(data);
  }

  function packet(type: number, data: Buffer, status = 1): void {
    socket.write(format(type, data, status));
  }

  async function prelogin(encrypt: number): Promise<number> {
    packet(PACKET_TYPE.prelogin, Buffer.from([0x01, 0, 6, 0, 1, 0xff, encrypt]));
    const answer = await message();
    for (let index = 0; answer[index] !== 0xff; index += 5) {
      if (answer[index] === 0x01) return answer[answer.readUInt16BE(index + 1)] ?? -1;
    }
    return -1;
  }

  /** TLS through PRELOGIN packets; `toServer` says how records travel once the handshake is done. */
  async function handshake(ca: string): Promise<{ readonly tls: TLSSocket; sendRaw(): void }> {
    let isRaw = false;
    const carrier = new Duplex({
      read: () => undefined,
      write(chunk: Buffer, _, done) {
        socket.write(isRaw ? chunk : format(PACKET_TYPE.prelogin, chunk, 1));
        done();
      },
    });
    const tls = connectTls({ socket: carrier, ca, servername: "sql.example.internal", maxVersion: "TLSv1.2" });
    const handshakeState = { isDone: false };
    tls.once("secureConnect", () => (handshakeState.isDone = true));
    while (!handshakeState.isDone) {
      carrier.push(await message());
      await new Promise((resolve) => setImmediate(resolve));
    }
    return { tls, sendRaw: () => (isRaw = true) };
  }

  return {
    packet,
    bytes: (bytes) => void socket.write(bytes),
    message,
    prelogin,
    login() {
      packet(PACKET_TYPE.login7, loginData());
      return message();
    },
    async loginEncrypted(ca) {
      const { tls, sendRaw } = await handshake(ca);
      sendRaw();
      tls.write(format(PACKET_TYPE.login7, loginData(), 1));
      return message();
    },
    closed,
    destroy: () => void socket.destroy(),
  };
}

/** A batch behind its ALL_HEADERS. */
export function batchData(text: string): Buffer {
  const headers = Buffer.alloc(22);
  headers.writeUInt32LE(22, 0);
  headers.writeUInt32LE(18, 4);
  headers.writeUInt16LE(2, 8);
  headers.writeUInt32LE(1, 18);
  return Buffer.concat([headers, Buffer.from(text, "utf16le")]);
}

function format(type: number, data: Buffer, status: number): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt8(type, 0);
  header.writeUInt8(status, 1);
  header.writeUInt16BE(data.length + 8, 2);
  return Buffer.concat([header, data]);
}

function loginData(): Buffer {
  const fixed = Buffer.alloc(94);
  fixed.writeUInt32LE(0x74000004, 4);
  const variable: Buffer[] = [];
  let offset = fixed.length;
  const put = (place: number, bytes: Buffer) => {
    fixed.writeUInt16LE(offset, place);
    fixed.writeUInt16LE(bytes.length / 2, place + 2);
    variable.push(bytes);
    offset += bytes.length;
  };
  put(40, Buffer.from(USER, "utf16le"));
  put(44, Buffer.from(Buffer.from(PASSWORD, "utf16le").map((byte) => (((byte << 4) & 0xf0) | (byte >> 4)) ^ 0xa5)));
  for (const place of [36, 48, 52, 60, 64, 68]) fixed.writeUInt16LE(offset, place);
  return Buffer.concat([fixed, ...variable]);
}
