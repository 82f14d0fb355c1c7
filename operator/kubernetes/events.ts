// Events (events.k8s.io/v1), for people at `kubectl describe`. Best effort: never in anybody's way, never retried for ever, bounded in
// number and rate. What is lost is counted.
import { randomUUID } from "node:crypto";
import type { Clock } from "../controller/clock.ts";
import type { Logger } from "../controller/logger.ts";
import type { Pod, WebFarm } from "../farm/model.ts";
import { webFarmApi } from "../farm/resource.generated.ts";
import { type KubernetesApi, patchTypes } from "./client.ts";
import { EventLimits } from "./eventLimits.ts";

export interface ObjectRef {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
}

export interface EventRecord {
  readonly regarding: ObjectRef;
  readonly related?: ObjectRef;
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  /** What was done or tried, in CamelCase. */
  readonly action: string;
  /** Cut at 1,024 characters. */
  readonly note: string;
}

export interface EventMetrics {
  written(): void;
  failed(): void;
  /** Left out, for rate or number. */
  dropped(): void;
}

export interface Events {
  /** Returns at once. */
  record(event: EventRecord): void;
  /** Sends what waits, for at most 2 s; what is recorded later is dropped. */
  stop(): Promise<void>;
}

export interface EventsOptions {
  readonly api: KubernetesApi;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: EventMetrics;
  /** Identity of this process. */
  readonly reportingInstance: string;
}

const mostWaiting = 1_000;
const longestNote = 1_024;
const deadlineMs = 5_000;
const flushMs = 2_000;

export const podRef = ({ namespace, name, uid }: Pod): ObjectRef => ({ apiVersion: "v1", kind: "Pod", namespace, name, uid });

export const farmRef = ({ namespace, name, uid, resourceVersion }: WebFarm): ObjectRef => ({
  apiVersion: webFarmApi.apiVersion,
  kind: webFarmApi.kind,
  namespace,
  name,
  uid,
  resourceVersion,
});

/** An event of which more may come: the first is created, the following count up its series. */
interface Written {
  readonly path: string;
  count: number;
}

export function createEvents({ api, clock, log, metrics, reportingInstance }: EventsOptions): Events {
  const limits = new EventLimits<Written>(clock);
  const waiting: EventRecord[] = [];
  const stopping = new AbortController();
  let sending: Promise<void> | undefined;
  let isStopped = false;

  const send = async (event: EventRecord): Promise<void> => {
    const note = event.note.slice(0, longestNote);
    const key = JSON.stringify([event.regarding.uid ?? event.regarding.name, event.type, event.reason, note]);
    const before = limits.recent(key);
    const atText = microTime(clock.now());
    if (before !== undefined) {
      limits.forget(key); // Written anew next time should this fail: the event may have been cleaned up.
      before.count += 1;
      const body = { series: { count: before.count, lastObservedTime: atText } };
      await api.request({ method: "PATCH", path: before.path, contentType: patchTypes.merge, body, deadlineMs, signal: stopping.signal });
      limits.remember(key, before);
      return;
    }
    const { namespace } = event.regarding;
    const collection = `/apis/events.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/events`;
    const name = `${event.regarding.name.slice(0, 200)}.${randomUUID().slice(-12)}`;
    const body = {
      apiVersion: "events.k8s.io/v1",
      kind: "Event",
      metadata: { name, namespace },
      eventTime: atText,
      reportingController: "webfarm.dev/operator",
      reportingInstance: reportingInstance.slice(0, 128),
      type: event.type,
      reason: event.reason.slice(0, 128),
      action: event.action.slice(0, 128),
      note,
      regarding: event.regarding,
      ...(event.related === undefined ? {} : { related: event.related }),
    };
    await api.request({ method: "POST", path: collection, body, deadlineMs, signal: stopping.signal });
    limits.remember(key, { path: `${collection}/${name}`, count: 1 });
  };

  const drain = async (): Promise<void> => {
    for (let event = waiting.shift(); event !== undefined; event = waiting.shift()) {
      try {
        await send(event);
        metrics.written();
      } catch (error) {
        metrics.failed();
        log.debug("an event was lost", { reason: event.reason, error });
      }
    }
    sending = undefined;
  };

  return {
    record: (event) => {
      const object = event.regarding.uid ?? `${event.regarding.namespace}/${event.regarding.name}`;
      if (isStopped || waiting.length >= mostWaiting || !limits.mayWrite(object)) {
        metrics.dropped();
        return;
      }
      waiting.push(event);
      sending ??= drain();
    },
    stop: async () => {
      isStopped = true;
      const timer = clock.after(flushMs, () => {
        for (const _ of waiting.splice(0)) metrics.dropped();
        stopping.abort(new Error("the operator stops"));
      });
      await sending;
      timer.cancel();
    },
  };
}

/** metav1.MicroTime takes exactly six digits. */
export function microTime(atMs: number): string {
  return new Date(atMs).toISOString().replace(/(\.\d{3})Z$/, "$1000Z");
}
