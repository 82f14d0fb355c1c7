// Cuts the byte stream of a client into TDS messages and a server's message into packets. Looks at headers only, never at what a
// message says.
import { ProtocolError } from "./bytes.ts";

export const PACKET_TYPE = {
  batch: 0x01,
  rpc: 0x03,
  response: 0x04,
  attention: 0x06,
  transaction: 0x0e,
  login7: 0x10,
  prelogin: 0x12,
} as const;

const STATUS = { endOfMessage: 0x01, ignore: 0x02, reset: 0x08, resetKeepingTransaction: 0x10 } as const;
export const HEADER_LENGTH = 8;
export const DEFAULT_PACKET_SIZE = 4096;
const SMALLEST_PACKET_SIZE = 512;
const LARGEST_PACKET_SIZE = 32767;
const LARGEST_MESSAGE_BYTES = 64 * 1024 * 1024;

/** `ignored`: the client gave it up while sending (it wants an answer, but nothing may run). `reset`: the session starts anew. */
export interface Message {
  readonly type: number;
  readonly data: Buffer;
  readonly ignored: boolean;
  readonly reset: boolean;
}

/** Collects chunks and answers with the messages that have become whole. */
export class MessageSplitter {
  #pending: Buffer = Buffer.alloc(0);
  #type: number | undefined;
  #reset = false;
  #parts: Buffer[] = [];
  #length = 0;

  push(chunk: Buffer): Message[] {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    const messages: Message[] = [];
    while (this.#pending.length >= HEADER_LENGTH) {
      const length = this.#pending.readUInt16BE(2);
      if (length < HEADER_LENGTH) throw new ProtocolError(`A packet of ${length} bytes is shorter than its header`);
      if (this.#pending.length < length) break;
      const packet = this.#pending.subarray(0, length);
      this.#pending = this.#pending.subarray(length);
      const message = this.#accept(packet);
      if (message !== undefined) messages.push(message);
    }
    return messages;
  }

  #accept(packet: Buffer): Message | undefined {
    const type = packet.readUInt8(0);
    const status = packet.readUInt8(1);
    const data = packet.subarray(HEADER_LENGTH);
    // An attention may come between two packets of a request, which is then never finished.
    if (type === PACKET_TYPE.attention) {
      this.#forget();
      return { type, data, ignored: false, reset: false };
    }
    if (this.#type === undefined) {
      this.#type = type;
      this.#reset = (status & (STATUS.reset | STATUS.resetKeepingTransaction)) !== 0;
    } else if (this.#type !== type) {
      throw new ProtocolError(`A packet of type ${type} stands inside a message of type ${this.#type}`);
    }
    this.#parts.push(data);
    this.#length += data.length;
    if (this.#length > LARGEST_MESSAGE_BYTES) throw new ProtocolError(`A message is longer than ${LARGEST_MESSAGE_BYTES} bytes`);
    if ((status & STATUS.endOfMessage) === 0) return undefined;
    const message = { type, data: Buffer.concat(this.#parts), ignored: (status & STATUS.ignore) !== 0, reset: this.#reset };
    this.#forget();
    return message;
  }

  #forget(): void {
    this.#type = undefined;
    this.#parts = [];
    this.#length = 0;
  }
}

/** A whole message as packets, the last one marked. `packetSize` counts the header; `spid` is what the session is called. */
export function toPackets(options: {
  readonly type: number;
  readonly data: Buffer;
  readonly packetSize: number;
  readonly spid: number;
}): Buffer {
  const room = options.packetSize - HEADER_LENGTH;
  const count = Math.max(1, Math.ceil(options.data.length / room));
  const packets: Buffer[] = [];
  for (let index = 0; index < count; index++) {
    const part = options.data.subarray(index * room, (index + 1) * room);
    const header = Buffer.alloc(HEADER_LENGTH);
    header.writeUInt8(options.type, 0);
    header.writeUInt8(index === count - 1 ? STATUS.endOfMessage : 0, 1);
    header.writeUInt16BE(part.length + HEADER_LENGTH, 2);
    header.writeUInt16BE(options.spid & 0xffff, 4);
    header.writeUInt8((index + 1) & 0xff, 6);
    packets.push(header, part);
  }
  return Buffer.concat(packets);
}

/** What the server makes of the size that a client asks for. */
export function negotiatePacketSize(asked: number): number {
  if (asked === 0) return DEFAULT_PACKET_SIZE;
  return Math.min(Math.max(asked, SMALLEST_PACKET_SIZE), LARGEST_PACKET_SIZE);
}
