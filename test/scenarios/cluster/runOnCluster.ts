// Runs a scenario on a real control plane with kwok as its kubelets: the second runner of the files that test/simulation/runScenario.ts runs
// in the simulated world. Names of pods mean the real pods in the order of their making. A file with a step that cannot be played is refused.

import type { SharedCluster } from "../../cluster/shared.ts";
import type { Line, Scenario } from "../../simulation/scenario.ts";
import { parseStep, printStep } from "../../simulation/steps.ts";
import type { Step } from "../../simulation/steps.ts";
import { defaultDatabase } from "../../simulation/names.ts";
import { play } from "./deeds.ts";
import { foresee } from "./foresight.ts";
import { needsOwnControlPlane, openOwnGround } from "./ground.ts";
import type { Ground } from "./ground.ts";
import { obstacles, stepsOf } from "./obstacles.ts";
import { passTime, settle } from "./passTime.ts";
import { whatIsLeft } from "./rest.ts";
import { Stage } from "./stage.ts";
import { unmet } from "./unmet.ts";
import type { Since } from "./unmet.ts";

/** Longer than a real control plane needs for anything that the simulated one does in the moment of a Then. */
const patienceMs = 90_000;

type Then = Extract<Line, { readonly kind: "Then" }>;

/** On the control plane that is `shared`, or on one of its own. Throws at the first line that does not hold, and for whatever the judge saw. */
export async function runOnCluster(scenario: Scenario, shared: SharedCluster): Promise<void> {
  const [obstacle] = obstacles(scenario);
  if (obstacle !== undefined) throw new Error(`${scenario.file} cannot be played on a real control plane: ${obstacle}`);
  if (!needsOwnControlPlane(scenario)) {
    await runOn({ cluster: shared }, scenario);
    return;
  }
  const own = await openOwnGround();
  try {
    await runOn(own, scenario);
  } finally {
    await own.close();
  }
}

async function runOn(ground: Ground, scenario: Scenario): Promise<void> {
  const start = scenario.startsOperator ? [parseStep("operator A starts")] : [];
  const given = stepsOf(scenario.lines.filter(({ kind }) => kind === "Given"));
  const stage = new Stage({ ground, foresight: foresee(given, [...start, ...stepsOf(scenario.lines)], scenario.isElected) });
  try {
    await stage.open();
    await tell(stage, scenario, start);
  } finally {
    await stage.close();
  }
}

async function tell(stage: Stage, scenario: Scenario, start: readonly Step[]): Promise<void> {
  let since: Since = { given: new Map(), deeds: 0, lines: {}, atMs: 0 };
  let before: Line["kind"] | undefined;
  const [givens, story] = [scenario.lines.filter(({ kind }) => kind === "Given"), scenario.lines.filter(({ kind }) => kind !== "Given")];
  // The operator is there before the first pod, as it is in the moment in which the simulated world begins.
  const [pods, others] = [stepsOf(givens).filter(isAboutPods), stepsOf(givens).filter((step) => !isAboutPods(step))];
  const order = start.length === 0 ? stepsOf(givens) : [...others, ...start, ...pods];
  for (const step of order) await perform(stage, step, scenario.file);
  await settle(stage);
  since = { ...since, given: await rowsByName(stage) };
  const groups = grouped(story);
  for (const lines of groups) {
    const [line] = lines;
    if (line?.kind === "Then") await expectAll(stage, scenario.file, lines as readonly Then[], since);
    else {
      if (before !== "When") since = countFrom(stage, since);
      for (const one of lines) for (const step of stepsOf([one])) await perform(stage, step, `${scenario.file}:${one.number}`);
    }
    before = line?.kind;
    const problems = stage.judge.problems();
    if (problems.length > 0) throw new Error(`${scenario.file}:${line?.number}: ${problems.join("\n")}`);
  }
  await comeToRest(stage, start);
}

const isAboutPods = ({ kind }: Step): boolean => /^(deployment|set|pod|process|container|node)/.test(kind) && !kind.startsWith("pods");

/** Lines of one kind that follow each other. */
function grouped(lines: readonly Line[]): readonly (readonly Line[])[] {
  const groups: Line[][] = [];
  for (const line of lines) {
    const last = groups.at(-1);
    if (last?.[0]?.kind === line.kind) last.push(line);
    else groups.push([line]);
  }
  return groups;
}

async function perform(stage: Stage, step: Step, at: string): Promise<void> {
  try {
    if (step.kind === "timePasses") await passTime(stage, step.duration);
    else {
      stage.time.noteDeed();
      await play(stage, step);
    }
  } catch (error) {
    throw new Error(`${at}: ${printStep(step)}: the step cannot be done: ${String(error)}`, { cause: error });
  }
}

/** All at one look: what each line says must be so at the same time. */
async function expectAll(stage: Stage, file: string, lines: readonly Then[], since: Since): Promise<void> {
  let wrong: readonly string[] = [];
  const holds = async (): Promise<boolean> => {
    await stage.podEnds.endDue(); // of whose deletion was heard late
    const found = await Promise.all(
      lines.map(async ({ number, text, expectation }) => {
        const why = await unmet(stage, expectation, since);
        return why === undefined ? [] : [`${file}:${number}: Then ${text}\n${why}`];
      }),
    );
    wrong = found.flat();
    return wrong.length === 0;
  };
  await stage.until("what is said then is so", holds, { timeoutMs: patienceMs }).catch((error: unknown) => {
    throw new Error(wrong.length === 0 ? String(error) : `${wrong.join("\n")}\n${String(error)}`, { cause: error });
  });
}

/** Faults end, an operator runs, and in the end nothing is left to do but what it waits for. */
async function comeToRest(stage: Stage, start: readonly Step[]): Promise<void> {
  await stage.endFaults();
  const isRunning = [...stage.operators.values()].some(({ process }) => process !== undefined);
  if (!isRunning) for (const step of start) await play(stage, step);
  let left: readonly string[] = [];
  const isDone = async (): Promise<boolean> => {
    left = await whatIsLeft(stage, "no waits");
    return left.length === 0;
  };
  await stage.until("nothing is left to do", isDone, { timeoutMs: 180_000 }).catch((error: unknown) => {
    throw new Error(`after the last line: ${left.join("\n")}`, { cause: error });
  });
  const problems = stage.judge.problems();
  if (problems.length > 0) throw new Error(problems.join("\n"));
}

function countFrom(stage: Stage, since: Since): Since {
  const lines = [...stage.operators.values()].map((operator) => [operator.name, operator.lines().length] as const);
  return { ...since, deeds: stage.judge.deeds.length, lines: Object.fromEntries(lines), atMs: Date.now() };
}

async function rowsByName(stage: Stage): Promise<Since["given"]> {
  await stage.database(defaultDatabase);
  const rows = await Promise.all(
    (await stage.databases()).map(async (database) =>
      (await database.rows()).map((row) => [`${database.name}/${stage.book.nameOfServer(row.ServerName)}`, row] as const),
    ),
  );
  return new Map(rows.flat());
}
