import { expect, test } from "@jest/globals";
import { startFarm } from "./conversation.ts";

const { db } = await startFarm({ clock: () => new Date("2026-11-24T10:20:30.999Z") });
const value = async (expression: string) => (await db.one(`SELECT ${expression} AS it`))["it"];
const failure = async (expression: string) => (await db.ask(`SELECT ${expression} AS it`)).errors[0];

test.each([
  ["00:00:00.001", "00:00:00.000"],
  ["00:00:00.002", "00:00:00.003"],
  ["00:00:00.005", "00:00:00.007"],
  ["00:00:00.008", "00:00:00.007"],
  ["00:00:00.009", "00:00:00.010"],
  ["23:59:59.999", "00:00:00.000"],
])("a datetime of %s is kept as %s", async (written, kept) => {
  expect(await value(`CONVERT(nvarchar(30), CAST(N'2020-01-01T${written}' AS datetime), 126)`)).toMatch(new RegExp(`T${kept}$`));
});

test("a datetime2 keeps 100 ns and rounds to its scale", async () => {
  expect(await value("CONVERT(nvarchar(30), CAST(N'2020-01-01T00:00:00.1234567' AS datetime2(7)), 126)")).toBe(
    "2020-01-01T00:00:00.1234567",
  );
  expect(await value("CONVERT(nvarchar(30), CAST(N'2020-01-01T00:00:00.1234567' AS datetime2(3)), 126)")).toBe("2020-01-01T00:00:00.123");
});

test("GETDATE is the server's clock, rounded, and the same in one statement", async () => {
  expect(await value("CONVERT(nvarchar(30), GETDATE(), 126)")).toBe("2026-11-24T10:20:31.000");
  expect(await value("CASE WHEN GETDATE() = GETDATE() THEN 1 ELSE 0 END")).toBe(1);
});

test.each([
  ["CAST(N'abc' AS int)", 245],
  ["CAST(N'99999999999' AS int)", 248],
  ["2147483647 + 1", 8115],
  ["CAST(3000000000 AS int)", 8115],
  ["1 / 0", 8134],
  ["CAST(N'not a guid' AS uniqueidentifier)", 8169],
  ["CAST(N'2020-02-30' AS datetime2)", 241],
  ["CAST(N'yesterday' AS datetime)", 241],
  ["CAST(N'1700-01-01' AS datetime)", 242],
  ["CAST(1 AS uniqueidentifier)", 206],
  ["(SELECT 1 UNION ALL SELECT 2)", 512],
])("%s fails with %i", async (expression, number) => {
  expect(await failure(expression)).toBe(number);
});

test.each([
  ["7 / 2", 3],
  ["-7 % 3", -1],
  ["2147483648", 2147483648n],
  ["-2147483648", -2147483648],
  ["1 + N'2'", 3],
  ["CAST(N'TRUE' AS bit)", true],
  ["CAST(5 AS bit)", true],
  ["CAST(N'abcdef' AS nvarchar(3))", "abc"],
  ["CAST(N'637ae912-50a6-861e-87dc-203a54f25910' AS uniqueidentifier)", "637AE912-50A6-861E-87DC-203A54F25910"],
  ["COALESCE(NULL, NULL, 3)", 3],
  ["ISNULL(NULL, N'x')", "x"],
  ["NULLIF(1, 1)", null],
  ["NULL + 1", null],
  ["N'a' + NULL", null],
  ["SUBSTRING(N'abcdef', 2, 3)", "bcd"],
  ["LEFT(N'abc', 2) + RIGHT(N'abc', 1)", "abc"],
  ["REPLACE(N'aXbx', N'x', N'-')", "a-b-"],
  ["REPLICATE(N'ab', 3)", "ababab"],
  ["QUOTENAME(N'a]b')", "[a]]b]"],
  ["LEN(QUOTENAME(REPLICATE(N'x', 128)))", 130],
  ["QUOTENAME(REPLICATE(N'x', 129))", null],
  ["DATEDIFF(minute, N'2020-01-01T00:00:59', N'2020-01-01T00:01:00')", 1],
  ["CONVERT(nvarchar(10), DATEADD(month, 1, CAST(N'2020-01-31' AS datetime2)), 126)", "2020-02-29"],
  ["CASE 2 WHEN 1 THEN N'one' WHEN 2 THEN N'two' END", "two"],
  ["CASE WHEN NULL = NULL THEN 1 WHEN NOT (NULL = 1) THEN 2 ELSE 3 END", 3],
  ["CASE WHEN 1 NOT IN (2, NULL) THEN 1 ELSE 0 END", 0],
  ["CASE WHEN 1 = 1 OR NULL = 1 THEN 1 ELSE 0 END", 1],
])("%s is %p", async (expression, expected) => {
  expect(await value(expression)).toEqual(expected);
});

test("a parameter is cut to its declared length, a guid compares whatever its case", async () => {
  const answer = await db.ask("SELECT @n AS n, CASE WHEN @g = N'637ae912-50a6-861e-87dc-203a54f25910' THEN 1 ELSE 0 END AS same", {
    n: [{ name: "nvarchar", length: 2 }, "abc"],
    g: [{ name: "uniqueidentifier" }, "637AE912-50A6-861E-87DC-203A54F25910"],
  });
  expect(answer.sets).toEqual([[{ n: "ab", same: 1 }]]);
});
