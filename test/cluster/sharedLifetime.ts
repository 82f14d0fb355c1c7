// Carries the shared cluster from jest's globalSetup to its globalTeardown. Jest loads the two as separate module graphs,
// so what they share lies on the process.
import type { TestCluster } from "./cluster.ts";
import { sharedDirectoryVariable } from "./shared.ts";

const key = Symbol.for("webfarm.dev/test/cluster");
type Holder = typeof globalThis & { [key]?: TestCluster };

export function rememberShared(cluster: TestCluster): void {
  (globalThis as Holder)[key] = cluster;
  process.env[sharedDirectoryVariable] = cluster.directory;
}

export async function stopShared(): Promise<void> {
  await (globalThis as Holder)[key]?.stop();
}
