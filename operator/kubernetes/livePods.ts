// Reads of pods that no cache answers: the API server asks its store. Only here can a pod be found gone, and an error never finds it so.
import type { Pod } from "../farm/model.ts";
import { ApiError, isNotFound } from "./apiError.ts";
import type { KubernetesApi } from "./client.ts";
import { decodePod } from "./decodePod.ts";
import { type Page, parsePage } from "./watchEvent.ts";

const pageSize = 500;
const pageDeadlineMs = 30_000;
const attempts = 3;

/** Undefined only when the API server itself says that it has no such pod; everything else throws. */
export async function livePod(
  api: KubernetesApi,
  { namespace, name, signal }: { readonly namespace: string; readonly name: string; readonly signal?: AbortSignal | undefined },
): Promise<Pod | undefined> {
  try {
    return decodePod(await api.request({ method: "GET", path: podPath(namespace, name), signal }));
  } catch (error) {
    if (isNotFound(error, { resource: "pods", name })) return undefined;
    throw error;
  }
}

/** All pods of the namespace as they were at one moment after the call; all or an error. */
export async function livePods(
  api: KubernetesApi,
  { namespace, signal }: { readonly namespace: string; readonly signal?: AbortSignal | undefined },
): Promise<readonly Pod[]> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await listOnce(api, namespace, signal);
    } catch (error) {
      // The pages of one moment are kept for a few minutes only.
      const isExpired = error instanceof ApiError && error.code === 410;
      if (!isExpired || attempt === attempts) throw error;
    }
  }
}

async function listOnce(api: KubernetesApi, namespace: string, signal: AbortSignal | undefined): Promise<readonly Pod[]> {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`;
  const pods: Pod[] = [];
  let page: Page;
  let token: string | undefined;
  do {
    page = parsePage(
      await api.request({ method: "GET", path, query: { limit: pageSize, continue: token }, deadlineMs: pageDeadlineMs, signal }),
    );
    for (const raw of page.items) pods.push(decodePod(raw));
    token = page.next;
  } while (token !== undefined);
  return pods;
}

export function podPath(namespace: string, name: string): string {
  return `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}`;
}
