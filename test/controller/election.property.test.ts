// Three processes, one lease, and any schedule of pauses, kills, stops and bad ways: at no moment may two hold, each term begins after the one
// before has ended, and when all is well again exactly one leads soon. The store answers truthfully and the clocks run at equal speed; wall
// clocks may say anything.
import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { createLeaseWorld } from "./leaseWorld.ts";
import type { LeaseWorld, Process, Way } from "./leaseWorld.ts";

const seats = 3;

type Step =
  | { readonly kind: "pass"; readonly ms: number }
  | { readonly kind: "pause" | "resume" | "replace" | "stop" | "stallWatch" | "healWatch"; readonly seat: number }
  | { readonly kind: "way"; readonly seat: number; readonly way: Way };

const seat = fc.nat({ max: seats - 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: 40_000 }) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom("pause", "resume", "replace", "stop", "stallWatch", "healWatch"),
      seat,
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("way" as const),
      seat,
      way: fc.oneof(fc.constantFrom<Way>("refuses", "hangs", "mute", 1, 3_999, 4_001), fc.integer({ min: 1, max: 60_000 })),
    }),
  },
);

const walls = fc.array(fc.integer({ min: -86_400_000, max: 86_400_000 }), { minLength: seats, maxLength: seats });
const jitter = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

/** Looks at the world at each moment at which something happens, and at least twice a second. */
async function pass(world: LeaseWorld, ms: number): Promise<void> {
  for (let leftMs = ms; leftMs > 0; leftMs -= 500) {
    await world.clock.advance(Math.min(500, leftMs));
    expect(world.holders().length).toBeLessThanOrEqual(1);
  }
}

function take(
  world: LeaseWorld,
  chairs: Process[],
  walls: readonly number[],
  random: () => number,
  step: Exclude<Step, { kind: "pass" }>,
): void {
  const process = chairs[step.seat];
  if (process === undefined) throw new Error(`Cannot find the process of seat ${step.seat}`);
  switch (step.kind) {
    case "way":
      process.way = step.way;
      return;
    case "pause":
      process.clock.pause();
      return;
    case "resume":
      process.clock.resume();
      return;
    case "stallWatch":
      process.isWatchStalled = true;
      return;
    case "healWatch":
      process.isWatchStalled = false;
      world.letWatchesTell();
      return;
    case "stop":
      void process.election.stop(() => process.clock.sleep(3_000));
      return;
    case "replace":
      process.clock.pause(); // killed, never resumed: what it sent may still be done
      chairs[step.seat] = world.start({ wallOffsetMs: walls[step.seat] ?? 0, random });
  }
}

test("never two hold, whatever becomes of processes, ways and watches, and in the end one leads", async () => {
  let terms = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), walls, jitter, async (steps, walls, jitter) => {
      const world = createLeaseWorld();
      const random = (): number => jitter;
      world.onAcquired = (process) => {
        terms += 1;
        expect(world.holders()).toEqual([process.identity]);
      };
      const chairs = walls.map((wallOffsetMs) => world.start({ wallOffsetMs, random }));
      for (const step of steps) {
        if (step.kind === "pass") await pass(world, step.ms);
        else take(world, chairs, walls, random, step);
      }
      for (const process of chairs) {
        Object.assign(process, { way: 1, isWatchStalled: false });
        process.clock.resume();
      }
      world.letWatchesTell();
      const last = world.start({ random }); // the others may all have been stopped
      await pass(world, 90_000); // the slowest request of before may take a minute to be done
      expect(world.holders()).toHaveLength(1);
      for (const { story, election } of world.processes) {
        expect(election.isAlive()).toBe(true);
        expect(story).toEqual(story.map((_, index) => (index % 2 === 0 ? "acquired" : "lost")));
      }
      expect(last.election.isAlive()).toBe(true);
    }),
    { numRuns: 300 },
  );
  expect(terms).toBeGreaterThan(300);
});
