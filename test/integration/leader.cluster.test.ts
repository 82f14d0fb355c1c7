// Which of two processes writes, and what becomes of it, on a real control plane: the leader is killed, stopped, paused in the middle of a
// pass, cut off; the lease is out of reach. A witness looks all the while whether a living pod loses its row. That two that write at once (the
// election switched off) do no harm stands in safety.cluster.test.ts. How long it takes is measured by make bench, not here.

import { afterAll, beforeAll, expect, it } from "@jest/globals";
import { readFileSync, writeFileSync } from "node:fs";
import type { SharedCluster } from "../cluster/shared.ts";
import { connectCluster } from "../cluster/shared.ts";
import { asksRealServer } from "../database/database.ts";
import type { ArrivedStatement, Faults } from "../database/faults.ts";
import { createFarmWorld } from "../world/farmWorld.ts";
import type { FarmWorld } from "../world/farmWorld.ts";
import { startOperatorProcess } from "../world/operatorProcess.ts";
import type { OperatorProcess } from "../world/operatorProcess.ts";
import { story } from "../world/shopFarm.ts";
import type { ShopFarm } from "../world/shopFarm.ts";
import { until } from "../world/until.ts";
import { wayTo } from "../world/wayTo.ts";

const limitMs = 110_000;
const foreign = [{ name: "ADMIN-01", guid: "3f2504e0-4f89-41d3-9a0c-0305e82c3301" }];
const isRegister = /INSERT INTO \[dbo\]\.\[CMS_WebFarmServer\]/;
const isWrite = /INSERT INTO \[|UPDATE s SET|DELETE (TOP|s) /;
/** A real server has no fault script and no record of what arrived. */
const itWithFaults = asksRealServer() ? it.skip : it.concurrent;

let cluster: SharedCluster;
const closing: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  cluster = await connectCluster();
}, 60_000);
afterAll(async () => {
  for (const close of closing) await close();
  await cluster.close();
}, 60_000);

/** Processes of one world that compete for a lease in a namespace of its own. */
interface Rivals {
  readonly world: FarmWorld;
  readonly leaseNamespace: string;
  /** Resolves when it is ready. */
  readonly start: (identity: string, kubeconfigPath?: string) => Promise<OperatorProcess>;
  readonly kubeconfigPath: () => Promise<string>;
  readonly lease: (field: string) => Promise<string>;
  /** Gives the operator's ServiceAccount the chart's rights on Leases in the lease's namespace. */
  readonly grant: () => Promise<void>;
}

async function createRivals(rights: "granted" | "none" = "granted"): Promise<Rivals> {
  const world = await createFarmWorld({ cluster, operator: "absent" });
  const leaseNamespace = await cluster.namespace();
  const started: OperatorProcess[] = [];
  closing.push(async () => {
    await Promise.all(started.map((operator) => operator.kill()));
    await world.close();
  });
  const kubeconfigPath = (): Promise<string> => cluster.serviceAccountKubeconfig({ namespace: "webfarm-system", name: "webfarm-operator" });
  const grant = async (): Promise<void> => {
    const path = "{.rules}";
    const rules: unknown = JSON.parse(
      await cluster.kubectl(["get", "role", "webfarm-operator-leases", "-n", "webfarm-system", "-o", `jsonpath=${path}`]),
    );
    const metadata = { name: "webfarm-operator-leases", namespace: leaseNamespace };
    const apiVersion = "rbac.authorization.k8s.io/v1";
    const items = [
      { apiVersion, kind: "Role", metadata, rules },
      {
        ...{ apiVersion, kind: "RoleBinding", metadata },
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: metadata.name },
        subjects: [{ kind: "ServiceAccount", name: "webfarm-operator", namespace: "webfarm-system" }],
      },
    ];
    await cluster.kubectl(["apply", "-f", "-"], { input: JSON.stringify({ apiVersion: "v1", kind: "List", items }) });
  };
  if (rights === "granted") await grant();
  return {
    ...{ world, leaseNamespace, kubeconfigPath, grant },
    lease: (field) => cluster.kubectl(["get", "lease", "webfarm-operator", "-n", leaseNamespace, "-o", `jsonpath={.spec.${field}}`]),
    start: async (identity, path) => {
      const operator = startOperatorProcess({
        kubeconfigPath: path ?? (await kubeconfigPath()),
        env: {
          WEBFARM_LEADER_ELECTION: "true",
          WEBFARM_LEASE_NAMESPACE: leaseNamespace,
          WEBFARM_NAMESPACES: world.namespace,
          WEBFARM_IDENTITY: identity,
          WEBFARM_LOG_LEVEL: "debug",
        },
      });
      started.push(operator);
      await operator.ready();
      world.operator = operator; // whose log a failure shows
      return operator;
    },
  };
}

const said = (operator: OperatorProcess, message: string): number => operator.lines.filter((line) => line.message === message).length;
const leads = (operator: OperatorProcess): boolean => said(operator, "Acquired the lease") > said(operator, "Lost the lease");
const leading = (operator: OperatorProcess): Promise<void> =>
  until("it leads", () => leads(operator), { seen: () => operator.lines.slice(-15) });
const isMaster = async (operator: OperatorProcess): Promise<string | undefined> =>
  /leader_election_master_status\{name="webfarm-operator"\} (\d)/.exec(await operator.metrics())?.[1];

function faultsOf({ database }: ShopFarm): Faults {
  if (database.faults === undefined) throw new Error("A real server has no fault script");
  return database.faults;
}

const operatorsStatements = ({ statements }: Faults): readonly ArrivedStatement[] =>
  statements.filter(({ applicationName }) => applicationName.startsWith("webfarm-operator/"));

const foreignRows = async (farm: ShopFarm): Promise<unknown> => (await farm.rows()).filter(({ ServerName }) => ServerName === "ADMIN-01");

itWithFaults(
  "a standby holds no session at the database, and takes over from a leader that is killed hard",
  story(async (open) => {
    const rivals = await createRivals();
    const farm = await open(rivals.world, { name: "killed", replicas: 2, foreign });
    const before = await foreignRows(farm);
    const { counts } = faultsOf(farm);
    const testsOwn = counts.sessions;
    const first = await rivals.start("first");
    await leading(first);
    const second = await rivals.start("second");
    await farm.settled(2);
    await until("the second knows whom it waits for", () =>
      second.lines.some(({ message, holder }) => message === "Waiting for the lease" && holder === "first"),
    );
    expect([await isMaster(first), await isMaster(second)]).toEqual(["1", "0"]);
    expect(faultsOf(farm).counts.sessions).toBeGreaterThan(testsOwn);
    await first.kill();
    await until("the killed process's sessions have ended", () => faultsOf(farm).counts.sessions <= testsOwn);
    expect(leads(second)).toBe(false); // so none of those that had been open were the standby's
    await farm.scale(3);
    await farm.settled(3);
    expect(await isMaster(second)).toBe("1");
    expect([await rivals.lease("holderIdentity"), await rivals.lease("leaseTransitions")]).toEqual(["second", "1"]);
    expect(await foreignRows(farm)).toEqual(before);
  }),
  limitMs,
);

it.concurrent(
  "a leader that is asked to stop ends its passes, lets the lease go, and the other goes on at once",
  story(async (open) => {
    const rivals = await createRivals();
    const farm = await open(rivals.world, { name: "stopped", replicas: 2, foreign });
    const first = await rivals.start("first");
    await leading(first);
    const second = await rivals.start("second");
    await farm.settled(2);
    await farm.scale(4);
    expect(await first.stop()).toBe(0);
    expect(first.lines.slice(-2).map(({ message }) => message)).toEqual(["Released the lease", "The operator has stopped"]);
    await leading(second);
    await farm.settled(4);
    // A standby that is asked to stop leaves the leader alone.
    const third = await rivals.start("third");
    expect(await third.stop()).toBe(0);
    expect(said(third, "Released the lease")).toBe(0);
    await farm.scale(1);
    await farm.settled(1);
    expect(said(second, "Acquired the lease")).toBe(1);
    // The last one leaves a lease that nobody holds.
    expect(await second.stop()).toBe(0);
    expect(await rivals.lease("holderIdentity")).toBe("");
  }),
  limitMs,
);

itWithFaults(
  "a leader that is paused in the middle of a pass, and goes on when another leads, does no harm and starts no write",
  story(async (open) => {
    const rivals = await createRivals();
    const farm = await open(rivals.world, { name: "paused", kind: "StatefulSet", replicas: 2, foreign });
    const before = await foreignRows(farm);
    const faults = faultsOf(farm);
    const first = await rivals.start("first");
    await farm.settled(2);
    const second = await rivals.start("second");
    const held = faults.hold(isRegister, { attention: "unanswered" });
    await farm.scale(3);
    await held.reached;
    first.signal("SIGSTOP");
    faults.forget();
    await leading(second);
    await farm.settled(3);
    // The name comes back with another pod while the paused process still means the one before.
    await farm.deletePod("paused-2");
    await farm.settled(3);
    const rows = await farm.rows();
    const seconds = new Set(operatorsStatements(faults).map(({ sessionId }) => sessionId));
    faults.forget();
    held.release();
    await held.finished;
    first.signal("SIGCONT");
    await until("it knows that it does not lead", () => said(first, "Lost the lease") === 1, { seen: () => first.lines.slice(-15) });
    await until("it waits for the other", () =>
      first.lines.some(({ message, holder }) => message === "Waiting for the lease" && holder === "second"),
    );
    expect(await farm.rows()).toEqual(rows);
    await farm.scale(1);
    await farm.settled(1);
    expect(operatorsStatements(faults).filter(({ sessionId, text }) => !seconds.has(sessionId) && isWrite.test(text))).toEqual([]);
    expect(await isMaster(first)).toBe("0");
    expect(await first.metrics()).not.toContain("webfarm_servers{");
    expect(await foreignRows(farm)).toEqual(before);
  }),
  limitMs,
);

it.concurrent(
  "a leader that is cut off from the API server ends its term, and stands by when the way is back",
  story(async (open) => {
    const rivals = await createRivals();
    const farm = await open(rivals.world, { name: "cut", replicas: 2, foreign });
    const way = await wayTo(cluster.url);
    closing.push(way.close);
    await way.open();
    const path = await rivals.kubeconfigPath();
    writeFileSync(path, readFileSync(path, "utf8").replaceAll(cluster.url, way.url));
    const first = await rivals.start("first", path);
    await leading(first);
    const second = await rivals.start("second");
    await farm.settled(2);
    await way.close();
    await until("the first knows that it does not lead", () => said(first, "Lost the lease") === 1, { seen: () => first.lines.slice(-15) });
    expect(leads(second)).toBe(false); // the lease outlives the term
    expect((await fetch(`${first.url()}/livez`)).status).toBe(200);
    await leading(second);
    await farm.scale(3);
    await farm.settled(3);
    await way.open();
    await until("the first waits for the second", () =>
      first.lines.some(({ message, holder }) => message === "Waiting for the lease" && holder === "second"),
    );
    await first.ready();
    // And it can lead again.
    expect(await second.stop()).toBe(0);
    await until("the first leads again", () => said(first, "Acquired the lease") === 2);
    await farm.scale(2);
    await farm.settled(2);
  }),
  limitMs,
);

it.concurrent(
  "a container that was killed and comes back under its name takes its lease at once, also with a standby beside it",
  story(async (open) => {
    const rivals = await createRivals();
    const farm = await open(rivals.world, { name: "again", replicas: 1 });
    const first = await rivals.start("first");
    await leading(first);
    const second = await rivals.start("second");
    await first.kill();
    const again = await rivals.start("first");
    await leading(again);
    expect(leads(second)).toBe(false);
    await farm.scale(2);
    await farm.settled(2);
    expect([await rivals.lease("holderIdentity"), await rivals.lease("leaseTransitions")]).toEqual(["first", "0"]);
  }),
  limitMs,
);

it.concurrent(
  "without rights on the lease it says which are missing, writes nothing, lives, and begins when it has them",
  story(async (open) => {
    const rivals = await createRivals("none");
    const farm = await open(rivals.world, { name: "barred", replicas: 1 });
    const operator = await rivals.start("only");
    await until("it has asked in vain", () => said(operator, "The lease cannot be reached") === 1);
    const line = operator.lines.find(({ message }) => message === "The lease cannot be reached");
    expect(JSON.stringify(line)).toMatch(/needs get, list, watch, create and update of leases\.coordination\.k8s\.io in namespace/);
    await farm.until("only the gate is shut", async () => (await farm.pods()).some(({ waitsForGate }) => waitsForGate));
    expect(await farm.rows()).toEqual([]);
    expect((await fetch(`${operator.url()}/livez`)).status).toBe(200);
    await rivals.grant();
    await farm.settled(1);
    expect(said(operator, "The lease cannot be reached")).toBe(1);
  }),
  limitMs,
);

it.concurrent(
  "ends with 2 where nothing says in which namespace the lease lives",
  async () => {
    const path = await cluster.serviceAccountKubeconfig({ namespace: "default", name: "default" });
    const kubeconfig = JSON.parse(readFileSync(path, "utf8")) as { contexts: { context: { namespace?: string } }[] };
    for (const { context } of kubeconfig.contexts) delete context.namespace;
    writeFileSync(path, JSON.stringify(kubeconfig));
    const start = (env: Readonly<Record<string, string>>): OperatorProcess => {
      const operator = startOperatorProcess({ kubeconfigPath: path, env: { WEBFARM_NAMESPACES: "nowhere", ...env } });
      closing.push(() => operator.kill());
      return operator;
    };
    const operator = start({ WEBFARM_LEADER_ELECTION: "true" });
    expect(await operator.exited).toBe(2);
    expect(operator.stderr()).toMatch(/WEBFARM_LEASE_NAMESPACE: must be set .*WEBFARM_LEADER_ELECTION=false/);
    const without = start({ WEBFARM_LEADER_ELECTION: "false" });
    await until("it runs", () => said(without, "The operator runs") === 1);
  },
  limitMs,
);
