// What a cluster leaves on the machine while it runs: one folder and a few processes, both written down in it, and the
// process that owns them. Sweeping removes what dead owners left; it never touches the cluster of a living one.
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Component } from "./components.ts";
import { end, identify, isAlive, isErrorCode } from "./processes.ts";
import type { ProcessIdentity } from "./processes.ts";

export interface Footprint {
  readonly owner: ProcessIdentity;
  readonly processes: Readonly<Partial<Record<Component, ProcessIdentity>>>;
}

const prefix = "webfarm-cluster-";
const file = "footprint.json";

/** A new folder whose name holds the owner's process id, so that it can be told even before anything is written in it. */
export async function newDirectory(): Promise<string> {
  return mkdtemp(join(tmpdir(), `${prefix}${process.pid}-`));
}

export function ownIdentity(): ProcessIdentity {
  const own = identify(process.pid);
  if (own === undefined) throw new Error("Cannot read /proc, which the control plane for tests needs: it runs on Linux only");
  return own;
}

/** Written at once after each start of a process, and in one step, so that a killed owner leaves no process unknown. */
export function writeFootprint(directory: string, footprint: Footprint): void {
  const path = join(directory, file);
  writeFileSync(`${path}.tmp`, JSON.stringify(footprint));
  renameSync(`${path}.tmp`, path);
}

/** Undefined where the folder has none (yet). */
export function readFootprint(directory: string): Footprint | undefined {
  try {
    return JSON.parse(readFileSync(join(directory, file), "utf8")) as Footprint;
  } catch (error) {
    if (isErrorCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** Ends the processes and removes the folder. */
export async function erase(directory: string): Promise<void> {
  await end(Object.values(readFootprint(directory)?.processes ?? {}));
  await rm(directory, { recursive: true, force: true, maxRetries: 5 });
}

/** Erases the clusters whose owner is dead; returns their folders. Those of other users are left to them. */
export async function sweep(): Promise<readonly string[]> {
  const abandoned: string[] = [];
  for (const name of await readdir(tmpdir())) {
    const directory = join(tmpdir(), name);
    if (!name.startsWith(prefix) || !(await isMine(directory)) || !isAbandoned(directory)) continue;
    await erase(directory);
    abandoned.push(directory);
  }
  return abandoned;
}

async function isMine(directory: string): Promise<boolean> {
  try {
    return (await stat(directory)).uid === process.getuid?.();
  } catch (error) {
    // Another start has just swept it.
    if (isErrorCode(error, "ENOENT")) return false;
    throw error;
  }
}

function isAbandoned(directory: string): boolean {
  const footprint = readFootprint(directory);
  if (footprint !== undefined) return !isAlive(footprint.owner);
  const pid = Number(directory.slice(directory.lastIndexOf(prefix) + prefix.length).split("-")[0]);
  return Number.isInteger(pid) && identify(pid) === undefined;
}
