// Reads LOGIN7 and writes the answer to a login that succeeded. Whether it succeeds is the engine's decision.
import type { LoginRequest } from "../session.ts";
import { ByteReader, ByteWriter, ProtocolError } from "./bytes.ts";
import { negotiatePacketSize } from "./packets.ts";
import { SERVER_VERSION } from "./prelogin.ts";
import { doneToken, ENVIRONMENT, environmentText, environmentBytes, messageToken } from "./tokens.ts";
import { COLLATION } from "./types.ts";

export interface Login {
  readonly request: LoginRequest;
  readonly packetSize: number;
  readonly tdsVersion: number;
  readonly features: readonly number[];
  /** fFedAuthEcho, where a token came. */
  readonly echo?: boolean;
}

const FIXED_LENGTH = 94;
const FEATURE = { federated: 0x02, utf8: 0x0a, terminator: 0xff } as const;
const SECURITY_TOKEN = 1;
const READ_ONLY_INTENT = 0x20;
const EXTENSION_USED = 0x10;
const TDS_7_4 = 0x74000004;
const TDS_8_0 = 0x08000000;

export function readLogin(data: Buffer): Login {
  if (data.length < FIXED_LENGTH) throw new ProtocolError(`LOGIN7 has only ${data.length} bytes`);
  const text = (place: number): Buffer => {
    const offset = data.readUInt16LE(place);
    return new ByteReader(data.subarray(offset)).bytes(data.readUInt16LE(place + 2) * 2);
  };
  const features = readFeatures(data);
  const federated = readFederated(features.get(FEATURE.federated));
  return {
    request: {
      hostName: text(36).toString("utf16le"),
      processId: data.readUInt32LE(16),
      user: text(40).toString("utf16le"),
      password: unscramble(text(44)).toString("utf16le"),
      applicationName: text(48).toString("utf16le"),
      database: text(68).toString("utf16le"),
      readOnlyIntent: (data.readUInt8(26) & READ_ONLY_INTENT) !== 0,
      ...(federated !== undefined && { token: federated.token }),
    },
    tdsVersion: data.readUInt32LE(4),
    packetSize: negotiatePacketSize(data.readUInt32LE(8)),
    features: [...features.keys()],
    ...(federated !== undefined && { echo: federated.echo }),
  };
}

/** MS-TDS 2.2.6.4: each byte has its halves swapped, then every other bit turned. */
function unscramble(bytes: Buffer): Buffer {
  return Buffer.from(bytes.map((byte) => swapHalves(byte ^ 0xa5)));
}

function swapHalves(byte: number): number {
  return ((byte << 4) & 0xf0) | (byte >> 4);
}

function readFeatures(data: Buffer): ReadonlyMap<number, Buffer> {
  const features = new Map<number, Buffer>();
  if ((data.readUInt8(27) & EXTENSION_USED) === 0) return features;
  const pointer = new ByteReader(data.subarray(data.readUInt16LE(56))).unsigned(4);
  const reader = new ByteReader(data.subarray(pointer));
  for (let id = reader.unsigned(1); id !== FEATURE.terminator; id = reader.unsigned(1)) features.set(id, reader.bytes(reader.unsigned(4)));
  return features;
}

/**
 * MS-TDS 2.2.6.4, FEDAUTH: one byte with fFedAuthEcho (the lowest bit) and bFedAuthLibrary, then for a security token (library 1) its length in
 * bytes and itself in UTF-16. A nonce would follow only where the client's PRELOGIN had one, which no client of ours sends.
 */
function readFederated(data: Buffer | undefined): { readonly token: string; readonly echo: boolean } | undefined {
  if (data === undefined) return undefined;
  const reader = new ByteReader(data);
  const options = reader.unsigned(1);
  if (options >> 1 !== SECURITY_TOKEN) throw new ProtocolError(`FEDAUTH with library ${options >> 1}, which is not served here`);
  const token = reader.bytes(reader.unsigned(4));
  if (token.length === 0 || token.length % 2 !== 0 || data.length !== 5 + token.length)
    throw new ProtocolError(`FEDAUTH has ${data.length} bytes for a token of ${token.length}`);
  return { token: token.toString("utf16le"), echo: (options & 1) === 1 };
}

/** The tokens of a successful login, in the order in which SQL Server sends them. */
export function formatLoginAnswer(login: Login, database: string): Buffer {
  const information = (number: number, message: string) => messageToken({ number, state: 2, class: 0, line: 1, message });
  const program = "Microsoft SQL Server";
  const acknowledgement = new ByteWriter().unsigned(1, 1).bytes(versionBytes(login.tdsVersion)).shortText(program);
  acknowledgement.bytes(Buffer.from([SERVER_VERSION.major, SERVER_VERSION.minor, SERVER_VERSION.build >> 8, SERVER_VERSION.build & 0xff]));
  const body = acknowledgement.finish();
  return Buffer.concat([
    environmentText(ENVIRONMENT.database, database, "master"),
    information(5701, `Changed database context to '${database}'.`),
    environmentBytes(ENVIRONMENT.collation, COLLATION, Buffer.alloc(0)),
    environmentText(ENVIRONMENT.language, "us_english", ""),
    information(5703, "Changed language setting to us_english."),
    new ByteWriter().unsigned(1, 0xad).unsigned(2, body.length).bytes(body).finish(),
    environmentText(ENVIRONMENT.packetSize, String(login.packetSize), "4096"),
    featureAnswer(login.features),
    doneToken({ kind: "done" }),
  ]);
}

function versionBytes(asked: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(asked === TDS_8_0 ? TDS_8_0 : TDS_7_4);
  return bytes;
}

/** FEATUREEXTACK. That of a security token without a nonce is empty (MS-TDS 2.2.7.11). */
function featureAnswer(features: readonly number[]): Buffer {
  const writer = new ByteWriter().unsigned(1, 0xae);
  const known = features.filter((id) => id === FEATURE.federated || id === FEATURE.utf8);
  if (known.length === 0) return Buffer.alloc(0);
  for (const id of known) {
    if (id === FEATURE.utf8) writer.unsigned(1, id).unsigned(4, 1).unsigned(1, 1);
    else writer.unsigned(1, id).unsigned(4, 0);
  }
  return writer.unsigned(1, FEATURE.terminator).finish();
}
