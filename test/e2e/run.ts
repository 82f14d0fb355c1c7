// `make e2e`: the crash run in full, on a control plane of its own. E2E_KILLS, E2E_PODS and E2E_SEED change it, E2E_OPERATOR=path runs another
// bundle. It prints its seed first and one JSON object at the end, and exits with 1 when anything was that must not be. The seed makes the
// same choices again; the moments at which they meet the control plane, the endpoint and the operator are real, and so never the same twice.

import { randomInt } from "node:crypto";
import { runCrashes } from "./crashRun.ts";

function numberOf(variable: string, fallback: number): number {
  const value = Number(process.env[variable] ?? fallback);
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`Cannot run with ${variable}=${process.env[variable]}: it takes a whole number from 1`);
  return value;
}

const started = performance.now();
const say = (text: string): void =>
  void process.stderr.write(`${((performance.now() - started) / 1000).toFixed(0).padStart(4)} s  ${text}\n`);
const entry = process.env["E2E_OPERATOR"];
const seed = numberOf("E2E_SEED", randomInt(1, 1_000_000));

// As an exit, which takes operators and cluster along.
process.once("SIGINT", () => process.exit(130)).once("SIGTERM", () => process.exit(143));
say(`E2E_SEED=${seed}`);
const report = await runCrashes({
  ...{ kills: numberOf("E2E_KILLS", 100), pods: numberOf("E2E_PODS", 200), seed, say },
  ...(entry !== undefined && { entry }),
});
process.stdout.write(`${JSON.stringify({ ...report, seconds: Math.round((performance.now() - started) / 1000) }, null, 2)}\n`);
for (const problem of report.problems) say(`WRONG  ${problem}`);
say(
  report.problems.length === 0
    ? "Rows are live pods; nothing was removed that might not go."
    : `${report.problems.length} things are wrong.`,
);
process.exitCode = report.problems.length === 0 ? 0 : 1;
