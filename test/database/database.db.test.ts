// That a database for a test leaves nothing open, also where it could not be made: a server that goes on listening keeps the test run alive.
import { expect, test } from "@jest/globals";
import { openTestDatabase, type TestDatabaseOptions } from "./database.ts";
import { eventually } from "../sqlserver/eventually.ts";

/** Servers and connections of this process; one that was closed is counted until the next turn of the loop. */
const openSockets = (): number => process.getActiveResourcesInfo().filter((resource) => resource.startsWith("TCP")).length;

test.each<readonly [string, TestDatabaseOptions, RegExp]>([
  ["collation is not known", { collation: "Klingon_CI_AS" }, /Klingon_CI_AS/],
  ["tables cannot be made", { kentico: { version: "13", settings: { CMSNoSuchKey: "1" } } }, /CMSNoSuchKey/],
])("a database whose %s leaves nothing open", async (_, options, message) => {
  const before = openSockets();
  await expect(openTestDatabase(options)).rejects.toThrow(message);
  await eventually(() => openSockets() === before);
});

test("a database holds its server and its connections until it is closed", async () => {
  const before = openSockets();
  const database = await openTestDatabase();
  const inUse = openSockets();
  await database.close();
  await eventually(() => openSockets() === before);
  expect(inUse).toBeGreaterThan(before);
});
