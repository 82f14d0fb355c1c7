// An API server of one's own that knows WebFarms, without controllers and kubelets: the shared cluster gets its CRD from the chart,
// and two owners of one CRD would refuse each other.
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { type TestCluster, startCluster } from "../cluster/cluster.ts";

export interface CrdCluster extends TestCluster {
  /** Name of a fresh namespace. */
  readonly namespace: () => Promise<string>;
}

export async function startApiServer(): Promise<CrdCluster> {
  const cluster = await startCluster({ components: "apiserver" });
  return {
    ...cluster,
    namespace: async () => {
      const name = `test-${randomBytes(5).toString("hex")}`;
      await cluster.kubectl(["create", "namespace", name]);
      return name;
    },
  };
}

export async function startCrdCluster(): Promise<CrdCluster> {
  const cluster = await startApiServer();
  await cluster.kubectl(["create", "-f", join(import.meta.dirname, "../../crds/webfarm.dev_webfarms.yaml")]);
  await cluster.kubectl(["wait", "--for=condition=Established", "crd/webfarms.webfarm.dev", "--timeout=180s"]);
  await served(cluster);
  return cluster;
}

/** Resolves when discovery lists WebFarms: it does so up to a second after the CRD is Established, and kubectl believes discovery. */
export async function served(cluster: Pick<CrdCluster, "kubectl">): Promise<void> {
  const deadline = Date.now() + 180_000;
  while ((await cluster.kubectl(["api-resources", "--api-group", "webfarm.dev", "--output", "name"])) === "") {
    if (Date.now() > deadline) throw new Error("The API server does not list webfarms.webfarm.dev although its CRD is established");
  }
}
