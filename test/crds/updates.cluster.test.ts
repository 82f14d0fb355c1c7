// What the API server makes of a WebFarm after it was sent: defaults, what may never change, the status, and what kubectl shows.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { type CrdCluster, startCrdCluster } from "./crdCluster.ts";
import { create, defaulted, replacementRefusalOf, setStatus, statusRefusalOf } from "./apiServer.ts";
import { type Farm, farm, farmWithConnectionString, farmWithParts, member } from "./farms.ts";

// Each kubectl takes 50 ms alone and far longer beside other tests.
jest.setTimeout(300_000);

let cluster: CrdCluster;
let namespace: string;

beforeAll(async () => {
  cluster = await startCrdCluster();
  namespace = await cluster.namespace();
});
afterAll(() => cluster.stop());

describe("Defaults", () => {
  test("say the rest of a minimal farm, and imply no deletion of living servers, no adoption and no licence", async () => {
    expect((await defaulted(cluster, namespace, farm())).spec).toEqual({
      policy: "Sync",
      registration: "Operator",
      suspend: false,
      database: { connectionStringSecretRef: { name: "kentico", key: "CMSConnectionString" }, schema: "dbo", multiSubnetFailover: false },
      members: [{ ...member, serverName: "$(POD_NAME)", url: "http://$(POD_IP)" }],
      adoption: "Never",
      deletionPolicy: "RemoveStale",
      readinessGate: { failOpenSeconds: 300 },
      removal: { nodeLostSeconds: 300 },
    });
  });

  test("name the keys of Secrets and leave port, authentication and tls to the operator, which knows the form", async () => {
    const withCa = await defaulted(cluster, namespace, farmWithParts({ tls: { caSecretRef: { name: "ca" } } }));
    expect(withCa.spec["database"]).toEqual({
      host: "sql.example.internal",
      name: "Kentico",
      credentialsSecretRef: { name: "kentico-sql", usernameKey: "username", passwordKey: "password" },
      tls: { caSecretRef: { name: "ca", key: "ca.crt" } },
      schema: "dbo",
      multiSubnetFailover: false,
    });
  });
});

interface Change {
  readonly what: string;
  readonly before: Farm;
  readonly accepted: readonly Farm[];
  readonly refused: readonly Farm[];
  readonly message: string;
}

const ownerIsImmutable = "spec.ownerId is immutable: it is given at creation or never";
const web = { ...member, serverName: "web-$(POD_ORDINAL)" };

const changes: readonly Change[] = [
  {
    what: "an owner id that was given",
    before: farm({ ownerId: "eu-1/shop" }, "with-owner"),
    accepted: [farm({ ownerId: "eu-1/shop", policy: "Observe" }, "with-owner")],
    refused: [farm({}, "with-owner"), farm({ ownerId: "eu-2/shop" }, "with-owner")],
    message: ownerIsImmutable,
  },
  {
    what: "an owner id that was not given",
    before: farm({}, "without-owner"),
    accepted: [farm({ suspend: true, formerOwnerIds: ["eu-0/shop"] }, "without-owner")],
    refused: [farm({ ownerId: "eu-1/shop" }, "without-owner")],
    message: ownerIsImmutable,
  },
  {
    what: "a member's server name",
    before: farm({ members: [member, { ...web, name: "web" }] }, "two-members"),
    accepted: [
      farm({ members: [{ ...web, name: "web" }, member] }, "two-members"),
      farm({ members: [member, { ...web, name: "web", url: "http://web" }] }, "two-members"),
      farm({ members: [member, { ...web, name: "other", serverName: "other-$(POD_ORDINAL)" }] }, "two-members"),
    ],
    refused: [
      farm({ members: [member, { ...member, name: "web" }] }, "two-members"),
      farm({ members: [{ ...member, serverName: "live-$(POD_NAME)" }] }, "two-members"),
    ],
    message: "serverName is immutable, because rows exist under the old names",
  },
  {
    what: "the form of the database",
    before: farm({}, "moving"),
    accepted: [{ ...farmWithParts(), metadata: { name: "moving" } }],
    refused: [{ ...farmWithConnectionString({ host: "sql" }), metadata: { name: "moving" } }],
    message: "spec.database needs exactly one of",
  },
];

describe.each(changes)("Of $what", ({ before, accepted, refused, message }) => {
  let resourceVersion: string;

  beforeAll(async () => {
    resourceVersion = (await create(cluster, namespace, before)).metadata.resourceVersion ?? "";
  });

  test("the harmless changes are accepted", async () => {
    for (const example of accepted) {
      const refusal = await replacementRefusalOf(cluster, namespace, at(example, resourceVersion));
      expect({ example, refusal }).toEqual({ example, refusal: undefined });
    }
  });

  test("the others are refused, and the message says why", async () => {
    for (const example of refused) {
      const refusal = await replacementRefusalOf(cluster, namespace, at(example, resourceVersion));
      expect({ example, refusal }).toEqual({ example, refusal: expect.stringContaining(message) });
    }
  });
});

function at(example: Farm, resourceVersion: string): Farm {
  return { ...example, metadata: { ...example.metadata, resourceVersion } };
}

describe("The status", () => {
  const time = "2026-11-24T08:00:00Z";
  const server = (i: number) => ({ name: `shop-${i}`, state: "Registered" });
  const row = (i: number) => ({ serverID: i, name: `shop-${i}`, guid: "637ae912-50a6-861e-87dc-203a54f25910" });
  const plan = { digest: "d1", creates: 1, updates: 0, removals: 2, blockedRemovals: 3 };
  const whole = {
    observedGeneration: 1,
    ownerId: "eu-1/shop",
    conditions: [
      { type: "Ready", status: "False", reason: "WorkloadNotFound", message: "", lastTransitionTime: time, observedGeneration: 1 },
    ],
    desired: 3,
    registered: 2,
    ready: 1,
    stale: 4,
    blocked: 5,
    foreign: 6,
    servers: [
      { ...server(0), member: "live", pod: "shop-0", podUID: "u", serverID: 1, reason: "NewReason", since: time, message: "Do this." },
      ...Array.from({ length: 99 }, (_, i) => server(i + 1)),
    ],
    omittedServers: 7,
    database: { endpoint: "sql,1433", name: "Kentico", product: "12-13", engineVersion: "16.0" },
    plan: {
      ...plan,
      sample: Array.from({ length: 20 }, (_, i) => `insert shop-${i}`),
      unexplained: Array.from({ length: 500 }, (_, i) => row(i)),
      approved: { digest: "d1", until: time },
    },
    inventory: Array.from({ length: 1000 }, (_, i) => ({ serverName: `S${i}`, serverID: i, pod: "shop-0", podUID: "u" })),
    lastChangeTime: time,
  };

  let shown: Farm;

  beforeAll(async () => {
    shown = await setStatus(cluster, namespace, await create(cluster, namespace, farm({}, "shown")), whole);
  });

  test("is kept whole, at the limits of its lists", async () => {
    const kept = JSON.parse(await cluster.kubectl(["--namespace", namespace, "get", "wf", "shown", "-o", "json"])) as { status: unknown };
    expect(kept.status).toEqual(whole);
  });

  test.each([
    ["states and reasons that a later version adds", { servers: [{ name: "a", state: "Hibernating", reason: "TooCold" }] }],
    ["names of foreign rows as long as the column", { servers: [{ name: "ä".repeat(300), state: "Conflict" }] }],
    ["no plan", { desired: 0 }],
  ])("takes %s", async (_what, status) => {
    expect(await statusRefusalOf(cluster, namespace, shown, status)).toBeUndefined();
  });

  test.each([
    ["the 101st server", { servers: [...whole.servers, server(100)] }, "status.servers: Too many: 101: must have at most 100 items"],
    ["the 21st sample", { plan: { ...plan, sample: Array.from({ length: 21 }, () => "x") } }, "status.plan.sample: Too many"],
    [
      "the 501st row of a set",
      { plan: { ...plan, unexplained: Array.from({ length: 501 }, (_, i) => row(i)) } },
      "status.plan.unexplained: Too many",
    ],
    ["two conditions of one type", { conditions: [whole.conditions[0], whole.conditions[0]] }, "status.conditions[1]: Duplicate value"],
    ["a negative count", { desired: -1 }, "desired in body should be greater than or equal to 0"],
  ])("refuses %s", async (_what, status, message) => {
    expect(await statusRefusalOf(cluster, namespace, shown, status)).toContain(message);
  });

  test("does not change through the resource itself, nor the spec through the status", async () => {
    await cluster.kubectl(["--namespace", namespace, "patch", "wf", "shown", "--type", "merge", "-p", '{"status":{"desired":99}}']);
    await cluster.kubectl([
      "--namespace",
      namespace,
      "patch",
      "wf",
      "shown",
      "--subresource",
      "status",
      "--type",
      "merge",
      "-p",
      '{"spec":{"policy":"Observe"}}',
    ]);
    const fields = await cluster.kubectl([
      "--namespace",
      namespace,
      "get",
      "wf",
      "shown",
      "-o",
      "jsonpath={.spec.policy} {.status.desired}",
    ]);
    expect(fields).toBe("Sync 3");
  });

  test("is what kubectl shows", async () => {
    const [head, line] = table(await cluster.kubectl(["--namespace", namespace, "get", "wf", "shown"]));
    expect(head).toEqual(["NAME", "READY", "DESIRED", "REGISTERED", "STALE", "BLOCKED", "AGE"]);
    expect(line?.slice(0, -1)).toEqual(["shown", "False", "3", "2", "4", "5"]);
  });

  test("is what kubectl shows in a wide terminal", async () => {
    const [head, line] = table(await cluster.kubectl(["--namespace", namespace, "get", "wf", "shown", "-o", "wide"]));
    expect(head?.slice(-3)).toEqual(["POLICY", "DATABASE", "REASON"]);
    expect(line?.slice(-3)).toEqual(["Sync", "Kentico", "WorkloadNotFound"]);
  });

  test("is explained, field by field", async () => {
    for (const field of ["wf.spec.members.serverName", "wf.spec.database.tls", "wf.status.plan.unexplained"]) {
      expect(await cluster.kubectl(["explain", field])).toMatch(/DESCRIPTION:\n {4}\S/);
    }
  });
});

function table(text: string): readonly (readonly string[])[] {
  return text
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/));
}
