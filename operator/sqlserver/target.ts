// What to connect to, and how: from the resource and its Secret to one checked value. It opens nothing, and no problem that it reports
// carries a user or a password.
import { createHash } from "node:crypto";
import { isIPv6 } from "node:net";

import type { DatabaseMaterial, DatabaseProblem, WorkloadIdentity } from "../farm/model.ts";
import type { TlsMode } from "../farm/resource.generated.ts";
import { type Advice, adviceOf } from "./advice.ts";
import { type ConnectionString, readConnectionString } from "./connectionString.ts";

export interface Target {
  readonly address: { readonly host: string; readonly port: number } | { readonly host: string; readonly instance: string };
  readonly endpoint: string; // "host,port" or "host\instance"
  readonly database: string;
  readonly user: string; // empty with an identity
  readonly password: string; // empty with an identity
  /** Logs in with a token of it. */
  readonly identity?: WorkloadIdentity;
  readonly tls: { readonly mode: TlsMode; readonly serverName?: string; readonly ca?: string };
  readonly multiSubnetFailover: boolean;
  readonly connectTimeoutMs: number;
  readonly notes: readonly string[];
  readonly advice: Advice;
  /** Equal for two targets that one pool can serve. A hash: it may be compared, never shown. */
  readonly key: string;
  /** Equal for the attempts that count against one login at one server. */
  readonly loginKey: string;
  /** As `loginKey`, with the password: what the server refused once it refuses again. */
  readonly credentialKey: string;
}

export type TargetReading =
  { readonly kind: "target"; readonly target: Target } | { readonly kind: "refused"; readonly problem: DatabaseProblem };

const defaultPort = 1433;
const connectTimeoutMs = { default: 15_000, least: 1_000, most: 30_000 };

/** `allowedHosts`: exact names or `*.suffix`; empty allows any. */
export function targetOf(material: DatabaseMaterial, allowedHosts: readonly string[]): TargetReading {
  const { login } = material;
  const read: ConnectionString | Extract<ReturnType<typeof readConnectionString>, { kind: "refused" }> =
    login.kind === "connectionString" ? readConnectionString(login.text) : partsOf(login);
  if (read.kind === "refused") return refused(read.reason, read.message);
  const { server, database, user, password } = read;
  if (server === undefined) return refused("ServerMissing", "The connection string names no server. Add Data Source=<host>.");
  if (database === undefined) return refused("DatabaseMissing", "The connection string names no database. Add Initial Catalog=<name>.");
  const identity = login.kind === "identity" ? login.identity : undefined;
  if (identity === undefined && (user === undefined || password === undefined))
    return refused("CredentialsMissing", "User ID or Password is missing. The operator logs in with a SQL login: give both.");
  const host = withoutBrackets(server.host);
  const wrong = hostProblem(host, server.port, allowedHosts);
  if (wrong !== undefined) return wrong;
  const address =
    server.instance !== undefined && server.port === undefined
      ? { host, instance: server.instance }
      : { host, port: server.port ?? defaultPort };
  const rest = common(material, read);
  if (identity !== undefined && !isVerified(rest.tls.mode))
    return refused(
      "TlsRequired",
      `A token is sent only to a server whose certificate is verified: set spec.database.tls.mode to Required or Strict; it is ${rest.tls.mode}.`,
    );
  const credentials = { user: user ?? "", password: password ?? "", ...(identity !== undefined && { identity }) };
  return { kind: "target", target: withKeys({ ...rest, address, endpoint: endpointOf(address), database, ...credentials }) };
}

function partsOf(login: Exclude<DatabaseMaterial["login"], { readonly kind: "connectionString" }>): ConnectionString {
  return {
    kind: "read",
    server: {
      host: login.host,
      ...(login.port !== undefined && { port: login.port }),
      ...(login.instance !== undefined && { instance: login.instance }),
    },
    database: login.database,
    ...(login.kind === "parts" && { user: login.user, password: login.password }),
    trustServerCertificate: false,
    multiSubnetFailover: false,
    notes: [],
  };
}

const isVerified = (mode: TlsMode): boolean => mode === "Required" || mode === "Strict";

function refused(reason: string, message: string): { readonly kind: "refused"; readonly problem: DatabaseProblem } {
  return { kind: "refused", problem: { kind: "configuration", reason, message, stalled: true } };
}

function withoutBrackets(host: string): string {
  return host.startsWith("[") && host.endsWith("]") ? host.slice(1, -1) : host;
}

function hostProblem(
  host: string,
  port: number | undefined,
  allowedHosts: readonly string[],
): Extract<TargetReading, { kind: "refused" }> | undefined {
  if (host.includes(":") && !isIPv6(host.split("%")[0] ?? ""))
    return refused("ServerInvalid", "The server's name has a colon. A port follows a comma: <host>,<port>.");
  if (!/^[\p{L}\p{N}._:%-]+$/u.test(host)) return refused("ServerInvalid", "The server's name has a character that no host name has.");
  if (port !== undefined && (port < 1 || port > 65_535)) return refused("ServerInvalid", "The server's port must be between 1 and 65535.");
  if (!isHostAllowed(host, allowedHosts))
    return refused("HostNotAllowed", `The operator may not connect to ${host}: add it to WEBFARM_ALLOWED_DATABASE_HOSTS.`);
  return undefined;
}

/** `*.example.com` allows every name below it, not itself. No name at all allows any. */
export function isHostAllowed(host: string, allowedHosts: readonly string[]): boolean {
  if (allowedHosts.length === 0) return true;
  const name = host.toLowerCase().replace(/\.$/, "");
  return allowedHosts.some((entry) => {
    const allowed = entry.toLowerCase();
    return allowed.startsWith("*.") ? name.length > allowed.length - 1 && name.endsWith(allowed.slice(1)) : name === allowed;
  });
}

function endpointOf(address: Target["address"]): string {
  return "instance" in address ? `${address.host}\\${address.instance}` : `${address.host},${address.port}`;
}

function common(
  material: DatabaseMaterial,
  read: ConnectionString,
): Pick<Target, "tls" | "multiSubnetFailover" | "connectTimeoutMs" | "notes" | "advice"> {
  const given = material.tls ?? {};
  const serverName = given.serverName ? given.serverName : read.hostNameInCertificate;
  const seconds = read.connectTimeoutSeconds;
  // 0 means "for ever" in .NET, and sites ask for minutes: a pass has its own limit.
  const wantedMs = seconds === undefined ? connectTimeoutMs.default : seconds === 0 ? connectTimeoutMs.most : seconds * 1_000;
  return {
    tls: {
      mode: given.mode ?? modeOf(read),
      ...(serverName !== undefined && { serverName }),
      ...(given.ca !== undefined && { ca: given.ca }),
    },
    multiSubnetFailover: material.multiSubnetFailover || read.multiSubnetFailover,
    connectTimeoutMs: Math.min(Math.max(wantedMs, connectTimeoutMs.least), connectTimeoutMs.most),
    notes: [...read.notes, ...(given.mode === undefined && read.encrypt === "Optional" ? [unencryptedNote] : [])],
    advice: adviceOf(material, read),
  };
}

// The site's client encrypts the login even then, the operator's driver does not.
const unencryptedNote =
  "Encrypt=False of the connection string: the operator sends its login unencrypted too. Set spec.database.tls.mode to Required or Insecure to encrypt.";

/**
 * | Encrypt              | Trust Server Certificate | mode     |
 * |----------------------|--------------------------|----------|
 * | absent or Mandatory  | False or absent          | Required |
 * | absent or Mandatory  | True                     | Insecure |
 * | Optional             | any                      | Disabled |
 * | Strict               | any (always verified)    | Strict   |
 */
function modeOf(read: ConnectionString): TlsMode {
  if (read.encrypt === "Strict") return "Strict";
  if (read.encrypt === "Optional") return "Disabled";
  return read.trustServerCertificate ? "Insecure" : "Required";
}

function withKeys(target: Omit<Target, "key" | "loginKey" | "credentialKey">): Target {
  // Of an identity every token is the same login.
  const login = [target.endpoint.toLowerCase(), target.user, ...(target.identity === undefined ? [] : [target.identity])];
  const { notes: _notes, advice: _advice, ...identity } = target;
  return { ...target, key: hash(identity), loginKey: hash(login), credentialKey: hash([...login, target.password]) };
}

function hash(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex");
}
