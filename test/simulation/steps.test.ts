// The words of steps: every form can be printed and read back as the same step, and no two forms read one line.
import { describe, expect, test } from "@jest/globals";
import { forms, parseDuration, parseStep, printDuration, printStep } from "./steps.ts";
import type { Step, StepKind } from "./steps.ts";

/** A step of this kind, with something in each slot. */
function example(kind: StepKind, index = 1): Step {
  const slots = [...forms[kind].matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => name);
  const value = (name: string): string | number =>
    name === "duration" ? index * 1_500 : name === "count" || name === "nth" ? index : `${name}-${index}`;
  return { kind, ...Object.fromEntries(slots.map((name) => [name, value(name)])) } as unknown as Step;
}

const kinds = Object.keys(forms) as StepKind[];

test.each(kinds)("%s is read back as it was printed", (kind) => {
  for (const index of [1, 2, 40]) {
    const step = example(kind, index);
    expect(parseStep(printStep(step))).toEqual(step);
  }
});

test("no two kinds print one line", () => {
  const lines = kinds.map((kind) => printStep(example(kind)));
  expect(lines.filter((line, at) => lines.indexOf(line) !== at)).toEqual([]);
});

test.each([
  ["in east: pod shop-a is deleted", { kind: "podDeleted", pod: "shop-a", at: { cluster: "east" } }],
  ["at staging: database is saved", { kind: "databaseSaved", at: { database: "staging" } }],
  ["in east: at staging: a person deletes row x", { kind: "rowDeleted", row: "x", at: { cluster: "east", database: "staging" } }],
  ["deployment staging/shop wants 3", { kind: "deploymentMade", name: "staging/shop", count: 3 }],
])("%s", (line, step) => {
  expect(parseStep(line)).toEqual(step);
  expect(printStep(step as Step)).toBe(line);
});

test.each(["the sky falls", "pod is deleted", "pod shop-a is deleted twice", "deployment shop wants many", "3 weeks pass", ""])(
  "%j is no step",
  (line) => {
    expect(() => parseStep(line)).toThrow();
  },
);

describe("a duration", () => {
  test.each([
    [1, "1ms"],
    [1_000, "1s"],
    [1_500, "1500ms"],
    [90_000, "90s"],
    [180_000, "3m"],
    [7_200_000, "2h"],
    [0, "0ms"],
  ])("of %d ms is %s", (ms, text) => {
    expect(printDuration(ms)).toBe(text);
    expect(parseDuration(text)).toBe(ms);
  });
});
