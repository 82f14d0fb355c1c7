// How long nobody writes when the leader goes: killed hard, and ended in order, each with a warm standby beside it. The first write of the
// other is the row of a pod that is bound at the moment at which the leader goes.

import { until } from "../world/until.ts";
import type { OperatorProcess } from "../world/operatorProcess.ts";
import { countRows, databaseName, isFrom, isRegister, nextRun } from "./benchWorld.ts";
import type { BenchDatabase, BenchWorld } from "./benchWorld.ts";
import { percentile, print, say } from "./figure.ts";
import { createPod } from "./pods.ts";

const namespace = "failover";
const times = 10;

export async function measureFailover(world: BenchWorld): Promise<void> {
  const database = await world.openDatabase();
  await world.createNamespace(namespace);
  await world.createFarm({ namespace, database, replicas: 1 });
  let replicas = 0;
  const start = (): Promise<OperatorProcess> => world.startReplica(`replica-${(replicas += 1)}`, namespace);
  let leader = await start();
  await createPod(world.api, { namespace, name: "first", binding: "bound", gate: "without" });
  await until("the first row is there", async () => (await countRows(database)) === 1);
  let standby = await start();
  const ways = {
    "leader killed hard": (operator: OperatorProcess) => operator.kill(),
    "leader ended by SIGTERM": (operator: OperatorProcess) => operator.stop(),
  };
  for (const [way, end] of Object.entries(ways)) {
    say(`${way}, ${times} times`);
    const seconds: number[] = [];
    for (let time = 0; time < times; time += 1) {
      const takingOver = firstWrite(database);
      const goneAtMs = performance.now();
      const ended = end(leader);
      // Not before the leader is gone: a row that it writes on its way out is no failover.
      if (way === "leader killed hard") await ended;
      else await until("the leader has released the lease", () => Promise.resolve(hasReleased(leader)));
      await createPod(world.api, {
        namespace,
        name: `${way.replaceAll(" ", "-").toLowerCase()}-${time}`,
        binding: "bound",
        gate: "without",
      });
      seconds.push(((await takingOver) - goneAtMs) / 1000);
      await ended;
      leader = standby;
      standby = await start();
    }
    const figure = { unit: "s", floor: null, samples: times } as const;
    print(databaseName, { ...figure, name: `${way} → first write of the other, p50`, value: percentile(seconds, 50) });
    print(databaseName, { ...figure, name: `${way} → first write of the other, longest`, value: percentile(seconds, 100) });
  }
}

const hasReleased = ({ lines }: OperatorProcess): boolean => lines.some(({ message }) => message === "Released the lease");

const firstWrite = (database: BenchDatabase): Promise<number> =>
  nextRun(database, (statement) => isFrom("operator", statement) && isRegister(statement));
