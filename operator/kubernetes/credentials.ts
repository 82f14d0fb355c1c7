// Where the API server is and how to speak to it, from KUBECONFIG, ~/.kube/config or the pod's service account, as client-node reads
// them. The only importer of @kubernetes/client-node. It never logs what it reads.
import { createHash } from "node:crypto";
import type { RequestOptions } from "node:https";
import type { ConnectionOptions } from "node:tls";
import { KubeConfig } from "@kubernetes/client-node";

export interface Credentials {
  /** `https://host:port`, without a path. */
  readonly origin: string;
  /** Path in front of every request (a cluster behind a proxy such as Rancher's), without a slash at its end. */
  readonly prefix: string;
  readonly proxy?: string;
  readonly tls: ConnectionOptions;
  /** Changes with address, proxy, CA, client certificate and key: connections made before must not be used any more. */
  readonly connectionDigest: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface KubeConfigSource {
  /** Namespace of the current context; in a pod the pod's. */
  readonly namespace: string | undefined;
  /** As they are now: files are read again, exec plugins asked when their token ended. Rejects when they cannot be read. */
  current(): Promise<Credentials>;
  /** Forgets what was kept, because the server refused it. */
  reload(): void;
}

/** By client-node's rules: KUBECONFIG, else ~/.kube/config, else the service account of the pod. Throws when a file cannot be read. */
export function loadKubeConfig(load: () => KubeConfig = loadDefault): KubeConfigSource {
  let config = load();
  const context = config.getContextObject(config.getCurrentContext());
  let isStale = false;
  return {
    namespace: context?.namespace,
    current: async () => {
      if (isStale) {
        config = load();
        isStale = false;
      }
      return credentialsOf(config);
    },
    reload: () => {
      isStale = true;
    },
  };
}

/** From the text of a kubeconfig; for tests. */
export function kubeConfigFromText(text: string): KubeConfigSource {
  return loadKubeConfig(() => {
    const config = new KubeConfig();
    config.loadFromString(text);
    return config;
  });
}

function loadDefault(): KubeConfig {
  const config = new KubeConfig();
  config.loadFromDefault();
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw new Error("its current context names no cluster");
  // What client-node makes up when it finds nothing: an API server that no cluster has had for years.
  if (cluster.server === "http://localhost:8080" && config.getCurrentContext() === "loaded-context")
    throw new Error("there is none: set KUBECONFIG, or run in a pod with a service account token");
  return config;
}

async function credentialsOf(config: KubeConfig): Promise<Credentials> {
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw new Error("Cannot find the API server: the kubeconfig's current context names no cluster");
  const options: RequestOptions = {};
  await config.applyToHTTPSOptions(options);
  const address = new URL(cluster.server);
  const tls = tlsOf(options);
  const proxy = proxyOf(cluster.proxyUrl);
  return {
    origin: address.origin,
    prefix: address.pathname.replace(/\/+$/, ""),
    ...(proxy === undefined ? {} : { proxy }),
    tls,
    connectionDigest: digestOf([address.origin, proxy ?? "", ...tlsKeys.map((key) => tls[key])]),
    headers: headersOf(options),
  };
}

const tlsKeys = ["ca", "cert", "key", "pfx", "passphrase", "servername", "rejectUnauthorized"] as const;

function tlsOf(options: RequestOptions): ConnectionOptions {
  return Object.fromEntries(tlsKeys.flatMap((key) => (options[key] === undefined ? [] : [[key, options[key]]])));
}

function headersOf(options: RequestOptions): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    // A token file that ends in a newline would make a header that no server takes.
    if (typeof value === "string") headers[name.toLowerCase()] = value.trim();
  }
  if (typeof options.auth === "string" && headers["authorization"] === undefined)
    headers["authorization"] = `Basic ${Buffer.from(options.auth).toString("base64")}`;
  return headers;
}

function proxyOf(url: string | undefined): string | undefined {
  if (url === undefined || url === "") return undefined;
  if (!/^https?:\/\//.test(url)) throw new Error("Cannot use the kubeconfig's proxy-url: only http and https proxies are supported");
  return url;
}

function digestOf(parts: readonly unknown[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(Buffer.isBuffer(part) ? part : `${JSON.stringify(part)}\n`);
  return hash.digest("hex");
}
