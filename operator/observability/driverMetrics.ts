// Metrics of the two adapters: watches of the API server and requests to databases. Labels are names from the program's own lists
// (resource, statement, outcome, reason), never what a server said.
import { Counter, Gauge, Histogram, type Registry } from "prom-client";

export interface WatchMetrics {
  listed(resource: string, how: string): void;
  /** An event or a bookmark came. */
  heard(resource: string): void;
  /** A list or a watch ended and is begun anew. */
  ended(resource: string, reason: string): void;
  /** The store went back in time. */
  rewound(resource: string): void;
}

export interface SqlMetrics {
  /** One round trip to a database, by the statement's name. */
  request(statement: string, outcome: string, durationMs: number): void;
}

export function watchMetrics(registry: Registry, clock: { monotonic(): number }): WatchMetrics {
  const registers = [registry];
  const labelNames = ["resource"] as const;
  const heardMs = new Map<string, number>();
  const events = new Counter({ name: "webfarm_watch_events_total", help: "Events and bookmarks received.", labelNames, registers });
  const lists = new Counter({ name: "webfarm_watch_lists_total", help: "Complete lists.", labelNames: [...labelNames, "how"], registers });
  const restarts = new Counter({
    name: "webfarm_watch_restarts_total",
    help: "Watches and lists begun anew, by the reason why the one before ended.",
    labelNames: [...labelNames, "reason"],
    registers,
  });
  const rewinds = new Counter({ name: "webfarm_watch_rewinds_total", help: "Times the store went back in time.", labelNames, registers });
  new Gauge({
    name: "webfarm_watch_last_event_age_seconds",
    help: "Since an event or a bookmark of this resource was received last.",
    labelNames,
    registers,
    collect() {
      for (const [resource, atMs] of heardMs) this.set({ resource }, (clock.monotonic() - atMs) / 1000);
    },
  });
  return {
    listed: (resource, how) => lists.inc({ resource, how }),
    heard: (resource) => {
      heardMs.set(resource, clock.monotonic());
      events.inc({ resource });
    },
    ended: (resource, reason) => restarts.inc({ resource, reason }),
    rewound: (resource) => rewinds.inc({ resource }),
  };
}

export function sqlMetrics(registry: Registry): SqlMetrics {
  const registers = [registry];
  const requests = new Counter({
    name: "webfarm_sql_requests_total",
    help: "Requests to databases, by statement and outcome.",
    labelNames: ["name", "outcome"],
    registers,
  });
  const seconds = new Histogram({
    name: "webfarm_sql_request_seconds",
    help: "How long a request took, whatever came of it.",
    labelNames: ["name"],
    buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 15],
    registers,
  });
  return {
    request: (name, outcome, durationMs) => {
      requests.inc({ name, outcome });
      seconds.observe({ name }, durationMs / 1000);
    },
  };
}
