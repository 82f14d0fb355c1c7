// The first exchange of a connection: says who the server is and decides what is encrypted. Starts no TLS itself.
import { ByteReader, ProtocolError } from "./bytes.ts";

export type TlsMode = "off" | "supported" | "required";

/** `everything` and `loginOnly`: a TLS handshake follows. `refused`: the answer tells the client that it must encrypt. */
export type Encryption = "nothing" | "loginOnly" | "everything" | "refused";

const OPTION = { version: 0x00, encryption: 0x01, instance: 0x02, thread: 0x03, mars: 0x04, federated: 0x06, terminator: 0xff } as const;
const ENCRYPT = { off: 0x00, on: 0x01, notSupported: 0x02, required: 0x03 } as const;

/** SQL Server 2022, as PRELOGIN and LOGINACK say it. */
export const SERVER_VERSION = { major: 16, minor: 0, build: 4135 } as const;

export interface Prelogin {
  readonly answer: Buffer;
  readonly encryption: Encryption;
  /** The answer says FEDAUTHREQUIRED: a client that logs in with a token must say that it has seen it. */
  readonly isFederated: boolean;
}

/** `takesTokens`: FEDAUTHREQUIRED is told to a client that asks for it, as Azure does. */
export function answerPrelogin(data: Buffer, mode: TlsMode | "strict", takesTokens = false): Prelogin {
  const { byte, encryption } = negotiate(readByte(data, OPTION.encryption) ?? ENCRYPT.notSupported, mode);
  const isFederated = takesTokens && readByte(data, OPTION.federated) === 1;
  const version = Buffer.alloc(6);
  version.writeUInt8(SERVER_VERSION.major, 0);
  version.writeUInt8(SERVER_VERSION.minor, 1);
  version.writeUInt16BE(SERVER_VERSION.build, 2);
  const options: readonly (readonly [number, Buffer])[] = [
    [OPTION.version, version],
    [OPTION.encryption, Buffer.from([byte])],
    [OPTION.instance, Buffer.from([0])],
    [OPTION.thread, Buffer.alloc(0)],
    [OPTION.mars, Buffer.from([0])],
    ...(isFederated ? [[OPTION.federated, Buffer.from([1])] as const] : []),
  ];
  return { answer: formatOptions(options), encryption, isFederated };
}

/** MS-TDS 2.2.6.5: what the client asks for, against what the server offers. In TDS 8 the whole connection is inside TLS already. */
function negotiate(asked: number, mode: TlsMode | "strict"): { readonly byte: number; readonly encryption: Encryption } {
  switch (mode) {
    case "off":
    case "strict":
      return { byte: ENCRYPT.notSupported, encryption: "nothing" };
    case "supported":
      if (asked === ENCRYPT.notSupported) return { byte: ENCRYPT.notSupported, encryption: "nothing" };
      if (asked === ENCRYPT.off) return { byte: ENCRYPT.off, encryption: "loginOnly" };
      return { byte: ENCRYPT.on, encryption: "everything" };
    case "required":
      if (asked === ENCRYPT.notSupported) return { byte: ENCRYPT.required, encryption: "refused" };
      if (asked === ENCRYPT.off) return { byte: ENCRYPT.required, encryption: "everything" };
      return { byte: ENCRYPT.on, encryption: "everything" };
  }
}

/** The first byte of an option; undefined: it is not there. */
function readByte(data: Buffer, wanted: number): number | undefined {
  const reader = new ByteReader(data);
  for (let token = reader.unsigned(1); token !== OPTION.terminator; token = reader.unsigned(1)) {
    const place = reader.bytes(4);
    if (token !== wanted) continue;
    const value = data[place.readUInt16BE(0)];
    if (value === undefined || place.readUInt16BE(2) < 1) throw new ProtocolError(`The option ${wanted} of PRELOGIN has no value`);
    return value & 0x03;
  }
  return undefined;
}

function formatOptions(options: readonly (readonly [number, Buffer])[]): Buffer {
  let offset = options.length * 5 + 1;
  const directory = Buffer.alloc(offset);
  options.forEach(([token, value], index) => {
    directory.writeUInt8(token, index * 5);
    directory.writeUInt16BE(offset, index * 5 + 1);
    directory.writeUInt16BE(value.length, index * 5 + 3);
    offset += value.length;
  });
  directory.writeUInt8(OPTION.terminator, directory.length - 1);
  return Buffer.concat([directory, ...options.map(([, value]) => value)]);
}
