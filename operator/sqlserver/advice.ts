// What a farm's own connection string explains about a failure: why the site connects where the operator does not, and what is not tried.
// Farms with different strings can share one connection, so the sentences belong to the farm. It changes no decision, only messages.
import type { DatabaseMaterial } from "../farm/model.ts";
import type { ConnectionString } from "./connectionString.ts";
import { DatabaseError } from "./errors.ts";

/** Sentences for a person; absent where there is nothing to add. */
export interface Advice {
  /** Behind a certificate, or a way to encrypt, that was not accepted. */
  readonly encryption?: string;
  /** Behind a server that cannot be reached. */
  readonly unreachable?: string;
}

// https://learn.microsoft.com/sql/connect/ado-net/introduction-microsoft-data-sqlclient-namespace#porting-cheat-sheet
const notMentioned =
  "The connection string does not mention Encrypt: the older client (System.Data.SqlClient, of Kentico up to 13) does not encrypt unless told, so the site itself connects without looking at the certificate. Set spec.database.tls: caSecretRef to verify, mode: Insecure to encrypt without verifying, or mode: Disabled not to encrypt.";
const newerClient =
  "The connection string does not mention Encrypt, and has keywords of the newer client (Microsoft.Data.SqlClient), which then encrypts and verifies: the site itself connects if the certificate authorities of its own image or machine know the certificate, which the operator does not have.";
const mentioned =
  "The connection string encrypts: the site itself connects if the certificate authorities of its own image or machine know the certificate, which the operator does not have.";

const switchedOff =
  "The connection string says Encrypt=False: the site's own client encrypts all the same where the server demands it, without looking at the certificate. spec.database.tls.mode: Insecure does that.";

const sentences = { absent: notMentioned, newer: newerClient, Mandatory: mentioned, Strict: mentioned, Optional: switchedOff } as const;

const encryptionReasons: ReadonlySet<string> = new Set(["CertificateInvalid", "EncryptionMismatch", "TlsFailed"]);

export function adviceOf({ login, tls }: DatabaseMaterial, read: ConnectionString): Advice {
  const isOwnMachine = /^(?:localhost|127(?:\.\d+){3}|\[?::1\]?)$/i.test(read.server?.host ?? "");
  const unreachable = [
    ...(isOwnMachine ? ["The server's name means the operator's own pod here: give the name that the cluster knows it by."] : []),
    ...(read.failoverPartner === undefined
      ? []
      : [`The Failover Partner (${read.failoverPartner}) is not tried: name the server that is the principal now in Data Source.`]),
  ];
  const isTold = login.kind !== "connectionString" || tls?.mode !== undefined;
  return {
    ...(!isTold && { encryption: sentences[read.encrypt ?? (read.needsNewerClient ? "newer" : "absent")] }),
    ...(unreachable.length > 0 && { unreachable: unreachable.join(" ") }),
  };
}

/** The same error, its problem's message with the sentence that belongs to it. */
export function advised(error: unknown, { encryption, unreachable }: Advice): unknown {
  if (!(error instanceof DatabaseError)) return error;
  const { problem, outcome, cause } = error;
  const sentence = encryptionReasons.has(problem.reason) ? encryption : problem.kind === "unreachable" ? unreachable : undefined;
  return sentence === undefined ? error : new DatabaseError({ ...problem, message: `${problem.message} ${sentence}` }, outcome, cause);
}

type Method = (...parameters: never[]) => Promise<unknown>;

/** The database of a farm, whose rejections carry the farm's advice. */
export function withAdvice<Database extends object>(database: Database, advice: Advice): Database {
  if (advice.encryption === undefined && advice.unreachable === undefined) return database;
  const entries = Object.entries(database).map(([name, member]: [string, unknown]) => [
    name,
    typeof member === "function" ? advisedMethod(member as Method, advice) : member,
  ]);
  return Object.fromEntries(entries) as Database;
}

const advisedMethod =
  (method: Method, advice: Advice): Method =>
  async (...parameters) => {
    try {
      return await method(...parameters);
    } catch (error) {
      throw advised(error, advice);
    }
  };
