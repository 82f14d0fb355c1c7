// Metrics of the two adapters: watches of the API server and requests to databases. Labels are names from the program's own lists
// (resource, statement, outcome, reason), never what a server said.
import { Counter, Gauge, type Registry } from "prom-client";

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
  /** One round trip. `name`: the statement's name. */
  requested(name: string, outcome: string): void;
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
  const requests = new Counter({
    name: "webfarm_sql_requests_total",
    help: "Requests to databases, by statement and outcome.",
    labelNames: ["name", "outcome"],
    registers: [registry],
  });
  return { requested: (name, outcome) => requests.inc({ name, outcome }) };
}
