// The words of the campaign: its report, and a failed schedule told as a scenario with what the checker and the operators said.

import type { LogFields, Logger } from "../../operator/controller/logger.ts";
import type { Conditions, Wrong } from "./campaignRun.ts";
import { runSchedule } from "./campaignRun.ts";
import { missed } from "./campaignTotals.ts";
import type { Totals } from "./campaignTotals.ts";
import { listed } from "./generate.ts";
import { withElection } from "./scenario.ts";
import { printStep } from "./steps.ts";
import type { Step } from "./steps.ts";

const perLine = (counted: Readonly<Record<string, number>>): string =>
  Object.entries(counted)
    .toSorted(([a, one], [b, other]) => other - one || (a < b ? -1 : 1))
    .map(([name, count]) => `${name} ${count}`)
    .join(", ");

export function reportOf(totals: Totals, { campaign, seconds }: { readonly campaign: string; readonly seconds: number }): string {
  const missing = missed(totals);
  return [
    `seed         ${campaign}`,
    `schedules    ${totals.schedules} in ${seconds.toFixed(1)} s (${(totals.schedules / seconds).toFixed(0)} a second), simulated ${(totals.simulatedMs / 3_600_000).toFixed(0)} h`,
    `steps        ${totals.steps}`,
    `passes       ${totals.passes}`,
    `effects      ${totals.effects}`,
    `row changes  ${totals.rowChanges}`,
    `faults met   ${perLine(totals.faults)}`,
    `removals     ${perLine(totals.removals)}`,
    `checker      ${perLine(totals.judged)}`,
    `came about   ${perLine(totals.happened)}  (schedules)`,
    `steps done   ${perLine(totals.stepKinds)}`,
    `slowest      ${totals.slowest.seed}: ${totals.slowest.ms.toFixed(0)} ms`,
    ...(missing.length > 0 ? [`NEVER        ${missing.join(", ")}`] : []),
  ].join("\n");
}

const lastLines = 40;

/** Runs the schedule once more and tells it all. */
export async function tellFailure(steps: readonly Step[], { kind }: Wrong, conditions: Conditions): Promise<string> {
  const lines: string[] = [];
  const { wrong } = await runSchedule(listed(steps, conditions), recording(lines));
  return [
    `Scenario: ${kind}`,
    ...(conditions.isElected ? [`  ${withElection}`] : []),
    ...steps.map((step) => `  ${printStep(step)}`),
    "The checker says:",
    ...(wrong?.texts ?? ["nothing any more: the schedule does not replay"]).map((text) => `  ${text}`),
    "The operators said last:",
    ...lines.slice(-lastLines).map((line) => `  ${line}`),
  ].join("\n");
}

function recording(lines: string[], context: LogFields = {}): Logger {
  const say =
    (level: string) =>
    (message: string, fields: LogFields = {}): void =>
      void lines.push(`${level} ${message} ${told({ ...context, ...fields })}`);
  return {
    ...{ debug: say("debug"), info: say("info"), warn: say("warn"), error: say("error") },
    child: (fields) => recording(lines, { ...context, ...fields }),
  };
}

const told = (fields: LogFields): string =>
  Object.entries(fields)
    .map(([name, value]) => `${name}=${value instanceof Error ? value.message : typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(" ");
