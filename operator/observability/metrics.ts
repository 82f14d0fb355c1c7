// All metrics of the process in one registry of its own, handed out by component, so that each sees a small interface and nobody else
// imports prom-client. Labels are bounded: a farm's series go when the farm does, and nothing is labelled with a pod, a row or a message.
import { collectDefaultMetrics, Gauge, Registry } from "prom-client";
import {
  electionMetrics,
  type ElectionMetrics,
  queueMetrics,
  type QueueMetrics,
  workerMetrics,
  type WorkerMetrics,
} from "./controllerMetrics.ts";
import { farmMetrics, type FarmMetrics } from "./farmMetrics.ts";
import { sqlMetrics, type SqlMetrics, watchMetrics, type WatchMetrics } from "./driverMetrics.ts";

export interface Metrics {
  queue(name: string): QueueMetrics;
  workers(controller: string): WorkerMetrics;
  election(name: string): ElectionMetrics;
  readonly farms: FarmMetrics;
  readonly sql: SqlMetrics;
  readonly watches: WatchMetrics;
  readonly contentType: string;
  /** The exposition format. */
  text(): Promise<string>;
}

export interface MetricsOptions {
  readonly version: string;
  readonly clock: {
    /** Milliseconds since the epoch. */
    now(): number;
    /** Milliseconds from an arbitrary origin. */
    monotonic(): number;
  };
}

export function createMetrics({ version, clock }: MetricsOptions): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: "webfarm_build_info",
    help: "Always 1; the label says which version runs.",
    labelNames: ["version"],
    registers: [registry],
  }).set({ version }, 1);
  return {
    queue: queueMetrics(registry),
    workers: workerMetrics(registry),
    election: electionMetrics(registry),
    farms: farmMetrics(registry, clock),
    sql: sqlMetrics(registry),
    watches: watchMetrics(registry, clock),
    contentType: registry.contentType,
    text: () => registry.metrics(),
  };
}
