// What becomes of a removal whose answer was lost, or whose row others changed: it is told once, with what belongs to it, and never twice.

import { expect, test } from "@jest/globals";
import { ended, identity, pod, uid } from "../farm/build.ts";
import { markFor } from "../../operator/farm/mark.ts";
import { FakeDatabaseError, FakeWorld } from "./fakeWorld.ts";

const name = "shop-7c9d8b6f5-abcde";
const running = pod({ name, uid: uid("first") });
const gone = ended({ name, uid: uid("first") });

async function registered(): Promise<FakeWorld> {
  const world = new FakeWorld();
  world.put(running);
  await world.settle(5_000);
  expect(world.rows).toHaveLength(1);
  return world;
}

/** Its pod ends, and the request to remove its row never arrives. */
async function askedInVain(): Promise<FakeWorld> {
  const world = await registered();
  world.put(gone);
  world.faults.set("remove", { when: "before", error: new FakeDatabaseError() });
  await world.pass();
  return world;
}

/** The Secret names another database, which has no rows. */
function nameAnotherDatabase(world: FakeWorld): void {
  world.faults.clear();
  world.rows = [];
  world.secrets.set("kentico", { CMSConnectionString: "Server=other;Password=hush" });
  world.respec({}); // as a person who asks for a pass
}

const messages = ({ log }: FakeWorld, part: string): number => log.lines.filter(({ message }) => message.includes(part)).length;
const told = (world: FakeWorld): { readonly asked: number; readonly done: number } => ({
  asked: messages(world, "Removing the server"),
  done: messages(world, "Removed the server"),
});

test("a row that went although the answer was lost is told as removed by the pass that reads it gone, and swept after", async () => {
  const world = await registered();
  world.put(gone);
  world.faults.set("remove", { when: "after", error: new FakeDatabaseError() });
  await world.pass();
  expect([world.rows.length, told(world), world.evidence, world.count("sweep")]).toEqual([0, { asked: 1, done: 0 }, [], 0]);
  world.faults.clear();
  await world.settle(60_000);
  expect([told(world), world.evidence, world.count("sweep")]).toEqual([{ asked: 1, done: 1 }, ["ended"], 1]);
  expect(world.events.flatMap(({ reason, pod: of }) => (reason === "ServerRemoved" ? [of?.name] : []))).toEqual([name, undefined]);
});

test("a request that never arrived is sent again and told as one removal", async () => {
  const world = await askedInVain();
  world.clock.jump(1_000);
  await world.pass();
  world.faults.clear();
  await world.settle(60_000);
  expect([world.rows.length, told(world), world.evidence]).toEqual([0, { asked: 1, done: 1 }, ["ended"]]);
  expect(world.count("remove")).toBe(3);
});

test("a row that is another pod's by the time that the answer is lost is not told as removed", async () => {
  const world = await askedInVain();
  world.faults.clear();
  const [row] = world.rows;
  expect(row).toBeDefined();
  world.rows = world.rows.map((one) => ({ ...one, guid: markFor(identity, name, uid("second")) }));
  world.put(pod({ name, uid: uid("second") }));
  await world.settle(60_000);
  expect([world.rows.length, told(world), world.evidence]).toEqual([1, { asked: 1, done: 0 }, []]);
});

test("what another database does not have was not removed from it", async () => {
  const world = await askedInVain();
  nameAnotherDatabase(world);
  await world.settle(60_000);
  expect([told(world), world.evidence, world.count("sweep")]).toEqual([{ asked: 1, done: 0 }, [], 0]);
});

test("nor was it where the other database could not be read at first", async () => {
  const world = await askedInVain();
  nameAnotherDatabase(world);
  world.faults.set("facts", { when: "before", error: new FakeDatabaseError() });
  await world.settle(5_000);
  world.faults.clear();
  await world.settle(60_000);
  expect([told(world), world.evidence, world.count("sweep")]).toEqual([{ asked: 1, done: 0 }, [], 0]);
});

test("an API server that does not answer in between changes nothing of what is told", async () => {
  const world = await askedInVain();
  const [row] = world.rows;
  world.faults.set("livePod", { when: "before", error: new Error("500") });
  await world.settle(5_000);
  world.rows = world.rows.filter((one) => one !== row); // only now it executes
  world.clock.jump(31_000);
  await world.pass();
  expect([world.rows.length, told(world), world.evidence]).toEqual([0, { asked: 1, done: 1 }, ["ended"]]);
});

test("a row that the server refuses to delete is told as being removed once, however often it is tried", async () => {
  const world = await registered();
  world.put(gone);
  world.refusedRows.add(name);
  await world.settle(300_000);
  expect([world.rows.length, told(world)]).toEqual([1, { asked: 1, done: 0 }]);
  world.refusedRows.clear();
  await world.settle(120_000);
  expect([world.rows.length, told(world)]).toEqual([0, { asked: 1, done: 1 }]);
});

test("a sweep that failed is tried once more, and not for ever", async () => {
  const world = await registered();
  world.put(gone);
  world.faults.set("sweep", { when: "before", error: new FakeDatabaseError() });
  await world.settle(300_000);
  expect([world.rows.length, world.count("sweep")]).toEqual([0, 2]);
});
