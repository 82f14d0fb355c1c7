// A namespace, a Kentico database (13 unless told otherwise), the chart's rights and an operator process that serves just this namespace:
// what each integration test begins with. It decides nothing; tests read rows, pods and status and say what they must be.

import { randomBytes } from "node:crypto";
import { connectCluster } from "../cluster/shared.ts";
import type { SharedCluster } from "../cluster/shared.ts";
import { openTestDatabase } from "../database/database.ts";
import type { TestDatabase, TestDatabaseOptions } from "../database/database.ts";
import type { WebFarmStatus } from "../../operator/farm/resource.generated.ts";
import { apiReads } from "./apiReads.ts";
import { usual } from "./generations.ts";
import type { Kentico } from "./generations.ts";
import { secret } from "./manifests.ts";
import { startOperatorProcess } from "./operatorProcess.ts";
import type { OperatorProcess } from "./operatorProcess.ts";
import { until } from "./until.ts";
import type { UntilOptions } from "./until.ts";

const release = "webfarm-operator";
const releaseNamespace = "webfarm-system";

export interface Row {
  readonly ServerID: number;
  readonly ServerDisplayName: string;
  readonly ServerName: string;
  readonly ServerGUID: string | null;
  readonly ServerEnabled: boolean;
}

export interface PodSummary {
  readonly name: string;
  readonly uid: string;
  readonly phase: string;
  readonly ready: boolean;
  readonly terminating: boolean;
  /** It terminates, or its containers were told to fail: whoever looks now may see it run for a moment yet. */
  readonly ending: boolean;
  readonly gate: string | undefined; // reason of webfarm.dev/registered
  /** Its containers are ready, and Ready waits for a readiness gate only. */
  readonly waitsForGate: boolean;
  readonly node: string | undefined;
  readonly ip: string | undefined;
  readonly restarts: number;
}

export interface FarmWorld {
  readonly cluster: SharedCluster;
  readonly namespace: string;
  readonly database: TestDatabase;
  operator: OperatorProcess;
  /** Starts another operator process in place of one that was killed or stopped. */
  readonly restartOperator: (env?: Readonly<Record<string, string>>) => Promise<OperatorProcess>;
  readonly apply: (...objects: readonly object[]) => Promise<void>;
  /** kubectl in this namespace. */
  readonly kubectl: (...args: readonly string[]) => Promise<string>;
  readonly rows: () => Promise<readonly Row[]>;
  readonly rowNames: () => Promise<readonly string[]>;
  readonly pods: (selector?: string) => Promise<readonly PodSummary[]>;
  readonly status: (name?: string) => Promise<WebFarmStatus>;
  /** `True/Reason` of a condition, or undefined. */
  readonly condition: (type: string, name?: string) => Promise<string | undefined>;
  /** Waits for a condition of the world; the error shows rows, pods and status. */
  readonly until: (what: string, condition: () => Promise<boolean> | boolean, options?: UntilOptions) => Promise<void>;
  /** To be done before the world closes, also where a test ran out of time and left something open. */
  readonly beforeClose: (cleanup: () => Promise<unknown>) => void;
  readonly close: () => Promise<void>;
}

export interface FarmWorldOptions {
  /** Without one, the test starts it when it wants. */
  readonly operator?: "running" | "absent";
  readonly env?: Readonly<Record<string, string>>;
  /** Of the world's own database; default the usual one, Kentico 13 in Manual mode. */
  readonly kentico?: Kentico;
  /** Of the database's own engine, where MSSQL_URL names no server. */
  readonly engine?: TestDatabaseOptions["engine"];
  /** The cluster of several worlds of one test file, which closes it; default one of its own, or the run's. */
  readonly cluster?: SharedCluster;
}

/** Installs the chart once in a cluster, whoever comes first; the others wait for it. */
async function ensureChart(cluster: SharedCluster): Promise<void> {
  const isFirst = await cluster.kubectl(["create", "namespace", releaseNamespace]).then(
    () => true,
    (error: unknown) => {
      if (String(error).includes("AlreadyExists")) return false;
      throw error;
    },
  );
  if (isFirst)
    await cluster.helm(["install", release, "charts/webfarm-operator", "--namespace", releaseNamespace, "--set", "crds.enabled=true"]);
  await cluster.kubectl(["wait", "--for=create", `deployment/${release}`, "-n", releaseNamespace, "--timeout=180s"]);
  await cluster.kubectl(["wait", "--for=condition=Established", "crd/webfarms.webfarm.dev", "--timeout=180s"]);
}

export async function createFarmWorld(options: FarmWorldOptions = {}): Promise<FarmWorld> {
  const [cluster, database] = await Promise.all([
    options.cluster ?? connectCluster(),
    openTestDatabase({
      kentico: options.kentico ?? usual.operator.kentico,
      ...(options.engine !== undefined && { engine: options.engine }),
    }),
  ]);
  await ensureChart(cluster);
  const namespace = await cluster.namespace();
  const kubeconfigPath = await cluster.serviceAccountKubeconfig({ namespace: releaseNamespace, name: release });
  const kubectl = async (...args: readonly string[]): Promise<string> => await cluster.kubectl([...args, "-n", namespace]);
  const apply = async (...objects: readonly object[]): Promise<void> => {
    const list = { apiVersion: "v1", kind: "List", items: objects };
    await cluster.kubectl(["apply", "-n", namespace, "-f", "-"], { input: JSON.stringify(list) });
  };
  await apply(secret(namespace, "kentico", { CMSConnectionString: database.connectionStringFor(await database.createLogin()) }));
  const start = async (env: Readonly<Record<string, string>> = {}): Promise<OperatorProcess> => {
    const operator = startOperatorProcess({
      kubeconfigPath,
      env: {
        WEBFARM_NAMESPACES: namespace,
        WEBFARM_IDENTITY: `test-${randomBytes(3).toString("hex")}`,
        WEBFARM_LOG_LEVEL: "debug",
        ...options.env,
        ...env,
      },
    });
    await operator.ready();
    return operator;
  };
  const rows = async (): Promise<readonly Row[]> =>
    (await database.adminQuery(
      "SELECT ServerID, ServerDisplayName, ServerName, ServerGUID, ServerEnabled FROM CMS_WebFarmServer ORDER BY ServerName",
    )) as unknown as readonly Row[];
  const read = apiReads(cluster);
  const status = async (name = "shop"): Promise<WebFarmStatus> => {
    const { status: found } = (await read(`/apis/webfarm.dev/v1alpha1/namespaces/${namespace}/webfarms/${name}`)) as {
      status?: WebFarmStatus;
    };
    return found ?? {};
  };
  const pods = async (selector = ""): Promise<readonly PodSummary[]> => {
    const query = selector === "" ? "" : `?labelSelector=${encodeURIComponent(selector)}`;
    const { items } = (await read(`/api/v1/namespaces/${namespace}/pods${query}`)) as { items: readonly RawPod[] };
    return items.map(summary).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  };
  const cleanups: (() => Promise<unknown>)[] = [];
  const world: FarmWorld = {
    ...{ cluster, namespace, database, apply, kubectl, rows, pods, status },
    operator: options.operator === "absent" ? absent : await start(),
    restartOperator: async (env) => {
      world.operator = await start(env);
      return world.operator;
    },
    rowNames: async () => (await rows()).map(({ ServerName }) => ServerName),
    condition: async (type, name) => {
      const found = (await status(name)).conditions?.find((condition) => condition.type === type);
      return found === undefined ? undefined : `${found.status}/${found.reason}`;
    },
    until: (what, condition, untilOptions) =>
      until(what, condition, {
        everyMs: 150,
        seen: async () => ({
          rows: await rows(),
          pods: await pods(),
          farms: await kubectl("get", "wf", "-o", "yaml").catch(String),
          log: world.operator.lines.slice(-15),
          stderr: world.operator.stderr(),
        }),
        ...untilOptions,
      }),
    beforeClose: (cleanup) => void cleanups.push(cleanup),
    close: async () => {
      for (const cleanup of cleanups) await cleanup();
      await world.operator.kill();
      await kubectl("patch", "wf", "--all", "--type=merge", "-p", '{"metadata":{"finalizers":null}}').catch(() => undefined); // none may be there
      if (options.cluster === undefined) await cluster.close();
      await database.close();
    },
  };
  return world;
}

interface RawPod {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly deletionTimestamp?: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: { readonly nodeName?: string };
  readonly status: {
    readonly phase?: string;
    readonly podIP?: string;
    readonly containerStatuses?: readonly { readonly restartCount: number }[];
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly reason?: string }[];
  };
}

function summary({ metadata, spec, status }: RawPod): PodSummary {
  const gate = status.conditions?.find(({ type }) => type === "webfarm.dev/registered");
  return {
    name: metadata.name,
    uid: metadata.uid,
    phase: status.phase ?? "",
    ready: status.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True") ?? false,
    terminating: metadata.deletionTimestamp !== undefined,
    ending: metadata.deletionTimestamp !== undefined || metadata.annotations?.["kubelet.test/behave"] === "fail",
    gate: gate?.status === "True" ? gate.reason : undefined,
    waitsForGate: status.conditions?.some(({ type, reason }) => type === "Ready" && reason === "ReadinessGatesNotReady") ?? false,
    node: spec.nodeName,
    ip: status.podIP,
    restarts: (status.containerStatuses ?? []).reduce((sum, { restartCount }) => sum + restartCount, 0),
  };
}

const absent: OperatorProcess = {
  pid: 0,
  lines: [],
  stderr: () => "",
  url: () => "",
  ready: () => Promise.resolve(),
  metrics: () => Promise.resolve(""),
  signal: () => undefined,
  kill: () => Promise.resolve(),
  stop: () => Promise.resolve(null),
  exited: Promise.resolve(null),
};
