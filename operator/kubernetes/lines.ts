// Whole lines out of the chunks of a stream. A character, or a line, may span chunks: bytes are kept until its newline has come.

const newline = 0x0a;
/** etcd takes 1.5 MiB for an object; JSON is up to three times that. */
const longestLineBytes = 16 * 2 ** 20;

export class Lines {
  #parts: Uint8Array[] = [];
  #bytes = 0;

  /** The lines that this chunk completes, empty ones left out. Throws when a line grows too long. */
  push(chunk: Uint8Array): string[] {
    const lines: string[] = [];
    let from = 0;
    for (let at = chunk.indexOf(newline); at !== -1; at = chunk.indexOf(newline, from)) {
      const line = this.#complete(chunk.subarray(from, at));
      if (line !== "") lines.push(line);
      from = at + 1;
    }
    if (from < chunk.length) this.#keep(chunk.subarray(from));
    return lines;
  }

  #complete(end: Uint8Array): string {
    if (this.#parts.length === 0) return textOf(end);
    this.#keep(end);
    const line = textOf(Buffer.concat(this.#parts, this.#bytes));
    this.#parts = [];
    this.#bytes = 0;
    return line;
  }

  #keep(part: Uint8Array): void {
    this.#bytes += part.length;
    if (this.#bytes > longestLineBytes) throw new Error(`a line of the watch is longer than ${longestLineBytes} bytes`);
    this.#parts.push(part);
  }
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8").trim();
}
