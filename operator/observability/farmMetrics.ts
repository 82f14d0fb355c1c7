// What can be measured of farms: how many servers in which state, when a farm was last in order, how quickly rows come and go.
// Series carry namespace and name of the WebFarm at most, and are removed with it.
import { Counter, Gauge, Histogram, type Registry } from "prom-client";

export interface FarmState {
  /** Servers by state. A state that is missing has none. Absent: they are as they were told last, if they ever were. */
  readonly states?: Readonly<Record<string, number>>;
  readonly foreign: number;
  readonly blocked: number;
  /** The condition Ready is not False. */
  readonly ready: boolean;
}

export interface FarmMetrics {
  /** A row was committed for a pod, so many seconds after the pod was bound (undefined: that was not witnessed). */
  registered(seconds: number | undefined): void;
  /** A row was removed, so many seconds after the pod ended (undefined: that was not witnessed). */
  removed(evidence: string, seconds: number | undefined): void;
  gateOpened(reason: string): void;
  /** After each pass. `key`: "namespace/name". */
  farm(key: string, state: FarmState): void;
  /** The farm is gone. */
  forget(key: string): void;
  /** This process looks after no farm any more: another one tells of them. */
  forgetAll(): void;
}

// From 10 ms, about the time of one event and one statement, to what a person would call broken.
const buckets = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600];

export function farmMetrics(registry: Registry, clock: { now(): number }): FarmMetrics {
  const registers = [registry];
  const labelNames = ["namespace", "name"] as const;
  const gauge = (name: string, help: string): Gauge<"namespace" | "name"> => new Gauge({ name, help, labelNames, registers });
  const servers = new Gauge({
    name: "webfarm_servers",
    help: "Servers of a farm by state.",
    labelNames: [...labelNames, "state"],
    registers,
  });
  const lastSync = gauge("webfarm_last_sync_timestamp_seconds", "When a pass last left the farm in order, seconds since 1970.");
  const blocked = gauge("webfarm_removals_blocked", "Rows that may go only by a person's approval.");
  const foreign = gauge("webfarm_foreign_rows", "Rows of the farm's table that are not the operator's.");
  const degraded = new Gauge({ name: "webfarm_farms_degraded", help: "Farms whose condition Ready is False.", registers });
  const registration = new Histogram({
    name: "webfarm_registration_seconds",
    help: "From pod bound to row committed.",
    buckets,
    registers,
  });
  const removal = new Histogram({ name: "webfarm_removal_seconds", help: "From pod ended to row removed.", buckets, registers });
  const removals = new Counter({
    name: "webfarm_rows_removed_total",
    help: "Rows removed, by evidence.",
    labelNames: ["evidence"],
    registers,
  });
  const gates = new Counter({
    name: "webfarm_gate_opened_total",
    help: "Readiness gates opened, by reason.",
    labelNames: ["reason"],
    registers,
  });
  const notReady = new Set<string>();
  const seenStates = new Map<string, Set<string>>();

  const forget = (key: string): void => {
    const labels = labelsOf(key);
    for (const name of seenStates.get(key) ?? []) servers.remove({ ...labels, state: name });
    seenStates.delete(key);
    for (const series of [lastSync, blocked, foreign]) series.remove(labels);
    notReady.delete(key);
    degraded.set(notReady.size);
  };

  return {
    registered: (seconds) => {
      if (seconds !== undefined) registration.observe(seconds);
    },
    removed: (evidence, seconds) => {
      removals.inc({ evidence });
      if (seconds !== undefined) removal.observe(seconds);
    },
    gateOpened: (reason) => gates.inc({ reason }),
    farm: (key, state) => {
      const labels = labelsOf(key);
      const seen = seenStates.get(key) ?? new Set<string>();
      seenStates.set(key, seen);
      const { states } = state;
      for (const name of Object.keys(states ?? {})) seen.add(name);
      // A state that has emptied says 0: a gap would look like a broken scrape.
      if (states !== undefined) for (const name of seen) servers.set({ ...labels, state: name }, states[name] ?? 0);
      blocked.set(labels, state.blocked);
      foreign.set(labels, state.foreign);
      if (state.ready) {
        lastSync.set(labels, clock.now() / 1000);
        notReady.delete(key);
      } else notReady.add(key);
      degraded.set(notReady.size);
    },
    forget,
    forgetAll: () => [...seenStates.keys()].forEach(forget),
  };
}

function labelsOf(key: string): { namespace: string; name: string } {
  const slash = key.indexOf("/");
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}
