// However pods of a farm that registers itself come, end and vanish, under names of their own or names that come back, whatever fails and
// whenever the operator is started anew: no row of a process that lives is removed, none of which nobody wrote down whose it is, and nobody
// else's row is touched.

import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { Play } from "./applicationPlay.ts";
import { steps } from "./applicationSteps.ts";
import type { Naming, PlayOptions, Step } from "./applicationSteps.ts";

/** fast-check prints the seed and the path of a failure. */
const settings = {
  numRuns: Number(process.env["FC_RUNS"] ?? 20),
  seed: Number(process.env["FC_SEED"] ?? Date.now() % 2 ** 31),
};

async function check(options: PlayOptions, told: readonly Step[]): Promise<void> {
  const play = new Play(options);
  for (const one of told) await play.play(one);
  expect(play.wrongs).toEqual([]);
  expect(play.world.rows).toContainEqual(play.byHand);
  expect(["register", "mark"].map((call) => play.world.count(call))).toEqual([0, 0]);

  // And when all is well again, what ended in sight or was written down has gone.
  await play.settleAll();
  expect(play.wrongs).toEqual([]);
  const written = new Set((play.world.farm?.status.inventory ?? []).map(({ serverID }) => serverID));
  expect(play.world.rows.filter(({ serverID }) => written.has(serverID))).toEqual([]);
}

const namings: readonly Naming[] = ["new", "ordinal", "same", "hostname"];

test.each(namings.flatMap((naming) => [true, false].map((hasPings) => ({ naming, hasPings }))))(
  "with names that are $naming, in a database whose servers ping: $hasPings",
  async (options) => {
    await fc.assert(
      fc.asyncProperty(steps(options), (told) => check(options, told)),
      settings,
    );
  },
);
