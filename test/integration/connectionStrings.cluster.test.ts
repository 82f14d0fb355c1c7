// Connection strings that the site itself uses, as a person sees them in the WebFarm's conditions: what works with a note, what is refused
// with its keyword and the cure, and what a certificate that does not verify says to somebody whose site connects all the same.

import { afterAll, beforeAll, expect, it } from "@jest/globals";
import { asksRealServer, openTestDatabase } from "../database/database.ts";
import type { TestDatabase } from "../database/database.ts";
import { createFarmWorld } from "../world/farmWorld.ts";
import type { FarmWorld } from "../world/farmWorld.ts";
import { secret } from "../world/manifests.ts";
import { plantFarm } from "../world/plantedFarm.ts";
import type { PlantedFarm } from "../world/plantedFarm.ts";

const limitMs = 300_000;
const hidden = "Hidden-3d9a51";

let world: FarmWorld;
let encrypting: TestDatabase;
beforeAll(async () => {
  world = await createFarmWorld({ env: { WEBFARM_RESYNC_SECONDS: "5" } });
  encrypting = await openTestDatabase({ kentico: { version: "13" } });
}, 240_000);
afterAll(async () => {
  await world.close();
  await encrypting.close();
}, 120_000);

async function plant(name: string, text: string): Promise<PlantedFarm> {
  await connect(name, text);
  return await plantFarm(world, {
    name,
    spec: { database: { connectionStringSecretRef: { name: `for-${name}`, key: "CMSConnectionString" } } },
  });
}

const connect = (name: string, text: string): Promise<void> =>
  world.apply(secret(world.namespace, `for-${name}`, { CMSConnectionString: text }));

it.concurrent(
  "works with a Failover Partner and a read-only intent, and says of each that it does otherwise",
  async () => {
    const text = world.database.connectionStringFor(await world.database.createLogin());
    const mirrored = await plant("mirrored", `${text};Failover Partner=sql2.example.internal;App=shop`);
    const reading = await plant("reading", `${text};ApplicationIntent=ReadOnly\n`);
    await mirrored.settled({ pods: 1, rows: 1, gate: "Registered" });
    await mirrored.untilCondition(
      "DatabaseReachable",
      /^True\/Connected .*Failover Partner .*\(sql2\.example\.internal\) is ignored: .*Data Source/,
    );
    await mirrored.untilCondition("DatabaseReachable", /^True\/Connected .*Ignored .*: Application Name\./);
    await reading.settled({ pods: 1, rows: 1, gate: "Registered" });
    await reading.untilCondition(
      "DatabaseReachable",
      /^True\/Connected .*Application Intent=ReadOnly .*is overruled: the operator writes rows/,
    );
  },
  limitMs,
);

it.concurrent(
  "says that the Failover Partner is not tried when the principal cannot be reached",
  async () => {
    const farm = await plant(
      "failed",
      `Server=127.0.0.1,1;Database=k;UID=u;PWD=${hidden};Encrypt=no;Connect Timeout=2;Failover Partner=sql2`,
    );
    await farm.untilCondition(
      "DatabaseReachable",
      /^False\/ConnectionRefused .*The Failover Partner \(sql2\) is not tried: name the server/,
    );
  },
  limitMs,
);

it.concurrent.each([
  ["pipe", "Server=np:\\\\sql\\pipe\\sql\\query", /NamedPipeNotSupported The Data Source .*Write tcp:/],
  ["localdb", "Server=(localdb)\\MSSQLLocalDB", /LocalDbNotSupported The Data Source .*Name a SQL Server/],
  ["admin", "Server=admin:sql", /AdminConnectionNotSupported The Data Source .*Leave out admin:/],
  [
    "attached",
    "Server=sql;AttachDbFilename=|DataDirectory|\\k.mdf",
    /KeywordNotSupported AttachDbFilename .*Attach the database on the server/,
  ],
  ["instance", "Server=sql;User Instance=true", /KeywordNotSupported User Instance .*Name a server/],
  ["windows", "Server=sql;Trusted_Connection=yes", /KeywordNotSupported Integrated Security \(written trusted_connection\) .*SQL login/],
  ["entra", "Server=sql;Authentication=Active Directory Default", /KeywordNotSupported Authentication .*WorkloadIdentity/],
  ["mars", "Server=sql;MARS Connection=true", /KeywordNotSupported .*"mars connection"\. Write Multiple Active Result Sets/],
  ["marked", "\ufeffServer=sql", /KeywordNotSupported .*byte order mark: remove it/],
  ["both", "Server=sql;Failover Partner=b;MultiSubnetFailover=yes", /ConnectionStringInvalid .*Remove one of them/],
] as const)(
  "refuses what cannot work (%s), and says why and what does",
  async (name, text, says) => {
    const farm = await plant(name, `${text};Database=k;UID=u;PWD=${hidden}`);
    await farm.untilCondition("DatabaseReachable", new RegExp(`^False/${says.source}`));
    await farm.untilCondition("Stalled", /^True\//);
    expect(await world.kubectl("get", "wf", name, "-o", "yaml")).not.toContain(hidden);
  },
  limitMs,
);

// The endpoint's certificate is issued by an authority that nobody knows. A server that others run may have another.
(asksRealServer() ? it.skip : it.concurrent)(
  "says of a string without Encrypt why the site connects and the operator does not, and works by each of the ways that it names",
  async () => {
    const { host, port, database } = encrypting;
    const login = await encrypting.createLogin();
    const text = `Server=${host},${port};Database=${database};UID=${login.user};PWD=${login.password}`;
    await world.apply({
      ...{ apiVersion: "v1", kind: "Secret", metadata: { name: "authority", namespace: world.namespace } },
      stringData: { "ca.crt": encrypting.certificateAuthority ?? "" },
    });
    for (const [name, tls] of Object.entries({
      verified: { caSecretRef: { name: "authority" } },
      unverified: { mode: "Insecure" },
      plain: { mode: "Disabled" },
    } as const)) {
      const farm = await plant(name, text);
      await farm.untilCondition(
        "DatabaseReachable",
        /^False\/CertificateInvalid .*does not mention Encrypt: .*System\.Data\.SqlClient.* does not encrypt unless told.*caSecretRef to verify, mode: Insecure .*mode: Disabled/,
      );
      await farm.change({ database: { tls } });
      await farm.until("its pod is registered", async () => (await rowNames()).some((row) => row.startsWith(`${name}-`)));
      await farm.untilCondition("DatabaseReachable", /^True\/Connected /);
    }
    expect(await world.kubectl("get", "wf", "-o", "yaml")).not.toContain(login.password);
  },
  limitMs,
);

const rowNames = async (): Promise<readonly string[]> =>
  (await encrypting.adminQuery<{ ServerName: string }>("SELECT ServerName FROM CMS_WebFarmServer")).map(({ ServerName }) => ServerName);
