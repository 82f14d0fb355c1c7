// Which farm uses which target: farms with the same material share one pool, and a pool goes with its last farm. It sends nothing.
import type { Clock } from "../controller/clock.ts";
import type { Logger } from "../controller/logger.ts";
import type { MayWrite } from "../controller/mayWrite.ts";
import type { DatabaseMaterial, DatabaseProblem, FarmKey } from "../farm/model.ts";
import { withAdvice } from "./advice.ts";
import type { TokenSource } from "./entra.ts";
import { LoginGate } from "./loginGate.ts";
import { TargetPool } from "./pool.ts";
import { type FarmDatabase, farmDatabase, type Knowledge } from "./farmDatabase.ts";
import { type Target, targetOf } from "./target.ts";
import { Slots } from "./waiting.ts";

export interface DatabaseMetrics {
  /** `statement`: one of the few names in statements.ts. */
  request(statement: string, outcome: "ok" | DatabaseProblem["kind"], durationMs: number): void;
}

export interface OpenOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Exact names or `*.suffix`; empty allows any host. */
  readonly allowedHosts: readonly string[];
  readonly tokens: TokenSource;
  /** Asked right before each write, also of one that had to wait for a connection. */
  readonly mayWrite: MayWrite;
  /** So many targets that do not answer are probed at a time; the others fail at once with what was last seen. */
  readonly mostProbes: number;
  readonly metrics?: DatabaseMetrics;
}

export type Use =
  { readonly kind: "usable"; readonly database: FarmDatabase } | { readonly kind: "refused"; readonly problem: DatabaseProblem };

export interface Databases {
  /** Never waits. The same material gives the same pool and what is known of its tables; other material leaves the old pool. */
  use(key: FarmKey, material: DatabaseMaterial): Use;
  release(key: FarmKey): void;
  /** Resolves when all connections are closed, or after two seconds. */
  close(): Promise<void>;
}

interface Shared {
  readonly pool: TargetPool;
  readonly knowledge: Map<string, Knowledge>; // by schema
  readonly farms: Set<FarmKey>;
}

export function openDatabases(options: OpenOptions): Databases {
  const gate = new LoginGate(options.clock);
  const probes = new Slots(options.mostProbes);
  const pools = new Map<string, Shared>(); // by the target's key
  const used = new Map<FarmKey, string>();

  const shared = (target: Target, applicationName: string): Shared => {
    const found = pools.get(target.key);
    if (found !== undefined) return found;
    const { clock, log, mayWrite, metrics, tokens } = options;
    const pool = new TargetPool(target, {
      clock,
      log,
      gate,
      tokens,
      probes,
      mayWrite,
      applicationName,
      observe: (...request) => metrics?.request(...request),
    });
    const made = { pool, knowledge: new Map<string, Knowledge>(), farms: new Set<FarmKey>() };
    pools.set(target.key, made);
    return made;
  };

  const leave = (key: FarmKey): void => {
    const targetKey = used.get(key);
    const left = targetKey === undefined ? undefined : pools.get(targetKey);
    used.delete(key);
    if (targetKey === undefined || left === undefined) return;
    left.farms.delete(key);
    if (left.farms.size > 0) return;
    pools.delete(targetKey);
    void left.pool.close();
  };

  return {
    use(key, material) {
      const reading = targetOf(material, options.allowedHosts);
      if (reading.kind === "refused") {
        leave(key);
        return reading;
      }
      const { target } = reading;
      if (used.get(key) !== target.key) leave(key);
      const { pool, knowledge, farms } = shared(target, material.applicationName);
      used.set(key, target.key);
      farms.add(key);
      const known = knowledge.get(material.schema) ?? { drains: new Map() };
      knowledge.set(material.schema, known);
      const place = { endpoint: target.endpoint, database: target.database, schema: material.schema };
      const database = farmDatabase({ pool, place, notes: target.notes, knowledge: known, clock: options.clock });
      return { kind: "usable", database: withAdvice(database, target.advice) };
    },
    release: leave,
    async close() {
      const open = [...pools.values()];
      pools.clear();
      used.clear();
      await Promise.all(open.map(({ pool }) => pool.close()));
    },
  };
}
