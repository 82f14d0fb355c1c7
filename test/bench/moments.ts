// First moments at which things were seen, by key, for whoever waits for them before or after. All by the clock of this one process.

export interface Moments {
  /** Only the first time counts. */
  readonly note: (key: string) => void;
  /** Resolves to the moment (performance.now()); rejects after `timeoutMs` (30,000). */
  readonly when: (key: string, timeoutMs?: number) => Promise<number>;
  readonly forget: (key: string) => void;
}

export function createMoments(): Moments {
  const seen = new Map<string, number>();
  const waiting = new Map<string, ((atMs: number) => void)[]>();
  return {
    note: (key) => {
      if (seen.has(key)) return;
      const atMs = performance.now();
      seen.set(key, atMs);
      for (const resolve of waiting.get(key) ?? []) resolve(atMs);
      waiting.delete(key);
    },
    when: (key, timeoutMs = 30_000) => {
      const known = seen.get(key);
      if (known !== undefined) return Promise.resolve(known);
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`Waited ${timeoutMs / 1000} s in vain for ${key}`)), timeoutMs);
        const take = (atMs: number): void => {
          clearTimeout(timer);
          resolve(atMs);
        };
        waiting.set(key, [...(waiting.get(key) ?? []), take]);
      });
    },
    forget: (key) => void seen.delete(key),
  };
}
