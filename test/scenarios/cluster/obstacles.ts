// Why a scenario cannot be played on a real control plane, read from its lines alone: so that `Runs on:` of each file can be checked without
// one.

import { defaultCluster } from "../../simulation/names.ts";
import type { Line, Scenario } from "../../simulation/scenario.ts";
import { printStep } from "../../simulation/steps.ts";
import type { Step } from "../../simulation/steps.ts";
import { obstacle } from "./deeds.ts";

/** Of what is put off: nobody waits longer than this for real. */
const mostMs = 60_000;

export const stepsOf = (lines: readonly Line[]): readonly Step[] => lines.flatMap((line) => (line.kind === "Then" ? [] : line.steps));

/** One sentence for each, with its line; empty: it can be played. */
export function obstacles({ file, lines }: Scenario): readonly string[] {
  const all = stepsOf(lines);
  const deployments = all.flatMap((step) => (step.kind === "deploymentMade" ? [step.name] : []));
  const operators = new Set(["A", ...all.flatMap((step) => ("operator" in step ? [step.operator] : []))]);
  return lines.flatMap((line) => {
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
}

/** A row with the name of a Deployment's pod that is to come. */
function unknowable(step: Step, deployments: readonly string[]): string | undefined {
  const name = step.kind === "rowInserted" ? step.row : step.kind === "rowRenamed" || step.kind === "rowCopied" ? step.name : undefined;
  const isPods = deployments.some((deployment) => name !== undefined && new RegExp(`^${deployment}-[a-z]{1,2}$`).test(name));
  return isPods ? "nobody knows the names of a Deployment's pods before" : undefined;
}

function takesTooLong(step: Step): string | undefined {
  const isPutOff = step.kind === "effectLate" || step.kind === "operatorPauses";
  return isPutOff && step.duration > mostMs ? `it takes more than ${mostMs / 1_000} s` : undefined;
}

/** Whose statement it was cannot be seen in it. */
function isNobodys(step: Step, operators: number): string | undefined {
  const isOfOne = step.kind.startsWith("effect") || step.kind === "databaseSilent" || step.kind === "databaseAnswers";
  return isOfOne && operators > 1 ? "whose statement it is cannot be told on the wire" : undefined;
}
