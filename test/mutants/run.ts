// `make mutants`: plants each bug of list.ts in a copy of the repository, runs the checks that `make test` runs, and prints which of them
// found it. Ends with 1 when a bug survives, or when the checks find something without one.
//
//   node test/mutants/run.ts [--only <part of a name>] [--from <n>] [--workers <n>] [--first]
//
//   --from: leave out the first n of the list      --first: stop at the first check that finds the bug

import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { checks, runCheck } from "./check.ts";
import type { Check } from "./check.ts";
import { plantedBugs } from "./list.ts";
import type { PlantedBug } from "./plantedBug.ts";
import { copyTree } from "./tree.ts";
import type { Tree } from "./tree.ts";

interface Report {
  readonly name: string;
  readonly seconds: number;
  /** By the name of the check. */
  readonly found: ReadonlyMap<string, string>;
}

const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    from: { type: "string", default: "0" },
    workers: { type: "string", default: String(availableParallelism()) },
    first: { type: "boolean", default: false },
  },
});

/** What a check says of what it found: the test files that failed, or "found". */
function summaryOf(output: string): string {
  const files = [...output.matchAll(/^FAIL \w+ (\S+)/gm)].map(([, file]) => (file ?? "").replace(/^test\//, ""));
  return files.length === 0 ? "found" : [...new Set(files)].join(", ");
}

async function tried(tree: Tree, bug: PlantedBug): Promise<Report> {
  const startedMs = performance.now();
  const found = new Map<string, string>();
  await tree.with(bug, async () => {
    for (const check of checks) {
      const verdict = await runCheck(check, tree.path);
      if (verdict.found) found.set(check.name, summaryOf(verdict.output));
      if (verdict.found && options.first) return;
    }
  });
  return { name: bug.name, seconds: (performance.now() - startedMs) / 1000, found };
}

async function withoutBugs(tree: Tree): Promise<readonly Check[]> {
  const wrong: Check[] = [];
  for (const check of checks) {
    const verdict = await runCheck(check, tree.path);
    if (!verdict.found) continue;
    wrong.push(check);
    console.error(`The check "${check.name}" finds something although no bug is planted:\n${verdict.output}`);
  }
  return wrong;
}

const print = ({ name, seconds, found }: Report): void => {
  const by = [...found].map(([check, what]) => `${check} (${what})`).join("; ");
  console.log(`${found.size === 0 ? "SURVIVED" : "killed  "} ${seconds.toFixed(0).padStart(4)} s  ${name.padEnd(66)} ${by}`);
};

async function main(): Promise<void> {
  const open = plantedBugs.slice(Number(options.from)).filter(({ name }) => name.includes(options.only));
  const trees = await Promise.all(Array.from({ length: Math.max(1, Number(options.workers)) }, copyTree));
  const reports: Report[] = [];
  try {
    const [first] = trees;
    if (first === undefined || (await withoutBugs(first)).length > 0) {
      process.exitCode = 1;
      return;
    }
    const next = open[Symbol.iterator]();
    await Promise.all(
      trees.map(async (tree) => {
        for (const bug of next) {
          const report = await tried(tree, bug);
          reports.push(report);
          print(report);
        }
      }),
    );
  } finally {
    await Promise.all(trees.map((tree) => tree.remove()));
  }
  const survivors = reports.filter(({ found }) => found.size === 0);
  const counts = checks.map(({ name }) => `${name} ${reports.filter(({ found }) => found.has(name)).length}`);
  console.log(`${reports.length - survivors.length} of ${reports.length} planted bugs killed; by check: ${counts.join(", ")}`);
  if (survivors.length > 0) process.exitCode = 1;
}

await main();
