// Breadth first through everything that can happen in a small world: each state once, the checker after each decision, and from each state
// at rest the way to where nothing is wrong. No sampling; what was not seen because of a limit is said.

import { execute } from "./exploreEffects.ts";
import type { Call, Outcome } from "./exploreEffects.ts";
import { keyOf } from "./exploreKey.ts";
import { Locals } from "./exploreLocals.ts";
import { stepMs } from "./exploreProcess.ts";
import type { Constants } from "./exploreProcess.ts";
import { faultNames, nextOf, onward, published, stopped } from "./exploreState.ts";
import type { FaultName, Next, Rules, State } from "./exploreState.ts";
import { Truths } from "./exploreTruth.ts";
import type { TruthNode } from "./exploreTruth.ts";
import { deedOf } from "./exploreWorlds.ts";
import type { SmallWorld } from "./exploreWorlds.ts";
import { originMs } from "./truth.ts";

export interface Limits {
  /** Faults that may happen on one way; of each kind at most one. */
  readonly faults: number;
  readonly depth: number;
  readonly states: number;
  /** Answers whether to stop for another reason. */
  readonly isOver: () => boolean;
  readonly onDepth?: (depth: number, states: number) => void;
  /** Each state as often as it is reached: to show that telling states apart loses nothing. */
  readonly withDuplicates?: boolean;
}

export interface Found {
  readonly what: string;
  /** Decisions from the beginning. */
  readonly schedule: readonly string[];
}

export interface Explored {
  readonly states: number;
  readonly transitions: number;
  /** So many decisions from the beginning everything was tried. */
  readonly depth: number;
  readonly isExhausted: boolean;
  /** States of one process, and how often a real process was given something. */
  readonly processes: number;
  readonly fed: number;
  /** States from which the farm was followed until nothing was wrong, and those on the way. */
  readonly converged: number;
  /** What people can see: rows and gates, in every state that was reached. */
  readonly outcomes: ReadonlySet<string>;
  readonly found: readonly Found[];
}

/** Moments of the processes' clocks are large numbers, so that they can be told from counts and durations. */
const beginsMs = Math.ceil((originMs + 1_000_000_000) / stepMs) * stepMs;
const secondStartsMs = stepMs;
const quietMs = 15 * stepMs;
const mostConvergenceMs = 25 * 60_000;
/** Told of one depth: all of them are as short as can be. */
const mostFound = 3;

interface Frontier {
  readonly state: State;
  readonly trail: Trail | undefined;
}

interface Trail {
  readonly before: Trail | undefined;
  readonly decision: string;
}

export async function explore(world: SmallWorld, limits: Limits): Promise<Explored> {
  const { rules, root, found: foundBefore } = await begin(world, limits.faults);
  const seen = new Set([keyOf(root)]);
  const goesWell = new Set<string>();
  const outcomes = new Set([outcomeOf(root)]);
  const found: Found[] = [...foundBefore];
  let frontier: Frontier[] = [{ state: root, trail: undefined }];
  let transitions = 0;
  let depth = 0;
  let isCut = false;
  while (frontier.length > 0 && depth < limits.depth && found.length === 0 && !isCut) {
    const next: Frontier[] = [];
    for (const { state, trail } of frontier) {
      isCut = limits.isOver() || seen.size >= limits.states;
      if (isCut) break;
      for (const one of await nextOf(rules, state)) {
        transitions += 1;
        const here: Trail = { before: trail, decision: one.decision };
        if (one.violations.length > 0) {
          found.push({ what: whatOf(one), schedule: scheduleOf(here) });
          continue;
        }
        const key = keyOf(one.state);
        if (seen.has(key) && limits.withDuplicates !== true) continue;
        seen.add(key);
        outcomes.add(outcomeOf(one.state));
        next.push({ state: one.state, trail: here });
      }
      const wrong = await convergence(rules, state, goesWell);
      if (wrong !== undefined) found.push({ what: wrong.what, schedule: [...scheduleOf(trail), ...wrong.schedule] });
    }
    frontier = next;
    if (!isCut) depth += 1;
    limits.onDepth?.(depth, seen.size);
  }
  const isExhausted = frontier.length === 0 && !isCut;
  return {
    states: seen.size,
    transitions,
    depth,
    isExhausted,
    converged: goesWell.size,
    outcomes,
    found: found.slice(0, mostFound),
    processes: rules.locals.count,
    fed: rules.locals.fed,
  };
}

/**
 * Follows the farm from any state while nothing more happens to it: what is on its way arrives, whoever is down or stopped goes on, and time
 * passes. Undefined: nothing is wrong in the end.
 */
async function convergence(rules: Rules, from: State, goesWell: Set<string>): Promise<Found | undefined> {
  const way = new Set<string>();
  const schedule: string[] = [];
  const endMs = from.nowMs + mostConvergenceMs;
  for (let state: State = { ...from, faultsLeft: 0 }; ;) {
    const key = keyOf(state);
    if (goesWell.has(key)) break;
    way.add(key);
    const next = await onward(rules, state, { startsStopped: true });
    const isQuiet = next === undefined || next.kind === "time";
    const wrong = isQuiet ? rules.truths.whatIsWrong(state.truth, state.nowMs) : [];
    if (isQuiet && wrong.length === 0) break;
    if (next === undefined || state.nowMs > endMs) return { what: `does not converge: ${wrong.join("; ")}`, schedule };
    schedule.push(next.decision);
    if (next.violations.length > 0) return { what: whatOf(next), schedule };
    state = next.state;
  }
  for (const key of way) goesWell.add(key);
  return undefined;
}

const scheduleOf = (trail: Trail | undefined): readonly string[] => {
  const lines: string[] = [];
  for (let at = trail; at !== undefined; at = at.before) lines.push(at.decision);
  return lines.toReversed();
};

function outcomeOf({ truth: { image } }: State): string {
  const rows = image.databases.flatMap(({ rows: all }) => all.map(({ serverID, name, guid }) => `${serverID} ${name} ${guid}`));
  const gates = image.store.pods.map(({ name, uid, gate }) => `${name} ${uid} ${gate}`);
  return [...rows.toSorted(), ...gates.toSorted()].join("\n");
}

interface Begun {
  readonly rules: Rules;
  readonly root: State;
  /** What was wrong before anything was tried. */
  readonly found: readonly Found[];
}

/** The world in which its first pod is registered and two operators have nothing to do. */
async function begin(world: SmallWorld, faults: number): Promise<Begun> {
  const truths = new Truths({ goesBack: world.goesBack ?? false });
  const prepared = truths.change(all(truths, world.begins, truths.empty(), beginsMs), beginsMs, world.prepare ?? ((): void => undefined));
  const { truth } = prepared;
  const locals = new Locals(constantsOf(world, truths, truth), undecisiveIn(world));
  const rules: Rules = {
    truths,
    locals,
    chains: world.chains.map((chain) => chain.map(deedOf)),
    statusMatters: world.statusMatters ?? false,
  };
  const state: State = {
    ...{ nowMs: beginsMs, truth, operators: [stopped, stopped], late: [], faults: each(0), faultsLeft: 0 },
    deeds: world.chains.map(() => 0),
  };
  const first = await quiet(rules, await started(rules, state, 0), secondStartsMs);
  const both = await quiet(rules, await started(rules, first.state, 1), quietMs);
  let root = both.state;
  for (const line of world.unheard ?? []) root = { ...root, ...happened(rules, root, line) };
  return { rules, root: { ...root, faults: each(1), faultsLeft: faults }, found: [...first.found, ...both.found] };
}

const each = (count: number): Record<FaultName, number> =>
  Object.fromEntries(faultNames.map((name) => [name, count])) as Record<FaultName, number>;

function all(truths: Truths, lines: readonly string[], from: TruthNode, nowMs: number): TruthNode {
  return lines.reduce((truth, line) => {
    const change = truths.step(truth, nowMs, deedOf(line));
    if (change === undefined) throw new Error(`A world cannot begin with "${line}"`);
    return change.truth;
  }, from);
}

/** It has happened, and what watches carry of it is on its way. */
function happened({ truths }: Rules, root: State, line: string): State {
  const change = truths.step(root.truth, root.nowMs, deedOf(line));
  if (change === undefined) throw new Error(`A world cannot begin with "${line}"`);
  return published(root, change);
}

async function started(rules: Rules, state: State, operator: number): Promise<State> {
  const local = await rules.locals.start(state.nowMs);
  return { ...state, operators: state.operators.with(operator, { ...stopped, local }) };
}

/** What happens by itself in `ms`, to the first thing that is wrong. */
async function quiet(rules: Rules, from: State, ms: number): Promise<{ readonly state: State; readonly found: readonly Found[] }> {
  let state = from;
  const schedule: string[] = [];
  for (;;) {
    const next = await onward(rules, state, { startsStopped: false });
    if (next === undefined || next.state.nowMs > from.nowMs + ms) return { state: { ...state, nowMs: from.nowMs + ms }, found: [] };
    schedule.push(next.decision);
    state = next.state;
    if (next.violations.length > 0) return { state, found: [{ what: whatOf(next), schedule }] };
  }
}

const whatOf = ({ violations }: Next): string => violations.map(({ rule, text }) => `${rule}: ${text}`).join("; ");

/** The Secret, and mostly the workload, is read again with the same answer. */
const undecisiveIn = ({ workloadsChange }: SmallWorld): ReadonlySet<string> =>
  new Set(workloadsChange === true ? ["credentials.atMs"] : ["credentials.atMs", "workloads.atMs"]);

/** Answers that no deed of the world changes, as they are in the beginning. */
function constantsOf(world: SmallWorld, truths: Truths, truth: TruthNode): Constants {
  const known = new Map<string, Outcome>();
  const isConstant = ({ method }: Call): boolean => {
    switch (method) {
      case "namespaceUid":
      case "readSecret":
      case "readConfigMap":
      case "readServiceAccount":
      case "facts":
      case "sweep":
        return true;
      case "readWorkload":
        return world.workloadsChange !== true;
      default:
        return false;
    }
  };
  return (call) => {
    if (!isConstant(call)) return undefined;
    const text = JSON.stringify([call.method, call.args]);
    const before = known.get(text);
    if (before !== undefined) return before;
    const { answer } = truths.change(truth, beginsMs, ({ truth: at }) => execute(at, "constant", { call, sentAtMs: beginsMs }));
    known.set(text, answer);
    return answer;
  };
}
