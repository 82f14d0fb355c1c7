// Knows whether a process is still the one that was written down, and ends it. A process id alone proves nothing,
// because ids are used again: its start time belongs to it. It never looks a process up by name.
import { readFileSync, readdirSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";

export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks between boot and start, field 22 of /proc/<pid>/stat. */
  readonly startTime: string;
}

const endMs = 60_000;

/** Undefined where there is no such process, or only its zombie. */
export function identify(pid: number): ProcessIdentity | undefined {
  const stat = readStat(`/proc/${pid}/stat`);
  // The second field is the command in brackets and may itself hold blanks and brackets.
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state, startTime] = [fields?.[0], fields?.[19]];
  return startTime === undefined || state === "Z" ? undefined : { pid, startTime };
}

export function isAlive(process: ProcessIdentity): boolean {
  return identify(process.pid)?.startTime === process.startTime;
}

/** Whether every thread of it stands still (SIGSTOP, which takes its time). */
export function isStopped({ pid }: ProcessIdentity): boolean {
  return readdirSync(`/proc/${pid}/task`).every((thread) => {
    const stat = readStat(`/proc/${pid}/task/${thread}/stat`);
    return stat === undefined || stat[stat.lastIndexOf(")") + 2] === "T"; // a thread may have ended since
  });
}

export function kill(target: ProcessIdentity, signal: NodeJS.Signals): void {
  if (!isAlive(target)) return;
  try {
    process.kill(target.pid, signal);
  } catch (error) {
    if (!isErrorCode(error, "ESRCH")) throw error;
  }
}

/** Ends the processes at once, as their data goes with them; resolves when all are gone. */
export async function end(targets: readonly ProcessIdentity[]): Promise<void> {
  for (const target of targets) kill(target, "SIGKILL");
  const deadline = Date.now() + endMs;
  while (targets.some(isAlive)) {
    if (Date.now() > deadline) throw new Error(`Cannot end the processes ${pidsOf(targets.filter(isAlive))}`);
    await wait(20);
  }
}

export function isErrorCode(error: unknown, code: string): boolean {
  // Not `instanceof Error`: jest's test files have another Error than node:fs.
  return typeof error === "object" && error !== null && "code" in error && error.code === code;
}

function pidsOf(targets: readonly ProcessIdentity[]): string {
  return targets.map((target) => target.pid).join(", ");
}

function readStat(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (isErrorCode(error, "ENOENT") || isErrorCode(error, "ESRCH")) return undefined;
    throw error;
  }
}
