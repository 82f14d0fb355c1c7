// Single objects read by name when they are needed: Secrets and ConfigMaps. Nothing secret is cached or logged.
import { isNotFound } from "./apiError.ts";
import type { KubernetesApi } from "./client.ts";
import { recordOf, textsOf } from "./decode.ts";

export interface ObjectName {
  readonly namespace: string;
  readonly name: string;
  readonly signal?: AbortSignal | undefined;
}

export type Texts = Readonly<Record<string, string>>;

/** The values as UTF-8 text. Undefined only when the API server says that there is no such Secret. */
export async function readSecret(api: KubernetesApi, at: ObjectName): Promise<Texts | undefined> {
  const secret = await read(api, "secrets", at);
  if (secret === undefined) return undefined;
  return Object.fromEntries(
    Object.entries(textsOf(secret["data"])).map(([key, text]) => [key, Buffer.from(text, "base64").toString("utf8")]),
  );
}

/** `data` only; binaryData holds no PEM. Undefined only when the API server says that there is no such ConfigMap. */
export async function readConfigMap(api: KubernetesApi, at: ObjectName): Promise<Texts | undefined> {
  const map = await read(api, "configmaps", at);
  return map === undefined ? undefined : textsOf(map["data"]);
}

async function read(
  api: KubernetesApi,
  resource: "secrets" | "configmaps",
  { namespace, name, signal }: ObjectName,
): Promise<Readonly<Record<string, unknown>> | undefined> {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/${resource}/${encodeURIComponent(name)}`;
  try {
    return recordOf(await api.request({ method: "GET", path, signal }));
  } catch (error) {
    if (isNotFound(error, { resource, name })) return undefined;
    throw error;
  }
}
