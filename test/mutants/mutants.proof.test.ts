// Plants the bugs whose finder is known, one at a time, in a copy of the repository: a test that finds a bug today must find it tomorrow.
// `make mutants` tries all of them on all checks.

import { readFile } from "node:fs/promises";
import { stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { runCheck, testFile, testFiles } from "./check.ts";
import { plantedBugs } from "./list.ts";
import type { Tree } from "./tree.ts";
import { copyTree } from "./tree.ts";

const known = plantedBugs.flatMap(({ killedBy, ...bug }) => (killedBy === undefined ? [] : [{ ...bug, killedBy }]));
let tree: Tree;

beforeAll(async () => {
  tree = await copyTree();
});
afterAll(() => tree.remove());

describe("of the planted bugs", () => {
  test("there are at least twenty, each under a name of its own, and of more than half the finder is known", () => {
    expect(plantedBugs.length).toBeGreaterThanOrEqual(20);
    expect(new Set(plantedBugs.map(({ name }) => name)).size).toBe(plantedBugs.length);
    expect(known.length * 2).toBeGreaterThan(plantedBugs.length);
  });

  test.each(plantedBugs.map((bug) => [bug.name, bug] as const))(
    '"%s" can be planted, and what comes of it is a program',
    async (_name, bug) => {
      const before = stripTypeScriptTypes(await readFile(join(tree.path, bug.file), "utf8"));
      // A file that cannot be parsed would be found by everything and prove nothing.
      const planted = await tree.with(bug, async () => stripTypeScriptTypes(await readFile(join(tree.path, bug.file), "utf8")));
      expect(planted).not.toBe(before);
    },
  );

  test("none is found where none is planted", async () => {
    const { found, output } = await runCheck(testFiles([...new Set(known.map(({ killedBy }) => killedBy))]), tree.path);
    expect({ found, output: found ? output : "" }).toEqual({ found: false, output: "" });
  });

  test.each(known.map((bug) => [bug.name, bug.killedBy, bug] as const))('"%s" is found by %s', async (_name, killedBy, bug) => {
    expect(await tree.with(bug, () => runCheck(testFile(killedBy), tree.path))).toMatchObject({ found: true });
  });
});
