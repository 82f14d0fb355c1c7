// A scripted API server and a client of it for each test of a file or a describe block.
import { afterEach, beforeEach } from "@jest/globals";
import type { KubernetesApi } from "../../operator/kubernetes/client.ts";
import { FakeClock } from "../controller/fakeClock.ts";
import { ScriptedApi } from "./scriptedApi.ts";

export interface Served {
  readonly server: ScriptedApi;
  readonly api: KubernetesApi;
  readonly clock: FakeClock;
}

/** Registers the hooks where it is called; `take` gets what the next test uses. */
export function serveEachTest(take: (served: Served) => void): void {
  let served: Served;
  beforeEach(async () => {
    const server = await ScriptedApi.start();
    const clock = new FakeClock();
    served = { server, clock, api: await server.client(clock) };
    take(served);
  });
  afterEach(async () => {
    await served.api.close();
    await served.server.stop();
  });
}
