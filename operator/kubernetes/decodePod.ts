// A pod as the API server sends it → what the operator keeps of it, which is little: a cluster has many. It decides nothing.
import type { Pod, PodUid } from "../farm/model.ts";
import { listOf, numberOf, type Raw, recordOf, required, textOf, textsOf, timeOf } from "./decode.ts";

export const gateCondition = "webfarm.dev/registered";

const defaultGraceSeconds = 30;

/** Throws for what has no name or UID. */
export function decodePod(raw: unknown): Pod {
  const { metadata, spec, status } = partsOf(raw);
  const conditions = listOf(status["conditions"]);
  const pod: Pod = {
    uid: required(textOf(metadata["uid"]), "metadata.uid") as PodUid,
    namespace: shared(required(textOf(metadata["namespace"]), "metadata.namespace")),
    name: required(textOf(metadata["name"]), "metadata.name"),
    labels: labelsOf(metadata["labels"]),
    createdAtMs: timeOf(metadata["creationTimestamp"]) ?? 0,
    ...present("deletionAtMs", timeOf(metadata["deletionTimestamp"])),
    graceSeconds: numberOf(spec["terminationGracePeriodSeconds"]) ?? defaultGraceSeconds,
    ...present("node", sharedOf(spec["nodeName"])),
    ...present("hostname", textOf(spec["hostname"])),
    ...present("os", sharedOf(recordOf(spec["os"])["name"])),
    hostNetwork: spec["hostNetwork"] === true,
    phase: shared(textOf(status["phase"]) ?? "Pending"),
    ...present("ip", textOf(status["podIP"])),
    ready: isTrue(conditions, "Ready"),
    gate: gateOf(spec, conditions),
    running: isRunning(spec, status),
    ...present("restarts", restartsOf(status)),
    ...present("disruption", disruptionOf(conditions)),
    ...present("controller", controllerOf(metadata)),
  };
  return Object.freeze(pod);
}

function partsOf(raw: unknown): { readonly metadata: Raw; readonly spec: Raw; readonly status: Raw } {
  const { metadata, spec, status } = recordOf(raw);
  return { metadata: recordOf(metadata), spec: recordOf(spec), status: recordOf(status) };
}

function labelsOf(value: unknown): Readonly<Record<string, string>> {
  return Object.freeze(Object.fromEntries(Object.entries(textsOf(value)).map(([key, text]) => [key, shared(text)])));
}

function gateOf(spec: Raw, conditions: readonly Raw[]): Pod["gate"] {
  const hasGate = listOf(spec["readinessGates"]).some((gate) => gate["conditionType"] === gateCondition);
  if (!hasGate) return "absent";
  return isTrue(conditions, gateCondition) ? "open" : "closed";
}

/** A container or a restartable init container (a sidecar) runs. Plain init containers and ephemeral ones serve nobody. */
function isRunning(spec: Raw, status: Raw): boolean {
  const plainInit = new Set(listOf(spec["initContainers"]).flatMap((init) => (init["restartPolicy"] === "Always" ? [] : [init["name"]])));
  const sidecars = listOf(status["initContainerStatuses"]).filter((container) => !plainInit.has(container["name"]));
  return [...listOf(status["containerStatuses"]), ...sidecars].some((container) => {
    const running = recordOf(container["state"])["running"];
    return running !== undefined && running !== null;
  });
}

/** Of its containers together, but for restartable init containers, which serve nobody; undefined: none has. */
function restartsOf(status: Raw): number | undefined {
  const restarts = listOf(status["containerStatuses"]).reduce((sum, container) => sum + (numberOf(container["restartCount"]) ?? 0), 0);
  return restarts === 0 ? undefined : restarts;
}

function disruptionOf(conditions: readonly Raw[]): string | undefined {
  const condition = conditions.find(({ type, status }) => type === "DisruptionTarget" && status === "True");
  return condition === undefined ? undefined : shared(textOf(condition["reason"]) ?? "");
}

function controllerOf(metadata: Raw): Pod["controller"] {
  const owner = listOf(metadata["ownerReferences"]).find((reference) => reference["controller"] === true);
  if (owner === undefined) return undefined;
  return Object.freeze({
    apiVersion: sharedOf(owner["apiVersion"]) ?? "",
    kind: sharedOf(owner["kind"]) ?? "",
    name: sharedOf(owner["name"]) ?? "",
    uid: sharedOf(owner["uid"]) ?? "",
  });
}

function isTrue(conditions: readonly Raw[], type: string): boolean {
  return conditions.some((condition) => condition["type"] === type && condition["status"] === "True");
}

function present<K extends keyof Pod>(key: K, value: Pod[K] | undefined): Partial<Pick<Pod, K>> {
  return value === undefined ? {} : ({ [key]: value } as unknown as Partial<Pick<Pod, K>>);
}

const sharedTexts = new Map<string, string>();
const mostSharedTexts = 10_000;

/** One copy of texts that many pods have: nodes, label values, owners. JSON.parse makes a new one each time. */
function shared(text: string): string {
  const known = sharedTexts.get(text);
  if (known !== undefined) return known;
  if (sharedTexts.size >= mostSharedTexts) sharedTexts.clear();
  sharedTexts.set(text, text);
  return text;
}

function sharedOf(value: unknown): string | undefined {
  const text = textOf(value);
  return text === undefined ? undefined : shared(text);
}
