// The keywords that a .NET connection string may have: their spellings, what values Microsoft's clients take, and whether the operator does
// something with them. Data, and how to find one; it reads no string.

/** What a value must be. Numbers are whole. */
export type ValueRule = "any" | "boolean" | { readonly least: number; readonly most: number };

export interface Keyword {
  /** The one that messages use. */
  readonly name: string;
  /** `ignored`: concerns a client that is not the operator's. */
  readonly use: "read" | "ignored";
  readonly rule: ValueRule;
}

const mostInt = 2_147_483_647;
const number = (least: number, most = mostInt): ValueRule => ({ least, most });

type Row = readonly [name: string, synonyms: readonly string[], rule?: ValueRule];

// https://learn.microsoft.com/dotnet/api/microsoft.data.sqlclient.sqlconnection.connectionstring
const read: readonly Row[] = [
  ["Data Source", ["server", "address", "addr", "network address"]],
  ["Initial Catalog", ["database"]],
  ["User ID", ["uid", "user"]],
  ["Password", ["pwd"]],
  ["Encrypt", []],
  ["Trust Server Certificate", ["trustservercertificate"], "boolean"],
  ["Connect Timeout", ["connection timeout", "timeout"], number(0)],
  ["Host Name In Certificate", ["hostnameincertificate"]],
  ["Multi Subnet Failover", ["multisubnetfailover"], "boolean"],
  ["Application Intent", ["applicationintent"]],
  ["Integrated Security", ["trusted_connection"]],
  ["Authentication", []],
  ["AttachDbFilename", ["extended properties", "initial file name"]],
  ["User Instance", [], "boolean"],
  ["Context Connection", [], "boolean"], // System.Data.SqlClient only
  ["Failover Partner", []],
  ["Network Library", ["net", "network"]],
  ["Server Certificate", ["servercertificate"]],
];

const ignored: readonly Row[] = [
  ["Application Name", ["app"]],
  ["Workstation ID", ["wsid"]],
  ["Current Language", ["language"]],
  ["Command Timeout", [], number(0)],
  ["Packet Size", [], number(512, 32_768)],
  ["Persist Security Info", ["persistsecurityinfo"], "boolean"],
  ["Pooling", [], "boolean"],
  ["Max Pool Size", [], number(1)],
  ["Min Pool Size", [], number(0)],
  ["Load Balance Timeout", ["connection lifetime"], number(0)],
  ["Pool Blocking Period", ["poolblockingperiod"]],
  ["Connect Retry Count", ["connectretrycount"], number(0, 255)],
  ["Connect Retry Interval", ["connectretryinterval"], number(1, 60)],
  ["Multiple Active Result Sets", ["multipleactiveresultsets"], "boolean"],
  ["IP Address Preference", ["ipaddresspreference"]],
  ["Transparent Network IP Resolution", ["transparentnetworkipresolution"], "boolean"],
  ["Column Encryption Setting", []],
  ["Enclave Attestation Url", []],
  ["Attestation Protocol", []],
  ["Server SPN", ["serverspn"]],
  ["Failover Partner SPN", ["failoverpartnerspn"]],
  ["Enlist", [], "boolean"],
  ["Replication", [], "boolean"],
  ["Transaction Binding", []],
  ["Type System Version", []],
  ["Asynchronous Processing", ["async"], "boolean"], // this and the next: System.Data.SqlClient only, without effect since .NET 4.5
  ["Connection Reset", [], "boolean"],
];

const spelled = (rows: readonly Row[], use: Keyword["use"]): readonly (readonly [string, Keyword])[] =>
  rows.flatMap(([name, synonyms, rule = "any"]) =>
    [name.toLowerCase(), ...synonyms].map((spelling) => [spelling, { name, use, rule }] as const),
  );

const keywords: ReadonlyMap<string, Keyword> = new Map([...spelled(read, "read"), ...spelled(ignored, "ignored")]);

/** `spelling` in lower case. */
export const keywordOf = (spelling: string): Keyword | undefined => keywords.get(spelling);

// The older client stops at these: a site with one of them runs the newer one. Spellings with blanks came with Microsoft.Data.SqlClient too.
const newer: ReadonlySet<string> = new Set([
  ...["authentication", "command timeout", "host name in certificate", "hostnameincertificate", "server certificate", "servercertificate"],
  ...["ip address preference", "ipaddresspreference", "attestation protocol", "server spn", "serverspn", "failover partner spn"],
  ...["failoverpartnerspn", "trust server certificate", "multi subnet failover", "application intent", "multiple active result sets"],
  ...["connect retry count", "connect retry interval", "pool blocking period"],
]);

/** Microsoft.Data.SqlClient alone knows this spelling. */
export const isNewer = (spelling: string): boolean => newer.has(spelling);

const withoutBlanks = (spelling: string): string => spelling.replaceAll(/[ _-]/g, "");

// What people write who know another driver: ODBC, OLE DB, JDBC.
const elsewhere: ReadonlyMap<string, string> = new Map([
  ["marsconnection", "Multiple Active Result Sets"],
  ["passwd", "Password"],
  ["username", "User ID"],
  ["databasename", "Initial Catalog"],
  ["servername", "Data Source"],
  ["host", "Data Source"],
  ["hostname", "Data Source"],
  ["logintimeout", "Connect Timeout"],
]);
const foreign: ReadonlySet<string> = new Set(["driver", "provider", "dsn", "port", "mars", "ssl", "sslmode", "autotranslate", "protocol"]);

const byLetters: ReadonlyMap<string, string> = new Map([...keywords].map(([spelling, { name }]) => [withoutBlanks(spelling), name]));

/** The keyword that was probably meant. */
export function meantBy(spelling: string): string | undefined {
  const letters = withoutBlanks(spelling);
  return byLetters.get(letters) ?? elsewhere.get(letters);
}

const words: ReadonlySet<string> = new Set([...keywords.keys(), ...foreign].flatMap((spelling) => spelling.split(/[ _-]/)));

/** Made of words that drivers use, so that it is no piece of a password. */
export const isDriversWord = (spelling: string): boolean =>
  meantBy(spelling) !== undefined || spelling.split(/[ _-]/).every((word) => words.has(word));
