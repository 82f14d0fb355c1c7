// The chart as people use it: what it renders, what a real API server makes of that, which rights it gives, and which values it refuses.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { parse, parseAllDocuments } from "yaml";
import { parseConfig } from "../../operator/config.ts";
import { type CrdCluster, served, startApiServer } from "../crds/crdCluster.ts";

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

interface EnvVar {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: unknown;
}

interface Selector {
  readonly matchLabels: Readonly<Record<string, string>>;
}

interface PodTemplate {
  readonly metadata: { readonly labels: Readonly<Record<string, string>> };
  readonly spec: {
    readonly serviceAccountName: string;
    readonly topologySpreadConstraints: readonly {
      readonly topologyKey: string;
      readonly whenUnsatisfiable: string;
      readonly labelSelector: Selector;
    }[];
    readonly containers: readonly { readonly image: string; readonly env: readonly EnvVar[] }[];
  };
}

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly annotations?: Readonly<Record<string, string>> };
  readonly rules?: readonly Rule[];
  readonly spec?: {
    readonly replicas?: number;
    readonly strategy?: { readonly type: string; readonly rollingUpdate?: object };
    readonly selector?: Selector;
    readonly maxUnavailable?: number;
    readonly template?: PodTemplate;
  };
}

const root = join(import.meta.dirname, "../..");
const chart = join(root, "charts/webfarm-operator");

// Each kubectl takes 50 ms alone and far longer beside other tests.
jest.setTimeout(300_000);

let cluster: CrdCluster;
let namespace: string;
let watched: string;

beforeAll(async () => {
  cluster = await startApiServer();
  [namespace, watched] = [await cluster.namespace(), await cluster.namespace()];
});
afterAll(() => cluster.stop());

/** Values are given as JSON, which Helm takes as a values file. */
function render(values: object, options: readonly string[] = []): Promise<string> {
  const args = ["template", "shop", chart, "--namespace", namespace, "--values", "-", ...options];
  return cluster.helm(args, { input: JSON.stringify(values) });
}

async function manifests(values: object, options: readonly string[] = []): Promise<readonly Manifest[]> {
  const documents = parseAllDocuments(await render(values, options));
  return documents.map((document) => document.toJS() as Manifest | null).filter((manifest) => manifest !== null);
}

function only(all: readonly Manifest[], kind: string): Manifest {
  const [found, second] = all.filter((manifest) => manifest.kind === kind);
  if (found === undefined || second !== undefined) throw new Error(`Cannot find exactly one ${kind}`);
  return found;
}

function podTemplate(all: readonly Manifest[]): PodTemplate {
  const template = only(all, "Deployment").spec?.template;
  if (template === undefined) throw new Error("The Deployment has no pod template");
  return template;
}

test("Helm's linter has nothing to say against it", async () => {
  expect(await cluster.helm(["lint", "--strict", chart])).toContain("0 chart(s) failed");
});

describe("A real API server accepts", () => {
  const everything = () => ({
    replicas: 3,
    podDisruptionBudget: { enabled: true },
    topologySpreadConstraints: [{ topologyKey: "rack", maxSkew: 1, whenUnsatisfiable: "DoNotSchedule" }],
    watchNamespaces: [watched],
    image: { digest: `sha256:${"0".repeat(64)}` },
    imagePullSecrets: [{ name: "registry" }],
    serviceAccount: { name: "own", annotations: { "example.com/a": "b" } },
    extraScaleKinds: [{ group: "argoproj.io", plural: "rollouts" }],
    serviceAccountTokens: ["shop"],
    config: {
      logLevel: "debug",
      resyncSeconds: 5,
      workers: 64,
      allowedDatabaseHosts: ["*.example.internal", "10.0.0.1"],
      azureAuthorityHost: "https://login.microsoftonline.us",
      readOnly: true,
    },
    metrics: { service: { port: 9090, annotations: { a: "b" } } },
    networkPolicy: { enabled: true, databasePorts: [{ port: 1433 }, { port: 11000, endPort: 11999 }, { port: 1434, protocol: "UDP" }] },
    podAnnotations: { a: "b" },
    podLabels: { a: "b" },
    nodeSelector: { "kubernetes.io/os": "linux" },
    tolerations: [{ key: "a", operator: "Exists" }],
    affinity: { nodeAffinity: {} },
    priorityClassName: "system-cluster-critical",
  });

  test.each([
    ["the defaults", () => ({})],
    ["everything set", everything],
    ["everything switched off", () => ({ crds: { enabled: false }, rbac: { create: false }, metrics: { service: { enabled: false } } })],
    ["a single replica", () => ({ replicas: 1 })],
  ])("what comes of %s", async (_what, values) => {
    const input = await render(values());
    const args = ["apply", "--server-side", "--force-conflicts", "--field-manager", "chart-test", "--dry-run=server", "--validate=strict"];
    const answer = await cluster.kubectl([...args, "-f", "-"], { input });
    expect(answer.trim().split("\n")).toHaveLength((await manifests(values())).length);
  });

  test("its pod in a namespace that enforces the restricted standard", async () => {
    const restricted = await cluster.namespace();
    await cluster.kubectl(["label", "namespace", restricted, "pod-security.kubernetes.io/enforce=restricted"]);
    const { spec } = podTemplate(await manifests({}));
    const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "operator" }, spec: { ...spec, serviceAccountName: "default" } };
    const answer = cluster.kubectl(["--namespace", restricted, "create", "--dry-run=server", "-f", "-"], { input: JSON.stringify(pod) });
    await expect(answer).resolves.toContain("pod/operator created");
  });
});

describe("Its rights", () => {
  const core: readonly Rule[] = [
    { apiGroups: ["webfarm.dev"], resources: ["webfarms"], verbs: ["get", "list", "watch", "patch"] },
    { apiGroups: ["webfarm.dev"], resources: ["webfarms/status", "webfarms/finalizers"], verbs: ["patch"] },
    { apiGroups: [""], resources: ["pods"], verbs: ["get", "list", "watch"] },
  ];
  const gate: Rule = { apiGroups: [""], resources: ["pods/status"], verbs: ["patch"] };
  const workloads: Rule = { apiGroups: ["apps"], resources: ["deployments", "statefulsets", "replicasets", "daemonsets"], verbs: ["get"] };
  const rest: readonly Rule[] = [
    { apiGroups: [""], resources: ["secrets"], verbs: ["get"] },
    { apiGroups: [""], resources: ["configmaps"], verbs: ["get"] },
    { apiGroups: [""], resources: ["namespaces"], verbs: ["get"] },
    { apiGroups: ["events.k8s.io"], resources: ["events"], verbs: ["create", "patch"] },
  ];
  const leases: Rule = {
    apiGroups: ["coordination.k8s.io"],
    resources: ["leases"],
    verbs: ["get", "list", "watch", "create", "update"],
  };

  test("are these and no others, in all namespaces, and Leases in its own", async () => {
    const all = await manifests({});
    expect(only(all, "ClusterRole").rules).toEqual([...core, gate, workloads, ...rest]);
    expect(only(all, "Role").rules).toEqual([leases]);
    expect(only(all, "Role").metadata.namespace).toBe(namespace);
  });

  test("reach only the watched namespaces when there are some", async () => {
    const all = await manifests({ watchNamespaces: ["eu", "us"] });
    expect(all.filter(({ kind }) => kind.startsWith("ClusterRole"))).toEqual([]);
    const roles = all.filter(({ kind }) => kind === "Role").map(({ metadata, rules }) => ({ namespace: metadata.namespace, rules }));
    expect(roles).toEqual(
      expect.arrayContaining([
        { namespace: "eu", rules: [...core, gate, workloads, ...rest] },
        { namespace: "us", rules: [...core, gate, workloads, ...rest] },
        { namespace, rules: [leases] },
      ]),
    );
    expect(roles).toHaveLength(3);
  });

  test("leave pods alone without the readiness gate", async () => {
    const all = await manifests({ readinessGate: { enabled: false } });
    expect(only(all, "ClusterRole").rules).toEqual([...core, workloads, ...rest]);
  });

  test("grow by the kinds and the ServiceAccounts that are named", async () => {
    const all = await manifests({ extraScaleKinds: [{ group: "argoproj.io", plural: "rollouts" }], serviceAccountTokens: ["shop", "cms"] });
    const scale: Rule = { apiGroups: ["argoproj.io"], resources: ["rollouts/scale"], verbs: ["get"] };
    const accounts: Rule = { apiGroups: [""], resources: ["serviceaccounts"], resourceNames: ["shop", "cms"], verbs: ["get"] };
    const tokens: Rule = { apiGroups: [""], resources: ["serviceaccounts/token"], resourceNames: ["shop", "cms"], verbs: ["create"] };
    expect(only(all, "ClusterRole").rules).toEqual([...core, gate, workloads, scale, ...rest, accounts, tokens]);
  });

  test("are nobody's with rbac.create false", async () => {
    const kinds = (await manifests({ rbac: { create: false } })).map(({ kind }) => kind);
    expect(kinds).toEqual(expect.arrayContaining(["Deployment", "ServiceAccount"]));
    expect(kinds.filter((kind) => kind.includes("Role"))).toEqual([]);
  });
});

describe("The Deployment", () => {
  test("has a standby, and a rollout never has fewer pods than that", async () => {
    const { spec } = only(await manifests({}), "Deployment");
    expect(spec?.replicas).toBe(2);
    expect(spec?.strategy).toEqual({ type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } });
  });

  test("spreads its own pods over nodes and zones without insisting on it, or as it is told", async () => {
    const { metadata, spec } = podTemplate(await manifests({ podLabels: { a: "b" } }));
    expect(spec.topologySpreadConstraints.map(({ topologyKey }) => topologyKey)).toEqual([
      "kubernetes.io/hostname",
      "topology.kubernetes.io/zone",
    ]);
    for (const { whenUnsatisfiable, labelSelector } of spec.topologySpreadConstraints) {
      expect(whenUnsatisfiable).toBe("ScheduleAnyway");
      expect(metadata.labels).toMatchObject(labelSelector.matchLabels);
    }
    const own = [{ topologyKey: "rack", maxSkew: 1, whenUnsatisfiable: "DoNotSchedule" }];
    const told = podTemplate(await manifests({ topologySpreadConstraints: own }));
    expect(told.spec.topologySpreadConstraints).toEqual(own);
  });

  test("has an environment that the operator understands", async () => {
    const config = {
      logLevel: "warn",
      resyncSeconds: 3600,
      workers: 2,
      allowedDatabaseHosts: ["*.example.internal", "::1"],
      readOnly: true,
      azureAuthorityHost: "https://login.microsoftonline.us/",
    };
    const env = podTemplate(await manifests({ config, watchNamespaces: ["eu", "us"] })).spec.containers[0]?.env ?? [];
    const parsed = parseConfig(Object.fromEntries(env.map(({ name, value }) => [name, value ?? "given-by-kubernetes"])));
    expect(parsed).toEqual({
      ok: true,
      config: expect.objectContaining({
        namespaces: ["eu", "us"],
        leaseNamespace: "given-by-kubernetes",
        identity: "given-by-kubernetes",
        httpAddress: { host: undefined, port: 8080 },
        ...config,
      }),
    });
  });

  test.each([
    [{}, "webfarm-operator:0.1.0"],
    [{ repository: "mirror/webfarm-operator", tag: "1.2.3" }, "mirror/webfarm-operator:1.2.3"],
    [{ tag: "1.2.3", digest: `sha256:${"a".repeat(64)}` }, `webfarm-operator@sha256:${"a".repeat(64)}`],
  ])("runs the image %j", async (image, expected) => {
    expect(podTemplate(await manifests({ image })).spec.containers[0]?.image).toBe(expected);
  });
});

describe("A PodDisruptionBudget", () => {
  const budgets = async (values: object): Promise<readonly Manifest[]> =>
    (await manifests(values)).filter(({ kind }) => kind === "PodDisruptionBudget");

  test("lets a drain take one of the operator's pods at a time", async () => {
    const all = await manifests({});
    const { spec } = only(all, "PodDisruptionBudget");
    expect(spec?.maxUnavailable).toBe(1);
    expect(spec?.selector).toEqual(only(all, "Deployment").spec?.selector);
  });

  test("is not made where it would forbid every drain, or nobody wants it", async () => {
    expect(await budgets({ replicas: 1 })).toEqual([]);
    expect(await budgets({ podDisruptionBudget: { enabled: false } })).toEqual([]);
  });
});

describe("The CRD", () => {
  const rendered = async (values: object): Promise<Manifest | undefined> =>
    (await manifests(values)).find(({ kind }) => kind === "CustomResourceDefinition");

  test("is the repository's own, and outlives the release", async () => {
    const source = parse(await readFile(join(root, "crds/webfarm.dev_webfarms.yaml"), "utf8")) as Manifest;
    const kept = { ...source, metadata: { ...source.metadata, annotations: { "helm.sh/resource-policy": "keep" } } };
    expect(await rendered({})).toEqual(kept);
    expect(await rendered({ crds: { keep: false } })).toEqual(source);
  });

  test("is left out where somebody else installs it", async () => {
    expect(await rendered({ crds: { enabled: false } })).toBeUndefined();
  });
});

describe("A ServiceMonitor", () => {
  const wanted = { metrics: { serviceMonitor: { enabled: true, labels: { release: "prometheus" } } } };
  const kinds = async (options: readonly string[]): Promise<readonly string[]> =>
    (await manifests(wanted, options)).map(({ kind }) => kind);

  test("is made where the cluster knows the kind, and nowhere else", async () => {
    expect(await kinds([])).not.toContain("ServiceMonitor");
    expect(await kinds(["--api-versions", "monitoring.coreos.com/v1/ServiceMonitor"])).toContain("ServiceMonitor");
  });
});

test("Installed, upgraded and uninstalled it leaves the CRD and the WebFarms where they were", async () => {
  const release = ["shop", chart, "--namespace", namespace];
  expect(await cluster.helm(["install", ...release])).toMatch(/WebFarms in all namespaces[^]*One of its 2 pods leads/);
  await cluster.kubectl(["wait", "--for=condition=Established", "crd/webfarms.webfarm.dev", "--timeout=180s"]);
  await served(cluster);
  await cluster.kubectl(["--namespace", namespace, "create", "-f", join(root, "crds/examples/minimal.yaml")]);
  expect(await cluster.helm(["upgrade", ...release, "--set", "config.readOnly=true,replicas=1"])).toMatch(
    /a single pod[^]*It is read-only/,
  );
  await cluster.helm(["uninstall", "shop", "--namespace", namespace]);
  expect(await cluster.kubectl(["--namespace", namespace, "get", "wf", "shop", "-o", "name"])).toBe("webfarm.webfarm.dev/shop\n");
  expect(
    await cluster.kubectl(["--namespace", namespace, "get", "deployments,serviceaccounts,roles,poddisruptionbudgets", "-o", "name"]),
  ).toBe("");
  expect(await cluster.helm(["install", ...release])).toContain("STATUS: deployed");
});

describe("Values are refused", () => {
  test.each([
    ["unknown ones", { replica: 2 }, "additional properties 'replica' not allowed"],
    ["fewer processes than none", { replicas: -1 }, "/replicas"],
    ["unknown ones inside", { config: { logLevel: "info", retries: 3 } }, "additional properties 'retries' not allowed"],
    ["a log level that there is not", { config: { logLevel: "trace" } }, "/config/logLevel"],
    ["no pause between reads", { config: { resyncSeconds: 0 } }, "/config/resyncSeconds"],
    ["no workers", { config: { workers: 0 } }, "/config/workers"],
    ["a text for a truth", { config: { readOnly: "yes" } }, "/config/readOnly"],
    ["a host with a port", { config: { allowedDatabaseHosts: ["sql,1433"] } }, "/config/allowedDatabaseHosts/0"],
    ["a Microsoft Entra without TLS", { config: { azureAuthorityHost: "http://login.example.com" } }, "/config/azureAuthorityHost"],
    ["a namespace that cannot be", { watchNamespaces: ["EU"] }, "/watchNamespaces/0"],
    ["the right to every kind", { extraScaleKinds: [{ group: "*", plural: "*" }] }, "/extraScaleKinds/0"],
    ["tokens of every ServiceAccount", { serviceAccountTokens: ["*"] }, "/serviceAccountTokens/0"],
    [
      "tokens of the operator's own ServiceAccount",
      { serviceAccount: { name: "own" }, serviceAccountTokens: ["shop", "own"] },
      "no WebFarm may log in as the operator",
    ],
    ["a digest that is none", { image: { digest: "latest" } }, "/image/digest"],
    [
      "no ServiceAccount at all",
      { serviceAccount: { create: false } },
      "serviceAccount.name is required when serviceAccount.create is false",
    ],
  ])("%s", async (_what, values, message) => {
    await expect(render(values)).rejects.toThrow(message);
  });
});

test("The bounds of the values are those of the operator", async () => {
  const schema = JSON.parse(await readFile(join(chart, "values.schema.json"), "utf8")) as {
    properties: { config: { properties: Record<"resyncSeconds" | "workers", { minimum: number; maximum: number }> } };
  };
  const names = { resyncSeconds: "WEBFARM_RESYNC_SECONDS", workers: "WEBFARM_WORKERS" } as const;
  for (const [key, name] of Object.entries(names)) {
    const { minimum, maximum } = schema.properties.config.properties[key as keyof typeof names];
    const answers = [minimum - 1, minimum, maximum, maximum + 1].map((value) => parseConfig({ [name]: String(value) }).ok);
    expect({ key, answers }).toEqual({ key, answers: [false, true, true, false] });
  }
});
