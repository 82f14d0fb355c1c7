// Whether a StatefulSet still wants a pod that yields a server name: its row is then kept a little for the successor.

import type { Pod, PodUid } from "./model.ts";
import type { Observation, OrdinalRange } from "./observation.ts";
import { matchesName, renderNamePattern } from "./serverName.ts";

/** More ordinals than this are not tried: such a farm has no successor wait. */
const mostOrdinals = 2000;
/** Of a set of which nobody knows how many it has. */
const mostUnreadOrdinals = 100;

export const isUnread = ({ unreadSinceMs }: OrdinalRange): boolean => unreadSinceMs !== undefined;

/** The set that wants the name; one that could not be read only where no other does. */
export function setThatWants(
  serverName: string,
  lastPod: Pod | undefined,
  { statefulSets, farm }: Pick<Observation, "statefulSets" | "farm">,
): OrdinalRange | undefined {
  const isControllers = ({ name }: OrdinalRange): boolean =>
    lastPod === undefined || (lastPod.controller?.kind === "StatefulSet" && lastPod.controller.name === name);
  const readFirst = statefulSets.toSorted((a, b) => Number(isUnread(a)) - Number(isUnread(b)));
  return readFirst.find((set) => isControllers(set) && yields(set, serverName, farm.namespace, lastPod));
}

function yields(set: OrdinalRange, serverName: string, namespace: string, lastPod: Pod | undefined): boolean {
  if (lastPod !== undefined) return wants(set, lastPod.name);
  if (set.serverName === undefined) return false;
  const template = set.serverName;
  const count = isUnread(set) ? mostUnreadOrdinals : Math.min(set.count, mostOrdinals);
  const names = Array.from({ length: count }, (_, index) => renderNamePattern(template, podOf(set, set.start + index, namespace)));
  return names.some((name) => name.ok && matchesName(name.value, serverName));
}

function wants(set: OrdinalRange, podName: string): boolean {
  const ordinal = /-(\d+)$/.exec(podName)?.[1];
  if (ordinal === undefined || podName !== `${set.name}-${ordinal}`) return false;
  return Number(ordinal) >= set.start && Number(ordinal) < set.start + set.count;
}

/** As much of a StatefulSet's pod as a template can ask for. */
const podOf = (set: OrdinalRange, ordinal: number, namespace: string): Pod => ({
  uid: "" as PodUid,
  namespace,
  name: `${set.name}-${ordinal}`,
  labels: {},
  createdAtMs: 0,
  graceSeconds: 30,
  hostNetwork: false,
  phase: "Pending",
  ready: false,
  gate: "absent",
  running: false,
});
