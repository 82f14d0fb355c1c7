// Random choices from a seed: any text is a seed, and the same text chooses the same on every machine.

import { createHash } from "node:crypto";

export interface Random {
  /** A whole number from 0 to `count` - 1. */
  below(count: number): number;
  /** True in one of `count` cases. */
  oneIn(count: number): boolean;
  /** Throws where there is nothing to pick. */
  pick<Value>(values: readonly Value[]): Value;
  /** Each is picked as often as its weight says; weights are whole numbers. Throws where all are 0. */
  weighted<Value extends { readonly weight: number }>(values: readonly Value[]): Value;
}

/** sfc32 by Chris Doty-Humphrey (PractRand), begun with 128 bits of the SHA-256 of the seed. */
function words(seed: string): () => number {
  const start = createHash("sha256").update(seed).digest();
  let a = start.readUInt32LE(0);
  let b = start.readUInt32LE(4);
  let c = start.readUInt32LE(8);
  let counter = start.readUInt32LE(12);
  return () => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
}

export function randomOf(seed: string): Random {
  const next = words(seed);
  const below = (count: number): number => Math.floor((next() / 2 ** 32) * count);
  return {
    below,
    oneIn: (count) => below(count) === 0,
    pick: (values) => {
      const value = values[below(values.length)];
      if (value === undefined) throw new Error("Cannot pick one of nothing");
      return value;
    },
    weighted: (values) => {
      let left = below(values.reduce((sum, { weight }) => sum + weight, 0));
      for (const value of values) {
        if (left < value.weight) return value;
        left -= value.weight;
      }
      throw new Error("Cannot pick one of nothing");
    },
  };
}
