// What every figure is measured on: an API server with nothing but etcd behind it (no controller, scheduler or kubelet takes time from what
// is measured; the bench plays them), databases on the test endpoint in this process, and the bundled operator with the chart's rights.

import { readFileSync } from "node:fs";
import { startCluster } from "../cluster/cluster.ts";
import type { TestCluster } from "../cluster/cluster.ts";
import { openTestDatabase } from "../database/database.ts";
import type { TestDatabase } from "../database/database.ts";
import type { ArrivedStatement, Faults } from "../database/faults.ts";
import { application, secret, webFarm } from "../world/manifests.ts";
import { startOperatorProcess } from "../world/operatorProcess.ts";
import type { OperatorProcess } from "../world/operatorProcess.ts";
import { openApi } from "./api.ts";
import type { Api, ApiTarget } from "./api.ts";
import { nodeName } from "./pods.ts";

export const databaseName = "test endpoint (TDS 7.4, in the bench's process), Kentico 13";
const release = "webfarm-operator";
const releaseNamespace = "webfarm-system";

export interface BenchDatabase extends TestDatabase {
  readonly faults: Faults;
  /** Of the one login that all farms of this database share, as they share its connections. */
  readonly farmsConnectionString: string;
}

export interface FarmPlace {
  readonly namespace: string;
  readonly database: BenchDatabase;
  readonly name?: string;
  /** Of the Deployment, which is there for its selector and this number. */
  readonly replicas: number;
}

export interface BenchWorld {
  readonly api: Api;
  readonly target: ApiTarget;
  readonly createNamespace: (name: string) => Promise<void>;
  /** Secret, Deployment and WebFarm. */
  readonly createFarm: (place: FarmPlace) => Promise<void>;
  readonly openDatabase: () => Promise<BenchDatabase>;
  /** Resolves when the operator is ready. `namespaces` empty: all. */
  readonly startOperator: (...namespaces: readonly string[]) => Promise<OperatorProcess>;
  /** One of several that elect a leader. Resolves when it is ready. */
  readonly startReplica: (identity: string, ...namespaces: readonly string[]) => Promise<OperatorProcess>;
  readonly close: () => Promise<void>;
}

export async function createBenchWorld(): Promise<BenchWorld> {
  const cluster = await startCluster({ components: "apiserver" });
  const databases: BenchDatabase[] = [];
  const operators: OperatorProcess[] = [];
  const target = { directory: cluster.directory, url: cluster.url, token: adminToken(cluster) };
  const api = openApi(target);
  const close = async (): Promise<void> => {
    await Promise.all(operators.map((operator) => operator.kill()));
    await api.close();
    await Promise.all([cluster.stop(), ...databases.map((database) => database.close())]);
  };
  const start = async (env: Readonly<Record<string, string>>): Promise<OperatorProcess> => {
    const kubeconfigPath = await cluster.serviceAccountKubeconfig({ namespace: releaseNamespace, name: release });
    const entry = process.env["BENCH_OPERATOR"];
    const operator = startOperatorProcess({ kubeconfigPath, env, ...(entry !== undefined && { entry }) });
    operators.push(operator);
    await operator.ready();
    return operator;
  };
  try {
    await api.json({ method: "POST", path: "/api/v1/nodes", body: { apiVersion: "v1", kind: "Node", metadata: { name: nodeName } } });
    await cluster.helm(["install", release, "charts/webfarm-operator", "--namespace", releaseNamespace, "--create-namespace"]);
    await cluster.kubectl(["wait", "--for=condition=Established", "crd/webfarms.webfarm.dev", "--timeout=60s"]);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    ...{ api, target, close },
    createNamespace: async (name) => {
      await api.json({ method: "POST", path: "/api/v1/namespaces", body: { apiVersion: "v1", kind: "Namespace", metadata: { name } } });
    },
    createFarm: async ({ namespace, database, name = "shop", replicas }) => {
      const credentials = secret(namespace, "kentico", { CMSConnectionString: database.farmsConnectionString });
      await api.json({ method: "POST", path: `/api/v1/namespaces/${namespace}/secrets`, body: credentials });
      const deployment = application({ namespace, name, replicas });
      await api.json({ method: "POST", path: `/apis/apps/v1/namespaces/${namespace}/deployments`, body: deployment });
      const path = `/apis/webfarm.dev/v1alpha1/namespaces/${namespace}/webfarms`;
      await api.json({ method: "POST", path, body: webFarm(namespace, name) });
    },
    openDatabase: async () => {
      const database = await openTestDatabase({ kentico: { version: "13", mode: "2" } });
      const { faults } = database;
      if (faults === undefined) throw new Error("Cannot measure on a server that others run: unset MSSQL_URL");
      const farmsConnectionString = database.connectionStringFor(await database.createLogin());
      const opened = { ...database, faults, farmsConnectionString };
      databases.push(opened);
      return opened;
    },
    startOperator: (...namespaces) => start({ WEBFARM_NAMESPACES: namespaces.join(","), WEBFARM_IDENTITY: "bench" }),
    startReplica: (identity, ...namespaces) =>
      start({
        ...{ WEBFARM_NAMESPACES: namespaces.join(","), WEBFARM_IDENTITY: identity },
        ...{ WEBFARM_LEADER_ELECTION: "true", WEBFARM_LEASE_NAMESPACE: releaseNamespace },
      }),
  };
}

function adminToken({ kubeconfigPath }: TestCluster): string {
  const { users } = JSON.parse(readFileSync(kubeconfigPath, "utf8")) as { users: readonly { user: { token: string } }[] };
  return users[0]?.user.token ?? "";
}

export type SentBy = "operator" | "floor";

export const isFrom = (who: SentBy, { applicationName }: ArrivedStatement): boolean =>
  applicationName.startsWith(who === "operator" ? "webfarm-operator/" : "webfarm-bench-floor");

export const isRegister = ({ text }: ArrivedStatement): boolean => text.includes("INSERT INTO [dbo].[CMS_WebFarmServer]");
export const isRemove = ({ text }: ArrivedStatement): boolean => text.includes("DELETE s FROM [dbo].[CMS_WebFarmServer]");

/** The moment at which the next statement of a kind has run. Rejects after 30 s. */
export function nextRun({ faults }: BenchDatabase, matches: (statement: ArrivedStatement) => boolean): Promise<number> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => done(() => reject(new Error("Waited 30 s in vain for a statement"))), 30_000);
    const stop = faults.onRun((statement) => {
      if (!matches(statement)) return;
      const atMs = performance.now();
      done(() => resolve(atMs));
    });
    const done = (end: () => void): void => {
      clearTimeout(timer);
      stop();
      end();
    };
  });
}

export const countRows = async (database: TestDatabase): Promise<number> =>
  (await database.adminQuery("SELECT ServerID FROM CMS_WebFarmServer")).length;
