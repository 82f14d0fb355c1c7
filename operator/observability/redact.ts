// Makes any value fit for a log line: errors become data, secrets are struck out by key and inside strings, and size and depth are
// limited. It never changes its input and never throws, whatever it is given.

const struckOut = "***";
const deepest = 6;
const mostEntries = 50;
const longestText = 8_192;

const secretKey = /pass|pwd|secret|token|assertion|authorization|connectionstring/i;
// Names of Kubernetes objects are no secrets: connectionStringSecretRef {name, key} must stay readable.
const reference = /ref$|name$|^secretkey$/i;

/** `Password=…;` and its synonyms (value bare, or in double or single quotes), forms and answers of a token endpoint, credentials in URLs, bearer tokens, JSON web tokens. */
const secretsInText: readonly (readonly [RegExp, string])[] = [
  [/(password|pwd|access\s?token|client\s?secret)(\s*=\s*)("(?:[^"]|"")*"|'(?:[^']|'')*'|[^;\n]*)/gi, `$1$2${struckOut}`],
  [/\b((?:access_token|client_assertion|client_secret)=)[^&\s"']*/gi, `$1${struckOut}`],
  [/("(?:password|pwd|(?:[a-z]+_)?(?:token|secret|assertion))"\s*:\s*)"(?:[^"\\]|\\.)*"/gi, `$1"${struckOut}"`],
  [/(:\/\/[^\s:/@]{0,256}:)\S{1,256}@/g, `$1${struckOut}@`],
  [/\b(bearer\s+)[\w.~+/=-]+/gi, `$1${struckOut}`],
  [/\beyJ[\w-]+\.[\w-]+\.[\w-]*/g, struckOut],
];

type Plain = Readonly<Record<string, unknown>>;

export function redacted(fields: Plain): Plain {
  return plainEntries(Object.entries(fields), 0, new Set());
}

export function redactedText(text: string): string {
  // Struck out before the cut, which could take away what makes a secret recognisable; a very long text is not read to its end.
  const clean = secretsInText.reduce((rest, [pattern, by]) => rest.replace(pattern, by), text.slice(0, 4 * longestText));
  return clean.length > longestText || text.length > 4 * longestText
    ? `${clean.slice(0, longestText)}… (${text.length} characters)`
    : clean;
}

function plainEntries(entries: readonly (readonly [string, unknown])[], depth: number, above: ReadonlySet<object>): Plain {
  const plain: Record<string, unknown> = {};
  for (const [key, value] of entries.slice(0, mostEntries)) plain[key] = isSecret(key, value) ? struckOut : plainValue(value, depth, above);
  if (entries.length > mostEntries) plain["omittedKeys"] = entries.length - mostEntries;
  return plain;
}

/** A number or a flag under such a name (tokenExpiresInMs, hasPassword) gives nothing away. */
function isSecret(key: string, value: unknown): boolean {
  return secretKey.test(key) && !reference.test(key) && value != null && typeof value !== "number" && typeof value !== "boolean";
}

function plainValue(value: unknown, depth: number, above: ReadonlySet<object>): unknown {
  switch (typeof value) {
    case "string":
      return redactedText(value);
    case "number":
      return Number.isFinite(value) ? value : String(value);
    case "bigint":
    case "symbol":
      return String(value);
    case "function":
      return `[function ${value.name}]`;
    case "object":
      return value === null ? null : plainObject(value, depth, above);
    case "boolean":
    case "undefined":
      return value;
  }
}

function plainObject(value: object, depth: number, above: ReadonlySet<object>): unknown {
  if (above.has(value)) return "[circular]";
  if (depth >= deepest) return "[deeper]";
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString();
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  const inside = new Set(above).add(value);
  try {
    if (value instanceof Error) return plainError(value, depth, inside);
    if (Array.isArray(value) || value instanceof Set) return plainList([...(value as Iterable<unknown>)], depth + 1, inside);
    const entries: [string, unknown][] =
      value instanceof Map ? [...(value as Map<unknown, unknown>)].map(([key, item]) => [String(key), item]) : Object.entries(value);
    return plainEntries(entries, depth + 1, inside);
  } catch {
    // A getter or proxy that throws must not take the line with it, nor the reconcile that wrote it.
    return "[unreadable]";
  }
}

function plainList(items: readonly unknown[], depth: number, above: ReadonlySet<object>): unknown[] {
  const plain = items.slice(0, mostEntries).map((item) => plainValue(item, depth, above));
  return items.length > mostEntries ? [...plain, `… ${items.length - mostEntries} more`] : plain;
}

/** Only what an error is known for: other own properties of driver and client errors hold whole requests, headers and configurations. */
function plainError(error: Error, depth: number, above: ReadonlySet<object>): Plain {
  const { code, number } = error as { readonly code?: unknown; readonly number?: unknown };
  const causes = error instanceof AggregateError ? (error.errors as readonly unknown[]) : error.cause === undefined ? [] : [error.cause];
  return {
    type: error.name,
    message: redactedText(error.message),
    ...(typeof code === "string" || typeof code === "number" ? { code } : {}),
    ...(typeof number === "number" ? { number } : {}),
    ...(depth === 0 && error.stack !== undefined ? { stack: redactedText(error.stack) } : {}),
    ...(causes.length > 0 ? { cause: plainList(causes, depth + 1, above) } : {}),
  };
}
