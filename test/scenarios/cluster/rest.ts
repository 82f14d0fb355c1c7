// Whether anything is still to come on a scenario's control plane: what kubelets and controllers are about to do, and what the operator says
// that it waits for. Time that nothing waits for need not pass.

import type { WholeRow } from "../../world/wholeRow.ts";
import type { BookedPod, StoredPod } from "./podBook.ts";
import { isDeaf } from "./podEnds.ts";
import { workloadPath } from "./objects.ts";
import type { FarmStatus, StoredFarm } from "./objects.ts";
import type { Stage } from "./stage.ts";

interface StoredWorkload {
  readonly kind: "Deployment" | "StatefulSet";
  readonly metadata: { readonly name: string; readonly generation: number };
  readonly spec: { readonly replicas: number; readonly selector: { readonly matchLabels: Readonly<Record<string, string>> } };
  readonly status: { readonly observedGeneration?: number; readonly replicas?: number };
}

/** One sentence for each thing that goes on by itself within seconds. */
export interface Moves {
  /** Pods that are about to be made, to run or to be told to end. */
  readonly coming: readonly string[];
  /** Pods that are about to end. */
  readonly going: readonly string[];
}

export async function whatMoves(stage: Stage): Promise<Moves> {
  const found = await Promise.all(stage.namespaces().map((namespace) => movesIn(stage, namespace)));
  return { coming: found.flatMap(({ coming }) => coming), going: found.flatMap(({ going }) => going) };
}

async function movesIn(stage: Stage, namespace: string): Promise<Moves> {
  const list = async <Item>(path: string): Promise<readonly Item[]> =>
    ((await stage.api.json({ method: "GET", path })) as { readonly items: readonly Item[] }).items;
  const workloadsOf = async (kind: StoredWorkload["kind"]): Promise<readonly StoredWorkload[]> => {
    const found = await list<Omit<StoredWorkload, "kind">>(workloadPath(kind, { namespace, name: "" }));
    return found.map((workload) => ({ ...workload, kind })); // items of a list do not say what they are
  };
  const [pods, ...workloads] = await Promise.all([
    list<StoredPod>(`/api/v1/namespaces/${namespace}/pods`),
    workloadsOf("Deployment"),
    workloadsOf("StatefulSet"),
  ]);
  return {
    coming: [...workloads.flat().flatMap((workload) => controllerMoves(workload, pods)), ...pods.flatMap(startsOf)],
    going: pods.flatMap(endsOf),
  };
}

function controllerMoves({ kind, metadata, spec, status }: StoredWorkload, pods: readonly StoredPod[]): readonly string[] {
  const labels = Object.entries(spec.selector.matchLabels);
  const own = pods.filter((pod) => labels.every(([name, value]) => pod.metadata.labels?.[name] === value) && !isEnded(pod));
  const alive = own.filter(({ metadata: { deletionTimestamp } }) => deletionTimestamp === undefined);
  const isSeen = status.observedGeneration === metadata.generation;
  const isSurplus = alive.length > spec.replicas && alive.every(isReady);
  // A StatefulSet's pod has to go before the next of its name can come.
  const counted = kind === "StatefulSet" ? own : alive;
  return isSeen && counted.length >= spec.replicas && !isSurplus ? [] : [`${metadata.name} has ${alive.length} of ${spec.replicas} pods`];
}

/** A pod that was told to behave in some way does nothing by itself. */
const isTold = ({ metadata }: StoredPod): boolean => metadata.annotations?.["kubelet.test/behave"] !== undefined;

function endsOf(pod: StoredPod): readonly string[] {
  const { name, deletionTimestamp } = pod.metadata;
  return deletionTimestamp === undefined || isDeaf(pod) ? [] : [`pod ${name} ends`];
}

function startsOf(pod: StoredPod): readonly string[] {
  const { name, deletionTimestamp } = pod.metadata;
  if (isTold(pod) || deletionTimestamp !== undefined || isEnded(pod)) return [];
  const areReady = pod.status.conditions?.some(({ type, status }) => type === "ContainersReady" && status === "True") ?? false;
  return areReady ? [] : [`pod ${name} starts`];
}

const isEnded = ({ status }: StoredPod): boolean => status.phase === "Succeeded" || status.phase === "Failed";
const isReady = ({ status }: StoredPod): boolean =>
  status.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True") ?? false;

/** What needs no more looking at: it stays as it is until somebody does something. */
const final = ["Registered", "Unsynchronised", "Disabled", "Conflict", "Blocked", "LimitReached"];
/** What goes by itself when its time has come. */
const waiting = ["Stale", "Draining"];

/** One sentence for each thing that an operator which runs has still to do; `also`: what it says that it waits for. */
export async function whatIsLeft(stage: Stage, also: "waits" | "no waits"): Promise<readonly string[]> {
  const running = [...stage.operators.values()].filter(({ process }) => process !== undefined);
  if (running.length === 0) return [];
  if (stage.isDisturbed) return ["a fault lasts"];
  const rows = (await Promise.all((await stage.databases()).map((database) => database.rows()))).flat();
  const farms = (await Promise.all(stage.namespaces().map((namespace) => stage.farms(namespace)))).flat();
  const listed = new Set(farms.flatMap(({ status }) => (status?.servers ?? []).flatMap(({ podUID }) => podUID ?? [])));
  const states = also === "waits" ? final : [...final, ...waiting];
  return [...farms.flatMap((farm) => leftOf(farm, rows, states)), ...podsLeft(stage, farms, listed), ...rowsLeft(stage, rows, farms)];
}

/**
 * One sentence for each thing that the operator is late with. Empty where it is not known to be: while a fault lasts, and of WebFarms that are
 * being deleted.
 */
export async function whatIsUndone(stage: Stage): Promise<readonly string[]> {
  if (stage.isDisturbed) return [];
  return (await whatIsLeft(stage, "no waits")).filter((left) => !isDeletion(left));
}

const deletion = (name: string): string => `WebFarm ${name} is being deleted`;
const isDeletion = (left: string): boolean => left.startsWith("WebFarm ") && left.endsWith(" is being deleted");

function leftOf({ metadata, status = {} }: StoredFarm, rows: readonly WholeRow[], states: readonly string[]): readonly string[] {
  const { name, generation, deletionTimestamp } = metadata;
  if (deletionTimestamp !== undefined) return [deletion(name)];
  if (status.observedGeneration !== generation) return [`WebFarm ${name} was changed`];
  if (!writes(status)) return [];
  return (status.servers ?? []).flatMap((server) => {
    const row = rows.find(({ ServerID }) => ServerID === server.serverID);
    const isTrue = server.serverID === undefined || (row?.ServerName === server.name && isSwitched(row, server.state));
    if (!isTrue) return [`the row of ${server.name} is not what WebFarm ${name} says`];
    return states.includes(server.state) ? [] : [`server ${server.name} is ${server.state}: ${server.reason}`];
  });
}

/** One that does not write waits for nothing but a change of itself. */
const writes = ({ conditions = [] }: FarmStatus): boolean =>
  conditions.find(({ type }) => type === "Synced")?.status !== "Unknown" && conditions.length > 0;

const isSwitched = (row: WholeRow, state: string): boolean => state !== "Registered" || Boolean(row["ServerEnabled"]);

/** Bound pods that live and are in no list of a WebFarm that wants them yet, and gates that are shut. */
function podsLeft({ book }: Stage, farms: readonly StoredFarm[], listed: ReadonlySet<string>): readonly string[] {
  return book.stored().flatMap((pod) => {
    const { name, uid, object } = pod;
    if (!farms.some((farm) => wants(farm, pod))) return [];
    if (isEnded(object) || object.metadata.deletionTimestamp !== undefined || object.spec.nodeName === undefined) return [];
    if (!listed.has(uid)) return [`pod ${name} is not listed`];
    const state = stateOf(farms, uid);
    const isShut = object.status.conditions?.some(({ type, reason }) => type === "Ready" && reason === "ReadinessGatesNotReady") ?? false;
    return isShut && state === "Registered" ? [`the gate of pod ${name} is shut`] : [];
  });
}

/** By what workloads of scenarios are called and label their pods. */
function wants({ metadata, spec }: StoredFarm, { namespace, name, object }: BookedPod): boolean {
  if (metadata.namespace !== namespace || metadata.deletionTimestamp !== undefined) return false;
  const owner = object.metadata.ownerReferences === undefined ? undefined : name.slice(0, name.lastIndexOf("-"));
  return spec.members.some(({ workloadRef, selector }) =>
    workloadRef === undefined ? selector?.matchLabels?.["app"] === object.metadata.labels?.["app"] : workloadRef.name === owner,
  );
}

const stateOf = (farms: readonly StoredFarm[], uid: string): string | undefined =>
  farms.flatMap(({ status }): NonNullable<FarmStatus["servers"]> => status?.servers ?? []).find(({ podUID }) => podUID === uid)?.state;

/** Rows that no list has, more of them than are counted as foreign by some WebFarm. */
function rowsLeft(stage: Stage, rows: readonly WholeRow[], farms: readonly StoredFarm[]): readonly string[] {
  const ids = new Set(farms.flatMap(({ status }) => (status?.servers ?? []).map(({ serverID }) => serverID)));
  const unlisted = rows.filter(({ ServerID }) => !ids.has(ServerID));
  const foreign = Math.max(0, ...farms.map(({ status }) => status?.foreign ?? 0));
  return farms.length === 0 || unlisted.length <= foreign
    ? []
    : unlisted.map(({ ServerName }) => `row ${stage.book.nameOfServer(ServerName)} is in no list`);
}
