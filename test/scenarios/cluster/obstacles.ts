// Why a scenario cannot be played on a real control plane, read from its lines alone: so that `Runs on:` of each file can be checked without
// one.

import { defaultCluster } from "../../simulation/names.ts";
import type { Line, Scenario } from "../../simulation/scenario.ts";
import { printStep } from "../../simulation/steps.ts";
import type { Step } from "../../simulation/steps.ts";
import { obstacle } from "./deeds.ts";

/** Of one step that lets time pass, and of a whole file: real time may have to pass. */
const mostMs = 60_000;
const mostTogetherMs = 120_000;

export const stepsOf = (lines: readonly Line[]): readonly Step[] => lines.flatMap((line) => (line.kind === "Then" ? [] : line.steps));

/** One sentence for each, with its line; empty: it can be played. */
export function obstacles({ file, lines }: Scenario): readonly string[] {
  const all = stepsOf(lines);
  const deployments = all.flatMap((step) => (step.kind === "deploymentMade" ? [step.name] : []));
  const operators = new Set(["A", ...all.flatMap((step) => ("operator" in step ? [step.operator] : []))]);
  const found = lines.flatMap((line) => {
    const at = `${file}:${line.number}`;
    if (line.kind === "Then")
      return (line.expectation.cluster ?? defaultCluster) === defaultCluster
        ? []
        : [`${at}: Then ${line.text}: there is one control plane`];
    return line.steps.flatMap((step) => {
      const why =
        obstacle(step, line.kind === "Given") ?? unknowable(step, deployments) ?? takesTooLong(step) ?? isNobodys(step, operators.size);
      return why === undefined ? [] : [`${at}: ${printStep(step)}: ${why}`];
    });
  });
  const togetherMs = all.reduce((sum, step) => sum + (step.kind === "timePasses" ? step.duration : 0), 0);
  return togetherMs > mostTogetherMs ? [...found, `${file}: it takes up to ${togetherMs / 1_000} s`] : found;
}

/** A row with the name of a Deployment's pod that is to come. */
function unknowable(step: Step, deployments: readonly string[]): string | undefined {
  const name = step.kind === "rowInserted" ? step.row : step.kind === "rowRenamed" || step.kind === "rowCopied" ? step.name : undefined;
  const isPods = deployments.some((deployment) => name !== undefined && new RegExp(`^${deployment}-[a-z]{1,2}$`).test(name));
  return isPods ? "nobody knows the names of a Deployment's pods before" : undefined;
}

function takesTooLong(step: Step): string | undefined {
  return "duration" in step && step.kind !== "farmFailOpen" && step.kind !== "farmNodeLost" && step.duration > mostMs
    ? `it takes more than ${mostMs / 1_000} s`
    : undefined;
}

/** Whose statement it was cannot be seen in it. */
function isNobodys(step: Step, operators: number): string | undefined {
  const isOfOne = step.kind.startsWith("effect") || step.kind === "databaseSilent" || step.kind === "databaseAnswers";
  return isOfOne && operators > 1 ? "whose statement it is cannot be told on the wire" : undefined;
}
