// The JSON merge patch (RFC 7396) that turns one value into another: null removes, lists are replaced whole. Pure.
import { isDeepStrictEqual } from "node:util";

type Fields = Readonly<Record<string, unknown>>;

/** Undefined when nothing differs. A field that is undefined counts as absent. */
export function mergePatch(before: object, after: object): Fields | undefined {
  const [old, wanted] = [before as Fields, after as Fields];
  const patch: Record<string, unknown> = {};
  for (const field of new Set([...Object.keys(old), ...Object.keys(wanted)])) {
    const [from, to] = [old[field] ?? null, wanted[field] ?? null];
    if (isFields(from) && isFields(to)) {
      const inner = mergePatch(from, to);
      if (inner !== undefined) patch[field] = inner;
    } else if (!isDeepStrictEqual(withoutUndefined(from), withoutUndefined(to))) patch[field] = to;
  }
  return Object.keys(patch).length === 0 ? undefined : patch;
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** As it will be sent. */
function withoutUndefined(value: unknown): unknown {
  return value === null ? null : (JSON.parse(JSON.stringify(value)) as unknown);
}
