// A long removal as whole passes see it, against the real adapters and the test database: who goes first, who goes on where a process left
// off, and what one row that the server will not delete does to the others.

import { afterEach, describe, expect, test } from "@jest/globals";
import { systemClock } from "../../operator/controller/clock.ts";
import { WorkQueue } from "../../operator/controller/workQueue.ts";
import type { Result } from "../../operator/controller/workers.ts";
import { farmKey, type Pod } from "../../operator/farm/model.ts";
import { type Databases, openDatabases } from "../../operator/sqlserver/servers.ts";
import { recordingLog } from "../controller/recordingLog.ts";
import { asksRealServer } from "../database/database.ts";
import type { ArrivedStatement } from "../database/faults.ts";
import { ended, pod, uid } from "../farm/build.ts";
import { type FarmRig, openFarm } from "../sqlserver/farmRig.ts";
import { noTokens } from "../sqlserver/noTokens.ts";
import { FakeWorld } from "./fakeWorld.ts";

const withFaults = asksRealServer() ? describe.skip : describe; // a real server tells nobody what it was asked

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one.close();
});

interface Place {
  readonly rig: FarmRig;
  readonly connectionString: string;
}

async function openPlace(): Promise<Place> {
  const rig = await openFarm();
  opened.push(rig);
  return { rig, connectionString: rig.test.connectionStringFor(await rig.test.createLogin()) };
}

/** A process with nothing in its memory, and connections of its own. */
function startProcess({ connectionString }: Place, pods: readonly Pod[]): FakeWorld {
  const databases: Databases = openDatabases({
    ...{ clock: systemClock, log: recordingLog(), allowedHosts: [], mostProbes: 8, mayWrite: () => true, tokens: noTokens },
  });
  opened.push(databases);
  const world = new FakeWorld(databases);
  world.secrets.set("kentico", { CMSConnectionString: connectionString });
  for (const one of pods) world.put(one);
  return world;
}

const named = (name: string): Pod => pod({ name, uid: uid(name) });
const endedOf = (name: string): Pod => ended({ name, uid: uid(name) });

/** A process with these pods registered, and so many tasks bound to each of their servers. */
async function registered(place: Place, bindings: Readonly<Record<string, number>>): Promise<FakeWorld> {
  const world = startProcess(place, Object.keys(bindings).map(named));
  await world.settle(5_000);
  for (const { name, serverID } of await place.rig.rows()) await place.rig.bind(serverID, bindings[name] ?? 0);
  return world;
}

const names = async ({ rig }: Place): Promise<readonly string[]> => (await rig.rows()).map(({ name }) => name).toSorted();
const bindingCount = ({ rig }: Place): Promise<number> => rig.count("CMS_WebFarmServerTask");

/** Until `isDone`; each pass when the one before asked for it. */
async function passUntil(world: FakeWorld, isDone: () => Promise<boolean>): Promise<void> {
  for (let passes = 0; !(await isDone()); passes += 1) {
    if (passes > 50) throw new Error("The drain does not end");
    const result = await world.pass();
    world.clock.jump(result.kind === "again" ? result.afterMs : 1_000);
  }
}

/** Longer than any pause between two pieces of a long removal. */
const pauseMs = 5_000;

/** What the log told of a server's removal: the messages, and how many bindings were deleted. */
const told = ({ log }: FakeWorld, server: string): readonly (readonly [string, unknown])[] =>
  log.lines.flatMap(({ message, fields }) =>
    fields["server"] === server && /Remov|bindings/.test(message) ? [[message, fields["bindings"]] as const] : [],
  );

const isRemove = ({ text }: ArrivedStatement): boolean => text.includes("DELETE s FROM");
const isRegister = ({ text }: ArrivedStatement): boolean => text.includes("INSERT INTO [dbo].[CMS_WebFarmServer]");

/** What the operator's processes asked since `from`. */
const asked = ({ rig }: Place, from: number): readonly string[] =>
  rig.faults.statements.slice(from).flatMap((statement) => (isRemove(statement) ? ["remove"] : isRegister(statement) ? ["register"] : []));

withFaults("while a dead server's bindings are being deleted", () => {
  test("a pass inserts first, asks at most twice, and comes back at low priority with a piece at a time, until the row is gone", async () => {
    const place = await openPlace();
    const world = await registered(place, { long: 17_000, live: 3 });
    const tasks = await place.rig.count("CMS_WebFarmTask");
    world.put(endedOf("long"));
    world.put(named("fresh"));
    const from = place.rig.faults.statements.length;
    const result = await world.pass();
    expect(asked(place, from)).toEqual(["register", "remove", "remove"]);
    expect(result).toMatchObject({ kind: "again", priority: "background" });
    expect(await names(place)).toEqual(["fresh", "live", "long"]);
    expect(await bindingCount(place)).toBe(17_003 - 4_000);
    for (let left = 11_003; left >= 1_003; left -= 2_000) {
      world.clock.jump(pauseMs);
      expect(await world.pass()).toMatchObject({ kind: "again", priority: "background" });
      expect(await bindingCount(place)).toBe(left);
    }
    world.clock.jump(pauseMs);
    const last = await world.pass();
    expect([await names(place), await bindingCount(place)]).toEqual([["fresh", "live"], 3]);
    expect(last).not.toHaveProperty("priority");
    expect(await place.rig.count("CMS_WebFarmTask")).toBe(tasks);
    expect(told(world, "long")).toEqual([
      ["Removing the server", undefined],
      ["Deleting the bindings of a server that goes, some at a time; its row goes last", 6_000],
      ["Removed the server", 17_000],
    ]);
  });

  test("a pass that comes for a pod before the pause is over does everything else and leaves the long one alone", async () => {
    const place = await openPlace();
    const world = await registered(place, { long: 9_000, short: 3 });
    world.put(endedOf("long"));
    await world.pass();
    const from = place.rig.faults.statements.length;
    const left = await bindingCount(place);
    world.put(named("fresh"));
    expect(await world.pass()).toMatchObject({ kind: "again", priority: "background" });
    expect([asked(place, from), await bindingCount(place)]).toEqual([["register"], left]);
    world.put(endedOf("short"));
    await world.pass();
    expect([asked(place, from), await bindingCount(place)]).toEqual([["register", "remove"], left - 3]);
    expect(await names(place)).toEqual(["fresh", "long"]);
  });

  test("removals of others that come all the time do not hold it up", async () => {
    const place = await openPlace();
    const short = ["a", "b", "c", "d", "e", "f"];
    const world = await registered(place, { long: 9_000, ...Object.fromEntries(short.map((name) => [name, 1])) });
    world.put(endedOf("long"));
    await world.pass();
    const left = await bindingCount(place);
    for (const name of short) {
      world.clock.jump(60); // less than a pause
      world.put(endedOf(name));
      await world.pass();
    }
    expect(await bindingCount(place)).toBeLessThanOrEqual(left - short.length - 2 * 2_000);
  });

  test("an insert that fails meanwhile is tried again after a second, and so is the drain", async () => {
    const place = await openPlace();
    const world = await registered(place, { long: 25_000 });
    world.put(endedOf("long"));
    for (let passes = 0; passes < 7; passes += 1) {
      await world.pass();
      world.clock.jump(pauseMs);
    }
    world.put(named("fresh"));
    place.rig.faults.fail(isRegister, { number: 1_222, message: "Lock request time out period exceeded." });
    const result = await world.pass();
    expect(await names(place)).toEqual(["long"]);
    // As the queue's backoff goes when it failed, or by the pass's own wait.
    const afterMs = result.kind === "again" ? result.afterMs : result.kind === "failed" ? (result.retryAfterMs ?? 0) : Infinity;
    expect(afterMs).toBeLessThanOrEqual(1_000);
  });

  test("a WebFarm that is deleted does not pause: nobody inserts any more", async () => {
    const place = await openPlace();
    const world = await registered(place, { long: 9_000 });
    world.put(endedOf("long"));
    world.change({ deletionAtMs: world.clock.now(), generation: 2 });
    await world.pass();
    expect(await world.pass()).toMatchObject({ kind: "again", afterMs: 0 });
  });

  test("a pod that lives under its name by now, as only the API server knows, is waited for and not asked about without end", async () => {
    const place = await openPlace();
    const world = await registered(place, { long: 9_000 });
    world.put(endedOf("long"));
    await world.pass();
    const left = await bindingCount(place);
    world.live.set("long", named("long"));
    world.clock.jump(pauseMs);
    const result = await world.pass();
    expect(await bindingCount(place)).toBe(left);
    expect(result.kind === "again" && result.afterMs).toBeGreaterThanOrEqual(1_000);
  });

  test("the pods of other farms go before its next pass, and a pod of its own farm has it begin at once", async () => {
    const place = await openPlace();
    const world = await registered(place, { long: 9_000 });
    const [drained, other] = [farmKey("shop", "main"), farmKey("other", "farm")];
    const queue = new WorkQueue<string>({ clock: world.clock, random: () => 0 });
    const settleKey = (result: Result): void => {
      if (result.kind !== "again") throw new Error(`The pass did not ask for another: ${result.kind}`);
      queue.addAfter(drained, result.afterMs, result.priority ?? "background");
    };
    world.put(endedOf("long"));
    settleKey(await world.pass());
    await world.clock.advance(1_000);
    queue.add(other);
    expect([await queue.get(), await queue.get()]).toEqual([other, drained]);
    for (const key of [other, drained]) queue.done(key);

    settleKey(await world.pass());
    world.put(named("fresh"));
    queue.add(drained); // as the pod's event does
    expect(await queue.get()).toBe(drained);
    await world.pass();
    expect(await names(place)).toContain("fresh");
  });

  test("the next leader goes on without any memory, and one that was deposed and still sends does no harm", async () => {
    const place = await openPlace();
    const first = await registered(place, { long: 11_000, live: 5 });
    const tasks = await place.rig.count("CMS_WebFarmTask");
    first.put(endedOf("long"));
    await first.pass();
    const left = await bindingCount(place);
    expect(left).toBe(11_005 - 4_000);
    const next = startProcess(place, [endedOf("long"), named("live")]);
    for (const { name, serverID } of await place.rig.rows()) if (name === "long") await place.rig.bind(serverID, 100); // the product goes on
    const from = place.rig.faults.statements.length;
    await next.pass();
    await first.pass();
    await passUntil(next, async () => (await names(place)).length === 1);
    expect([await names(place), await bindingCount(place)]).toEqual([["live"], 5]);
    expect(await place.rig.count("CMS_WebFarmTask")).toBe(tasks + 100);
    // Nothing was deleted twice, and nobody began from the front without end: 7,100 bindings, and one more request a process.
    expect(asked(place, from).filter((one) => one === "remove").length).toBeLessThanOrEqual(7);
    await first.settle(5_000);
    expect([await names(place), await bindingCount(place)]).toEqual([["live"], 5]);
  });
});

withFaults("a row that the server will not delete", () => {
  test("does not stop the others, whatever they have bound, and is tried again later", async () => {
    const place = await openPlace();
    const world = await registered(place, { bad: 2, long: 5_000, short: 7, none: 0, live: 1 });
    const bad = (await place.rig.rows()).find(({ name }) => name === "bad")?.serverID;
    const trigger = place.rig.faults.fail(
      (statement) => isRemove(statement) && statement.parameters.some(({ name, value }) => name.startsWith("@i") && value === bad),
      { number: 50_000, message: "Not this server." },
      { times: Infinity },
    );
    for (const name of ["bad", "long", "short", "none"]) world.put(endedOf(name));
    await passUntil(world, async () => (await names(place)).length === 2);
    expect([await names(place), await bindingCount(place)]).toEqual([["bad", "live"], 3]);
    expect(world.farm?.status.conditions?.find(({ type }) => type === "Synced")).toMatchObject({
      status: "False",
      message: expect.stringContaining("Not this server."),
    });
    const met = trigger.met;
    await world.pass();
    expect(trigger.met).toBe(met); // not at each pass
    trigger.remove();
    world.clock.jump(31_000);
    await passUntil(world, async () => (await names(place)).length === 1);
    expect([await names(place), await bindingCount(place)]).toEqual([["live"], 1]);
  });
});
