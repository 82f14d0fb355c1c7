// What the catalogue tells, whom it tells it, and what a login may do.
import { accepted, type Behaviour, pages, refused, same } from "../behaviour.ts";
import { name } from "../session.ts";
import { insert } from "./writes.ts";

const readNames = "SELECT Name FROM dbo.Server";

export const catalogue: readonly Behaviour[] = [
  {
    title: "sys.tables and sys.columns tell columns, lengths in bytes, NULL, identity and default; COLLATE finds a table whatever its case",
    page: pages.columns("sys.columns (Transact-SQL)"),
    run: async (place) => {
      const db = await place.session();
      await db.run("CREATE TABLE dbo.Extra (Y nvarchar(max) NULL)");
      const text =
        "SELECT LOWER(t.name) AS t, LOWER(c.name) AS c, CAST(c.max_length AS INT) AS l, CAST(c.is_nullable AS INT) AS n, CAST(c.is_identity AS INT) AS i, CASE WHEN c.default_object_id = 0 THEN 0 ELSE 1 END AS d FROM sys.tables AS t INNER JOIN sys.columns AS c ON c.object_id = t.object_id WHERE t.schema_id = SCHEMA_ID(N'dbo') AND t.name COLLATE Latin1_General_CI_AS IN (N'SERVER', N'extra') ORDER BY t.name DESC, c.column_id";
      const [found = []] = await db.sets(text);
      const said = (column: string) => found.find((row) => row["c"] === column);
      same("ID", said("id"), { t: "server", c: "id", l: 4, n: 0, i: 1, d: 0 });
      same("Name", said("name"), { t: "server", c: "name", l: 20, n: 0, i: 0, d: 0 });
      same("Enabled", said("enabled"), { t: "server", c: "enabled", l: 1, n: 0, i: 0, d: 1 });
      same("nvarchar(max)", said("y")?.["l"], -1);
    },
  },
  {
    title: "sys.columns tells that a column is computed",
    page: pages.columns("sys.columns (Transact-SQL)"),
    run: async (place) => {
      const db = await place.session();
      await db.run("CREATE TABLE dbo.Extra (X int NOT NULL, Y AS (X + 1))");
      const text =
        "SELECT CAST(c.is_computed AS INT) AS m FROM sys.columns AS c WHERE c.object_id = OBJECT_ID(N'dbo.Extra') ORDER BY c.column_id";
      same("is_computed", await db.column(text), [0, 1]);
    },
  },
  {
    title: "sys.columns tells the collation of a column of text, DATABASEPROPERTYEX the database's, which a column has that names none",
    page: pages.columns("sys.columns (Transact-SQL)"),
    run: async (place) => {
      const db = await place.session();
      await db.run("CREATE TABLE dbo.Extra (X nvarchar(9) COLLATE Turkish_CI_AS NULL, Y nvarchar(9) NULL, Z int NULL)");
      const text =
        "SELECT c.collation_name AS own, CAST(DATABASEPROPERTYEX(DB_NAME(), N'Collation') AS NVARCHAR(128)) AS usual FROM sys.columns AS c WHERE c.object_id = OBJECT_ID(N'dbo.Extra') ORDER BY c.column_id";
      const [[x, y, z] = []] = await db.sets(text);
      same("of the column that names one", x?.["own"], "Turkish_CI_AS");
      same("the database's is text", typeof y?.["usual"], "string");
      same("of the column that names none", y?.["own"], y?.["usual"]);
      same("of the column of numbers", z?.["own"], null);
    },
  },
  {
    title: "SCHEMA_ID is a number for a schema that is there and NULL for another; DB_NAME names the database",
    page: pages.schemaId("Return Types"),
    run: async (place) => {
      const db = await place.session();
      const sets = await db.sets("SELECT CASE WHEN SCHEMA_ID(@a) > 0 THEN 1 ELSE 0 END AS a, SCHEMA_ID(@b) AS b, DB_NAME() AS d", {
        a: name("dbo"),
        b: name("nowhere"),
      });
      same("values", sets, [[{ a: 1, b: null, d: place.database }]]);
    },
  },
  {
    title: "SERVERPROPERTY tells version, edition and engine, as text and number once they are cast",
    page: pages.serverProperty("Arguments"),
    run: async (place) => {
      const db = await place.session();
      const row = await db.row(
        "SELECT CAST(SERVERPROPERTY(N'ProductVersion') AS NVARCHAR(128)) AS v, CAST(SERVERPROPERTY(N'Edition') AS NVARCHAR(128)) AS e, CAST(SERVERPROPERTY(N'EngineEdition') AS INT) AS n",
      );
      same("the version begins with two numbers", /^\d+\.\d+/.test(String(row?.["v"])), true);
      same("the edition is text", typeof row?.["e"], "string");
      same("the engine is a number", Number(row?.["n"]) > 0, true);
    },
  },
  {
    title: "Updateability is READ_WRITE, or READ_ONLY where the database is read-only; then writes are refused with 3906 and reads are not",
    page: pages.databasePropertyEx("Arguments"),
    run: async (place) => {
      const state = "SELECT CAST(DATABASEPROPERTYEX(DB_NAME(), N'Updateability') AS NVARCHAR(128)) AS u";
      const before = await place.session();
      same("at first", await before.row(state), { u: "READ_WRITE" });
      await before.close();
      await place.setUpdateability("READ_ONLY");
      try {
        const db = await place.session();
        same("set read-only", await db.row(state), { u: "READ_ONLY" });
        same("rows", await db.column(readNames), ["a"]);
        refused("a write", await db.errors(insert("b")), 3906);
        await db.close();
      } finally {
        await place.setUpdateability("READ_WRITE");
      }
    },
  },
  {
    title: "Catalogue views and OBJECT_ID hide the tables on which a user has no grant, and show those with any",
    page: pages.metadataVisibility("Metadata Visibility Configuration"),
    run: async (place) => {
      const db = await place.sessionOf(await place.login("SELECT ON dbo.Binding"));
      const names = "SELECT t.name AS n FROM sys.tables AS t WHERE t.schema_id = SCHEMA_ID(N'dbo') ORDER BY t.name";
      same(
        "tables",
        (await db.column(names)).map((one) => String(one).toLowerCase()),
        ["binding"],
      );
      same("OBJECT_ID", await db.row("SELECT OBJECT_ID(N'dbo.Server') AS id"), { id: null });
      same("columns", await db.column("SELECT COUNT(*) FROM sys.columns WHERE object_id = OBJECT_ID(N'dbo.Binding')"), [2]);
      same(
        "foreign keys",
        await db.column("SELECT COUNT(*) FROM sys.foreign_keys WHERE parent_object_id = OBJECT_ID(N'dbo.Binding')"),
        [1],
      );
    },
  },
  {
    title: "VIEW DEFINITION shows a table in the catalogue and gives nothing of its rows",
    page: pages.metadataVisibility("Scope and Impact of Metadata Visibility Configuration"),
    run: async (place) => {
      const db = await place.sessionOf(await place.login("VIEW DEFINITION ON dbo.Server"));
      same("tables", await db.column("SELECT COUNT(*) FROM sys.tables WHERE schema_id = SCHEMA_ID(N'dbo')"), [1]);
      refused("a read", await db.errors(readNames), 229);
    },
  },
  {
    title: "A missing grant is told with 229, which names object, database and schema",
    page: pages.errors0("229"),
    run: async (place) => {
      const db = await place.sessionOf(await place.login("SELECT ON dbo.Binding"));
      const reply = await db.ask(readNames);
      refused("the read", reply.errors, 229);
      for (const part of ["Server", place.database, "dbo"])
        same(`the message names ${part}`, reply.message.toLowerCase().includes(part.toLowerCase()), true);
    },
  },
  {
    title: "A grant on columns is a grant on these only: the others are refused with 230, for reads and for updates",
    page: pages.grantObject("Arguments"),
    run: async (place) => {
      const db = await place.sessionOf(await place.login("SELECT (ID, Name) ON dbo.Server", "UPDATE (Name) ON dbo.Server"));
      accepted("a read of the columns", await db.errors(readNames));
      refused("a read of another", await db.errors("SELECT Guid FROM dbo.Server"), 230);
      accepted("an update of the column", await db.errors("UPDATE dbo.Server SET Name = N'b' WHERE ID = 1"));
      refused("an update of another", await db.errors("UPDATE dbo.Server SET Seen = NULL WHERE ID = 1"), 230);
    },
  },
  {
    title: "DELETE and UPDATE with a condition need SELECT too (229); INSERT of values does not",
    page: pages.delete("Permissions"),
    run: async (place) => {
      const db = await place.sessionOf(await place.login("INSERT, UPDATE, DELETE ON dbo.Server"));
      accepted("INSERT", await db.errors(insert("b")));
      refused("UPDATE", await db.errors("UPDATE dbo.Server SET Seen = NULL WHERE ID = 1"), 229, 230);
      refused("DELETE", await db.errors("DELETE FROM dbo.Server WHERE ID = 1"), 229, 230);
      refused(
        "INSERT … WHERE NOT EXISTS",
        await db.errors("INSERT INTO dbo.Server (Name) SELECT N'c' WHERE NOT EXISTS (SELECT 1 FROM dbo.Server WHERE Name = N'c')"),
        229,
        230,
      );
    },
  },
  {
    title: "HAS_PERMS_BY_NAME is 1 for what is held, 0 for what is not, and NULL for a table that is not there",
    page: pages.hasPerms("Remarks"),
    run: async (place) => {
      const db = await place.sessionOf(await place.login("SELECT ON dbo.Server", "VIEW DEFINITION ON dbo.Binding"));
      const asked = (table: string, permission: string): string =>
        `HAS_PERMS_BY_NAME(QUOTENAME(N'dbo') + N'.' + QUOTENAME(N'${table}'), N'OBJECT', N'${permission}')`;
      const text = `SELECT ${asked("Server", "SELECT")} AS a, ${asked("Server", "DELETE")} AS b, ${asked("Binding", "VIEW DEFINITION")} AS c, ${asked("Nothing", "SELECT")} AS d`;
      same("values", await db.row(text), { a: 1, b: 0, c: 1, d: null });
    },
  },
  {
    title: "HAS_PERMS_BY_NAME tells of each column of a catalogue's rows, the column's name without brackets",
    page: pages.hasPerms("H. Which columns of table T do I have SELECT permission on?"),
    run: async (place) => {
      const db = await place.sessionOf(await place.login("SELECT (ID, Name) ON dbo.Server", "UPDATE (Name) ON dbo.Server"));
      const asked =
        "SELECT c.name AS c, HAS_PERMS_BY_NAME(QUOTENAME(N'dbo') + N'.' + QUOTENAME(t.name), N'OBJECT', v.permission, c.name, N'COLUMN') AS h FROM sys.tables AS t INNER JOIN sys.columns AS c ON c.object_id = t.object_id CROSS JOIN (VALUES (N'SELECT'), (N'UPDATE')) AS v (permission) WHERE t.schema_id = SCHEMA_ID(N'dbo') AND v.permission = @permission";
      for (const [permission, expected] of [
        ["SELECT", ["id", "name"]],
        ["UPDATE", ["name"]],
      ] as const) {
        const [rows = []] = await db.sets(asked, { permission: name(permission) });
        const held = rows.filter((row) => row["h"] === 1).map((row) => String(row["c"]).toLowerCase());
        same(`columns with ${permission}`, held.sort(), expected);
        same("columns in all", rows.length, 5);
      }
    },
  },
];
