// What a Then line says, looked up on a real control plane: rows in the database, gates and conditions at the API server, what operators did
// in the commits of the database, or in their logs where there are several of them.

import { podPart } from "../../world/wholeRow.ts";
import type { WholeRow } from "../../world/wholeRow.ts";
import type { Expectation, Verb } from "../../simulation/expectations.ts";
import { defaultDatabase } from "../../simulation/names.ts";
import type { RowDeed } from "./judge.ts";
import { isAbsent } from "./deedsOfWorkloads.ts";
import { farmPath } from "./objects.ts";
import type { FarmStatus } from "./objects.ts";
import type { Stage } from "./stage.ts";

/** From where deeds and events count, and what rows were when the Given lines were done. */
export interface Since {
  /** By database and name in scenario files. */
  readonly given: ReadonlyMap<string, WholeRow>;
  /** How many there were. */
  readonly deeds: number;
  readonly lines: Readonly<Record<string, number>>;
  /** Milliseconds since 1970. */
  readonly atMs: number;
}

const theFarm = "shop";

/** Why it does not hold; undefined: it holds. */
export async function unmet(stage: Stage, expectation: Expectation, since: Since): Promise<string | undefined> {
  const { book, judge } = stage;
  const database = expectation.database ?? defaultDatabase;
  const rows = async (): Promise<readonly WholeRow[]> => await (await stage.database(database)).rows();
  const row = async (name: string): Promise<WholeRow | undefined> =>
    (await rows()).find(({ ServerName }) => book.nameOfServer(ServerName) === name);
  switch (expectation.kind) {
    case "rows":
      return differs(
        expectation.names,
        (await rows()).map(({ ServerName }) => book.nameOfServer(ServerName)),
      );
    case "rowOf": {
      const { namespace, name } = stage.at(expectation.pod);
      const found = await row(expectation.row);
      const part = podPart(book.named(namespace, name)?.uid ?? "");
      return found?.ServerGUID?.toLowerCase().endsWith(part) === true ? undefined : `The row is ${JSON.stringify(found)}`;
    }
    case "rowUnchanged": {
      const before = JSON.stringify(since.given.get(`${database}/${expectation.row}`));
      const now = JSON.stringify(await row(expectation.row));
      return before === now ? undefined : `It was ${before} and is ${now}`;
    }
    case "gate":
      return gateOf(stage, expectation.pod) === expectation.reason ? undefined : `It is ${gateOf(stage, expectation.pod) ?? "closed"}`;
    case "gateClosed":
      return gateOf(stage, expectation.pod) === undefined ? undefined : "It is open";
    case "condition": {
      const found = (await statusOf(stage, expectation.farm)).conditions?.find(({ type }) => type === expectation.type);
      const said = `${found?.status}: ${found?.reason}`;
      return said === `${expectation.status}: ${expectation.reason}` ? undefined : `It is ${said} (${found?.message})`;
    }
    case "server":
    case "notListed": {
      const { servers = [] } = await statusOf(stage, expectation.farm);
      const said = servers
        .filter(({ name }) => book.nameOfServer(name) === expectation.name)
        .map(({ state, reason }) => `${state}: ${reason}`);
      if (expectation.kind === "notListed") return said.length === 0 ? undefined : `It is ${said.join(" and ")}`;
      return said.includes(`${expectation.state}: ${expectation.reason}`) ? undefined : `It is ${said.join(" and ") || "not listed"}`;
    }
    case "plan": {
      const plan = ((await statusOf(stage, expectation.farm)).plan ?? {}) as Readonly<Record<string, unknown>>;
      const isSame = (["creates", "updates", "removals"] as const).every((count) => expectation[count] === (plan[count] ?? 0));
      return isSame ? undefined : `It is ${JSON.stringify(plan)}`;
    }
    case "deeds":
      return deedsDiffer(deedsOf(stage, expectation.operator, since), expectation.deeds);
    case "nothingDone": {
      const done = judge.deeds.slice(since.deeds);
      return done.length === 0 ? undefined : `Changed: ${done.map(({ kind, server }) => `${server} was ${kind}`).join(", ")}`;
    }
    case "farmGone":
      return (await isAbsent(stage, farmPath(stage.at(expectation.farm)))) ? undefined : "It is there";
    case "farmThere":
      return (await isAbsent(stage, farmPath(stage.at(expectation.farm)))) ? "It is gone" : undefined;
    case "event":
    case "noEvent": {
      const told = await eventsSince(stage, since.atMs);
      return told.includes(expectation.reason) === (expectation.kind === "event") ? undefined : `Told: ${told.join(", ") || "nothing"}`;
    }
    case "outlived":
      return judge.outlived === expectation.count ? undefined : `It were ${judge.outlived}`;
  }
}

const statusOf = async (stage: Stage, farm = theFarm): Promise<FarmStatus> => (await stage.farm(farm)).status ?? {};

function gateOf(stage: Stage, text: string): string | undefined {
  const { namespace, name } = stage.at(text);
  const gate = stage.book.named(namespace, name)?.object.status.conditions?.find(({ type }) => type === "webfarm.dev/registered");
  return gate?.status === "True" ? gate.reason : undefined;
}

const verbs: readonly (readonly [RegExp, Verb])[] = [
  [/^Registered the pod's server/, "inserted"],
  [/^Gave the row to the next pod/, "marked"],
  [/^Removed the server/, "removed"],
];

/** Whose commit it was is to be seen in nothing but the logs. */
function deedsOf(stage: Stage, operator: string, since: Since): readonly RowDeed[] {
  if (stage.operators.size === 1) return stage.judge.deeds.slice(since.deeds);
  const lines = stage
    .operator(operator)
    .lines()
    .slice(since.lines[operator] ?? 0);
  return lines.flatMap(({ message, ...fields }) => {
    const kind = verbs.find(([pattern]) => pattern.test(message))?.[1];
    return kind === undefined ? [] : [{ kind, server: stage.book.nameOfServer(String(fields["server"])) }];
  });
}

function deedsDiffer(done: readonly RowDeed[], wanted: Readonly<Record<Verb, readonly string[]>>): string | undefined {
  const wrong = (["inserted", "marked", "removed"] as const).flatMap((verb) => {
    const found = differs(
      wanted[verb],
      done.filter(({ kind }) => kind === verb).map(({ server }) => server),
    );
    return found === undefined ? [] : [`${verb}: ${found}`];
  });
  return wrong.length === 0 ? undefined : wrong.join("; ");
}

function differs(wanted: readonly string[], found: readonly string[]): string | undefined {
  const text = found.toSorted().join(", ");
  return wanted.toSorted().join(", ") === text ? undefined : `Found: ${text || "none"}`;
}

interface StoredEvent {
  readonly reason: string;
  readonly eventTime?: string;
  readonly series?: { readonly lastObservedTime: string };
  readonly metadata: { readonly creationTimestamp: string };
}

async function eventsSince(stage: Stage, atMs: number): Promise<readonly string[]> {
  const lists = await Promise.all(
    stage.namespaces().map(async (namespace) => {
      const found = await stage.api.json({ method: "GET", path: `/apis/events.k8s.io/v1/namespaces/${namespace}/events` });
      return (found as { readonly items: readonly StoredEvent[] }).items;
    }),
  );
  const timeOf = ({ series, eventTime, metadata }: StoredEvent): number =>
    Date.parse(series?.lastObservedTime ?? eventTime ?? metadata.creationTimestamp);
  return lists
    .flat()
    .filter((event) => timeOf(event) >= atMs)
    .map(({ reason }) => reason);
}
