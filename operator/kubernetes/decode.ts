// Reading fields of objects that came from the API server as unknown JSON. A field of another type reads as absent; nothing is quoted.

export type Raw = Readonly<Record<string, unknown>>;

const none: Raw = Object.freeze({});

export function recordOf(value: unknown): Raw {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Raw) : none;
}

export function listOf(value: unknown): readonly Raw[] {
  return Array.isArray(value) ? value.map(recordOf) : [];
}

/** Empty text is absent, as the API's omitempty has it. */
export function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

export function numberOf(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/** Only the entries whose values are text. */
export function textsOf(value: unknown): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(recordOf(value)).filter((entry): entry is [string, string] => typeof entry[1] === "string"));
}

/** RFC 3339 to milliseconds. */
export function timeOf(value: unknown): number | undefined {
  const text = textOf(value);
  const atMs = text === undefined ? NaN : Date.parse(text);
  return Number.isNaN(atMs) ? undefined : atMs;
}

/** Throws when a field that every object has is not there: then it is no object. */
export function required<T>(value: T | undefined, field: string): T {
  if (value === undefined) throw new Error(`Cannot decode an object without ${field}`);
  return value;
}
