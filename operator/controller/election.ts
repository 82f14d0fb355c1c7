// Which one of several processes may write: the one whose lease has not lapsed. It knows a lease, clocks and random numbers, and nothing of
// Kubernetes or of what is done while leading. It never trusts another host's clock, and never says "held" on the word of a timer: a process
// that was stopped for a minute asks before its timers fire. (A machine that is suspended whole stops the monotonic clock too; then only the
// conditions of each write protect.)
//
//   standby ──free: claim written──▶ leader ──renewed every 2 s──▶ leader
//      ▲                               │
//      └── work has ended ◀── 10 s without a renewal, or somebody else's record

export type { LeaseRecord, LeaseStore, LeaseWrite } from "./lease.ts";
import { createAttempts } from "./attempts.ts";
import type { Attempts } from "./attempts.ts";
import type { Clock, Timer } from "./clock.ts";
import { claimed, freeInMs, released, sighted } from "./lease.ts";
import type { LeaseRecord, LeaseStore, Sighting, Writing } from "./lease.ts";
import type { Logger } from "./logger.ts";
import type { Random } from "./random.ts";

export interface ElectionOptions {
  readonly store: LeaseStore;
  readonly clock: Clock;
  readonly random: Random;
  /** Unique to this process. */
  readonly identity: string;
  readonly log: Logger;
  /** A term begins. Must not throw. */
  readonly onAcquired: () => void;
  /**
   * The term is over although nobody wanted it: end all work at once. It competes again when the promise has resolved, so nothing of the
   * term may be under way then.
   */
  readonly onLost: () => Promise<void>;
  readonly metrics?: { leading(isLeading: boolean): void };
}

export interface Election {
  /** Begins to compete. */
  start(): void;
  /**
   * Whether a write may start now. It looks at the clock, not at a flag: a process that was stopped for a minute asks before its timers fire.
   */
  isHeld(): boolean;
  /** False only after a mistake in the program ended its loop: the process should be restarted. */
  isAlive(): boolean;
  /**
   * Competes no more. A leader goes on renewing until `drain` has resolved, then empties the lease for the next. `drain` is called only when
   * leading; when it rejects, so does this, and the lease is left to lapse. Resolves when the lease is released, or could not be in time.
   */
  stop(drain: () => Promise<void>): Promise<void>;
}

// client-go's numbers: https://pkg.go.dev/k8s.io/client-go/tools/leaderelection#LeaderElectionConfig
export const leaseSeconds = 15;
/** Shorter than the lease: the difference is what the clocks of two hosts may run apart while a lease lasts. */
export const renewDeadlineMs = 10_000;
export const retryMs = 2_000;
/** Of the retry: what randomness may add. */
const retryJitter = 0.2;
/** An answer that takes longer is not waited for, so that one lost request does not cost the term. */
const attemptMs = 4_000;
const releaseAttemptMs = 2_000;
const releaseTries = 3;
/** Writes without an answer that are still known as ours; of more than one at most the newest can come to stand. */
const mostUnanswered = 8;

export function createElection(options: ElectionOptions): Election {
  return new Elector(options);
}

interface Held {
  readonly record: LeaseRecord;
  /** Monotonic, when the last renewal that was granted had been *sent*. */
  readonly sentMs: number;
}

class Elector implements Election {
  readonly #options: ElectionOptions;
  readonly #attempts: Attempts;
  #sighting: Sighting | undefined;
  #held: Held | undefined;
  #expiry: Timer | undefined;
  /** `renewedAtMs` of our writes that stand, or may yet come to stand. */
  #sent: ReadonlySet<number> = new Set();
  #hasLed = false;
  /** No new term. */
  #isStopping = false;
  /** No renewal either. */
  #isEnding = false;
  #isDead = false;
  #toldHolder: string | undefined;
  #running: Promise<void> | undefined;
  #watch: { stop(): Promise<void> } | undefined;
  #wake: () => void = () => undefined;

  constructor(options: ElectionOptions) {
    this.#options = options;
    this.#attempts = createAttempts({ ...options, place: "lease" });
  }

  start(): void {
    if (this.#running !== undefined) throw new Error("Cannot start the election: it runs");
    this.#watch = this.#options.store.watch((record) => this.#note(record));
    this.#running = this.#run().catch((error: unknown) => this.#die(error));
  }

  isHeld(): boolean {
    return this.#held !== undefined && this.#options.clock.monotonic() < this.#held.sentMs + renewDeadlineMs;
  }

  isAlive(): boolean {
    return !this.#isDead;
  }

  async stop(drain: () => Promise<void>): Promise<void> {
    this.#isStopping = true;
    try {
      if (this.#held !== undefined) await drain();
    } finally {
      this.#isEnding = true;
      this.#interrupt(new Error("Cannot go on with the election: it was stopped"));
      await this.#running;
      await this.#watch?.stop();
    }
    await this.#release();
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      const held = await this.#compete();
      if (held !== undefined) await this.#lead(held);
    }
  }

  /** One look, wait or claim. Undefined: not ours, or not yet. */
  async #compete(): Promise<Held | undefined> {
    try {
      const sighting = this.#sighting;
      // Who hears nothing claims nothing: a claim that arrives without an answer would keep the lease from those who could lead.
      if (sighting === undefined || this.#attempts.isFailing()) {
        await this.#look();
        return undefined;
      }
      const waitMs = freeInMs(sighting, this.#options.clock.monotonic());
      if (waitMs > 0) {
        this.#attempts.recovered();
        this.#tellHolder(sighting.record);
        await this.#pause(waitMs);
        return undefined;
      }
      const held = await this.#write(claimed(sighting.record, this.#writing()));
      if (held !== undefined) return held;
      // Lost a race. Where even a fresh look says that it is free, a lost claim must not be repeated in a tight loop.
      if (freeInMs(await this.#look(), this.#options.clock.monotonic()) === 0) await this.#pause(this.#retryMs());
    } catch (error) {
      if (this.#isEnding) return undefined;
      this.#attempts.failed(error);
      await this.#pause(this.#retryMs());
    }
    return undefined;
  }

  async #lead(held: Held): Promise<void> {
    const { log, metrics, onAcquired, onLost } = this.#options;
    if (this.#isStopping) return; // What was granted after the stop is released by it.
    this.#hold(held);
    if (!this.isHeld()) {
      this.#letGo(); // The answer came too late: claim it anew.
      return;
    }
    this.#hasLed = true;
    this.#toldHolder = undefined;
    log.info("Acquired the lease", { transitions: held.record.transitions });
    metrics?.leading(true);
    onAcquired();
    const lostBy = await this.#renewUntilOver();
    if (lostBy === undefined) return; // Drained; the stop releases it.
    this.#letGo();
    const ended = onLost();
    metrics?.leading(false);
    log.info("Lost the lease", { reason: lostBy });
    await ended;
  }

  /** Why the term is over; undefined: it was stopped. */
  async #renewUntilOver(): Promise<string | undefined> {
    for (;;) {
      await this.#pause(this.#retryMs());
      if (this.#isEnding) return undefined;
      if (!this.isHeld()) return `not renewed within ${renewDeadlineMs} ms`;
      const lostBy = await this.#renew();
      if (lostBy !== undefined) return lostBy;
    }
  }

  /** Why the term is over, if it is. A renewal that only failed is tried again while the term lasts. */
  async #renew(): Promise<string | undefined> {
    const record = this.#held?.record;
    try {
      let renewed = await this.#write(claimed(record, this.#writing()));
      if (renewed === undefined) {
        // Somebody wrote since. It may have been a renewal of ours whose answer never came, or a person who labelled the lease.
        const found = (await this.#look()).record;
        if (found === undefined) return "the lease was deleted";
        if (!this.#isOurs(found)) return takenBy(found, this.#options.identity);
        renewed = await this.#write(claimed(found, this.#writing()));
      }
      if (renewed !== undefined) this.#hold(renewed);
    } catch (error) {
      if (!this.#isEnding && this.isHeld()) this.#attempts.failed(error);
    }
    return undefined;
  }

  /** Undefined: somebody else was first. */
  async #write(record: LeaseRecord): Promise<Held | undefined> {
    const { clock, store } = this.#options;
    const sentMs = clock.monotonic();
    this.#sent = new Set([...[...this.#sent].slice(1 - mostUnanswered), record.renewedAtMs]);
    const write = await this.#attempt((signal) => (record.version === "" ? store.create(record, signal) : store.update(record, signal)));
    this.#attempts.recovered();
    if (write.kind === "lost") return undefined;
    this.#sent = new Set([record.renewedAtMs]);
    this.#note(write.record);
    return { record: write.record, sentMs };
  }

  async #look(): Promise<Sighting> {
    return this.#note(await this.#attempt((signal) => this.#options.store.read(signal)));
  }

  #note(record: LeaseRecord | undefined): Sighting {
    const { clock, identity } = this.#options;
    const nowMs = clock.monotonic();
    const before = this.#sighting;
    const sighting = sighted(before, record, { nowMs, isOurs: record !== undefined && this.#isOurs(record) });
    this.#sighting = sighting;
    // A leader that is told of another's record asks by renewing: what is told may be old.
    const isNews = this.#held === undefined ? freeInMs(sighting, nowMs) === 0 : record?.holder !== identity;
    if (sighting !== before && isNews) this.#wake();
    return sighting;
  }

  /** Of a process before this one with the same name, too: a container that was restarted. But not of another that uses our name now. */
  #isOurs({ holder, renewedAtMs }: LeaseRecord): boolean {
    return holder === this.#options.identity && (!this.#hasLed || this.#sent.has(renewedAtMs));
  }

  #hold(held: Held): void {
    const { clock } = this.#options;
    this.#held = held;
    this.#expiry?.cancel();
    this.#expiry = clock.after(held.sentMs + renewDeadlineMs - clock.monotonic(), () =>
      this.#interrupt(new Error(`Cannot renew the lease: its ${renewDeadlineMs} ms are over`)),
    );
  }

  #letGo(): void {
    this.#held = undefined;
    this.#expiry?.cancel();
  }

  async #release(): Promise<void> {
    const { clock, log, metrics } = this.#options;
    const held = this.#held;
    this.#letGo();
    if (held !== undefined) metrics?.leading(false);
    try {
      for (let tries = 0; this.#sent.size > 0 && tries < releaseTries; tries += 1) {
        // By what was granted, not by what was last sighted: a watch may tell late what was written before.
        const { record } = tries === 0 && held !== undefined ? held : await this.#look();
        if (record === undefined || !this.#isOurs(record)) return;
        if ((await this.#write(released(record, clock.now()))) === undefined) continue;
        log.info("Released the lease");
        return;
      }
    } catch (error) {
      log.warn("Could not release the lease; the next leader waits until it lapses", { error });
    }
  }

  #attempt<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.#attempts.run(this.#isEnding ? releaseAttemptMs : attemptMs, run);
  }

  /** Ends early when woken. */
  async #pause(ms: number): Promise<void> {
    const isOver = this.#held === undefined ? this.#isStopping : !this.isHeld();
    if (this.#isEnding || isOver) return;
    await new Promise<void>((resolve) => {
      const timer = this.#options.clock.after(ms, resolve);
      this.#wake = () => {
        timer.cancel();
        resolve();
      };
    });
    this.#wake = () => undefined;
  }

  #interrupt(reason: Error): void {
    this.#attempts.interrupt(reason);
    this.#wake();
  }

  #writing(): Writing {
    return { identity: this.#options.identity, leaseSeconds, nowMs: this.#options.clock.now() };
  }

  #retryMs(): number {
    return retryMs * (1 + retryJitter * this.#options.random());
  }

  #tellHolder(record: LeaseRecord | undefined): void {
    const holder = record?.holder ?? "unknown";
    if (holder === this.#toldHolder) return;
    this.#toldHolder = holder;
    this.#options.log.info("Waiting for the lease", { holder });
  }

  /** A mistake in the program: nothing of the term may go on. */
  async #die(error: unknown): Promise<void> {
    this.#isDead = true;
    this.#letGo();
    this.#options.log.error("The election has ended by a mistake in the program", { error });
    this.#options.metrics?.leading(false);
    await this.#options.onLost();
  }
}

/**
 * A record with our name that is not our last one may be an older one of ours, after a restore of the store. It is waited for all the same:
 * somebody else may have led since, and not know yet.
 */
function takenBy({ holder }: LeaseRecord, identity: string): string {
  if (holder === "") return "somebody emptied the lease";
  if (holder !== identity) return `held by ${holder}`;
  return `the lease has our name and is not what we wrote last: the API server's store was taken back, or another process has the identity ${identity} too (then give each its own)`;
}
