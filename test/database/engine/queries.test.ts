import { expect, test } from "@jest/globals";
import { servers, startFarm } from "./conversation.ts";

async function filled() {
  const farm = await startFarm();
  await farm.db.ask(`${servers} INSERT INTO dbo.Servers (Name, Enabled) VALUES (N'a', 1), (N'b', 0), (N'c', 1);
    INSERT INTO dbo.Bindings VALUES (1, 10), (1, 11), (3, 12);`);
  return farm;
}

test("a LEFT JOIN keeps rows without a partner, and WHERE comes after it", async () => {
  const { db } = await filled();
  const joined = "FROM dbo.Servers AS s LEFT JOIN dbo.Bindings AS b ON b.ServerID = s.ID AND b.TaskID > 10";
  expect((await db.ask(`SELECT s.Name, b.TaskID ${joined} ORDER BY s.Name`)).sets).toEqual([
    [
      { Name: "a", TaskID: 11 },
      { Name: "b", TaskID: null },
      { Name: "c", TaskID: 12 },
    ],
  ]);
  expect(await db.column(`SELECT s.Name ${joined} WHERE b.TaskID IS NULL`)).toEqual(["b"]);
});

test("GROUP BY, HAVING and aggregates count what is there", async () => {
  const { db } = await filled();
  const text =
    "SELECT s.Name, COUNT(*) AS n, MIN(b.TaskID) AS low, MAX(b.TaskID) AS high, SUM(b.TaskID) AS total FROM dbo.Servers AS s INNER JOIN dbo.Bindings AS b ON b.ServerID = s.ID GROUP BY s.Name";
  expect((await db.ask(`${text} ORDER BY s.Name`)).sets).toEqual([
    [
      { Name: "a", n: 2, low: 10, high: 11, total: 21 },
      { Name: "c", n: 1, low: 12, high: 12, total: 12 },
    ],
  ]);
  expect(await db.column(`${text} HAVING COUNT(*) > 1`)).toEqual(["a"]);
  expect(await db.one("SELECT COUNT(*) AS n, COUNT(Guid) AS guids, MAX(Guid) AS g FROM dbo.Servers WHERE ID > 99")).toEqual({
    n: 0,
    guids: 0,
    g: null,
  });
  expect((await db.ask("SELECT Name, COUNT(*) FROM dbo.Servers")).errors).toEqual([8120]);
});

test("a WHERE without FROM decides whether there is a row", async () => {
  const { db } = await filled();
  expect(await db.column("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM dbo.Servers WHERE Name = N'a')")).toEqual([]);
  expect(await db.column("SELECT 1 WHERE EXISTS (SELECT 1 FROM dbo.Servers WHERE Name = N'a')")).toEqual([1]);
  expect(await db.one("SELECT COUNT(*) AS n WHERE 1 = 0")).toEqual({ n: 0 });
});

test("EXISTS, IN and scalar subqueries see the row around them", async () => {
  const { db } = await filled();
  expect(
    await db.column("SELECT Name FROM dbo.Servers AS s WHERE NOT EXISTS (SELECT 1 FROM dbo.Bindings AS b WHERE b.ServerID = s.ID)"),
  ).toEqual(["b"]);
  expect(await db.column("SELECT Name FROM dbo.Servers WHERE ID IN (SELECT ServerID FROM dbo.Bindings) ORDER BY Name DESC")).toEqual([
    "c",
    "a",
  ]);
  expect(
    await db.column("SELECT (SELECT COUNT(*) FROM dbo.Bindings AS b WHERE b.ServerID = s.ID) FROM dbo.Servers AS s ORDER BY s.ID"),
  ).toEqual([2, 0, 1]);
  expect(await db.column("SELECT Name FROM dbo.Servers WHERE ID NOT IN (SELECT NULL)")).toEqual([]);
  expect(await db.column("SELECT x.n FROM (SELECT Name AS n, ID FROM dbo.Servers WHERE Enabled = 1) AS x WHERE x.ID > 1")).toEqual(["c"]);
  expect(await db.column("SELECT DISTINCT ServerID FROM dbo.Bindings ORDER BY ServerID")).toEqual([1, 3]);
  expect(await db.column("SELECT Name AS n FROM dbo.Servers WHERE ID = 1 UNION ALL SELECT N'z' ORDER BY n DESC")).toEqual(["z", "a"]);
});

test("rows without ORDER BY come in no order, and the same for the same seed", async () => {
  const orders = new Set<string>();
  for (const seed of [1, 2, 3, 4, 5]) {
    const series = await Promise.all(
      [seed, seed].map(async (same) => {
        const { db } = await startFarm({ seed: same });
        await db.ask(`${servers} INSERT INTO dbo.Servers (Name) VALUES (N'a'), (N'b'), (N'c'), (N'd'), (N'e')`);
        return JSON.stringify(await db.column("SELECT Name FROM dbo.Servers"));
      }),
    );
    expect(series[0]).toBe(series[1]);
    orders.add(series[0] ?? "");
  }
  expect(orders.size).toBeGreaterThan(1);
});

test("an unknown column of an existing table stops the whole batch before it runs; a missing table stops it when it is reached", async () => {
  const { db } = await filled();
  const column = await db.ask("SELECT 1 AS a; SELECT Nothing FROM dbo.Servers");
  expect([column.errors, column.sets]).toEqual([[207], []]);
  const table = await db.ask("SELECT 1 AS a; SELECT 2 AS b FROM dbo.Nothing; SELECT 3 AS c");
  expect([table.errors, table.sets]).toEqual([[208], [[{ a: 1 }]]]);
  expect(
    (await db.ask("SELECT s.ID FROM dbo.Servers AS s INNER JOIN dbo.Bindings AS b ON b.ServerID = ID WHERE TaskID = x.y")).errors,
  ).toEqual([4104]);
});

test("a batch may use a table that it makes", async () => {
  const { db } = await startFarm();
  expect(await db.column("CREATE TABLE t (a int NOT NULL); INSERT INTO t VALUES (1); SELECT a FROM t")).toEqual([1]);
});

test("a column added is seen by the next batch, and old rows get its default if it is NOT NULL", async () => {
  const { db } = await filled();
  await db.ask("ALTER TABLE dbo.Servers ADD Weight int NOT NULL CONSTRAINT DF_Weight DEFAULT 7, Note nvarchar(9) NULL DEFAULT N'x'");
  expect(await db.one("SELECT Weight, Note FROM dbo.Servers WHERE ID = 1")).toEqual({ Weight: 7, Note: null });
  expect((await db.ask("ALTER TABLE dbo.Servers DROP COLUMN Weight")).errors).toEqual([4922]);
  await db.ask("ALTER TABLE dbo.Servers DROP CONSTRAINT DF_Weight; ALTER TABLE dbo.Servers DROP COLUMN Weight");
  expect((await db.ask("SELECT Weight FROM dbo.Servers")).errors).toEqual([207]);
  expect(await db.column("SELECT Name FROM dbo.Servers WHERE ID = 2")).toEqual(["b"]);
});

test("the catalogue tells columns, indexes, keys and defaults", async () => {
  const { db } = await filled();
  expect(
    (
      await db.ask(`SELECT i.name, i.is_unique AS uniq, i.type_desc AS kind, c.name AS col FROM sys.indexes AS i INNER JOIN sys.index_columns AS x ON x.object_id = i.object_id AND x.index_id = i.index_id
    INNER JOIN sys.columns AS c ON c.object_id = x.object_id AND c.column_id = x.column_id WHERE i.object_id = OBJECT_ID(N'dbo.Servers') ORDER BY i.name`)
    ).sets,
  ).toEqual([
    [
      { name: "IX_Name", uniq: true, kind: "NONCLUSTERED", col: "Name" },
      { name: "PK_Servers", uniq: true, kind: "NONCLUSTERED", col: "ID" },
    ],
  ]);
  expect(await db.column("SELECT definition FROM sys.default_constraints")).toEqual(["((1))"]);
  expect(
    await db.one("SELECT max_length AS bytes FROM sys.columns WHERE name = N'Name' AND object_id = OBJECT_ID(N'[dbo].[Servers]')"),
  ).toEqual({ bytes: 20 });
});
