// `make campaign`: random schedules of pod life, faults, crashes and restores on simulated worlds, each judged by the checker after every
// step and by convergence at its end. Split over threads; the same seed runs the same schedules whatever their number. It prints a report and
// ends with 1 when a schedule failed (then shortened and told as a scenario) or when something that it is there to try never came about. A
// failure does not end the search: a long one is to find more than one. `--first` goes on where another run ended.
//
//   node test/simulation/campaign.ts [--schedules <n>] [--seed <text>] [--first <n>] [--workers <n>] [--replay <seed of one schedule>]

import { randomBytes } from "node:crypto";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { reportOf, tellFailure } from "./campaignReport.ts";
import { runSchedule } from "./campaignRun.ts";
import { added, missed, noTotals } from "./campaignTotals.ts";
import type { Totals } from "./campaignTotals.ts";
import type { Share, Told } from "./campaignWorker.ts";
import { generated } from "./generate.ts";
import { shrink } from "./shrink.ts";
import { printStep } from "./steps.ts";

const { values: options } = parseArgs({
  options: {
    schedules: { type: "string", default: "2000" },
    first: { type: "string", default: "0" },
    seed: { type: "string", default: randomBytes(4).toString("hex") },
    workers: { type: "string", default: String(availableParallelism()) },
    replay: { type: "string" },
  },
});

/** Fewer schedules than this need not have tried everything. */
const enoughForAll = 2_000;
const progressEveryMs = 5_000;
/** After so many the search ends: most have one cause then. */
const mostFailures = 5;
const started = performance.now();
const seconds = (): number => (performance.now() - started) / 1_000;
const say = (text: string): void => void process.stderr.write(`${seconds().toFixed(0).padStart(5)} s  ${text}\n`);

function wholeNumber(name: "schedules" | "first" | "workers", least: number): number {
  const count = Number(options[name]);
  if (!Number.isInteger(count) || count < least)
    throw new Error(`Cannot run with --${name} ${options[name]}: it takes a whole number from ${least}`);
  return count;
}

interface Campaign {
  readonly totals: Totals;
  /** Seeds of schedules that failed. */
  readonly failed: readonly string[];
}

interface CampaignOptions {
  readonly campaign: string;
  readonly first: number;
  readonly schedules: number;
  readonly workers: number;
}

async function runCampaign({ campaign, first, schedules, workers }: CampaignOptions): Promise<Campaign> {
  let totals = noTotals;
  const failed: string[] = [];
  const threads: Worker[] = [];
  const timer = setInterval(() => say(`${totals.schedules} of ${schedules} schedules`), progressEveryMs);
  const enough = Promise.withResolvers<undefined>();
  try {
    const all = Promise.all(
      Array.from({ length: workers }, (_, at) => {
        const share: Share = { campaign, first: first + at, end: first + schedules, step: workers };
        const thread = new Worker(new URL("campaignWorker.ts", import.meta.url), { workerData: share });
        threads.push(thread);
        return ended(thread, (told) => {
          if (told.kind !== "failed") {
            totals = added(totals, told.totals);
            return;
          }
          say(`schedule ${told.seed} failed`);
          failed.push(told.seed);
          if (failed.length === mostFailures) enough.resolve(undefined);
        });
      }),
    );
    await Promise.race([all, enough.promise]);
  } finally {
    clearInterval(timer);
    await Promise.all(threads.map((thread) => thread.terminate()));
  }
  return { totals, failed };
}

/** Resolves when the thread is done. */
function ended(thread: Worker, hear: (told: Told) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    thread.on("message", (told: Told) => {
      hear(told);
      if (told.kind === "done") resolve();
    });
    thread.on("error", reject);
    thread.on("exit", () => reject(new Error("A thread of the campaign ended before its work was done")));
  });
}

/** Runs one schedule again; true: nothing is wrong with it. */
async function replay(seed: string): Promise<boolean> {
  const { steps, wrong, ...conditions } = await runSchedule(generated(seed));
  if (wrong === undefined) {
    console.log(`Schedule ${seed} is in order:\n${steps.map((step) => `  ${printStep(step)}`).join("\n")}`);
    return true;
  }
  say(`schedule ${seed} failed after ${steps.length} steps (${wrong.kind}); making it shorter`);
  const fewer = await shrink(steps, wrong, conditions);
  console.log(`\n${await tellFailure(fewer, wrong, conditions)}\n`);
  console.log(`Replay: node test/simulation/campaign.ts --replay ${seed}   (${steps.length} steps, shortened to ${fewer.length})`);
  return false;
}

async function main(): Promise<void> {
  if (options.replay !== undefined) {
    process.exitCode = (await replay(options.replay)) ? 0 : 1;
    return;
  }
  const schedules = wholeNumber("schedules", 1);
  say(`seed ${options.seed}`);
  const { totals, failed } = await runCampaign({
    ...{ campaign: options.seed, schedules },
    ...{ first: wholeNumber("first", 0), workers: wholeNumber("workers", 1) },
  });
  if (failed.length > 0) {
    for (const seed of failed) await replay(seed);
    process.exitCode = 1;
    return;
  }
  console.log(reportOf(totals, { campaign: options.seed, seconds: seconds() }));
  if (schedules >= enoughForAll && missed(totals).length > 0) process.exitCode = 1;
}

await main();
