// The mark of a row, computed here from design.md and not by the operator's own code.

import { createHash } from "node:crypto";

const digits = (count: number, ...lines: readonly string[]): string =>
  createHash("sha256").update(lines.join("\n")).digest("hex").slice(0, count);

export interface MarkParts {
  readonly ownerId: string;
  readonly namespaceUid: string;
  readonly server: string;
  /** Its UID. */
  readonly pod: string;
}

/** Lower case with dashes. */
export function markOf({ ownerId, namespaceUid, server, pod }: MarkParts): string {
  const o = digits(15, "webfarm.dev/owner", ownerId, server.toLowerCase());
  const n = digits(6, "webfarm.dev/namespace", namespaceUid);
  const p = digits(9, "webfarm.dev/pod", pod);
  return `${o.slice(0, 8)}-${o.slice(8, 12)}-8${o.slice(12)}-8${n.slice(0, 3)}-${n.slice(3)}${p}`;
}
