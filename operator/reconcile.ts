// One key, one pass: observe, plan, apply, report. Whatever woke it (a pod, the WebFarm, a resync, a deletion) the steps are the same, so
// it is right when run twice, late, or after a crash between any two lines. It holds nothing that may not be lost.

import type { Clock } from "./controller/clock.ts";
import type { Logger } from "./controller/logger.ts";
import type { Result } from "./controller/workers.ts";
import type { Assessment } from "./farm/conditions.ts";
import { finalizer, releaseOf } from "./farm/deletion.ts";
import type { Release } from "./farm/deletion.ts";
import { gatesToOpen } from "./farm/gates.ts";
import { isAlive } from "./farm/hasEnded.ts";
import { podHash } from "./farm/mark.ts";
import { remember } from "./farm/memory.ts";
import type { FarmKey, Milliseconds, Pod, WebFarm } from "./farm/model.ts";
import { isComplete } from "./farm/observation.ts";
import type { Observation } from "./farm/observation.ts";
import { planFarm } from "./farm/plan.ts";
import type { Plan } from "./farm/plan.ts";
import { authorityOf, permitted } from "./farm/policy.ts";
import type { Actions, Authority } from "./farm/policy.ts";
import { apply } from "./pass/apply.ts";
import type { Applied } from "./pass/apply.ts";
import { createMembers } from "./pass/members.ts";
import { observe, withRows } from "./pass/observe.ts";
import type { Observed } from "./pass/observe.ts";
import { newest, tellActions, tellConditions, writeStatus } from "./pass/report.ts";
import type { Cluster, Databases, FarmDatabase, PassMetrics } from "./pass/ports.ts";
import { newState } from "./pass/state.ts";
import type { FarmState } from "./pass/state.ts";
import { heedPings, noteGone } from "./pass/waits.ts";

export interface ReconcileOptions {
  readonly cluster: Cluster;
  readonly databases: Databases;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: PassMetrics;
  readonly resyncMs: Milliseconds;
  readonly readOnly: boolean;
  /** This process, in log lines about removals. */
  readonly identity: string;
  readonly version: string;
}

export interface Reconciler {
  reconcile(key: FarmKey, signal: AbortSignal): Promise<Result>;
  /** The farms to which a change of a pod may matter. */
  farmsFor(namespace: string, before: Pod | undefined, after: Pod | undefined): readonly FarmKey[];
}

/** Two writes of a farm are at least this far apart: what arrives meanwhile travels together. */
const writeIntervalMs = 10;
const firstRetryMs = 1_000;
const lastRetryMs = 30_000;
const conflictRetryMs = 100;
const unresolvedRetryMs = 1_000;
/** A WebFarm that goes is held this long for gates that cannot be opened. */
const longestGateWaitMs = 120_000;
/** Credentials are read again this often while they do not do, so that a corrected Secret is soon tried. */
const longestFailureMs = 10_000;

export function createReconciler(options: ReconcileOptions): Reconciler {
  const { cluster, clock, databases, resyncMs } = options;
  const members = createMembers({ cluster, clock, resyncMs });
  const states = new Map<FarmKey, { readonly uid: string; readonly state: FarmState }>();

  function stateOf(farm: WebFarm): FarmState {
    const known = states.get(farm.key);
    if (known?.uid === farm.uid) return known.state;
    const state = newState(clock.monotonic());
    states.set(farm.key, { uid: farm.uid, state });
    return state;
  }

  function forget(key: FarmKey): Result {
    const uid = states.get(key)?.uid;
    if (uid !== undefined) members.forget(uid);
    states.delete(key);
    databases.release(key);
    options.metrics.forget(key);
    return { kind: "done" };
  }

  async function reconcile(key: FarmKey, signal: AbortSignal): Promise<Result> {
    const cached = cluster.farm(key);
    if (cached === undefined || (cached.deletionAtMs !== undefined && !cached.finalizers.includes(finalizer))) return forget(key);
    if (!cluster.isSynced(cached.namespace)) return { kind: "done" }; // every key is added again when the caches are synced
    const state = stateOf(cached);
    const waitMs = state.lastWriteMs + writeIntervalMs - clock.monotonic();
    if (waitMs > 0) await clock.sleep(waitMs, signal); // a timer takes a millisecond even for nothing
    const observed = await observe({ ...options, members }, newest(cached, state), state, signal);
    return await passOver(observed, state, signal);
  }

  async function passOver(observed: Observed, state: FarmState, signal: AbortSignal): Promise<Result> {
    const before = await decide(observed, state, signal);
    const actions = permitted(before.plan, before.authority);
    const held = await holdFinalizer(observed, actions, state, signal);
    if (held.kind === "lost") return { kind: "again", afterMs: conflictRetryMs };
    const applied =
      observed.database === undefined || held.kind === "failed"
        ? held.kind === "failed"
          ? withoutFinalizer(held.error)
          : nothingApplied
        : await apply(
            { ...options, log: options.log.child(fieldsOf(observed.observation)), ...before, database: observed.database, state, signal },
            actions,
          );
    const observation = { ...withRows(before.observation, state), farm: newest(before.observation.farm, state) };
    const plan = planFarm(observation, state.memory);
    const assessment: Assessment = { observation, plan, authority: authorityOf(observation), outcome: applied.outcome };
    return await report({ assessment, applied, database: observed.database, ...(held.kind === "failed" && held) }, state, signal);
  }

  /** A plan on rows that are fresh enough for it: a row whose pod is missing goes only when its newest ping was read just now. */
  async function decide(
    observed: Observed,
    state: FarmState,
    signal: AbortSignal,
  ): Promise<{ observation: Observation; plan: Plan; authority: Authority }> {
    const decideOn = (observation: Observation): { observation: Observation; plan: Plan; authority: Authority } => {
      state.memory = remember(state.memory, observation);
      if (observation.table.kind === "read") heedPings(state, observation);
      const plan = planFarm(observation, state.memory);
      noteGone(state, plan, observation);
      return { observation, plan, authority: authorityOf(observation) };
    };
    const first = decideOn(observed.observation);
    const { removals, marks } = first.plan;
    const needsPings = removals.some(({ evidence }) => evidence === "missing") || marks.some(({ kind }) => kind === "takeOver");
    if (!needsPings || clock.monotonic() - state.table.atMs <= writeIntervalMs) return first;
    state.table = { ...state.table, dirty: true };
    const again = await observe({ ...options, members }, observed.observation.farm, state, signal);
    return decideOn(again.observation);
  }

  /** The finalizer is there before the first write. Where it cannot be written nothing is; the gates still open in time. */
  async function holdFinalizer(
    { observation }: Observed,
    actions: Actions,
    state: FarmState,
    signal: AbortSignal,
  ): Promise<{ readonly kind: "held" | "lost" } | { readonly kind: "failed"; readonly error: unknown }> {
    const { farm } = observation;
    if (count(actions) === 0 || farm.finalizers.includes(finalizer)) return { kind: "held" };
    try {
      const write = await cluster.addFinalizer(farm, signal);
      if (write.kind === "written") state.status = { ...state.status, written: { basedOn: farm.resourceVersion, farm: write.farm } };
      return { kind: write.kind === "written" || write.kind === "unchanged" ? "held" : "lost" };
    } catch (error) {
      signal.throwIfAborted();
      return { kind: "failed", error };
    }
  }

  interface Done {
    readonly assessment: Assessment;
    readonly applied: Applied;
    readonly database: FarmDatabase | undefined;
    /** Why the pass failed although it is reported. */
    readonly error?: unknown;
  }

  async function report(done: Done, state: FarmState, signal: AbortSignal): Promise<Result> {
    const { assessment, applied, database } = done;
    const { farm } = assessment.observation;
    const gates = await openGates(assessment, state, signal);
    tellActions(options, farm, applied);
    tellConditions(options, assessment, state);
    const told = await tellStatus(assessment, state, signal);
    await sweep(database, state, signal);
    const release =
      farm.deletionAtMs === undefined ? undefined : releaseOf({ ...assessment, memory: state.memory }, momentOf(assessment, state));
    // Nobody opens a gate once the WebFarm is gone, but a gate that cannot be opened does not hold it for ever.
    const mayGo = gates.error === undefined || clock.monotonic() - (state.memory.deletingSinceMs ?? -Infinity) >= longestGateWaitMs;
    if (release?.kind === "release" && mayGo) return await letGo(farm, release, signal);
    if (assessment.observation.table.kind === "notAsked") databases.release(farm.key);
    const error = done.error ?? gates.error ?? told.error;
    if (error !== undefined) return { kind: "failed", error };
    return next(done, state, [told.lookAgainMs, gates.lookAgainMs, release?.kind === "wait" ? release.lookAgainMs : undefined]);
  }

  /** A status that cannot be written holds up nothing, least of all a deletion. */
  async function tellStatus(
    assessment: Assessment,
    state: FarmState,
    signal: AbortSignal,
  ): Promise<{ lookAgainMs?: Milliseconds; error?: unknown }> {
    try {
      const lookAgainMs = await writeStatus(options, assessment, state, signal);
      return lookAgainMs === undefined ? {} : { lookAgainMs };
    } catch (error) {
      signal.throwIfAborted();
      return { error };
    }
  }

  /** A gate that cannot be opened holds up neither the others nor the status. */
  async function openGates(
    assessment: Assessment,
    state: FarmState,
    signal: AbortSignal,
  ): Promise<{ lookAgainMs?: Milliseconds; error?: unknown }> {
    const { observation, plan, authority } = assessment;
    const { open, lookAgainMs } = gatesToOpen(observation, state.memory, plan, authority);
    const opened = await Promise.allSettled(
      open.map(async (opening) => {
        if ((await cluster.openGate(opening, signal)) === "opened") options.metrics.gateOpened(opening.reason);
      }),
    );
    const failed = opened.find((one) => one.status === "rejected");
    return { ...(lookAgainMs !== undefined && { lookAgainMs }), ...(failed !== undefined && { error: failed.reason as unknown }) };
  }

  /** When this farm is looked at again: at the next resync, or when the first of its waits is over. */
  function next(done: Done, state: FarmState, reportWaits: readonly (Milliseconds | undefined)[]): Result {
    const { assessment, applied } = done;
    const { observation, plan, outcome } = assessment;
    const { problem } = outcome;
    if (problem?.kind === "busy")
      return {
        kind: "failed",
        error: new Error(problem.message),
        ...(problem.retryAfterMs !== undefined && { retryAfterMs: problem.retryAfterMs }),
      };
    const waits = [
      resyncMs,
      ...reportWaits,
      plan.lookAgainMs,
      observation.table.kind === "unavailable" ? unavailableMs(state) : undefined,
      applied.bindingsRemain ? firstRetryMs : undefined,
      openMs(done, state),
      unresolvedMs(observation, plan),
    ];
    const afterMs = Math.max(0, Math.min(...waits.filter((ms) => ms !== undefined)));
    return { kind: "again", afterMs, ...(applied.bindingsRemain && { priority: "background" as const }) };
  }

  const unavailableMs = ({ table: { failure } }: FarmState): Milliseconds =>
    failure === undefined ? longestFailureMs : Math.min(Math.max(failure.retryMs - clock.monotonic(), 0), longestFailureMs);

  /** Something was to be written and was not, or is to be written now: soon, and later each time that nothing came of it. */
  const openMs = ({ assessment, applied }: Done, state: FarmState): Milliseconds | undefined => {
    const { plan, authority, outcome } = assessment;
    const isOpen = outcome.problem !== undefined || count(permitted(plan, authority)) + plan.unconfirmed.length > 0;
    const isFruitless = isOpen && applied.registered.length + applied.marked.length + applied.removed.length === 0;
    state.fruitless = isFruitless ? state.fruitless + 1 : 0;
    return isOpen ? Math.min(firstRetryMs * 2 ** Math.max(0, Math.min(state.fruitless, 10) - 1), lastRetryMs) : undefined;
  };

  /** Pods that nobody owns may be those of a workload that is not there yet, or cannot be read. */
  const unresolvedMs = ({ members: observed, pods }: Observation, { desired }: Plan): Milliseconds | undefined =>
    observed.every(isComplete) || pods.pods.filter(isAlive).length <= desired.claimed.length + desired.taken.length
      ? undefined
      : unresolvedRetryMs;

  const momentOf = ({ observation }: Assessment, state: FarmState): { nowWallMs: Milliseconds; readIsFresh: boolean } => ({
    nowWallMs: clock.now(),
    readIsFresh: observation.table.kind === "read" && !state.table.dirty && state.table.atMs >= (state.memory.deletingSinceMs ?? Infinity),
  });

  async function letGo(farm: WebFarm, release: Extract<Release, { kind: "release" }>, signal: AbortSignal): Promise<Result> {
    const names = release.left.slice(0, 20).map(({ name, serverID }) => `${name} (ServerID ${serverID})`);
    if (release.reason === "TimedOut") {
      const note =
        release.left.length === 0
          ? "The WebFarm is released although its rows could not be read in time."
          : `The WebFarm is released and leaves ${release.left.length} rows: ${names.join(", ")}.`;
      options.log.warn("Released a WebFarm whose rows are not all removed", { farm: farm.key, rows: names });
      cluster.record({ farm, type: "Warning", reason: "ServersLeft", action: "Release", note });
    } else options.log.info("Released a WebFarm", { farm: farm.key, reason: release.reason });
    const write = await cluster.removeFinalizer(farm, signal);
    return write.kind === "conflict" ? { kind: "again", afterMs: conflictRetryMs } : { kind: "done" };
  }

  /** Monitoring, log and search rows of removed servers, after the commit and best effort. */
  async function sweep(database: FarmDatabase | undefined, state: FarmState, signal: AbortSignal): Promise<void> {
    const due = state.sweeps;
    if (database === undefined || due.length === 0) return;
    state.sweeps = due.filter(({ left }) => left > 1).map(({ rows, left }) => ({ rows, left: left - 1 }));
    try {
      await database.sweep(
        due.flatMap(({ rows }) => rows),
        signal,
      );
    } catch (error) {
      signal.throwIfAborted();
      options.log.warn("Could not sweep the monitoring, log and search rows of removed servers; they do no harm", { error });
    }
  }

  return {
    reconcile,
    farmsFor(namespace, before, after) {
      const changed = [before, after].filter((pod) => pod !== undefined);
      return cluster.farmsIn(namespace).flatMap((farm) => {
        const rowPods = states.get(farm.key)?.state.rowPods;
        return changed.some((pod) => members.concerns(farm, pod) || rowPods?.has(podHash(pod.uid)) === true) ? [farm.key] : [];
      });
    },
  };
}

const count = ({ inserts, marks, removals }: Actions): number => inserts.length + marks.length + removals.length;

const withoutFinalizer = (error: unknown): Applied => ({
  ...nothingApplied,
  outcome: {
    refused: [],
    problem: {
      kind: "unreachable",
      reason: "FinalizerNotWritten",
      message: `Nothing is written before the WebFarm has its finalizer, and that cannot be written: ${error instanceof Error ? error.message : String(error)}`,
      stalled: false,
    },
  },
});

const nothingApplied: Applied = { outcome: { refused: [] }, registered: [], marked: [], removed: [], bindingsRemain: false };

const fieldsOf = ({ farm }: Observation): Readonly<Record<string, unknown>> => ({ farm: farm.key });
