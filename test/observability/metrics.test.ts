// The names that dashboards and alerts depend on, what makes each move, and that a farm's series go with the farm.
import { expect, test } from "@jest/globals";
import { exponential } from "../../operator/controller/backoff.ts";
import { startWorkers } from "../../operator/controller/workers.ts";
import type { Logger } from "../../operator/controller/logger.ts";
import { WorkQueue } from "../../operator/controller/workQueue.ts";
import type { ReflectorMetrics } from "../../operator/kubernetes/reflector.ts";
import type { PassMetrics } from "../../operator/pass/ports.ts";
import type { DatabaseMetrics } from "../../operator/sqlserver/servers.ts";
import { createLog } from "../../operator/observability/log.ts";
import { createMetrics, type Metrics } from "../../operator/observability/metrics.ts";
import { FakeClock, settle } from "../controller/fakeClock.ts";
import { recordingLog } from "../controller/recordingLog.ts";

function start(): { readonly clock: FakeClock; readonly metrics: Metrics } {
  const clock = new FakeClock(1_000_000);
  return { clock, metrics: createMetrics({ version: "0.1.0", clock }) };
}

/** The value of a series as the exposition format says it. */
async function valueOf(metrics: Metrics, series: string): Promise<number | undefined> {
  const line = (await metrics.text()).split("\n").find((text) => text.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

test("queue and workers fill the series of controller-runtime", async () => {
  const { clock, metrics } = start();
  const backoff = exponential({ firstMs: 5_000, maxMs: 60_000, jitter: 0 });
  const queue = new WorkQueue<string>({ clock, random: () => 0, backoff, metrics: metrics.queue("webfarm") });
  const workers = startWorkers({
    queue,
    count: 1,
    clock,
    log: recordingLog(),
    metrics: metrics.workers("webfarm"),
    passTimeoutMs: 1_000,
    reconcile: async (key, signal) => {
      if (key === "broken") return (undefined as unknown as { kind: never }).kind;
      if (key === "late") await clock.sleep(5_000, signal);
      else await clock.sleep(100);
      return { kind: "done" };
    },
  });
  queue.add("good");
  queue.add("broken");
  queue.add("late", "background");
  await clock.advance(50);
  expect(await valueOf(metrics, 'workqueue_depth{name="webfarm",controller="webfarm",priority="live"}')).toBe(1);
  expect(await valueOf(metrics, 'workqueue_depth{name="webfarm",controller="webfarm",priority="background"}')).toBe(1);
  expect(await valueOf(metrics, 'workqueue_unfinished_work_seconds{name="webfarm",controller="webfarm"}')).toBe(0.05);
  expect(await valueOf(metrics, 'workqueue_longest_running_processor_seconds{name="webfarm",controller="webfarm"}')).toBe(0.05);
  expect(await valueOf(metrics, 'controller_runtime_active_workers{controller="webfarm"}')).toBe(1);
  await clock.advance(1_950);
  await workers.stop({ graceMs: 0 });
  const expected: Record<string, number> = {
    'workqueue_adds_total{name="webfarm",controller="webfarm"}': 3,
    'workqueue_retries_total{name="webfarm",controller="webfarm"}': 2,
    'workqueue_queue_duration_seconds_count{name="webfarm",controller="webfarm"}': 3,
    'workqueue_work_duration_seconds_sum{name="webfarm",controller="webfarm"}': 1.1,
    'controller_runtime_reconcile_total{controller="webfarm",result="success"}': 1,
    'controller_runtime_reconcile_total{controller="webfarm",result="error"}': 2,
    'controller_runtime_reconcile_total{controller="webfarm",result="requeue_after"}': 0,
    'controller_runtime_reconcile_errors_total{controller="webfarm"}': 2,
    'controller_runtime_reconcile_panics_total{controller="webfarm"}': 1,
    'controller_runtime_reconcile_timeouts_total{controller="webfarm"}': 1,
    'controller_runtime_reconcile_time_seconds_count{controller="webfarm"}': 3,
    'controller_runtime_active_workers{controller="webfarm"}': 0,
    'controller_runtime_max_concurrent_reconciles{controller="webfarm"}': 1,
  };
  for (const [series, value] of Object.entries(expected)) expect([series, await valueOf(metrics, series)]).toEqual([series, value]);
});

test("a farm's series follow its last pass and are gone with it", async () => {
  const { clock, metrics } = start();
  metrics.farms.farm("shop/main", { states: { Registered: 3, Stale: 1 }, foreign: 2, blocked: 1, ready: true });
  metrics.farms.farm("shop/other", { states: {}, foreign: 0, blocked: 0, ready: false });
  expect(await valueOf(metrics, 'webfarm_servers{namespace="shop",name="main",state="Stale"}')).toBe(1);
  await clock.advance(5_000);
  metrics.farms.farm("shop/main", { states: { Registered: 3 }, foreign: 2, blocked: 1, ready: false });
  const expected: Record<string, number | undefined> = {
    'webfarm_servers{namespace="shop",name="main",state="Registered"}': 3,
    'webfarm_servers{namespace="shop",name="main",state="Stale"}': 0,
    'webfarm_removals_blocked{namespace="shop",name="main"}': 1,
    'webfarm_foreign_rows{namespace="shop",name="main"}': 2,
    // When it was last in order, not when it was last looked at.
    'webfarm_last_sync_timestamp_seconds{namespace="shop",name="main"}': 1_000,
    'webfarm_last_sync_timestamp_seconds{namespace="shop",name="other"}': undefined,
    webfarm_farms_degraded: 2,
  };
  for (const [series, value] of Object.entries(expected)) expect([series, await valueOf(metrics, series)]).toEqual([series, value]);
  metrics.farms.farm("shop/main", { states: {}, foreign: 2, blocked: 1, ready: true });
  expect(await valueOf(metrics, "webfarm_farms_degraded")).toBe(1);
  expect(await valueOf(metrics, 'webfarm_last_sync_timestamp_seconds{namespace="shop",name="main"}')).toBe(1_005);
  metrics.farms.farm("shop/main", { states: {}, foreign: 2, blocked: 1, ready: false });
  metrics.farms.forget("shop/main");
  expect(await metrics.text()).not.toContain('name="main"');
  expect(await valueOf(metrics, "webfarm_farms_degraded")).toBe(1);
});

test("a farm's servers are as they were told last while their rows are not known, and not told where they never were", async () => {
  const { metrics } = start();
  metrics.farms.farm("shop/main", { states: { Stale: 2 }, foreign: 2, blocked: 1, ready: true });
  for (const key of ["shop/main", "shop/other"]) metrics.farms.farm(key, { foreign: 2, blocked: 1, ready: false });
  expect(await valueOf(metrics, 'webfarm_servers{namespace="shop",name="main",state="Stale"}')).toBe(2);
  expect(await valueOf(metrics, 'webfarm_removals_blocked{namespace="shop",name="other"}')).toBe(1);
  expect(await metrics.text()).not.toContain('webfarm_servers{namespace="shop",name="other"');
});

test("a process that looks after no farm any more tells of none, and of them again when it does", async () => {
  const { metrics } = start();
  metrics.farms.farm("shop/main", { states: { Stale: 1 }, foreign: 2, blocked: 1, ready: false });
  metrics.farms.farm("shop/other", { states: { Pending: 1 }, foreign: 0, blocked: 0, ready: true });
  metrics.farms.forgetAll();
  expect(await metrics.text()).not.toContain('namespace="shop"');
  expect(await valueOf(metrics, "webfarm_farms_degraded")).toBe(0);
  metrics.farms.farm("shop/main", { states: { Registered: 1 }, foreign: 2, blocked: 1, ready: true });
  expect(await valueOf(metrics, 'webfarm_servers{namespace="shop",name="main",state="Registered"}')).toBe(1);
});

test("whether a process leads is told under client-go's name, and not at all without an election", async () => {
  const { metrics } = start();
  const series = 'leader_election_master_status{name="webfarm-operator"}';
  expect(await valueOf(metrics, series)).toBeUndefined();
  const election = metrics.election("webfarm-operator");
  expect(await valueOf(metrics, series)).toBe(0);
  election.leading(true);
  expect(await valueOf(metrics, series)).toBe(1);
  election.leading(false);
  expect(await valueOf(metrics, series)).toBe(0);
});

test("rows, gates, statements and watches are counted", async () => {
  const { clock, metrics } = start();
  metrics.farms.registered(0.015);
  metrics.farms.registered(undefined);
  metrics.farms.removed("SeenEnded", 0.3);
  metrics.farms.removed("SeenEnded", undefined);
  metrics.farms.gateOpened("FailOpen");
  metrics.sql.request("register", "ok", 3);
  metrics.watches.listed("pods", "watchList");
  metrics.watches.heard("pods");
  metrics.watches.ended("pods", "silent");
  metrics.watches.rewound("pods");
  await clock.advance(2_500);
  const expected: Record<string, number> = {
    'webfarm_registration_seconds_bucket{le="0.01"}': 0,
    'webfarm_registration_seconds_bucket{le="0.02"}': 1,
    webfarm_registration_seconds_count: 1,
    webfarm_removal_seconds_count: 1,
    'webfarm_rows_removed_total{evidence="SeenEnded"}': 2,
    'webfarm_gate_opened_total{reason="FailOpen"}': 1,
    'webfarm_sql_requests_total{name="register",outcome="ok"}': 1,
    'webfarm_sql_request_seconds_sum{name="register"}': 0.003,
    'webfarm_watch_events_total{resource="pods"}': 1,
    'webfarm_watch_lists_total{resource="pods",how="watchList"}': 1,
    'webfarm_watch_restarts_total{resource="pods",reason="silent"}': 1,
    'webfarm_watch_rewinds_total{resource="pods"}': 1,
    'webfarm_watch_last_event_age_seconds{resource="pods"}': 2.5,
    'webfarm_build_info{version="0.1.0"}': 1,
  };
  for (const [series, value] of Object.entries(expected)) expect([series, await valueOf(metrics, series)]).toEqual([series, value]);
});

test("a registry belongs to one object: two of them share nothing", async () => {
  const [one, other] = [start().metrics, start().metrics];
  one.farms.gateOpened("Suspended");
  expect(await other.text()).not.toContain("Suspended");
});

test("an empty scrape is valid and names every metric of the contract", async () => {
  await settle();
  const text = await start().metrics.text();
  for (const name of [
    ...[
      "servers",
      "last_sync_timestamp_seconds",
      "removals_blocked",
      "foreign_rows",
      "farms_degraded",
      "registration_seconds",
      "removal_seconds",
    ],
    ...["sql_requests_total", "rows_removed_total", "gate_opened_total", "watch_events_total", "watch_last_event_age_seconds"],
    ...["watch_restarts_total", "watch_rewinds_total"],
  ])
    expect(text).toContain(`# TYPE webfarm_${name} `);
});

test("what components ask for is what they are given (the compiler checks it; observability/ may not import them)", () => {
  const { metrics } = start();
  const given: { readonly pass: PassMetrics; readonly reflector: ReflectorMetrics; readonly log: Logger; readonly sql: DatabaseMetrics } = {
    pass: metrics.farms,
    reflector: metrics.watches,
    sql: metrics.sql,
    log: createLog({ level: "error" }),
  };
  given.log.debug("Not written");
  given.pass.gateOpened("Observe");
  expect(() => given.reflector.ended("pods", "silent")).not.toThrow();
});
