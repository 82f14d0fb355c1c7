// What an operator does when nothing happens: requests to the database, and writes to the API server, in a minute and a bit.

import { setTimeout as pause } from "node:timers/promises";
import { databaseName, isFrom } from "./benchWorld.ts";
import { print, say } from "./figure.ts";
import { quietPods } from "./latency.ts";
import type { QuietFarm } from "./latency.ts";

const settleMs = 5_000; // the last status, at most one a second, and the last events
const watchedMs = 65_000;

export async function measureIdle({ world, database }: QuietFarm): Promise<void> {
  say(`watching an idle farm for ${watchedMs / 1000} s`);
  await pause(settleMs);
  const writesBefore = await countWrites(world.api.text);
  const isOperators = (): number => database.faults.statements.filter((statement) => isFrom("operator", statement)).length;
  database.faults.forget();
  await pause(watchedMs);
  const requests = isOperators();
  print(databaseName, {
    ...{ name: `idle farm of ${quietPods}: SQL requests per 30 s`, unit: "requests", floor: null, samples: 1 },
    value: (requests * 30_000) / watchedMs,
  });
  print(databaseName, {
    ...{ name: `idle farm of ${quietPods}: API writes in ${watchedMs / 1000} s (but leases)`, unit: "writes", floor: null, samples: 1 },
    value: (await countWrites(world.api.text)) - writesBefore,
  });
}

/** Everybody's, but leases: an idle API server itself writes nothing of these. */
async function countWrites(read: (call: { method: "GET"; path: string }) => Promise<string>): Promise<number> {
  const metrics = await read({ method: "GET", path: "/metrics" });
  const counted = /^apiserver_request_total\{(?<labels>[^}]*)\} (?<count>\S+)$/gm;
  let writes = 0;
  for (const { groups } of metrics.matchAll(counted)) {
    const labels = groups?.["labels"] ?? "";
    const isWrite = /verb="(POST|PUT|PATCH|APPLY|DELETE)"/.test(labels);
    if (isWrite && /resource="(pods|webfarms|events|deployments|secrets)"/.test(labels)) writes += Number(groups?.["count"]);
  }
  return writes;
}
