// The campaign itself, short: 2,000 random schedules with a fresh seed, which it prints first. CAMPAIGN_SEED runs the same schedules again.

import { expect, test } from "@jest/globals";
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const mostMs = 300_000;

interface Ended {
  readonly code: number | null;
  readonly output: string;
}

function campaign(...more: readonly string[]): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["test/simulation/campaign.ts", ...more], {
      cwd: root,
      env: { ...process.env, NODE_OPTIONS: "" },
    });
    const parts: string[] = [];
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (part: Buffer) => void parts.push(part.toString()));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, output: parts.join("") }));
  });
}

const seed = process.env["CAMPAIGN_SEED"];

test(
  "no promise is broken in 2,000 random schedules, and everything that they are there to try came about",
  async () => {
    const { code, output } = await campaign("--schedules", "2000", ...(seed === undefined ? [] : ["--seed", seed]));
    process.stderr.write(`${output}\n`);
    expect(`ends with ${code}\n${code === 0 ? "" : output}`).toBe("ends with 0\n");
  },
  mostMs,
);

test("a seed runs the same schedules whatever the number of threads", async () => {
  const [one, two] = await Promise.all(
    ["1", "2"].map((workers) => campaign("--schedules", "40", "--seed", "replay", "--workers", workers)),
  );
  const counted = ({ output }: Ended): readonly string[] =>
    output.split("\n").filter((line) => /^(steps|passes|effects|row changes|faults met|steps done) /.test(line));
  if (one === undefined || two === undefined) throw new Error("Cannot compare two runs: one is missing");
  expect(counted(one)).toHaveLength(6);
  expect(counted(two)).toEqual(counted(one));
});
