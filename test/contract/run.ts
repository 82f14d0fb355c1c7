// Runs the statements of the contract on a server, one after the other, and says of each what came of it. It prints nothing.
import { type Behaviour, DidNotHold, NotApplicable, type Readers } from "./behaviour.ts";
import type { ContractServer } from "./server.ts";

export interface Case {
  /** From 1, in the order of the list. */
  readonly number: number;
  readonly title: string;
  readonly behaviour: Behaviour;
  readonly readers: Readers | undefined;
}

export interface Result extends Case {
  readonly verdict: "held" | "did not hold" | "not applicable";
  /** What came instead, or why it cannot be asked; empty where it held. */
  readonly because: string;
}

const inWords: Readonly<Record<Readers, string>> = { versions: "READ_COMMITTED_SNAPSHOT on", locks: "READ_COMMITTED_SNAPSHOT off" };

/** A statement that must hold in both kinds of databases is two cases. */
export function casesOf(behaviours: readonly Behaviour[]): readonly Case[] {
  return behaviours
    .flatMap((behaviour) => {
      const { title, readers = [undefined] } = behaviour;
      const named = (one: Readers | undefined): string =>
        one === undefined || readers.length === 1 ? title : `${title} (${inWords[one]})`;
      return readers.map((one) => ({ title: named(one), behaviour, readers: one }));
    })
    .map((one, index) => ({ ...one, number: index + 1 }));
}

export async function runCase(server: ContractServer, one: Case): Promise<Result> {
  try {
    await server.visit(one.readers, one.behaviour.run);
    return { ...one, verdict: "held", because: "" };
  } catch (error) {
    if (error instanceof NotApplicable) return { ...one, verdict: "not applicable", because: error.message };
    if (error instanceof DidNotHold) return { ...one, verdict: "did not hold", because: error.message };
    // Whatever else comes is not what the statement says.
    return { ...one, verdict: "did not hold", because: `the run ended with: ${error instanceof Error ? error.message : String(error)}` };
  }
}

/** `gaps`: titles of statements that are known not to hold on this server, and why; where one did not hold, it is not applicable. */
export function withGaps(result: Result, gaps: ReadonlyMap<string, string>): Result {
  const why = gaps.get(result.behaviour.title);
  return why === undefined || result.verdict !== "did not hold" ? result : { ...result, verdict: "not applicable", because: why };
}
