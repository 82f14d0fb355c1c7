// The objects of one resource as last seen, by UID, with an index by name. It tells the differences, and knows that a new UID under an
// old name is another object: the old one is gone. It decides nothing and asks nobody.
import { isDeepStrictEqual } from "node:util";

/** What a reflector keeps: decoded, small. */
export interface Kept {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
}

/** `event`: the watch told it, with the object's last state. `listed`: a list showed it, states in between were missed. */
export type ChangeHow = "event" | "listed";

/** Never both undefined. A deletion by event is told as a change to the last state, then as a deletion of it. */
export type OnChange<T> = (before: T | undefined, after: T | undefined, how: ChangeHow) => void;

export class ObjectCache<T extends Kept> {
  readonly #byUid = new Map<string, T>();
  readonly #uidByName = new Map<string, string>();
  readonly #onChange: OnChange<T>;
  #lists = 0;

  constructor(onChange: OnChange<T>) {
    this.#onChange = onChange;
  }

  get size(): number {
    return this.#byUid.size;
  }

  /** How often it was made from a list: between two of them objects may have come and gone unseen. */
  get lists(): number {
    return this.#lists;
  }

  all(): T[] {
    return [...this.#byUid.values()];
  }

  byUid(uid: string): T | undefined {
    return this.#byUid.get(uid);
  }

  byName(namespace: string, name: string): T | undefined {
    const uid = this.#uidByName.get(nameKey(namespace, name));
    return uid === undefined ? undefined : this.#byUid.get(uid);
  }

  /** Added or modified. Nothing is told when nothing that is kept differs. */
  put(object: T, how: ChangeHow): void {
    const key = nameKey(object.namespace, object.name);
    const holder = this.#uidByName.get(key);
    if (holder !== undefined && holder !== object.uid) this.#forget(holder, "listed"); // The end of the one before was missed.
    const before = this.#byUid.get(object.uid);
    this.#byUid.set(object.uid, object);
    this.#uidByName.set(key, object.uid);
    if (before === undefined || !isDeepStrictEqual(before, object)) this.#onChange(before, object, how);
  }

  /** Deleted by an event that carried the last state. */
  remove(last: T): void {
    const before = this.#byUid.get(last.uid);
    if (before === undefined || !isDeepStrictEqual(before, last)) this.#onChange(before, last, "event");
    if (before === undefined) {
      this.#onChange(last, undefined, "event");
      return;
    }
    this.#byUid.set(last.uid, last);
    this.#forget(last.uid, "event");
  }

  /** A complete list. Objects that it does not have are gone. */
  replace(listed: ReadonlyMap<string, T>): void {
    this.#lists += 1;
    for (const uid of [...this.#byUid.keys()]) if (!listed.has(uid)) this.#forget(uid, "listed");
    for (const object of listed.values()) this.put(object, "listed");
  }

  #forget(uid: string, how: ChangeHow): void {
    const gone = this.#byUid.get(uid);
    if (gone === undefined) return;
    this.#byUid.delete(uid);
    const key = nameKey(gone.namespace, gone.name);
    if (this.#uidByName.get(key) === uid) this.#uidByName.delete(key);
    this.#onChange(gone, undefined, how);
  }
}

function nameKey(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}
