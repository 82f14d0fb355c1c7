// Steps about operators on the real control plane: their processes, and what goes wrong with what they send. Whose statement it was is not to
// be seen in it, so what goes wrong with statements is for scenarios with one operator.

import type { StatementPattern } from "../../database/faults.ts";
import type { Deeds } from "./deeds.ts";

type Kinds =
  | `operator${"Starts" | "Stops" | "Crashes" | "Pauses" | "Resumes"}`
  | `effect${"Late" | "Lost" | "NotApplied" | "Hangs"}`
  | `api${"Silent" | "Answers"}`
  | `database${"Silent" | "Answers"}`;

const fromOperators = { applicationName: /^webfarm-operator\// } as const;
const all = { ...fromOperators, times: Infinity };

/** What of the words in `effects.ts` can be told apart on the wire. */
export const statements: Readonly<Record<string, RegExp>> = {
  statement: /./,
  write: /INSERT INTO \[dbo\]\.\[CMS_WebFarmServer\]|UPDATE s SET|DELETE s FROM \[dbo\]\.\[CMS_WebFarmServer\]/,
  register: /INSERT INTO \[dbo\]\.\[CMS_WebFarmServer\]/,
  mark: /UPDATE s SET/,
  remove: /DELETE s FROM \[dbo\]\.\[CMS_WebFarmServer\]/,
};

export const deedsOfOperators: Deeds<Kinds> = {
  operatorStarts: async (stage, { operator }) => await stage.operator(operator).start(),
  operatorStops: async (stage, { operator }) => await stage.operator(operator).stop(),
  operatorCrashes: async (stage, { operator }) => await stage.operator(operator).crash(),
  operatorPauses: (stage, { operator, duration }) => {
    stage.operator(operator).pause();
    stage.time.later(duration, () => stage.operator(operator).resume());
    return Promise.resolve();
  },
  operatorResumes: (stage, { operator }) => {
    stage.operator(operator).resume();
    return Promise.resolve();
  },

  effectLate: async (stage, { target, duration }) => {
    const { faults } = await stage.database();
    const late = faults.hold(patternOf(target), { ...fromOperators, attention: "unanswered" });
    void late.reached.then(() => stage.time.later(duration, () => late.release()));
  },
  effectLost: async (stage, { target }) => void (await stage.database()).faults.dropAfter(patternOf(target), fromOperators),
  effectNotApplied: async (stage, { target }) => void (await stage.database()).faults.dropBefore(patternOf(target), fromOperators),
  effectHangs: async (stage, { target }) =>
    void (await stage.database()).faults.hold(patternOf(target), { ...fromOperators, attention: "unanswered" }),

  apiSilent: (stage, { operator }) => {
    stage.operator(operator).silenceApi();
    return Promise.resolve();
  },
  apiAnswers: (stage, { operator }) => {
    stage.operator(operator).answerApi();
    return Promise.resolve();
  },
  databaseSilent: async (stage) => {
    for (const { name, faults } of await stage.databases()) {
      stage.note(`silence of ${name}`, faults.hold(/./, { ...all, attention: "unanswered" }).release);
      faults.ignoreConnections();
    }
  },
  databaseAnswers: async (stage) => {
    for (const { name, faults } of await stage.databases()) {
      await faults.acceptConnections();
      stage.undo(`silence of ${name}`);
    }
  },
};

function patternOf(target: string): StatementPattern {
  const pattern = statements[target];
  if (pattern === undefined) throw new Error(`No ${target} can be told apart on the wire`);
  return pattern;
}
