// What only running can know to be wrong with a WebFarm (Secrets, workloads, server names): each becomes a condition that says what to do,
// takes nothing away, and ends by itself when a person corrects it. The operator is never restarted here.

import { afterAll, beforeAll, expect, it } from "@jest/globals";
import { createFarmWorld } from "../world/farmWorld.ts";
import type { FarmWorld } from "../world/farmWorld.ts";
import { application, secret, webFarm } from "../world/manifests.ts";
import type { SpecPart } from "../world/manifests.ts";
import { plantFarm } from "../world/plantedFarm.ts";
import { podPart } from "../world/wholeRow.ts";

const limitMs = 300_000;

let world: FarmWorld;
beforeAll(async () => {
  world = await createFarmWorld({ env: { WEBFARM_RESYNC_SECONDS: "5" } });
}, 240_000);
afterAll(() => world.close(), 180_000);

const login = async (): Promise<string> => world.database.connectionStringFor(await world.database.createLogin());
const inSecret = (name: string): SpecPart => ({ database: { connectionStringSecretRef: { name, key: "CMSConnectionString" } } });

it.concurrent(
  "names a Secret that is not there and then a key that is not in it, and registers the pods once both are",
  async () => {
    const farm = await plantFarm(world, { name: "waiting", spec: inSecret("for-waiting") });
    await farm.untilCondition("DatabaseReachable", /^False\/SecretNotFound .*connectionStringSecretRef.*for-waiting.*Create it/);
    await farm.untilCondition("Ready", /^False\/SecretNotFound /);
    await farm.untilCondition("Stalled", /^True\/SecretNotFound /);
    await farm.until("its pod waits for the gate, and is Pending", async () => {
      const [pod] = await farm.pods();
      const [state = ""] = Object.values(await farm.states());
      return pod?.waitsForGate === true && state === "Pending/DatabaseUnavailable";
    });
    await world.apply(secret(world.namespace, "for-waiting", { Other: "x" }));
    await farm.untilCondition("DatabaseReachable", /^False\/SecretKeyNotFound .*no key CMSConnectionString.*Its keys: Other/);
    await world.apply(secret(world.namespace, "for-waiting", { CMSConnectionString: await login() }));
    await farm.settled({ pods: 1, rows: 1, gate: "Registered" });
    await farm.untilCondition("Ready", /^True\//);
    await farm.untilCondition("Stalled", /^False\//);
  },
  limitMs,
);

it.concurrent(
  "goes on with the credentials in memory when the Secret is deleted, says so at the next reading, and removes nothing until it is back",
  async () => {
    const given = secret(world.namespace, "for-bereft", { CMSConnectionString: await login() });
    await world.apply(given);
    const farm = await plantFarm(world, { name: "bereft", replicas: 2, spec: inSecret("for-bereft") });
    await farm.settled({ pods: 2, rows: 2, gate: "Registered" });
    await farm.change({ readinessGate: { failOpenSeconds: 0 } }); // with a new generation the Secret is read, and after that in 60 s
    await farm.until("the Secret has just been read", async () => (await farm.status()).observedGeneration === 2);
    await world.kubectl("delete", "secret", "for-bereft");
    await farm.scale(3);
    await farm.settled({ pods: 3, rows: 3, gate: "Registered" });
    await farm.nudge(); // the Secret is read again at once
    await farm.untilCondition("DatabaseReachable", /^False\/SecretNotFound /);
    const before = await farm.rows();
    await farm.scale(1);
    await farm.until("two of the pods have gone", async () => (await farm.pods()).length === 1);
    await farm.until("the farm has seen it", async () => (await farm.status()).desired === 1);
    expect(await farm.rows()).toEqual(before);
    await world.apply(given);
    await farm.settled({ pods: 1, rows: 1 });
    await farm.untilCondition("Ready", /^True\//);
  },
  limitMs,
);

it.concurrent(
  "names a workload that is not there, registers its pods once it is, and removes their rows although it has gone again",
  async () => {
    const farm = await plantFarm(world, { name: "early", parts: "farm" });
    await farm.untilCondition("WorkloadsResolved", /^False\/WorkloadNotFound Member live: there is no Deployment early .*Create it/);
    await farm.untilCondition("Ready", /^False\/WorkloadNotFound /);
    await plantFarm(world, { name: "early", replicas: 2, parts: "workload" });
    await farm.settled({ pods: 2, rows: 2, gate: "Registered" });
    await farm.untilCondition("Ready", /^True\//);
    await world.kubectl("delete", "deployment", "early");
    await farm.settled({ pods: 0, rows: 0 });
    await farm.untilCondition("WorkloadsResolved", /^False\/WorkloadNotFound /);
  },
  limitMs,
);

it.concurrent(
  "names a kind that the API server does not have, then one that cannot be scaled, and works when the reference is corrected",
  async () => {
    const referring = (apiVersion: string, kind: string): SpecPart => ({
      members: [{ name: "live", workloadRef: { apiVersion, kind, name: "referred" } }],
    });
    const farm = await plantFarm(world, { name: "referred", spec: referring("example.dev/v1", "Shop") });
    await farm.untilCondition("WorkloadsResolved", /^False\/KindNotFound .*no kind Shop in example\.dev\/v1\. Correct workloadRef/);
    await farm.change(referring("v1", "ConfigMap"));
    await farm.untilCondition("WorkloadsResolved", /^False\/KindNotScalable .*no scale subresource.*Use selector/);
    expect(await farm.rows()).toEqual([]);
    await farm.change(referring("apps/v1", "Deployment"));
    await farm.settled({ pods: 1, rows: 1, gate: "Registered" });
  },
  limitMs,
);

it.concurrent(
  "names the right that is missing for a kind of one's own, then its empty selector, and works when both are there",
  async () => {
    const group = `${world.namespace}.example.dev`;
    await world.cluster.kubectl(["apply", "-f", "-"], { input: JSON.stringify(rolloutKind(group)) });
    try {
      await world.cluster.kubectl(["wait", "--for=condition=Established", `crd/rollouts.${group}`, "--timeout=120s"]);
      const rollout = { apiVersion: `${group}/v1`, kind: "Rollout", metadata: { name: "own" }, spec: { replicas: 1 } };
      await world.apply(rollout);
      const members = [{ name: "live", workloadRef: { apiVersion: `${group}/v1`, kind: "Rollout", name: "own" } }];
      const farm = await plantFarm(world, { name: "own", kind: "ReplicaSet", spec: { members } });
      await farm.untilCondition("WorkloadsResolved", /^False\/Forbidden .*Rollout own .*extraScaleKinds.*rollouts\/scale/);
      expect(await farm.rows()).toEqual([]);
      await world.apply(...rightToScale(group, world.namespace));
      await farm.untilCondition("WorkloadsResolved", /^False\/EmptySelector Member live: Rollout own .*every pod of the namespace/);
      expect(await farm.rows()).toEqual([]);
      await world.kubectl(
        ...["patch", `rollouts.${group}`, "own", "--subresource=status", "--type=merge"],
        ...["-p", JSON.stringify({ status: { replicas: 1, selector: "app=own" } })],
      );
      await farm.settled({ pods: 1, rows: 1, gate: "Registered" });
      await farm.untilCondition("Ready", /^True\//);
    } finally {
      await world.cluster.kubectl(["delete", "crd", `rollouts.${group}`, "--wait=false"]);
    }
  },
  limitMs,
);

/** As Argo's: scaled through its scale subresource, its selector in the status. */
const rolloutKind = (group: string): object => ({
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: `rollouts.${group}` },
  spec: {
    group,
    scope: "Namespaced",
    names: { kind: "Rollout", plural: "rollouts", singular: "rollout" },
    versions: [
      {
        ...{ name: "v1", served: true, storage: true },
        schema: { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } },
        subresources: {
          status: {},
          scale: { specReplicasPath: ".spec.replicas", statusReplicasPath: ".status.replicas", labelSelectorPath: ".status.selector" },
        },
      },
    ],
  },
});

const rightToScale = (group: string, namespace: string): readonly object[] => [
  {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "Role",
    metadata: { name: "rollouts", namespace },
    rules: [{ apiGroups: [group], resources: ["rollouts/scale"], verbs: ["get"] }],
  },
  {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "RoleBinding",
    metadata: { name: "rollouts", namespace },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "rollouts" },
    subjects: [{ kind: "ServiceAccount", name: "webfarm-operator", namespace: "webfarm-system" }],
  },
];

it.concurrent(
  "refuses a server name that breaks the rules, says which, and registers the pod when the WebFarm is made anew with another",
  async () => {
    const members = [
      { name: "live", serverName: "$(POD_NAME)-$(POD_ORDINAL)", workloadRef: { apiVersion: "apps/v1", kind: "Deployment", name: "odd" } },
    ];
    const farm = await plantFarm(world, { name: "odd", spec: { members } });
    await farm.untilCondition("OwnershipConflict", /^True\/InvalidName .*\$\(POD_ORDINAL\) has no value for pod odd-.*StatefulSet/);
    expect(Object.values(await farm.states())).toEqual(["Conflict/InvalidName"]);
    expect((await farm.pods())[0]?.gate).toBeUndefined();
    expect(await farm.rows()).toEqual([]);
    await world.kubectl("delete", "wf", "odd");
    await plantFarm(world, { name: "odd", parts: "farm" });
    await farm.settled({ pods: 1, rows: 1, gate: "Registered" });
    await farm.untilCondition("OwnershipConflict", /^False\//);
  },
  limitMs,
);

it.concurrent(
  "gives a server name that two pods want to the older one, tells the other, and hands it over when the first has ended",
  async () => {
    const members = [
      { name: "live", serverName: "only-$(POD_NAMESPACE)", workloadRef: { apiVersion: "apps/v1", kind: "StatefulSet", name: "only" } },
    ];
    const farm = await plantFarm(world, { name: "only", kind: "StatefulSet", spec: { members } });
    await farm.settled({ pods: 1, rows: 1, gate: "Registered" });
    await farm.scale(2);
    await farm.untilCondition("OwnershipConflict", /^True\/NameOfAnotherPod .*Pod only-0 has this server name until it has ended/);
    await farm.until("its gate alone is shut", async () => (await farm.pods())[1]?.waitsForGate ?? false);
    expect(await farm.rows()).toHaveLength(1);
    await world.kubectl("patch", "statefulset", "only", "-p", JSON.stringify({ spec: { ordinals: { start: 1 }, replicas: 1 } }));
    await farm.settled({ pods: 1, rows: 1, gate: "Registered" });
    const [pod] = await farm.pods();
    const [row] = await farm.rows();
    expect(pod?.name).toBe("only-1");
    expect(row?.ServerGUID?.toLowerCase().endsWith(podPart(pod?.uid ?? ""))).toBe(true);
    await farm.untilCondition("OwnershipConflict", /^False\//);
  },
  limitMs,
);

it.concurrent(
  "leaves a pod that two WebFarms select to the older one; the younger reports it, and never takes the row that the older leaves",
  async () => {
    const older = await plantFarm(world, { name: "claimed" });
    await older.settled({ pods: 1, rows: 1, gate: "Registered" });
    const before = await older.rows();
    const members = [{ name: "live", workloadRef: { apiVersion: "apps/v1", kind: "Deployment", name: "claimed" } }];
    await world.until("a second has passed by the API server's clock", async () => {
      await world.kubectl("delete", "wf", "claimed-too", "--ignore-not-found");
      await world.apply(webFarm(world.namespace, "claimed-too", { members }));
      const times = (await world.kubectl("get", "wf", "claimed", "claimed-too", "-o", creationTimes)).split(" ");
      return times[0] !== times[1];
    });
    const conflict = async (): Promise<string | undefined> => (await world.status("claimed-too")).servers?.[0]?.reason;
    await world.until("the younger reports the pod", async () => (await conflict()) === "OtherWebFarm");
    expect((await world.status("claimed-too")).servers?.[0]?.message).toMatch(/WebFarm .*\/claimed selects this pod too/);
    expect(await older.rows()).toEqual(before);
    await world.kubectl("annotate", "wf", "claimed", "webfarm.dev/skip-cleanup=true");
    await world.kubectl("delete", "wf", "claimed");
    await world.until("the younger sees the older's row", async () => (await conflict()) === "ForeignRow");
    expect(await older.rows()).toEqual(before); // the row of another owner
  },
  limitMs,
);

const creationTimes = "jsonpath={.items[*].metadata.creationTimestamp}";

it(
  "keeps a farm without faults working beside all these",
  async () => {
    const farm = await plantFarm(world, { name: "beside" });
    await farm.settled({ pods: 1, rows: 1, gate: "Registered" });
    await world.apply(application({ name: "beside", namespace: world.namespace, replicas: 0, graceSeconds: 1 }));
    await farm.settled({ pods: 0, rows: 0 });
  },
  limitMs,
);
