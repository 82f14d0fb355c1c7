// Cursors over bytes in the order TDS writes them (little-endian unless named otherwise). They know no token and no type.

/** The peer sent bytes that are not TDS, or not what this server reads. The connection ends with it. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

const LARGEST_INT_BITS = 48;

export class ByteReader {
  readonly #bytes: Buffer;
  #position = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get remaining(): number {
    return this.#bytes.length - this.#position;
  }

  bytes(length: number): Buffer {
    if (length > this.remaining) throw new ProtocolError(`Cannot read ${length} bytes: only ${this.remaining} are left`);
    const start = this.#position;
    this.#position += length;
    return this.#bytes.subarray(start, this.#position);
  }

  /** An unsigned number of 1 to 6 bytes. */
  unsigned(length: number): number {
    if (length * 8 > LARGEST_INT_BITS) throw new RangeError(`Cannot read a number of ${length} bytes`);
    return this.bytes(length).readUIntLE(0, length);
  }

  signed(length: number): number {
    return this.bytes(length).readIntLE(0, length);
  }

  unsigned64(): bigint {
    return this.bytes(8).readBigUInt64LE();
  }

  signed64(): bigint {
    return this.bytes(8).readBigInt64LE();
  }

  /** UTF-16 text of that many characters. */
  text(characters: number): string {
    return this.bytes(characters * 2).toString("utf16le");
  }

  rest(): Buffer {
    return this.bytes(this.remaining);
  }
}

export class ByteWriter {
  #bytes = Buffer.allocUnsafe(1024);
  #length = 0;

  #grow(length: number): number {
    const start = this.#length;
    this.#length += length;
    if (this.#length > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#length, this.#bytes.length * 2));
      this.#bytes.copy(larger, 0, 0, start);
      this.#bytes = larger;
    }
    return start;
  }

  bytes(bytes: Uint8Array): this {
    const start = this.#grow(bytes.length);
    this.#bytes.set(bytes, start);
    return this;
  }

  unsigned(length: number, value: number): this {
    const start = this.#grow(length);
    this.#bytes.writeUIntLE(value, start, length);
    return this;
  }

  signed(length: number, value: number): this {
    const start = this.#grow(length);
    this.#bytes.writeIntLE(value, start, length);
    return this;
  }

  unsigned64(value: bigint): this {
    const start = this.#grow(8);
    this.#bytes.writeBigUInt64LE(value, start);
    return this;
  }

  signed64(value: bigint): this {
    const start = this.#grow(8);
    this.#bytes.writeBigInt64LE(value, start);
    return this;
  }

  text(value: string): this {
    return this.bytes(Buffer.from(value, "utf16le"));
  }

  /** B_VARCHAR: text behind its length in one byte. */
  shortText(value: string): this {
    return this.unsigned(1, value.length).text(value);
  }

  /** US_VARCHAR: text behind its length in two bytes. */
  longText(value: string): this {
    return this.unsigned(2, value.length).text(value);
  }

  finish(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }
}
