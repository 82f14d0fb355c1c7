// Operator processes that compete for a Lease in a namespace of its own, and what their logs say of it: what the tests of the election begin
// with. Who leads is for clocks to decide and may change whenever the machine is busy; `standStill` ends that.

import type { SharedCluster } from "../cluster/shared.ts";
import { createFarmWorld } from "./farmWorld.ts";
import type { FarmWorld } from "./farmWorld.ts";
import { startOperatorProcess } from "./operatorProcess.ts";
import type { OperatorProcess } from "./operatorProcess.ts";
import { until } from "./until.ts";

export interface Rival extends OperatorProcess {
  readonly identity: string;
}

export interface Rivals {
  readonly world: FarmWorld;
  /** Resolves when it is ready. */
  readonly start: (identity: string, kubeconfigPath?: string) => Promise<Rival>;
  readonly kubeconfigPath: () => Promise<string>;
  /** A field of the Lease's spec; empty where it says nothing. */
  readonly lease: (field: string) => Promise<string>;
  /** Gives the operator's ServiceAccount the chart's rights on Leases in the lease's namespace. */
  readonly grant: () => Promise<void>;
  /**
   * Stops (SIGSTOP) the one of the two that waits for the other, whichever that is by now. Until it is told to go on (SIGCONT) the lease
   * cannot change hands, however long the machine holds up the leader.
   */
  readonly standStill: (one: Rival, other: Rival) => Promise<{ readonly leader: Rival; readonly standby: Rival }>;
  /** Ends the processes and the world, once. */
  readonly close: () => Promise<void>;
}

export async function createRivals(cluster: SharedCluster, rights: "granted" | "none" = "granted"): Promise<Rivals> {
  const world = await createFarmWorld({ cluster, operator: "absent" });
  const leaseNamespace = await cluster.namespace();
  const started: OperatorProcess[] = [];
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
  const lease = (field: string): Promise<string> =>
    cluster.kubectl(["get", "lease", "webfarm-operator", "-n", leaseNamespace, "-o", `jsonpath={.spec.${field}}`]);
  let closing: Promise<void> | undefined;
  const closeOnce = async (): Promise<void> => {
    await Promise.all(started.map((operator) => operator.kill()));
    await world.close();
  };
  return {
    ...{ world, kubeconfigPath, grant, lease },
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
      return { ...operator, identity };
    },
    standStill: async (one, other) => {
      let [leader, standby] = [one, other];
      await until(
        "one leads and the other, which waits for it, stands still",
        async () => {
          if (!waitsFor(standby, leader)) [leader, standby] = [standby, leader];
          if (!waitsFor(standby, leader)) return false;
          standby.signal("SIGSTOP");
          if ((await lease("holderIdentity")) === leader.identity) return true;
          standby.signal("SIGCONT"); // it has taken the lease meanwhile
          return false;
        },
        { seen: () => [one, other].map(({ lines }) => lines.slice(-10)) },
      );
      return { leader, standby };
    },
    close: () => (closing ??= closeOnce()),
  };
}

/** How often its log has this message. */
export const said = (operator: OperatorProcess, message: string): number =>
  operator.lines.filter((line) => line.message === message).length;

export const leads = (operator: OperatorProcess): boolean => said(operator, "Acquired the lease") > said(operator, "Lost the lease");

/** When its term with this number, from 0 on, began; Infinity: not yet. Milliseconds since 1970. */
export function termBegan(operator: OperatorProcess, term: number): number {
  const line = operator.lines.filter(({ message }) => message === "Acquired the lease")[term];
  return line === undefined ? Infinity : Date.parse(String(line["timestamp"]));
}

export const leading = (operator: OperatorProcess): Promise<void> =>
  until("it leads", () => leads(operator), { seen: () => operator.lines.slice(-15) });

export const notLeading = (operator: OperatorProcess): Promise<void> =>
  until("it knows that it does not lead", () => !leads(operator), { seen: () => operator.lines.slice(-15) });

/** Whether it has seen since its last term, if it had one, that the other holds the lease: nothing of that term is under way then. */
export const waitsFor = (operator: OperatorProcess, { identity }: Rival): boolean => {
  const last = operator.lines.findLast(({ message }) => message === "Waiting for the lease" || message === "Acquired the lease");
  return last?.message === "Waiting for the lease" && last["holder"] === identity;
};

/** 1 or 0, as its metrics tell it. */
export const masterStatus = async (operator: OperatorProcess): Promise<string | undefined> =>
  /leader_election_master_status\{name="webfarm-operator"\} (\d)/.exec(await operator.metrics())?.[1];
