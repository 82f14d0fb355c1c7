// Makes a random schedule while it runs: what is there (a cluster or two, farms, operators, rows that people made), then what happens to it,
// each step chosen by what is there at the moment. Each schedule has a random half of the kinds of steps (swarm testing), so that what is
// rare beside others is common somewhere.

import { farmMade, kindsOfFarms } from "./generateFarms.ts";
import { kindsOfFaults, recoveries } from "./generateFaults.ts";
import { longMs, placed, shortMs } from "./generateMoment.ts";
import type { FarmShape, Kind, Shape } from "./generateMoment.ts";
import { kindsOfPods } from "./generatePods.ts";
import { randomOf } from "./generateRandom.ts";
import type { Random } from "./generateRandom.ts";
import { rareTales } from "./generateRareTales.ts";
import { tales } from "./generateTales.ts";
import { defaultCluster } from "./names.ts";
import type { Step } from "./steps.ts";
import type { World } from "./world.ts";
import type { Conditions, Schedule } from "./campaignRun.ts";

const fewestSteps = 6;
const mostSteps = 28;
const mostTales = 2;

/** Always there: without time nothing comes of anything. */
const time: Kind = {
  name: "time passes",
  weight: 30,
  make: ({ random, world }) => {
    const duration = random.pick(random.below(5) < 3 ? shortMs : longMs);
    return { kind: "timePasses", duration: isDeaf(world) ? Math.min(duration, mostSilenceMs) : duration };
  },
};

/** A watch that is silent for 70 s is given up by the real reflector. */
const mostSilenceMs = 61_000;
const isDeaf = ({ operators }: World): boolean => [...operators.values()].some(({ isStalled }) => isStalled);

export function generated(seed: string): Schedule {
  const random = randomOf(seed);
  const shape = shapeOf(random);
  const setUp = [...setUpOf(random, shape)];
  const kinds = [...kindsOfPods, ...kindsOfFarms, ...kindsOfFaults].filter(() => random.oneIn(2));
  const always = [time, ...recoveries, ...kinds];
  const chosenTales = [...tales, ...rareTales].filter(() => random.oneIn(3));
  let left = fewestSteps + random.below(mostSteps - fewestSteps + 1);
  let talesLeft = random.below(mostTales + 1);
  const tale: Step[] = [];
  const next = (world: World): Step | undefined => {
    const first = setUp.shift();
    if (first !== undefined) return first;
    if (tale.length > 0 && !random.oneIn(5)) return tale.shift();
    if (left === 0) return tale.shift();
    left -= 1;
    const isTale = talesLeft > 0 && chosenTales.length > 0 && tale.length === 0 && random.oneIn(4);
    if (isTale) talesLeft -= 1;
    const steps = happening(world, random, shape, isTale ? chosenTales : always);
    tale.push(...steps.slice(1));
    return steps[0];
  };
  return { steps: { next }, isElected: random.oneIn(3) };
}

export function listed(steps: readonly Step[], { isElected }: Conditions): Schedule {
  const left = [...steps];
  return { steps: { next: () => left.shift() }, isElected };
}

const mostTries = 20;

/** Steps that could be done now; where nothing comes to mind, time passes. */
function happening(world: World, random: Random, shape: Shape, kinds: readonly Kind[]): readonly Step[] {
  for (let tries = 0; tries < mostTries; tries += 1) {
    const cluster = random.pick(shape.operators).cluster;
    const made = random.weighted(kinds).make({ world, random, shape, cluster });
    const steps = made === undefined ? [] : [made].flat();
    if (steps.length > 0) return steps.map((step) => placed(step, cluster));
  }
  return [{ kind: "timePasses", duration: 1_000 }];
}

function shapeOf(random: Random): Shape {
  const kind = random.oneIn(3) ? "StatefulSet" : "Deployment";
  const owner = random.oneIn(2) ? { owner: "eu-1/shop" } : {};
  const shop: FarmShape = { name: "shop", cluster: defaultCluster, workload: "shop", kind, ...owner };
  const a = { name: "A", cluster: defaultCluster };
  if (random.oneIn(12)) {
    const east = { ...shop, cluster: "east", ...(random.oneIn(2) ? { owner: "eu-1/shop" } : {}) };
    return { farms: [shop, east], operators: [a, { name: "E", cluster: "east" }] };
  }
  const operators = random.oneIn(3) ? [a, { name: "B", cluster: defaultCluster }] : [a];
  return { farms: random.oneIn(8) ? [shop, anotherFarm(shop, random)] : [shop], operators };
}

/** On the same database: of the same pods, of the same owner, in another namespace with the same names, or of other pods. */
function anotherFarm(shop: FarmShape, random: Random): FarmShape {
  const { owner: _owner, ...unowned } = shop;
  return random.pick<FarmShape>([
    { ...unowned, name: "shop2" },
    { ...shop, name: "shop2", workload: "web", owner: "eu-1/shop" },
    { ...unowned, name: "staging/shop", workload: "staging/shop" },
    { ...unowned, name: "shop2", workload: "web" },
  ]);
}

function* setUpOf(random: Random, { farms, operators }: Shape): Generator<Step> {
  if (random.oneIn(3)) yield { kind: "databasePings" };
  for (const row of ["old", "shop-0", "shop-1", "shop-b", "shop-c"]) if (random.oneIn(7)) yield { kind: "rowInserted", row };
  const count = random.pick([1, 2, 2, 3, 3, 4, 5]);
  for (const farm of farms) {
    const kind = farm.kind === "StatefulSet" ? "setMade" : "deploymentMade";
    yield placed({ kind, name: farm.workload, count }, farm.cluster);
    for (const step of farmMade(memberName(farm), random)) yield placed(step, farm.cluster);
    if (random.oneIn(4)) yield placed({ kind: "farmNodeLost", farm: farm.name, duration: 60_000 }, farm.cluster);
    if (random.oneIn(4))
      yield placed({ kind: "farmDeletionPolicy", farm: farm.name, policy: random.pick(["RemoveAll", "Retain"]) }, farm.cluster);
  }
  for (const { name, cluster } of operators) yield placed({ kind: "operatorStarts", operator: name }, cluster);
  if (!random.oneIn(3)) yield { kind: "timePasses", duration: random.pick([2_000, 10_000]) };
}

/** A member names a workload of its own namespace. */
const memberName = (farm: FarmShape): FarmShape => ({ ...farm, workload: farm.workload.split("/").at(-1) ?? farm.workload });
