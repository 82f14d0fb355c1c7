import { expect, test } from "@jest/globals";
import { startFarm } from "./conversation.ts";

const names = "CREATE TABLE t (n nvarchar(40) NOT NULL); CREATE UNIQUE INDEX i ON t (n);";

async function areEqual(collation: string, one: string, other: string): Promise<boolean> {
  const { db } = await startFarm({ collation });
  await db.ask(`${names} INSERT INTO t VALUES (N'${one}')`);
  const found = (await db.ask("SELECT n FROM t WHERE n = @o", { o: [{ name: "nvarchar", length: 40 }, other] })).sets[0]?.length === 1;
  const listed =
    (await db.ask("SELECT n FROM t WHERE n IN (@o, N'nobody')", { o: [{ name: "nvarchar", length: 40 }, other] })).sets[0]?.length === 1;
  const joined =
    (await db.ask("SELECT t.n FROM t INNER JOIN (VALUES (@o)) AS v (o) ON v.o = t.n", { o: [{ name: "nvarchar", length: 40 }, other] }))
      .sets[0]?.length === 1;
  const refused = (await db.ask(`INSERT INTO t VALUES (N'${other}')`)).errors.includes(2601);
  const grouped = (await db.column(`SELECT COUNT(*) FROM (VALUES (N'${one}'), (N'${other}')) AS v (n) GROUP BY v.n`)).length === 1;
  expect([listed, joined, refused, grouped]).toEqual([found, found, found, found]);
  return found;
}

test.each([
  ["SQL_Latin1_General_CP1_CI_AS", "shop-0", "SHOP-0", true],
  ["SQL_Latin1_General_CP1_CI_AS", "shop-0", "shop-0  ", true],
  ["SQL_Latin1_General_CP1_CI_AS", "shop-0", " shop-0", false],
  ["SQL_Latin1_General_CP1_CI_AS", "cafe", "café", false],
  ["Latin1_General_CI_AI", "cafe", "CAFÉ", true],
  ["Latin1_General_CS_AS", "shop-0", "Shop-0", false],
  ["Latin1_General_CS_AS", "shop-0", "shop-0 ", true],
  ["Latin1_General_BIN2", "shop-0", "Shop-0", false],
  ["Turkish_CI_AS", "i", "I", false],
  ["Turkish_CI_AS", "i", "İ", true],
  ["Turkish_CI_AS", "ı", "I", true],
  ["SQL_Latin1_General_CP1_CI_AS", "i", "ı", false],
  ["SQL_Latin1_General_CP1_CI_AS", "strasse", "straße", true],
  ["SQL_Latin1_General_CP1_CI_AS", "shop-0", "ｓｈｏｐ－０", true],
  ["Latin1_General_CI_AS", "shop-0", "shop-０", true],
  ["Latin1_General_CS_AS", "shop-0", "ｓhop-0", true],
  ["Latin1_General_CS_AS", "shop-0", "Ｓhop-0", false],
  ["Latin1_General_CI_AI", "shop-0", "ＳHÓP-0", true],
  ["Latin1_General_CI_AS_KS_WS", "shop-0", "ｓhop-0", false],
  ["Latin1_General_CI_AS_KS_WS", "shop-0", "SHOP-0", true],
  ["Latin1_General_CI_AS_KS_WS", "みせ", "ミセ", false],
  ["Latin1_General_BIN", "shop-0", "ｓhop-0", false],
  ["Latin1_General_BIN", "shop-0", "shop-0 ", true],
  ["Latin1_General_BIN2", "shop-0", "shop-0 ", true],
  ["Turkish_CI_AS", "shop-0", "ＳＨＯＰ-0", true],
  ["Turkish_CI_AS", "i", "Ｉ", false],
  ["Japanese_CI_AS", "shop-0", "ＳＨＯＰ－０", true],
  ["Japanese_CI_AS", "ガーデン", "ｶﾞｰﾃﾞﾝ", true],
  ["Japanese_CI_AS", "みせ", "ミセ", true],
  ["Japanese_CI_AS", "cafe", "café", false],
])("in %s, '%s' = '%s' is %s everywhere: in WHERE, IN, JOIN, GROUP BY and a unique index", async (collation, one, other, equal) => {
  expect(await areEqual(collation, one, other)).toBe(equal);
});

test("names of tables and columns are equal by the collation of the database", async () => {
  const { db } = await startFarm({ collation: "Latin1_General_CS_AS" });
  await db.ask(names);
  expect((await db.ask("SELECT n FROM T")).errors).toEqual([208]);
  expect((await db.ask("SELECT N FROM t")).errors).toEqual([207]);
  const insensitive = await startFarm();
  await insensitive.db.ask(names);
  expect((await insensitive.db.ask("SELECT N FROM T")).errors).toEqual([]);
});

test("columns of different collations do not compare without COLLATE", async () => {
  const { db } = await startFarm();
  await db.ask("CREATE TABLE t (a nvarchar(9) COLLATE Latin1_General_CI_AI NULL, b nvarchar(9) NULL); INSERT INTO t VALUES (N'é', N'E')");
  expect((await db.ask("SELECT 1 FROM t WHERE a = b")).errors).toEqual([468]);
  expect(await db.column("SELECT 1 FROM t WHERE a = b COLLATE DATABASE_DEFAULT")).toEqual([]);
  expect(await db.column("SELECT 1 FROM t WHERE a = b COLLATE Latin1_General_CI_AI")).toEqual([1]);
});

test.each([
  ["N'shop-1' LIKE N'SHOP-%'", 1],
  ["N'shop-1' LIKE N'shop-_'", 1],
  ["N'shop-12' LIKE N'shop-_'", 0],
  ["N'a_b' LIKE N'a!_b' ESCAPE N'!'", 1],
  ["N'axb' LIKE N'a!_b' ESCAPE N'!'", 0],
  ["N'b' LIKE N'[a-c]'", 1],
  ["N'b' LIKE N'[^a-c]'", 0],
  ["N'a' LIKE N'a '", 0],
  ["N'a.b' LIKE N'a.b'", 1],
  ["N'axb' LIKE N'a.b'", 0],
])("%s is %i", async (condition, expected) => {
  const { db } = await startFarm();
  expect(await db.one(`SELECT CASE WHEN ${condition} THEN 1 ELSE 0 END AS it`)).toEqual({ it: expected });
});

test("LEN skips trailing blanks and DATALENGTH counts bytes", async () => {
  const { db } = await startFarm();
  expect(await db.one("SELECT LEN(N'ab  ') AS l, DATALENGTH(N'ab  ') AS d")).toEqual({ l: 2, d: 8 });
});
