// Scenario files: a story in plain words, read into a value. Whoever runs it (runScenario.ts in the simulated world; a second runner on a real
// control plane) takes the same lines. It never runs anything; an error names the file, the line and the rule.

import { parseExpectation } from "./expectations.ts";
import type { Expectation } from "./expectations.ts";
import { parseStep } from "./steps.ts";
import type { Step } from "./steps.ts";

export interface Scenario {
  readonly file: string;
  readonly title: string;
  readonly why: string;
  readonly runsOn: readonly Ground[];
  readonly lines: readonly Line[];
  /** Operator A is started behind the Given lines, unless one says otherwise. */
  readonly startsOperator: boolean;
  /** Operators compete for a Lease; otherwise each writes. */
  readonly isElected: boolean;
}

export type Ground = "simulation" | "cluster";

interface Placed {
  /** From 1. */
  readonly number: number;
  readonly text: string;
}

export type Line =
  | (Placed & { readonly kind: "Given" | "When"; readonly steps: readonly Step[] })
  | (Placed & { readonly kind: "Then"; readonly expectation: Expectation });

const withoutOperator = "no operator runs";
export const withElection = "operators compete for a Lease";

/**
 * ```
 * Scenario: the operator is down during a whole rollout
 * Why: promises 2 and 3
 * Runs on: simulation, cluster
 * Given deployment shop wants 3, webfarm shop with policy Sync
 * When operator A crashes
 * Then rows are shop-a, shop-b, shop-c
 * ```
 * `And` repeats the word of the line before; `#` begins a comment. Throws for a line that follows no rule.
 */
export function parseScenario(file: string, text: string): Scenario {
  const head: Partial<Record<"Scenario" | "Why" | "Runs on", string>> = {};
  const lines: Line[] = [];
  let startsOperator = true;
  let isElected = false;
  let last: Line["kind"] | undefined;
  for (const { number, text: line } of numbered(text)) {
    const wrong = (rule: string): Error => new Error(`${file}:${number}: ${rule}: "${line}"`);
    const heading = /^(Scenario|Why|Runs on): (.+)$/.exec(line);
    if (heading !== null) {
      const name = heading[1] as keyof typeof head;
      if (head[name] !== undefined) throw wrong(`${name} is said twice`);
      head[name] = heading[2] ?? "";
      continue;
    }
    const [, word = "", rest = ""] = /^(Given|When|Then|And) (.+)$/.exec(line) ?? [];
    const kind = word === "And" ? last : (word as Line["kind"] | "");
    if (kind === undefined || kind === "") throw wrong("a line begins with Scenario:, Why:, Runs on:, Given, When, Then or And");
    if (kind === "Given" && lines.some((one) => one.kind !== "Given")) throw wrong("Given stands before every When and Then");
    last = kind;
    if (kind === "Given" && rest === withoutOperator) {
      startsOperator = false;
      continue;
    }
    if (kind === "Given" && rest === withElection) {
      isElected = true;
      continue;
    }
    const placed = { number, text: rest };
    try {
      if (kind === "Then") lines.push({ ...placed, kind, expectation: parseExpectation(rest) });
      else lines.push({ ...placed, kind, steps: rest.split(", ").map(parseStep) });
    } catch (error) {
      throw wrong(error instanceof Error ? error.message : String(error));
    }
  }
  const { Scenario: title, Why: why } = head;
  if (title === undefined || why === undefined) throw new Error(`${file}: a file says Scenario: and Why:`);
  if (!lines.some(({ kind }) => kind === "Then")) throw new Error(`${file}: without a Then nothing is shown`);
  const common = { file, title, why, runsOn: groundsOf(file, head["Runs on"]), lines, isElected };
  return { ...common, startsOperator: startsOperator && !startsOneItself(lines) };
}

function* numbered(text: string): Iterable<{ readonly number: number; readonly text: string }> {
  for (const [index, line] of text.split("\n").entries()) {
    const said = line.replace(/(^|\s)#.*$/, "").trim();
    if (said !== "") yield { number: index + 1, text: said };
  }
}

function groundsOf(file: string, text: string | undefined): readonly Ground[] {
  const grounds = (text ?? "").split(",").map((one) => one.trim());
  if (grounds.every((one) => one === "simulation" || one === "cluster")) return grounds;
  throw new Error(`${file}: "Runs on:" names simulation, cluster or both: "${text ?? ""}"`);
}

const startsOneItself = (lines: readonly Line[]): boolean =>
  lines.some((line) => line.kind === "Given" && line.steps.some(({ kind }) => kind === "operatorStarts"));
