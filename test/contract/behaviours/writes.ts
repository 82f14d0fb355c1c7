// What a write does to rows: all or nothing, what refuses it, how many it touches and which.
import { accepted, type Behaviour, pages, refused, same } from "../behaviour.ts";
import { int } from "../session.ts";

export const insert = (...names: readonly string[]): string =>
  `INSERT INTO dbo.Server (Name) VALUES ${names.map((name) => `(N'${name}')`).join(", ")};`;
export const namesNow = "SELECT Name FROM dbo.Server ORDER BY Name";

export const writes: readonly Behaviour[] = [
  {
    title: "An INSERT of several rows of which one is refused inserts none of them",
    page: pages.locking("Errors During Transaction Processing"),
    run: async (place) => {
      const db = await place.session();
      refused("the INSERT", await db.errors(insert("b", "a")), 2601);
      same("names", await db.column(namesNow), ["a"]);
    },
  },
  {
    title: "A unique index refuses a row with 2601, a primary key and a unique constraint with 2627",
    page: pages.errors2000("2601, 2627"),
    run: async (place) => {
      const db = await place.session();
      refused("a name that is there", await db.errors(insert("a")), 2601);
      await db.run(
        "INSERT INTO dbo.Binding (ServerID, TaskID) VALUES (1, 1); CREATE TABLE dbo.Extra (X int NOT NULL CONSTRAINT UQ_Extra UNIQUE)",
      );
      refused("a key that is there", await db.errors("INSERT INTO dbo.Binding (ServerID, TaskID) VALUES (1, 1)"), 2627);
      refused("a value that is there", await db.errors("INSERT INTO dbo.Extra (X) VALUES (1), (1)"), 2627);
    },
  },
  {
    title: "Identity values of an INSERT that failed or was rolled back are not given again",
    page: pages.identity("Remarks"),
    run: async (place) => {
      const db = await place.session();
      await db.errors(insert("a"));
      await db.run(`BEGIN TRANSACTION; ${insert("b")} ROLLBACK TRANSACTION;`);
      await db.run(insert("c"));
      const [id] = await db.column("SELECT ID FROM dbo.Server WHERE Name = N'c'");
      same("the next number is greater than those that were used up", Number(id) > 3, true);
    },
  },
  {
    title: "A foreign key refuses with 547 the row whose server is not there, and the deletion of a server that has rows",
    page: pages.errors0("547"),
    run: async (place) => {
      const db = await place.session();
      refused("a binding of nobody", await db.errors("INSERT INTO dbo.Binding (ServerID, TaskID) VALUES (99, 1)"), 547);
      await db.run("INSERT INTO dbo.Binding (ServerID, TaskID) VALUES (1, 1)");
      refused("the deletion", await db.errors("DELETE FROM dbo.Server"), 547);
      same("names", await db.column(namesNow), ["a"]);
    },
  },
  {
    title: "A disabled foreign key refuses nothing, and sys.foreign_keys says that it is disabled",
    page: pages.disableForeignKeys("Limitations and Restrictions"),
    run: async (place) => {
      const db = await place.session();
      const state = "SELECT CAST(is_disabled AS INT) AS d FROM sys.foreign_keys WHERE parent_object_id = OBJECT_ID(N'dbo.Binding')";
      same("is_disabled before", await db.column(state), [0]);
      await db.run("ALTER TABLE dbo.Binding NOCHECK CONSTRAINT FK_Binding_Server");
      same("is_disabled after", await db.column(state), [1]);
      accepted("a binding of nobody", await db.errors("INSERT INTO dbo.Binding (ServerID, TaskID) VALUES (99, 1)"));
    },
  },
  {
    title: "A foreign key that is enabled without a look at the old rows (untrusted) refuses new ones with 547",
    page: pages.foreignKeys("sys.foreign_keys (Transact-SQL)"),
    run: async (place) => {
      const db = await place.session();
      await db.run("ALTER TABLE dbo.Binding NOCHECK CONSTRAINT FK_Binding_Server");
      await db.run("INSERT INTO dbo.Binding (ServerID, TaskID) VALUES (99, 1)");
      await db.run("ALTER TABLE dbo.Binding WITH NOCHECK CHECK CONSTRAINT FK_Binding_Server");
      const state =
        "SELECT CAST(is_disabled AS INT) AS d, CAST(is_not_trusted AS INT) AS n FROM sys.foreign_keys WHERE parent_object_id = OBJECT_ID(N'dbo.Binding')";
      same("its state", await db.row(state), { d: 0, n: 1 });
      refused("a binding of nobody", await db.errors("INSERT INTO dbo.Binding (ServerID, TaskID) VALUES (98, 1)"), 547);
    },
  },
  {
    title: "NULL for a column that takes none and has no default is refused with 515, named or not",
    page: pages.errors0("515"),
    run: async (place) => {
      const db = await place.session();
      refused("NULL by name", await db.errors("INSERT INTO dbo.Server (Name) VALUES (NULL)"), 515);
      refused("a column left out", await db.errors("INSERT INTO dbo.Server (Seen) VALUES (NULL)"), 515);
    },
  },
  {
    title: "Text that is too long for its column is refused, with 2628 or in older versions 8152, and not cut",
    page: pages.errors2000("2628"),
    run: async (place) => {
      const db = await place.session();
      refused("eleven letters for ten", await db.errors(insert("12345678901")), 2628, 8152);
      same("names", await db.column(namesNow), ["a"]);
    },
  },
  {
    title: "A trigger that rolls back ends the batch with 3609, and one that raises an error says its number; the row is not there",
    page: pages.errors3000("3609"),
    run: async (place) => {
      const db = await place.session();
      await db.run("CREATE TRIGGER dbo.TR_Server ON dbo.Server AFTER INSERT AS ROLLBACK TRANSACTION;");
      refused("the INSERT", await db.errors(insert("b")), 3609);
      await db.run("ALTER TRIGGER dbo.TR_Server ON dbo.Server AFTER INSERT AS BEGIN RAISERROR(N'no', 16, 1); ROLLBACK TRANSACTION; END");
      refused("the INSERT", await db.errors(insert("b")), 50000);
      same("names", await db.column(namesNow), ["a"]);
    },
  },
  {
    title: "@@ROWCOUNT is the number of rows of the last write; BEGIN, COMMIT, SET of an option and RAISERROR make it 0",
    page: pages.rowCount("Remarks"),
    run: async (place) => {
      const db = await place.session();
      const write = "UPDATE dbo.Server SET Guid = NULL;";
      same("after the write", await db.row(`${write} SELECT @@ROWCOUNT AS n`), { n: 1 });
      same("kept", await db.row(`DECLARE @n INT; ${write} SET @n = @@ROWCOUNT; SET NOCOUNT ON; SELECT @n AS n`), { n: 1 });
      for (const between of ["BEGIN TRANSACTION", "SET NOCOUNT ON", "RAISERROR(N'x', 10, 1)"])
        same(`after ${between}`, await db.row(`${write} ${between}; SELECT @@ROWCOUNT AS n; IF @@TRANCOUNT > 0 ROLLBACK`), { n: 0 });
      same("after COMMIT", await db.row(`BEGIN TRANSACTION; ${write} COMMIT TRANSACTION; SELECT @@ROWCOUNT AS n`), { n: 0 });
    },
  },
  {
    title: "An UPDATE or DELETE with a join touches and counts each row once, however many rows it is joined with",
    page: pages.delete("Best Practices"),
    run: async (place) => {
      const db = await place.session();
      const joined = "FROM dbo.Server AS s INNER JOIN (VALUES (1), (1)) AS v (i) ON v.i = s.ID";
      same("updated", (await db.ask(`UPDATE s SET Guid = NULL ${joined}`)).rowsAffected, [1]);
      same("deleted", (await db.ask(`DELETE s ${joined}`)).rowsAffected, [1]);
    },
  },
  {
    title: "INSERT … SELECT TOP (expression) … ORDER BY inserts the first rows of that order, and none for 0",
    page: pages.top("Limiting the rows affected by DELETE, INSERT, or UPDATE"),
    run: async (place) => {
      const db = await place.session();
      const text =
        "INSERT INTO dbo.Server (Name) SELECT TOP (@most - 1) v.n FROM (VALUES (3, N'x3'), (1, N'x1'), (4, N'x4'), (2, N'x2')) AS v (k, n) ORDER BY v.k";
      accepted("none", await db.errors(text, { most: int(1) }));
      same("names", await db.column(namesNow), ["a"]);
      accepted("two", await db.errors(text, { most: int(3) }));
      same("names", await db.column(namesNow), ["a", "x1", "x2"]);
    },
  },
  {
    title: "TOP of a negative number or of NULL is an error, not nothing",
    page: pages.errors1000("1060"),
    run: async (place) => {
      const db = await place.session();
      const text = "INSERT INTO dbo.Server (Name) SELECT TOP (@most) v.n FROM (VALUES (N'b')) AS v (n)";
      refused("NULL", await db.errors(text, { most: int(null) }), 1060, 127);
      refused("-1", await db.errors(text, { most: int(-1) }), 127, 1060);
      same("names", await db.column(namesNow), ["a"]);
    },
  },
  {
    title: "DELETE TOP (n) deletes n of the rows that match, or all where there are fewer",
    page: pages.top("Limiting the rows affected by DELETE, INSERT, or UPDATE"),
    run: async (place) => {
      const db = await place.session();
      await db.run("INSERT INTO dbo.Binding (ServerID, TaskID) VALUES (1, 1), (1, 2), (1, 3)");
      same("the first time", (await db.ask("DELETE TOP (2) b FROM dbo.Binding AS b WHERE b.ServerID = 1")).rowsAffected, [2]);
      same("the second time", (await db.ask("DELETE TOP (2) b FROM dbo.Binding AS b WHERE b.ServerID = 1")).rowsAffected, [1]);
    },
  },
  {
    title: "A DELETE joined with SELECT TOP (n) … WHERE key > @after ORDER BY key deletes the next n by key",
    page: pages.top("Limitations and Restrictions"),
    run: async (place) => {
      const db = await place.session();
      await db.run("INSERT INTO dbo.Binding (ServerID, TaskID) VALUES (1, 4), (1, 2), (1, 5), (1, 1), (1, 3)");
      const next = "(SELECT TOP (2) x.TaskID FROM dbo.Binding AS x WHERE x.ServerID = 1 AND x.TaskID > @after ORDER BY x.TaskID)";
      const text = `DELETE b FROM dbo.Binding AS b INNER JOIN ${next} AS n ON n.TaskID = b.TaskID WHERE b.ServerID = 1`;
      accepted("the DELETE", await db.errors(text, { after: int(1) }));
      same("what is left", await db.column("SELECT TaskID FROM dbo.Binding ORDER BY TaskID"), [1, 4, 5]);
    },
  },
  {
    title: "INSERT … SELECT of no rows inserts none and is no error",
    page: pages.insert("Inserting Data from Other Tables"),
    run: async (place) => {
      const db = await place.session();
      const reply = await db.ask("INSERT INTO dbo.Server (Name) SELECT v.n FROM (VALUES (N'b')) AS v (n) WHERE v.n IS NULL");
      same("errors and counts", [reply.errors, reply.rowsAffected], [[], [0]]);
    },
  },
  {
    title: "More than 1,000 rows of VALUES are refused with 10738 in an INSERT, and taken as a derived table",
    page: pages.valueConstructor("Limitations and Restrictions"),
    run: async (place) => {
      const db = await place.session();
      const rows = Array.from({ length: 1001 }, (_, task) => `(1, ${task})`).join(", ");
      refused("VALUES of the INSERT", await db.errors(`INSERT INTO dbo.Binding (ServerID, TaskID) VALUES ${rows}`), 10738);
      accepted(
        "the derived table",
        await db.errors(`INSERT INTO dbo.Binding (ServerID, TaskID) SELECT v.s, v.t FROM (VALUES ${rows}) AS v (s, t)`),
      );
      same("rows", await db.column("SELECT COUNT(*) FROM dbo.Binding"), [1001]);
    },
  },
];
