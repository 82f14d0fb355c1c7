// What each policy, suspend and WEBFARM_READ_ONLY let the operator write, on a real control plane: what is withheld is shown, gates never
// wait for a row that nobody will write, and everything follows when the policy changes.

import { afterAll, beforeAll, expect, it } from "@jest/globals";
import { createFarmWorld } from "../world/farmWorld.ts";
import type { FarmWorld, PodSummary, Row } from "../world/farmWorld.ts";
import { usual } from "../world/generations.ts";
import { markOf } from "../world/mark.ts";
import { plantFarm } from "../world/plantedFarm.ts";
import type { PlantedFarm } from "../world/plantedFarm.ts";
import type { SpecPart } from "../world/manifests.ts";
import { insertForeign, podPart } from "../world/wholeRow.ts";

const limitMs = 300_000;

let world: FarmWorld;
beforeAll(async () => {
  world = await createFarmWorld({ env: { WEBFARM_RESYNC_SECONDS: "3600" } }); // what happens here needs no resync
  await insertForeign(world.database, { name: "ADMIN-01" }); // so that no pod's process starts as the only server
}, limitMs);
afterAll(() => world.close(), limitMs);

it.concurrent(
  "writes nothing under Observe, opens gates at once, shows what Sync would do, and does it when the policy becomes Sync",
  async () => {
    const farm = await plantFarm(world, { name: "observing", spec: { policy: "Observe" } });
    await farm.settled({ pods: 1, rows: 0, gate: "Observe" });
    const pod = await onlyPod(farm);
    await farm.until("the plan shows the row that is missing", async () => (await farm.status()).plan?.creates === 1);
    expect((await farm.status()).plan).toEqual({
      ...{ creates: 1, updates: 0, removals: 0, blockedRemovals: 0 },
      sample: [`create ${pod} for pod ${pod}`],
    });
    expect(await farm.condition("Synced")).toMatch(/^Unknown\/Observe /);
    expect(await farm.condition("Ready")).toMatch(/^True\/Ready /);
    expect(await farm.finalizers()).toBe("");

    await farm.change({ policy: "Sync" });
    await farm.settled({ pods: 1, rows: 1, gate: "Observe" }); // a gate is opened once
    expect(await farm.finalizers()).toContain("webfarm.dev/servers");
    await farm.until("nothing is withheld", async () => (await farm.status()).plan === undefined);

    await farm.change({ policy: "Observe" });
    await farm.untilCondition("Synced", /^Unknown\/Observe /);
    await farm.scale(0);
    await farm.until("the plan shows the row that is too many", async () => (await farm.status()).plan?.removals === 1);
    const [row] = await farm.rows();
    expect((await farm.status()).plan?.sample).toEqual([`remove ${pod} (ServerID ${row?.ServerID ?? "?"}): ended`]);
    expect(await farm.finalizers()).toContain("webfarm.dev/servers"); // kept until deletion

    await farm.change({ policy: "Sync" });
    await farm.settled({ pods: 0, rows: 0 });
  },
  limitMs,
);

it.concurrent(
  "inserts and hands over, but removes nothing under CreateOnly and UpsertOnly, until the policy becomes Sync",
  async () => {
    const farm = await plantFarm(world, { name: "creating", kind: "StatefulSet", replicas: 2, spec: { policy: "CreateOnly" } });
    await farm.settled({ pods: 2, rows: 2, gate: "Registered" });
    const before = await farm.rows();
    await world.kubectl("delete", "pod", "creating-0", "--wait=false");
    await farm.until("the next pod of the name has the row", async () => {
      const pod = (await farm.pods()).find(({ name }) => name === "creating-0");
      const row = (await farm.rows()).find(({ ServerName }) => ServerName === "creating-0");
      return pod !== undefined && row !== undefined && carriesMarkOf(row, pod) && pod.ready && row.ServerGUID !== before[0]?.ServerGUID;
    });
    expect((await farm.rows()).map(({ ServerID }) => ServerID)).toEqual(before.map(({ ServerID }) => ServerID));
    for (const policy of ["CreateOnly", "UpsertOnly"] as const) {
      await farm.change({ policy });
      await farm.scale(policy === "CreateOnly" ? 1 : 0);
      const ended = policy === "CreateOnly" ? 1 : 2;
      await farm.until(`${ended} removals are withheld`, async () => (await farm.status()).plan?.removals === ended);
      expect(await farm.rows()).toHaveLength(2);
      expect(await farm.condition("Synced")).toMatch(/^True\/UpToDate /);
    }
    await farm.change({ policy: "Sync" });
    await farm.settled({ pods: 0, rows: 0 });
  },
  limitMs,
);

/** Where there are no pings, another cluster's row goes to a pod only by a person's approval. */
const itWithPings = usual.hasPings ? it.concurrent : it.skip;

itWithPings(
  "takes over a row of another cluster under UpsertOnly only; under CreateOnly the gate opens as PolicyForbids",
  async () => {
    const name = "moving-0";
    const otherCluster = markOf({ ownerId: "test/moving", namespaceUid: "another cluster", server: name, pod: "a pod of long ago" });
    await insertForeign(world.database, { name, guid: otherCluster });
    const spec: SpecPart = { ownerId: "test/moving", policy: "CreateOnly", removal: { nodeLostSeconds: 1 } };
    const farm = await plantFarm(world, { name: "moving", kind: "StatefulSet", spec });
    await farm.settled({ pods: 1, rows: 1, gate: "PolicyForbids" });
    expect((await farm.rows())[0]?.ServerGUID?.toLowerCase()).toBe(otherCluster);
    await farm.until("the plan shows the row that is withheld", async () => (await farm.status()).plan?.updates === 1);
    expect((await farm.status()).plan?.creates).toBe(0);
    await farm.change({ policy: "UpsertOnly" });
    await farm.until("the row has the pod's mark", async () => {
      const [pod] = await farm.pods();
      const [row] = await farm.rows();
      return pod !== undefined && row !== undefined && carriesMarkOf(row, pod);
    });
    await farm.change({ policy: "Sync" });
    await farm.scale(0);
    await farm.settled({ pods: 0, rows: 0 });
  },
  limitMs,
);

it.concurrent(
  "writes nothing while suspended, opens gates at once, and catches up when resumed",
  async () => {
    const farm = await plantFarm(world, { name: "suspended", replicas: 2 });
    await farm.settled({ pods: 2, rows: 2, gate: "Registered" });
    await farm.change({ suspend: true });
    await farm.untilCondition("Suspended", /^True\/Suspended /);
    expect(await farm.condition("Synced")).toMatch(/^Unknown\/Suspended /);
    expect(await farm.condition("Ready")).toMatch(/^True\/Ready /);
    const before = await farm.rows();
    await farm.scale(3);
    await farm.until("the third pod is Ready without a row", async () => {
      const pods = await farm.pods();
      return pods.length === 3 && pods.every(({ ready }) => ready) && pods.some(({ gate }) => gate === "Suspended");
    });
    await farm.until("the plan shows the third row", async () => (await farm.status()).plan?.creates === 1);
    await farm.scale(0);
    await farm.until("the plan shows two removals", async () => (await farm.status()).plan?.removals === 2);
    expect(await farm.rows()).toEqual(before);
    await farm.change({ suspend: false });
    await farm.settled({ pods: 0, rows: 0 });
    await farm.untilCondition("Suspended", /^False\/NotSuspended /);
  },
  limitMs,
);

it.concurrent(
  "writes nothing with WEBFARM_READ_ONLY, whatever the policy, and opens gates at once",
  async () => {
    const other = await createFarmWorld({ cluster: world.cluster });
    try {
      // With so long a grace the rows of unseen ends stay for as long as they are looked at.
      const farm = await plantFarm(other, { name: "shown", replicas: 2, graceSeconds: 600 });
      await farm.settled({ pods: 2, rows: 2, gate: "Registered" });
      const before = await farm.rows();
      await other.operator.stop();
      await other.restartOperator({ WEBFARM_READ_ONLY: "true" });
      await farm.scale(3);
      await farm.until("the third pod is Ready without a row", async () => {
        const pods = await farm.pods();
        return pods.length === 3 && pods.every(({ ready }) => ready) && pods.some(({ gate }) => gate === "ReadOnly");
      });
      await farm.untilCondition("Synced", /^Unknown\/ReadOnly .*WEBFARM_READ_ONLY/);
      await farm.until("the plan shows the third row", async () => (await farm.status()).plan?.creates === 1);
      await farm.scale(0);
      await farm.until("the plan shows the removals", async () => (await farm.status()).plan?.removals === 2);
      expect(await farm.rows()).toEqual(before);
      await other.operator.kill();
      await farm.scale(1);
      await farm.until("only a new pod is there, and waits for its row", async () => {
        const [pod, ...more] = await farm.pods();
        return pod?.waitsForGate === true && more.length === 0;
      });
      await other.restartOperator();
      // Their ends are unseen by this process, so the rows wait for promise 3; new pods are served.
      await farm.until("the new pod has its row", async () => {
        const [pod] = await farm.pods();
        const rows = await farm.rows();
        return pod?.gate === "Registered" && rows.length === 3;
      });
      expect((await farm.rows()).filter(({ ServerID }) => before.some((row) => row.ServerID === ServerID))).toEqual(before);
    } finally {
      await other.close();
    }
  },
  limitMs,
);

it.concurrent(
  "reports a row that a person disabled, leaves it so, and makes a pass when reconcile-at asks for one",
  async () => {
    const farm = await plantFarm(world, { name: "disabled" });
    await farm.settled({ pods: 1, rows: 1, gate: "Registered" });
    const pod = await onlyPod(farm);
    await world.database.adminQuery("UPDATE CMS_WebFarmServer SET ServerEnabled = 0 WHERE ServerName = @name", { name: pod });
    const [before] = await farm.rows();
    await farm.nudge(); // nothing else has the rows read before the hour is over
    await farm.until("it is reported", async () => (await farm.states())[pod]?.startsWith("Disabled/") ?? false);
    expect(await farm.rows()).toEqual([before]);
    expect((await farm.status()).registered).toBe(1);
    await world.database.adminQuery("UPDATE CMS_WebFarmServer SET ServerEnabled = 1 WHERE ServerName = @name", { name: pod });
    await farm.nudge();
    await farm.until("it is a server like others", async () => (await farm.states())[pod]?.startsWith("Registered/") ?? false);
  },
  limitMs,
);

// The generations that have pings are those in which who finds its row restarts.
itWithPings(
  "registers pods that served before the WebFarm came a quarter at a time, each quarter after the last one's restart",
  async () => {
    const options = { name: "late", replicas: 8, gate: "without" } as const;
    // An operator that comes later knows from its first look that all of them serve.
    const other = await createFarmWorld({ cluster: world.cluster, operator: "absent" });
    try {
      const farm = await plantFarm(other, { ...options, parts: "workload" });
      await farm.settled({ pods: 8, rows: 0 });
      await plantFarm(other, { ...options, parts: "farm" });
      await other.restartOperator();
      const restarted = new Set<string>();
      while (restarted.size < 8) {
        const wanted = restarted.size + 2;
        await farm.until(`${wanted} are registered and serve, and the others are told to wait`, async () => {
          const { ready, servers = [] } = await farm.status();
          return ready === wanted && servers.filter(({ reason }) => reason === "LateRegistration").length === 8 - wanted;
        });
        const now = (await farm.rows()).map(({ ServerName }) => ServerName);
        expect(now).toHaveLength(wanted);
        const fresh = now.filter((name) => !restarted.has(name));
        // As Kentico does: who finds its row restarts. Nobody else's row comes before both are back, which they are when that has been seen.
        await other.kubectl("annotate", "pod", ...fresh, "kubelet.test/behave=crash", "kubelet.test/restart-ms=600000");
        await farm.until("the operator sees that they do not serve", async () => (await farm.status()).ready === restarted.size);
        expect(await farm.rows()).toHaveLength(wanted);
        await other.kubectl("annotate", "pod", ...fresh, "--overwrite", "kubelet.test/restart-ms=0");
        fresh.forEach((name) => restarted.add(name));
      }
      await farm.settled({ pods: 8, rows: 8 });
    } finally {
      await other.close();
    }
  },
  limitMs,
);

it.concurrent(
  "shows people what it did: kubectl get, get -o wide, describe, and events on pods and farm",
  async () => {
    const farm = await plantFarm(world, { name: "seen", replicas: 2 });
    await farm.settled({ pods: 2, rows: 2, gate: "Registered" });
    const { endpoint, database } = { endpoint: `${world.database.host},${world.database.port}`, database: world.database.database };
    await farm.until("both are counted as ready", async () => (await farm.status()).ready === 2);
    expect(await table("get", "wf", "seen")).toEqual([
      ["NAME", "READY", "DESIRED", "REGISTERED", "STALE", "BLOCKED", "AGE"],
      ["seen", "True", "2", "2", "0", "0", expect.stringMatching(/^(\d+[hms])+$/)],
    ]);
    expect(await table("get", "wf", "seen", "-o", "wide")).toEqual([
      ["NAME", "READY", "DESIRED", "REGISTERED", "STALE", "BLOCKED", "AGE", "POLICY", "DATABASE", "REASON"],
      ["seen", "True", "2", "2", "0", "0", expect.stringMatching(/^(\d+[hms])+$/), "Sync", database, "Ready"],
    ]);
    const names = (await farm.pods()).map(({ name }) => name);
    const status = await farm.status();
    expect(status).toMatchObject({ observedGeneration: 1, desired: 2, registered: 2, ready: 2, stale: 0, blocked: 0 });
    expect(status.database).toEqual({ endpoint, name: database, product: usual.product, engineVersion: expect.stringMatching(/^\d+\./) });
    expect(status.servers?.map(({ name, pod, state, member }) => [name, pod, state, member])).toEqual(
      names.map((name) => [name, name, "Registered", "live"]),
    );
    expect(status.conditions?.map(({ type, status: value, reason }) => `${type}=${value} ${reason}`).toSorted()).toEqual([
      ...["DatabaseReachable=True Connected", "LimitReached=False NoLimit", "OwnershipConflict=False NoConflict"],
      ...["PeersUnaware=False NoneSeen", "Ready=True Ready", "RemovalsBlocked=False NothingBlocked"],
      ...[`SettingsCompatible=True ${usual.operator.reason}`, "Stalled=False Progressing"],
      ...["Suspended=False NotSuspended", "Synced=True UpToDate", "WorkloadsResolved=True Resolved"],
    ]);
    await farm.scale(0);
    await farm.settled({ pods: 0, rows: 0 });
    for (const reason of ["ServerRegistered", "ServerRemoved"]) {
      await farm.until(`${reason} is told of both pods and of the farm`, async () => {
        const about = (await world.kubectl("get", "events", "--field-selector", `reason=${reason}`, "-o", objectNames)).split("\n");
        return [...names.map((name) => `Pod/${name}`), "WebFarm/seen"].every((object) => about.includes(object));
      });
    }
    const described = await world.kubectl("describe", "wf", "seen");
    for (const { type } of status.conditions ?? []) expect(described).toMatch(new RegExp(`Type: +${type}$`, "m"));
    expect(described).toMatch(/Normal +ServerRegistered .*Servers registered \d: seen-/);
  },
  limitMs,
);

const objectNames = "jsonpath={range .items[*]}{.involvedObject.kind}/{.involvedObject.name}{'\\n'}{end}";

const table = async (...args: readonly string[]): Promise<readonly (readonly string[])[]> =>
  (await world.kubectl(...args))
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/));

it.concurrent(
  "marks rows with the ownerId that is given, and with namespace UID and name where none is",
  async () => {
    const given = await plantFarm(world, { name: "owned", spec: { ownerId: "eu-1/shop" } });
    const plain = await plantFarm(world, { name: "unowned" });
    const namespaceUid = await world.cluster.kubectl(["get", "namespace", world.namespace, "-o", "jsonpath={.metadata.uid}"]);
    for (const [farm, ownerId] of [
      [given, "eu-1/shop"],
      [plain, `${namespaceUid}/unowned`],
    ] as const) {
      await farm.settled({ pods: 1, rows: 1, gate: "Registered" });
      const [pod] = await farm.pods();
      const [row] = await farm.rows();
      expect(row?.ServerGUID?.toLowerCase()).toBe(markOf({ ownerId, namespaceUid, server: pod?.name ?? "", pod: pod?.uid ?? "" }));
      await farm.until("the status says so", async () => (await farm.status()).ownerId === ownerId);
    }
  },
  limitMs,
);

async function onlyPod(farm: PlantedFarm): Promise<string> {
  const [pod, ...others] = await farm.pods();
  if (pod === undefined || others.length > 0) throw new Error(`${farm.name} has not one pod`);
  return pod.name;
}

const carriesMarkOf = ({ ServerGUID }: Row, { uid }: PodSummary): boolean => (ServerGUID ?? "").toLowerCase().endsWith(podPart(uid));
