// What a pass makes of a ServiceAccount that a farm's database is to be opened as: which identity it is, and what is told where it is none.
import { describe, expect, test } from "@jest/globals";

import type { WebFarm } from "../../operator/farm/model.ts";
import { clientIdAnnotation, tenantIdAnnotation } from "../../operator/farm/workloadIdentity.ts";
import { type CredentialCache, type Credentials, readCredentials } from "../../operator/pass/credentials.ts";
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

/** Reads as a pass does, again and again, with what the time before left. */
function reading(more: object = {}) {
  const clock = new FakeClock();
  const account = { now: annotated() };
  const asked: string[] = [];
  const readServiceAccount: Cluster["readServiceAccount"] = ({ namespace, name }) => {
    asked.push(`${namespace}/${name}`);
    return Promise.resolve(account.now);
  };
  let cache: CredentialCache | undefined;
  const read = async (): Promise<Credentials> => {
    const { credentials, ...rest } = await readCredentials({
      cluster: { readServiceAccount } as unknown as Cluster, // whatever else it asks for is not there
      ...{ clock, cache, version: "1", isDue: false, signal: new AbortController().signal },
      farm: buildFarm({ spec: { database: { ...database, ...more } } }),
    });
    cache = rest.cache;
    return credentials;
  };
  return { clock, account, asked, read };
}

const known = (id: string): object => ({
  kind: "known",
  material: { login: { identity: { namespace: "prod", serviceAccount: "site", clientId: id, tenantId: "example.com" } } },
});

test("a ServiceAccount of the farm's own namespace is the identity, and no Secret is read", async () => {
  const { asked, read } = reading({ port: 1434 });
  const credentials = await read();
  expect(asked).toEqual(["prod/site"]);
  expect(credentials).toMatchObject(known(clientId));
  expect(credentials).toMatchObject({
    material: { login: { kind: "identity", host: "shop.database.windows.net", port: 1434, database: "Kentico" } },
  });
});

test("a ServiceAccount that is given another application is followed after a minute, as a password is", async () => {
  const { clock, account, asked, read } = reading();
  await read();
  account.now = annotated(otherId);
  clock.jump(59_999);
  expect(await read()).toMatchObject(known(clientId));
  expect(asked).toHaveLength(1);
  clock.jump(1);
  expect(await read()).toMatchObject(known(otherId));
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

  test("cannot be read for a while goes on with what was read of it", async () => {
    const world = worldOf(annotated());
    await world.settle(5_000);
    world.faults.set("readServiceAccount", { when: "before", error: new Error("the API server is away") });
    await world.settle(120_000);
    expect(world.condition("DatabaseReachable")).toEqual({ status: "True", reason: "Connected" });
  });
});
