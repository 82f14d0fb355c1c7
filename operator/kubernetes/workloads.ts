// Reads the workload of a member: its selector, the pods it wants, whether it goes. Built-in kinds directly, all others by their scale
// subresource. Only a clean 404 of the object itself is `absent`; whatever else goes wrong is `unknown` with what to do.
import type { LabelSelector, WorkloadRead } from "../farm/model.ts";
import { isEmptySelector, parseSelector } from "../farm/selector.ts";
import { ApiError, isNotFound } from "./apiError.ts";
import type { KubernetesApi } from "./client.ts";
import { numberOf, type Raw, recordOf, textOf, textsOf, listOf } from "./decode.ts";

export interface WorkloadName {
  readonly namespace: string;
  readonly ref: { readonly apiVersion: string; readonly kind: string; readonly name: string };
  readonly signal?: AbortSignal | undefined;
}

export interface Workloads {
  /** Rejects only for an abort. */
  read(workload: WorkloadName): Promise<WorkloadRead>;
}

const builtIn: Readonly<Record<string, string>> = {
  Deployment: "deployments",
  StatefulSet: "statefulsets",
  ReplicaSet: "replicasets",
  DaemonSet: "daemonsets",
};

export function createWorkloads({ api }: { readonly api: KubernetesApi }): Workloads {
  const plurals = new Map<string, string>();
  return {
    read: async (workload) => {
      const { apiVersion, kind } = workload.ref;
      const plural = apiVersion === "apps/v1" && Object.hasOwn(builtIn, kind) ? builtIn[kind] : undefined;
      try {
        return plural === undefined ? await readScale(api, workload, plurals) : await readBuiltIn(api, workload, plural);
      } catch (error) {
        workload.signal?.throwIfAborted();
        return unknownFrom(error, workload);
      }
    },
  };
}

async function readBuiltIn(api: KubernetesApi, { namespace, ref, signal }: WorkloadName, plural: string): Promise<WorkloadRead> {
  let object: Raw;
  try {
    object = recordOf(
      await api.request({ method: "GET", path: `${pathOf(ref.apiVersion, namespace, plural)}/${encodeURIComponent(ref.name)}`, signal }),
    );
  } catch (error) {
    if (isNotFound(error, { resource: plural, name: ref.name })) return { kind: "absent" };
    throw error;
  }
  const spec = recordOf(object["spec"]);
  const selector = selectorOf(spec["selector"]);
  if (isEmptySelector(selector)) return emptySelector(ref);
  const wanted = ref.kind === "DaemonSet" ? recordOf(object["status"])["desiredNumberScheduled"] : spec["replicas"];
  const replicas = numberOf(wanted) ?? (ref.kind === "DaemonSet" ? undefined : 1);
  return {
    ...found(object, selector, replicas),
    ...(ref.kind === "StatefulSet"
      ? { ordinals: { start: numberOf(recordOf(spec["ordinals"])["start"]) ?? 0, count: replicas ?? 1 } }
      : {}),
  };
}

async function readScale(api: KubernetesApi, workload: WorkloadName, plurals: Map<string, string>): Promise<WorkloadRead> {
  const { namespace, ref, signal } = workload;
  const plural = await pluralOf(api, workload, plurals);
  if (typeof plural !== "string") return plural;
  let scale: Raw;
  try {
    scale = recordOf(
      await api.request({
        method: "GET",
        path: `${pathOf(ref.apiVersion, namespace, plural)}/${encodeURIComponent(ref.name)}/scale`,
        signal,
      }),
    );
  } catch (error) {
    if (isNotFound(error, { resource: plural, name: ref.name })) return { kind: "absent" };
    plurals.delete(kindKey(ref)); // The CRD may have been installed anew with another plural.
    throw error;
  }
  const text = textOf(recordOf(scale["status"])["selector"]) ?? "";
  const parsed = parseSelector(text);
  if (parsed.kind === "invalid")
    return { kind: "unknown", reason: "InvalidSelector", message: `The scale subresource of ${named(ref)}: ${parsed.message}.` };
  if (isEmptySelector(parsed.selector)) return emptySelector(ref);
  // autoscaling/v1 leaves a zero out.
  return found(scale, parsed.selector, numberOf(recordOf(scale["spec"])["replicas"]) ?? 0);
}

/** The plural from API discovery, kept once the kind was found to have a scale subresource. */
async function pluralOf(api: KubernetesApi, { ref, signal }: WorkloadName, plurals: Map<string, string>): Promise<string | WorkloadRead> {
  const key = kindKey(ref);
  const known = plurals.get(key);
  if (known !== undefined) return known;
  const resources = await resourcesOf(api, ref.apiVersion, signal);
  const plural = resources?.find((it) => it["kind"] === ref.kind && !String(it["name"]).includes("/"))?.["name"];
  if (typeof plural !== "string")
    return {
      kind: "unknown",
      reason: "KindNotFound",
      message: `The API server has no kind ${ref.kind} in ${ref.apiVersion}. Correct workloadRef, or install its CRD.`,
    };
  if (!resources?.some((it) => it["name"] === `${plural}/scale`))
    return {
      kind: "unknown",
      reason: "KindNotScalable",
      message: `${ref.kind} in ${ref.apiVersion} has no scale subresource, so its pods cannot be known. Use selector instead of workloadRef.`,
    };
  plurals.set(key, plural);
  return plural;
}

/** Undefined: there is no such group and version. Discovery's 404 names no object; one of a proxy is no Status. */
async function resourcesOf(api: KubernetesApi, apiVersion: string, signal: AbortSignal | undefined): Promise<readonly Raw[] | undefined> {
  try {
    return listOf(recordOf(await api.request({ method: "GET", path: groupPath(apiVersion), signal }))["resources"]);
  } catch (error) {
    if (error instanceof ApiError && error.code === 404) return undefined;
    throw error;
  }
}

function unknownFrom(error: unknown, { namespace, ref }: WorkloadName): WorkloadRead {
  if (!(error instanceof ApiError)) throw error;
  if (error.code === 403)
    return {
      kind: "unknown",
      reason: "Forbidden",
      message: `The operator may not read ${named(ref)} in namespace ${namespace}: grant it the right that is missing (extraScaleKinds of the chart for kinds that are not built in). ${error.message}`,
    };
  return {
    kind: "unknown",
    reason: error.code === 0 ? "ApiUnreachable" : "ApiError",
    message: `Cannot read ${named(ref)}: ${error.message}`,
  };
}

function found(object: Raw, selector: LabelSelector, replicas: number | undefined): WorkloadRead & { readonly kind: "found" } {
  const metadata = recordOf(object["metadata"]);
  return {
    kind: "found",
    uid: textOf(metadata["uid"]) ?? "",
    selector,
    ...(replicas === undefined ? {} : { replicas }),
    deleting: textOf(metadata["deletionTimestamp"]) !== undefined,
  };
}

function selectorOf(raw: unknown): LabelSelector {
  const { matchLabels, matchExpressions } = recordOf(raw);
  return {
    matchLabels: textsOf(matchLabels),
    matchExpressions: listOf(matchExpressions).map((it) => ({
      key: textOf(it["key"]) ?? "",
      operator: textOf(it["operator"]) ?? "",
      values: Array.isArray(it["values"]) ? it["values"].filter((value): value is string => typeof value === "string") : [],
    })),
  };
}

function emptySelector(ref: WorkloadName["ref"]): WorkloadRead {
  return {
    kind: "unknown",
    reason: "EmptySelector",
    message: `${named(ref)} names no label selector, which would select every pod of the namespace. Use selector instead of workloadRef.`,
  };
}

function kindKey({ apiVersion, kind }: WorkloadName["ref"]): string {
  return `${apiVersion} ${kind}`;
}

function named({ kind, name }: WorkloadName["ref"]): string {
  return `${kind} ${name}`;
}

function groupPath(apiVersion: string): string {
  return apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
}

function pathOf(apiVersion: string, namespace: string, plural: string): string {
  return `${groupPath(apiVersion)}/namespaces/${encodeURIComponent(namespace)}/${plural}`;
}
