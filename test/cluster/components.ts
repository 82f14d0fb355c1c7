// The command lines of the control plane, and the files that they read. It starts nothing.
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Tool } from "./assets.ts";
import { dataOf } from "./storeCopy.ts";

export const controlPlane = [
  "etcd",
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "kwok",
] as const satisfies readonly Tool[];
export type Component = (typeof controlPlane)[number];

export interface Ports {
  readonly etcd: number;
  readonly etcdPeer: number;
  readonly apiserver: number;
}

export interface Layout {
  readonly directory: string;
  readonly url: string;
  readonly ports: Ports;
  /** Bearer tokens by user; each of them also has a kubeconfig of that name. */
  readonly tokens: Readonly<Record<User, string>>;
}

// Default bindings of RBAC give the two system users exactly what their component needs.
const users = {
  admin: "system:masters",
  kwok: "system:masters",
  "system:kube-controller-manager": "",
  "system:kube-scheduler": "",
} as const;
export type User = keyof typeof users;

export const caPath = (directory: string): string => join(directory, "pki", "apiserver.crt");
export const kubeconfigPath = (directory: string, user: User): string => join(directory, `${user.replace("system:", "")}.kubeconfig`);

/** Writes keys, tokens, kubeconfigs and configuration files. The API server makes its own certificate beside them. */
export function layOut(directory: string, ports: Ports): Layout {
  const pki = join(directory, "pki");
  mkdirSync(pki, { recursive: true });
  const keys = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  writeSecret(join(pki, "service-accounts.key"), keys.privateKey);
  writeSecret(join(pki, "service-accounts.pub"), keys.publicKey);

  const names = Object.keys(users) as readonly User[];
  const tokens = Object.fromEntries(names.map((user) => [user, randomBytes(24).toString("hex")])) as Record<User, string>;
  writeSecret(join(pki, "tokens.csv"), names.map((user) => `${tokens[user]},${user},${user},"${users[user]}"\n`).join(""));

  const url = `https://127.0.0.1:${ports.apiserver}`;
  for (const user of names) writeSecret(kubeconfigPath(directory, user), kubeconfig({ url, directory, token: tokens[user] }));
  writeFileSync(join(directory, "scheduler.yaml"), schedulerConfiguration(directory));
  writeFileSync(join(directory, "kwok.yaml"), kwokConfiguration());
  return { directory, url, ports, tokens };
}

export function kubeconfig(access: {
  readonly url: string;
  readonly directory: string;
  readonly token: string;
  readonly namespace?: string;
}): string {
  return JSON.stringify(
    {
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "test", cluster: { server: access.url, "certificate-authority": caPath(access.directory) } }],
      users: [{ name: "test", user: { token: access.token } }],
      contexts: [{ name: "test", context: { cluster: "test", user: "test", namespace: access.namespace ?? "default" } }],
      "current-context": "test",
    },
    undefined,
    2,
  );
}

/** Arguments of a component. Without the other controllers the API server cannot ask for ServiceAccounts. */
export function commandLine(component: Component, layout: Layout, controllers: "running" | "absent"): readonly string[] {
  switch (component) {
    case "etcd":
      return etcd(layout);
    case "kube-apiserver":
      return [...apiserver(layout), ...(controllers === "absent" ? ["--disable-admission-plugins=ServiceAccount"] : [])];
    case "kube-controller-manager":
      return controllerManager(layout);
    case "kube-scheduler":
      return [`--config=${join(layout.directory, "scheduler.yaml")}`, "--secure-port=0"];
    case "kwok":
      return [
        `--kubeconfig=${kubeconfigPath(layout.directory, "kwok")}`,
        `--config=${join(layout.directory, "kwok.yaml")}`,
        "--manage-all-nodes=false",
        "--manage-nodes-with-label-selector=kubelet.test/managed=true",
      ];
  }
}

function etcd({ directory, ports }: Layout): readonly string[] {
  const client = `http://127.0.0.1:${ports.etcd}`;
  const peer = `http://127.0.0.1:${ports.etcdPeer}`;
  return [
    `--data-dir=${dataOf(directory)}`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
    "--unsafe-no-fsync",
    "--log-level=warn",
  ];
}

function apiserver({ directory, ports }: Layout): readonly string[] {
  const pki = join(directory, "pki");
  return [
    `--etcd-servers=http://127.0.0.1:${ports.etcd}`,
    `--secure-port=${ports.apiserver}`,
    "--bind-address=127.0.0.1",
    // Else it looks for the address of a default route, which a sandbox need not have.
    "--advertise-address=127.0.0.1",
    "--endpoint-reconciler-type=none",
    `--cert-dir=${pki}`,
    `--token-auth-file=${join(pki, "tokens.csv")}`,
    "--authorization-mode=RBAC",
    "--allow-privileged=true",
    "--service-cluster-ip-range=10.0.0.0/24",
    "--service-account-issuer=https://kubernetes.default.svc",
    `--service-account-key-file=${join(pki, "service-accounts.pub")}`,
    `--service-account-signing-key-file=${join(pki, "service-accounts.key")}`,
    // One benchmark is more traffic than fair shares of one small server allow.
    "--enable-priority-and-fairness=false",
    "--max-requests-inflight=3000",
    "--max-mutating-requests-inflight=1500",
  ];
}

function controllerManager({ directory }: Layout): readonly string[] {
  return [
    `--kubeconfig=${kubeconfigPath(directory, "system:kube-controller-manager")}`,
    "--use-service-account-credentials=true",
    `--service-account-private-key-file=${join(directory, "pki", "service-accounts.key")}`,
    `--root-ca-file=${caPath(directory)}`,
    "--leader-elect=false",
    "--secure-port=0",
    "--kube-api-qps=2000",
    "--kube-api-burst=4000",
    "--concurrent-deployment-syncs=10",
    "--concurrent-replicaset-syncs=20",
    "--concurrent-statefulset-syncs=20",
    "--concurrent-gc-syncs=40",
  ];
}

function schedulerConfiguration(directory: string): string {
  return JSON.stringify({
    apiVersion: "kubescheduler.config.k8s.io/v1",
    kind: "KubeSchedulerConfiguration",
    leaderElection: { leaderElect: false },
    clientConnection: { kubeconfig: kubeconfigPath(directory, "system:kube-scheduler"), qps: 2000, burst: 4000 },
  });
}

function kwokConfiguration(): string {
  const options = {
    cidr: "10.244.0.1/16",
    podPlayStageParallelism: 32,
    nodePlayStageParallelism: 4,
    podsOnNodeSyncParallelism: 4,
    nodeLeaseDurationSeconds: 40,
    nodeLeaseParallelism: 4,
  };
  const stages = join(import.meta.dirname, "stages");
  const documents = readdirSync(stages)
    .filter((file) => file.endsWith(".yaml"))
    .map((file) => readFileSync(join(stages, file), "utf8"));
  return [JSON.stringify({ apiVersion: "config.kwok.x-k8s.io/v1alpha1", kind: "KwokConfiguration", options }), ...documents].join(
    "\n---\n",
  );
}

function writeSecret(path: string, text: string): void {
  writeFileSync(path, text, { mode: 0o600 });
}
