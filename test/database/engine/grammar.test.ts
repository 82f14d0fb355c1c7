import { expect, test } from "@jest/globals";
import { SqlError } from "./errors.ts";
import { parseBatch } from "./parseStatement.ts";

const refusal = (text: string): string => {
  try {
    parseBatch(text);
  } catch (error) {
    if (error instanceof SqlError) return error.message;
    throw error;
  }
  return "";
};

test.each([
  "DELETE TOP 5 FROM t",
  "SELECT TOP 5 a FROM t",
  "SELECT a b c FROM t",
  "SELECT FROM t",
  "SELECT key FROM t",
  "SELECT a FROM t WHERE a",
  "SELECT a FROM t WHERE (a = 1) = 1",
  "SELECT a = b FROM t",
  "SELECT 1.5",
  "SELECT a FROM #t",
  "SELECT a FROM a.b.c.d",
  "SELECT a FROM t RIGHT JOIN u ON 1 = 1",
  "SELECT CAST(a AS varchar(10))",
  "WITH x AS (SELECT 1 AS a) SELECT a FROM x",
  "MERGE t USING u ON 1 = 1 WHEN MATCHED THEN DELETE;",
  "INSERT INTO t (a) OUTPUT inserted.a VALUES (1)",
  "INSERT INTO t (a) DEFAULT VALUES",
  "TRUNCATE TABLE t",
  "EXEC sp_who",
  "DROP DATABASE IF EXISTS x",
  "BEGIN END",
  "BEGIN TRY SELECT 1 END TRY; BEGIN CATCH END CATCH",
  "SELECT 1 AS a THROW",
  "ROLLBACK THROW",
  "UPDATE t SET a = 1 b = 2",
  "CREATE TABLE t (a int NULL NULL)",
  "CREATE TABLE t (a smallint)",
  "SET NOCOUNT MAYBE",
  "SET QUOTED_IDENTIFIER OFF",
  "GRANT FLY ON t TO x",
  "IF EXISTS (SELECT 1) ELSE SELECT 1",
  "SELECT N'open",
  "SELECT 1 /* open",
])("%s is not in the grammar", (text) => {
  expect(refusal(text)).toMatch(/not in the grammar of the test database/);
});

test("a refusal quotes the text and says its line", () => {
  let refused: unknown;
  try {
    parseBatch("SELECT 1;\nSELECT PIVOT FROM t");
  } catch (error) {
    refused = error;
  }
  expect(refused).toMatchObject({ number: 102, severity: 15, line: 2, message: expect.stringContaining("SELECT PIVOT FROM t") as unknown });
});

test.each([
  "SET NOCOUNT, XACT_ABORT ON; SET DEADLOCK_PRIORITY LOW; SET LOCK_TIMEOUT 1500; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;",
  "IF (1 = 1) AND ((2) = 2) SELECT 1; ELSE SELECT 2",
  "SELECT a FROM t -- a comment\n/* one /* in */ another */ WHERE N'it''s' <> [a]]b]",
  "BEGIN TRY SELECT 1 END TRY BEGIN CATCH ROLLBACK; THROW; END CATCH",
  "ALTER TABLE t WITH NOCHECK ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES u (a); ALTER TABLE t NOCHECK CONSTRAINT f",
  "GRANT SELECT, VIEW DEFINITION, UPDATE (a, b) ON OBJECT::dbo.t TO x; GRANT VIEW DEFINITION TO x",
  "",
])("%s is in the grammar", (text) => {
  expect(refusal(text)).toBe("");
});

test("1,000 rows fit in an INSERT and 1,001 do not", () => {
  const insert = (rows: number): string => `INSERT INTO t (a) VALUES ${Array.from({ length: rows }, () => "(1)").join(", ")}`;
  expect(refusal(insert(1000))).toBe("");
  expect(refusal(insert(1001))).toMatch(/maximum allowed number of 1000 row values/);
});

test("CREATE SCHEMA stands alone in its batch", () => {
  expect(refusal("CREATE SCHEMA s")).toBe("");
  expect(refusal("CREATE SCHEMA s; SELECT 1")).toMatch(/must be the first statement/);
});
