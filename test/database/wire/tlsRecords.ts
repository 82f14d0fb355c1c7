// Says where a server's flight of a TLS 1.2 handshake ends, from the records alone. Decrypts nothing.

const RECORD = { changeCipherSpec: 20, alert: 21, handshake: 22 } as const;
const RECORD_HEADER_LENGTH = 5;
const SERVER_HELLO_DONE = Buffer.from([0x0e, 0x00, 0x00, 0x00]);

/** Whole records, the last of which is ServerHelloDone, the Finished behind a ChangeCipherSpec, or an alert. */
export function endsFlight(bytes: Buffer): boolean {
  let offset = 0;
  let isCipherChanged = false;
  let isEnd = false;
  while (offset < bytes.length) {
    if (bytes.length - offset < RECORD_HEADER_LENGTH) return false;
    const type = bytes.readUInt8(offset);
    const start = offset + RECORD_HEADER_LENGTH;
    offset = start + bytes.readUInt16BE(offset + 3);
    if (offset > bytes.length) return false;
    const isHelloDone = bytes.subarray(start, offset).subarray(-SERVER_HELLO_DONE.length).equals(SERVER_HELLO_DONE);
    isEnd = type === RECORD.alert || (type === RECORD.handshake && (isCipherChanged || isHelloDone));
    isCipherChanged ||= type === RECORD.changeCipherSpec;
  }
  return isEnd;
}
