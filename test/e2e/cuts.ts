// Cuts the operator's connections at random before and after its statements run, and has some run late, when their client may be dead. What
// others send is left alone.

import type { ArrivedStatement, Faults } from "../database/faults.ts";
import type { Chance } from "./chance.ts";

export const fromOperator = { applicationName: /^webfarm-operator\// } as const;

/** Whether it changes rows of CMS_WebFarmServer. */
export const isWrite = ({ text }: ArrivedStatement): boolean =>
  /INSERT INTO \[dbo\]\.\[CMS_WebFarmServer\]|UPDATE s SET|DELETE s FROM \[dbo\]\.\[CMS_WebFarmServer\]/.test(text);

/** Whether it takes rows out of CMS_WebFarmServer. */
export const isRemoval = ({ text }: ArrivedStatement): boolean => text.includes("DELETE s FROM [dbo].[CMS_WebFarmServer]");

export interface Cuts {
  /** The connection was cut, the statement did not run. */
  readonly before: number;
  /** It was committed; its answer was lost with the connection. */
  readonly after: number;
  /** It ran some time after it had arrived. */
  readonly late: number;
}

/** One in `writesPerCut` writes is cut or late, and one in so many times three of all other statements is cut. Resolves the counts at any time. */
export function startCuts(faults: Faults, chance: Chance, writesPerCut: number): () => Cuts {
  const always = { ...fromOperator, times: Infinity };
  const write = (statement: ArrivedStatement): boolean => isWrite(statement) && chance.oneIn(writesPerCut * 3);
  const read = (statement: ArrivedStatement): boolean => !isWrite(statement) && chance.oneIn(writesPerCut * 6);
  const before = [faults.dropBefore(write, always), faults.dropBefore(read, always)];
  const after = [faults.dropAfter(write, always), faults.dropAfter(read, always)];
  const late = [80, 600, 2_500].map((delayMs) =>
    faults.delay((statement) => isWrite(statement) && chance.oneIn(writesPerCut * 9), delayMs, always),
  );
  const sum = (rules: readonly { readonly met: number }[]): number => rules.reduce((total, { met }) => total + met, 0);
  return () => ({ before: sum(before), after: sum(after), late: sum(late) });
}
