// What sessions do to each other. Whether one would wait is seen without waiting: with LOCK_TIMEOUT 0 it is told 1222 at once.
import { accepted, type Behaviour, pages, type Place, type Readers, refused, same } from "../behaviour.ts";
import type { Session } from "../session.ts";
import { insert, namesNow } from "./writes.ts";

const either: readonly Readers[] = ["versions", "locks"];
const atOnce = "SET LOCK_TIMEOUT 0;";
const two = async (place: Place): Promise<readonly [Session, Session]> => [await place.session(), await place.session()];
const bindings = (server: number, from: number, count: number): string =>
  `INSERT INTO dbo.Binding (ServerID, TaskID) SELECT v.s, v.t FROM (VALUES ${Array.from({ length: count }, (_, i) => `(${server}, ${from + i})`).join(", ")}) AS v (s, t);`;

export const locks: readonly Behaviour[] = [
  {
    title: "UPDLOCK, HOLDLOCK on a name that is not there keeps others from inserting it until the transaction ends",
    page: pages.locking("Singleton Fetch of Nonexistent Data"),
    readers: either,
    run: async (place) => {
      const [one, other] = await two(place);
      await one.run("BEGIN TRANSACTION; SELECT 1 AS x FROM dbo.Server WITH (UPDLOCK, HOLDLOCK) WHERE Name = N'z'");
      refused("the other's INSERT", await other.errors(`${atOnce} ${insert("z")}`), 1222);
      await one.run("ROLLBACK TRANSACTION");
      accepted("the INSERT afterwards", await other.errors(insert("z")));
    },
  },
  {
    title: "UPDLOCK, HOLDLOCK keeps others from inserting an absent name also where no index stands on the names",
    page: pages.locking("Key-Range Locking"),
    readers: either,
    run: async (place) => {
      const [one, other] = await two(place);
      await one.run("DROP INDEX IX_Server_Name ON dbo.Server");
      await one.run("BEGIN TRANSACTION; SELECT 1 AS x FROM dbo.Server WITH (UPDLOCK, HOLDLOCK) WHERE Name = N'z'");
      refused("the other's INSERT", await other.errors(`${atOnce} ${insert("z")}`), 1222);
      await one.run("COMMIT TRANSACTION");
      accepted("the INSERT afterwards", await other.errors(insert("z")));
    },
  },
  {
    title: "UPDLOCK, HOLDLOCK on a count keeps others from inserting and from switching on what would be counted",
    page: pages.locking("Key-Range Locking"),
    readers: either,
    run: async (place) => {
      const [one, other] = await two(place);
      await one.run(`${insert("b")} UPDATE dbo.Server SET Enabled = 0 WHERE Name = N'b'`);
      await one.run("BEGIN TRANSACTION; SELECT COUNT(*) AS n FROM dbo.Server WITH (UPDLOCK, HOLDLOCK) WHERE Enabled = 1");
      refused("the other's INSERT", await other.errors(`${atOnce} ${insert("c")}`), 1222);
      refused("the other's UPDATE", await other.errors(`${atOnce} UPDATE dbo.Server SET Enabled = 1 WHERE Name = N'b'`), 1222);
      await one.run("ROLLBACK TRANSACTION");
    },
  },
  {
    title: "Two sessions cannot hold UPDLOCK on one row, nor UPDLOCK, HOLDLOCK on one absent name",
    page: pages.locking("Lock Compatibility"),
    readers: either,
    run: async (place) => {
      const [one, other] = await two(place);
      const hold = (name: string): string => `SELECT 1 AS x FROM dbo.Server WITH (UPDLOCK, HOLDLOCK) WHERE Name = N'${name}'`;
      for (const name of ["a", "z"]) {
        await one.run(`BEGIN TRANSACTION; ${hold(name)}`);
        refused(`the other's lock on ${name}`, await other.errors(`${atOnce} ${hold(name)}`), 1222);
        await one.run("ROLLBACK TRANSACTION");
      }
    },
  },
  {
    title: "UPDLOCK on a server's row lets others insert rows that refer to it",
    page: pages.locking("Lock Compatibility"),
    readers: either,
    run: async (place) => {
      const [one, other] = await two(place);
      await one.run("BEGIN TRANSACTION; SELECT 1 AS x FROM dbo.Server WITH (UPDLOCK, ROWLOCK) WHERE ID = 1");
      accepted("the other's binding", await other.errors(`${atOnce} INSERT INTO dbo.Binding (ServerID, TaskID) VALUES (1, 1)`));
      await one.run("ROLLBACK TRANSACTION");
    },
  },
  {
    title: "HOLDLOCK on bindings that are not there keeps others from inserting one",
    page: pages.tableHints("SERIALIZABLE"),
    readers: either,
    run: async (place) => {
      const [one, other] = await two(place);
      await one.run(`${insert("b")} BEGIN TRANSACTION; SELECT 1 AS x FROM dbo.Binding WITH (HOLDLOCK) WHERE ServerID = 1`);
      refused("the other's binding", await other.errors(`${atOnce} INSERT INTO dbo.Binding (ServerID, TaskID) VALUES (1, 1)`), 1222);
      await one.run("ROLLBACK TRANSACTION");
    },
  },
  {
    title: "The deletion of a server waits for another session's binding of it that is not committed, and then sees it",
    page: pages.locking("Lock Compatibility"),
    readers: either,
    run: async (place) => {
      const [one, other] = await two(place);
      const remove =
        "DELETE s FROM dbo.Server AS s WITH (ROWLOCK) WHERE s.ID = 1 AND NOT EXISTS (SELECT 1 FROM dbo.Binding AS b WITH (HOLDLOCK) WHERE b.ServerID = s.ID)";
      await one.run("BEGIN TRANSACTION; INSERT INTO dbo.Binding (ServerID, TaskID) VALUES (1, 1)");
      refused("the deletion", await other.errors(`${atOnce} ${remove}`), 1222);
      await one.run("COMMIT TRANSACTION");
      same("deleted afterwards", (await other.ask(remove)).rowsAffected, [0]);
    },
  },
  {
    title: "Who waited for a lock sees what the other committed meanwhile",
    page: pages.locking("Lock Compatibility"),
    readers: either,
    run: async (place) => {
      const [one, other] = await two(place);
      const register =
        "INSERT INTO dbo.Server (Name) SELECT N'b' WHERE NOT EXISTS (SELECT 1 FROM dbo.Server WITH (UPDLOCK, HOLDLOCK) WHERE Name = N'b')";
      await one.run(`BEGIN TRANSACTION; ${insert("b")}`);
      refused("without waiting", await other.errors(`${atOnce} ${register}`), 1222);
      const waiting = other.ask(`SET LOCK_TIMEOUT -1; ${register}`);
      await one.run("COMMIT TRANSACTION");
      same("errors and rows of the one that waited", [(await waiting).errors, (await waiting).rowsAffected], [[], [0]]);
      same("names", await one.column(namesNow), ["a", "b"]);
    },
  },
  {
    title: "With READ_COMMITTED_SNAPSHOT on, a reader sees the last committed rows and does not wait; a writer does",
    page: pages.locking("Behavior when reading data"),
    readers: ["versions"],
    run: async (place) => {
      const [one, other] = await two(place);
      await one.run("BEGIN TRANSACTION; UPDATE dbo.Server SET Name = N'x'");
      same("names for the reader", await other.column(`${atOnce} ${namesNow}`), ["a"]);
      refused("the writer", await other.errors(`${atOnce} UPDATE dbo.Server SET Name = N'y'`), 1222);
      await one.run("COMMIT TRANSACTION");
      same("names afterwards", await other.column(namesNow), ["x"]);
    },
  },
  {
    title: "With READ_COMMITTED_SNAPSHOT off, a reader waits for the writer",
    page: pages.alterDatabaseOptions("READ_COMMITTED_SNAPSHOT { ON | OFF }"),
    readers: ["locks"],
    run: async (place) => {
      const [one, other] = await two(place);
      await one.run("BEGIN TRANSACTION; UPDATE dbo.Server SET Name = N'x'");
      refused("the reader", await other.errors(`${atOnce} ${namesNow}`), 1222);
      await one.run("ROLLBACK TRANSACTION");
      same("names afterwards", await other.column(namesNow), ["a"]);
    },
  },
  {
    title: "READPAST with READCOMMITTEDLOCK leaves out the rows that others hold instead of waiting for them",
    page: pages.tableHints("READPAST"),
    readers: either,
    run: async (place) => {
      const [one, other] = await two(place);
      await one.run(`${insert("b")} ${bindings(1, 1, 2)} ${bindings(2, 1, 2)}`);
      await one.run("BEGIN TRANSACTION; UPDATE dbo.Binding WITH (ROWLOCK) SET TaskID = 9 WHERE ServerID = 1 AND TaskID = 1");
      const sweep = "DELETE TOP (1) d FROM dbo.Binding AS d WITH (READPAST, READCOMMITTEDLOCK) WHERE d.ServerID = 1 AND d.TaskID < 9";
      const first = await other.ask(`${atOnce} ${sweep}`);
      same("errors and rows", [first.errors, first.rowsAffected], [[], [1]]);
      const second = await other.ask(`${atOnce} ${sweep}`);
      same("errors and rows when only the held one is left", [second.errors, second.rowsAffected], [[], [0]]);
      await one.run("ROLLBACK TRANSACTION");
    },
  },
  {
    title: "A transaction that has deleted 2,000 bindings of one server lets others insert bindings of another",
    page: pages.lockEscalation("Lock escalation thresholds"),
    readers: either,
    run: async (place) => {
      const [one, other] = await two(place);
      await one.run(insert("b"));
      for (let from = 0; from < 2000; from += 500) await one.run(bindings(1, from, 500));
      await one.run("BEGIN TRANSACTION; DELETE TOP (2000) b FROM dbo.Binding AS b WITH (ROWLOCK) WHERE b.ServerID = 1");
      accepted("the other's binding", await other.errors(`${atOnce} INSERT INTO dbo.Binding (ServerID, TaskID) VALUES (2, 1)`));
      await one.run("ROLLBACK TRANSACTION");
    },
  },
  {
    title: "Of two sessions in a deadlock the one with DEADLOCK_PRIORITY LOW is told 1205, its transaction is gone, its connection usable",
    page: pages.deadlockPriority("Remarks"),
    readers: either,
    run: async (place) => {
      const [product, operator] = await two(place);
      const take = (id: number): string => `UPDATE dbo.Server WITH (ROWLOCK) SET Seen = '2020-01-01T00:00:00' WHERE ID = ${id}`;
      await product.run(insert("b"));
      await product.run(`BEGIN TRANSACTION; ${take(1)}`);
      await operator.run(`${atOnce} SET DEADLOCK_PRIORITY LOW; BEGIN TRANSACTION; ${take(2)}`);
      // Without a deadlock both would wait for ever. The server looks for deadlocks every 5 s.
      const wait = "SET LOCK_TIMEOUT 30000;";
      const [kept, victim] = await Promise.all([product.errors(`${wait} ${take(2)}`), operator.errors(`${wait} ${take(1)}`)]);
      refused("the operator", victim, 1205);
      accepted("the product", kept);
      same("the victim's open transactions", await operator.row("SELECT @@TRANCOUNT AS n"), { n: 0 });
      await product.run("COMMIT TRANSACTION");
    },
  },
];
