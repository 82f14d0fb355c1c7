// One lease and the ways of several processes to it, on a simulated clock: each process may be paused, have a wall clock that is off, and
// have a way to the store that refuses, hangs, is slow, or loses answers. The store itself is truthful: it writes what names its version.
import type { Clock, Timer } from "../../operator/controller/clock.ts";
import { sleepWith } from "../../operator/controller/clock.ts";
import { createElection } from "../../operator/controller/election.ts";
import type { Election } from "../../operator/controller/election.ts";
import type { LeaseRecord, LeaseStore, LeaseWrite } from "../../operator/controller/lease.ts";
import { FakeClock, settle } from "./fakeClock.ts";
import type { Line } from "./recordingLog.ts";
import { recordingLog } from "./recordingLog.ts";

/** A clock of one process on the clock of the world. */
export class ProcessClock implements Clock {
  readonly #world: Clock;
  readonly #wallOffsetMs: number;
  readonly #held: (() => void)[] = [];
  #isPaused = false;

  constructor(world: Clock, wallOffsetMs: number) {
    this.#world = world;
    this.#wallOffsetMs = wallOffsetMs;
  }

  now(): number {
    return this.#world.now() + this.#wallOffsetMs;
  }

  monotonic(): number {
    return this.#world.monotonic();
  }

  after(ms: number, run: () => void): Timer {
    let isCancelled = false;
    const fire = (): void => {
      if (isCancelled) return;
      if (this.#isPaused) this.#held.push(fire);
      else run();
    };
    const timer = this.#world.after(ms, fire);
    return {
      cancel: () => {
        isCancelled = true;
        timer.cancel();
      },
    };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepWith((wait, run) => this.after(wait, run), ms, signal);
  }

  /** As SIGSTOP: time goes on, nothing of the process runs. */
  pause(): void {
    this.#isPaused = true;
  }

  /** What fell due meanwhile fires now, in order. */
  resume(): void {
    this.#isPaused = false;
    for (const fire of this.#held.splice(0)) fire();
  }
}

/**
 * `refuses`: each request fails at once. `hangs`: it never reaches the store. `mute`: it does its work, the answer never comes.
 * A number: so many milliseconds until the store does it (whatever became of its sender), and the answer comes then.
 */
export type Way = "refuses" | "hangs" | "mute" | number;

/** What the store answers on its own: `conflicts`: every write is lost, whatever is read. */
export type Mood = "truthful" | "conflicts";

export interface Process {
  readonly identity: string;
  readonly clock: ProcessClock;
  readonly election: Election;
  readonly lines: readonly Line[];
  /** `acquired` and `lost`, in order. */
  readonly story: string[];
  /** Requests that were sent: `read`, `create`, `update`. */
  readonly sent: string[];
  way: Way;
  /** What the watch would tell is told when this is false again. */
  isWatchStalled: boolean;
  /** How long ending the work takes when the lease is lost. */
  lostTakesMs: number;
}

export interface LeaseWorld {
  readonly clock: FakeClock;
  readonly record: () => LeaseRecord | undefined;
  /** Somebody else writes: a person, a restore. Undefined deletes it. */
  readonly put: (record: LeaseRecord | undefined) => void;
  readonly processes: readonly Process[];
  /** Makes a process and starts it. `random` default 0.5; `identity` default A, B, … */
  readonly start: (options?: { readonly identity?: string; readonly wallOffsetMs?: number; readonly random?: () => number }) => Process;
  /** Whether a write may start now, in each process that says so. */
  readonly holders: () => readonly string[];
  readonly letWatchesTell: () => void;
  mood: Mood;
  /** Called whenever a term begins. */
  onAcquired: (process: Process) => void;
}

export function createLeaseWorld(): LeaseWorld {
  const clock = new FakeClock();
  const processes: Process[] = [];
  const watchers = new Set<{ readonly process: () => Process; readonly tell: (record: LeaseRecord | undefined) => void; told: number }>();
  let record: LeaseRecord | undefined;
  let changes = 0;
  let version = 0;

  function put(next: LeaseRecord | undefined): void {
    record = next;
    changes += 1;
    letWatchesTell();
  }
  function letWatchesTell(): void {
    for (const watcher of watchers) {
      if (watcher.process().isWatchStalled || watcher.told === changes) continue;
      watcher.told = changes;
      const told = record;
      watcher.process().clock.after(1, () => {
        if (watchers.has(watcher)) watcher.tell(told);
      });
    }
  }
  function write(sent: LeaseRecord): LeaseWrite {
    if (world.mood === "conflicts" || (record?.version ?? "") !== sent.version) return { kind: "lost" };
    const written = { ...sent, version: String((version += 1)) };
    put(written);
    return { kind: "written", record: written };
  }

  /** The request travels, is done, and its answer travels back through the clock of the process. */
  function carry<T>(process: Process, what: string, work: () => T): Promise<T> {
    process.sent.push(what);
    const { way } = process;
    if (way === "refuses") return Promise.reject(new Error("connect ECONNREFUSED"));
    return new Promise((resolve) => {
      if (way === "hangs") return;
      clock.after(way === "mute" ? 1 : way, () => {
        const answer = work();
        if (way !== "mute") process.clock.after(0, () => resolve(answer));
      });
    });
  }

  function storeOf(process: () => Process): LeaseStore {
    return {
      read: () => carry(process(), "read", () => record),
      create: (sent) => carry(process(), "create", () => write(sent)),
      update: (sent) => carry(process(), "update", () => write(sent)),
      watch: (tell) => {
        const watcher = { process, tell, told: 0 };
        watchers.add(watcher);
        letWatchesTell();
        return {
          stop: () => {
            watchers.delete(watcher);
            return Promise.resolve();
          },
        };
      },
    };
  }

  const world: LeaseWorld = {
    ...{ clock, processes, put, letWatchesTell },
    record: () => record,
    mood: "truthful",
    onAcquired: () => undefined,
    holders: () => processes.filter(({ election }) => election.isHeld()).map(({ identity }) => identity),
    start: ({ identity = String.fromCharCode(65 + processes.length), wallOffsetMs = 0, random = () => 0.5 } = {}) => {
      const own = new ProcessClock(clock, wallOffsetMs);
      const log = recordingLog();
      const story: string[] = [];
      const election = createElection({
        ...{ clock: own, random, identity, log },
        store: storeOf(() => process),
        onAcquired: () => {
          story.push("acquired");
          world.onAcquired(process);
        },
        onLost: async () => {
          story.push("lost");
          if (process.lostTakesMs > 0) await own.sleep(process.lostTakesMs);
        },
      });
      const process: Process = {
        ...{ identity, clock: own, election, lines: log.lines, story, sent: [], way: 1, isWatchStalled: false, lostTakesMs: 0 },
      };
      processes.push(process);
      election.start();
      return process;
    },
  };
  return world;
}

/** Drives a promise that waits for the simulated clock: `stop` of an election. Resolves to how long it took, in milliseconds. */
export async function elapsed(clock: FakeClock, work: Promise<void>): Promise<number> {
  const startedMs = clock.monotonic();
  const waiting = { isDone: false };
  const done = work.finally(() => {
    waiting.isDone = true;
  });
  done.catch(() => undefined); // told to the caller below
  await settle();
  while (!waiting.isDone) if (!(await clock.advanceToNext())) throw new Error("Cannot go on: nothing waits for the clock");
  await done;
  return clock.monotonic() - startedMs;
}
