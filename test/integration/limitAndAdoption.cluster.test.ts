// The licence and adoption on a real control plane: no more rows than maxServers, whoever's they are, and a foreign row that becomes a pod's.

import { afterAll, beforeAll, expect, it } from "@jest/globals";
import { createFarmWorld } from "../world/farmWorld.ts";
import type { FarmWorld } from "../world/farmWorld.ts";
import { openShopDatabase, story } from "../world/shopFarm.ts";
import { insertForeign, isRowOf, wholeRows } from "../world/wholeRow.ts";

const limitMs = 300_000;

let world: FarmWorld;
beforeAll(async () => {
  world = await createFarmWorld();
}, 240_000);
afterAll(() => world.close(), 180_000);

it.concurrent(
  "keeps to maxServers, says who waits, and writes the rest as soon as there is room",
  story(async (open) => {
    const foreign = [{ name: "ADMIN-01" }, { name: "old", enabled: 0 as const }];
    const farm = await open(world, {
      ...{ name: "limited", kind: "StatefulSet", replicas: 1, foreign },
      spec: { maxServers: 2, readinessGate: { failOpenSeconds: 0 } },
    });
    await farm.settled(1);
    await farm.scale(2);
    await farm.until("the second waits", async () => (await farm.server("limited-1"))?.state === "LimitReached");
    await farm.until("the farm says so, and is in order", async () => {
      const [limit, ready] = [await farm.condition("LimitReached"), await farm.condition("Ready")];
      return /^True\/LimitReached .*maxServers is 2\..*Waiting: limited-1\.$/.test(limit) && ready.startsWith("True/Ready ");
    });
    expect((await farm.names()).toSorted()).toEqual(["ADMIN-01", "limited-0", "old"]);
    expect((await farm.alive()).filter(({ ready }) => ready)).toHaveLength(1);
    await farm.database.adminQuery("DELETE FROM CMS_WebFarmServer WHERE ServerName = N'ADMIN-01'");
    await farm.nudge();
    await farm.settled(2);
    await farm.until("nobody waits", async () => (await farm.condition("LimitReached")).startsWith("False/WithinLimit "));
  }),
  limitMs,
);

it.concurrent(
  "adopts a foreign row of a living pod's name, keeps its ServerID, and removes it when the pod has ended",
  story(async (open) => {
    const database = await openShopDatabase();
    await insertForeign(database, { name: "adopting-0" });
    await insertForeign(database, { name: "adopting-1", guid: "637ae912-50a6-861e-87dc-203a54f25910" });
    const [before, theirs] = await wholeRows(database);
    const farm = await open(world, {
      ...{ name: "adopting", kind: "StatefulSet", replicas: 1, database },
      spec: { adoption: "MatchingNames", readinessGate: { failOpenSeconds: 0 } },
    });
    await farm.until("the pod is Ready with the row", async () => {
      const [[pod], row] = [await farm.alive(), await farm.row("adopting-0")];
      return pod?.ready === true && row !== undefined && isRowOf(pod, row);
    });
    expect((await farm.row("adopting-0"))?.ServerID).toBe(before?.ServerID);
    await farm.scale(2);
    await farm.until("another WebFarm's row is a conflict", async () => (await farm.server("adopting-1"))?.reason === "ForeignRow");
    expect(await farm.row("adopting-1")).toEqual(theirs);
    await farm.scale(0);
    await farm.until("the adopted row is gone", async () => (await farm.row("adopting-0")) === undefined);
    expect(await farm.row("adopting-1")).toEqual(theirs);
  }),
  limitMs,
);
