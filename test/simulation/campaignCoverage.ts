// What came about in one schedule, or in many: counted so that a campaign that does nothing can be told from one that finds nothing.

import type { LogFields, Logger } from "../../operator/controller/logger.ts";
import type { Checker } from "./checker.ts";
import type { FaultAction } from "./effects.ts";
import type { Step } from "./steps.ts";
import { originMs } from "./truth.ts";
import type { World } from "./world.ts";

/** A schedule counts once in each, however often it came about. */
export const happenings = [
  "removal: ended",
  "removal: missing",
  "removal: approved",
  "removal: removeAll",
  "hand-over",
  "take-over",
  "set blocked",
  "approval used",
  "late statement changed a row",
  "crash in a pass",
  "pause in a pass",
  "reply lost",
  "etcd restored",
  "database restored",
  "deletion: Clean",
  "deletion: TimedOut",
  "deletion: NothingToDo",
  "gate: Registered",
  "gate: FailOpen",
  "gate: Suspended",
  "gate: Observe",
  "gate: PolicyForbids",
  "gate: Deleting",
  "process outlived its wait",
  "two operators",
] as const;
export type Happening = (typeof happenings)[number];

const lateMs = 500;
type FaultKind = FaultAction["kind"];

export class Coverage {
  readonly happened = new Set<Happening>();
  /** How many armed faults met an effect. */
  readonly faults = new Map<FaultKind, number>();
  /** How many steps of each kind were done. */
  readonly steps = new Map<Step["kind"], number>();
  readonly removals = new Map<string, number>();
  counts: Checker["counts"] | undefined;
  passes = 0;
  effects = 0;
  rowChanges = 0;
  simulatedMs = 0;
  readonly log: Logger;
  #running = new Set<string>();
  #armed = new Map<FaultKind, number>();
  #passesOf = new Map<string, number>();

  constructor(log?: Logger) {
    this.log = this.#listening(log);
  }

  /** Learns from what the operators say, as nothing else tells by which evidence a row went. */
  #listening(next: Logger | undefined): Logger {
    const hear = (message: string, fields?: LogFields): void => this.#hear(message, fields);
    return {
      debug: (message, fields) => next?.debug(message, fields),
      info: (message, fields) => {
        hear(message, fields);
        next?.info(message, fields);
      },
      warn: (message, fields) => {
        hear(message, fields);
        next?.warn(message, fields);
      },
      error: (message, fields) => next?.error(message, fields),
      child: (fields) => (next === undefined ? this.log : this.#listening(next.child(fields))),
    };
  }

  #hear(message: string, fields?: LogFields): void {
    switch (message) {
      case "Removed the server": {
        const evidence = String(fields?.["evidence"]);
        this.removals.set(evidence, (this.removals.get(evidence) ?? 0) + 1);
        this.happened.add(`removal: ${evidence}` as Happening);
        if (evidence === "approved") this.happened.add("approval used");
        return;
      }
      case "Released a WebFarm":
      case "Released a WebFarm whose rows are not all removed":
        this.happened.add(`deletion: ${String(fields?.["reason"])}` as Happening);
    }
  }

  before(world: World): void {
    this.#running = new Set(world.processes().map(({ name }) => name));
  }

  after(world: World, step: Step): void {
    this.steps.set(step.kind, (this.steps.get(step.kind) ?? 0) + 1);
    const processes = world.processes();
    const alive = new Set(processes.map(({ name }) => name));
    if (step.kind !== "operatorCrashes" && step.kind !== "operatorStarts" && [...this.#running].some((name) => !alive.has(name)))
      this.happened.add("crash in a pass");
    if (processes.some(({ pausedUntilMs, effects }) => pausedUntilMs !== undefined && effects.size > 0))
      this.happened.add("pause in a pass");
    for (const { name, passes } of processes) this.#passesOf.set(name, passes);
    const kind = armedBy(step);
    if (kind !== undefined) this.#armed.set(kind, (this.#armed.get(kind) ?? 0) + 1);
    if (step.kind === "etcdRestored") this.happened.add("etcd restored");
    if (step.kind === "databaseRestored") this.happened.add("database restored");
    if (processes.length > 1) this.happened.add("two operators");
  }

  /** Counts the faults that met something before those that did not are taken away. */
  faultsEnd(world: World): void {
    const left = new Map<FaultKind, number>();
    for (const { faults } of world.operators.values())
      for (const { action } of faults.armed) left.set(action.kind, (left.get(action.kind) ?? 0) + 1);
    for (const [kind, count] of this.#armed) {
      const met = count - (left.get(kind) ?? 0);
      if (met > 0) this.faults.set(kind, met);
    }
    if ((this.faults.get("losesReply") ?? 0) > 0) this.happened.add("reply lost");
  }

  note(world: World, checker: Checker): void {
    const { truth } = world;
    for (const { name, passes } of world.processes()) this.#passesOf.set(name, passes);
    for (const passes of this.#passesOf.values()) this.passes += passes;
    this.counts = checker.counts;
    this.simulatedMs = truth.nowMs - originMs;
    this.rowChanges = truth.rowChanges.length;
    this.effects = world.effectsSent;
    for (const { by, atMs } of truth.rowChanges)
      if (by.kind === "operator" && atMs - by.sentAtMs >= lateMs) this.happened.add("late statement changed a row");
    for (const { reason } of truth.gateOpenings) this.happened.add(`gate: ${reason}` as Happening);
    for (const { event } of world.events) {
      if (event.reason === "ServerUpdated") this.happened.add("hand-over");
      if (event.reason === "ServerAdopted") this.happened.add("take-over");
      if (event.reason === "RemovalBlocked") this.happened.add("set blocked");
    }
    if (checker.counts.outlived > 0) this.happened.add("process outlived its wait");
  }
}

function armedBy(step: Step): FaultKind | undefined {
  switch (step.kind) {
    case "effectLate":
      return "executesLate";
    case "effectLost":
      return "losesReply";
    case "effectNotApplied":
      return "isNotApplied";
    case "effectRefused":
      return "isRefused";
    case "effectHangs":
      return "hangs";
    case "effectMeetsChange":
      return "meetsChange";
    case "operatorCrashesBefore":
      return "crashBefore";
    case "operatorCrashesAfter":
      return "crashAfter";
    case "operatorPausesBefore":
      return "pauseBefore";
    case "operatorPausesAfter":
      return "pauseAfter";
    default:
      return undefined;
  }
}
