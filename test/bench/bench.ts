// `make bench`: measures what design.md promises and prints one figure a line. BENCH_ONLY=latency,idle,… takes some of the chapters,
// BENCH_SAMPLES=100 makes a quick run, BENCH_OPERATOR=path runs another bundle. It judges nothing and leaves nothing behind.

import { createBenchWorld } from "./benchWorld.ts";
import type { BenchWorld } from "./benchWorld.ts";
import { measureBurst } from "./burst.ts";
import { measureDrain } from "./drain.ts";
import { measureFailover } from "./failover.ts";
import { say } from "./figure.ts";
import { measureIdle } from "./idle.ts";
import { createQuietFarm, measureLatency } from "./latency.ts";
import { measureMemory } from "./memory.ts";

const chapters = ["latency", "idle", "burst", "drain", "failover", "memory"] as const;
type Chapter = (typeof chapters)[number];

const asked = (process.env["BENCH_ONLY"] ?? chapters.join(",")).split(",");
const unknown = asked.filter((name) => !chapters.some((chapter) => chapter === name));
if (unknown.length > 0) throw new Error(`Cannot measure ${unknown.join(", ")}: BENCH_ONLY takes ${chapters.join(", ")}`);
const isAsked = (chapter: Chapter): boolean => asked.includes(chapter);
const samples = Number(process.env["BENCH_SAMPLES"] ?? 1_000);

async function inWorld(measure: (world: BenchWorld) => Promise<void>): Promise<void> {
  const world = await createBenchWorld();
  const onInterrupt = (): void => void world.close().finally(() => process.exit(130));
  process.once("SIGINT", onInterrupt).once("SIGTERM", onInterrupt);
  try {
    await measure(world);
  } finally {
    process.off("SIGINT", onInterrupt).off("SIGTERM", onInterrupt);
    await world.close();
  }
}

if (isAsked("latency") || isAsked("idle"))
  await inWorld(async (world) => {
    say("making a quiet farm");
    const farm = await createQuietFarm(world);
    if (isAsked("latency")) await measureLatency(farm, samples);
    if (isAsked("idle")) await measureIdle(farm);
  });
if (isAsked("burst")) await inWorld(measureBurst);
if (isAsked("drain")) await inWorld(async (world) => await measureDrain(world, samples));
if (isAsked("failover")) await inWorld(measureFailover);
if (isAsked("memory")) await inWorld(measureMemory);
