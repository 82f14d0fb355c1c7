// The bytes of one socket, with or without TLS: TDS first wraps the handshake into PRELOGIN packets, then TLS carries TDS. Knows
// packet headers only where the handshake makes it.
import type { Socket } from "node:net";
import { duplexPair } from "node:stream";
import { type SecureContext, TLSSocket } from "node:tls";
import { DEFAULT_PACKET_SIZE, HEADER_LENGTH, PACKET_TYPE, toPackets } from "./packets.ts";
import { endsFlight } from "./tlsRecords.ts";

/** `wrapped` for TLS inside TDS (never above TLS 1.2, as its records would not fit the exchange), `strict` for TDS 8. */
export interface SecureContexts {
  readonly wrapped: SecureContext;
  readonly strict: SecureContext;
}

export interface ChannelListener {
  data(bytes: Buffer): void;
  /** Called once; nothing is delivered after it. */
  closed(): void;
}

export interface Channel {
  send(bytes: Buffer): void;
  /** The client may now begin the handshake, inside PRELOGIN packets. */
  startTls(context: SecureContext): void;
  /** TDS 8: the first byte was already TLS. */
  startStrictTls(context: SecureContext, firstBytes: Buffer): void;
  /** After a login that alone was encrypted. */
  stopTls(): void;
  /** Sends what is written, then closes. */
  end(): void;
  destroy(): void;
  readonly isOpen: boolean;
}

const ALPN_TDS_8 = "tds/8.0";

export function openChannel(socket: Socket, listener: ChannelListener): Channel {
  let mode: "plain" | "handshake" | "tls" = "plain";
  let secure: TLSSocket | undefined;
  let encrypted: ReturnType<typeof duplexPair>[0] | undefined;
  let received: Buffer = Buffer.alloc(0);
  let flight: Buffer = Buffer.alloc(0);

  socket.on("data", (bytes: Buffer) => {
    if (mode === "plain") listener.data(bytes);
    else if (mode === "tls") encrypted?.write(bytes);
    else unwrap(bytes);
  });
  // The peer's reset ends the connection like its close does; 'close' follows.
  socket.on("error", () => socket.destroy());
  socket.on("close", () => {
    secure?.destroy();
    encrypted?.destroy();
    listener.closed();
  });

  /** The first byte that is no packet header is the client's first record outside of the handshake. */
  function unwrap(bytes: Buffer): void {
    received = Buffer.concat([received, bytes]);
    while (received.length >= HEADER_LENGTH && received[0] === PACKET_TYPE.prelogin) {
      const length = received.readUInt16BE(2);
      if (length < HEADER_LENGTH) {
        socket.destroy();
        return;
      }
      if (received.length < length) return;
      encrypted?.write(received.subarray(HEADER_LENGTH, length));
      received = received.subarray(length);
    }
    if (received.length > 0 && received[0] !== PACKET_TYPE.prelogin) {
      mode = "tls";
      encrypted?.write(received);
      received = Buffer.alloc(0);
    }
  }

  /** The driver reads exactly one message for each that it sends, so a flight must not be cut. */
  function wrap(bytes: Buffer): void {
    flight = Buffer.concat([flight, bytes]);
    if (!endsFlight(flight)) return;
    socket.write(toPackets({ type: PACKET_TYPE.prelogin, data: flight, packetSize: DEFAULT_PACKET_SIZE, spid: 0 }));
    flight = Buffer.alloc(0);
  }

  function open(context: SecureContext, alpn: string[]): void {
    const [inner, outer] = duplexPair();
    encrypted = outer;
    outer.on("data", (bytes: Buffer) => {
      if (mode === "handshake") wrap(bytes);
      else if (!socket.destroyed) socket.write(bytes);
    });
    outer.on("end", () => socket.end());
    secure = new TLSSocket(inner, { isServer: true, secureContext: context, ALPNProtocols: alpn });
    secure.on("data", (bytes: Buffer) => listener.data(bytes));
    // A refused certificate is the client's right: it shows as an alert here.
    secure.on("error", () => socket.destroy());
  }

  return {
    get isOpen() {
      return !socket.destroyed;
    },
    send(bytes) {
      if (socket.destroyed) return;
      if (secure === undefined) socket.write(bytes);
      else secure.write(bytes);
    },
    startTls(context) {
      mode = "handshake";
      open(context, []);
    },
    startStrictTls(context, firstBytes) {
      mode = "tls";
      open(context, [ALPN_TDS_8]);
      encrypted?.write(firstBytes);
    },
    stopTls() {
      mode = "plain";
      secure = undefined;
    },
    end() {
      if (secure === undefined) socket.end();
      else secure.end();
    },
    destroy() {
      socket.destroy();
    },
  };
}
