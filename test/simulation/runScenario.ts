// Runs a scenario in the simulated world: every step, every Then at the moment of its line, the checker after each step, and at the end the
// farms must converge. An error names file and line.

import { Checker } from "./checker.ts";
import { untilConverged } from "./converged.ts";
import type { Expectation, Verb } from "./expectations.ts";
import { podPart, partsOf } from "./marks.ts";
import { defaultCluster, defaultDatabase, named } from "./names.ts";
import type { FarmObject, RowChange, RowObject } from "./objects.ts";
import type { Line, Scenario } from "./scenario.ts";
import { parseStep, printStep } from "./steps.ts";
import type { PodRecord } from "./truth.ts";
import { key } from "./apiServer.ts";
import { World } from "./world.ts";

/** Until pods run and have their rows. */
const settlingMs = 10_000;

interface Stage {
  readonly world: World;
  readonly checker: Checker;
  /** Rows as they were when the Given lines were done, by database and name. */
  given: ReadonlyMap<string, RowObject>;
  /** From where changes and events count. */
  changesFrom: number;
  eventsFrom: number;
}

/** Throws at the first line that does not hold. */
export async function runScenario(scenario: Scenario): Promise<void> {
  const world = new World({ isElected: scenario.isElected });
  const stage: Stage = { world, checker: new Checker(world.truth), given: new Map(), changesFrom: 0, eventsFrom: 0 };
  let hasBegun = false;
  let before: Line["kind"] | undefined;
  for (const line of scenario.lines) {
    const at = `${scenario.file}:${line.number}: ${line.kind} ${line.text}`;
    if (line.kind !== "Given" && !hasBegun) {
      hasBegun = true;
      await begin(scenario, stage);
    }
    if (line.kind === "Then") {
      const wrong = unmet(stage, line.expectation);
      if (wrong !== undefined) throw new Error(`${at}\n${wrong}`);
    } else {
      if (before !== "When") countFrom(stage);
      await perform(stage, line, at);
    }
    before = line.kind;
  }
  const wrong = await untilConverged(world);
  judge(stage, `${scenario.file}: after the last line`);
  if (wrong.length > 0) throw new Error(`${scenario.file}: after the last line the farms do not converge:\n${wrong.join("\n")}`);
}

async function begin(scenario: Scenario, stage: Stage): Promise<void> {
  const { world } = stage;
  if (scenario.startsOperator) await world.apply(parseStep("operator A starts"));
  await world.pass(settlingMs);
  judge(stage, `${scenario.file}: after the Given lines`);
  stage.given = new Map(
    [...world.truth.databases].flatMap(([name, { rows }]) => [...rows.values()].map((row) => [`${name}/${row.name}`, row] as const)),
  );
}

function countFrom(stage: Stage): void {
  stage.changesFrom = stage.world.truth.rowChanges.length;
  stage.eventsFrom = stage.world.events.length;
}

async function perform(stage: Stage, { steps }: Extract<Line, { readonly steps: unknown }>, at: string): Promise<void> {
  for (const step of steps) {
    try {
      await stage.world.apply(step);
    } catch (error) {
      throw new Error(`${at}\nThe step cannot be done: ${printStep(step)}`, { cause: error });
    }
    judge(stage, at);
  }
}

function judge({ checker }: Stage, at: string): void {
  const found = checker.take();
  if (found.length > 0) throw new Error(`${at}\n${found.map(({ rule, text }) => `${rule}: ${text}`).join("\n")}`);
}

/** Why it does not hold; undefined: it holds. */
function unmet(stage: Stage, expectation: Expectation): string | undefined {
  const { world, checker } = stage;
  const { truth } = world;
  const { cluster = defaultCluster, database = defaultDatabase } = expectation;
  const rows = [...truth.database(database).rows.values()];
  const pod = (name: string): PodRecord | undefined => podNamed(world, cluster, name);
  const farm = (name?: string): FarmObject | undefined => farmNamed(world, cluster, name);
  const row = (name: string): RowObject | undefined => rows.find((one) => one.name === name);
  switch (expectation.kind) {
    case "rows":
      return differs(
        expectation.names,
        rows.map(({ name }) => name),
      );
    case "rowOf": {
      const uid = pod(expectation.pod)?.uid ?? "";
      return partsOf(row(expectation.row)?.guid ?? null)?.pod === podPart(uid)
        ? undefined
        : `The row is ${JSON.stringify(row(expectation.row))}`;
    }
    case "rowUnchanged": {
      const before = stage.given.get(`${database}/${expectation.row}`);
      const now = row(expectation.row);
      return before !== undefined && before === now ? undefined : `It was ${JSON.stringify(before)} and is ${JSON.stringify(now)}`;
    }
    case "gate": {
      const uid = pod(expectation.pod)?.uid;
      const opening = truth.gateOpenings.find((one) => one.pod.uid === uid);
      return opening?.reason === expectation.reason ? undefined : `It was opened: ${opening?.reason ?? "never"}`;
    }
    case "gateClosed":
      return pod(expectation.pod)?.last.gate === "closed" ? undefined : "It is open";
    case "condition": {
      const found = listOf(farm(expectation.farm), "conditions").find(({ type }) => type === expectation.type);
      const said = `${String(found?.["status"])}: ${String(found?.["reason"])}`;
      return said === `${expectation.status}: ${expectation.reason}` ? undefined : `It is ${said} (${String(found?.["message"])})`;
    }
    case "server": {
      const found = listOf(farm(expectation.farm), "servers").filter(({ name }) => name === expectation.name);
      const said = found.map(({ state, reason }) => `${String(state)}: ${String(reason)}`);
      return said.includes(`${expectation.state}: ${expectation.reason}`) ? undefined : `It is ${said.join(" and ") || "not listed"}`;
    }
    case "notListed": {
      const found = listOf(farm(expectation.farm), "servers").find(({ name }) => name === expectation.name);
      return found === undefined ? undefined : `It is ${String(found["state"])}: ${String(found["reason"])}`;
    }
    case "plan": {
      const plan = (farm(expectation.farm)?.status["plan"] ?? {}) as Readonly<Record<string, unknown>>;
      const isSame = (["creates", "updates", "removals"] as const).every((count) => expectation[count] === (plan[count] ?? 0));
      return isSame ? undefined : `It is ${JSON.stringify(plan)}`;
    }
    case "deeds":
      return deedsDiffer(changes(stage), expectation);
    case "nothingDone":
      return changes(stage).length === 0
        ? undefined
        : `Changed: ${changes(stage)
            .map(({ before, after }) => (after ?? before)?.name)
            .join(", ")}`;
    case "farmGone":
      return farm(expectation.farm) === undefined ? undefined : "It is there";
    case "farmThere":
      return farm(expectation.farm) !== undefined ? undefined : "It is gone";
    case "event":
    case "noEvent": {
      const told = world.events.slice(stage.eventsFrom).map(({ event }) => event.reason);
      return told.includes(expectation.reason) === (expectation.kind === "event") ? undefined : `Told: ${told.join(", ") || "nothing"}`;
    }
    case "outlived":
      return checker.counts.outlived === expectation.count ? undefined : `It were ${checker.counts.outlived}`;
  }
}

const changes = ({ world, changesFrom }: Stage): readonly RowChange[] =>
  world.truth.rowChanges.slice(changesFrom).filter(({ by }) => by.kind === "operator");

function deedsDiffer(all: readonly RowChange[], { operator, deeds }: Extract<Expectation, { readonly kind: "deeds" }>): string | undefined {
  const own = all.filter(({ by }) => by.kind === "operator" && by.operator === operator);
  const done: Record<Verb, string[]> = { inserted: [], marked: [], removed: [] };
  for (const { before, after } of own)
    done[before === undefined ? "inserted" : after === undefined ? "removed" : "marked"].push((after ?? before)?.name ?? "");
  const wrong = (["inserted", "marked", "removed"] as const).flatMap((verb) => {
    const found = differs(deeds[verb], done[verb]);
    return found === undefined ? [] : [`${verb}: ${found}`];
  });
  return wrong.length === 0 ? undefined : wrong.join("; ");
}

function differs(wanted: readonly string[], found: readonly string[]): string | undefined {
  const text = found.toSorted().join(", ");
  return wanted.toSorted().join(", ") === text ? undefined : `Found: ${text || "none"}`;
}

/** The newest pod that ever had the name. */
function podNamed({ truth }: World, cluster: string, text: string): PodRecord | undefined {
  const { namespace, name } = named(text);
  return [...truth.records.values()].findLast(
    (record) => record.cluster === cluster && record.last.name === name && record.last.namespace === namespace,
  );
}

function farmNamed({ truth }: World, cluster: string, text = "shop"): FarmObject | undefined {
  const { namespace, name } = named(text);
  return truth.cluster(cluster).api.farms.get(key(namespace, name));
}

const listOf = (farm: FarmObject | undefined, field: string): readonly Readonly<Record<string, unknown>>[] =>
  (farm?.status[field] ?? []) as readonly Readonly<Record<string, unknown>>[];
