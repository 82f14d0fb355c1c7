// Starts a real control plane on this machine: etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kwok as
// every kubelet. Each cluster has its own folder, ports and keys; what a killed owner left behind goes at the next start.
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { closeSync, openSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { apiRequest } from "./apiRequest.ts";
import type { ApiAccess } from "./apiRequest.ts";
import { assets } from "./assets.ts";
import { commandLine, controlPlane, layOut } from "./components.ts";
import type { Component, Layout, Ports } from "./components.ts";
import { connectTo } from "./connection.ts";
import type { ClusterConnection } from "./connection.ts";
import { erase, newDirectory, ownIdentity, sweep, writeFootprint } from "./footprint.ts";
import { createNodes, nodesReady } from "./nodes.ts";
import { end, identify, isAlive, isErrorCode, kill } from "./processes.ts";
import type { ProcessIdentity } from "./processes.ts";
import { putCopyBack, takeCopy } from "./storeCopy.ts";

export interface ClusterOptions {
  /** "apiserver" leaves out controllers, scheduler, kubelets and ServiceAccount admission; default "everything". */
  readonly components?: "everything" | "apiserver";
  /** Nodes named node-1, node-2, …; default 3. */
  readonly nodes?: number;
  /** Until everything is ready; default 180,000. */
  readonly timeoutMs?: number;
}

export interface TestCluster extends ClusterConnection, AsyncDisposable {
  /** Ends a component at once, as a crash does. */
  readonly killComponent: (component: Component) => Promise<void>;
  /** Starts a killed component anew, with the data and the address it had; resolves when the API server is ready. */
  readonly startComponent: (component: Component) => Promise<void>;
  /** Remembers what etcd holds now, in place of what was remembered before; everything goes on. */
  readonly saveStore: () => Promise<void>;
  /**
   * Gives etcd back what was remembered, with the versions of that time: what was written since is gone without an event. Resolves when the
   * API server is ready on the address it had, and controllers, scheduler and kubelets have been started anew, as Kubernetes asks for: they
   * would wait for versions that the store has not reached yet. Nobody answers for `awayMs` at least. Rejects where nothing was remembered.
   */
  readonly restoreStore: (options?: { readonly awayMs?: number }) => Promise<void>;
  /** Ends the processes and removes the folder; may be called twice. */
  readonly stop: () => Promise<void>;
}

const controllersAndKubelets = ["kube-controller-manager", "kube-scheduler", "kwok"] as const;
const startsBeforeGivingUp = 3;
const restartMs = 180_000;

/** Resolves when the nodes are Ready and pods can be created; rejects with the end of the log that explains it. */
export async function startCluster(options: ClusterOptions = {}): Promise<TestCluster> {
  await sweep();
  const programs = await assets([...controlPlane, "kubectl", "helm"]);
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(options, programs);
    } catch (error) {
      // Somebody else may take a port between our finding it free and the server's using it.
      if (attempt === startsBeforeGivingUp || !String(error).includes("address already in use")) throw error;
    }
  }
}

async function start(options: ClusterOptions, programs: Readonly<Record<Component, string>>): Promise<TestCluster> {
  const directory = await newDirectory();
  const everything = (options.components ?? "everything") === "everything";
  const deadline = Date.now() + (options.timeoutMs ?? 180_000);
  const layout = layOut(directory, await freePorts());
  const access: ApiAccess = { url: layout.url, directory, token: layout.tokens.admin };
  const launch = launcher(layout, programs, everything ? "running" : "absent");
  const erased = eraseOnce(directory, launch.running);
  try {
    launch.start("etcd");
    launch.start("kube-apiserver");
    await reached("the API server", () => isReady(access), { deadline, launch });
    if (everything) {
      await createNodes(access, options.nodes ?? 3);
      for (const component of controllersAndKubelets) launch.start(component);
      await reached("the default ServiceAccount", () => hasDefaultAccount(access), { deadline, launch });
      await reached("the nodes", () => nodesReady(access), { deadline, launch });
    }
    const startComponent = (component: Component): Promise<void> => {
      launch.start(component);
      return reached("the API server", () => isReady(access), { deadline: Date.now() + restartMs, launch });
    };
    let isSaved = false;
    const saveStore = async (): Promise<void> => {
      const etcd = launch.identityOf("etcd");
      if (etcd === undefined) throw new Error("Cannot save the store as no etcd runs");
      await takeCopy(directory, etcd);
      isSaved = true;
    };
    const restoreStore = async ({ awayMs = 0 } = {}): Promise<void> => {
      if (!isSaved) throw new Error("Cannot restore the store as it was never saved");
      for (const component of controlPlane.toReversed()) await launch.kill(component);
      await putCopyBack(directory);
      await wait(awayMs);
      launch.start("etcd");
      await startComponent("kube-apiserver");
      if (everything) for (const component of controllersAndKubelets) launch.start(component);
    };
    const connection = await connectTo(directory);
    return {
      ...{ ...connection, killComponent: launch.kill, startComponent, saveStore, restoreStore },
      ...{ stop: erased, [Symbol.asyncDispose]: erased },
    };
  } catch (error) {
    await erased();
    throw error;
  }
}

interface Launcher {
  readonly start: (component: Component) => void;
  readonly kill: (component: Component) => Promise<void>;
  readonly running: () => readonly ProcessIdentity[];
  readonly identityOf: (component: Component) => ProcessIdentity | undefined;
  /** Says which process ended by itself, with the last lines of its log. */
  readonly ended: () => Error | undefined;
}

function launcher(layout: Layout, programs: Readonly<Record<Component, string>>, controllers: "running" | "absent"): Launcher {
  const { directory } = layout;
  const owner = ownIdentity();
  const processes = new Map<Component, ProcessIdentity>();
  const write = (): void => writeFootprint(directory, { owner, processes: Object.fromEntries(processes) });
  write();
  return {
    start: (component) => {
      const log = openSync(join(directory, `${component}.log`), "a", 0o600);
      const child = spawn(programs[component], commandLine(component, layout, controllers), {
        cwd: directory,
        stdio: ["ignore", log, log],
      });
      closeSync(log);
      child.on("error", () => undefined); // Seen as a process that has no identity.
      child.unref();
      if (child.pid === undefined) throw new Error(`Cannot start ${component} (${programs[component]}): there is no such program`);
      const identity = identify(child.pid);
      if (identity === undefined) throw endedError(directory, component); // it was quicker than this look
      processes.set(component, identity);
      write();
    },
    kill: async (component) => {
      const identity = processes.get(component);
      if (identity === undefined) return;
      processes.delete(component);
      await end([identity]);
      write();
    },
    running: () => [...processes.values()],
    identityOf: (component) => processes.get(component),
    ended: () => {
      const found = [...processes].find(([, identity]) => !isAlive(identity));
      return found === undefined ? undefined : endedError(directory, found[0]);
    },
  };
}

const endedError = (directory: string, component: Component): Error =>
  new Error(`Cannot start a cluster as ${component} has ended: ${lastLines(directory, component)}`);

/** Polls until the condition holds; rejects as soon as a component has ended. */
async function reached(what: string, holds: () => Promise<boolean>, limits: { deadline: number; launch: Launcher }): Promise<void> {
  while (!(await holds())) {
    const ended = limits.launch.ended();
    if (ended !== undefined) throw ended;
    if (Date.now() > limits.deadline) throw new Error(`Cannot start a cluster as ${what} did not become ready in time`);
    await wait(50);
  }
}

async function isReady(access: ApiAccess): Promise<boolean> {
  try {
    return (await apiRequest(access, { method: "GET", path: "/readyz" })).status === 200;
  } catch {
    // Neither its certificate nor its port is there at first; `reached` ends the wait.
    return false;
  }
}

async function hasDefaultAccount(access: ApiAccess): Promise<boolean> {
  return (await apiRequest(access, { method: "GET", path: "/api/v1/namespaces/default/serviceaccounts/default" })).status === 200;
}

function eraseOnce(directory: string, running: () => readonly ProcessIdentity[]): () => Promise<void> {
  // An owner that exits without stopping takes its processes with it; the folder goes at the next start.
  const killAll = (): void => {
    for (const identity of running()) kill(identity, "SIGKILL");
  };
  process.once("exit", killAll);
  let erasing: Promise<void> | undefined;
  return () => {
    erasing ??= erase(directory).finally(() => process.removeListener("exit", killAll));
    return erasing;
  };
}

/** Below the range from which Linux takes ports for clients: else one of them may have it when a server that was ended is started again. */
const portsOfServers = { from: 10_000, below: 32_768 } as const;

async function freePorts(): Promise<Ports> {
  const servers = [await listen(), await listen(), await listen()];
  const [etcd, etcdPeer, apiserver] = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  if (etcd === undefined || etcdPeer === undefined || apiserver === undefined) throw new Error("Cannot find three free ports");
  return { etcd, etcdPeer, apiserver };
}

/** On a port of 127.0.0.1 that nobody has. */
async function listen(): Promise<ReturnType<typeof createServer>> {
  for (;;) {
    const server = createServer();
    const isListening = await new Promise<boolean>((resolve, reject) => {
      server.once("error", (error) => (isErrorCode(error, "EADDRINUSE") ? resolve(false) : reject(error)));
      server.listen(randomInt(portsOfServers.from, portsOfServers.below), "127.0.0.1", () => resolve(true));
    });
    if (isListening) return server;
  }
}

function lastLines(directory: string, component: Component): string {
  return readFileSync(join(directory, `${component}.log`), "utf8")
    .trim()
    .split("\n")
    .slice(-15)
    .join("\n");
}
