// Turns the environment into the operator's configuration, once, and names every problem at once. The definition below is also the
// source of the README's table (scripts/generateConfigTable.ts). It reads no process state, prints nothing, and no default of it can delete.
import { isIP, isIPv6 } from "node:net";
import { z } from "zod";

export interface HttpAddress {
  /** Undefined: all addresses of the host. */
  readonly host: string | undefined;
  /** 0: any free port. */
  readonly port: number;
}

const prefix = "WEBFARM_";
const mostEntries = 256;

const dnsLabel = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;
const hostName = /^(?:\*\.)?[a-z0-9](?:[-a-z0-9_]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9_]{0,61}[a-z0-9])?)*$/;

const truth = z.enum(["true", "false"]).transform((text) => text === "true");

const wholeNumber = (from: number, to: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/)
    .transform(Number)
    .pipe(z.number().min(from).max(to));

/** Empty text is an empty list; an empty entry is an error, because an empty list means "all". */
const commaSeparated = (isEntry: (entry: string) => boolean) =>
  z
    .string()
    .transform((text) => (text === "" ? [] : [...new Set(text.split(",").map((entry) => entry.trim()))]))
    .pipe(z.array(z.string().refine(isEntry)).max(mostEntries))
    .transform((entries): readonly string[] => entries);

const optional = (pattern: RegExp) => z.union([z.literal("").transform(() => undefined), z.string().regex(pattern)]);

const httpAddress = z.string().transform((text, context): HttpAddress => {
  const parts = /^(?:\[([^\]]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  const [, bracketed, plain = "", port] = parts ?? [];
  const isHost =
    bracketed === undefined ? plain === "" || isIP(plain) === 4 || (hostName.test(plain) && !plain.startsWith("*")) : isIPv6(bracketed);
  if (port !== undefined && isHost && Number(port) <= 65_535) return { host: bracketed ?? (plain || undefined), port: Number(port) };
  context.addIssue("no address");
  return z.NEVER;
});

const httpsOrigin = z.string().transform((text, context): string => {
  const url = URL.parse(text);
  if (url?.protocol === "https:" && url.href === `${url.origin}/` && !text.includes("#") && !text.includes("?")) return url.href;
  context.addIssue("no https URL");
  return z.NEVER;
});

/** What a variable is called, what it may be, what it is when it is not set (as text), and what it is for. */
const variables = {
  namespaces: {
    name: "WEBFARM_NAMESPACES",
    schema: commaSeparated((entry) => dnsLabel.test(entry)),
    fallback: "",
    rule: "namespaces (DNS labels), comma-separated, at most 256; empty: all",
    description: "The namespaces whose WebFarms this operator keeps.",
  },
  leaderElection: {
    name: "WEBFARM_LEADER_ELECTION",
    schema: truth,
    fallback: "true",
    rule: "true or false",
    description: "Whether processes elect one that writes while the others stand by. false: this process writes from its start on.",
  },
  leaseNamespace: {
    name: "WEBFARM_LEASE_NAMESPACE",
    schema: optional(dnsLabel),
    fallback: "",
    rule: "a namespace (DNS label); empty: the pod's namespace, else that of the kubeconfig's context",
    description: "Where the Lease `webfarm-operator` lives.",
  },
  identity: {
    name: "WEBFARM_IDENTITY",
    schema: optional(/^[A-Za-z0-9](?:[-A-Za-z0-9._:]{0,251}[A-Za-z0-9])?$/),
    fallback: "",
    rule: "letters, digits and - . _ : inside, at most 253 characters; empty: the host's name and a random part",
    description: "The name of this process in the Lease and in the log. No two processes may share it.",
  },
  httpAddress: {
    name: "WEBFARM_HTTP_ADDRESS",
    schema: httpAddress,
    fallback: ":8080",
    rule: "[host]:port, for example :8080, 127.0.0.1:8080 or [::1]:8080; port 0 to 65535",
    description: "Where `/livez`, `/readyz` and `/metrics` are served.",
  },
  logLevel: {
    name: "WEBFARM_LOG_LEVEL",
    schema: z.enum(["error", "warn", "info", "debug"]),
    fallback: "info",
    rule: "error, warn, info or debug",
    description: "The least severe lines that are logged.",
  },
  resyncSeconds: {
    name: "WEBFARM_RESYNC_SECONDS",
    schema: wholeNumber(5, 3_600),
    fallback: "30",
    rule: "a whole number from 5 to 3600",
    description: "How often the rows of a farm are read when nothing happens.",
  },
  workers: {
    name: "WEBFARM_WORKERS",
    schema: wholeNumber(1, 64),
    fallback: "8",
    rule: "a whole number from 1 to 64",
    description: "How many farms are reconciled at the same time.",
  },
  allowedDatabaseHosts: {
    name: "WEBFARM_ALLOWED_DATABASE_HOSTS",
    schema: commaSeparated((entry) => entry.length <= 253 && (isIP(entry) !== 0 || hostName.test(entry.toLowerCase()))),
    fallback: "",
    rule: "host names or addresses, comma-separated, each exact or *.suffix, at most 256; empty: any",
    description: "The database servers that a WebFarm may name.",
  },
  readOnly: {
    name: "WEBFARM_READ_ONLY",
    schema: truth,
    fallback: "false",
    rule: "true or false",
    description: "Compute, report and open readiness gates, but write nothing to any database.",
  },
  azureAuthorityHost: {
    name: "AZURE_AUTHORITY_HOST",
    schema: httpsOrigin,
    fallback: "https://login.microsoftonline.com/",
    rule: "an https URL without user, path, query and fragment",
    description: "Microsoft Entra, for farms with `authentication: WorkloadIdentity`; the name is that of Azure's own clients.",
  },
} as const;

type Variables = typeof variables;

export type Config = { readonly [Key in keyof Variables]: z.output<Variables[Key]["schema"]> };

export type Environment = Readonly<Record<string, string | undefined>>;

export type ParsedConfig = { readonly ok: true; readonly config: Config } | { readonly ok: false; readonly message: string };

/** For the README's table: text only. */
export const configVariables: readonly {
  readonly name: string;
  readonly fallback: string;
  readonly rule: string;
  readonly description: string;
}[] = Object.values(variables);

/** All problems come in one message, each with the variable, its value as given, and the rule. */
export function parseConfig(env: Environment): ParsedConfig {
  const problems: string[] = [];
  const entries = Object.entries(variables).map(([key, { name, schema, fallback, rule }]) => {
    const given = env[name] ?? fallback;
    const parsed = schema.safeParse(given);
    if (!parsed.success) problems.push(`${name}=${shown(name, given)}: must be ${rule}`);
    return [key, Object.freeze(parsed.data)] as const;
  });
  problems.push(...unknownNames(env));
  if (problems.length === 0) return { ok: true, config: Object.freeze(Object.fromEntries(entries)) as unknown as Config };
  return {
    ok: false,
    message: [`The environment has ${problems.length === 1 ? "a problem" : `${problems.length} problems`}:`, ...problems].join("\n  "),
  };
}

// Kubernetes gives every pod the addresses of the services in its namespace; one called webfarm-operator begins with our prefix.
// https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables
const serviceLink =
  /^WEBFARM_(?:[A-Z0-9_]+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)$/;

function unknownNames(env: Environment): string[] {
  const known = new Set(configVariables.map(({ name }) => name));
  return Object.entries(env)
    .filter(([name, value]) => name.startsWith(prefix) && value !== undefined && !known.has(name) && !serviceLink.test(name))
    .map(([name, value = ""]) => `${name}=${shown(name, value)}: unknown; the variables are ${[...known].join(", ")}`);
}

/** The value as given, cut and quoted; hidden where it may be a secret: a name that we do not know may have been meant for anything. */
function shown(name: string, value: string): string {
  const isKnown = configVariables.some((variable) => variable.name === name);
  if ((!isKnown && secretName.test(name)) || secretInside.test(value)) return "(not shown)";
  return JSON.stringify(value.length > 100 ? `${value.slice(0, 100)}…` : value);
}

const secretName = /pass|pwd|secret|token|key|auth|cred|connection|dsn|url/i;
const secretInside = /(?:password|pwd|secret|token|key)\s*=|:\/\/[^/]*@/i;
