// A removal that is longer than the life of the process that began it: killed in the middle, with a statement still on its way, it is ended
// by the next one, which remembers nothing.

import { afterAll, beforeAll, expect, it } from "@jest/globals";
import { asksRealServer } from "../database/database.ts";
import type { ArrivedStatement } from "../database/faults.ts";
import { createFarmWorld } from "../world/farmWorld.ts";
import type { FarmWorld } from "../world/farmWorld.ts";
import { plantFarm } from "../world/plantedFarm.ts";

const limitMs = 300_000;
const tasks = 20_000;
/** The request that is on its way when the process is killed. */
const fatal = 4;

let world: FarmWorld;
beforeAll(async () => {
  world = await createFarmWorld();
}, 240_000);
afterAll(() => world.close(), 180_000);

const number = async (sql: string, parameters: Readonly<Record<string, unknown>> = {}): Promise<number> =>
  Number((await world.database.adminQuery<{ n: number }>(sql, parameters))[0]?.n);
const bound = (server: number | undefined): Promise<number> =>
  number("SELECT COUNT(*) AS n FROM CMS_WebFarmServerTask WHERE ServerID = @server", { server });

const digits = (alias: string): string => `(VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) AS ${alias} (n)`;
const thousands = `${digits("a")} CROSS JOIN ${digits("b")} CROSS JOIN ${digits("c")} CROSS JOIN ${digits("d")} CROSS JOIN (VALUES (0), (1)) AS e (n)`;

// A real server has no fault script.
(asksRealServer() ? it.skip : it)(
  "a process that is killed in a removal of many bindings leaves it to the next, which needs no memory",
  async () => {
    const farm = await plantFarm(world, { name: "drained", kind: "StatefulSet", replicas: 2 });
    await farm.settled({ pods: 2, rows: 2, gate: "Registered" });
    const [live, dead] = await farm.rows();
    await world.database.adminQuery(`INSERT INTO CMS_WebFarmTask (TaskType) SELECT N'T' FROM ${thousands}`);
    await world.database.adminQuery(
      "INSERT INTO CMS_WebFarmServerTask (ServerID, TaskID) SELECT @dead, t.TaskID FROM CMS_WebFarmTask AS t",
      {
        dead: dead?.ServerID,
      },
    );
    await world.database.adminQuery(
      "INSERT INTO CMS_WebFarmServerTask (ServerID, TaskID) SELECT @live, t.TaskID FROM CMS_WebFarmTask AS t WHERE t.TaskID <= 5",
      { live: live?.ServerID },
    );
    let requests = 0;
    const isFatal = ({ text, applicationName }: ArrivedStatement): boolean => {
      if (applicationName.startsWith("webfarm-operator/") && text.includes("DELETE s FROM")) requests += 1;
      return requests === fatal;
    };
    const late = world.database.faults?.hold(isFatal, { attention: "unanswered" });

    // So that its end is still to be seen when another process looks.
    await world.kubectl("patch", "pod", "drained-1", "--type=merge", "-p", '{"metadata":{"finalizers":["webfarm.test/seen"]}}');
    await farm.scale(1);
    await late?.reached;
    await world.operator.kill();
    expect(await bound(dead?.ServerID)).toBe(tasks - (fatal - 1) * 2_000);

    await world.restartOperator();
    await farm.until("the next process deletes", async () => (await bound(dead?.ServerID)) < tasks - fatal * 2_000);
    late?.release();
    await late?.finished;
    await farm.until("the row is gone", async () => (await farm.rows()).length === 1, { timeoutMs: 180_000 });
    expect(await farm.rows()).toEqual([live]);
    expect([await bound(live?.ServerID), await number("SELECT COUNT(*) AS n FROM CMS_WebFarmServerTask")]).toEqual([5, 5]);
    expect(await number("SELECT COUNT(*) AS n FROM CMS_WebFarmTask")).toBe(tasks);
    await farm.untilCondition("Synced", /^True\//);
    await world.kubectl("patch", "pod", "drained-1", "--type=merge", "-p", '{"metadata":{"finalizers":null}}');
  },
  limitMs,
);
