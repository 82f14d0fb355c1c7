// An ordered set: first in, first out, each key once, a key can leave from the middle. It never compares or copies keys.
// A plain Set would do, but taking its first element again and again is quadratic in V8 (deleted entries are walked over).

interface Link<K> {
  readonly key: K;
  before: Link<K> | undefined;
  behind: Link<K> | undefined;
}

export class Fifo<K> {
  readonly #links = new Map<K, Link<K>>();
  #first: Link<K> | undefined;
  #last: Link<K> | undefined;

  get length(): number {
    return this.#links.size;
  }

  /** Keeps the place of a key that is already there. */
  push(key: K): void {
    if (this.#links.has(key)) return;
    const link: Link<K> = { key, before: this.#last, behind: undefined };
    this.#links.set(key, link);
    if (this.#last === undefined) this.#first = link;
    else this.#last.behind = link;
    this.#last = link;
  }

  shift(): K | undefined {
    const first = this.#first;
    if (first === undefined) return undefined;
    this.delete(first.key);
    return first.key;
  }

  /** True if the key was there. */
  delete(key: K): boolean {
    const link = this.#links.get(key);
    if (link === undefined) return false;
    this.#links.delete(key);
    if (link.before === undefined) this.#first = link.behind;
    else link.before.behind = link.behind;
    if (link.behind === undefined) this.#last = link.before;
    else link.behind.before = link.before;
    return true;
  }

  clear(): void {
    this.#links.clear();
    this.#first = this.#last = undefined;
  }
}
