// Stops the shared cluster after the last test file of the project "cluster".
import { stopShared } from "./sharedLifetime.ts";

export default async function globalTeardown(): Promise<void> {
  await stopShared();
}
