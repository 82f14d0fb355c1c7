// Makes a random schedule while it runs: what is there (a cluster or two, farms, operators, rows that people made), then what happens to it,
// each step chosen by what is there at the moment. Each schedule has a random half of the kinds of steps (swarm testing), so that what is
// rare beside others is common somewhere.

import { kinds, restarts, time } from "./generateKinds.ts";
import type { Kind, Shape } from "./generateKinds.ts";
import { randomOf } from "./generateRandom.ts";
import type { Random } from "./generateRandom.ts";
import type { Step } from "./steps.ts";
import type { World } from "./world.ts";

/** Gives the steps of one schedule in turn; undefined: it is over. */
export interface StepSource {
  next(world: World): Step | undefined;
}

const fewestSteps = 8;
const mostSteps = 34;

export function generated(seed: string): StepSource {
  const random = randomOf(seed);
  const { shape, steps } = setUp(random);
  const enabled = [time, ...restarts, ...kinds.filter(() => random.oneIn(2))];
  let left = fewestSteps + random.below(mostSteps - fewestSteps + 1);
  return {
    next: (world) => {
      const first = steps.shift();
      if (first !== undefined) return first;
      if (left === 0) return undefined;
      left -= 1;
      return nextStep(world, random, shape, enabled);
    },
  };
}

/** One that could happen now; where none could, time passes. */
function nextStep(world: World, random: Random, shape: Shape, enabled: readonly Kind[]): Step | undefined {
  for (let tries = 0; tries < 20; tries += 1) {
    const step = random.weighted(enabled).make({ world, random, shape });
    if (step !== undefined) return step;
  }
  return time.make({ world, random, shape });
}

export function listed(steps: readonly Step[]): StepSource {
  const left = [...steps];
  return { next: () => left.shift() };
}

function setUp(random: Random): { readonly shape: Shape; readonly steps: Step[] } {
  const isSet = random.oneIn(3);
  const kind = isSet ? "StatefulSet" : "Deployment";
  const count = random.pick([1, 2, 2, 3, 3, 4, 5]);
  const shop = { name: "shop", workload: "shop", kind } as const;
  const east = random.oneIn(14);
  const hasSecond = !east && random.oneIn(3);
  const shape: Shape = { farms: [shop], operators: hasSecond ? ["A", "B"] : ["A"], east };
  const steps: Step[] = [
    ...(random.oneIn(3) ? [{ kind: "databasePings" } as const] : []),
    ...foreignRows(random),
    { kind: isSet ? "setMade" : "deploymentMade", name: "shop", count },
    ...farmSteps(random, isSet),
    ...shape.operators.map((operator): Step => ({ kind: "operatorStarts", operator })),
    ...(random.oneIn(3) ? [] : [{ kind: "timePasses", duration: random.pick([2_000, 10_000]) } as const]),
  ];
  return { shape, steps };
}

function foreignRows(random: Random): readonly Step[] {
  const names = ["old", "shop-0", "shop-1", "shop-b", "shop-c"].filter(() => random.oneIn(6));
  return names.map((row) => ({ kind: "rowInserted", row }));
}

function farmSteps(random: Random, isSet: boolean): readonly Step[] {
  const farm = "shop";
  return [
    { kind: "farmMade", farm, policy: random.oneIn(5) ? random.pick(["Observe", "CreateOnly", "UpsertOnly"]) : "Sync" },
    ...(isSet ? [{ kind: "farmSetMember", farm, member: "live", name: "shop" } as const] : []),
    ...(random.oneIn(2) ? [{ kind: "farmOwner", farm, owner: "eu-1/shop" } as const] : []),
    ...(random.oneIn(4) ? [{ kind: "farmNodeLost", farm, duration: 60_000 } as const] : []),
    ...(random.oneIn(4) ? [{ kind: "farmDeletionPolicy", farm, policy: random.pick(["RemoveAll", "Retain"]) } as const] : []),
  ];
}
