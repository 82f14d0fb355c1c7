// Resolves the members of farms to selectors and wanted pods, each on its own, from workloads that are read seldom: at the first pass,
// each resync and spec change, and at most once a second where something about them is open.

import type { Clock } from "../controller/clock.ts";
import { isOlder } from "../farm/desired.ts";
import type { FarmKey, LabelSelector, Milliseconds, Pod, PodUid, WebFarm, WorkloadRead } from "../farm/model.ts";
import type { MemberObservation, OrdinalRange } from "../farm/observation.ts";
import type { Member, WorkloadRef } from "../farm/resource.generated.ts";
import { matches } from "../farm/selector.ts";
import { isSurelyOf, isUnanswered, workloadRefs } from "../farm/unread.ts";
import type { Cluster } from "./ports.ts";

export interface Members {
  /** `freshness`: `settled` uses what was read since the last resync, `now` what is at most a second old. */
  resolve(farm: WebFarm, freshness: Freshness, signal: AbortSignal): Promise<readonly MemberObservation[]>;
  /** Pods that an older farm of the namespace selects, or may select as far as its workloads could be read. */
  ofOlder(farm: WebFarm, pods: readonly Pod[], signal: AbortSignal): Promise<OfOlder>;
  /** The StatefulSets of the members, as they were resolved last, and those that control pods which no member names. */
  statefulSets(farm: WebFarm, pods: readonly Pod[], freshness: Freshness, signal: AbortSignal): Promise<readonly OrdinalRange[]>;
  /** Whether a change of this pod can matter to the farm, as far as is known. */
  concerns(farm: WebFarm, pod: Pod): boolean;
  forget(farmUid: string): void;
}

export interface OfOlder {
  readonly takenByOlder: ReadonlyMap<PodUid, FarmKey>;
  readonly unreadOlders: ReadonlyMap<PodUid, FarmKey>;
}

export type Freshness = "settled" | "now";

/** What was last read of a workload, and when. */
export interface ReadWorkload {
  readonly read: WorkloadRead;
  readonly lastSelector?: LabelSelector;
  readonly atMs: Milliseconds;
  readonly generation: number;
  /** While it cannot be read. */
  readonly unreadSinceMs?: Milliseconds;
}

const freshMs = 1_000;

export function createMembers({
  cluster,
  clock,
  resyncMs,
  cache,
}: {
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly resyncMs: Milliseconds;
  readonly cache: Map<string, ReadWorkload>;
}): Members {
  const cacheKey = (farm: WebFarm, ref: WorkloadRef): string => `${farm.uid}/${ref.apiVersion}/${ref.kind}/${ref.name}`;

  async function workload(farm: WebFarm, ref: WorkloadRef, freshness: Freshness, signal: AbortSignal): Promise<ReadWorkload> {
    const key = cacheKey(farm, ref);
    const cached = cache.get(key);
    const ageMs = cached === undefined || cached.generation !== farm.generation ? Infinity : clock.monotonic() - cached.atMs;
    if (cached !== undefined && ageMs < (freshness === "now" || cached.read.kind !== "found" ? freshMs : resyncMs)) return cached;
    const read = await cluster.readWorkload({ namespace: farm.namespace, ref, signal });
    // Pods of a workload that was deleted and left them behind are still this member's: no insert, but their gates open in time.
    const lastSelector = read.kind === "found" ? read.selector : cached?.lastSelector;
    const atMs = clock.monotonic();
    const next = {
      ...{ read, atMs, generation: farm.generation },
      ...(lastSelector !== undefined && { lastSelector }),
      ...(read.kind === "unknown" && { unreadSinceMs: cached?.unreadSinceMs ?? atMs }),
    };
    cache.set(key, next);
    return next;
  }

  async function resolveMember(farm: WebFarm, member: Member, freshness: Freshness, signal: AbortSignal): Promise<MemberObservation> {
    const { workloadRef: ref, selector } = member;
    const common = { name: member.name, serverName: member.serverName ?? "$(POD_NAME)", url: member.url ?? "http://$(POD_IP)" };
    if (ref === undefined)
      return { ...common, workloadName: "selector", workload: { kind: "selected" }, ...(selector !== undefined && { selector }) };
    const { read, lastSelector } = await workload(farm, ref, freshness, signal);
    return {
      ...common,
      workloadName: `${ref.kind} ${ref.name}`,
      workload: read,
      ...(lastSelector !== undefined && { selector: lastSelector }),
    };
  }

  const resolve: Members["resolve"] = (farm, freshness, signal) =>
    Promise.all(farm.spec.members.map((member) => resolveMember(farm, member, freshness, signal)));

  return {
    resolve,
    async ofOlder(farm, pods, signal) {
      const taken = new Map<PodUid, FarmKey>();
      const unread = new Map<PodUid, FarmKey>();
      const older = cluster.farmsIn(farm.namespace).filter((other) => other.uid !== farm.uid && isOlder(other, farm));
      for (const other of older.toSorted((a, b) => (isOlder(b, a) ? -1 : 1))) {
        const observed = await resolve(other, "settled", signal);
        const selectors = observed.flatMap(({ selector }) => selector ?? []);
        const refs = workloadRefs(other.spec, observed.filter(isUnanswered));
        for (const pod of pods) {
          if (selectors.some((selector) => matches(selector, pod.labels))) taken.set(pod.uid, other.key);
          if (refs.some((ref) => isSurelyOf(pod, ref))) unread.set(pod.uid, other.key);
        }
      }
      return { takenByOlder: taken, unreadOlders: unread };
    },
    async statefulSets(farm, pods, freshness, signal) {
      const ranges = new Map<string, OrdinalRange>();
      for (const member of farm.spec.members) {
        const { workloadRef: ref } = member;
        const known = ref?.kind === "StatefulSet" ? cache.get(cacheKey(farm, ref)) : undefined;
        const ordinals = known && ordinalsOf(known);
        if (ref !== undefined && ordinals !== undefined)
          ranges.set(ref.name, { name: ref.name, ...ordinals, serverName: member.serverName ?? "$(POD_NAME)" });
      }
      const controllers = new Set(
        pods.flatMap(({ controller }) =>
          controller?.apiVersion === "apps/v1" && controller.kind === "StatefulSet" ? [controller.name] : [],
        ),
      );
      for (const name of controllers) {
        if (ranges.has(name)) continue;
        const ordinals = ordinalsOf(await workload(farm, { apiVersion: "apps/v1", kind: "StatefulSet", name }, freshness, signal));
        if (ordinals !== undefined) ranges.set(name, { name, ...ordinals });
      }
      return [...ranges.values()];
    },
    concerns(farm, pod) {
      return farm.spec.members.some(({ workloadRef: ref, selector }) => {
        if (ref === undefined) return selector !== undefined && matches(selector, pod.labels);
        const known = cache.get(cacheKey(farm, ref));
        return known?.lastSelector === undefined || known.read.kind !== "found" || matches(known.lastSelector, pod.labels);
      });
    },
    forget(farmUid) {
      for (const key of cache.keys()) if (key.startsWith(`${farmUid}/`)) cache.delete(key);
    },
  };
}

/** What a StatefulSet wants: any name while it cannot be read, none when it is not there. */
function ordinalsOf({ read, atMs, unreadSinceMs }: ReadWorkload): Pick<OrdinalRange, "start" | "count" | "unreadSinceMs"> | undefined {
  switch (read.kind) {
    case "found":
      return read.ordinals;
    case "unknown":
      return { start: 0, count: Infinity, unreadSinceMs: unreadSinceMs ?? atMs };
    case "absent":
      return undefined;
  }
}
