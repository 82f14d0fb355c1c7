// Metrics of the work queue, the workers and the election under the names that controller-runtime and client-go gave them, so that existing dashboards work.
// Structurally these are the interfaces that controller/ declares; it is not imported.
import { Counter, exponentialBuckets, Gauge, Histogram, type Registry } from "prom-client";

interface QueueStats {
  readonly live: number;
  readonly background: number;
  readonly unfinishedMs: number;
  readonly longestRunningMs: number;
}

export interface QueueMetrics {
  watch(stats: () => QueueStats): void;
  added(): void;
  taken(waitedMs: number): void;
  finished(workedMs: number): void;
  retried(): void;
}

export interface WorkerMetrics {
  workersStarted(count: number): void;
  passStarted(): void;
  passEnded(result: "done" | "again" | "failed", workedMs: number): void;
  passTimedOut(): void;
  passPanicked(): void;
}

/** Call it once a registry; what it returns, once a queue. */
export function queueMetrics(registry: Registry): (name: string) => QueueMetrics {
  const registers = [registry];
  const labelNames = ["name", "controller"] as const;
  const buckets = exponentialBuckets(1e-5, 10, 8);
  const watched = new Map<string, () => QueueStats>();
  const labels = (name: string): { name: string; controller: string } => ({ name, controller: name });
  const gauge = (name: string, help: string, read: (stats: QueueStats) => number): Gauge<"name" | "controller"> =>
    new Gauge({
      name,
      help,
      labelNames,
      registers,
      collect() {
        for (const [queue, stats] of watched) this.set(labels(queue), read(stats()));
      },
    });
  new Gauge({
    name: "workqueue_depth",
    help: "Keys that wait for a worker, by priority.",
    labelNames: [...labelNames, "priority"],
    registers,
    collect() {
      for (const [queue, stats] of watched)
        for (const priority of ["live", "background"] as const) this.set({ ...labels(queue), priority }, stats()[priority]);
    },
  });
  gauge(
    "workqueue_unfinished_work_seconds",
    "How long the keys in work have been held, all together.",
    (stats) => stats.unfinishedMs / 1000,
  );
  gauge(
    "workqueue_longest_running_processor_seconds",
    "How long the key longest in work has been held.",
    (stats) => stats.longestRunningMs / 1000,
  );
  const adds = new Counter({ name: "workqueue_adds_total", help: "Keys added that were not waiting already.", labelNames, registers });
  const retries = new Counter({ name: "workqueue_retries_total", help: "Keys added again after a failure.", labelNames, registers });
  const waits = new Histogram({ name: "workqueue_queue_duration_seconds", help: "From add to worker.", labelNames, buckets, registers });
  const works = new Histogram({
    name: "workqueue_work_duration_seconds",
    help: "How long a worker held a key.",
    labelNames,
    buckets,
    registers,
  });
  return (name) => ({
    watch: (stats) => void watched.set(name, stats),
    added: () => adds.inc(labels(name)),
    taken: (waitedMs) => waits.observe(labels(name), waitedMs / 1000),
    finished: (workedMs) => works.observe(labels(name), workedMs / 1000),
    retried: () => retries.inc(labels(name)),
  });
}

export interface ElectionMetrics {
  leading(isLeading: boolean): void;
}

/** Call it once a registry; what it returns, once a lease. The name is client-go's. */
export function electionMetrics(registry: Registry): (name: string) => ElectionMetrics {
  const status = new Gauge({
    name: "leader_election_master_status",
    help: "1 while this process leads, 0 while it stands by. Absent without leader election.",
    labelNames: ["name"],
    registers: [registry],
  });
  return (name) => {
    status.set({ name }, 0);
    return { leading: (isLeading) => status.set({ name }, isLeading ? 1 : 0) };
  };
}

const resultLabel = { done: "success", again: "requeue_after", failed: "error" } as const;

/** Call it once a registry; what it returns, once a controller. */
export function workerMetrics(registry: Registry): (controller: string) => WorkerMetrics {
  const registers = [registry];
  const labelNames = ["controller"] as const;
  const counter = (name: string, help: string): Counter<"controller"> => new Counter({ name, help, labelNames, registers });
  const total = new Counter({
    name: "controller_runtime_reconcile_total",
    help: "Passes by result.",
    labelNames: [...labelNames, "result"],
    registers,
  });
  const errors = counter("controller_runtime_reconcile_errors_total", "Passes that failed.");
  const panics = counter("controller_runtime_reconcile_panics_total", "Passes that met a mistake in the program.");
  const timeouts = counter("controller_runtime_reconcile_timeouts_total", "Passes that were over their deadline.");
  const active = new Gauge({ name: "controller_runtime_active_workers", help: "Workers with a key.", labelNames, registers });
  const most = new Gauge({ name: "controller_runtime_max_concurrent_reconciles", help: "Workers.", labelNames, registers });
  const seconds = new Histogram({
    name: "controller_runtime_reconcile_time_seconds",
    help: "How long a pass took.",
    labelNames,
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60],
    registers,
  });
  return (controller) => {
    for (const result of Object.values(resultLabel)) total.inc({ controller, result }, 0);
    for (const count of [errors, panics, timeouts]) count.inc({ controller }, 0);
    return {
      workersStarted: (count) => {
        most.set({ controller }, count);
        active.set({ controller }, 0);
      },
      passStarted: () => active.inc({ controller }),
      passEnded: (result, workedMs) => {
        active.dec({ controller });
        total.inc({ controller, result: resultLabel[result] });
        if (result === "failed") errors.inc({ controller });
        seconds.observe({ controller }, workedMs / 1000);
      },
      passTimedOut: () => timeouts.inc({ controller }),
      passPanicked: () => panics.inc({ controller }),
    };
  };
}
