// The main job as a story: a real control plane, a Kentico 13 database, the chart, the operator, and the rows as the pods come and go.
// Each chapter ends with a check; one wrong row and the demo ends with exit code 1. KEEP=1 leaves everything running at the end.

import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startCluster } from "../cluster/cluster.ts";
import type { TestCluster } from "../cluster/cluster.ts";
import { openTestDatabase } from "../database/database.ts";
import type { TestDatabase } from "../database/database.ts";
import { application, secret } from "../world/manifests.ts";
import { startOperatorProcess } from "../world/operatorProcess.ts";
import type { OperatorProcess } from "../world/operatorProcess.ts";
import { until } from "../world/until.ts";
import { createStory } from "./story.ts";

const namespace = "shop";
const release = "webfarm-operator";
const releaseNamespace = "webfarm-system";
const keepOpen = process.env["KEEP"] === "1";
const story = createStory();

interface Row {
  readonly ServerID: number;
  readonly ServerName: string;
  readonly ServerGUID: string;
  readonly ServerEnabled: boolean;
}

interface World {
  readonly cluster: TestCluster;
  readonly database: TestDatabase;
  readonly logFile: string;
  operator: OperatorProcess;
}

const rowsOf = async ({ database }: Pick<World, "database">): Promise<readonly Row[]> =>
  (await database.adminQuery(
    "SELECT ServerID, ServerName, ServerGUID, ServerEnabled FROM CMS_WebFarmServer ORDER BY ServerName",
  )) as unknown as readonly Row[];

/** Names of the pods that live: not terminating, not ended. */
async function livePods({ cluster }: Pick<World, "cluster">): Promise<readonly string[]> {
  const { items } = JSON.parse(await cluster.kubectl(["get", "pods", "-n", namespace, "-l", "app=shop", "-o", "json"])) as {
    items: { metadata: { name: string; deletionTimestamp?: string }; status: { phase?: string } }[];
  };
  return items
    .flatMap(({ metadata, status }) =>
      metadata.deletionTimestamp === undefined && status.phase !== "Failed" && status.phase !== "Succeeded" ? [metadata.name] : [],
    )
    .toSorted();
}

const foreignName = "ADMIN-01";

/** Rows of ours = live pods, and so many of them Ready. */
async function settle(world: World, what: string, pods: number): Promise<void> {
  let seen: unknown;
  await until(
    what,
    async () => {
      const rows = (await rowsOf(world)).map(({ ServerName }) => ServerName).filter((name) => name !== foreignName);
      const live = await livePods(world);
      const ready =
        (await world.cluster.kubectl(["get", "deployment", "shop", "-n", namespace, "-o", "jsonpath={.status.readyReplicas}"])) || "0";
      seen = { rows, live, ready };
      return live.length === pods && rows.length === pods && rows.every((name, index) => name === live[index]) && Number(ready) === pods;
    },
    { timeoutMs: 120_000, everyMs: 300, seen: () => seen },
  );
  story.check(`${what}: the ${pods} rows are those of the ${pods} live pods, and all are Ready`, true);
}

async function show(world: World): Promise<void> {
  story.command("kubectl get pods -n shop", await world.cluster.kubectl(["get", "pods", "-n", namespace]));
  story.rows("CMS_WebFarmServer", await rowsOf(world));
}

async function showFarm({ cluster }: World): Promise<void> {
  story.command("kubectl get wf -n shop -o wide", await cluster.kubectl(["get", "wf", "-n", namespace, "-o", "wide"]));
}

async function setUp(): Promise<World> {
  story.chapter("A control plane, a database, a chart");
  const started = performance.now();
  const [cluster, database] = await Promise.all([startCluster(), openTestDatabase({ kentico: { version: "13", mode: "2" } })]);
  story.say(
    `etcd, kube-apiserver, controllers, scheduler and kubelets (kwok) run after ${((performance.now() - started) / 1000).toFixed(1)} s.`,
  );
  const connectionString = database.connectionStringFor(await database.createLogin());
  await database.adminQuery(
    `INSERT INTO CMS_WebFarmServer (ServerDisplayName, ServerName, ServerGUID, ServerLastModified, ServerEnabled, IsExternalWebAppServer) VALUES (N'Administration', N'${foreignName}', '3f2504e0-4f89-41d3-9a0c-0305e82c3301', '2026-01-02T03:04:05', 1, 0)`,
  );
  story.say(
    `A Kentico 13 database in Manual mode (${database.real ? "on a real server" : "on the test endpoint"}), with one server that a person made: ${foreignName}.`,
  );
  await cluster.helm(["install", release, "charts/webfarm-operator", "--namespace", releaseNamespace, "--create-namespace"]);
  story.command(`helm list -n ${releaseNamespace}`, await cluster.helm(["list", "-n", releaseNamespace]));
  await cluster.kubectl(["create", "namespace", namespace]);
  await cluster.kubectl(["apply", "-f", "-"], {
    input: JSON.stringify(secret(namespace, "kentico", { CMSConnectionString: connectionString })),
  });
  const logFile = join(mkdtempSync(join(tmpdir(), "webfarm-demo-")), "operator.log");
  const world = { cluster, database, logFile, operator: await startOperator({ cluster, logFile }) };
  story.say("The operator runs as a process beside the cluster, with the token and so the rights of the chart's ServiceAccount.");
  return world;
}

async function startOperator({ cluster, logFile }: Pick<World, "cluster" | "logFile">): Promise<OperatorProcess> {
  const kubeconfigPath = await cluster.serviceAccountKubeconfig({ namespace: releaseNamespace, name: release });
  const operator = startOperatorProcess({ kubeconfigPath, logFile });
  await operator.ready();
  return operator;
}

const shopYaml = (): string => JSON.stringify(application({ namespace, name: "shop", graceSeconds: 5 }));
const scale = async ({ cluster }: World, replicas: number): Promise<string> =>
  await cluster.kubectl(["scale", "deployment", "shop", "-n", namespace, `--replicas=${replicas}`]);

async function tell(world: World): Promise<void> {
  const { cluster } = world;
  const before = await rowsOf(world);
  story.rows("CMS_WebFarmServer as it was found", before);

  story.chapter("One WebFarm, one Deployment of 3");
  await cluster.kubectl(["apply", "-n", namespace, "-f", "crds/examples/minimal.yaml"]);
  await cluster.kubectl(["apply", "-f", "-"], { input: shopYaml() });
  await settle(world, "three pods", 3);
  await show(world);
  await showFarm(world);
  const events = await cluster.kubectl(["get", "events", "-n", namespace, "--field-selector", "reason=ServerRegistered"]);
  story.command("kubectl get events --field-selector reason=ServerRegistered", events);

  story.chapter("Scale 3 to 6 to 2");
  await scale(world, 6);
  await settle(world, "six pods", 6);
  await scale(world, 2);
  await settle(world, "two pods", 2);
  await show(world);

  story.chapter("A rolling update: new names in, old names out");
  const old = await livePods(world);
  await cluster.kubectl(["set", "image", "deployment/shop", "web=shop:2", "-n", namespace]);
  await until("the old pods are replaced", async () => (await livePods(world)).every((name) => !old.includes(name)), { timeoutMs: 90_000 });
  await settle(world, "after the rolling update", 2);
  await show(world);

  story.chapter("A container crashes and restarts: its row stays");
  const [crashing = ""] = await livePods(world);
  const rowBefore = (await rowsOf(world)).find(({ ServerName }) => ServerName === crashing);
  await cluster.kubectl(["annotate", "pod", crashing, "-n", namespace, "kubelet.test/behave=crash"]);
  const restarts = async (): Promise<string> =>
    await cluster.kubectl(["get", "pod", crashing, "-n", namespace, "-o", "jsonpath={.status.containerStatuses[0].restartCount}"]);
  await until("the container has restarted", async () => Number(await restarts()) > 0);
  await settle(world, "after the crash", 2);
  story.check(
    `the row of ${crashing} is the same as before`,
    JSON.stringify((await rowsOf(world)).find(({ ServerName }) => ServerName === crashing)) === JSON.stringify(rowBefore),
  );
  await show(world);

  story.chapter("A pod is killed hard");
  const [killed = ""] = await livePods(world);
  await cluster.kubectl(["delete", "pod", killed, "-n", namespace, "--force", "--grace-period=0"]);
  await until(
    "the farm shows the row as stale",
    async () => (await cluster.kubectl(["get", "wf", "shop", "-n", namespace, "-o", "jsonpath={.status.stale}"])) === "1",
    { timeoutMs: 20_000 },
  );
  story.say(`Nobody saw the process of ${killed} end, so its row waits for the pod's grace period and 10 s, in case it still writes.`);
  await showFarm(world);
  await settle(world, "after the hard kill", 2);

  story.chapter("The operator is killed with -9 while pods change, and started again");
  await world.operator.kill();
  const [unseen = ""] = await livePods(world);
  await cluster.kubectl(["delete", "pod", unseen, "-n", namespace]);
  await scale(world, 4);
  await until("four pods without the operator", async () => (await livePods(world)).length === 4);
  story.say("Two pods are new and one is gone. Nobody registers them, so their readiness gates stay shut and they get no traffic:");
  await show(world);
  world.operator = await startOperator(world);
  story.say(`The operator is back. It never saw ${unseen}, so that row waits for 40 s; the new pods are served at once.`);
  await settle(world, "after the restart", 4);
  await show(world);
  await showFarm(world);

  story.chapter("What kubectl describe says");
  story.command("kubectl describe wf shop -n shop", await cluster.kubectl(["describe", "wf", "shop", "-n", namespace]));

  if (!keepOpen) await uninstall(world, before);
}

async function uninstall(world: World, before: readonly Row[]): Promise<void> {
  const { cluster } = world;
  story.chapter("Uninstall: the workload, the WebFarm, the chart");
  await cluster.kubectl(["delete", "deployment", "shop", "-n", namespace]);
  await cluster.kubectl(["delete", "wf", "shop", "-n", namespace, "--timeout=150s"]);
  await cluster.helm(["uninstall", release, "-n", releaseNamespace]);
  const after = await rowsOf(world);
  story.rows("CMS_WebFarmServer", after);
  story.check("the table is as it was found, the foreign row to the byte", JSON.stringify(after) === JSON.stringify(before));
  const errors = world.operator.lines.filter(({ level }) => level === "error");
  story.check(`the operator's log has no error (${errors.map(({ message }) => message).join("; ")})`, errors.length === 0);
  story.check("the operator stops in order when asked to", (await world.operator.stop()) === 0);
}

const world = await setUp();
try {
  await tell(world);
  if (keepOpen) {
    story.say(
      `KEEP=1: everything runs on until Ctrl-C.\n  export KUBECONFIG=${world.cluster.kubeconfigPath}\n  connection string: ${world.database.connectionString}\n  operator's log: ${world.logFile}`,
    );
    await new Promise<void>((resolve) => process.once("SIGINT", resolve).once("SIGTERM", resolve));
  }
} catch (error) {
  story.check(error instanceof Error ? error.message : String(error), false);
  story.say(`The end of the operator's log:\n${readFileSync(world.logFile, "utf8").split("\n").slice(-20).join("\n")}`);
} finally {
  await world.operator.kill();
  await Promise.all([world.cluster.stop(), world.database.close()]);
}
process.exitCode = story.summary() ? 0 : 1;
