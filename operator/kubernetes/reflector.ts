// Keeps a cache of one resource (of one namespace or of all) true: list, watch, and for every way in which that goes wrong a way back.
// It never stops by itself, never decides what a change means, and never concludes anything from silence.
//
//   list ──complete──▶ watch ──closed, silent once──▶ watch (from the last version)
//    ▲                  │ │
//    │  expired, silent twice, version too large      every other failure ──▶ wait (jitter, Retry-After) ──▶ the same again
//    └──────────────────┘
//
// One loop runs it, and whatever a connection brings is read by the step that opened it: lines of an earlier one cannot come in between.
import { setImmediate } from "node:timers/promises";
import { type Backoff, watchBackoff } from "../controller/backoff.ts";
import type { Clock } from "../controller/clock.ts";
import type { Logger } from "../controller/logger.ts";
import type { Random } from "../controller/random.ts";
import { ApiError, apiErrorOfEvent } from "./apiError.ts";
import type { KubernetesApi, Query } from "./client.ts";
import { Lines } from "./lines.ts";
import { type Kept, ObjectCache, type OnChange } from "./objectCache.ts";
import { endOf, isOlder, type StreamEnd } from "./streamEnd.ts";
import { type Page, parseEvent, parsePage, type WatchEvent } from "./watchEvent.ts";

export type { StreamEnd } from "./streamEnd.ts";

export interface ReflectorMetrics {
  listed(resource: string, how: "watchList" | "paged"): void;
  /** An event or a bookmark came: for the age of the last one. */
  heard(resource: string): void;
  ended(resource: string, reason: StreamEnd): void;
  /** The store went back in time, as after an etcd restore. */
  rewound(resource: string): void;
}

export interface ReflectorFailure {
  readonly resource: string;
  readonly namespace: string | undefined;
  /** Monotonic, of the first failure since something was last heard. */
  readonly sinceMs: number;
  readonly reason: string;
  readonly message: string;
}

export interface ReflectorParts {
  readonly api: KubernetesApi;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: ReflectorMetrics;
}

export interface ReflectorOptions<T extends Kept> extends ReflectorParts {
  /** Plural, for logs and metrics. */
  readonly resource: string;
  readonly namespace: string | undefined;
  readonly path: string;
  /** Only some of them: a field or label selector. */
  readonly select?: Query;
  /** Keeps what is needed of an object, little. Throws only for what is no such object. */
  readonly decode: (raw: unknown) => T;
  /** Only adds keys to a queue or a ledger. */
  readonly onChange: OnChange<T>;
  /** Before the first list of a store that went back in time is told. */
  readonly onRewind?: () => void;
  /** After the first complete list was told. */
  readonly onSynced?: () => void;
}

/** Bookmarks come about once a minute, but no interval is promised: silence asks anew, it does not list anew. */
export const silenceMs = 70_000;
const silencesBeforeList = 2;
const failuresBeforeList = 2;
const pageSize = 500;
const pageDeadlineMs = 60_000;
const longestRetryAfterMs = 300_000;

type State =
  | { readonly kind: "list"; readonly how: "watchList" | "paged" }
  | { readonly kind: "watch"; readonly version: string }
  | { readonly kind: "wait"; readonly delayMs: number; readonly then: State };

/** What the stream at hand has brought so far. `initial`: what a WatchList has listed and not completed. */
interface Stage<T> {
  initial: Map<string, T> | undefined;
  version: string | undefined;
  hasProgress: boolean;
}

export class Reflector<T extends Kept> {
  readonly cache: ObjectCache<T>;
  readonly #options: ReflectorOptions<T>;
  readonly #log: Logger;
  #running: { readonly controller: AbortController; readonly ended: Promise<void> } | undefined;
  #isSynced = false;
  #failure: ReflectorFailure | undefined;
  #backoff: Backoff = watchBackoff;
  #silences = 0;
  #highestVersion: string | undefined;
  #firstHow: "watchList" | "paged" = "watchList";

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.#log = options.log.child({
      resource: options.resource,
      ...(options.namespace === undefined ? {} : { namespace: options.namespace }),
    });
    this.cache = new ObjectCache((before, after, how) => {
      try {
        options.onChange(before, after, how);
      } catch (error) {
        // A fault of ours must not end the watch of everybody; the key is found again by the resync.
        this.#log.error("a change could not be taken", { error });
      }
    });
  }

  /** Every object has been delivered, and told to `onChange`, since the start. */
  get isSynced(): boolean {
    return this.#isSynced;
  }

  /** Undefined while all is well. */
  get failure(): ReflectorFailure | undefined {
    return this.#failure;
  }

  start(): void {
    if (this.#running !== undefined) throw new Error(`Cannot start the reflector of ${this.#options.resource}: it runs`);
    const controller = new AbortController();
    this.#running = { controller, ended: this.#run(controller.signal) };
  }

  /** Nothing is told to `onChange` once it has resolved. */
  async stop(): Promise<void> {
    this.#running?.controller.abort(new Error("the reflector was stopped"));
    await this.#running?.ended;
  }

  async #run(signal: AbortSignal): Promise<void> {
    let state: State = { kind: "list", how: this.#firstHow };
    while (!signal.aborted) state = await this.#step(state, signal);
  }

  /** Does what the state says and answers with the next one. Rejects never; after a stop the answer has no meaning. */
  async #step(state: State, signal: AbortSignal): Promise<State> {
    switch (state.kind) {
      case "list":
        return state.how === "paged"
          ? this.#listPages(signal)
          : this.#follow({ initial: new Map(), version: undefined, hasProgress: false }, signal);
      case "watch":
        return this.#follow({ initial: undefined, version: state.version, hasProgress: false }, signal);
      case "wait":
        await this.#options.clock.sleep(state.delayMs, signal).catch(() => undefined); // Only the stop wakes it early.
        return state.then;
    }
  }

  async #follow(stage: Stage<T>, signal: AbortSignal): Promise<State> {
    const { api, clock, path } = this.#options;
    const cut = new AbortController();
    const silence = new Error("silence");
    const rearm = (): { cancel(): void } => clock.after(silenceMs, () => cut.abort(silence));
    let watchdog = rearm();
    const lines = new Lines();
    try {
      for await (const chunk of await api.stream({ path, query: this.#queryOf(stage), signal: AbortSignal.any([signal, cut.signal]) })) {
        watchdog.cancel();
        watchdog = rearm();
        for (const line of lines.push(chunk)) {
          if (signal.aborted) break;
          this.#take(parseEvent(line), stage);
        }
        cut.signal.throwIfAborted();
        if (signal.aborted) break;
      }
      return this.#afterClose(stage);
    } catch (error) {
      if (signal.aborted) return again(stage, this.#firstHow);
      return cut.signal.reason === silence ? this.#afterSilence(stage) : this.#afterError(error, stage);
    } finally {
      watchdog.cancel();
      cut.abort();
    }
  }

  #queryOf(stage: Stage<T>): Query {
    return {
      ...this.#options.select,
      watch: true,
      allowWatchBookmarks: true,
      // Not all at once when an API server has restarted.
      timeoutSeconds: 290 + Math.floor(this.#options.random() * 301),
      ...(stage.initial === undefined
        ? { resourceVersion: stage.version }
        : { sendInitialEvents: true, resourceVersionMatch: "NotOlderThan" }),
    };
  }

  #take(event: WatchEvent, stage: Stage<T>): void {
    const { initial } = stage;
    switch (event.type) {
      case "ERROR":
        throw apiErrorOfEvent(`watch ${this.#options.path}`, event.object);
      case "BOOKMARK":
        if (initial !== undefined) {
          if (!event.endsInitial) return;
          stage.initial = undefined;
          this.#complete(initial, event.version, "watchList");
        }
        break;
      case "ADDED":
      case "MODIFIED": {
        const object = this.#decode(event.object);
        if (initial !== undefined) {
          initial.set(object.uid, object);
          return;
        }
        this.cache.put(object, "event");
        break;
      }
      case "DELETED": {
        const last = this.#decode(event.object);
        this.cache.remove(last);
        if (initial !== undefined) {
          initial.delete(last.uid);
          return;
        }
        break;
      }
    }
    stage.version = event.version;
    stage.hasProgress = true;
    this.#heard(event.version);
  }

  #decode(raw: unknown): T {
    try {
      return this.#options.decode(raw);
    } catch (error) {
      throw new ApiError(`Cannot decode an object of ${this.#options.path}`, { code: 0, reason: "Garbage" }, { cause: error });
    }
  }

  /** Page by page, so that the loop breathes; all from one moment, or none. */
  async #listPages(signal: AbortSignal): Promise<State> {
    const { api, path, select } = this.#options;
    const listed = new Map<string, T>();
    try {
      let page: Page;
      let token: string | undefined;
      do {
        page = parsePage(
          await api.request({
            method: "GET",
            path,
            query: { ...select, limit: pageSize, continue: token },
            deadlineMs: pageDeadlineMs,
            signal,
          }),
        );
        for (const raw of page.items) {
          const object = this.#decode(raw);
          listed.set(object.uid, object);
        }
        token = page.next;
        await setImmediate();
        signal.throwIfAborted();
      } while (token !== undefined);
      this.#complete(listed, page.version, "paged");
      return { kind: "watch", version: page.version };
    } catch (error) {
      return signal.aborted
        ? { kind: "list", how: "paged" }
        : this.#afterError(error, { initial: listed, version: undefined, hasProgress: false }, "paged");
    }
  }

  #complete(listed: ReadonlyMap<string, T>, version: string, how: "watchList" | "paged"): void {
    const { metrics, onRewind, onSynced, resource } = this.#options;
    metrics.listed(resource, how);
    if (this.#highestVersion !== undefined && isOlder(version, this.#highestVersion)) {
      metrics.rewound(resource);
      this.#log.warn("the store went back in time", { version, before: this.#highestVersion });
      this.#highestVersion = version;
      onRewind?.();
    }
    this.#silences = 0;
    this.#recovered();
    this.#noteVersion(version);
    this.cache.replace(listed);
    if (this.#isSynced) return;
    this.#isSynced = true;
    onSynced?.();
  }

  #heard(version: string): void {
    this.#options.metrics.heard(this.#options.resource);
    this.#noteVersion(version);
    this.#silences = 0;
    this.#backoff = watchBackoff;
    this.#recovered();
  }

  #noteVersion(version: string): void {
    if (this.#highestVersion === undefined || isOlder(this.#highestVersion, version)) this.#highestVersion = version;
  }

  #recovered(): void {
    if (this.#failure === undefined) return;
    this.#log.info("the watch works again", { durationMs: this.#options.clock.monotonic() - this.#failure.sinceMs });
    this.#failure = undefined;
  }

  #afterClose(stage: Stage<T>): State {
    this.#options.metrics.ended(this.#options.resource, "closed");
    const next = again(stage, this.#firstHow);
    // A server or a proxy that closes without having said anything would otherwise be asked in a tight loop.
    if (stage.hasProgress) return next;
    if (stage.initial !== undefined) this.#failed(new ApiError("the list ended before it was complete", { code: 0, reason: "Incomplete" }));
    return this.#wait(next, 0);
  }

  #afterSilence(stage: Stage<T>): State {
    this.#options.metrics.ended(this.#options.resource, "silent");
    if (stage.initial !== undefined) return this.#wait({ kind: "list", how: "paged" }, 0);
    this.#silences += 1;
    // After an etcd restore a watch from a version of the future is accepted and stays silent for ever: only a list tells.
    return this.#silences >= silencesBeforeList ? { kind: "list", how: this.#firstHow } : again(stage, this.#firstHow);
  }

  #afterError(error: unknown, stage: Stage<T>, how: "watchList" | "paged" = this.#firstHow): State {
    const end = endOf(error);
    this.#options.metrics.ended(this.#options.resource, end);
    const code = error instanceof ApiError ? error.code : 0;
    if (end === "expired") return this.#soon({ kind: "list", how });
    if (stage.initial !== undefined && how === "watchList") {
      if (code === 400 || code === 422) {
        this.#firstHow = "paged"; // This server knows no WatchList.
        return { kind: "list", how: "paged" };
      }
      if (code === 500) return { kind: "list", how: "paged" }; // Or its etcd is too old for it: it says so inside the stream.
    }
    this.#failed(error);
    // A server that was away may have come back with a store of yesterday, in which a watch from where this one was tells nothing of it.
    const wasAway = end !== "throttled" && this.#backoff.failures >= failuresBeforeList - 1;
    const then: State = wasAway ? { kind: "list", how } : again(stage, how);
    return this.#wait(then, error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0);
  }

  #failed(error: unknown): void {
    const { clock, namespace, resource } = this.#options;
    const reason = error instanceof ApiError ? error.reason : "Cut";
    const message = error instanceof Error ? error.message : String(error);
    const before = this.#failure;
    this.#failure = { resource, namespace, sinceMs: before?.sinceMs ?? clock.monotonic(), reason, message };
    if (before?.reason === reason) this.#log.debug("the watch failed again", { reason, error: message });
    else this.#log.warn("the watch failed", { reason, error: message });
  }

  /** `floorMs` is what Retry-After asked for. */
  #wait(then: State, floorMs: number): State {
    this.#backoff = this.#backoff.next(this.#options.random);
    return { kind: "wait", delayMs: Math.max(this.#backoff.delayMs, Math.min(floorMs, longestRetryAfterMs)), then };
  }

  /** The first time at once. */
  #soon(then: State): State {
    const isFirst = this.#backoff.failures === 0;
    const waiting = this.#wait(then, 0);
    return isFirst ? then : waiting;
  }
}

function again<T>(stage: Stage<T>, how: "watchList" | "paged"): State {
  return stage.initial === undefined && stage.version !== undefined ? { kind: "watch", version: stage.version } : { kind: "list", how };
}
