// A copy of the repository in which bugs are planted one at a time. The checkout itself is never changed.

import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { plantedIn } from "./plantedBug.ts";
import type { PlantedBug } from "./plantedBug.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const leftOut: ReadonlySet<string> = new Set(["node_modules", ".git", "dist", "coverage"]);

export interface Tree {
  readonly path: string;
  /** Runs with the bug in the copy, and takes it out again. */
  with<T>(bug: PlantedBug, run: () => Promise<T>): Promise<T>;
  remove(): Promise<void>;
}

export async function copyTree(): Promise<Tree> {
  const path = await mkdtemp(join(tmpdir(), "webfarm-mutants-"));
  const entries = (await readdir(root)).filter((entry) => !leftOut.has(entry));
  await Promise.all(entries.map((entry) => cp(join(root, entry), join(path, entry), { recursive: true })));
  await symlink(join(root, "node_modules"), join(path, "node_modules"));
  return {
    path,
    async with(bug, run) {
      const file = join(path, bug.file);
      const text = await readFile(file, "utf8");
      await writeFile(file, plantedIn(text, bug));
      try {
        return await run();
      } finally {
        await writeFile(file, text);
      }
    },
    remove: () => rm(path, { recursive: true, force: true }),
  };
}
