// Copies of etcd's data, as a disk would hold them after a crash in that moment: etcd stands still while its files are read, and everything that
// it has acknowledged is in them. It neither starts nor ends a process.
import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { isStopped, kill } from "./processes.ts";
import type { ProcessIdentity } from "./processes.ts";

const stopMs = 60_000;

export const dataOf = (directory: string): string => join(directory, "etcd");
const copyOf = (directory: string): string => join(directory, "etcd-saved");

/** Replaces the last copy. Those who ask etcd meanwhile wait for it, some tens of milliseconds. */
export async function takeCopy(directory: string, etcd: ProcessIdentity): Promise<void> {
  await rm(copyOf(directory), { recursive: true, force: true });
  kill(etcd, "SIGSTOP");
  try {
    const deadline = Date.now() + stopMs;
    while (!isStopped(etcd)) {
      if (Date.now() > deadline) throw new Error(`Cannot copy the data of etcd as its process ${etcd.pid} does not stand still`);
      await wait(1);
    }
    await cp(dataOf(directory), copyOf(directory), { recursive: true });
  } finally {
    kill(etcd, "SIGCONT");
  }
}

/** While no etcd runs on the data; the copy stays. */
export async function putCopyBack(directory: string): Promise<void> {
  await rm(dataOf(directory), { recursive: true, force: true });
  await cp(copyOf(directory), dataOf(directory), { recursive: true });
}
