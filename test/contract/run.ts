// Runs the statements of the contract on a server, one after the other, and says of each what came of it. It prints nothing.
import { type Behaviour, DidNotHold, NotApplicable, type Readers } from "./behaviour.ts";
import type { ContractServer } from "./server.ts";

export interface Result {
  /** From 1, in the order of the list. */
  readonly number: number;
  readonly title: string;
  readonly behaviour: Behaviour;
  readonly readers: Readers | undefined;
  readonly verdict: "held" | "did not hold" | "not applicable";
  /** What came instead, or why it cannot be asked; empty where it held. */
  readonly because: string;
}

interface Case {
  readonly number: number;
  readonly title: string;
  readonly behaviour: Behaviour;
  readonly readers: Readers | undefined;
}

const inWords: Readonly<Record<Readers, string>> = { versions: "READ_COMMITTED_SNAPSHOT on", locks: "READ_COMMITTED_SNAPSHOT off" };

/** A statement that must hold in both kinds of databases is two cases. */
export function casesOf(behaviours: readonly Behaviour[]): readonly Case[] {
  return behaviours
    .flatMap((behaviour) => {
      const { title, readers = [undefined] } = behaviour;
      const named = (one: Readers | undefined): string => (one === undefined || readers.length === 1 ? title : `${title} (${inWords[one]})`);
      return readers.map((one) => ({ title: named(one), behaviour, readers: one }));
    })
    .map((one, index) => ({ ...one, number: index + 1 }));
}

/** Stops before the next case once `signal` is aborted. */
export async function* runCases(server: ContractServer, cases: readonly Case[], signal?: AbortSignal): AsyncGenerator<Result, void, undefined> {
  for (const one of cases) {
    if (signal?.aborted === true) return;
    yield { ...one, ...(await outcomeOf(server, one)) };
  }
}

async function outcomeOf(server: ContractServer, { behaviour, readers }: Case): Promise<Pick<Result, "verdict" | "because">> {
  try {
    await server.visit(readers, behaviour.run);
    return { verdict: "held", because: "" };
  } catch (error) {
    if (error instanceof NotApplicable) return { verdict: "not applicable", because: error.message };
    if (error instanceof DidNotHold) return { verdict: "did not hold", because: error.message };
    // Whatever else comes is not what the statement says.
    return { verdict: "did not hold", because: `the run ended with: ${error instanceof Error ? error.message : String(error)}` };
  }
}
