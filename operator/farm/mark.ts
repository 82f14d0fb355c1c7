// The mark: what a row's ServerGUID says of its owner, its cluster and the pod that it was made for (design, promises). A UUID of
// version 8 whose digits are the first digits of three hashes; it never says anything about rows that a person or the product made.

import { hash } from "node:crypto";
import type { PodHash, PodUid, ServerRow } from "./model.ts";

export interface Mark {
  readonly owner: string; // 15 hex digits
  readonly namespace: string; // 6 hex digits
  readonly pod: PodHash;
}

/** Whose marks a farm writes and recognises. */
export interface MarkIdentity {
  readonly ownerId: string;
  /** Of an earlier life of the farm: their rows are taken over, and go only by approval. */
  readonly formerOwnerIds: readonly string[];
  readonly namespaceUid: string;
}

/** What a row is to a farm. */
export type RowKinship =
  | { readonly kind: "ours"; readonly pod: PodHash } // of this cluster
  | { readonly kind: "otherCluster"; readonly pod: PodHash }
  | { readonly kind: "formerOwner"; readonly pod: PodHash } // of any cluster
  | { readonly kind: "foreign" };

const pattern = /^([0-9a-f]{8})-([0-9a-f]{4})-8([0-9a-f]{3})-8([0-9a-f]{3})-([0-9a-f]{3})([0-9a-f]{9})$/;

const digits = (count: number, ...lines: readonly string[]): string => hash("sha256", lines.join("\n"), "hex").slice(0, count);

const ownerDigits = (ownerId: string, serverName: string): string => digits(15, "webfarm.dev/owner", ownerId, serverName.toLowerCase());
const namespaceDigits = remembering((namespaceUid: string): string => digits(6, "webfarm.dev/namespace", namespaceUid));

export const podHash: (uid: PodUid) => PodHash = remembering((uid: PodUid) => digits(9, "webfarm.dev/pod", uid) as PodHash);

const mostRemembered = 50_000;

/** Every pass asks for the same hashes again, and they were most of what a pass cost. */
function remembering<K extends string, V>(work: (key: K) => V): (key: K) => V {
  const known = new Map<K, V>();
  return (key) => {
    const before = known.get(key);
    if (before !== undefined) return before;
    const value = work(key);
    if (known.size >= mostRemembered) known.clear();
    known.set(key, value);
    return value;
  };
}

/** The ServerGUID of a row named `serverName` made for that pod, lower case with dashes. */
export function markFor(identity: Pick<MarkIdentity, "ownerId" | "namespaceUid">, serverName: string, podUid: PodUid): string {
  const o = ownerDigits(identity.ownerId, serverName);
  const n = namespaceDigits(identity.namespaceUid);
  return `${o.slice(0, 8)}-${o.slice(8, 12)}-8${o.slice(12)}-8${n.slice(0, 3)}-${n.slice(3)}${podHash(podUid)}`;
}

/** The parts of a GUID that has a mark's form; undefined where it cannot be one. */
export function readMark(guid: string | null): Mark | undefined {
  const parts = guid === null ? null : pattern.exec(guid.toLowerCase());
  if (parts === null) return undefined;
  const [, o1 = "", o2 = "", o3 = "", n1 = "", n2 = "", pod = ""] = parts;
  return { owner: o1 + o2 + o3, namespace: n1 + n2, pod: pod as PodHash };
}

/** What rows were found to be, as long as they are the same objects. */
type Kinships = WeakMap<object, RowKinship>;
const kinshipsOfText = remembering((_identity: string): Kinships => new WeakMap());
/** Each pass has an object of its own for the same identity. */
const kinshipsOfObject = new WeakMap<MarkIdentity, Kinships>();

function kinshipsOf(identity: MarkIdentity): Kinships {
  const known = kinshipsOfObject.get(identity);
  if (known !== undefined) return known;
  const found = kinshipsOfText([identity.namespaceUid, identity.ownerId, ...identity.formerOwnerIds].join("\n"));
  kinshipsOfObject.set(identity, found);
  return found;
}

export function kinship(row: Pick<ServerRow, "name" | "guid">, identity: MarkIdentity): RowKinship {
  const kinships = kinshipsOf(identity);
  const known = kinships.get(row);
  if (known !== undefined) return known;
  const found = kinshipOf(row, identity);
  kinships.set(row, found);
  return found;
}

/** The pods whose mark a row of this owner and cluster has. */
export const podsWithRows = (rows: readonly Pick<ServerRow, "name" | "guid">[], identity: MarkIdentity): ReadonlySet<PodHash> =>
  new Set(
    rows.flatMap((row) => {
      const kin = kinship(row, identity);
      return kin.kind === "ours" ? [kin.pod] : [];
    }),
  );

const foreign: RowKinship = { kind: "foreign" };

function kinshipOf(row: Pick<ServerRow, "name" | "guid">, identity: MarkIdentity): RowKinship {
  const mark = readMark(row.guid);
  if (mark === undefined) return foreign;
  if (mark.owner === ownerDigits(identity.ownerId, row.name))
    return { kind: mark.namespace === namespaceDigits(identity.namespaceUid) ? "ours" : "otherCluster", pod: mark.pod };
  return identity.formerOwnerIds.some((former) => mark.owner === ownerDigits(former, row.name))
    ? { kind: "formerOwner", pod: mark.pod }
    : foreign;
}
