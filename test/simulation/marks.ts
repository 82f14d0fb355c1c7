// The mark of a row as the design defines it, computed by the checker on its own: OOOOOOOO-OOOO-8OOO-8NNN-NNNPPPPPPPPP, where O, N and P are
// the first digits of SHA-256 of "webfarm.dev/owner\n<ownerId>\n<server name in lower case>", "webfarm.dev/namespace\n<uid>" and
// "webfarm.dev/pod\n<uid>". Shares nothing with operator/farm/mark.ts.

import { createHash } from "node:crypto";

const known = new Map<string, string>();
const mostKnown = 100_000;

function sha(text: string): string {
  const before = known.get(text);
  if (before !== undefined) return before;
  const made = createHash("sha256").update(text).digest("hex");
  if (known.size >= mostKnown) known.clear();
  known.set(text, made);
  return made;
}

export const ownerPart = (ownerId: string, serverName: string): string =>
  sha(`webfarm.dev/owner\n${ownerId}\n${serverName.toLowerCase()}`).slice(0, 15);
export const namespacePart = (uid: string): string => sha(`webfarm.dev/namespace\n${uid}`).slice(0, 6);
export const podPart = (uid: string): string => sha(`webfarm.dev/pod\n${uid}`).slice(0, 9);

export interface MarkParts {
  readonly owner: string;
  readonly namespace: string;
  readonly pod: string;
}

/** Undefined: the GUID has not the form of a mark. */
export function partsOf(guid: string | null): MarkParts | undefined {
  if (guid?.length !== 36 || guid[14] !== "8" || guid[19] !== "8") return undefined;
  const digits = guid.toLowerCase().replaceAll("-", "");
  if (!/^[0-9a-f]{32}$/.test(digits)) return undefined;
  return {
    owner: digits.slice(0, 12) + digits.slice(13, 16),
    namespace: digits.slice(17, 23),
    pod: digits.slice(23),
  };
}

export function markOf(ownerId: string, namespaceUid: string, serverName: string, podUid: string): string {
  const o = ownerPart(ownerId, serverName);
  const n = namespacePart(namespaceUid);
  return `${o.slice(0, 8)}-${o.slice(8, 12)}-8${o.slice(12)}-8${n.slice(0, 3)}-${n.slice(3)}${podPart(podUid)}`;
}
