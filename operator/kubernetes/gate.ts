// Opens the readiness gate of one pod. It never closes one, and never writes to another pod of the same name.
import type { Pod } from "../farm/model.ts";
import { ApiError, isNotFound } from "./apiError.ts";
import { fieldManager, type KubernetesApi, patchTypes } from "./client.ts";
import { gateCondition } from "./decodePod.ts";
import { livePod, podPath } from "./livePods.ts";

export interface GateOpening {
  readonly pod: Pod;
  /** Registered, Suspended, Observe, PolicyForbids, ReadOnly, Deleting or FailOpen. */
  readonly reason: string;
  readonly message: string;
  /** Wall clock. */
  readonly atMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** `gone`: there is no pod of that name and UID any more. Safe to repeat. */
export async function openGate(api: KubernetesApi, { pod, reason, message, atMs, signal }: GateOpening): Promise<"opened" | "gone"> {
  const condition = {
    type: gateCondition,
    status: "True",
    reason,
    message,
    lastTransitionTime: new Date(atMs).toISOString().slice(0, 19) + "Z",
  };
  try {
    await api.request({
      method: "PATCH",
      path: `${podPath(pod.namespace, pod.name)}/status`,
      query: { fieldManager },
      contentType: patchTypes.strategic,
      body: { metadata: { uid: pod.uid }, status: { conditions: [condition] } },
      signal,
    });
    return "opened";
  } catch (error) {
    if (isNotFound(error, { resource: "pods", name: pod.name })) return "gone";
    if (!(error instanceof ApiError) || (error.code !== 409 && error.code !== 422)) throw error;
    // Another UID is refused with 409 or 422, but so are other things: the pod itself tells.
    const now = await livePod(api, { namespace: pod.namespace, name: pod.name, signal });
    if (now?.uid === pod.uid) throw error;
    return "gone";
  }
}
