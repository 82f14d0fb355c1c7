import { expect, test } from "@jest/globals";
import type { CommittedChange } from "./commits.ts";
import { servers, startFarm } from "./conversation.ts";

async function farm() {
  const heard: CommittedChange[] = [];
  const { db } = await startFarm({ onCommit: (change) => void heard.push(change) });
  await db.ask(servers);
  const names = (): unknown =>
    heard.splice(0).map(({ table, taken, put }) => [table, taken.map(({ Name }) => Name), put.map(({ Name }) => Name)]);
  return { db, heard, names };
}

test("a statement without a transaction is heard of once it has committed, with whole rows", async () => {
  const { db, heard, names } = await farm();
  await db.ask("INSERT INTO dbo.Servers (Name) VALUES (N'a'), (N'b')");
  expect(heard).toMatchObject([{ table: "Servers", taken: [], put: [{ ID: 1, Name: "a", Guid: null, Enabled: true }, { Name: "b" }] }]);
  expect(names()).toEqual([["Servers", [], ["a", "b"]]]);
  await db.ask("UPDATE dbo.Servers SET Name = N'c' WHERE Name = N'a'");
  expect(names()).toEqual([["Servers", ["a"], ["c"]]]);
  await db.ask("DELETE FROM dbo.Servers WHERE Name = N'b'");
  expect(names()).toEqual([["Servers", ["b"], []]]);
});

test("a transaction is heard of at its commit, and only what it has changed on the whole", async () => {
  const { db, names } = await farm();
  await db.ask("BEGIN TRANSACTION; INSERT INTO dbo.Servers (Name) VALUES (N'a'); INSERT INTO dbo.Servers (Name) VALUES (N'b')");
  await db.ask("DELETE FROM dbo.Servers WHERE Name = N'b'");
  expect(names()).toEqual([]);
  await db.ask("COMMIT");
  expect(names()).toEqual([["Servers", [], ["a"]]]);
});

test("what fails, is rolled back or changes nothing is not heard of", async () => {
  const { db, names } = await farm();
  await db.ask("INSERT INTO dbo.Servers (Name) VALUES (N'a')");
  names();
  await db.ask("INSERT INTO dbo.Servers (Name) VALUES (N'b'), (N'a')");
  await db.ask("BEGIN TRANSACTION; DELETE FROM dbo.Servers; ROLLBACK");
  await db.ask("DELETE FROM dbo.Servers WHERE Name = N'none'");
  await db.ask("BEGIN TRANSACTION; DELETE FROM dbo.Servers");
  db.session.close();
  expect(names()).toEqual([]);
});
