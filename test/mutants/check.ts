// The checks that a planted bug must not survive, each a command that ends with another code than 0 when it has found something.

import { spawn } from "node:child_process";

export interface Check {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly environment?: Readonly<Record<string, string>>;
}

/** What finds something is as good as what finds much. Some tests leave a timer behind, which would keep a run in band from ending. */
const untilFirst = ["--bail", "--silent", "--runInBand", "--forceExit", "--testTimeout=20000"] as const;

const jest = (...more: readonly string[]): Pick<Check, "command" | "environment"> => ({
  command: ["node", "--experimental-vm-modules", "node_modules/jest/bin/jest.js", ...more],
  // A table of mutants needs no stack traces, and no second opinion of a worker.
  environment: { NODE_OPTIONS: "" },
});

/** Unit tests of these files. */
export const testFiles = (files: readonly string[]): Check => ({
  name: files.join(" "),
  ...jest(...files, "--selectProjects", "unit", ...untilFirst),
});

export const testFile = (file: string): Check => testFiles([file]);

/** In the order in which they are tried: all of them are part of `make test`. */
export const checks: readonly Check[] = [
  {
    name: "unit",
    ...jest("--selectProjects", "unit", ...untilFirst, "--testPathIgnorePatterns", "scenarios", "\\.(db|cluster|proof)\\.test\\.ts$"),
  },
  { name: "database", ...jest("test/sqlserver", "test/contract", "--selectProjects", "database", ...untilFirst) },
  { name: "scenarios", ...jest("test/scenarios.test.ts", "--selectProjects", "unit", ...untilFirst) },
  { name: "campaign", command: ["node", "test/simulation/campaign.ts", "--schedules", "2000", "--seed", "1", "--workers", "1"] },
  { name: "explore", command: ["node", "test/simulation/explore.ts", "--quick"] },
];

export interface Verdict {
  readonly found: boolean;
  readonly seconds: number;
  /** What the check printed, its end. */
  readonly output: string;
}

/** Longer than any check takes: then the run itself is broken. */
const longestMs = 15 * 60_000;
const keptOutput = 1_000_000;

export async function runCheck({ command: [program, ...args], environment }: Check, directory: string): Promise<Verdict> {
  const startedMs = performance.now();
  const child = spawn(program, args, { cwd: directory, env: { ...process.env, ...environment }, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString("utf8")).slice(-keptOutput);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  const timer = setTimeout(() => child.kill("SIGKILL"), longestMs);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  clearTimeout(timer);
  if (code === null) throw new Error(`Cannot end the check ${program} ${args.join(" ")}: it was killed\n${output}`);
  return { found: code !== 0, seconds: (performance.now() - startedMs) / 1000, output };
}
