// What a pass makes of a ServiceAccount that a farm's database is to be opened as: which identity it is, and what is told where it is none.
import { describe, expect, test } from "@jest/globals";

import type { WebFarm } from "../../operator/farm/model.ts";
import { clientIdAnnotation, tenantIdAnnotation } from "../../operator/farm/workloadIdentity.ts";
import { readCredentials } from "../../operator/pass/credentials.ts";
import type { Cluster, ServiceAccountRead } from "../../operator/pass/ports.ts";
import { FakeClock } from "../controller/fakeClock.ts";
import { farm as buildFarm, pod } from "../farm/build.ts";
import { FakeWorld } from "./fakeWorld.ts";

const database: WebFarm["spec"]["database"] = {
  ...{ host: "shop.database.windows.net", name: "Kentico", authentication: "WorkloadIdentity", serviceAccountName: "site" },
  ...{ schema: "dbo", multiSubnetFailover: false },
};
const clientId = "11111111-2222-3333-4444-555555555555";
const otherId = "00000000-2222-3333-4444-555555555555";
const annotated = (id = clientId): ServiceAccountRead => ({
  kind: "found",
  annotations: { [clientIdAnnotation]: id, [tenantIdAnnotation]: "example.com" },
});

function worldOf(account?: ServiceAccountRead): FakeWorld {
  const world = new FakeWorld();
  const { farm } = world;
  if (farm === undefined) throw new Error("There is no WebFarm");
  world.change({ spec: { ...farm.spec, database } });
  if (account !== undefined) world.serviceAccounts.set("site", account);
  world.put(pod({ gate: "closed" }));
  return world;
}

const read = async (account: ServiceAccountRead, more: object = {}) => {
  const asked: string[] = [];
  const readServiceAccount: Cluster["readServiceAccount"] = ({ namespace, name }) => {
    asked.push(`${namespace}/${name}`);
    return Promise.resolve(account);
  };
  const { credentials } = await readCredentials({
    cluster: { readServiceAccount } as unknown as Cluster, // whatever else it asks for is not there
    ...{ clock: new FakeClock(), version: "1", cache: undefined, isDue: false, signal: new AbortController().signal },
    farm: buildFarm({ spec: { database: { ...database, ...more } } }),
  });
  return { asked, credentials };
};

test("a ServiceAccount of the farm's own namespace is the identity, and no Secret is read", async () => {
  const { asked, credentials } = await read(annotated(), { port: 1434 });
  expect(asked).toEqual(["prod/site"]);
  expect(credentials).toMatchObject({
    kind: "known",
    material: {
      login: {
        ...{ kind: "identity", host: "shop.database.windows.net", port: 1434, database: "Kentico" },
        identity: { namespace: "prod", serviceAccount: "site", clientId, tenantId: "example.com" },
      },
    },
  });
});

describe("a farm whose ServiceAccount", () => {
  test.each<[string, ServiceAccountRead | undefined, string]>([
    ["is not there", undefined, "ServiceAccountNotFound"],
    ["may not be read", { kind: "forbidden" }, "ServiceAccountForbidden"],
    ["has no annotations", { kind: "found", annotations: {} }, "ServiceAccountNotAnnotated"],
  ])("%s says so and works soon after a person has cured it", async (_what, account, reason) => {
    const world = worldOf(account);
    await world.settle(5_000);
    expect(world.condition("DatabaseReachable")).toEqual({ status: "False", reason });
    expect(world.condition("Stalled")).toEqual({ status: "True", reason });
    expect(world.gates.size).toBe(0);
    expect(world.calls).not.toContain("read");
    world.serviceAccounts.set("site", annotated());
    await world.settle(15_000);
    expect(world.condition("DatabaseReachable")).toEqual({ status: "True", reason: "Connected" });
    expect(world.writtenTo).toEqual(["shop.database.windows.net"]);
    expect(world.gates.get("shop-a")).toBe("Registered");
  });

  test("is given another application is followed within the time of a rotated password", async () => {
    const world = worldOf(annotated());
    await world.settle(5_000);
    const reads = world.count("read");
    world.serviceAccounts.set("site", annotated(otherId));
    await world.settle(61_000);
    expect(world.count("readServiceAccount")).toBeGreaterThan(1);
    expect(world.count("read")).toBeGreaterThan(reads);
  });

  test("cannot be read for a while goes on with what was read of it", async () => {
    const world = worldOf(annotated());
    await world.settle(5_000);
    world.faults.set("readServiceAccount", { when: "before", error: new Error("the API server is away") });
    await world.settle(120_000);
    expect(world.condition("DatabaseReachable")).toEqual({ status: "True", reason: "Connected" });
  });
});
