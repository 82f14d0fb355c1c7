// Steps about namespaces, Secrets and workloads on the real control plane.

import { application } from "../../world/manifests.ts";
import { defaultDatabase } from "../../simulation/names.ts";
import type { Deeds } from "./deeds.ts";
import { preferOldPods } from "./deedsOfPods.ts";
import { workloadPath } from "./objects.ts";
import { neverMs } from "./podEnds.ts";
import type { Stage } from "./stage.ts";

/** From bound to running: a site does not start before the operator had time to write its row. */
const startMs = "2000";

type Kinds =
  | `namespace${"Made" | "Deleted"}`
  | `secret${"Made" | "Deleted"}`
  | `deployment${"Made" | "Scaled" | "RolledOut" | "Deleted" | "Selects"}`
  | `set${"Made" | "Scaled" | "Deleted"}`
  | `pods${"Grace" | "WithoutGate"}`;

export const deedsOfWorkloads: Deeds<Kinds> = {
  namespaceMade: async (stage, { name }) => await makeNamespace(stage, name),
  namespaceDeleted: async (stage, { name }) =>
    void (await stage.api.json({ method: "DELETE", path: `/api/v1/namespaces/${stage.namespace(name)}` })),
  secretMade: async (stage, { secret, database }) => await stage.putSecret(stage.at(secret), database),
  secretDeleted: async (stage, { secret }) => {
    const { namespace, name } = stage.at(secret);
    await stage.api.json({ method: "DELETE", path: `/api/v1/namespaces/${namespace}/secrets/${name}` });
  },

  deploymentMade: async (stage, { name, count }) => await make(stage, { kind: "Deployment", text: name, replicas: count }),
  deploymentScaled: async (stage, { name, count }) => {
    const at = stage.at(name);
    await preferOldPods(stage, at.namespace, at.name);
    await stage.patch(workloadPath("Deployment", at), { spec: { replicas: count } });
  },
  deploymentRolledOut: async (stage, { name }) => {
    const annotations = { "scenario/rollout": String(stage.count(`rollout of ${name}`)) };
    await stage.patch(workloadPath("Deployment", stage.at(name)), { spec: { template: { metadata: { annotations } } } });
  },
  deploymentDeleted: async (stage, { name }) => await remove(stage, "Deployment", name),
  // A selector cannot be changed: the Deployment is made anew, and its old pods go.
  deploymentSelects: async (stage, { name, label }) => {
    const { spec } = (await stage.api.json({ method: "GET", path: workloadPath("Deployment", stage.at(name)) })) as {
      spec: { replicas: number };
    };
    await remove(stage, "Deployment", name);
    await make(stage, { kind: "Deployment", text: name, replicas: spec.replicas, label });
  },
  setMade: async (stage, { name, count }) => await make(stage, { kind: "StatefulSet", text: name, replicas: count }),
  setScaled: async (stage, { name, count }) =>
    await stage.patch(workloadPath("StatefulSet", stage.at(name)), { spec: { replicas: count } }),
  setDeleted: async (stage, { name }) => await remove(stage, "StatefulSet", name),

  podsGrace: async () => await foreseen(),
  podsWithoutGate: async () => await foreseen(),
};

/** Done when the workload was made (foresight.ts). */
const foreseen = (): Promise<void> => Promise.resolve();

interface Workload {
  readonly kind: "Deployment" | "StatefulSet";
  readonly text: string;
  readonly replicas: number;
  readonly label?: string;
}

async function make(stage: Stage, { kind, text, replicas, label }: Workload): Promise<void> {
  const at = stage.at(text);
  const { graceSeconds, withoutGate } = stage.foresight;
  const made = application({
    ...{
      ...at,
      kind,
      replicas,
      annotations: { "kubelet.test/start-ms": startMs, "kubelet.test/stop-ms": neverMs },
      graceSeconds: graceSeconds.get(text) ?? 30,
    },
    gate: withoutGate.has(text) ? "without" : "with",
  }) as Manifest;
  const body = label === undefined ? made : selecting(made, label);
  await stage.api.json({ method: "POST", path: workloadPath(kind, { ...at, name: "" }), body });
}

interface Manifest {
  readonly spec: { readonly template: { readonly metadata: object } };
}

function selecting(made: Manifest, label: string): object {
  const labels = { app: label };
  const template = { ...made.spec.template, metadata: { ...made.spec.template.metadata, labels } };
  return { ...made, spec: { ...made.spec, selector: { matchLabels: labels }, template } };
}

async function remove(stage: Stage, kind: "Deployment" | "StatefulSet", text: string): Promise<void> {
  const path = workloadPath(kind, stage.at(text));
  await stage.api.json({ method: "DELETE", path, body: { propagationPolicy: "Background" } });
  await stage.until(`${kind} ${text} is gone`, async () => await isAbsent(stage, path));
}

/** Nothing to do where it is there already; one that is being deleted is waited for. */
async function makeNamespace(stage: Stage, name: string): Promise<void> {
  const real = stage.namespace(name);
  const path = `/api/v1/namespaces/${real}`;
  if (!(await isAbsent(stage, path))) {
    const { metadata } = (await stage.api.json({ method: "GET", path })) as { metadata: { deletionTimestamp?: string } };
    if (metadata.deletionTimestamp === undefined) return;
    await stage.until(`namespace ${name} is gone`, async () => await isAbsent(stage, path), { timeoutMs: 120_000 });
  }
  await stage.api.json({ method: "POST", path: "/api/v1/namespaces", body: { metadata: { name: real } } });
  await stage.putSecret({ namespace: real, name: "kentico" }, defaultDatabase);
  await stage.until("its ServiceAccount is there", async () => !(await isAbsent(stage, `${path}/serviceaccounts/default`)));
}

export async function isAbsent(stage: Stage, path: string): Promise<boolean> {
  return await stage.api.json({ method: "GET", path }).then(
    () => false,
    (error: unknown) => {
      if (String(error).includes(": 404 ")) return true;
      throw error;
    },
  );
}
