// Steps about operators: their lives, their caches, and what goes wrong with what they send.

import type { Deeds, Place } from "./applyStep.ts";
import type { FaultAction, FaultTarget } from "./effects.ts";
import type { SimOperator } from "./simOperator.ts";
import type { SimProcess } from "./simProcess.ts";
import { Inapplicable } from "./inapplicable.ts";

type Kinds =
  | `operator${"Starts" | "Stops" | "Crashes" | "CrashesBefore" | "CrashesAfter" | "Pauses" | "PausesBefore" | "PausesAfter" | "PausesBeforeNext" | "Resumes"}`
  | `cache${"Stalls" | "CatchesUp" | "SeesOne" | "Relists"}`
  | `effect${"Late" | "Lost" | "NotApplied" | "Refused" | "Hangs" | "MeetsChange"}`
  | `api${"Silent" | "Answers" | "Forbids" | "Allows"}`
  | `database${"Silent" | "Answers"}`;

const targets = {
  ...{ effect: true, statement: true, write: true, register: true, mark: true, remove: true, read: true, facts: true, "live-read": true },
  ...{ gate: true, status: true, finalizer: true, secret: true, workload: true, lease: true },
} satisfies Record<FaultTarget, true>;

export const stepsOfOperator: Deeds<Kinds> = {
  operatorStarts: ({ world, cluster }, { operator }) => world.operator(operator, cluster).start(),
  operatorCrashes: (place, { operator }) => {
    processOf(place, operator);
    operatorOf(place, operator).crash();
  },
  operatorStops: (place, { operator }) => {
    processOf(place, operator);
    operatorOf(place, operator).stop();
  },
  operatorCrashesBefore: (place, { operator, nth }) => arm(place, operator, "effect", { kind: "crashBefore" }, nth - 1),
  operatorCrashesAfter: (place, { operator, nth }) => arm(place, operator, "effect", { kind: "crashAfter" }, nth - 1),
  operatorPauses: (place, { operator, duration }) => processOf(place, operator).pause(duration),
  operatorPausesBefore: (place, { operator, duration, nth }) =>
    arm(place, operator, "effect", { kind: "pauseBefore", forMs: duration }, nth - 1),
  operatorPausesAfter: (place, { operator, duration, nth }) =>
    arm(place, operator, "effect", { kind: "pauseAfter", forMs: duration }, nth - 1),
  operatorPausesBeforeNext: (place, { operator, duration, target }) =>
    arm(place, operator, target, { kind: "pauseBefore", forMs: duration }),
  operatorResumes: (place, { operator }) => {
    const process = processOf(place, operator);
    if (process.pausedUntilMs === undefined) throw new Inapplicable(`Operator ${operator} is not paused`);
    process.resume();
  },
  cacheStalls: (place, { operator }) => void (operatorOf(place, operator).isStalled = true),
  cacheCatchesUp: (place, { operator }) => void (operatorOf(place, operator).isStalled = false),
  cacheSeesOne: (place, { operator }) => {
    if (!processOf(place, operator).caches.deliverOne()) throw new Inapplicable(`The cache of ${operator} has seen everything`);
  },
  cacheRelists: (place, { operator }) => {
    processOf(place, operator).caches.breakOff();
    operatorOf(place, operator).isStalled = false;
  },
  effectLate: (place, { operator, target, duration }) => arm(place, operator, target, { kind: "executesLate", afterMs: duration }),
  effectLost: (place, { operator, target }) => arm(place, operator, target, { kind: "losesReply" }),
  effectNotApplied: (place, { operator, target }) => arm(place, operator, target, { kind: "isNotApplied" }),
  effectRefused: (place, { operator, target }) => arm(place, operator, target, { kind: "isRefused" }),
  effectHangs: (place, { operator, target }) => arm(place, operator, target, { kind: "hangs" }),
  effectMeetsChange: (place, { operator, target }) => arm(place, operator, target, { kind: "meetsChange" }),
  apiSilent: (place, { operator }) => void (operatorOf(place, operator).faults.isApiSilent = true),
  apiAnswers: (place, { operator }) => void (operatorOf(place, operator).faults.isApiSilent = false),
  apiForbids: (place, { operator, target }) => void operatorOf(place, operator).faults.forbidden.add(targetOf(target)),
  apiAllows: (place, { operator, target }) => void operatorOf(place, operator).faults.forbidden.delete(targetOf(target)),
  databaseSilent: (place, { operator }) => void (operatorOf(place, operator).faults.isDatabaseSilent = true),
  databaseAnswers: (place, { operator }) => void (operatorOf(place, operator).faults.isDatabaseSilent = false),
};

function operatorOf({ world }: Place, name: string): SimOperator {
  const operator = world.operators.get(name);
  if (operator === undefined) throw new Inapplicable(`There is no operator ${name}`);
  return operator;
}

function processOf(place: Place, name: string): SimProcess {
  const { process } = operatorOf(place, name);
  if (process === undefined) throw new Inapplicable(`Operator ${name} does not run`);
  return process;
}

function arm(place: Place, operator: string, target: string, action: FaultAction, skips = 0): void {
  const { faults } = operatorOf(place, operator);
  faults.armed.push({ target: targetOf(target), action, skips: Math.max(0, skips) });
}

function targetOf(text: string): FaultTarget {
  if (!Object.hasOwn(targets, text))
    throw new Error(`Cannot tell what effect "${text}" is: write one of ${Object.keys(targets).join(", ")}`);
  return text as FaultTarget;
}
