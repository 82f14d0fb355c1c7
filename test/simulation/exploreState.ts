// A state of a small world and everything that can happen next in it, one decision at a time: an operator's effect is executed and answered,
// a watch delivers, something happens to pods, time passes to the next moment at which something is due, or a fault that is left happens.
//
// What is merged, and why nothing is lost by it:
//  * Answers that nothing in this world can change (UIDs of namespaces, Secrets, facts of the database; workloads, where no step of the world
//    changes one) come at once: when they come makes no difference to anybody.
//  * Where no person approves and no WebFarm is deleted, the status is read back by no decision: it is written as soon as it is sent, whatever
//    the version, and both caches hear of it at once.
//  * A gate is opened as soon as that is asked: it is judged by whether the pod ever had a row, which becomes no less true, and a later opening
//    could only find the pod gone. When operators hear of it is for the exploration to try.
//  * Events that a process hears in a pass are heard one by one: until the pass looks again, together is the same.
//  * A pass begins as soon as its key is added. Beginning later is hearing later of what added it, which is among the orders tried; events that
//    arrive together are tried as well (a watch delivers any number of those that are on their way).
//  * A fired timer wakes only its own process, so processes whose timers are due in the same moment wake in the same decision.
//  * The two operators are the same program: a state in which they have changed places is the same state.
//  * Time passes while nothing is on its way (but for operators that are paused and caches that are stalled, for which nothing waits).

import type { WebFarm } from "../../operator/farm/model.ts";
import type { AskedEffect, Outcome } from "./exploreEffects.ts";
import type { Local, Locals } from "./exploreLocals.ts";
import { stepMs } from "./exploreProcess.ts";
import type { Input, StreamName } from "./exploreProcess.ts";
import type { Change, Deed, TruthNode, Truths } from "./exploreTruth.ts";
import { timeout } from "./effects.ts";
import type { Violation } from "./checker.ts";
import type { WatchEvent } from "./objects.ts";
import { printDuration, printStep } from "./steps.ts";

export const faultNames = ["crash", "lostReply", "late", "unanswered", "pause", "stall", "relist"] as const;
export type FaultName = (typeof faultNames)[number];

interface Feed {
  readonly needsList: boolean;
  readonly events: readonly WatchEvent[];
}

export interface OperatorState {
  /** Absent: it does not run. */
  readonly local: Local | undefined;
  readonly farms: Feed;
  readonly pods: Feed;
  readonly isPaused: boolean;
  readonly isStalled: boolean;
}

/** A statement that is on its way although nobody waits for it. */
export interface LateStatement {
  readonly effect: AskedEffect;
  readonly operator: number;
}

export interface State {
  readonly nowMs: number;
  readonly truth: TruthNode;
  readonly operators: readonly OperatorState[];
  readonly late: readonly LateStatement[];
  /** How far each chain of the world's deeds has come. */
  readonly deeds: readonly number[];
  readonly faults: Readonly<Record<FaultName, number>>;
  /** How many faults may yet happen. */
  readonly faultsLeft: number;
}

export interface Rules {
  readonly truths: Truths;
  readonly locals: Locals;
  /** Each chain happens in its order, and all of them in any order to each other. */
  readonly chains: readonly (readonly Deed[])[];
  readonly statusMatters: boolean;
}

export interface Next {
  readonly decision: string;
  readonly state: State;
  readonly violations: readonly Violation[];
  /** Not a fault: something that was bound to happen. */
  readonly kind: "progress" | "deed" | "time" | "fault";
}

const names = ["A", "B", "C"] as const;
export const nameOf = (operator: number): string => names[operator] ?? String(operator);

const nothing: Feed = { needsList: true, events: [] };
export const stopped: OperatorState = {
  ...{ local: undefined, farms: nothing, pods: nothing, isPaused: false, isStalled: false },
};

const writes: ReadonlySet<string> = new Set(["sql.register", "sql.mark", "sql.remove"]);
const changes: ReadonlySet<string> = new Set([...writes, "api.finalizer", "api.status"]);

/** Everything that can happen next. */
export async function nextOf(rules: Rules, state: State): Promise<readonly Next[]> {
  const found: Next[] = [];
  for (const operator of state.operators.keys()) for (const make of ofOperator(rules, state, operator)) found.push(await make());
  for (const index of state.late.keys()) found.push(await executeLate(rules, state, index));
  for (const chain of rules.chains.keys()) {
    const next = await deed(rules, state, chain);
    if (next !== undefined) found.push(next);
  }
  const tick = await timePasses(rules, state);
  if (tick !== undefined) found.push(tick);
  return found;
}

/** What happens next when nothing more befalls anybody: the first that is bound to happen, or time; undefined: nothing ever. */
export async function onward(
  rules: Rules,
  state: State,
  { startsStopped }: { readonly startsStopped: boolean },
): Promise<Next | undefined> {
  for (const [operator, { local, isPaused, isStalled }] of state.operators.entries()) {
    if (local === undefined && !startsStopped) continue;
    if (local === undefined) return await start(rules, state, operator);
    if (isPaused) return await resume(rules, state, operator);
    if (isStalled) return await catchUp(rules, state, operator);
    const [first] = progressOf(rules, state, operator);
    if (first !== undefined) return await first();
  }
  return state.late.length > 0 ? await executeLate(rules, state, 0) : await timePasses(rules, state);
}

type Make = () => Promise<Next>;

function ofOperator(rules: Rules, state: State, operator: number): Make[] {
  const it = at(state.operators, operator);
  const { local } = it;
  if (local === undefined) return [() => start(rules, state, operator)];
  if (it.isPaused) return [() => resume(rules, state, operator)];
  const found = progressOf(rules, state, operator);
  if (it.isStalled) found.push(() => catchUp(rules, state, operator));
  if (state.faultsLeft === 0) return found;
  const { faults } = state;
  for (const effect of local.asked) {
    const isChange = changes.has(effect.kind);
    if (faults.lostReply > 0 && isChange) found.push(() => loseReply(rules, state, operator, effect));
    if (faults.late > 0 && writes.has(effect.kind)) found.push(() => sendLate(rules, state, operator, effect));
    if (faults.unanswered > 0 && !isChange) found.push(() => leaveUnanswered(rules, state, operator, effect));
  }
  if (faults.crash > 0) {
    found.push(() => crash(rules, state, operator, undefined));
    for (const effect of local.asked) if (writes.has(effect.kind)) found.push(() => crash(rules, state, operator, effect));
  }
  if (faults.pause > 0)
    found.push(() => change(rules, spend(state, "pause"), operator, { isPaused: true }, `operator ${nameOf(operator)} pauses`));
  if (faults.stall > 0 && !it.isStalled)
    found.push(() => change(rules, spend(state, "stall"), operator, { isStalled: true }, `cache of ${nameOf(operator)} stalls`));
  if (faults.relist > 0 && !it.farms.needsList) found.push(() => breakOff(rules, state, operator));
  return found;
}

/** What a healthy operator is bound to do or hear next. */
function progressOf(rules: Rules, state: State, operator: number): Make[] {
  const it = at(state.operators, operator);
  const { local } = it;
  if (local === undefined || it.isPaused) return [];
  const found: Make[] = local.asked.map((effect) => () => perform(rules, state, operator, effect));
  if (local.nextDueMs <= state.nowMs) found.push(() => wake(rules, state, operator));
  if (it.isStalled) return found;
  for (const stream of ["farms", "pods"] as const) {
    const feed = it[stream];
    if (feed.needsList && (stream === "farms" || local.followsPods)) found.push(() => list(rules, state, operator, stream));
    for (let count = 1; !feed.needsList && count <= feed.events.length; count += 1)
      found.push(() => hear(rules, state, operator, stream, count));
  }
  return found;
}

const perform = (rules: Rules, state: State, operator: number, effect: AskedEffect): Promise<Next> =>
  done(rules, state, operator, effect, (outcome) => outcome, { kind: "progress", decision: `${nameOf(operator)}: ${told(effect)}` });

const loseReply = (rules: Rules, state: State, operator: number, effect: AskedEffect): Promise<Next> =>
  done(rules, spend(state, "lostReply"), operator, effect, () => ({ kind: "error", error: timeout(effect.kind) }), {
    kind: "fault",
    decision: `${nameOf(operator)}: ${told(effect)}; the reply is lost`,
  });

const told = ({ kind, text }: AskedEffect): string => (text === "" ? kind : `${kind} ${text}`);

type Told = Pick<Next, "kind" | "decision">;

async function done(
  rules: Rules,
  state: State,
  operator: number,
  effect: AskedEffect,
  reply: (outcome: Outcome) => Outcome,
  as: Told,
): Promise<Next> {
  const changed = rules.truths.execute(state.truth, state.nowMs, nameOf(operator), effect);
  const after = published(state, changed);
  const heard = await feed(rules, after, operator, {
    kind: "answer",
    atMs: state.nowMs,
    effect: effect.id,
    outcome: reply(changed.answer),
  });
  return await settled(rules, heard, changed.violations, as);
}

async function sendLate(rules: Rules, state: State, operator: number, effect: AskedEffect): Promise<Next> {
  const after = { ...spend(state, "late"), late: [...state.late, { effect, operator }] };
  const input: Input = { kind: "answer", atMs: state.nowMs, effect: effect.id, outcome: { kind: "error", error: timeout(effect.kind) } };
  const decision = `${nameOf(operator)}: ${told(effect)} is sent, and a timeout is heard`;
  return await settled(rules, await feed(rules, after, operator, input), [], { kind: "fault", decision });
}

async function leaveUnanswered(rules: Rules, state: State, operator: number, effect: AskedEffect): Promise<Next> {
  const input: Input = { kind: "answer", atMs: state.nowMs, effect: effect.id, outcome: { kind: "error", error: timeout(effect.kind) } };
  const decision = `${nameOf(operator)}: ${told(effect)} stays unanswered`;
  return await settled(rules, await feed(rules, spend(state, "unanswered"), operator, input), [], { kind: "fault", decision });
}

async function executeLate(rules: Rules, state: State, index: number): Promise<Next> {
  const { effect, operator } = at(state.late, index);
  const changed = rules.truths.execute(state.truth, state.nowMs, nameOf(operator), effect);
  const after = published({ ...state, late: state.late.toSpliced(index, 1) }, changed);
  return await settled(rules, after, changed.violations, {
    kind: "deed",
    decision: `late: ${told(effect)} of ${nameOf(operator)} is executed`,
  });
}

async function hear(rules: Rules, state: State, operator: number, stream: StreamName, count: number): Promise<Next> {
  const { events } = at(state.operators, operator)[stream];
  const heard = events.slice(0, count);
  let after = withOperator(state, operator, { [stream]: { needsList: false, events: events.slice(count) } });
  const isBusy = at(state.operators, operator).local?.isBusy === true;
  const packets = isBusy ? heard.map((event) => [event]) : [heard];
  for (const packet of packets) after = await feed(rules, after, operator, { kind: "hears", atMs: state.nowMs, stream, events: packet });
  const decision = `cache of ${nameOf(operator)} sees ${heard.map(toldEvent).join(", then ")}`;
  return await settled(rules, after, [], { kind: "progress", decision });
}

function toldEvent({ resource, type, object }: WatchEvent): string {
  if (resource !== "pods") return `${resource} ${type}`;
  const { name, uid, phase, node, deletionAtMs, gate, running } = object;
  const state = [
    phase,
    ...(node === undefined ? [] : ["bound"]),
    ...(running ? ["running"] : []),
    ...(deletionAtMs === undefined ? [] : ["deleting"]),
  ];
  return `${type === "delete" ? "the end of " : ""}${name} (${uid}) ${[...state, `gate ${gate}`].join(" ")}`;
}

async function list(rules: Rules, state: State, operator: number, stream: StreamName): Promise<Next> {
  const { store } = state.truth.image;
  const common = { kind: "lists", atMs: state.nowMs, version: rules.truths.versionOf(state.truth) } as const;
  const input: Input = stream === "farms" ? { ...common, stream, farms: store.farms } : { ...common, stream, pods: store.pods };
  const listed = withOperator(state, operator, {
    [stream]: { needsList: false, events: [] },
  });
  const decision = `cache of ${nameOf(operator)} lists ${stream}`;
  return await settled(rules, await feed(rules, listed, operator, input), [], { kind: "progress", decision });
}

async function wake(rules: Rules, state: State, operator: number): Promise<Next> {
  const after = await feed(rules, state, operator, { kind: "timers", atMs: state.nowMs });
  return await settled(rules, after, [], { kind: "progress", decision: `timers of ${nameOf(operator)} fire` });
}

async function start(rules: Rules, state: State, operator: number): Promise<Next> {
  const local = await rules.locals.start(state.nowMs);
  return await change(rules, state, operator, { ...stopped, local }, `operator ${nameOf(operator)} starts`, "progress");
}

const resume = (rules: Rules, state: State, operator: number): Promise<Next> =>
  change(rules, state, operator, { isPaused: false }, `operator ${nameOf(operator)} resumes`, "progress");

const catchUp = (rules: Rules, state: State, operator: number): Promise<Next> =>
  change(rules, state, operator, { isStalled: false }, `cache of ${nameOf(operator)} catches up`, "progress");

async function crash(rules: Rules, state: State, operator: number, survivor: AskedEffect | undefined): Promise<Next> {
  const spent = spend(state, "crash");
  const after = survivor === undefined ? spent : { ...spent, late: [...state.late, { effect: survivor, operator }] };
  const what = survivor === undefined ? "" : `; its ${told(survivor)} is on the way`;
  return await change(rules, after, operator, stopped, `operator ${nameOf(operator)} crashes${what}`);
}

async function breakOff(rules: Rules, state: State, operator: number): Promise<Next> {
  const cut = withOperator(spend(state, "relist"), operator, { farms: nothing, pods: nothing });
  const after = await feed(rules, cut, operator, { kind: "breaksOff", atMs: state.nowMs });
  return await settled(rules, after, [], { kind: "fault", decision: `cache of ${nameOf(operator)} lists anew` });
}

const change = (
  rules: Rules,
  state: State,
  operator: number,
  changed: Partial<OperatorState>,
  decision: string,
  kind: Next["kind"] = "fault",
): Promise<Next> => settled(rules, withOperator(state, operator, changed), [], { kind, decision });

async function deed(rules: Rules, state: State, chain: number): Promise<Next | undefined> {
  const step = at(rules.chains, chain)[at(state.deeds, chain)];
  if (step === undefined) return undefined;
  // Taking a store back takes its time, so that what was sent before it can be told from what was sent after it.
  const nowMs = state.nowMs + (step.kind === "etcdRestored" ? stepMs : 0);
  const changed = rules.truths.step(state.truth, nowMs, step);
  if (changed === undefined) return undefined;
  let after = published({ ...state, nowMs, deeds: state.deeds.with(chain, at(state.deeds, chain) + 1) }, changed);
  for (const [operator, { local }] of changed.isRestored ? after.operators.entries() : [])
    if (local !== undefined) after = await feed(rules, after, operator, { kind: "breaksOff", atMs: nowMs });
  return await settled(rules, after, changed.violations, { kind: "deed", decision: printStep(step) });
}

/** To the next moment at which something is due in a process that runs, where nothing is on its way. */
async function timePasses(rules: Rules, state: State): Promise<Next | undefined> {
  const running = [...state.operators.keys()].filter((operator) => !at(state.operators, operator).isPaused);
  if (running.some((operator) => progressOf(rules, state, operator).length > 0)) return undefined;
  const nowMs = Math.min(...running.map((operator) => at(state.operators, operator).local?.nextDueMs ?? Infinity));
  if (nowMs === Infinity) return undefined;
  let after: State = { ...state, nowMs };
  for (const operator of running) {
    const { local } = at(after.operators, operator);
    if (local !== undefined && local.nextDueMs <= nowMs) after = await feed(rules, after, operator, { kind: "timers", atMs: nowMs });
  }
  return await settled(rules, after, [], { kind: "time", decision: `${printDuration(nowMs - state.nowMs)} pass` });
}

/** Lets happen at once what is merged. */
async function settled(rules: Rules, from: State, found: readonly Violation[], as: Told): Promise<Next> {
  let state = from;
  let violations = found;
  for (let wrote = true; wrote;) {
    wrote = false;
    for (const [operator, { local, isPaused }] of state.operators.entries()) {
      const effect = isPaused ? undefined : local?.asked.find((one) => isMerged(rules, one));
      if (effect === undefined) continue;
      const isStatus = effect.kind === "api.status";
      const written = isStatus ? await writeStatus(rules, state, operator, effect) : await openGate(rules, state, operator, effect);
      state = written.state;
      violations = [...violations, ...written.violations];
      wrote = true;
      break;
    }
  }
  return { ...as, state, violations };
}

const isMerged = ({ statusMatters }: Rules, { kind }: AskedEffect): boolean =>
  kind === "api.gate" || (kind === "api.status" && !statusMatters);

async function openGate(rules: Rules, state: State, operator: number, effect: AskedEffect): Promise<Pick<Next, "state" | "violations">> {
  const changed = rules.truths.execute(state.truth, state.nowMs, nameOf(operator), effect);
  const input: Input = { kind: "answer", atMs: state.nowMs, effect: effect.id, outcome: changed.answer };
  return { state: await feed(rules, published(state, changed), operator, input), violations: changed.violations };
}

/** On whatever version there is; caches that have seen all that came before hear of it at once, and it wakes nobody. */
async function writeStatus(rules: Rules, state: State, operator: number, effect: AskedEffect): Promise<Pick<Next, "state" | "violations">> {
  const { call } = effect;
  const [farm, status] = call.args as [WebFarm, unknown];
  const resourceVersion = state.truth.image.store.farms.find(({ uid }) => uid === farm.uid)?.resourceVersion ?? farm.resourceVersion;
  const anyway = { ...effect, call: { ...call, args: [{ ...farm, resourceVersion }, status] } };
  const changed = rules.truths.execute(state.truth, state.nowMs, nameOf(operator), anyway);
  const hearing = [...state.operators.entries()].filter(([, one]) => hearsAtOnce(one)).map(([other]) => other);
  let after = published(state, changed);
  after = await feed(rules, after, operator, { kind: "answer", atMs: state.nowMs, effect: effect.id, outcome: changed.answer });
  for (const other of hearing) {
    const { events } = at(after.operators, other).farms;
    if (events.length === 0) continue;
    const rest = withOperator(after, other, { farms: { needsList: false, events: [] } });
    after = await feed(rules, rest, other, { kind: "hears", atMs: state.nowMs, stream: "farms", events });
  }
  return { state: after, violations: changed.violations };
}

const hearsAtOnce = ({ local, farms, isPaused, isStalled }: OperatorState): boolean =>
  local !== undefined && !isPaused && !isStalled && !farms.needsList && farms.events.length === 0;

async function feed(rules: Rules, state: State, operator: number, input: Input): Promise<State> {
  const { local } = at(state.operators, operator);
  if (local === undefined) throw new Error(`Cannot feed operator ${nameOf(operator)}: it does not run`);
  const next = await rules.locals.feed(local, input);
  // A pass that was cut off waits for nothing any more; its statement goes its way.
  const left = local.asked.filter(({ id, kind }) => writes.has(kind) && !(input.kind === "answer" && input.effect === id));
  const abandoned = left.filter(({ id }) => !next.asked.some((one) => one.id === id && one.sentAtMs <= state.nowMs));
  const late = abandoned.length === 0 ? state.late : [...state.late, ...abandoned.map((effect) => ({ effect, operator }))];
  // Where the last WebFarm has gone nobody watches pods any more.
  const unwatched = local.followsPods && !next.followsPods;
  return { ...withOperator(state, operator, { local: next, ...(unwatched && { pods: nothing }) }), late };
}

/** The watches of all who watch carry what has changed. */
export function published(state: State, { truth, events, isRestored }: Change): State {
  if (events.length === 0 && !isRestored) return truth === state.truth ? state : { ...state, truth };
  const operators = state.operators.map((operator) => {
    if (operator.local === undefined) return operator;
    if (isRestored) return { ...operator, farms: nothing, pods: nothing };
    return { ...operator, farms: carried(operator.farms, events, "farms"), pods: carried(operator.pods, events, "pods") };
  });
  return { ...state, truth, operators };
}

/** Of a process that watches no pods, the list to come shows what there is. */
function carried(feed: Feed, events: readonly WatchEvent[], stream: StreamName): Feed {
  const own = feed.needsList ? [] : events.filter(({ resource }) => resource === stream);
  return own.length === 0 ? feed : { needsList: false, events: [...feed.events, ...own] };
}

const spend = (state: State, fault: FaultName): State => ({
  ...state,
  faults: { ...state.faults, [fault]: state.faults[fault] - 1 },
  faultsLeft: state.faultsLeft - 1,
});

const withOperator = (state: State, operator: number, changed: Partial<OperatorState>): State => ({
  ...state,
  operators: state.operators.with(operator, { ...at(state.operators, operator), ...changed }),
});

function at<T>(values: readonly T[], index: number): T {
  const value = values[index];
  if (value === undefined) throw new Error(`There is nothing at ${index}`);
  return value;
}
