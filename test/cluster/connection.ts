// What one can do with a cluster that runs: kubectl, helm, kubeconfigs of ServiceAccounts. It starts and stops nothing.
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { apiJson } from "./apiRequest.ts";
import type { ApiAccess } from "./apiRequest.ts";
import { asset } from "./assets.ts";
import { kubeconfig, kubeconfigPath } from "./components.ts";
import type { Component } from "./components.ts";
import { readFootprint } from "./footprint.ts";

export interface CommandOptions {
  /** Given to the command on its standard input. */
  readonly input?: string;
  /** After this the command is killed and the promise rejects; default 120,000. */
  readonly timeoutMs?: number;
}

export interface ClusterConnection {
  /** Everything of this cluster, with one <component>.log for each process; gone after its end. */
  readonly directory: string;
  readonly url: string;
  /** Of a member of system:masters. */
  readonly kubeconfigPath: string;
  /** As they were at the time of connecting. */
  readonly pids: Readonly<Partial<Record<Component, number>>>;
  /** Resolves to stdout; rejects with an Error whose message holds the command and its stderr. */
  readonly kubectl: (args: readonly string[], options?: CommandOptions) => Promise<string>;
  /** As kubectl; Helm's caches are the cluster's own. */
  readonly helm: (args: readonly string[], options?: CommandOptions) => Promise<string>;
  /** Path of a kubeconfig whose token comes from TokenRequest and lives for a day. */
  readonly serviceAccountKubeconfig: (account: { readonly namespace: string; readonly name: string }) => Promise<string>;
}

/** To a cluster that this or another process started; rejects where the folder holds none. */
export async function connectTo(directory: string): Promise<ClusterConnection> {
  const processes = readFootprint(directory)?.processes;
  if (processes === undefined) throw new Error(`Cannot connect as there is no cluster in ${directory}`);
  const admin = kubeconfigPath(directory, "admin");
  const access: ApiAccess = { directory, ...readAccess(admin) };
  const [kubectl, helm] = [await asset("kubectl"), await asset("helm")];
  const env = {
    ...process.env,
    KUBECONFIG: admin,
    KUBECACHEDIR: join(directory, "kubectl-cache"),
    HELM_CACHE_HOME: join(directory, "helm", "cache"),
    HELM_CONFIG_HOME: join(directory, "helm", "config"),
    HELM_DATA_HOME: join(directory, "helm", "data"),
  };
  return {
    directory,
    url: access.url,
    kubeconfigPath: admin,
    pids: Object.fromEntries(Object.entries(processes).map(([component, { pid }]) => [component, pid])),
    kubectl: (args, options) => connected({ program: kubectl, name: "kubectl", args, env, ...options }),
    helm: (args, options) => connected({ program: helm, name: "helm", args, env, ...options }),
    serviceAccountKubeconfig: async (account) => {
      const path = join(directory, `${account.namespace}-${account.name}-${randomUUID()}.kubeconfig`);
      const token = await requestToken(access, account);
      writeFileSync(path, kubeconfig({ url: access.url, directory, token, namespace: account.namespace }), { mode: 0o600 });
      return path;
    },
  };
}

interface Command extends CommandOptions {
  readonly program: string;
  readonly name: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

const mostConnections = 6;

/** A server that is held up takes no connection for 10 s, and both commands give up then: nothing was sent, so they are run again. */
async function connected(command: Command): Promise<string> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await run(command);
    } catch (error) {
      if (attempt === mostConnections || !String(error).includes("TLS handshake timeout")) throw error;
    }
  }
}

function run(command: Command): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = {
      env: command.env,
      maxBuffer: 256 * 1024 * 1024,
      timeout: command.timeoutMs ?? 120_000,
      killSignal: "SIGKILL",
    } as const;
    const child = execFile(command.program, command.args, options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${command.name} ${command.args.join(" ")}: ${stderr.trim() || error.message}`, { cause: error }));
    });
    // A command that ends without reading all of its input breaks the pipe; its own exit code tells what happened.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(command.input);
  });
}

async function requestToken(access: ApiAccess, account: { readonly namespace: string; readonly name: string }): Promise<string> {
  const path = `/api/v1/namespaces/${account.namespace}/serviceaccounts/${account.name}/token`;
  const body = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: { expirationSeconds: 86_400 } };
  const answer = (await apiJson(access, { method: "POST", path, body })) as { readonly status: { readonly token: string } };
  return answer.status.token;
}

function readAccess(path: string): { readonly url: string; readonly token: string } {
  const config = JSON.parse(readFileSync(path, "utf8")) as {
    readonly clusters: readonly { readonly cluster: { readonly server: string } }[];
    readonly users: readonly { readonly user: { readonly token: string } }[];
  };
  const [url, token] = [config.clusters[0]?.cluster.server, config.users[0]?.user.token];
  if (url === undefined || token === undefined) throw new Error(`Cannot read server and token of ${path}`);
  return { url, token };
}
