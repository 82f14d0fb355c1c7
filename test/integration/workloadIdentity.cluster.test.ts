// Farms that log in with the identity of a ServiceAccount, on real parts: the API server signs the ServiceAccount's token, an endpoint over real
// TLS that knows its key exchanges it as Microsoft Entra does, and the operator's process, with the rights of the chart, logs in with the token.

import { afterAll, beforeAll, expect, it } from "@jest/globals";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asksRealServer, type Credentials, openTestDatabase, type TestDatabase } from "../database/database.ts";
import { type EntraEndpoint, startEntraEndpoint } from "../sqlserver/entraEndpoint.ts";
import { createFarmWorld } from "../world/farmWorld.ts";
import type { FarmWorld } from "../world/farmWorld.ts";
import type { SpecPart } from "../world/manifests.ts";
import { startOperatorProcess } from "../world/operatorProcess.ts";
import { plantFarm } from "../world/plantedFarm.ts";

const limitMs = 300_000;
const release = "webfarm-operator";
const tenantId = "contoso.example.com";
const trusted = "11111111-2222-3333-4444-555555555555";
const unknown = "00000000-2222-3333-4444-555555555555";
const itOnOurServer = asksRealServer() ? it.skip : it; // a server that others run knows no tokens of our Entra

let world: FarmWorld;
let database: TestDatabase;
let entra: EntraEndpoint;
let folder: string;
let login: Credentials | undefined;
const presented: string[] = [];

beforeAll(async () => {
  if (asksRealServer()) return;
  world = await createFarmWorld({ operator: "absent" });
  const { cluster, namespace } = world;
  entra = await startEntraEndpoint({
    applications: [
      {
        tenantId,
        clientId: trusted,
        trusts: { issuer: "https://kubernetes.default.svc", subject: `system:serviceaccount:${namespace}:site` },
      },
    ],
    issuerKey: readFileSync(join(cluster.directory, "pki", "service-accounts.pub"), "utf8"),
  });
  database = await openTestDatabase({
    ...{ kentico: { version: "13", mode: "2" }, tls: "required" },
    identities: (token) => {
      presented.push(token);
      return entra.given.get(token) === trusted ? login : undefined;
    },
  });
  login = await database.createLogin();

  // The rights of a release that serves this namespace alone and may use two of its ServiceAccounts.
  const values = ["watchNamespaces={" + namespace + "}", "serviceAccountTokens={site,stranger}", "crds.enabled=false", "replicas=0"];
  await cluster.helm([
    "install",
    release,
    "charts/webfarm-operator",
    "--namespace",
    namespace,
    ...values.flatMap((value) => ["--set", value]),
  ]);
  const account = (name: string, clientId: string): object => ({
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: { name, annotations: { "azure.workload.identity/client-id": clientId, "azure.workload.identity/tenant-id": tenantId } },
  });
  const authority = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "sql-ca" },
    data: { "ca.crt": database.certificateAuthority },
  };
  await world.apply(account("site", trusted), account("stranger", trusted), account("unlisted", trusted), authority);

  folder = mkdtempSync(join(tmpdir(), "webfarm-identity-"));
  const entraCa = join(folder, "entra.crt");
  writeFileSync(entraCa, entra.ca);
  world.operator = startOperatorProcess({
    kubeconfigPath: await cluster.serviceAccountKubeconfig({ namespace, name: release }),
    env: {
      ...{ WEBFARM_NAMESPACES: namespace, WEBFARM_LOG_LEVEL: "debug", WEBFARM_ALLOWED_DATABASE_HOSTS: "localhost" },
      ...{ AZURE_AUTHORITY_HOST: entra.authority, NODE_EXTRA_CA_CERTS: entraCa },
    },
  });
  await world.operator.ready();
}, 240_000);

afterAll(async () => {
  if (asksRealServer()) return;
  await world.close();
  await database.close();
  await entra.close();
  rmSync(folder, { recursive: true });
}, 120_000);

/** A farm whose database is opened as this ServiceAccount. */
const databaseAs = (serviceAccountName: string, more: object = {}): SpecPart => ({
  database: {
    ...{ host: "localhost", port: database.port, name: database.database, authentication: "WorkloadIdentity", serviceAccountName },
    ...{ tls: { caConfigMapRef: { name: "sql-ca", key: "ca.crt" } }, ...more },
  },
});

const rowsOf = async (name: string): Promise<number> =>
  (await database.adminQuery("SELECT ServerID FROM CMS_WebFarmServer WHERE ServerName LIKE @name", { name: `${name}-%` })).length;

itOnOurServer(
  "keeps the rows of a farm with one exchange, and pods wait for their rows",
  async () => {
    const farm = await plantFarm(world, { name: "identified", replicas: 2, spec: databaseAs("site") });
    const settled = (pods: number): Promise<void> =>
      farm.until(`${pods} pods are ready with their rows`, async () => {
        const living = await farm.pods();
        return living.length === pods && living.every(({ gate }) => gate === "Registered") && (await rowsOf("identified")) === pods;
      });
    await settled(2);
    await farm.untilCondition("Ready", /^True\/Ready /);
    const asked = [...entra.asked]; // more than once only where the answer came too late, and its token is of no use then
    await farm.scale(1);
    await settled(1);
    expect(entra.asked).toEqual(asked);
    expect(new Set(asked)).toEqual(new Set([trusted]));
    const [token, ...others] = new Set(presented);
    expect([entra.given.get(token ?? ""), others]).toEqual([trusted, []]);
    // Nobody but the next farm logs in from here on.
    await world.kubectl("annotate", "wf", "identified", "webfarm.dev/skip-cleanup=true");
    await world.kubectl("delete", "wf", "identified");
  },
  limitMs,
);

itOnOurServer(
  "says what to configure, for each way in which a ServiceAccount does not do, and works when a person has done it",
  async () => {
    const farm = await plantFarm(world, { name: "misfit", spec: databaseAs("nobody") });
    const reachable = (wanted: RegExp): Promise<unknown> => farm.untilCondition("DatabaseReachable", wanted);
    // Nobody may look whether a ServiceAccount is there that the chart does not name.
    await reachable(/^False\/ServiceAccountForbidden .*add nobody to serviceAccountTokens/);
    await farm.change(databaseAs("unlisted"));
    await reachable(/^False\/ServiceAccountForbidden .*add unlisted to serviceAccountTokens/);
    await farm.change(databaseAs("stranger"));
    const subject = `system:serviceaccount:${world.namespace}:stranger`;
    await reachable(
      new RegExp(`^False/FederatedCredentialMissing .*issuer https://kubernetes.default.svc, subject ${subject} and audience api:`),
    );
    await world.kubectl("annotate", "serviceaccount", "stranger", "--overwrite", `azure.workload.identity/client-id=${unknown}`);
    await farm.nudge();
    await reachable(new RegExp(`^False/EntraIdentityNotFound .*${unknown} in tenant ${tenantId}`));
    await world.kubectl("annotate", "serviceaccount", "stranger", "azure.workload.identity/tenant-id-");
    await world.kubectl("delete", "serviceaccount", "stranger");
    await farm.nudge();
    await reachable(/^False\/ServiceAccountNotFound .*no ServiceAccount stranger/);

    const [asked, logins] = [entra.asked.length, presented.length];
    await farm.change(databaseAs("site", { tls: { mode: "Insecure", caConfigMapRef: null } }));
    await reachable(/^False\/TlsRequired .*Required or Strict/);
    await farm.change(databaseAs("site", { host: "127.0.0.1", tls: { mode: null, caConfigMapRef: { name: "sql-ca", key: "ca.crt" } } }));
    await reachable(/^False\/HostNotAllowed /);
    expect([entra.asked.length, presented.length]).toEqual([asked, logins]);

    await farm.change(databaseAs("site"));
    await reachable(/^True\/Connected/);
    await farm.until("its row is there", async () => (await rowsOf("misfit")) === 1);
  },
  limitMs,
);

itOnOurServer("never shows a token: in the log at debug level, in status, events, conditions of pods and metrics", async () => {
  const shown = {
    log: world.operator.lines.map((line) => JSON.stringify(line)).join("\n") + world.operator.stderr(),
    metrics: await world.operator.metrics(),
    farms: await world.kubectl("get", "wf", "-o", "yaml"),
    events: await world.kubectl("get", "events", "-o", "yaml"),
    pods: await world.kubectl("get", "pods", "-o", "yaml"),
  };
  const secrets = [...entra.secrets, ...presented];
  expect(secrets.length).toBeGreaterThan(3);
  for (const [where, text] of Object.entries(shown)) {
    expect(text).not.toBe("");
    expect({ where, found: secrets.filter((secret) => text.includes(secret)).length }).toEqual({ where, found: 0 });
    expect({ where, found: /eyJ[\w-]{20,}/.exec(text)?.[0] }).toEqual({ where, found: undefined });
  }
});
