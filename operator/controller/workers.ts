// Runs reconcile for the keys of a queue, a fixed number at a time, each pass with its own deadline, and turns its result into what
// becomes of the key: done, again later, or again after a backoff. The one place that logs a failed reconcile. It never gives a key to
// two workers, not even when a pass ignores its deadline.
import type { Clock } from "./clock.ts";
import type { LogFields, Logger } from "./logger.ts";
import type { Priority, WorkQueue } from "./workQueue.ts";

export type Result =
  | { readonly kind: "done" }
  /** Look again later: not a failure, the backoff is forgotten. */
  | { readonly kind: "again"; readonly afterMs: number; readonly priority?: Priority }
  /** Retried after the key's backoff, but not before `retryAfterMs`. */
  | { readonly kind: "failed"; readonly error: unknown; readonly retryAfterMs?: number };

/** It receives a key and nothing else, obeys the signal, and is right when run twice, late, or after a crash between any two lines. */
export type Reconcile<K> = (key: K, signal: AbortSignal) => Promise<Result>;

export interface WorkerMetrics {
  workersStarted(count: number): void;
  passStarted(): void;
  passEnded(result: Result["kind"], workedMs: number): void;
  passTimedOut(): void;
  /** The pass threw what only a mistake in the program throws. */
  passPanicked(): void;
}

export interface WorkersOptions<K extends string> {
  readonly queue: WorkQueue<K>;
  readonly count: number;
  readonly reconcile: Reconcile<K>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: WorkerMetrics;
  readonly passTimeoutMs: number;
  /** What a log line says of a key. */
  readonly describe?: (key: K) => LogFields;
}

export interface Workers {
  /**
   * Shuts the queue down and resolves when the running passes have ended. Those that still run after `graceMs` are aborted: 0 for a
   * leader that was deposed. A second, shorter call hastens the first.
   */
  stop(options: { readonly graceMs: number }): Promise<void>;
}

/** One controller a pass, not AbortSignal.any: Node keeps a combined signal with a listener as long as its longest-lived source. */
interface Passes {
  readonly running: Set<AbortController>;
  /** Why no pass may begin or go on. */
  stopped: Error | undefined;
}

/** A pass that ignores its abort for so long is reported: its key stays with it, and only a restart ends that. */
export const ignoredAbortMs = 10_000;

export function startWorkers<K extends string>(options: WorkersOptions<K>): Workers {
  const { queue, clock } = options;
  const passes: Passes = { running: new Set(), stopped: undefined };
  options.metrics.workersStarted(options.count);
  const pool = Array.from({ length: options.count }, () => work(options, passes));
  return {
    stop: async ({ graceMs }) => {
      queue.shutDown();
      const abort = (): void => {
        passes.stopped ??= new Error("Cannot finish the pass: the operator stops");
        for (const pass of passes.running) pass.abort(passes.stopped);
      };
      const timer = graceMs > 0 ? clock.after(graceMs, abort) : undefined;
      if (timer === undefined) abort();
      await Promise.all(pool);
      timer?.cancel();
    },
  };
}

async function work<K extends string>(options: WorkersOptions<K>, passes: Passes): Promise<void> {
  const { queue, metrics, clock } = options;
  for (let key = await queue.get(); key !== undefined; key = await queue.get()) {
    const startedMs = clock.monotonic();
    metrics.passStarted();
    const result = await runPass(options, key, passes);
    const workedMs = clock.monotonic() - startedMs;
    metrics.passEnded(result.kind, workedMs);
    settleKey(options, key, result, workedMs);
    queue.done(key);
  }
}

/** One pass under its deadline. Whatever it throws is a failure; it never rejects. */
async function runPass<K extends string>(options: WorkersOptions<K>, key: K, passes: Passes): Promise<Result> {
  const { clock, metrics, log, passTimeoutMs } = options;
  // A key may have been given to this worker just before the stop: what has not begun must not begin.
  if (passes.stopped !== undefined) return { kind: "failed", error: passes.stopped };
  const pass = new AbortController();
  passes.running.add(pass);
  let timer = clock.after(passTimeoutMs, () => {
    metrics.passTimedOut();
    timer = clock.after(ignoredAbortMs, () => log.error("A reconcile ignores its deadline", describe(options, key)));
    pass.abort(new Error(`Cannot finish the pass within ${passTimeoutMs} ms`));
  });
  try {
    return await options.reconcile(key, pass.signal);
  } catch (error) {
    if (isProgramError(error)) metrics.passPanicked();
    return { kind: "failed", error };
  } finally {
    timer.cancel();
    passes.running.delete(pass);
  }
}

function settleKey<K extends string>(options: WorkersOptions<K>, key: K, result: Result, durationMs: number): void {
  const { queue, log } = options;
  switch (result.kind) {
    case "done":
      queue.forget(key);
      return;
    case "again":
      queue.forget(key);
      queue.addAfter(key, result.afterMs, result.priority ?? "background");
      return;
    case "failed": {
      const isStopping = queue.isShuttingDown;
      const retryInMs = queue.addRateLimited(key, result.retryAfterMs);
      const fields = { ...describe(options, key), error: result.error, durationMs: Math.round(durationMs) };
      if (isStopping) log.info("Reconcile ended unfinished, the operator stops", fields);
      else log.error("Reconcile failed", { ...fields, retryInMs: Math.round(retryInMs), failures: queue.failuresOf(key) });
    }
  }
}

function describe<K extends string>(options: WorkersOptions<K>, key: K): LogFields {
  return options.describe?.(key) ?? { key };
}

/** The kinds of errors that JavaScript and node:assert throw for a mistake in the program; the adapters wrap theirs in plain `Error`s. */
function isProgramError(error: unknown): boolean {
  return (
    error instanceof TypeError ||
    error instanceof ReferenceError ||
    error instanceof RangeError ||
    (error as Error | null)?.name === "AssertionError"
  );
}
