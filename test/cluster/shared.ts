// The cluster that all *.cluster.test.ts files of one run share: jest's globalSetup starts it, and each file makes itself
// namespaces in it. A test that ends components or needs an empty cluster starts its own with startCluster.
import { randomBytes } from "node:crypto";
import { startCluster } from "./cluster.ts";
import { connectTo } from "./connection.ts";
import type { ClusterConnection } from "./connection.ts";

/** In this variable jest's parent process hands the folder of the shared cluster to the test processes. */
export const sharedDirectoryVariable = "TEST_CLUSTER_DIRECTORY";

export interface SharedCluster extends ClusterConnection {
  /** Name of a fresh namespace that has its default ServiceAccount. */
  readonly namespace: () => Promise<string>;
  /** Begins to delete the namespaces that were made here. */
  readonly close: () => Promise<void>;
}

/** Where nothing was set up, as in one file run by itself, the file gets a cluster of its own, which `close` stops. */
export async function connectCluster(directory = process.env[sharedDirectoryVariable]): Promise<SharedCluster> {
  if (directory !== undefined) return shared(await connectTo(directory), () => Promise.resolve());
  const own = await startCluster();
  return shared(own, own.stop);
}

function shared(cluster: ClusterConnection, release: () => Promise<void>): SharedCluster {
  const made: string[] = [];
  return {
    ...cluster,
    namespace: async () => {
      const name = `test-${randomBytes(5).toString("hex")}`;
      await cluster.kubectl(["create", "namespace", name]);
      made.push(name);
      await cluster.kubectl(["wait", "--for=create", "serviceaccount/default", "--namespace", name, "--timeout=120s"]);
      return name;
    },
    close: async () => {
      if (made.length > 0) await cluster.kubectl(["delete", "namespace", "--wait=false", "--ignore-not-found", ...made.splice(0)]);
      await release();
    },
  };
}
