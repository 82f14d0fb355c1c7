// Steps about namespaces, Secrets, workloads, nodes and the store of an API server.

import { key, workloadKey } from "./apiServer.ts";
import { named } from "./names.ts";
import type { Deeds, Place } from "./applyStep.ts";
import { cutNode, giveUpNode, rejoinNode } from "./kubelet.ts";
import type { WorkloadKind, WorkloadObject } from "./objects.ts";
import { findWorkload, makePod } from "./workloads.ts";
import { Inapplicable } from "./inapplicable.ts";

type Kinds =
  | `namespace${"Made" | "Deleted"}`
  | `secret${"Made" | "Deleted"}`
  | `deployment${"Made" | "Scaled" | "RolledOut" | "Deleted" | "Selects" | "MakesPod"}`
  | `set${"Made" | "Scaled" | "Deleted" | "MakesPod"}`
  | `pods${"Grace" | "WithoutGate" | "WithGate"}`
  | `controllers${"Rest" | "Work"}`
  | `node${"Cut" | "Back" | "Tainted" | "Collected"}`
  | `etcd${"Saved" | "Restored" | "RestoredAhead"}`;

export const stepsOfCluster: Deeds<Kinds> = {
  namespaceMade: (place, { name }) => {
    if (place.in.api.namespaces.has(name)) throw new Inapplicable(`Namespace ${name} is there`);
    makeNamespace(place, name);
  },
  namespaceDeleted: ({ in: { api }, truth }, { name }) => {
    const namespace = api.namespaces.get(name);
    if (namespace === undefined) throw new Inapplicable(`There is no namespace ${name}`);
    api.putNamespace({ ...namespace, deletionAtMs: truth.nowMs });
  },
  secretMade: (place, { secret, database }) => {
    const at = named(secret);
    if (!place.in.api.namespaces.has(at.namespace)) makeNamespace(place, at.namespace);
    putSecret(place, at, database);
  },
  secretDeleted: ({ in: { api } }, { secret }) => {
    const { namespace, name } = named(secret);
    if (!api.secrets.has(key(namespace, name))) throw new Inapplicable(`There is no Secret ${secret}`);
    api.removeSecret(namespace, name);
  },

  deploymentMade: (place, { name, count }) => makeWorkload(place, "Deployment", name, count),
  deploymentScaled: (place, { name, count }) => change(place, "Deployment", name, { replicas: count }),
  deploymentRolledOut: (place, { name }) =>
    change(place, "Deployment", name, { revision: workloadOf(place, "Deployment", name).revision + 1 }),
  deploymentDeleted: (place, { name }) => place.in.api.removeWorkload(workloadOf(place, "Deployment", name)),
  // A selector cannot be changed: the Deployment is made anew, and its old pods go.
  deploymentSelects: (place, { name, label }) =>
    change(place, "Deployment", name, { labels: { app: label }, uid: place.truth.newUid("workload") }),
  deploymentMakesPod: (place, { name }) => void makePod(place.truth, place.cluster, workloadOf(place, "Deployment", name)),
  setMade: (place, { name, count }) => makeWorkload(place, "StatefulSet", name, count),
  setScaled: (place, { name, count }) => change(place, "StatefulSet", name, { replicas: count }),
  setDeleted: (place, { name }) => place.in.api.removeWorkload(workloadOf(place, "StatefulSet", name)),
  setMakesPod: (place, { name, nth }) => {
    const set = workloadOf(place, "StatefulSet", name);
    if (place.in.api.pods.has(key(set.namespace, `${set.name}-${nth}`))) throw new Inapplicable(`Pod ${set.name}-${nth} is there`);
    makePod(place.truth, place.cluster, set, nth);
  },
  podsGrace: (place, { name, duration }) => change(place, kindOf(place, name), name, { graceSeconds: Math.round(duration / 1_000) }),
  podsWithoutGate: (place, { name }) => change(place, kindOf(place, name), name, { hasGate: false }),
  podsWithGate: (place, { name }) => change(place, kindOf(place, name), name, { hasGate: true }),

  controllersRest: (place) => void (place.in.controllersRest = true),
  controllersWork: (place) => void (place.in.controllersRest = false),
  nodeCut: ({ truth, cluster }, { node }) => cutNode(truth, cluster, node),
  nodeBack: ({ truth, cluster }, { node }) => rejoinNode(truth, cluster, node),
  nodeTainted: ({ truth, cluster }, { node }) => giveUpNode(truth, cluster, node, "taint"),
  nodeCollected: ({ truth, cluster }, { node }) => giveUpNode(truth, cluster, node, "collector"),

  etcdSaved: ({ in: { api } }) => api.save(),
  etcdRestored: (place) => restore(place, "go back"),
  etcdRestoredAhead: (place) => restore(place, "go on"),
};

function restore({ in: { api } }: Place, versions: "go back" | "go on"): void {
  if (!api.hasSaved) throw new Inapplicable("The store was never saved");
  api.restore(versions);
}

/** With a Secret `kentico` that names the database main. */
function makeNamespace(place: Place, name: string): void {
  place.in.api.putNamespace({ name, uid: place.truth.newUid("namespace") });
  putSecret(place, { namespace: name, name: "kentico" }, "main");
}

function putSecret({ in: { api }, truth }: Place, at: { readonly namespace: string; readonly name: string }, database: string): void {
  truth.database(database);
  api.putSecret({ ...at, data: { CMSConnectionString: `Server=sql;Database=${database};User=site` } });
}

export function needNamespace(place: Place, namespace: string): void {
  const found = place.in.api.namespaces.get(namespace);
  if (found?.deletionAtMs !== undefined) throw new Inapplicable(`Namespace ${namespace} is being deleted`);
  if (found === undefined) makeNamespace(place, namespace);
}

function makeWorkload(place: Place, kind: WorkloadKind, text: string, replicas: number): void {
  const { namespace, name } = named(text);
  if (place.in.api.workloads.has(workloadKey(namespace, kind, name))) throw new Inapplicable(`${kind} ${name} is there`);
  needNamespace(place, namespace);
  place.in.api.putWorkload({
    ...{ kind, uid: place.truth.newUid("workload"), namespace, name, replicas, labels: { app: name } },
    ...{ revision: 1, graceSeconds: 30, hasGate: true },
  });
}

function workloadOf({ in: cluster }: Place, kind: WorkloadKind, text: string): WorkloadObject {
  const { namespace, name } = named(text);
  const found = findWorkload(cluster, namespace, name, kind);
  if (found === undefined) throw new Inapplicable(`There is no ${kind} ${text}`);
  return found;
}

function kindOf(place: Place, text: string): WorkloadKind {
  const { namespace, name } = named(text);
  return findWorkload(place.in, namespace, name, "Deployment") === undefined ? "StatefulSet" : "Deployment";
}

function change(place: Place, kind: WorkloadKind, text: string, changes: Partial<WorkloadObject>): void {
  place.in.api.putWorkload({ ...workloadOf(place, kind, text), ...changes });
}
