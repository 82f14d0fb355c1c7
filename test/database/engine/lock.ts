// One transaction at a time in a database: the others wait in the order they came. It knows nothing of rows.
import { sqlErrors } from "./errors.ts";

/** Whoever holds or waits; compared by identity. */
export type Owner = object;

interface Waiter {
  readonly owner: Owner;
  readonly grant: () => void;
}

export class Lock {
  #holder: Owner | undefined;
  #waiting: readonly Waiter[] = [];

  /** Resolves when `owner` holds the lock. Rejects with 1222 after `timeoutMs` (-1: never), or with the signal's reason. */
  async acquire(owner: Owner, timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (this.#holder === undefined || this.#holder === owner) {
      this.#holder = owner;
      return;
    }
    if (timeoutMs === 0) throw sqlErrors.lockTimeout();
    signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const leave = (reason: Error): void => {
        this.#waiting = this.#waiting.filter((waiter) => waiter !== mine);
        clearTimeout(timer);
        reject(reason);
      };
      const timer = timeoutMs < 0 ? undefined : setTimeout(() => leave(sqlErrors.lockTimeout()), timeoutMs);
      const onAbort = (): void => leave(signal.reason as Error);
      const mine: Waiter = {
        owner,
        grant: () => {
          clearTimeout(timer);
          signal.removeEventListener("abort", onAbort);
          resolve();
        },
      };
      signal.addEventListener("abort", onAbort, { once: true });
      this.#waiting = [...this.#waiting, mine];
    });
  }

  isHeldBy(owner: Owner): boolean {
    return this.#holder === owner;
  }

  release(owner: Owner): void {
    if (this.#holder !== owner) return;
    const [next, ...rest] = this.#waiting;
    this.#holder = next?.owner;
    this.#waiting = rest;
    next?.grant();
  }
}
