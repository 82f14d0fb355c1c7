// Random things that happen to operators: their lives, what their caches see, and what becomes of what they send.

import { lateMs, onOperator } from "./generateMoment.ts";
import type { Kind } from "./generateMoment.ts";
import type { Step } from "./steps.ts";

const writes = ["write", "register", "mark", "remove"];
const questions = ["read", "facts", "live-read", "gate", "status", "finalizer", "workload", "secret"];
const asked = ["live-read", "gate", "status", "finalizer", "workload", "secret"];

/** Always there where it can happen: an operator that stays down proves nothing. */
export const recoveries: readonly Kind[] = [
  { name: "operator starts", weight: 10, make: onOperator((operator) => ({ kind: "operatorStarts", operator }), "down") },
  {
    name: "faults end",
    weight: 2,
    make: onOperator(
      (operator, random) =>
        random.pick<Step>([
          { kind: "apiAnswers", operator },
          { kind: "databaseAnswers", operator },
          { kind: "cacheCatchesUp", operator },
        ]),
      "any",
    ),
  },
];

export const kindsOfFaults: readonly Kind[] = [
  { name: "crash", weight: 3, make: onOperator((operator) => ({ kind: "operatorCrashes", operator })) },
  { name: "restart", weight: 3, make: onOperator((operator) => ({ kind: "operatorStarts", operator })) },
  {
    name: "crash at effect",
    weight: 4,
    make: onOperator((operator, random) => ({
      kind: random.oneIn(2) ? "operatorCrashesBefore" : "operatorCrashesAfter",
      operator,
      nth: 1 + random.below(8),
    })),
  },
  {
    name: "pause",
    weight: 2,
    make: onOperator((operator, random) => ({ kind: "operatorPauses", operator, duration: random.pick(lateMs) })),
  },
  {
    name: "pause at effect",
    weight: 2,
    make: onOperator((operator, random) => ({
      kind: random.oneIn(2) ? "operatorPausesBefore" : "operatorPausesAfter",
      ...{ operator, nth: 1 + random.below(8), duration: random.pick(lateMs) },
    })),
  },
  {
    name: "pause before a write",
    weight: 3,
    make: onOperator((operator, random) => ({
      kind: "operatorPausesBeforeNext",
      ...{ operator, target: random.pick([...writes, "live-read", "status"]), duration: random.pick(lateMs) },
    })),
  },
  { name: "resume operator", weight: 1, make: onOperator((operator) => ({ kind: "operatorResumes", operator })) },
  { name: "stall cache", weight: 4, make: onOperator((operator) => ({ kind: "cacheStalls", operator }), "any") },
  { name: "cache catches up", weight: 4, make: onOperator((operator) => ({ kind: "cacheCatchesUp", operator }), "any") },
  { name: "cache sees one", weight: 3, make: onOperator((operator) => ({ kind: "cacheSeesOne", operator })) },
  { name: "cache lists anew", weight: 3, make: onOperator((operator) => ({ kind: "cacheRelists", operator })) },
  {
    name: "late statement",
    weight: 7,
    make: onOperator((operator, random) => ({ kind: "effectLate", operator, target: random.pick(writes), duration: random.pick(lateMs) })),
  },
  {
    name: "lost reply",
    weight: 4,
    make: onOperator((operator, random) => ({
      kind: "effectLost",
      operator,
      target: random.pick([...writes, "gate", "status", "finalizer"]),
    })),
  },
  {
    name: "not applied",
    weight: 2,
    make: onOperator((operator, random) => ({ kind: "effectNotApplied", operator, target: random.pick([...writes, ...questions]) })),
  },
  { name: "refused", weight: 2, make: onOperator((operator, random) => ({ kind: "effectRefused", operator, target: random.pick(asked) })) },
  {
    name: "hangs",
    weight: 2,
    make: onOperator((operator, random) => ({ kind: "effectHangs", operator, target: random.pick([...writes, ...questions]) })),
  },
  {
    name: "meets a change",
    weight: 2,
    make: onOperator((operator, random) => ({
      kind: "effectMeetsChange",
      operator,
      target: random.pick(["status", "finalizer", "live-read"]),
    })),
  },
  { name: "api silent", weight: 2, make: onOperator((operator) => ({ kind: "apiSilent", operator })) },
  {
    name: "api forbids",
    weight: 1,
    make: onOperator((operator, random) => ({ kind: "apiForbids", operator, target: random.pick(asked) })),
  },
  {
    name: "api allows",
    weight: 2,
    make: onOperator(
      (operator, _, { world }) =>
        [...(world.operators.get(operator)?.faults.forbidden ?? [])].map((target): Step => ({ kind: "apiAllows", operator, target })),
      "any",
    ),
  },
  { name: "database silent", weight: 2, make: onOperator((operator) => ({ kind: "databaseSilent", operator })) },
];
