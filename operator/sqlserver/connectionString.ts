// Reads a .NET connection string as Microsoft.Data.SqlClient does, as far as the operator can honour it. What it cannot honour is named,
// and no message ever carries a value.
import { type DataSource, readDataSource } from "./dataSource.ts";

export interface ConnectionString {
  readonly kind: "read";
  readonly server?: DataSource;
  readonly database?: string;
  readonly user?: string;
  readonly password?: string;
  readonly encrypt?: "Mandatory" | "Optional" | "Strict";
  readonly trustServerCertificate: boolean;
  readonly connectTimeoutSeconds?: number;
  readonly hostNameInCertificate?: string;
  readonly multiSubnetFailover: boolean;
  /** What the string asks for and the operator does otherwise: sentences for a person. */
  readonly notes: readonly string[];
}

export type ConnectionStringReading = ConnectionString | { readonly kind: "refused"; readonly reason: string; readonly message: string };

const longest = 32_768;

/** What becomes of a keyword. Its name is the one that messages use. */
type Keyword =
  | "Data Source"
  | "Initial Catalog"
  | "User ID"
  | "Password"
  | "Encrypt"
  | "Trust Server Certificate"
  | "Connect Timeout"
  | "Host Name In Certificate"
  | "Multi Subnet Failover"
  | "Application Intent"
  | "Integrated Security"
  | "Authentication"
  | "AttachDbFilename"
  | "User Instance"
  | "Failover Partner"
  | "Network Library"
  | "Server Certificate"
  | { readonly ignored: string };

const ignored = (name: string): Keyword => ({ ignored: name });

// https://learn.microsoft.com/dotnet/api/microsoft.data.sqlclient.sqlconnection.connectionstring
const keywords: ReadonlyMap<string, Keyword> = new Map<string, Keyword>([
  ...synonyms("Data Source", ["server", "address", "addr", "network address"]),
  ...synonyms("Initial Catalog", ["database"]),
  ...synonyms("User ID", ["uid", "user"]),
  ...synonyms("Password", ["pwd"]),
  ...synonyms("Encrypt", []),
  ...synonyms("Trust Server Certificate", ["trustservercertificate"]),
  ...synonyms("Connect Timeout", ["connection timeout", "timeout"]),
  ...synonyms("Host Name In Certificate", ["hostnameincertificate"]),
  ...synonyms("Multi Subnet Failover", ["multisubnetfailover"]),
  ...synonyms("Application Intent", ["applicationintent"]),
  ...synonyms("Integrated Security", ["trusted_connection"]),
  ...synonyms("Authentication", []),
  ...synonyms("AttachDbFilename", ["extended properties", "initial file name"]),
  ...synonyms("User Instance", []),
  ...synonyms("Failover Partner", []),
  ...synonyms("Network Library", ["net", "network"]),
  ...synonyms("Server Certificate", ["servercertificate"]),
  ...synonyms(ignored("Application Name"), ["app"]),
  ...synonyms(ignored("Workstation ID"), ["wsid"]),
  ...synonyms(ignored("Current Language"), ["language"]),
  ...synonyms(ignored("Command Timeout"), []),
  ...synonyms(ignored("Packet Size"), []),
  ...synonyms(ignored("Persist Security Info"), ["persistsecurityinfo"]),
  ...synonyms(ignored("Pooling"), []),
  ...synonyms(ignored("Max Pool Size"), []),
  ...synonyms(ignored("Min Pool Size"), []),
  ...synonyms(ignored("Load Balance Timeout"), ["connection lifetime"]),
  ...synonyms(ignored("Pool Blocking Period"), ["poolblockingperiod"]),
  ...synonyms(ignored("Connect Retry Count"), ["connectretrycount"]),
  ...synonyms(ignored("Connect Retry Interval"), ["connectretryinterval"]),
  ...synonyms(ignored("Multiple Active Result Sets"), ["multipleactiveresultsets"]),
  ...synonyms(ignored("IP Address Preference"), ["ipaddresspreference"]),
  ...synonyms(ignored("Transparent Network IP Resolution"), ["transparentnetworkipresolution"]),
  ...synonyms(ignored("Column Encryption Setting"), []),
  ...synonyms(ignored("Enclave Attestation Url"), []),
  ...synonyms(ignored("Attestation Protocol"), []),
  ...synonyms(ignored("Server SPN"), ["serverspn"]),
  ...synonyms(ignored("Failover Partner SPN"), ["failoverpartnerspn"]),
  ...synonyms(ignored("Enlist"), []),
  ...synonyms(ignored("Replication"), []),
  ...synonyms(ignored("Transaction Binding"), []),
  ...synonyms(ignored("Type System Version"), []),
  ...synonyms(ignored("Asynchronous Processing"), ["async"]), // System.Data.SqlClient only, without effect since .NET 4.5
]);

function synonyms(keyword: Keyword, others: readonly string[]): readonly (readonly [string, Keyword])[] {
  const name = typeof keyword === "string" ? keyword : keyword.ignored;
  return [name.toLowerCase(), ...others].map((spelling) => [spelling, keyword] as const);
}

/** Never throws. */
export function readConnectionString(text: string): ConnectionStringReading {
  const items = split(text);
  if (!Array.isArray(items)) return items;
  const found = new Map<string, string>(); // last one wins; an empty value takes the keyword away
  const ignoredNames = new Set<string>();
  for (const item of items) {
    if (typeof item.keyword !== "string") ignoredNames.add(item.keyword.ignored);
    else if (item.value === "") found.delete(item.keyword);
    else found.set(item.keyword, item.value);
  }
  return refusalOf(found) ?? interpret(found, [...ignoredNames]);
}

interface Item {
  readonly keyword: Keyword;
  readonly value: string;
}

type Refusal = Extract<ConnectionStringReading, { kind: "refused" }>;

function refuse(reason: string, message: string): Refusal {
  return { kind: "refused", reason, message };
}

// White space as .NET sees it; unlike JavaScript's \s without the byte order mark.
const space = "[\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
const visible = (besides: string): string => `(?:(?!${space})[^${besides}\\p{Cc}])`;
const itemPattern = new RegExp(
  `(?:${space}|;)*` +
    `(?<key>(?:${visible("=")}|${space}+${visible("=")}|${space}+==|==)+)${space}*=(?!=)${space}*` +
    `(?:"(?<double>(?:[^"\\0]|"")*)"|'(?<single>(?:[^'\\0]|'')*)'|(?<plain>(?!["']|${space})(?:${visible(";")}|${space}+${visible(";")})*(?<!["'])))` +
    `${space}*(?:;|(?:\\0|${space})*$)`,
  "uy",
);
const endPattern = new RegExp(`^(?:${space}|;|\\0)*$`, "u");

function split(text: string): Item[] | Refusal {
  if (text.length > longest) return refuse("ConnectionStringInvalid", `The connection string is longer than ${longest} characters.`);
  const items: Item[] = [];
  for (let at = 0; !endPattern.test(text.slice(at)); at = itemPattern.lastIndex) {
    itemPattern.lastIndex = at;
    const groups = itemPattern.exec(text)?.groups;
    if (groups === undefined) return malformed(items);
    const name = (groups["key"] ?? "").replaceAll("==", "=").toLowerCase();
    const keyword = keywords.get(name);
    if (keyword === undefined) return unknownKeyword(name, items.at(-1)?.keyword);
    const value = groups["double"]?.replaceAll('""', '"') ?? groups["single"]?.replaceAll("''", "'") ?? groups["plain"] ?? "";
    items.push({ keyword, value });
  }
  return items;
}

function nameOf(keyword: Keyword | undefined): string | undefined {
  return typeof keyword === "object" ? keyword.ignored : keyword;
}

function malformed(items: readonly Item[]): Refusal {
  const last = nameOf(items.at(-1)?.keyword);
  const where = last === undefined ? "at its beginning" : `behind ${last}`;
  return refuse(
    "ConnectionStringInvalid",
    `The connection string is not of the form keyword=value;keyword=value: it cannot be read ${where}. A value with ; or a quotation mark at an end stands in "quotes".`,
  );
}

// What follows a password that has a semicolon and no quotes looks like a keyword, and is a part of the secret.
function unknownKeyword(name: string, before: Keyword | undefined): Refusal {
  if (before === "Password" || before === "User ID") {
    return refuse(
      "KeywordNotSupported",
      `The connection string has an unknown keyword behind ${before}. A value with ; stands in "quotes"; otherwise remove the keyword.`,
    );
  }
  const printable = name.replace(/[^\x20-\x7e]/g, "?").slice(0, 40);
  const cure = name.startsWith("\ufeff") ? "The Secret begins with a byte order mark: remove it." : "Remove it, or use its full name.";
  return refuse("KeywordNotSupported", `The connection string has an unknown keyword "${printable}". ${cure}`);
}

/** Asks for something that would change what the operator connects to, or as whom. */
function refusalOf(found: ReadonlyMap<string, string>): Refusal | undefined {
  const own = "Use a SQL login (User ID and Password), or spec.database.host with authentication.";
  for (const keyword of ["Integrated Security", "User Instance"] as const) {
    const value = found.get(keyword);
    const isOn = value === undefined ? false : truth(keyword === "Integrated Security" && value.toLowerCase() === "sspi" ? "true" : value);
    if (isOn === undefined) return invalid(keyword, "true or false");
    if (isOn) return refuse("KeywordNotSupported", `${keyword} cannot be honoured. ${own}`);
  }
  const authentication = found.get("Authentication")?.toLowerCase().replaceAll(" ", "");
  if (authentication !== undefined && authentication !== "sqlpassword")
    return refuse("KeywordNotSupported", `Authentication cannot be honoured unless it is SqlPassword. ${own}`);
  const cures = {
    AttachDbFilename: "Attach the database on the server, and name it in Initial Catalog.",
    "Failover Partner": "Database mirroring cannot be followed: name the availability group listener or the principal alone.",
    "Network Library": "Write the protocol into the Data Source: tcp:<host>,<port>.",
  } as const;
  for (const [keyword, cure] of Object.entries(cures)) {
    if (found.has(keyword)) return refuse("KeywordNotSupported", `${keyword} cannot be honoured. ${cure}`);
  }
  return undefined;
}

function truth(text: string): boolean | undefined {
  const value = text.trim().toLowerCase();
  if (value === "true" || value === "yes") return true;
  return value === "false" || value === "no" ? false : undefined;
}

function invalid(keyword: Keyword, rule: string): Refusal {
  return refuse(
    "ConnectionStringInvalid",
    `The value of ${nameOf(keyword) ?? ""} in the connection string is not valid: it must be ${rule}.`,
  );
}

const encryptValues: ReadonlyMap<string, NonNullable<ConnectionString["encrypt"]>> = new Map([
  ["true", "Mandatory"],
  ["yes", "Mandatory"],
  ["mandatory", "Mandatory"],
  ["false", "Optional"],
  ["no", "Optional"],
  ["optional", "Optional"],
  ["strict", "Strict"],
]);

function interpret(found: ReadonlyMap<string, string>, ignoredNames: readonly string[]): ConnectionStringReading {
  const encryptText = found.get("Encrypt");
  const encrypt = encryptText === undefined ? undefined : encryptValues.get(encryptText.trim().toLowerCase());
  if (encryptText !== undefined && encrypt === undefined) return invalid("Encrypt", "True, False, Mandatory, Optional or Strict");
  const trust = truth(found.get("Trust Server Certificate") ?? "false");
  if (trust === undefined) return invalid("Trust Server Certificate", "True or False");
  const multiSubnetFailover = truth(found.get("Multi Subnet Failover") ?? "false");
  if (multiSubnetFailover === undefined) return invalid("Multi Subnet Failover", "True or False");
  const intent = found.get("Application Intent")?.toLowerCase();
  if (intent !== undefined && intent !== "readonly" && intent !== "readwrite")
    return invalid("Application Intent", "ReadWrite or ReadOnly");
  const timeoutText = found.get("Connect Timeout");
  const timeout = timeoutText === undefined ? undefined : wholeNumber(timeoutText);
  if (timeoutText !== undefined && timeout === undefined) return invalid("Connect Timeout", "a number of seconds, not negative");
  const dataSource = found.get("Data Source");
  const server = dataSource === undefined ? undefined : readDataSource(dataSource);
  if (server?.kind === "refused") return server;
  const optional = {
    database: found.get("Initial Catalog"),
    user: found.get("User ID"),
    password: found.get("Password"),
    hostNameInCertificate: found.get("Host Name In Certificate"),
    server: server?.dataSource,
    encrypt,
    connectTimeoutSeconds: timeout,
  };
  return {
    kind: "read",
    ...withoutUndefined(optional),
    trustServerCertificate: trust,
    multiSubnetFailover,
    notes: notesOf(intent === "readonly", found.has("Server Certificate"), ignoredNames),
  };
}

function wholeNumber(text: string): number | undefined {
  const value = /^[+-]?\d{1,10}$/.test(text.trim()) ? Number(text) : undefined;
  return value === undefined || value < 0 || value > 2_147_483_647 ? undefined : value;
}

type Defined<T> = { readonly [K in keyof T]?: Exclude<T[K], undefined> };

function withoutUndefined<T extends object>(values: T): Defined<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Defined<T>;
}

function notesOf(isReadOnly: boolean, hasServerCertificate: boolean, ignoredNames: readonly string[]): readonly string[] {
  const notes: string[] = [];
  if (isReadOnly)
    notes.push("Application Intent=ReadOnly of the connection string is overruled: the operator writes rows, so it asks for the primary.");
  if (hasServerCertificate)
    notes.push("Server Certificate of the connection string is ignored: give the certificate authority in spec.database.tls.caSecretRef.");
  if (ignoredNames.length > 0) notes.push(`Ignored in the connection string, since the operator has its own: ${ignoredNames.join(", ")}.`);
  return notes;
}
