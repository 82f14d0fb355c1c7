// Makes X.509 certificates at run time, so that none lies in the repository and none expires: an authority, a server certificate
// that it issued, and certificates that must not verify. For tests only; never looks at a certificate.
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { isIPv4 } from "node:net";

/** Both PEM. */
export interface Certificate {
  readonly certificate: string;
  readonly key: string;
}

export interface CertificateAuthority extends Certificate {
  readonly commonName: string;
  readonly privateKey: KeyObject;
}

export interface Certificates {
  /** PEM of the authority, for `ca`. */
  readonly authority: string;
  /** Verifies for localhost, 127.0.0.1 and sql.example.internal. */
  readonly server: Certificate;
  /** The same names, but another authority: "unable to verify". */
  readonly untrusted: Certificate;
  /** The right authority, but only for other.example.internal. */
  readonly wrongName: Certificate;
}

export const SERVER_NAMES: readonly string[] = ["localhost", "127.0.0.1", "sql.example.internal"];
const DAY_MS = 86_400_000;
const VALID_DAYS = 397;
const OID = {
  commonName: [0x55, 0x04, 0x03],
  basicConstraints: [0x55, 0x1d, 0x13],
  subjectAlternativeName: [0x55, 0x1d, 0x11],
  ecdsaWithSha256: [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02],
} as const;

export function makeCertificates(): Certificates {
  const authority = makeAuthority("database under test");
  return {
    authority: authority.certificate,
    server: issueCertificate(authority, SERVER_NAMES),
    untrusted: issueCertificate(makeAuthority("nobody's authority"), SERVER_NAMES),
    wrongName: issueCertificate(authority, ["other.example.internal"]),
  };
}

export function makeAuthority(commonName: string): CertificateAuthority {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const isAuthority = sequence(der(0x01, Buffer.from([0xff])));
  const certificate = signCertificate({
    issuer: commonName,
    subject: commonName,
    publicKey,
    signingKey: privateKey,
    extensions: [sequence(oid(OID.basicConstraints), der(0x01, Buffer.from([0xff])), der(0x04, isAuthority))],
  });
  return { commonName, privateKey, certificate, key: pemKey(privateKey) };
}

/** `names`: DNS names or IPv4 addresses. */
export function issueCertificate(authority: CertificateAuthority, names: readonly string[]): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const alternatives = sequence(
    ...names.map((name) => (isIPv4(name) ? der(0x87, Buffer.from(name.split(".").map(Number))) : der(0x82, Buffer.from(name, "ascii")))),
  );
  const certificate = signCertificate({
    issuer: authority.commonName,
    subject: names[0] ?? "",
    publicKey,
    signingKey: authority.privateKey,
    extensions: [sequence(oid(OID.subjectAlternativeName), der(0x04, alternatives))],
  });
  return { certificate, key: pemKey(privateKey) };
}

function signCertificate(options: {
  readonly issuer: string;
  readonly subject: string;
  readonly publicKey: KeyObject;
  readonly signingKey: KeyObject;
  readonly extensions: readonly Buffer[];
}): string {
  const now = Date.now();
  const algorithm = sequence(oid(OID.ecdsaWithSha256));
  const version3 = der(0xa0, der(0x02, Buffer.from([2])));
  // A serial number is positive: the first bit stays clear.
  const serial = der(0x02, Buffer.concat([Buffer.from([0x01]), randomBytes(15)]));
  const toBeSigned = sequence(
    version3,
    serial,
    algorithm,
    distinguishedName(options.issuer),
    sequence(time(now - DAY_MS), time(now + VALID_DAYS * DAY_MS)),
    distinguishedName(options.subject),
    options.publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, sequence(...options.extensions)),
  );
  const signature = sign("sha256", toBeSigned, options.signingKey);
  const bytes = sequence(toBeSigned, algorithm, der(0x03, Buffer.concat([Buffer.from([0]), signature])));
  const lines = bytes.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}

function pemKey(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" }).toString();
}

function distinguishedName(commonName: string): Buffer {
  return sequence(der(0x31, sequence(oid(OID.commonName), der(0x0c, Buffer.from(commonName, "utf8")))));
}

/** UTCTime: YYMMDDhhmmssZ. */
function time(ms: number): Buffer {
  return der(
    0x17,
    Buffer.from(
      new Date(ms)
        .toISOString()
        .replaceAll(/[-:T]|\.\d+/g, "")
        .slice(2),
      "ascii",
    ),
  );
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts));
}

function oid(bytes: readonly number[]): Buffer {
  return der(0x06, Buffer.from(bytes));
}

/** Tag, length (one byte, or the number of its bytes and then these), content. */
function der(tag: number, content: Buffer): Buffer {
  const length: number[] = [];
  for (let rest = content.length; rest > 0; rest >>= 8) length.unshift(rest & 0xff);
  const head = content.length < 0x80 ? [tag, content.length] : [tag, 0x80 | length.length, ...length];
  return Buffer.concat([Buffer.from(head), content]);
}
