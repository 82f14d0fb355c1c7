// What a simulated operator process does beyond itself: each call of a port is an effect that is sent, executed on the truth, and answered,
// and these three may lie minutes apart or never happen. A scheduler decides when; armed faults decide what goes wrong.

import type { DatabaseProblem } from "../../operator/farm/model.ts";
import type { DatabaseFailure } from "../../operator/pass/ports.ts";
import type { Truth } from "./truth.ts";

export type EffectKind =
  | `sql.${"facts" | "read" | "register" | "mark" | "remove" | "conflict" | "sweep"}`
  | `api.${"namespace" | "workload" | "secret" | "configMap" | "serviceAccount" | "livePod" | "livePods" | "liveFarm" | "gate" | "status" | "finalizer"}`
  | `lease.${"read" | "create" | "update"}`;

/** `sent`: nothing has happened yet. `answered`: also when the answer was an error, or none will come. */
export type EffectState = "sent" | "executed" | "answered";

export interface Effect {
  readonly id: number;
  readonly operator: string;
  /** The name of the operator and the number of its start: "A1". */
  readonly process: string;
  readonly kind: EffectKind;
  /** What is asked, for people and fingerprints. */
  readonly text: string;
  readonly sentAtMs: number;
  readonly state: EffectState;
  /** Does on the truth what was asked. Once; whatever became of its sender. */
  execute(): void;
  /** Gives the caller what executing it brought. Throws where it was not executed. */
  answer(): void;
  /** Gives the caller an error instead. */
  fail(error: Error): void;
}

/** Decides what becomes of effects that no fault met. */
export interface Scheduler {
  sent(effect: Effect): void;
}

/** Executed and answered at once. */
export const prompt: Scheduler = {
  sent: (effect) => {
    effect.execute();
    effect.answer();
  },
};

/** Nothing happens before somebody decides: `world.effects` has what is open. */
export const manual: Scheduler = { sent: () => undefined };

export class SimDatabaseFailure extends Error implements DatabaseFailure {
  readonly problem: DatabaseProblem;
  readonly outcome: "notApplied" | "unknown";

  constructor(outcome: "notApplied" | "unknown", message: string, problem: Partial<DatabaseProblem> = {}) {
    super(message);
    this.problem = { kind: "unreachable", reason: "Timeout", message, stalled: false, ...problem };
    this.outcome = outcome;
  }
}

const isStatement = (kind: EffectKind): boolean => kind.startsWith("sql.");

/** What a caller gets when no answer comes in time. */
export const timeout = (kind: EffectKind): Error =>
  isStatement(kind)
    ? new SimDatabaseFailure("unknown", "The server did not answer in time.")
    : new Error("The API server did not answer in time.");

/** What one armed fault does to the effect that it meets. */
export type FaultAction =
  | { readonly kind: "executesLate"; readonly afterMs: number }
  | { readonly kind: "losesReply" | "isNotApplied" | "isRefused" | "hangs" | "meetsChange" }
  | { readonly kind: "crashBefore" | "crashAfter" }
  | { readonly kind: "pauseBefore" | "pauseAfter"; readonly forMs: number };

/** What effects a fault is for, in the words of steps. */
export type FaultTarget =
  | "effect"
  | "statement"
  | "write"
  | "register"
  | "mark"
  | "remove"
  | "read"
  | "facts"
  | "live-read"
  | "gate"
  | "status"
  | "finalizer"
  | "secret"
  | "workload"
  | "lease";

const writes: ReadonlySet<EffectKind> = new Set<EffectKind>(["sql.register", "sql.mark", "sql.remove"]);

export function isMet(target: FaultTarget, kind: EffectKind): boolean {
  switch (target) {
    case "effect":
      return true;
    case "statement":
      return isStatement(kind);
    case "write":
      return writes.has(kind);
    case "live-read":
      return kind === "api.livePod" || kind === "api.livePods" || kind === "api.liveFarm";
    case "lease":
      return kind.startsWith("lease.");
    case "register":
    case "mark":
    case "remove":
    case "read":
    case "facts":
      return kind === `sql.${target}`;
    case "gate":
    case "status":
    case "finalizer":
    case "secret":
    case "workload":
      return kind === `api.${target}`;
  }
}

export interface Fault {
  readonly target: FaultTarget;
  readonly action: FaultAction;
  /** It meets the effect after so many that it lets pass. */
  readonly skips: number;
}

/** Of one operator; they outlive its processes. */
export interface Faults {
  armed: Fault[];
  /** Every question to the API server stays unanswered. */
  isApiSilent: boolean;
  /** Every statement fails before it is executed. */
  isDatabaseSilent: boolean;
  /** What the API server forbids (403). */
  readonly forbidden: Set<FaultTarget>;
}

export const noFaults = (): Faults => ({ armed: [], isApiSilent: false, isDatabaseSilent: false, forbidden: new Set() });

/** The action of the first armed fault that this effect meets; it is used up. */
export function takeFault(faults: Faults, kind: EffectKind): FaultAction | undefined {
  if (faults.armed.length === 0) return undefined;
  let met: Fault | undefined;
  const left: Fault[] = [];
  for (const fault of faults.armed) {
    if (met !== undefined || !isMet(fault.target, kind)) left.push(fault);
    else if (fault.skips > 0) left.push({ ...fault, skips: fault.skips - 1 });
    else met = fault;
  }
  faults.armed = left;
  return met?.action;
}

/** Why the effect fails before anything else can happen to it; undefined where nothing stands in its way. */
export function obstacle(faults: Faults, kind: EffectKind): Error | undefined {
  if (isStatement(kind)) return faults.isDatabaseSilent ? new SimDatabaseFailure("notApplied", "The server cannot be reached.") : undefined;
  if (faults.isApiSilent) return new Error("The API server does not answer.");
  for (const target of faults.forbidden) if (isMet(target, kind)) return new Error(`403: ${kind} is forbidden.`);
  return undefined;
}

/** A statement that travels on its own: it is executed minutes later, whatever became of its sender. */
export function executeLate(truth: Truth, effect: Effect, afterMs: number): void {
  truth.schedule(afterMs, { kind: "statement", text: `${effect.process} ${effect.kind} ${effect.text}`, run: () => effect.execute() });
}
