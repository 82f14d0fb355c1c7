// Every order of events in the small worlds, to the depth that fits into a minute; and that the exploration itself can be believed: telling
// states apart loses none of what can be reached, and a core that is broken is found.

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { explore } from "./simulation/exploreSearch.ts";
import { smallWorlds } from "./simulation/exploreWorlds.ts";
import type { SmallWorld } from "./simulation/exploreWorlds.ts";
import { plantedBugs } from "./mutants/list.ts";
import { copyTree } from "./mutants/tree.ts";
import type { Tree } from "./mutants/tree.ts";

const program = "test/simulation/explore.ts";
const longestMs = 240_000;

interface Ended {
  readonly code: number;
  readonly output: string;
}

/** Rejects where the program ends for another reason than what it found. */
async function run(root: string, ...options: readonly string[]): Promise<Ended> {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [join(root, program), ...options], { cwd: root });
    return { code: 0, output: stdout };
  } catch (error) {
    const { code, stdout } = error as { readonly code?: number; readonly stdout?: string };
    if (code !== 1 || stdout?.includes("VIOLATION") !== true) throw error;
    return { code, output: stdout };
  }
}

const worldNamed = (name: string): SmallWorld => {
  const world = smallWorlds.find((one) => one.name === name);
  if (world === undefined) throw new Error(`There is no world ${name}`);
  return world;
};

describe("every order of events in the small worlds", () => {
  test(
    "keeps the promises to the depth of a quick look, with no fault and with one",
    async () => {
      const { code, output } = await run(process.cwd(), "--quick");
      expect({ code, output: code === 0 ? "" : output }).toEqual({ code: 0, output: "" });
      for (const { name } of smallWorlds) for (const faults of [0, 1]) expect(output).toContain(`${name}, ${faults} faults: `);
    },
    longestMs,
  );

  test.each(["successor", "forced", "approval", "removeAll"])(
    "to tell states of %s apart loses no outcome",
    async (name) => {
      const limits = { faults: 1, depth: 4, states: Infinity, isOver: () => false };
      const once = await explore(worldNamed(name), limits);
      const always = await explore(worldNamed(name), { ...limits, withDuplicates: true });
      expect(always.transitions).toBeGreaterThan(once.transitions);
      expect([...once.outcomes].toSorted()).toEqual([...always.outcomes].toSorted());
    },
    longestMs,
  );
});

describe("a broken core is found", () => {
  let tree: Tree;
  beforeAll(async () => {
    tree = await copyTree();
  });
  afterAll(() => tree.remove());

  test.each([
    ["no wait for the missing", "lost node", "0", "liveRowRemoved"],
    ["take a deleted pod for an ended one", "lost node", "0", "liveRowRemoved"],
    ["open the gate before the commit", "rollout", "1", "gateWithoutRow"],
  ])(
    '"%s" in the world %s, with %s faults',
    async (name, world, faults, rule) => {
      const bug = plantedBugs.find((one) => one.name === name);
      if (bug === undefined) throw new Error(`There is no bug "${name}" to plant`);
      const { code, output } = await tree.with(bug, () => run(tree.path, "--quick", "--world", world, "--faults", faults));
      expect(code).toBe(1);
      expect(output).toContain(`VIOLATION ${rule}: `);
    },
    longestMs,
  );
});
