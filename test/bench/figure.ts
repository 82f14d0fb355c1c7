// One figure a line on standard output, as JSON; what the bench is doing goes to standard error.

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: "ms" | "s" | "requests" | "MiB" | "writes";
  /** The same on the same servers without the operator; null where nothing of the kind can be measured. */
  readonly floor: number | null;
  readonly samples: number;
}

const rounded = (value: number): number => Number(value.toPrecision(4));

export function print(database: string, { name, value, unit, floor, samples }: Figure): void {
  const figure = {
    ...{ name, value: rounded(value), unit },
    ...{ floor: floor === null ? null : rounded(floor), ratio: floor === null ? null : rounded(value / floor) },
    ...{ samples, database },
  };
  process.stdout.write(`${JSON.stringify(figure)}\n`);
}

export const say = (text: string): void => void process.stderr.write(`bench: ${text}\n`);

/** The nearest rank: a sample that was really measured. */
export function percentile(samples: readonly number[], percent: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)];
  if (value === undefined) throw new Error("Cannot take a percentile of nothing");
  return value;
}
