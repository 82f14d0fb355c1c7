// What the operator that runs now has logged of a removal. A test that looks late still learns there when the row went, and why.

import type { FarmWorld } from "./farmWorld.ts";

export interface LoggedRemoval {
  readonly serverID: number;
  readonly evidence: string;
  /** Of the live read on which the first request rested: milliseconds since 1970. */
  readonly atMs: number;
  readonly podUID: string;
}

/** Of a row that has gone, once its removal has been logged. */
export async function removalOf(world: FarmWorld, server: string): Promise<LoggedRemoval> {
  const told = (): LoggedRemoval | undefined => {
    const line = world.operator.lines.find((one) => one["server"] === server && one["evidenceAt"] !== undefined);
    if (line === undefined) return undefined;
    const { serverID, evidence, evidenceAt, podUID } = line as unknown as LoggedRemoval & { readonly evidenceAt: string };
    return { serverID, evidence, podUID, atMs: Date.parse(evidenceAt) };
  };
  await world.until(`the log tells of the removal of ${server}`, () => told() !== undefined);
  return told() as LoggedRemoval;
}
