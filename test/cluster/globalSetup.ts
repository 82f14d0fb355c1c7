// Starts the shared cluster once, in jest's parent process, before the first test file of the project "cluster".
import { startCluster } from "./cluster.ts";
import { rememberShared } from "./sharedLifetime.ts";

export default async function globalSetup(): Promise<void> {
  const started = Date.now();
  process.stderr.write("\nstarting the control plane for tests …\n");
  const cluster = await startCluster();
  rememberShared(cluster);
  process.stderr.write(`the control plane is ready after ${Date.now() - started} ms (${cluster.directory})\n`);
}
