// However pods of a farm that registers itself come, end and vanish, whatever fails and whenever the operator is started anew: no row of a
// process that lives is removed, none of which nobody wrote down whose it is, and nobody else's row is touched.

import { expect, test } from "@jest/globals";
import fc from "fast-check";
import type { Pod, ServerRow } from "../../operator/farm/model.ts";
import { ended, foreignRow, identity, pod, spec, terminating, uid } from "../farm/build.ts";
import { FakeDatabaseError, FakeWorld } from "./fakeWorld.ts";

type Step =
  | { readonly do: "start" | "run" | "register" | "terminate" | "end" | "vanish" | "pass"; readonly slot: number }
  | { readonly do: "wait"; readonly seconds: number }
  | { readonly do: "restart" | "emptyStatus" }
  | {
      readonly do: "fail";
      readonly call: "patchStatus" | "read" | "remove" | "livePod" | "livePods";
      readonly when: "before" | "after" | "never";
    };

/** As a Deployment names its pods: no name comes back. A StatefulSet's row stays for as long as its name is wanted (application.test.ts). */
const nameOf = (number: number): string =>
  `shop-7c9d8b6f5-${String(number)
    .padStart(5, "0")
    .replaceAll(/\d/g, (digit) => "bcdfghjklm".charAt(Number(digit)))}`;
const slots = 3;
const graceMs = 30_000;
const pingSeconds = 20;

const slot = fc.nat({ max: slots - 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constantFrom("start", "run", "run", "register", "terminate", "end", "vanish", "pass"), slot }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("wait" as const), seconds: fc.constantFrom(1, 5, 29, 45, 400) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("restart" as const, "emptyStatus" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("fail" as const),
      call: fc.constantFrom("patchStatus", "read", "remove", "livePod", "livePods"),
      when: fc.constantFrom("before", "after", "never"),
    }),
  },
);

const isOfDatabase = (call: string): boolean => call === "read" || call === "remove";

/** What runs, whatever anybody sees: a process has a row from when it registers, and pings for as long as it lives. */
interface Life {
  readonly pod: Pod;
  serverID?: number; // of the row that it uses
  endsAtMs: number; // Infinity: it lives on
}

class Play {
  readonly world = new FakeWorld();
  readonly byHand = foreignRow({ serverID: 900, name: "shop-admin" });
  readonly lives: Life[] = [];
  readonly seenLiving = new Set<number>(); // ServerIDs that were in the status while their pod lived
  readonly wrongs: string[] = [];
  #before: readonly { readonly row: ServerRow; readonly isInUse: boolean }[] = [];
  readonly #names: string[] = []; // by slot
  #uids = 0;
  #pings = 0;
  #ids = 0;

  constructor(withPings: boolean) {
    const { world } = this;
    world.mode = "1";
    world.replicas = 0;
    world.pings = withPings ? new Map() : undefined;
    world.rows.push({ ...this.byHand });
    world.onCall = (call) => {
      if (call === "remove") this.#judge();
    };
    world.change({ spec: spec({ ownerId: identity.ownerId, registration: "Application" }) });
  }

  now = (): number => this.world.clock.monotonic();
  living = (name: string): Life | undefined => this.lives.findLast(({ pod: { name: of } }) => of === name);
  isRunning = (life: Life): boolean => this.now() < life.endsAtMs;

  async play(one: Step): Promise<void> {
    await this.#do(one);
    this.#judge();
    for (const { serverID } of this.world.farm?.status.inventory ?? []) this.seenLiving.add(serverID);
  }

  /** Called right before a removal takes effect, and when it has: what has gone by then went with it. */
  #judge(): void {
    const now = new Set(this.world.rows.map(({ serverID }) => serverID));
    for (const { row, isInUse } of this.#before) {
      if (now.has(row.serverID)) continue;
      if (isInUse) this.wrongs.push(`row ${row.serverID} (${row.name}) went while its process lived`);
      if (!this.seenLiving.has(row.serverID)) this.wrongs.push(`row ${row.serverID} (${row.name}) went and was never written down`);
    }
    this.#before = this.world.rows.map((row) => ({
      row,
      isInUse: this.lives.some((life) => life.serverID === row.serverID && this.isRunning(life)),
    }));
  }

  async #do(one: Step): Promise<void> {
    const { world } = this;
    switch (one.do) {
      case "start":
        this.#start(one.slot);
        return;
      case "run":
        this.#start(one.slot);
        this.#register(one.slot);
        await this.#wait(2);
        return;
      case "register":
        this.#register(one.slot);
        return;
      case "pass":
        await world.pass();
        return;
      case "wait":
        await this.#wait(one.seconds);
        return;
      case "restart":
        world.restart();
        return;
      case "emptyStatus":
        world.change({ status: {} });
        return;
      case "fail":
        if (one.when === "never") world.faults.clear();
        else world.faults.set(one.call, { when: one.when, error: isOfDatabase(one.call) ? new FakeDatabaseError() : new Error("503") });
        return;
      case "terminate":
      case "end":
      case "vanish":
        this.#leave(one.slot, one.do);
    }
  }

  #start(slot: number): void {
    if (this.world.live.has(this.#names[slot] ?? "")) return;
    const name = nameOf((this.#uids += 1));
    this.#names[slot] = name;
    const fresh = pod({ name, uid: uid(`uid-of-${name}`), graceSeconds: graceMs / 1000 });
    this.lives.push({ pod: fresh, endsAtMs: Infinity });
    this.world.put(fresh);
  }

  /** The product uses the row of its name as it finds it, else it inserts one. */
  #register(slot: number): void {
    const name = this.#names[slot] ?? "";
    const life = this.living(name);
    if (life === undefined || !this.isRunning(life) || life.serverID !== undefined) return;
    const found = this.world.rows.find((row) => row.name === name);
    const serverID = found?.serverID ?? (this.#ids += 1);
    if (found === undefined) this.world.rows.push(foreignRow({ serverID, name }));
    life.serverID = serverID;
    this.#ping();
  }

  #leave(slot: number, how: "terminate" | "end" | "vanish"): void {
    const name = this.#names[slot] ?? "";
    const life = this.living(name);
    const there = this.world.live.get(name);
    if (life === undefined || there?.uid !== life.pod.uid) return;
    const { uid: of, graceSeconds } = life.pod;
    switch (how) {
      case "terminate":
        this.world.put(terminating({ name, uid: of, graceSeconds }));
        return;
      case "vanish":
        life.endsAtMs = Math.min(life.endsAtMs, this.now() + graceMs); // by force, and its node still has it
        this.world.delete(there, "listed");
        return;
      case "end":
        life.endsAtMs = Math.min(life.endsAtMs, this.now());
        this.world.put(ended({ name, uid: of, graceSeconds }));
        this.world.delete(ended({ name, uid: of, graceSeconds }));
    }
  }

  async #wait(seconds: number): Promise<void> {
    for (let left = seconds; left > 0; left -= pingSeconds) {
      this.#ping();
      await this.world.settle(Math.min(left, pingSeconds) * 1_000);
    }
  }

  #ping(): void {
    for (const life of this.lives)
      if (life.serverID !== undefined && this.isRunning(life)) this.world.pings?.set(life.serverID, String((this.#pings += 1)));
  }
}

test.each([true, false])("in a database whose servers ping: %s", async (withPings) => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40, size: "max" }), async (steps) => {
      const play = new Play(withPings);
      for (const one of steps) await play.play(one);
      expect(play.wrongs).toEqual([]);
      expect(play.world.rows).toContainEqual(play.byHand);
      expect(["register", "mark"].map((call) => play.world.count(call))).toEqual([0, 0]);

      // And when all is well again, what ended in sight or was written down has gone.
      play.world.faults.clear();
      for (let slot = 0; slot < slots; slot += 1) await play.play({ do: "end", slot });
      await play.play({ do: "wait", seconds: 1_000 });
      expect(play.wrongs).toEqual([]);
      const left = play.world.rows.filter(({ serverID }) => serverID !== play.byHand.serverID);
      const written = new Set((play.world.farm?.status.inventory ?? []).map(({ serverID }) => serverID));
      expect(left.filter(({ serverID }) => written.has(serverID))).toEqual([]);
    }),
    { numRuns: 30 },
  );
});
