// GROUP BY, HAVING and the aggregates: turns the rows of a join into one visit for each group.
import type { SqlValue } from "../session.ts";
import type { Compiled, Frame, Test } from "./compiled.ts";
import type { Join } from "./joinPlan.ts";
import type { Database } from "./model.ts";
import type { Aggregate } from "./scope.ts";
import { bigint, compare, convert, keyOf } from "./types.ts";

interface Grouped {
  readonly join: Join;
  readonly groupBy: readonly Compiled[];
  readonly aggregates: readonly Aggregate[];
  readonly having: Test | undefined;
  readonly database: Database;
}
interface Group {
  readonly rows: Frame["rows"];
  readonly accumulators: readonly Accumulator[];
}
interface Accumulator {
  readonly add: (frame: Frame) => void;
  readonly result: () => SqlValue;
}

export function groupRows({ join, groupBy, aggregates, having, database }: Grouped): Join {
  const collationOf = (compiled: Compiled) =>
    compiled.type.name === "nvarchar" ? (compiled.collated?.collation ?? database.collation) : undefined;
  const newGroup = (rows: Frame["rows"]): Group => ({
    rows,
    accumulators: aggregates.map((aggregate) => accumulator(aggregate, database)),
  });
  return (frame, emit) => {
    const groups = new Map<string, Group>();
    join(frame, () => {
      const key = groupBy.map((one) => keyOf(one.evaluate(frame), collationOf(one))).join("\u0001");
      let group = groups.get(key);
      if (group === undefined) groups.set(key, (group = newGroup([...frame.rows])));
      for (const one of group.accumulators) one.add(frame);
      return "on";
    });
    if (groups.size === 0 && groupBy.length === 0) groups.set("", newGroup([]));
    const around = { rows: frame.rows, aggregates: frame.aggregates };
    try {
      for (const group of groups.values()) {
        frame.rows = [...around.rows];
        for (const [slot, row] of group.rows.entries()) if (row !== undefined) frame.rows[slot] = row;
        frame.aggregates = group.accumulators.map((one) => one.result());
        if (having !== undefined && having(frame) !== true) continue;
        if (emit() === "stop") return;
      }
    } finally {
      frame.rows = around.rows;
      frame.aggregates = around.aggregates;
    }
  };
}

function accumulator({ name, operand, distinct }: Aggregate, database: Database): Accumulator {
  const collation = operand?.type.name === "nvarchar" ? (operand.collated?.collation ?? database.collation) : undefined;
  const seen = new Set<string>();
  let count = 0;
  let best: SqlValue = null;
  let sum = 0n;
  const add = (frame: Frame): void => {
    const value = operand === undefined ? 1 : operand.evaluate(frame);
    if (value === null) return;
    if (distinct) {
      const key = keyOf(value, collation);
      if (seen.has(key)) return;
      seen.add(key);
    }
    count++;
    if (name === "SUM") sum += BigInt(value as number);
    const order = name === "MIN" || name === "MAX" ? (best === null ? 1 : compare(value, best, collation) * (name === "MIN" ? -1 : 1)) : 0;
    if (order > 0) best = value;
  };
  const result = (): SqlValue => {
    switch (name) {
      case "COUNT":
        return count;
      case "SUM":
        return count === 0 || operand === undefined ? null : convert(sum, bigint, operand.type);
      case "MIN":
      case "MAX":
        return best;
    }
  };
  return { add, result };
}
