// What values are: NULL, text and its collations, moments, GUIDs, and what the driver makes of them.
import { type Behaviour, pages, refused, same } from "../behaviour.ts";
import { bit, guid, int, name, type Session } from "../session.ts";
import { insert, namesNow } from "./writes.ts";

/** Whether `a` and `b` are equal in a column of that collation. */
async function equal(db: Session, collation: string, a: string, b: string): Promise<boolean> {
  await db.run("IF OBJECT_ID(N'dbo.Extra') IS NOT NULL DROP TABLE dbo.Extra;");
  await db.run(`CREATE TABLE dbo.Extra (X nvarchar(20) COLLATE ${collation} NOT NULL); INSERT INTO dbo.Extra (X) VALUES (N'${a}');`);
  const [rows] = await db.sets("SELECT COUNT(*) AS n FROM dbo.Extra WHERE X = @n", { n: name(b) });
  return rows?.[0]?.["n"] === 1;
}

/** One row with "a" in a column that ignores case and in one that does not. */
const caseTable =
  "CREATE TABLE dbo.Extra (I nvarchar(20) COLLATE Latin1_General_CI_AS NOT NULL, S nvarchar(20) COLLATE Latin1_General_CS_AS NOT NULL); INSERT INTO dbo.Extra (I, S) VALUES (N'a', N'a');";

const canonical = "637AE912-50A6-861E-87DC-203A54F25910";

export const values: readonly Behaviour[] = [
  {
    title: "NULL equals nothing and differs from nothing; NOT IN a list with NULL is never true; IS NULL finds it",
    page: pages.nullAndUnknown("NULL and UNKNOWN (Transact-SQL)"),
    run: async (place) => {
      const db = await place.session();
      same("compared", await db.column("SELECT 1 FROM dbo.Server WHERE Guid = NULL OR Guid <> NULL OR NOT (Guid = NULL)"), []);
      same("NOT IN", await db.column("SELECT 1 FROM dbo.Server WHERE Name NOT IN (N'b', NULL)"), []);
      same("IS NULL", await db.column("SELECT 1 FROM dbo.Server WHERE Guid IS NULL"), [1]);
      const sets = await db.sets("SELECT 1 AS x FROM dbo.Server WHERE Guid = @g OR (Guid IS NULL AND @g IS NULL)", { g: guid(null) });
      same("a parameter that is NULL, with OR … IS NULL", sets, [[{ x: 1 }]]);
    },
  },
  {
    title: "NOT EXISTS with a row of VALUES keeps the rows that have no partner, also where the value is NULL",
    page: pages.exists("Using NOT EXISTS"),
    run: async (place) => {
      const db = await place.session();
      const text =
        "SELECT v.n AS n FROM (VALUES (@x, 1), (@y, 2), (@z, 3)) AS v (n, k) WHERE NOT EXISTS (SELECT 1 FROM dbo.Server AS s WHERE s.Name = v.n) ORDER BY v.k";
      const sets = await db.sets(text, { x: name("a"), y: name("b"), z: name(null) });
      same("rows", sets, [[{ n: "b" }, { n: null }]]);
    },
  },
  {
    title: "MAX leaves NULL out, is NULL over no rows (one row without GROUP BY, none with it), and is no error either way",
    page: pages.max("Remarks"),
    run: async (place) => {
      const db = await place.session();
      await db.run(`${insert("b")} UPDATE dbo.Server SET Seen = '2020-01-01T00:00:00' WHERE Name = N'a'`);
      same("with a NULL", await db.column("SELECT CONVERT(nvarchar(10), MAX(Seen), 120) FROM dbo.Server"), ["2020-01-01"]);
      same("over none", await db.column("SELECT MAX(ID) FROM dbo.Server WHERE Name = N'z'"), [null]);
      same("over none, grouped", await db.column("SELECT MAX(ID) FROM dbo.Server WHERE Name = N'z' GROUP BY Name"), []);
    },
  },
  {
    title: "SELECT @variable = MAX(…) over no rows makes the variable NULL, and no row lies in a range up to NULL",
    page: pages.selectVariable("Remarks"),
    run: async (place) => {
      const db = await place.session();
      await db.run("INSERT INTO dbo.Binding (ServerID, TaskID) VALUES (1, 1), (1, 2)");
      const text =
        "DECLARE @reached INT; SET @reached = 7; SELECT @reached = MAX(t.TaskID) FROM (SELECT TOP (2) b.TaskID FROM dbo.Binding AS b WHERE b.ServerID = 1 AND b.TaskID > @after ORDER BY b.TaskID) AS t; SELECT @reached AS r, COUNT(*) AS n FROM dbo.Binding AS b WHERE b.TaskID > @after AND b.TaskID <= @reached";
      same("after none", await db.sets(text, { after: int(0) }), [[{ r: 2, n: 2 }]]);
      same("after the last", await db.sets(text, { after: int(2) }), [[{ r: null, n: 0 }]]);
    },
  },
  {
    title: "COALESCE gives the first value that is not NULL",
    page: pages.coalesce("COALESCE (Transact-SQL)"),
    run: async (place) => {
      const db = await place.session();
      const sets = await db.sets("SELECT COALESCE(@x, Name) AS a, COALESCE(@y, Name) AS b FROM dbo.Server", {
        x: name(null),
        y: name("z"),
      });
      same("rows", sets, [[{ a: "a", b: "z" }]]);
    },
  },
  {
    title: "ISNULL gives its second value for a MAX over no rows",
    page: pages.isNull("ISNULL (Transact-SQL)"),
    run: async (place) => {
      const db = await place.session();
      const newest = "ISNULL((SELECT MAX(o.ID) FROM dbo.Server AS o WHERE o.Name = @n), 0)";
      same("rows", await db.sets(`SELECT ${newest} AS newest`, { n: name("a") }), [[{ newest: 1 }]]);
      same("no rows", await db.sets(`SELECT ${newest} AS newest`, { n: name("nobody") }), [[{ newest: 0 }]]);
    },
  },
  {
    title: "= and a unique index leave trailing blanks out in every collation, and so does LEN; DATALENGTH counts them",
    page: pages.stringComparison("Remarks"),
    run: async (place) => {
      const db = await place.session();
      same("found", await db.column("SELECT Name FROM dbo.Server WHERE Name = N'a  '"), ["a"]);
      same("found by bits", await db.column("SELECT Name FROM dbo.Server WHERE Name = N'a  ' COLLATE Latin1_General_BIN2"), ["a"]);
      refused("a second with a blank", await db.errors(insert("a ")), 2601);
      same("lengths", await db.row("SELECT LEN(N'a  ') AS l, DATALENGTH(N'a  ') AS d"), { l: 1, d: 6 });
    },
  },
  {
    title: "The collation of the column says what is equal: case (CI), accents (AI), width (without WS), the Turkish i, every bit (BIN2)",
    page: pages.collations("Collation"),
    run: async (place) => {
      const db = await place.session();
      const cases: readonly (readonly [string, string, string, boolean])[] = [
        ["Latin1_General_CI_AS", "shop", "SHOP", true],
        ["Latin1_General_CI_AS", "cafe", "café", false],
        ["Latin1_General_CI_AS", "shop1", "shop\uff11", true],
        ["Latin1_General_CS_AS", "shop", "SHOP", false],
        ["Latin1_General_CI_AI", "cafe", "CAFÉ", true],
        ["Turkish_CI_AS", "ship", "SHIP", false],
        ["Turkish_CI_AS", "ship", "SHİP", true],
        ["Latin1_General_BIN2", "shop", "SHOP", false],
        ["Latin1_General_BIN2", "shop", "shop", true],
      ];
      for (const [collation, a, b, expected] of cases)
        same(`${a} and ${b} are equal in ${collation}`, await equal(db, collation, a, b), expected);
    },
  },
  {
    title: "A parameter is compared in the collation of the column that it meets, and where COLLATE names one, in that",
    page: pages.collationPrecedence("Collation Rules"),
    run: async (place) => {
      const db = await place.session();
      await db.run(caseTable);
      for (const [condition, expected] of [
        ["I = @n", 1],
        ["S = @n", 0],
        ["I = @n COLLATE Latin1_General_CS_AS", 0],
        ["S = @n COLLATE Latin1_General_CI_AS", 1],
      ] as const)
        same(`rows where ${condition}`, await db.sets(`SELECT COUNT(*) AS n FROM dbo.Extra WHERE ${condition}`, { n: name("A") }), [
          [{ n: expected }],
        ]);
    },
  },
  {
    title: "A value of a row of VALUES is compared in the collation that COLLATE names behind it, whatever the column's and the database's",
    page: pages.collationPrecedence("Collation Rules"),
    run: async (place) => {
      const db = await place.session();
      await db.run(caseTable);
      for (const [column, collation, expected] of [
        ["I", "Latin1_General_CI_AS", 1],
        ["S", "Latin1_General_CS_AS", 0],
        ["I", "Latin1_General_CS_AS", 0],
        ["S", "Latin1_General_CI_AS", 1],
      ] as const) {
        const text = `SELECT COUNT(*) AS n FROM dbo.Extra AS t INNER JOIN (VALUES (@n)) AS v (n) ON t.${column} = v.n COLLATE ${collation}`;
        same(`rows joined on ${column} by ${collation}`, await db.sets(text, { n: name("A") }), [[{ n: expected }]]);
      }
    },
  },
  {
    title: "COALESCE of a value of a row of VALUES and a column is set without a conflict where COLLATE names the column's collation",
    page: pages.collationPrecedence("Collation Rules"),
    run: async (place) => {
      const db = await place.session();
      await db.run(caseTable);
      const text =
        "UPDATE t SET I = COALESCE(v.n COLLATE Latin1_General_CI_AS, t.I), S = COALESCE(v.z COLLATE Latin1_General_CS_AS, t.S) FROM dbo.Extra AS t INNER JOIN (VALUES (@n, @z)) AS v (n, z) ON 1 = 1; SELECT I AS i, S AS s FROM dbo.Extra";
      const sets = await db.sets(text, { n: name("b"), z: name(null) });
      same("rows", sets.at(-1), [{ i: "b", s: "a" }]);
    },
  },
  {
    title: "Two columns of different collations are not compared at all: 468",
    page: pages.errors0("468"),
    run: async (place) => {
      const db = await place.session();
      await db.run(caseTable);
      refused("the comparison", await db.errors("SELECT 1 AS x FROM dbo.Extra WHERE I = S"), 468);
    },
  },
  {
    title: "Text that is too long for a variable or a CAST is cut, without an error",
    page: pages.castAndConvert("Truncating and rounding results"),
    run: async (place) => {
      const db = await place.session();
      const text = "DECLARE @n NVARCHAR(3) = N'abcdef'; SELECT @n AS n, CAST(CAST(N'abcdef' AS NVARCHAR(MAX)) AS NVARCHAR(4)) AS c";
      same("values", await db.row(text), { n: "abc", c: "abcd" });
    },
  },
  {
    title: "datetime counts in steps of 1/300 s: .001 becomes .000, .005 becomes .007, .999 the next second",
    page: pages.datetime("Rounding of datetime Fractional Second Precision"),
    run: async (place) => {
      const db = await place.session();
      const kept = async (fraction: string): Promise<unknown> =>
        (await db.column(`SELECT CONVERT(nvarchar(30), CAST(N'2020-01-01T00:00:00.${fraction}' AS datetime), 121)`))[0];
      same(".001", await kept("001"), "2020-01-01 00:00:00.000");
      same(".005", await kept("005"), "2020-01-01 00:00:00.007");
      same(".999", await kept("999"), "2020-01-01 00:00:01.000");
    },
  },
  {
    title: "A GUID is read in either case and written in upper case with four dashes; other text is refused with 8169",
    page: pages.uniqueidentifier("Remarks"),
    run: async (place) => {
      const db = await place.session();
      const sets = await db.sets("UPDATE dbo.Server SET Guid = @g; SELECT CONVERT(nvarchar(50), Guid) AS t, Guid AS g FROM dbo.Server", {
        g: guid(canonical.toLowerCase()),
      });
      same("as text and by the driver", sets.at(-1), [{ t: canonical, g: canonical }]);
      same("found", await db.column(`SELECT Name FROM dbo.Server WHERE Guid = N'${canonical.toLowerCase()}'`), ["a"]);
      refused("no GUID", await db.errors("SELECT ID FROM dbo.Server WHERE Guid = N'x'"), 8169);
    },
  },
  {
    title: "The driver makes numbers of int, true and false of bit, null of NULL, and sends them so",
    page: pages.bit("bit (Transact-SQL)"),
    run: async (place) => {
      const db = await place.session();
      const sets = await db.sets(
        "SELECT ID AS i, Enabled AS b, Guid AS g, (SELECT COUNT(*) FROM dbo.Server) AS c, @i AS pi, @b AS pb, @n AS pn, @z AS pz FROM dbo.Server",
        { i: int(7), b: bit(true), n: name("shop-ü"), z: int(null) },
      );
      same("rows", sets, [[{ i: 1, b: true, g: null, c: 1, pi: 7, pb: true, pn: "shop-ü", pz: null }]]);
    },
  },
  {
    title: "QUOTENAME puts a name in brackets, doubles a closing one, and gives NULL for more than 128 characters",
    page: pages.quoteName("Arguments"),
    run: async (place) => {
      const db = await place.session();
      same("quoted", await db.row("SELECT QUOTENAME(N'a]b') AS q, QUOTENAME(REPLICATE(N'x', 129)) AS n"), { q: "[a]]b]", n: null });
    },
  },
  {
    title: "ORDER BY gives the order of the key, whatever the order in which rows were inserted",
    page: pages.orderBy("SELECT - ORDER BY Clause (Transact-SQL)"),
    run: async (place) => {
      const db = await place.session();
      await db.run(insert("d", "c", "b"));
      same("names", await db.column(namesNow), ["a", "b", "c", "d"]);
      same("the first", await db.column("SELECT TOP (1) Name FROM dbo.Server ORDER BY Name DESC"), ["d"]);
    },
  },
];
