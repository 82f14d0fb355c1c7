// Random choices from a seed: the same seed chooses the same. Each part of a run has its own, so that how fast one part goes does not change
// what another chooses.

import { seededRandom } from "../database/engine/random.ts";

export interface Chance {
  /** A whole number from `least` to `most`, both included. */
  readonly between: (least: number, most: number) => number;
  /** True in one of `count` cases. */
  readonly oneIn: (count: number) => boolean;
  readonly pick: <Value>(values: readonly Value[]) => Value;
  /** At most `count` of them, each once. */
  readonly some: <Value>(values: readonly Value[], count: number) => readonly Value[];
}

export function createChance(seed: number): Chance {
  const random = seededRandom(seed);
  const between = (least: number, most: number): number => least + Math.floor(random() * (most - least + 1));
  const pick = <Value>(values: readonly Value[]): Value => {
    const value = values[between(0, values.length - 1)];
    if (value === undefined) throw new Error("Cannot pick one of nothing");
    return value;
  };
  return {
    between,
    oneIn: (count) => random() * count < 1,
    pick,
    some: (values, count) => {
      const left = [...values];
      return Array.from({ length: Math.min(count, left.length) }, () => left.splice(between(0, left.length - 1), 1)).flat();
    },
  };
}
