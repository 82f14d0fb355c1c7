// Reads a .NET connection string as Microsoft.Data.SqlClient does, as far as the operator can honour it. What it cannot honour is refused or
// noted by its keyword, and no message ever carries a value, but for the name of a failover partner.
import { itemsOf, type Refusal, refuse } from "./connectionItems.ts";
import { isNewer, type Keyword } from "./connectionKeywords.ts";
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
  /** Printable. The operator does not connect to it. */
  readonly failoverPartner?: string;
  /** System.Data.SqlClient would refuse a keyword of it, so the site runs Microsoft.Data.SqlClient. */
  readonly needsNewerClient?: true;
  /** What the string asks for and the operator does otherwise: sentences for a person. */
  readonly notes: readonly string[];
}

export type ConnectionStringReading = ConnectionString | Refusal;

/** A keyword with its last value, which is not empty. */
interface Given {
  readonly keyword: Keyword;
  readonly spelling: string;
  readonly value: string;
}
/** By the keyword's name. */
type Found = ReadonlyMap<string, Given>;

/** Never throws. */
export function readConnectionString(text: string): ConnectionStringReading {
  const items = itemsOf(text);
  if ("kind" in items) return items;
  const found = new Map<string, Given>(); // the last one wins; an empty value takes the keyword away
  for (const item of items) {
    if (item.value === "") found.delete(item.keyword.name);
    else found.set(item.keyword.name, item);
  }
  const reading = wrongValue(found) ?? contradiction(found) ?? impossible(found) ?? interpret(found);
  return reading.kind === "read" && items.some(({ spelling }) => isNewer(spelling)) ? { ...reading, needsNewerClient: true } : reading;
}

function wrongValue(found: Found): Refusal | undefined {
  for (const { keyword, value } of found.values()) {
    const { name, rule } = keyword;
    if (rule === "any") continue;
    if (rule === "boolean") {
      if (truth(value) === undefined) return invalid(name, "True or False");
    } else if (wholeNumber(value, rule) === undefined) {
      return invalid(name, `a whole number from ${rule.least} to ${rule.most}`);
    }
  }
  return undefined;
}

function invalid(keyword: string, rule: string): Refusal {
  return refuse("ConnectionStringInvalid", `The value of ${keyword} in the connection string is not valid: it must be ${rule}.`);
}

function truth(text: string): boolean | undefined {
  const value = text.trim().toLowerCase();
  if (value === "true" || value === "yes") return true;
  return value === "false" || value === "no" ? false : undefined;
}

function wholeNumber(text: string, { least, most }: { readonly least: number; readonly most: number }): number | undefined {
  const value = /^[+-]?\d{1,10}$/.test(text.trim()) ? Number(text) : undefined;
  return value === undefined || value < least || value > most ? undefined : value;
}

const isOn = (found: Found, name: string): boolean => truth(found.get(name)?.value ?? "false") ?? false;
const isReadOnly = (found: Found): boolean => found.get("Application Intent")?.value.trim().toLowerCase() === "readonly";

/** Keywords that exclude each other. The site's own client refuses them too. */
function contradiction(found: Found): Refusal | undefined {
  const contradicts = (what: string): Refusal => refuse("ConnectionStringInvalid", `The connection string contradicts itself: ${what}`);
  const size = (name: string, otherwise: number): number => Number(found.get(name)?.value ?? otherwise);
  if (size("Min Pool Size", 0) > size("Max Pool Size", 100)) return contradicts("Min Pool Size must not be above Max Pool Size.");
  if (!found.has("Failover Partner")) return undefined;
  if (!found.has("Initial Catalog")) return contradicts("Failover Partner needs Initial Catalog. Add Initial Catalog=<name>.");
  for (const name of ["Multi Subnet Failover", "Application Intent"] as const) {
    if (name === "Application Intent" ? isReadOnly(found) : isOn(found, name))
      return contradicts(`Failover Partner (database mirroring) cannot stand beside ${name} (availability groups). Remove one of them.`);
  }
  return undefined;
}

const ownLogin =
  "Use a SQL login (User ID and Password), or spec.database.host, name and authentication: WorkloadIdentity with serviceAccountName.";

/** https://learn.microsoft.com/sql/connect/ado-net/sql/azure-active-directory-authentication */
const entra = new Set(
  [
    "password",
    "integrated",
    "interactive",
    "serviceprincipal",
    "devicecodeflow",
    "managedidentity",
    "msi",
    "default",
    "workloadidentity",
  ].map((name) => `activedirectory${name}`),
);

/** Asks for what no Linux pod has, or for another place or identity than the operator would take. */
function impossible(found: Found): Refusal | undefined {
  const refused = (name: string, why: string): Refusal => {
    const spelling = found.get(name)?.spelling ?? "";
    const written = spelling === name.toLowerCase() ? "" : ` (written ${spelling})`;
    return refuse("KeywordNotSupported", `${name}${written} cannot be honoured${why}`);
  };
  const security = found.get("Integrated Security")?.value;
  const isIntegrated = security?.trim().toLowerCase() === "sspi" || (security === undefined ? false : truth(security));
  if (isIntegrated === undefined) return invalid("Integrated Security", "True, False or SSPI");
  if (isIntegrated) return refused("Integrated Security", `: a Linux pod has no Windows login. ${ownLogin}`);
  const authentication = found.get("Authentication")?.value.toLowerCase().replaceAll(" ", "");
  if (authentication !== undefined && authentication !== "sqlpassword")
    return entra.has(authentication)
      ? refused("Authentication", ` unless it is SqlPassword. ${ownLogin}`)
      : invalid("Authentication", "SqlPassword");
  for (const [name, why] of Object.entries(cures)) {
    const isAsked = found.get(name)?.keyword.rule === "boolean" ? isOn(found, name) : found.has(name);
    if (isAsked) return refused(name, why);
  }
  return undefined;
}

const cures = {
  AttachDbFilename: ": it names a file of one machine. Attach the database on the server, and name it in Initial Catalog.",
  "User Instance": `: it starts a SQL Server Express under a Windows login. Name a server in Data Source. ${ownLogin}`,
  "Context Connection": ": it is for code inside of SQL Server. Name the server in Data Source.",
  "Network Library": ". Leave it out, and write the protocol into the Data Source: tcp:<host>,<port>.",
} as const;

const encryptValues: ReadonlyMap<string, NonNullable<ConnectionString["encrypt"]>> = new Map([
  ["true", "Mandatory"],
  ["yes", "Mandatory"],
  ["mandatory", "Mandatory"],
  ["false", "Optional"],
  ["no", "Optional"],
  ["optional", "Optional"],
  ["strict", "Strict"],
]);

function interpret(found: Found): ConnectionStringReading {
  const valueOf = (name: string): string | undefined => found.get(name)?.value;
  const encryptText = valueOf("Encrypt");
  const encrypt = encryptText === undefined ? undefined : encryptValues.get(encryptText.trim().toLowerCase());
  if (encryptText !== undefined && encrypt === undefined) return invalid("Encrypt", "True, False, Mandatory, Optional or Strict");
  const intent = valueOf("Application Intent")?.trim().toLowerCase();
  if (intent !== undefined && intent !== "readonly" && intent !== "readwrite")
    return invalid("Application Intent", "ReadWrite or ReadOnly");
  const timeout = valueOf("Connect Timeout");
  const dataSource = valueOf("Data Source");
  const server = dataSource === undefined ? undefined : readDataSource(dataSource);
  if (server?.kind === "refused") return server;
  const partner = valueOf("Failover Partner");
  return {
    kind: "read",
    ...withoutUndefined({
      database: valueOf("Initial Catalog"),
      user: valueOf("User ID"),
      password: valueOf("Password"),
      hostNameInCertificate: valueOf("Host Name In Certificate"),
      server: server?.dataSource,
      encrypt,
      connectTimeoutSeconds: timeout === undefined ? undefined : Number(timeout),
      failoverPartner: partner === undefined ? undefined : printableHost(partner),
    }),
    trustServerCertificate: isOn(found, "Trust Server Certificate"),
    multiSubnetFailover: isOn(found, "Multi Subnet Failover"),
    notes: notesOf(found),
  };
}

type Defined<T> = { readonly [K in keyof T]?: Exclude<T[K], undefined> };

function withoutUndefined<T extends object>(values: T): Defined<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Defined<T>;
}

/** Anything that is no host's name is not repeated. */
const printableHost = (text: string): string => (/^[\p{L}\p{N}._:\\,-]{1,128}$/u.test(text) ? text : "which is no host's name");

function notesOf(found: Found): readonly string[] {
  const notes: string[] = [];
  const partner = found.get("Failover Partner")?.value;
  if (partner !== undefined)
    notes.push(
      `Failover Partner of the connection string (${printableHost(partner)}) is ignored: after a failover of the mirroring name the new principal in Data Source, or use the listener of an availability group.`,
    );
  if (isReadOnly(found))
    notes.push("Application Intent=ReadOnly of the connection string is overruled: the operator writes rows, so it asks for the primary.");
  if (found.has("Server Certificate"))
    notes.push("Server Certificate of the connection string is ignored: give the certificate authority in spec.database.tls.caSecretRef.");
  const ignored = [...found.values()].filter(({ keyword }) => keyword.use === "ignored").map(({ keyword }) => keyword.name);
  if (ignored.length > 0) notes.push(`Ignored in the connection string, since the operator has its own: ${ignored.join(", ")}.`);
  return notes;
}
