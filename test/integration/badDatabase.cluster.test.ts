// What can be wrong with a farm's database or the way to it: each becomes a condition that says what to do, writes nothing, leaves the other
// farms alone, and ends by itself when a person corrects it. Nothing of a login is ever shown.

import { afterAll, beforeAll, expect, it } from "@jest/globals";
import { asksRealServer, openTestDatabase } from "../database/database.ts";
import type { Credentials, TestDatabase } from "../database/database.ts";
import { operatorGrants } from "../database/fixtures/kentico.ts";
import { createFarmWorld } from "../world/farmWorld.ts";
import type { FarmWorld } from "../world/farmWorld.ts";
import { usual } from "../world/generations.ts";
import { secret } from "../world/manifests.ts";
import { plantFarm } from "../world/plantedFarm.ts";
import type { PlantedFarm, PlantOptions } from "../world/plantedFarm.ts";

const limitMs = 300_000;
/** A real server has no fault script. */
const itFaults = asksRealServer() ? it.skip : it.concurrent;

let world: FarmWorld;
const opened: TestDatabase[] = [];
beforeAll(async () => {
  world = await createFarmWorld({ env: { WEBFARM_RESYNC_SECONDS: "5" } });
}, 240_000);
afterAll(async () => {
  await world.close();
  await Promise.all(opened.map((database) => database.close()));
}, 180_000);

const secrets: string[] = []; // that must be nowhere to be read in the end

async function database(kentico?: NonNullable<Parameters<typeof openTestDatabase>[0]>["kentico"]): Promise<TestDatabase> {
  const made = await openTestDatabase(kentico === undefined ? {} : { kentico });
  opened.push(made);
  return made;
}

async function login(of: TestDatabase, grants?: Readonly<Record<string, readonly string[]>>): Promise<Credentials> {
  const made = await of.createLogin(grants);
  secrets.push(made.password);
  return made;
}

const connect = async (name: string, text: string): Promise<void> =>
  world.apply(secret(world.namespace, `for-${name}`, { CMSConnectionString: text }));

/** A farm with a Secret of its own. */
async function plant(text: string, { spec, ...options }: PlantOptions): Promise<PlantedFarm> {
  const { name } = options;
  await connect(name, text);
  return await plantFarm(world, {
    ...options,
    spec: { database: { connectionStringSecretRef: { name: `for-${name}`, key: "CMSConnectionString" } }, ...spec },
  });
}

const hidden = "Hidden-7f3a9c";
secrets.push(hidden);

it.concurrent.each<{ name: string; text: string; says: RegExp; noticed?: "of itself" }>([
  {
    name: "windows",
    noticed: "of itself",
    text: `Server=db;Database=k;Integrated Security=SSPI;Password=${hidden}`,
    says: /KeywordNotSupported Integrated Security cannot be honoured.*SQL login/,
  },
  {
    name: "keyword",
    text: `Server=db;Banana=1;Database=k;User ID=u;Password=${hidden}`,
    says: /KeywordNotSupported .*unknown keyword "banana".*Remove it/,
  },
  {
    name: "semicolon",
    text: `Server=db;Database=k;User ID=u;Password=a;${hidden}=1`,
    says: /KeywordNotSupported .*behind Password.*"quotes"/,
  },
  { name: "serverless", text: `Database=k;User ID=u;Password=${hidden}`, says: /ServerMissing .*Add Data Source/ },
  { name: "nameless", text: `Server=db;User ID=u;Password=${hidden}`, says: /DatabaseMissing .*Add Initial Catalog/ },
  { name: "anonymous", text: `Server=db;Database=k;User ID=u`, says: /CredentialsMissing .*Password is missing/ },
  { name: "colon", text: `Server=sql:1433;Database=k;User ID=u;Password=${hidden}`, says: /ServerInvalid .*A port follows a comma/ },
  { name: "prose", text: `the password is ${hidden}`, says: /ConnectionStringInvalid .*keyword=value/ },
])(
  "says of a connection string that cannot work why ($name), and works with the next one",
  async ({ name, text, says, noticed }) => {
    const farm = await plant(text, { name });
    await farm.untilCondition("DatabaseReachable", new RegExp(`^False/${says.source}`));
    await farm.untilCondition("Ready", /^False\//);
    await farm.untilCondition("Stalled", /^True\//);
    await connect(name, world.database.connectionStringFor(await login(world.database)));
    if (noticed !== "of itself") await farm.nudge();
    await farm.settled({ pods: 1, rows: 1, gate: "Registered" });
    await farm.untilCondition("Ready", /^True\//);
  },
  limitMs,
);

itFaults(
  "tries a wrong password once and never again until the Secret changes, however many passes come",
  async () => {
    const own = await database(usual.operator.kentico);
    const right = await login(own);
    const wrong = { ...right, password: `Wrong-${hidden}` };
    const farm = await plant(own.connectionStringFor(wrong), { name: "locked" });
    const rows = async (): Promise<readonly unknown[]> => await own.adminQuery("SELECT ServerName FROM CMS_WebFarmServer");
    await farm.untilCondition("DatabaseReachable", /^False\/LoginFailed .*check user and password in the Secret/);
    for (const pods of [2, 3, 4]) {
      await farm.nudge();
      await farm.scale(pods);
      await farm.until(`a pass has seen ${pods} pods`, async () => (await farm.status()).desired === pods);
    }
    expect(own.faults?.counts.refusedLogins).toBe(1);
    await connect("locked", own.connectionStringFor(right));
    await farm.nudge();
    await farm.until("all are registered", async () => (await rows()).length === 4);
    await farm.untilCondition("Ready", /^True\//);
    expect(own.faults?.counts.refusedLogins).toBe(1);

    const next = await login(own);
    const linesBefore = world.operator.lines.length;
    await connect("locked", own.connectionStringFor(next));
    await farm.nudge();
    await farm.until("it uses the new login", () => own.faults?.statements.some(({ user }) => user === next.user) ?? false);
    await own.adminQuery(`DENY SELECT, INSERT ON OBJECT::dbo.CMS_WebFarmServer TO [${right.user}]`);
    await farm.scale(5);
    await farm.until("the fifth is registered by the new login", async () => (await rows()).length === 5);
    expect(own.faults?.counts.refusedLogins).toBe(1);
    expect(attentionTo(farm, linesBefore).filter((reason) => reason !== "Timeout")).toEqual([]); // as of the old login, which still worked
  },
  limitMs,
);

/** Why the farm has needed a person's attention since the log had so many lines. */
const attentionTo = ({ name }: PlantedFarm, since: number): readonly unknown[] =>
  world.operator.lines
    .slice(since)
    .filter(({ message, farm }) => message === "A farm needs attention" && farm === `${world.namespace}/${name}`)
    .map(({ reason }) => reason);

const grants = operatorGrants(usual.version);
const without = (table: string, grant: string): Readonly<Record<string, readonly string[]>> => ({
  ...grants,
  [table]: (grants[table] ?? []).filter((held) => held !== grant),
});

const acts = {
  start: () => Promise.resolve(),
  replace: (farm: PlantedFarm) => world.kubectl("delete", "pod", `${farm.name}-0`, "--wait=false"),
  remove: (farm: PlantedFarm) => farm.scale(0),
};

it.concurrent.each([
  { name: "unread", table: "CMS_WebFarmServer", grant: "SELECT", act: "start", condition: "DatabaseReachable" },
  { name: "uninserted", table: "CMS_WebFarmServer", grant: "INSERT", act: "start", condition: "Synced" },
  { name: "unmarked", table: "CMS_WebFarmServer", grant: "UPDATE", act: "replace", condition: "Synced" },
  { name: "undeleted", table: "CMS_WebFarmServer", grant: "DELETE", act: "remove", condition: "Synced" },
  { name: "unbound", table: "CMS_WebFarmServerTask", grant: "DELETE", act: "remove", condition: "Synced" },
  { name: "unseen", table: "CMS_WebFarmServerTask", grant: "SELECT", act: "remove", condition: "Synced" },
] as const)(
  "names the missing GRANT $grant ON $table, changes nothing, and goes on once the GRANT that it names was run",
  async ({ name, table, grant, act, condition }) => {
    const user = await login(world.database, without(table, grant));
    const farm = await plant(world.database.connectionStringFor(user), { name, kind: "StatefulSet" });
    if (act !== "start") await farm.settled({ pods: 1, rows: 1, gate: "Registered" });
    const [before] = await farm.rows();
    await acts[act](farm);
    let said = "";
    await farm.until(`${condition} names the GRANT`, async () => {
      const [, found] =
        /^False\/GrantMissing .*?(GRANT [A-Z ]+(?: \([^)]*\))? ON \[dbo\]\.\[\w+\])/.exec(await farm.condition(condition)) ?? [];
      said = found ?? "";
      return said !== "";
    });
    expect(said).toMatch(new RegExp(`^GRANT ${grant}( \\(.*\\))? ON \\[dbo\\]\\.\\[${table}\\]$`));
    await farm.untilCondition("Ready", /^False\/GrantMissing /);
    await farm.untilCondition("Stalled", /^True\/GrantMissing /);
    expect((await farm.rows()).at(0)).toEqual(before);
    await world.database.adminQuery(`${said} TO [${user.user}]`);
    if (act === "start") await farm.nudge(); // of itself after 30 s
    await farm.settled(act === "remove" ? { pods: 0, rows: 0 } : { pods: 1, rows: 1, gate: "Registered" });
    if (act === "replace") expect((await farm.rows())[0]?.ServerGUID).not.toBe(before?.ServerGUID);
    await farm.untilCondition("Ready", /^True\//);
  },
  limitMs,
);

/** Kentico 6 has none in its database. */
const itWithSettings = usual.version === "6" ? it.skip : it.concurrent;

itWithSettings(
  "writes nothing while the settings cannot be read, until spec.webFarmMode asserts the mode",
  async () => {
    const user = await login(world.database, { ...grants, CMS_SettingsKey: [] });
    const farm = await plant(world.database.connectionStringFor(user), { name: "modeless" });
    await farm.untilCondition("SettingsCompatible", /^Unknown\/SettingsUnreadable .*GRANT SELECT on CMS_SettingsKey.*webFarmMode: Manual/);
    await farm.untilCondition("Stalled", /^True\/SettingsUnreadable /);
    await farm.until("its gate alone is shut", async () => (await farm.pods())[0]?.waitsForGate ?? false);
    expect(await farm.rows()).toEqual([]);
    await farm.change({ webFarmMode: "Manual" });
    await farm.settled({ pods: 1, rows: 1, gate: "Registered" });
    await farm.untilCondition("SettingsCompatible", /^True\/AssertedManual /);
  },
  limitMs,
);

it.concurrent(
  "writes nothing in a mode that is not Manual, tells it as an event, and registers when the mode becomes Manual or is asserted",
  async () => {
    const own = await database({ version: "13", mode: "1" });
    const rows = async (): Promise<number> => (await own.adminQuery("SELECT ServerName FROM CMS_WebFarmServer")).length;
    const set = (mode: string | null): Promise<unknown> =>
      own.adminQuery("UPDATE CMS_SettingsKey SET KeyValue = @mode WHERE KeyName = N'CMSWebFarmMode'", { mode });
    const farm = await plant(own.connectionStringFor(await login(own)), { name: "automatic" });
    await farm.untilCondition("SettingsCompatible", /^False\/AutomaticMode .*Set it to Manual .*registration: Application/);
    await farm.untilCondition("Ready", /^False\/AutomaticMode /);
    for (const { mode, reason } of [
      { mode: "0", reason: "WebFarmDisabled" },
      { mode: null, reason: "ModeNotSet" },
      { mode: "7", reason: "ModeNotKnown" },
    ]) {
      await set(mode);
      await farm.nudge();
      await farm.untilCondition("SettingsCompatible", new RegExp(`^False/${reason} .*Manual`));
    }
    expect(await rows()).toBe(0);
    await farm.until("an event tells it", () => isTold(farm, "SettingsMismatch"));
    await farm.change({ webFarmMode: "Manual" });
    await farm.until("the assertion wins", async () => (await rows()) === 1);
    await farm.change({ webFarmMode: null } as never);
    await farm.untilCondition("SettingsCompatible", /^False\/ModeNotKnown /);
    await set("2");
    await farm.scale(2);
    await farm.until("Manual mode is seen without asking", async () => (await rows()) === 2);
    await farm.untilCondition("SettingsCompatible", /^True\/ManualMode /);
  },
  limitMs,
);

/** By an event, or the log says that the API server did not take it in time: events are best effort. */
async function isTold({ name }: PlantedFarm, reason: string): Promise<boolean> {
  const events = await world.kubectl("get", "events", "--field-selector", `reason=${reason},involvedObject.name=${name}`, "-o", "name");
  return events.trim() !== "" || world.operator.lines.some((line) => line.message === "an event was lost" && line["reason"] === reason);
}

it.concurrent.each([
  { name: "empty", kentico: undefined, says: /NotKentico .*CMS_WebFarmServer.*Check database and schema/ },
  {
    name: "half",
    kentico: { version: "13", without: ["CMS_WebFarmServerTask"], foreignKeys: "none" },
    says: /GrantMissing .*CMS_WebFarmServerTask/,
  },
] as const)(
  "refuses a database that has not Kentico's tables ($name), lets its pods serve after failOpenSeconds, and works with the right one",
  async ({ name, kentico, says }) => {
    const other = await database(kentico);
    const text = other.connectionStringFor(await login(other));
    const farm = await plant(text, { name, spec: { readinessGate: { failOpenSeconds: 3 } } });
    await farm.untilCondition("DatabaseReachable", new RegExp(`^False/${says.source}`));
    await farm.settled({ pods: 1, rows: 0, gate: "FailOpen" });
    if (kentico !== undefined) expect(await other.adminQuery("SELECT ServerName FROM CMS_WebFarmServer")).toEqual([]);
    await connect(name, world.database.connectionStringFor(await login(world.database)));
    await farm.settled({ pods: 1, rows: 1, gate: "FailOpen" });
    await farm.untilCondition("Ready", /^True\//);
  },
  limitMs,
);

itFaults(
  "survives a database that goes away and comes back: rows stay, other farms go on, and what was missed follows",
  async () => {
    const own = await database(usual.operator.kentico);
    const rows = async (): Promise<readonly unknown[]> => await own.adminQuery("SELECT * FROM CMS_WebFarmServer ORDER BY ServerID");
    const farm = await plant(own.connectionStringFor(await login(own)), { name: "cut", replicas: 3 });
    await farm.until("its pods are registered", async () => (await rows()).length === 3);
    const before = await rows();
    own.faults?.refuseConnections();
    own.faults?.dropSessions();
    await farm.scale(2);
    await farm.until("the farm says that nothing listens", async () => {
      own.faults?.dropSessions(); // who was just logging in is cut too
      return /^False\/ConnectionRefused Nothing listens there .*check host, port/.test(await farm.condition("DatabaseReachable"));
    });
    await farm.untilCondition("Stalled", /^False\//);
    const beside = await plantFarm(world, { name: "beside" });
    await beside.settled({ pods: 1, rows: 1, gate: "Registered" });
    await own.faults?.acceptConnections();
    await farm.until("the row of the pod that ended meanwhile has gone", async () => (await rows()).length === 2);
    expect(before).toEqual(expect.arrayContaining([...(await rows())]));
    await farm.untilCondition("DatabaseReachable", /^True\/Connected /);
    for (const reason of ["DatabaseUnreachable", "DatabaseReachable"])
      await farm.until(`an event ${reason} tells it`, () => isTold(farm, reason));
  },
  limitMs,
);

itFaults(
  "does not wait for ever for a database that accepts and never answers, and registers when it does",
  async () => {
    const own = await database(usual.operator.kentico);
    own.faults?.ignoreConnections();
    const text = `${own.connectionStringFor(await login(own))};Connect Timeout=5`;
    const farm = await plant(text, { name: "mute", spec: { readinessGate: { failOpenSeconds: 1 } } });
    await farm.settled({ pods: 1, rows: 0, gate: "FailOpen" });
    await farm.untilCondition("DatabaseReachable", /^False\/Timeout .*did not answer in time/);
    await own.faults?.acceptConnections();
    await farm.until("its pod is registered", async () => (await own.adminQuery("SELECT ServerName FROM CMS_WebFarmServer")).length === 1);
    await farm.untilCondition("Ready", /^True\//);
  },
  limitMs,
);

it.concurrent(
  "says that nothing listens at a wrong port, and fails open",
  async () => {
    const text = `Server=127.0.0.1,1;Database=k;User ID=u;Password=${hidden};Encrypt=False`;
    const farm = await plant(text, { name: "misdirected", spec: { readinessGate: { failOpenSeconds: 1 } } });
    await farm.untilCondition("DatabaseReachable", /^False\/ConnectionRefused .*127\.0\.0\.1,1/);
    await farm.settled({ pods: 1, rows: 0, gate: "FailOpen" });
  },
  limitMs,
);

it.concurrent(
  "connects only to hosts of WEBFARM_ALLOWED_DATABASE_HOSTS",
  async () => {
    const other = await createFarmWorld({ cluster: world.cluster, env: { WEBFARM_ALLOWED_DATABASE_HOSTS: "*.example.internal" } });
    try {
      const farm = await plantFarm(other, { name: "forbidden" });
      await farm.untilCondition("DatabaseReachable", /^False\/HostNotAllowed .*add it to WEBFARM_ALLOWED_DATABASE_HOSTS/);
      const logins = other.database.faults?.counts.logins ?? 0;
      await farm.nudge();
      await farm.scale(2);
      await farm.until("another pass was made", async () => (await farm.status()).desired === 2);
      expect(other.database.faults?.counts.logins ?? 0).toBe(logins);
      await other.operator.stop();
      await other.restartOperator({ WEBFARM_ALLOWED_DATABASE_HOSTS: other.database.host });
      await farm.settled({ pods: 2, rows: 2, gate: "Registered" });
    } finally {
      await other.close();
    }
  },
  limitMs,
);

it("never shows a password or a connection string: in the log at debug level, in status, events, conditions of pods and metrics", async () => {
  const shown = {
    log: world.operator.lines.map((line) => JSON.stringify(line)).join("\n") + world.operator.stderr(),
    metrics: await world.operator.metrics(),
    farms: await world.kubectl("get", "wf", "-o", "yaml"),
    events: await world.kubectl("get", "events", "-o", "yaml"),
    pods: await world.kubectl("get", "pods", "-o", "yaml"),
  };
  expect(world.operator.lines.some(({ level }) => level === "debug")).toBe(true);
  expect(secrets.length).toBeGreaterThan(10);
  for (const [where, text] of Object.entries(shown)) {
    expect(text).not.toBe("");
    expect({ where, found: secrets.filter((password) => text.includes(password)) }).toEqual({ where, found: [] });
    expect({ where, found: /(?:Password|Pwd)\s*=/i.exec(text)?.[0] }).toEqual({ where, found: undefined });
  }
});
