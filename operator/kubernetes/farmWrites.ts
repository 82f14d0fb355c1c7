// The operator's writes to a WebFarm: its status and its one finalizer, each conditional on the version that was observed. A lost race
// is an answer, not an error. It never writes a spec.
import type { WebFarm } from "../farm/model.ts";
import type { WebFarmStatus } from "../farm/resource.generated.ts";
import { ApiError, isNotFound } from "./apiError.ts";
import { fieldManager, type KubernetesApi, patchTypes } from "./client.ts";
import { decodeFarm } from "./decodeFarm.ts";
import { farmPath } from "./farms.ts";
import { mergePatch } from "./mergePatch.ts";

export const finalizer = "webfarm.dev/servers";

export type FarmWrite =
  | { readonly kind: "written"; readonly farm: WebFarm }
  | { readonly kind: "unchanged" }
  /** Somebody wrote since it was observed: observe again. */
  | { readonly kind: "conflict" }
  | { readonly kind: "gone" };

/** Fields that the new status leaves out are removed. Nothing is sent when nothing differs. */
export async function patchStatus(api: KubernetesApi, farm: WebFarm, status: WebFarmStatus, signal?: AbortSignal): Promise<FarmWrite> {
  const patch = mergePatch(farm.status, status);
  return patch === undefined ? { kind: "unchanged" } : write(api, farm, { path: "/status", body: { status: patch }, signal });
}

export async function addFinalizer(api: KubernetesApi, farm: WebFarm, signal?: AbortSignal): Promise<FarmWrite> {
  if (farm.finalizers.includes(finalizer)) return { kind: "unchanged" };
  return write(api, farm, { path: "", body: { metadata: { finalizers: [...farm.finalizers, finalizer] } }, signal });
}

export async function removeFinalizer(api: KubernetesApi, farm: WebFarm, signal?: AbortSignal): Promise<FarmWrite> {
  if (!farm.finalizers.includes(finalizer)) return { kind: "unchanged" };
  const left = farm.finalizers.filter((it) => it !== finalizer);
  return write(api, farm, { path: "", body: { metadata: { finalizers: left } }, signal });
}

/** Uncached. Undefined only when the API server says that it has no such WebFarm. */
export async function liveFarm(
  api: KubernetesApi,
  { namespace, name, signal }: { readonly namespace: string; readonly name: string; readonly signal?: AbortSignal | undefined },
): Promise<WebFarm | undefined> {
  try {
    return decodeFarm(await api.request({ method: "GET", path: farmPath(namespace, name), signal }));
  } catch (error) {
    if (isNotFound(error, { resource: "webfarms", name })) return undefined;
    throw error;
  }
}

interface Patch {
  readonly path: "" | "/status";
  readonly body: Readonly<Record<string, unknown>>;
  readonly signal: AbortSignal | undefined;
}

async function write(api: KubernetesApi, farm: WebFarm, { path, body, signal }: Patch): Promise<FarmWrite> {
  const metadata = { ...(body["metadata"] as object | undefined), uid: farm.uid, resourceVersion: farm.resourceVersion };
  try {
    const answer = await api.request({
      method: "PATCH",
      path: farmPath(farm.namespace, farm.name) + path,
      query: { fieldManager },
      contentType: patchTypes.merge,
      body: { ...body, metadata },
      signal,
    });
    return { kind: "written", farm: decodeFarm(answer) };
  } catch (error) {
    if (isNotFound(error, { resource: "webfarms", name: farm.name })) return { kind: "gone" };
    if (error instanceof ApiError && error.code === 409) return { kind: "conflict" };
    throw error;
  }
}
