// The numbers and codes by which server and driver say what is wrong, and what each means to a farm. Data only.
import type { DatabaseProblem } from "../farm/model.ts";

export interface ErrorRule {
  readonly numbers: readonly number[];
  readonly kind: DatabaseProblem["kind"];
  readonly reason: string;
  readonly stalled?: true;
  readonly retryAfterMs?: number;
  readonly say: string;
  /** The server's own sentence follows: it names tables, columns or values, never a login. */
  readonly quote?: true;
}

// Numbers: SqlClient's and EF Core's lists of transient errors, and Microsoft's list of the engine's errors; of refused logins:
// https://learn.microsoft.com/sql/relational-databases/errors-events/database-engine-events-and-errors-18000-to-18999 and 16000-to-17999
export const errorRules: readonly ErrorRule[] = [
  {
    // Only numbers that are about this login and its password: the gate does not ask again with them for minutes.
    numbers: [18456, 18450, 18452, 18470, 18486, 18487, 18488],
    kind: "login",
    reason: "LoginFailed",
    stalled: true,
    say: "The server refused the login: check user and password in the Secret, and whether the login is locked, disabled or expired.",
  },
  {
    numbers: [4060],
    kind: "login",
    reason: "DatabaseNotAccessible",
    stalled: true,
    say: "The login may not open the database, or there is none of that name: check the name, and create a user for the login there. So it is too while the database is offline, being restored or recovering, as after a restart of the server: it is asked again.",
  },
  {
    numbers: [916],
    kind: "permission",
    reason: "DatabaseNotAccessible",
    stalled: true,
    // Perhaps another database than the site's: a trigger of its tables may write there.
    say: "The login has no user in a database that it was led to: CREATE USER for it in the database that the server names, and grant it what is needed there.",
    quote: true,
  },
  {
    numbers: [4064],
    kind: "permission",
    reason: "DatabaseNotAccessible",
    stalled: true,
    say: "The login has no user in the database: CREATE USER for it there, and run the README's script of permissions.",
  },
  { numbers: [229, 230, 262], kind: "permission", reason: "GrantMissing", stalled: true, say: "A permission is missing.", quote: true },
  {
    numbers: [208],
    kind: "schema",
    reason: "TableMissing",
    stalled: true,
    say: "A table of the product is not there, or the operator's user may not see it.",
    quote: true,
  },
  {
    numbers: [207, 213, 468],
    kind: "schema",
    reason: "TableChanged",
    say: "The product's tables have changed; they are looked at again.",
    quote: true,
  },
  {
    numbers: [334, 8622],
    kind: "schema",
    reason: "ShapeNotSupported",
    stalled: true,
    say: "The product's tables are of a kind that the operator's statements cannot work on.",
    quote: true,
  },
  {
    numbers: [8003, 10738],
    kind: "schema",
    reason: "StatementTooLarge",
    stalled: true,
    say: "The server refused the size of a statement: report this as an error of the operator.",
    quote: true,
  },
  {
    numbers: [3906, 3908],
    kind: "readOnly",
    reason: "ReadOnly",
    say: "The database is read-only here: a secondary, or set so. Name the listener or the primary.",
  },
  {
    numbers: [976, 978, 983, 982, 979],
    kind: "unreachable",
    reason: "ReplicaMoving",
    say: "The availability group is moving, or this replica does not accept connections.",
  },
  { numbers: [1222], kind: "busy", reason: "LockTimeout", say: "Another session held the rows for longer than the operator waits." },
  { numbers: [1205, 3960], kind: "busy", reason: "Deadlock", say: "The request was the victim of a deadlock." },
  {
    numbers: [9002],
    kind: "busy",
    reason: "LogFull",
    stalled: true,
    say: "The transaction log of the database is full: back it up or let it grow.",
  },
  { numbers: [1101, 1105], kind: "busy", reason: "DiskFull", stalled: true, say: "The database has no space left." },
  {
    numbers: [40615, 40914],
    kind: "unreachable",
    reason: "FirewallBlocked",
    stalled: true,
    say: "The firewall of the server does not let the operator in: allow its address there.",
  },
  { numbers: [40501], kind: "busy", reason: "Throttled", retryAfterMs: 10_000, say: "The server asks for patience." },
  {
    numbers: [10928, 10929, 49918, 49919, 49920, 701, 8645, 8651, 1204, 40544],
    kind: "busy",
    reason: "OutOfResources",
    say: "The server is out of resources.",
  },
  {
    numbers: [41301, 41302, 41305, 41325, 41339],
    kind: "busy",
    reason: "TransactionConflict",
    say: "The request met another transaction.",
  },
  {
    numbers: [2601, 2627, 515, 547, 2628, 8152, 242, 8115, 50000, 3609, 3616],
    kind: "refused",
    reason: "RowRefused",
    say: "The server refused the row.",
    quote: true,
  },
  {
    numbers: [
      233, 997, 4221, 10060, 40143, 40540, 40197, 40613, 42108, 42109, 20, 64, 121, 10053, 10054, 49977, 49983, 615, 921, 922, 926, 927,
      942, 945, 952, 6005,
    ],
    kind: "unreachable",
    reason: "ServerUnavailable",
    say: "The server cannot serve the database now; it is asked again.",
    quote: true,
  },
  {
    numbers: [18401, 18451, 18461, 17142, 17187, 17188, 17813],
    kind: "unreachable",
    reason: "ServerUnavailable",
    say: "The server lets nobody in now: it is starting, being patched, paused, going down, or open to administrators only. It is asked again; user and password are not the matter.",
  },
  {
    numbers: [17189, 17197, 17803, 17809, 18458, 18459, 18460],
    kind: "unreachable",
    reason: "ServerUnavailable",
    say: "The server has no room for another connection now: too many are open, or threads or memory are short. It is asked again; user and password are not the matter.",
  },
  {
    numbers: [40532],
    kind: "unreachable",
    reason: "ServerUnavailable",
    say: "The gateway of the server does not find it: it is moving, or its name (also one behind the user's name) is wrong. It is asked again.",
  },
  {
    numbers: [266, 3902, 3903, 3930, 3998],
    kind: "unreachable",
    reason: "SessionBroken",
    say: "A transaction was left in an odd state; the connection is dropped.",
  },
];

export const ruleByNumber: ReadonlyMap<number, ErrorRule> = new Map(
  errorRules.flatMap((rule) => rule.numbers.map((number) => [number, rule] as const)),
);

export const certificateCures: readonly { readonly codes: readonly string[]; readonly why: string; readonly cure: string }[] = [
  {
    codes: [
      "DEPTH_ZERO_SELF_SIGNED_CERT",
      "SELF_SIGNED_CERT_IN_CHAIN",
      "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
      "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
      "UNABLE_TO_GET_ISSUER_CERT",
    ],
    why: "it is signed by nobody whom the operator knows",
    cure: "Give its certificate authority in spec.database.tls.caSecretRef, or set tls.mode: Insecure.",
  },
  {
    codes: ["ERR_TLS_CERT_ALTNAME_INVALID"],
    why: "it is made out to another name",
    cure: "Set spec.database.tls.serverName to the name in the certificate.",
  },
  { codes: ["CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID"], why: "it has expired or is not valid yet", cure: "Renew the server's certificate." },
];
