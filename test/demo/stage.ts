// What both stories of the demo are played on: a real control plane, a database of the generation that was asked for, the chart, the operator,
// and what an onlooker sees of rows and pods. It shows and waits; the stories say what must be.

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startCluster } from "../cluster/cluster.ts";
import type { TestCluster } from "../cluster/cluster.ts";
import { openTestDatabase } from "../database/database.ts";
import type { TestDatabase } from "../database/database.ts";
import { apiReads } from "../world/apiReads.ts";
import type { Generation, Kentico } from "../world/generations.ts";
import { application, secret } from "../world/manifests.ts";
import { startOperatorProcess } from "../world/operatorProcess.ts";
import type { OperatorProcess } from "../world/operatorProcess.ts";
import { until } from "../world/until.ts";
import { insertForeign, wholeRows } from "../world/wholeRow.ts";
import type { WholeRow } from "../world/wholeRow.ts";
import type { Story } from "./story.ts";

export const namespace = "shop";
export const foreignName = "ADMIN-01";
const release = "webfarm-operator";
const releaseNamespace = "webfarm-system";

export interface DemoPod {
  readonly name: string;
  readonly uid: string;
  readonly phase: string;
  readonly restarts: number;
  readonly ip: string | undefined;
  /** Neither terminating nor ended. */
  readonly lives: boolean;
  /** It terminates, or its containers were told to fail. */
  readonly ending: boolean;
}

export interface Stage {
  readonly cluster: TestCluster;
  readonly database: TestDatabase;
  readonly logFile: string;
  readonly operator: () => OperatorProcess;
  readonly startOperator: () => Promise<void>;
  readonly rows: () => Promise<readonly WholeRow[]>;
  readonly pods: () => Promise<readonly DemoPod[]>;
  /** Names of the pods that live. */
  readonly livePods: () => Promise<readonly string[]>;
  /** kubectl in the namespace. */
  readonly kubectl: (...args: readonly string[]) => Promise<string>;
  readonly apply: (object: object) => Promise<void>;
  readonly scale: (replicas: number) => Promise<unknown>;
  /** Prints pods and rows. */
  readonly show: () => Promise<void>;
  readonly showFarm: () => Promise<void>;
  /** Waits until so many pods live and are Ready, and the rows besides those named are exactly theirs; a check of the story. */
  readonly settle: (what: string, pods: number) => Promise<void>;
  readonly close: () => Promise<void>;
}

export interface StageOptions {
  readonly story: Story;
  readonly generation: Generation;
  readonly kentico: Kentico;
  /** Whose the rows are, and so their URLs: the operator's are checked. */
  readonly registration: "Operator" | "Application";
  /** The name of the row of a pod. */
  readonly serverOf: (pod: string) => string;
  /** Rows that are nobody's in this farm, by name, beside the one that a person made. */
  readonly others?: readonly string[];
}

export async function openStage({ story, generation, kentico, registration, serverOf, others = [] }: StageOptions): Promise<Stage> {
  story.chapter("A control plane, a database, a chart");
  const started = performance.now();
  const [cluster, database] = await Promise.all([startCluster(), openTestDatabase({ kentico })]);
  story.say(
    `etcd, kube-apiserver, controllers, scheduler and kubelets (kwok) run after ${((performance.now() - started) / 1000).toFixed(1)} s.`,
  );
  const foreign = [foreignName, ...others];
  for (const name of foreign) await insertForeign(database, { name, guid: "3f2504e0-4f89-41d3-9a0c-0305e82c3301" });
  story.say(
    `A database with the tables of ${productName(generation)} (${database.real ? "on a real server" : "on the test endpoint"}), with one server that a person made: ${foreignName}.`,
  );
  await cluster.helm(["install", release, "charts/webfarm-operator", "--namespace", releaseNamespace, "--create-namespace"]);
  story.command(`helm list -n ${releaseNamespace}`, await cluster.helm(["list", "-n", releaseNamespace]));
  const kubectl = async (...args: readonly string[]): Promise<string> => await cluster.kubectl([...args, "-n", namespace]);
  const apply = async (object: object): Promise<void> =>
    void (await cluster.kubectl(["apply", "-n", namespace, "-f", "-"], { input: JSON.stringify(object) }));
  await cluster.kubectl(["create", "namespace", namespace]);
  await apply(secret(namespace, "kentico", { CMSConnectionString: database.connectionStringFor(await database.createLogin()) }));
  const logFile = join(mkdtempSync(join(tmpdir(), "webfarm-demo-")), "operator.log");

  const launch = async (): Promise<OperatorProcess> => {
    const kubeconfigPath = await cluster.serviceAccountKubeconfig({ namespace: releaseNamespace, name: release });
    const process = startOperatorProcess({ kubeconfigPath, logFile });
    await process.ready();
    return process;
  };
  let operator = await launch();
  story.say("The operator runs as a process beside the cluster, with the token and so the rights of the chart's ServiceAccount.");

  const read = apiReads(cluster);
  const pods = async (): Promise<readonly DemoPod[]> => {
    const { items } = (await read(`/api/v1/namespaces/${namespace}/pods?labelSelector=app%3Dshop`)) as { items: readonly RawPod[] };
    return items.map(demoPod).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  };
  const livePods = async (): Promise<readonly string[]> => (await pods()).flatMap(({ name, lives }) => (lives ? [name] : []));
  const rows = (): Promise<readonly WholeRow[]> => wholeRows(database);

  async function settle(what: string, count: number): Promise<void> {
    let seen: unknown;
    await until(
      what,
      async () => {
        const ours = (await rows()).filter(({ ServerName }) => !foreign.includes(ServerName));
        const live = (await pods()).filter(({ lives }) => lives);
        const ready = (await kubectl("get", "deployment", "shop", "-o", "jsonpath={.status.readyReplicas}")) || "0";
        const theirs = live.every(({ name, ip }) =>
          ours.some(
            ({ ServerName, ServerURL }) =>
              ServerName === serverOf(name) && (ServerURL === undefined || registration === "Application" || ServerURL === `http://${ip}`),
          ),
        );
        seen = { rows: ours.map(({ ServerName }) => ServerName), live, ready };
        return live.length === count && ours.length === count && theirs && Number(ready) === count;
      },
      { timeoutMs: 120_000, everyMs: 300, seen: () => seen },
    );
    const urls = registration === "Operator" && (await rows()).some(({ ServerURL }) => ServerURL !== undefined) ? " with their URLs" : "";
    story.check(`${what}: the ${count} rows are those of the ${count} live pods${urls}, and all are Ready`, true);
  }

  return {
    ...{ cluster, database, logFile, rows, pods, livePods, kubectl, apply, settle },
    operator: () => operator,
    startOperator: async () => {
      operator = await launch();
    },
    scale: (replicas) => kubectl("scale", "deployment", "shop", `--replicas=${replicas}`),
    show: async () => {
      story.command("kubectl get pods -n shop", await kubectl("get", "pods"));
      story.rows("CMS_WebFarmServer", (await rows()).map(shown));
    },
    showFarm: async () => story.command("kubectl get wf -n shop -o wide", await kubectl("get", "wf", "-o", "wide")),
    close: async () => {
      await operator.kill();
      await Promise.all([cluster.stop(), database.close()]);
    },
  };
}

const productName = ({ version }: Generation): string => (version === "xbyk" ? "Xperience by Kentico" : `Kentico ${version}`);

/** The columns that the story is about. */
export const shown = ({ ServerID, ServerName, ServerURL, ServerGUID, ServerEnabled }: WholeRow): object => ({
  ServerID,
  ServerName,
  ...(ServerURL !== undefined && { ServerURL }),
  ServerGUID,
  ServerEnabled,
});

export const workload = (): object => application({ namespace, name: "shop", graceSeconds: 5 });

/** The workload, the WebFarm and the chart go; the operator must have left no trace but its work. */
export async function uninstall(stage: Stage, story: Story, before: readonly WholeRow[]): Promise<void> {
  const { cluster, kubectl, rows, operator } = stage;
  story.chapter("Uninstall: the workload, the WebFarm, the chart");
  await kubectl("delete", "deployment", "shop");
  await kubectl("delete", "wf", "shop", "--timeout=150s");
  await cluster.helm(["uninstall", release, "-n", releaseNamespace]);
  const after = await rows();
  story.rows("CMS_WebFarmServer", after.map(shown));
  story.check("the table is as it was found, the foreign row to the byte", JSON.stringify(after) === JSON.stringify(before));
  const errors = operator().lines.filter(({ level }) => level === "error");
  story.check(`the operator's log has no error (${errors.map(({ message }) => message).join("; ")})`, errors.length === 0);
  story.check("the operator stops in order when asked to", (await operator().stop()) === 0);
}

interface RawPod {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly deletionTimestamp?: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly status: {
    readonly phase?: string;
    readonly podIP?: string;
    readonly containerStatuses?: readonly { readonly restartCount: number }[];
  };
}

function demoPod({ metadata, status: { phase = "", podIP, containerStatuses = [] } }: RawPod): DemoPod {
  return {
    ...{ name: metadata.name, uid: metadata.uid, phase, ip: podIP },
    restarts: containerStatuses.reduce((sum, { restartCount }) => sum + restartCount, 0),
    lives: metadata.deletionTimestamp === undefined && phase !== "Failed" && phase !== "Succeeded",
    ending: metadata.deletionTimestamp !== undefined || metadata.annotations?.["kubelet.test/behave"] === "fail",
  };
}
