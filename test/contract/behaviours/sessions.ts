// What a request does to its session and its transaction: options, errors, cancellation, and how a login is refused.
import { accepted, type Behaviour, DidNotHold, pages, type Place, refused, same } from "../behaviour.ts";
import { int, LoginRefused, type Session } from "../session.ts";
import { insert, namesNow } from "./writes.ts";

const open = "SELECT @@TRANCOUNT AS n";

async function refusedLogin(attempt: Promise<unknown>): Promise<readonly number[]> {
  try {
    await attempt;
  } catch (error) {
    if (error instanceof LoginRefused) return error.numbers;
    throw error;
  }
  throw new DidNotHold("the login was let in");
}

/** A session that holds the row of "a" until it is closed or rolls back. */
async function holder(place: Place) {
  const one = await place.session();
  await one.run("BEGIN TRANSACTION; UPDATE dbo.Server SET Guid = NULL WHERE Name = N'a'");
  return one;
}

/** Resolves when another session holds the row of that name, which it may have inserted only now. Each look is a round trip. */
async function isHeld(db: Session, name: string): Promise<void> {
  const looks = 20_000;
  for (let look = 0; look < looks; look += 1) {
    const errors = await db.errors(`SET LOCK_TIMEOUT 0; SELECT 1 AS x FROM dbo.Server WITH (UPDLOCK) WHERE Name = N'${name}'`);
    if (errors.includes(1222)) return;
  }
  throw new DidNotHold(`no lock on the row of ${name} was seen in ${looks} looks`);
}

export const sessions: readonly Behaviour[] = [
  {
    title: "What SET changes inside sp_executesql is undone at its end",
    page: pages.setStatements("Considerations When You Use the SET Statements"),
    run: async (place) => {
      const db = await place.session();
      accepted("SET", await db.errors("SET NOCOUNT, XACT_ABORT ON; SET LOCK_TIMEOUT 1234", { unused: int(1) }));
      same("the lock timeout", await db.row("SELECT @@LOCK_TIMEOUT AS t"), { t: -1 });
      await db.errors(`BEGIN TRANSACTION; ${insert("a")} ${insert("b")} COMMIT TRANSACTION`);
      same("names, as without XACT_ABORT", await db.column(namesNow), ["a", "b"]);
    },
  },
  {
    title: "SET before the statements of one sp_executesql holds for them, several options in one SET too",
    page: pages.setStatements("Considerations When You Use the SET Statements"),
    run: async (place) => {
      const db = await place.session();
      const text =
        "SET NOCOUNT, XACT_ABORT ON; SET DEADLOCK_PRIORITY LOW; SET LOCK_TIMEOUT 1234; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;";
      const write = "BEGIN TRANSACTION; UPDATE dbo.Server SET Guid = NULL; COMMIT TRANSACTION;";
      same("sets", await db.sets(`${text} ${write} SELECT @@LOCK_TIMEOUT AS t`, { unused: int(1) }), [[{ t: 1234 }]]);
      await db.errors(`${text} BEGIN TRANSACTION; ${insert("b")} ${insert("b")} COMMIT TRANSACTION;`, { unused: int(1) });
      same("names, as with XACT_ABORT", await db.column(namesNow), ["a"]);
    },
  },
  {
    title: "Without SET NOCOUNT ON each write tells its count, with it none does",
    page: pages.noCount("Remarks"),
    run: async (place) => {
      const db = await place.session();
      const write = "UPDATE dbo.Server SET Guid = NULL;";
      same("counts without", (await db.ask(`${write} ${write}`)).rowsAffected, [1, 1]);
      same("counts with", (await db.ask(`SET NOCOUNT ON; ${write} ${write}`)).rowsAffected, []);
    },
  },
  {
    title: "A refused row without XACT_ABORT ends its statement only; with it, batch and transaction",
    page: pages.xactAbort("Remarks"),
    run: async (place) => {
      const db = await place.session();
      await db.errors(`SET XACT_ABORT OFF; BEGIN TRANSACTION; ${insert("b")} ${insert("b")} ${insert("c")} COMMIT TRANSACTION`);
      same("names without", await db.column(namesNow), ["a", "b", "c"]);
      refused("with", await db.errors(`SET XACT_ABORT ON; BEGIN TRANSACTION; ${insert("d")} ${insert("b")} COMMIT TRANSACTION`), 2601);
      same("names with", await db.column(namesNow), ["a", "b", "c"]);
      same("open transactions", await db.row(open), { n: 0 });
    },
  },
  {
    title: "RAISERROR ends neither batch nor transaction, not even under XACT_ABORT, and reaches the client as 50000",
    page: pages.xactAbort("SET XACT_ABORT (Transact-SQL)"),
    run: async (place) => {
      const db = await place.session();
      const text = `SET XACT_ABORT ON; BEGIN TRANSACTION; ${insert("b")} RAISERROR(N'x', 16, 1); COMMIT TRANSACTION`;
      refused("RAISERROR", await db.errors(text), 50000);
      same("names", await db.column(namesNow), ["a", "b"]);
    },
  },
  {
    title: "A refused row in TRY under XACT_ABORT dooms the transaction: XACT_STATE -1, 3930 on a write, 3998 at the end of the batch",
    page: pages.tryCatch("Uncommittable Transactions and XACT_STATE"),
    run: async (place) => {
      const db = await place.session();
      const doom = `SET XACT_ABORT ON; BEGIN TRANSACTION; BEGIN TRY ${insert("a")} END TRY BEGIN CATCH`;
      same("XACT_STATE", (await db.ask(`${doom} SELECT XACT_STATE() AS s; ROLLBACK TRANSACTION; END CATCH`)).sets, [[{ s: -1 }]]);
      refused("a write", await db.errors(`${doom} ${insert("b")} END CATCH`), 3930);
      same("open transactions", await db.row(open), { n: 0 });
      refused("the end of the batch", await db.errors(`${doom} SELECT 1 AS one; END CATCH`), 3998);
    },
  },
  {
    title: "A request that leaves a transaction open is told so with 266, and it stays open; COMMIT without one is refused with 3902",
    page: pages.errors0("266"),
    run: async (place) => {
      const db = await place.session();
      refused("BEGIN in sp_executesql", await db.errors("BEGIN TRANSACTION", { unused: int(1) }), 266);
      same("open transactions", await db.row(open), { n: 1 });
      await db.run("ROLLBACK TRANSACTION");
      refused("COMMIT", await db.errors("COMMIT TRANSACTION"), 3902);
    },
  },
  {
    title: "The first error message says what went wrong, later ones what became of the statement",
    page: pages.errors3000("3621"),
    run: async (place) => {
      const db = await place.session();
      const [first] = await db.errors(insert("a"));
      same("the first number", first, 2601);
    },
  },
  {
    title: "An unknown column (207) or a wrong number of them (213) stops the whole batch before it runs",
    page: pages.errors0("207, 213"),
    run: async (place) => {
      const db = await place.session();
      refused("an unknown column", await db.errors(`${insert("b")} SELECT Nothing FROM dbo.Server`), 207);
      refused("too few values", await db.errors(`${insert("b")} INSERT INTO dbo.Binding VALUES (1)`), 213);
      same("names", await db.column(namesNow), ["a"]);
    },
  },
  {
    title: "A table that is not there (208) stops the batch where it is reached, and no CATCH of the same batch sees it",
    page: pages.tryCatch("Errors Unaffected by a TRY...CATCH Construct"),
    run: async (place) => {
      const db = await place.session();
      const text = `BEGIN TRY ${insert("b")} SELECT 1 AS x FROM dbo.Nothing END TRY BEGIN CATCH SELECT 1 AS caught END CATCH`;
      const reply = await db.ask(text);
      refused("the batch", reply.errors, 208);
      same("names", await db.column(namesNow), ["a", "b"]);
    },
  },
  {
    title: "More than 2,100 parameters are refused with 8003; 2,000 are not",
    page: pages.maximumCapacity("Database Engine Objects"),
    run: async (place) => {
      const db = await place.session();
      const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`p${i}`, int(i)]));
      refused("2,101", await db.errors("SELECT 1 AS x", many(2101)), 8003);
      same("2,000", (await db.ask("SELECT @p1999 AS x", many(2000))).sets, [[{ x: 1999 }]]);
    },
  },
  {
    title: "LOCK_TIMEOUT gives 1222; the connection stays usable, and without XACT_ABORT its transaction open",
    page: pages.lockTimeout("Arguments"),
    run: async (place) => {
      const [one, other] = [await holder(place), await place.session()];
      refused(
        "the write",
        await other.errors("SET LOCK_TIMEOUT 0; BEGIN TRANSACTION; UPDATE dbo.Server SET Seen = NULL WHERE Name = N'a'"),
        1222,
      );
      same("open transactions", await other.row(open), { n: 1 });
      await one.run("ROLLBACK TRANSACTION");
      accepted("the write afterwards", await other.errors("UPDATE dbo.Server SET Seen = NULL WHERE Name = N'a'; COMMIT TRANSACTION"));
    },
  },
  {
    title: "Under XACT_ABORT a lock timeout (1222) ends the transaction and all that it wrote",
    page: pages.xactAbort("Remarks"),
    run: async (place) => {
      const writer = await place.session();
      await writer.run(insert("b"));
      const [one, other] = [await holder(place), await place.session()];
      const text =
        "SET XACT_ABORT ON; SET LOCK_TIMEOUT 0; BEGIN TRANSACTION; UPDATE dbo.Server SET Seen = '2020-01-01T00:00:00' WHERE ID = 2; UPDATE dbo.Server SET Seen = NULL WHERE ID = 1; COMMIT TRANSACTION";
      refused("the batch", await other.errors(text), 1222);
      same("open transactions", await other.row(open), { n: 0 });
      await one.run("ROLLBACK TRANSACTION");
      same("what was written", await other.column("SELECT Seen FROM dbo.Server WHERE ID = 2"), [null]);
    },
  },
  {
    title: "A client that goes leaves nothing of its open transaction",
    page: pages.locking("Errors During Transaction Processing"),
    run: async (place) => {
      const [gone, db] = [await place.session(), await place.session()];
      await gone.run(`BEGIN TRANSACTION; ${insert("b")}`);
      await gone.close();
      accepted("the same row by another", await db.errors(insert("b")));
    },
  },
  {
    title: "A request that the client cancels leaves its transaction open without XACT_ABORT, and nothing of it with XACT_ABORT",
    page: pages.blocking("Scenario 2: Blocking caused by a sleeping SPID that has an uncommitted transaction"),
    run: async (place) => {
      for (const [option, left] of [
        ["OFF", 1],
        ["ON", 0],
      ] as const) {
        const [db, other] = [await place.session(), await place.session()];
        const text = `SET XACT_ABORT ${option}; BEGIN TRANSACTION; ${insert("b")} WAITFOR DELAY '00:00:30'`;
        await db.cancelled(text, () => isHeld(other, "b"));
        same(`open transactions with XACT_ABORT ${option}`, await db.row(open), { n: left });
        await db.run("IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION");
        same("names", await db.column(namesNow), ["a"]);
      }
    },
  },
  {
    title: "The application name that a login gives is what APP_NAME says",
    page: pages.appName("APP_NAME (Transact-SQL)"),
    run: async (place) => {
      const db = await place.sessionOf(await place.login(), { applicationName: "webfarm-operator/0 shop/main" });
      same("APP_NAME", await db.row("SELECT APP_NAME() AS a"), { a: "webfarm-operator/0 shop/main" });
    },
  },
  {
    title: "A wrong password is refused with 18456, as a message before the connection ends",
    page: pages.errors18000("18456"),
    run: async (place) => {
      const { user } = await place.login();
      refused("the login", await refusedLogin(place.sessionOf({ user, password: "Wrong-1234" })), 18456);
    },
  },
  {
    title: "A database that is not there is refused with 4060, before 18456",
    page: pages.errors4000("4060"),
    run: async (place) => {
      const login = await place.login();
      const numbers = await refusedLogin(place.sessionOf(login, { database: "webfarm_contract_nowhere" }));
      same("the first number", numbers[0], 4060);
    },
  },
];
