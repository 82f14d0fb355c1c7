// The process: environment to configuration, signals to an orderly stop, what nobody caught to the log. The only file that reads process.*.

import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import manifest from "../package.json" with { type: "json" };
import { parseConfig } from "./config.ts";
import type { Config } from "./config.ts";
import { systemClock } from "./controller/clock.ts";
import { systemRandom } from "./controller/random.ts";
import { loadKubeConfig } from "./kubernetes/credentials.ts";
import type { KubeConfigSource } from "./kubernetes/credentials.ts";
import { leaseNamespaceOf, noLeaseNamespace } from "./leadership.ts";
import { createLog } from "./observability/log.ts";
import { createMetrics } from "./observability/metrics.ts";
import { startOperator } from "./operator.ts";

const exitBadEnvironment = 2;
/** Well within the 30 s after which the kubelet kills. */
const longestStopMs = 15_000;

function configuration(): { readonly config: Config; readonly kubeConfig: KubeConfigSource } | { readonly problems: readonly string[] } {
  const parsed = parseConfig(process.env);
  const problems = parsed.ok ? [] : [parsed.message];
  try {
    const kubeConfig = loadKubeConfig();
    if (!parsed.ok) return { problems };
    const { config } = parsed;
    return config.leaderElection && leaseNamespaceOf(config, kubeConfig) === undefined
      ? { problems: [noLeaseNamespace] }
      : { config, kubeConfig };
  } catch (error) {
    return { problems: [...problems, `Cannot load a kubeconfig: ${error instanceof Error ? error.message : String(error)}`] };
  }
}

async function main(): Promise<void> {
  const found = configuration();
  if ("problems" in found) {
    process.stderr.write(`${found.problems.join("\n")}\n`);
    process.exitCode = exitBadEnvironment;
    return;
  }
  const { config, kubeConfig } = found;
  const log = createLog({ level: config.logLevel });
  const metrics = createMetrics({ version: manifest.version, clock: systemClock });
  const identity = config.identity ?? `${hostname()}_${randomBytes(4).toString("hex")}`;
  process.on("uncaughtException", (error, origin) => {
    // The state of the program is not known any more: say so and let the kubelet start it anew.
    log.error("Nobody caught this error; the operator ends", { error, origin });
    process.exitCode = 1;
    setTimeout(() => process.exit(1), 1_000).unref();
  });
  const starting = startOperator({
    config,
    kubeConfig,
    clock: systemClock,
    random: systemRandom,
    log,
    metrics,
    version: manifest.version,
    identity,
  });
  const stop = (signal: NodeJS.Signals): void => {
    log.info("Stopping", { signal });
    setTimeout(() => {
      log.error("Could not stop in time", { timeoutMs: longestStopMs });
      process.exit(1);
    }, longestStopMs).unref();
    starting
      .then((operator) => operator.stop())
      .catch((error: unknown) => {
        log.error("Could not stop in order", { error });
        process.exitCode = 1;
      });
  };
  // The first process of a container ends by no signal that it does not listen to, so before the start is over.
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
  await starting;
}

await main();
