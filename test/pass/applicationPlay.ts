// Plays pods of a farm that registers itself: their processes, rows and pings, whatever anybody sees of them, beside an operator whose calls
// fail and which is started anew. It notes each row that went although a process uses it, or that nobody wrote down; it knows nothing of how
// the operator decides.

import type { Pod, ServerRow } from "../../operator/farm/model.ts";
import { foreignRow, identity, pod, spec, terminating, uid } from "../farm/build.ts";
import { graceMs, slots } from "./applicationSteps.ts";
import type { Choice, Leaving, Naming, PlayOptions, Step } from "./applicationSteps.ts";
import { FakeDatabaseError, FakeWorld } from "./fakeWorld.ts";

const pingSeconds = 20;

/** A process has a row from when it registers, and pings for as long as it lives. */
interface Life {
  readonly slot: number;
  readonly pod: Pod;
  serverID?: number; // of the row that it uses
  endsAtMs: number; // Infinity: it lives on
  isReplaced: boolean; // its pod is gone and another had the name then, or since: elsewhere the row would carry that one's mark
}

const isOfDatabase = (call: string): boolean => call === "read" || call === "remove";

export class Play {
  readonly world = new FakeWorld();
  readonly byHand = foreignRow({ serverID: 900, name: "shop-admin" });
  readonly wrongs: string[] = [];
  readonly #naming: Naming;
  readonly #lives: Life[] = [];
  readonly #writtenDown = new Set<number>(); // ServerIDs that were in the status
  #before: readonly { readonly row: ServerRow; readonly isInUse: boolean }[] = [];
  #looks = true;
  #uids = 0;
  #pings = 0;
  #ids = 0;

  constructor({ naming, hasPings }: PlayOptions) {
    const { world } = this;
    this.#naming = naming;
    world.mode = "1";
    world.kind = naming === "ordinal" ? "StatefulSet" : "Deployment";
    world.replicas = naming === "ordinal" ? slots : 0;
    world.pings = hasPings ? new Map() : undefined;
    world.rows.push({ ...this.byHand });
    world.onCall = (call) => {
      if (call === "remove") this.#judge();
    };
    const member = {
      name: "live",
      workloadRef: { apiVersion: "apps/v1", kind: world.kind, name: "shop" },
      serverName: naming === "hostname" ? "$(POD_HOSTNAME)" : "$(POD_NAME)",
    };
    world.change({ spec: spec({ ownerId: identity.ownerId, registration: "Application", members: [member] }) });
  }

  async play(one: Step): Promise<void> {
    await this.#do(one);
    this.#judge();
    for (const { serverID } of this.world.farm?.status.inventory ?? []) this.#writtenDown.add(serverID);
  }

  /** Nothing fails any more, everybody sees everything, and all processes end. */
  async settleAll(): Promise<void> {
    this.world.faults.clear();
    await this.play({ do: "thaw" });
    for (const life of this.#lives) life.endsAtMs = Math.min(life.endsAtMs, this.#now());
    for (const one of [...this.world.live.values()]) this.#put(asEnded(one));
    await this.play({ do: "pass" });
    for (const one of [...this.world.live.values()]) this.#delete(one, "event");
    await this.play({ do: "scale", replicas: 0 });
    await this.play({ do: "wait", seconds: 1_000 });
  }

  #now = (): number => this.world.clock.monotonic();
  #isRunning = (life: Life): boolean => this.#now() < life.endsAtMs;
  #isThere = ({ pod: { name, uid: of } }: Life): boolean => this.world.live.get(name)?.uid === of;

  /** Called right before a removal takes effect, and when it has: what has gone by then went with it. */
  #judge(): void {
    const now = new Set(this.world.rows.map(({ serverID }) => serverID));
    for (const { row, isInUse } of this.#before) {
      if (now.has(row.serverID)) continue;
      if (isInUse) this.wrongs.push(`row ${row.serverID} (${row.name}) went while its process lived`);
      if (!this.#writtenDown.has(row.serverID)) this.wrongs.push(`row ${row.serverID} (${row.name}) went and was never written down`);
    }
    this.#before = this.world.rows.map((row) => ({
      row,
      isInUse: this.#lives.some((life) => life.serverID === row.serverID && this.#isRunning(life) && !life.isReplaced),
    }));
  }

  async #do(one: Step): Promise<void> {
    const { world } = this;
    switch (one.do) {
      case "start":
        await this.#start(one.slot);
        return;
      case "run":
        await this.#start(one.slot);
        this.#register(one);
        await this.#wait(2);
        return;
      case "register":
        this.#register(one);
        return;
      case "pass":
        if (this.#looks) await world.pass();
        return;
      case "wait":
        await this.#wait(one.seconds);
        return;
      case "scale":
        world.replicas = one.replicas;
        return;
      case "restart":
        this.#looks = true;
        world.restart();
        return;
      case "takeOver":
        if (this.#looks) world.takeOver();
        return;
      case "freeze":
        this.#looks = false;
        return;
      case "thaw":
        this.#looks = true;
        world.relist();
        return;
      case "emptyStatus":
        world.change({ status: {} });
        return;
      case "break":
        if (one.when === "never") world.faults.clear();
        else world.faults.set(one.call, { when: one.when, error: isOfDatabase(one.call) ? new FakeDatabaseError() : new Error("503") });
        return;
      case "vanish":
        this.#vanish(one);
        return;
      case "terminate":
      case "end":
      case "fail":
      case "collect":
        this.#leave(one, one.do);
    }
  }

  /** A new pod wakes the operator, if it looks. */
  async #start(at: number): Promise<void> {
    const { world } = this;
    const there = this.#lives.filter((life) => life.slot === at && this.#isThere(life));
    // A host name may be given to the next pod before the last one has gone.
    if (this.#naming === "hostname" ? there.length > 1 : there.length > 0) return;
    if (this.#naming === "ordinal" && at >= world.replicas) return;
    const number = (this.#uids += 1);
    const fresh = pod({ ...this.#named(at, number), uid: uid(`pod-${number}`), graceSeconds: graceMs / 1000 });
    for (const life of this.#lives) if (life.slot === at && !this.#isThere(life)) life.isReplaced = true;
    this.#lives.push({ slot: at, pod: fresh, endsAtMs: Infinity, isReplaced: false });
    this.#put(fresh);
    if (this.#looks) await world.pass();
  }

  #named(at: number, number: number): Partial<Pod> {
    const controller = { apiVersion: "apps/v1", kind: "StatefulSet", name: "shop", uid: "uid-of-workload" };
    switch (this.#naming) {
      case "new":
        return { name: podName(number) };
      case "same":
        return { name: podName(at) };
      case "ordinal":
        return { name: `shop-${at}`, controller };
      case "hostname":
        return { name: podName(number), hostname: podName(9_000 + at) };
    }
  }

  /** The product uses the row of its name as it finds it, else it inserts one. */
  #register({ slot: at, which: index }: Choice): void {
    const waiting = this.#lives.filter((life) => life.slot === at && life.serverID === undefined && this.#isRunning(life));
    const life = waiting[index % waiting.length];
    if (life === undefined) return;
    const name = life.pod.hostname ?? life.pod.name;
    const found = this.world.rows.find((row) => row.name === name);
    const serverID = found?.serverID ?? (this.#ids += 1);
    if (found === undefined) this.world.rows.push(foreignRow({ serverID, name }));
    life.serverID = serverID;
    this.#ping();
  }

  #pick({ slot: at, which: index }: Choice): Life | undefined {
    const there = this.#lives.filter((life) => life.slot === at && this.#isThere(life));
    return there[index % there.length];
  }

  /** By force, and its node, which nobody reaches, goes on for so long. */
  #vanish(step: Extract<Step, { readonly do: "vanish" }>): void {
    const life = this.#pick(step);
    if (life === undefined) return;
    life.endsAtMs = Math.min(life.endsAtMs, this.#now() + step.livesSeconds * 1000);
    this.#delete(life.pod, "listed");
    life.isReplaced ||= this.#lives.some((other) => other.slot === life.slot && this.#isThere(other) && this.#isRunning(other));
  }

  #leave(step: Choice, how: Leaving): void {
    const life = this.#pick(step);
    if (life === undefined) return;
    const isEnded = !this.#isRunning(life);
    switch (how) {
      case "terminate":
        if (!isEnded) this.#put(terminating(life.pod));
        return;
      case "end":
        life.endsAtMs = Math.min(life.endsAtMs, this.#now());
        this.#put(asEnded(life.pod));
        this.#delete(asEnded(life.pod), "event");
        return;
      case "fail": // and the object stays, as that of an evicted pod does
        life.endsAtMs = Math.min(life.endsAtMs, this.#now());
        this.#put(asEnded(life.pod));
        return;
      case "collect":
        if (isEnded) this.#delete(asEnded(life.pod), "event");
    }
  }

  #put(one: Pod): void {
    if (this.#looks) this.world.put(one);
    else this.world.live.set(one.name, one);
  }

  #delete(one: Pod, how: "event" | "listed"): void {
    if (this.#looks) this.world.delete(one, how);
    else this.world.live.delete(one.name);
  }

  async #wait(seconds: number): Promise<void> {
    for (let left = seconds; left > 0; left -= pingSeconds) {
      this.#ping();
      const ms = Math.min(left, pingSeconds) * 1_000;
      if (this.#looks) await this.world.settle(ms);
      else this.world.clock.jump(ms);
    }
  }

  #ping(): void {
    for (const life of this.#lives)
      if (life.serverID !== undefined && this.#isRunning(life)) this.world.pings?.set(life.serverID, String((this.#pings += 1)));
  }
}

export const asEnded = (one: Pod): Pod => pod({ ...one, phase: "Succeeded", running: false });

/** As a Deployment names its pods. */
const podName = (number: number): string =>
  `shop-7c9d8b6f5-${String(number)
    .padStart(5, "0")
    .replaceAll(/\d/g, (digit) => "bcdfghjklm".charAt(Number(digit)))}`;
