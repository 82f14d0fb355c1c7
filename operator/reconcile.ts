// One key, one pass: observe, plan, apply, report. Whatever woke it (a pod, the WebFarm, a resync, a deletion) the steps are the same, so
// it is right when run twice, late, or after a crash between any two lines. It holds nothing that may not be lost.

import type { Clock } from "./controller/clock.ts";
import type { Logger } from "./controller/logger.ts";
import type { Result } from "./controller/workers.ts";
import type { Assessment } from "./farm/conditions.ts";
import { finalizer } from "./farm/deletion.ts";
import { podHash } from "./farm/mark.ts";
import type { FarmKey, Milliseconds, Pod, WebFarm } from "./farm/model.ts";
import { planFarm } from "./farm/plan.ts";
import { authorityOf, countActions, permitted } from "./farm/policy.ts";
import type { Actions } from "./farm/policy.ts";
import { apply } from "./pass/apply.ts";
import type { Applied } from "./pass/apply.ts";
import { decide } from "./pass/decide.ts";
import type { Decision } from "./pass/decide.ts";
import { afterLostRace, finalizerProblem, holdFinalizer, letGo, releaseNow } from "./pass/finalizer.ts";
import type { FinalizerHold } from "./pass/finalizer.ts";
import { createMembers } from "./pass/members.ts";
import type { ReadWorkload } from "./pass/members.ts";
import { forgetUnwanted, noteRemoved } from "./pass/removal.ts";
import { nextLook } from "./pass/next.ts";
import { observe, withRows } from "./pass/observe.ts";
import { newest, openGates, tellActions, tellStatus } from "./pass/report.ts";
import type { Cluster, Databases, FarmDatabase, PassMetrics } from "./pass/ports.ts";
import { newState } from "./pass/state.ts";
import type { FarmState, FarmStates } from "./pass/state.ts";
import { sweepRemoved } from "./pass/sweep.ts";
import { noteRowPods } from "./pass/waits.ts";

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
  /** What it holds between passes, all of which may be lost: given by those who want to look at it. */
  readonly states?: FarmStates;
  readonly workloads?: Map<string, ReadWorkload>;
}

export interface Reconciler {
  reconcile(key: FarmKey, signal: AbortSignal): Promise<Result>;
  /** The farms to which a change of a pod may matter. */
  farmsFor(namespace: string, before: Pod | undefined, after: Pod | undefined): readonly FarmKey[];
}

/** Two writes of a farm are at least this far apart: what arrives meanwhile travels together. */
const writeIntervalMs = 10;
/** A WebFarm that goes is held this long for gates that cannot be opened. */
const longestGateWaitMs = 120_000;

export function createReconciler(options: ReconcileOptions): Reconciler {
  const { cluster, clock, databases, resyncMs } = options;
  const states: FarmStates = options.states ?? new Map<FarmKey, { readonly uid: string; readonly state: FarmState }>();
  const workloads = options.workloads ?? new Map<string, ReadWorkload>();
  const members = createMembers({ cluster, clock, resyncMs, cache: workloads });
  const observing = { ...options, members };

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
    // Every key is added again when the caches are synced. But one that goes may have to go before, where pods cannot be listed for long.
    if (!cluster.isSynced(cached.namespace) && cached.deletionAtMs === undefined) return { kind: "done" };
    const state = stateOf(cached);
    const waitMs = state.lastWriteMs + writeIntervalMs - clock.monotonic();
    if (waitMs > 0) await clock.sleep(waitMs, signal); // a timer takes a millisecond even for nothing
    return await pass(cached, state, signal);
  }

  async function pass(cached: WebFarm, state: FarmState, signal: AbortSignal): Promise<Result> {
    const farm = newest(cached, state);
    const observed = await observe(observing, farm, state, signal);
    const decision = await decide(observing, observed, state, signal);
    // The database may let every pass run into its end: gates do not wait for that (promise 4).
    if (state.isCut) {
      const { error } = await openGates(options, { ...decision, outcome: nothingApplied.outcome }, state, signal);
      if (error !== undefined) options.log.warn("A readiness gate cannot be opened; it is tried again", { farm: farm.key, error });
    }
    state.isCut = true;
    const actions = permitted(decision.plan, decision.authority);
    const hold = await holdFinalizer(cluster, decision, actions, state, signal);
    if (hold.kind === "lost") return await withoutHold(decision, state, signal);
    if (farm.deletionAtMs === undefined) state.lostRaces = 0; // letting it go may lose races too
    const log = options.log.child({ farm: farm.key });
    const removedBefore = noteRemoved({ ...options, log }, state); // what became of requests whose answers were lost
    if (decision.observation.table.kind === "read") forgetUnwanted(state, decision.plan.removals);
    const applied = await applyHeld(decision, hold, actions, state, signal);
    const observation = { ...withRows(decision.observation, state), farm: newest(cached, state) };
    noteRowPods(state, observation);
    const assessment: Assessment = {
      observation,
      plan: applied === nothingApplied ? decision.plan : planFarm(observation, state.memory), // on the rows that were read back
      authority: authorityOf(observation),
      outcome: applied.outcome,
    };
    return await report(
      {
        assessment,
        applied: { ...applied, removed: [...removedBefore, ...applied.removed] },
        database: decision.database,
        ...(hold.kind === "failed" && { error: hold.error }),
      },
      state,
      signal,
    );
  }

  /** Nothing goes to the database or into the status, but gates do not wait for a cache that lags behind (promise 4). */
  async function withoutHold(decision: Decision, state: FarmState, signal: AbortSignal): Promise<Result> {
    const gates = await openGates(options, { ...decision, outcome: nothingApplied.outcome }, state, signal);
    state.isCut = false;
    const again = afterLostRace(state);
    return gates.error === undefined ? again : { kind: "failed", error: gates.error };
  }

  /** Nothing is written without the finalizer, or without a database; nothing is asked where nothing is to be done. */
  async function applyHeld(
    decision: Decision,
    hold: FinalizerHold,
    actions: Actions,
    state: FarmState,
    signal: AbortSignal,
  ): Promise<Applied> {
    if (hold.kind === "failed") return { ...nothingApplied, outcome: { refused: [], problem: finalizerProblem(hold.error) } };
    const { database } = decision;
    if (database === undefined || countActions(actions) + decision.plan.unconfirmed.length === 0) return nothingApplied;
    const log = options.log.child({ farm: decision.observation.farm.key });
    return await apply({ ...options, log, ...decision, database, state, signal }, actions);
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
    const { farm, table, pods } = assessment.observation;
    const gates = await openGates(options, assessment, state, signal);
    state.isCut = false;
    tellActions(options, farm, applied);
    // Where the pods are not all known, rows of living ones look as if nothing explained them: nothing of that is published for approval.
    const told = pods.synced ? await tellStatus(options, assessment, state, signal) : {};
    await sweepRemoved(options.log, database, state, signal);
    const release = releaseNow(clock, assessment, state);
    // Nobody opens a gate once the WebFarm is gone, but a gate that cannot be opened does not hold it for ever.
    const mayGo = gates.error === undefined || clock.monotonic() - (state.memory.deletingSinceMs ?? -Infinity) >= longestGateWaitMs;
    if (release?.kind === "release" && mayGo) return await letGo(options, farm, release, state, signal);
    if (table.kind === "notAsked") databases.release(farm.key);
    const error = done.error ?? gates.error ?? told.error;
    if (error !== undefined) return { kind: "failed", error };
    return nextLook(options, done, state, [
      told.lookAgainMs,
      gates.lookAgainMs,
      release?.kind === "wait" ? release.lookAgainMs : undefined,
    ]);
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

const nothingApplied: Applied = { outcome: { refused: [] }, registered: [], marked: [], removed: [] };
