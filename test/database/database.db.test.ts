// That a database for a test leaves nothing open, also where it could not be made: a server that goes on listening keeps the test run alive.
import { expect, test } from "@jest/globals";
import { asksRealServer, openTestDatabase, type TestDatabaseOptions } from "./database.ts";
import { eventually } from "../sqlserver/eventually.ts";

/** Of this process; a server that was closed is counted until the next turn of the loop. */
const listening = (): number => process.getActiveResourcesInfo().filter((resource) => resource === "TCPServerWrap").length;

test.each<readonly [string, TestDatabaseOptions, RegExp]>([
  ["collation is not known", { collation: "Klingon_CI_AS" }, /Klingon_CI_AS/],
  ["tables cannot be made", { kentico: { version: "13", settings: { CMSNoSuchKey: "1" } } }, /CMSNoSuchKey/],
])("a database whose %s leaves nothing open", async (_, options, message) => {
  const before = listening();
  await expect(openTestDatabase(options)).rejects.toThrow(message);
  await eventually(() => listening() === before);
});

test("a database listens until it is closed", async () => {
  const before = listening();
  const database = await openTestDatabase();
  const open = listening();
  await database.close();
  await eventually(() => listening() === before);
  expect(open).toBe(asksRealServer() ? before : before + 1);
});
