// The control plane keeps what the other tests build on: clusters stand side by side, and nothing stays behind.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { startCluster } from "./cluster.ts";
import type { TestCluster } from "./cluster.ts";
import { connectTo } from "./connection.ts";
import { readFootprint, sweep } from "./footprint.ts";
import { isAlive } from "./processes.ts";
import { connectCluster } from "./shared.ts";

/** Starting a cluster takes seconds alone and far longer beside other tests. */
const limitMs = 240_000;

describe("a control plane of its own", () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await startCluster({ nodes: 2 });
  }, limitMs);
  afterAll(async () => cluster.stop());

  it("has as many Ready nodes as asked for and says the version that Helm needs", async () => {
    expect((await cluster.kubectl(["get", "nodes", "-o", "name"])).trim().split("\n")).toEqual(["node/node-1", "node/node-2"]);
    expect(await cluster.kubectl(["version"])).toMatch(/Server Version: v1\.\d+\.\d+/);
    expect(await cluster.helm(["version"])).toContain("v4.");
  });

  it("rejects a failing command with what it wrote to stderr", async () => {
    await expect(cluster.kubectl(["get", "pod", "nobody"])).rejects.toThrow('pods "nobody" not found');
    await expect(cluster.helm(["status", "nobody"])).rejects.toThrow("release: not found");
  });

  it("gives kubectl its standard input", async () => {
    const input = JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "given" }, data: { key: "value" } });
    await cluster.kubectl(["apply", "-f", "-"], { input });
    expect(await cluster.kubectl(["get", "configmap", "given", "-o", "jsonpath={.data.key}"])).toBe("value");
  });

  it("gives a ServiceAccount's kubeconfig the rights of that account and no others", async () => {
    const namespace = await (await connectCluster(cluster.directory)).namespace();
    await cluster.kubectl(["create", "serviceaccount", "reader", "-n", namespace]);
    await cluster.kubectl(["create", "role", "reader", "--verb=get,list", "--resource=pods", "-n", namespace]);
    await cluster.kubectl(["create", "rolebinding", "reader", "--role=reader", `--serviceaccount=${namespace}:reader`, "-n", namespace]);
    const path = await cluster.serviceAccountKubeconfig({ namespace, name: "reader" });
    const whoami = ["--kubeconfig", path, "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"];
    expect(await cluster.kubectl(whoami)).toBe(`system:serviceaccount:${namespace}:reader`);
    await expect(cluster.kubectl(["--kubeconfig", path, "get", "pods"])).resolves.toBeDefined();
    await expect(cluster.kubectl(["--kubeconfig", path, "get", "secrets"])).rejects.toThrow("forbidden");
  });

  it(
    "stands beside another cluster and does not see its objects",
    async () => {
      await using other = await startCluster({ components: "apiserver" });
      expect(other.url).not.toBe(cluster.url);
      expect(Object.keys(other.pids)).toEqual(["etcd", "kube-apiserver"]);
      await other.kubectl(["create", "namespace", "only-there"]);
      await expect(cluster.kubectl(["get", "namespace", "only-there"])).rejects.toThrow("not found");
      // Another process can use it too, but not end it.
      const connected = await connectTo(other.directory);
      expect(await connected.kubectl(["get", "namespace", "only-there", "-o", "name"])).toBe("namespace/only-there\n");
    },
    limitMs,
  );
});

it(
  "leaves neither a process nor a folder when it is stopped",
  async () => {
    const cluster = await startCluster();
    const processes = Object.values(readFootprint(cluster.directory)?.processes ?? {});
    expect(processes).toHaveLength(5);
    await cluster.stop();
    await cluster.stop();
    expect(processes.filter(isAlive)).toEqual([]);
    expect(existsSync(cluster.directory)).toBe(false);
  },
  limitMs,
);

it(
  "comes back with its objects after the API server and etcd were killed",
  async () => {
    await using cluster = await startCluster({ components: "apiserver" });
    await cluster.kubectl(["create", "namespace", "kept"]);
    await cluster.killComponent("kube-apiserver");
    await cluster.killComponent("etcd");
    await expect(cluster.kubectl(["get", "namespace", "kept"])).rejects.toThrow("refused");
    const etcdBack = cluster.startComponent("etcd");
    await cluster.startComponent("kube-apiserver");
    await etcdBack;
    expect(await cluster.kubectl(["get", "namespace", "kept", "-o", "name"])).toBe("namespace/kept\n");
  },
  limitMs,
);

it(
  "goes back to what was saved, with the versions of that time, and not to anything later",
  async () => {
    await using cluster = await startCluster({ components: "apiserver" });
    await expect(cluster.restoreStore()).rejects.toThrow("never saved");
    await cluster.kubectl(["create", "namespace", "kept"]);
    await cluster.saveStore();
    const lost = Array.from({ length: 100 }, (_, index) => ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: `lost-${index}` } }));
    await cluster.kubectl(["create", "-f", "-"], { input: JSON.stringify({ apiVersion: "v1", kind: "List", items: lost }) });
    const versionOf = async (path: string): Promise<number> =>
      Number(
        (JSON.parse(await cluster.kubectl(["get", "--raw", path])) as { metadata: { resourceVersion: string } }).metadata.resourceVersion,
      );
    const before = await versionOf("/api/v1/nodes");
    await cluster.restoreStore();
    expect(await cluster.kubectl(["get", "namespace", "kept", "-o", "name"])).toBe("namespace/kept\n");
    await expect(cluster.kubectl(["get", "configmap", "lost-0"])).rejects.toThrow("not found");
    expect(await versionOf("/api/v1/nodes")).toBeLessThan(before);
    await expect(cluster.restoreStore()).resolves.toBeUndefined(); // what was saved can be given back again
  },
  limitMs,
);

it(
  "is cleared away by the next start when its owner was killed, while a living owner's stays",
  async () => {
    await using mine = await startCluster({ components: "apiserver" });
    await using foreign = await startInAnotherProcess();
    const { directory, killOwner } = foreign;
    const processes = Object.values(readFootprint(directory)?.processes ?? {});
    expect(processes).toHaveLength(2);
    expect(await sweep()).not.toContain(directory);
    await killOwner();

    await sweep(); // another test's start may come first

    expect(processes.filter(isAlive)).toEqual([]);
    expect(existsSync(directory)).toBe(false);
    expect(await mine.kubectl(["get", "namespace", "default", "-o", "name"])).toBe("namespace/default\n");
  },
  limitMs,
);

it(
  "says which component failed and shows the end of its log",
  async () => {
    const brought = process.env["TEST_ASSET_ETCD"];
    process.env["TEST_ASSET_ETCD"] = "/bin/false";
    try {
      await expect(startCluster({ components: "apiserver" })).rejects.toThrow("Cannot start a cluster as etcd has ended");
    } finally {
      if (brought === undefined) delete process.env["TEST_ASSET_ETCD"];
      else process.env["TEST_ASSET_ETCD"] = brought;
    }
  },
  limitMs,
);

interface ForeignCluster extends AsyncDisposable {
  readonly directory: string;
  readonly killOwner: () => Promise<void>;
}

/** The other process ends by itself, with its cluster, when this one does. */
async function startInAnotherProcess(): Promise<ForeignCluster> {
  const module = JSON.stringify(join(import.meta.dirname, "cluster.ts"));
  const program = `const { startCluster } = await import(${module});
    process.stdin.resume().once("end", () => process.exit());
    console.log((await startCluster({ components: "apiserver" })).directory);`;
  const owner = spawn(process.execPath, ["--input-type=module", "--eval", program], { stdio: ["pipe", "pipe", "inherit"] });
  const exited = new Promise<void>((resolve) => owner.once("exit", () => resolve()));
  const directory = await new Promise<string>((resolve, reject) => {
    owner.stdout.once("data", (line: Buffer) => resolve(line.toString().trim()));
    owner.once("exit", (code) => reject(new Error(`The other process ended with ${code}`)));
  });
  const killOwner = async (): Promise<void> => {
    owner.kill("SIGKILL");
    await exited;
  };
  const endOwner = async (): Promise<void> => {
    owner.stdin.end();
    await exited;
  };
  return { directory, killOwner, [Symbol.asyncDispose]: endOwner };
}
