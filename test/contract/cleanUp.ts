// Drops databases and logins that a test has made, whoever is still in them, on any T-SQL server. It asks for nothing that a server must have
// besides DROP, and it knows no driver.
import { setTimeout as pause } from "node:timers/promises";

/** Sends one statement; resolves to what the server said against it, or to undefined where it took it. */
export type Tell = (sql: string) => Promise<string | undefined>;

/** A server may see only later that a session has ended: it is asked again, for so long. */
const longestMs = 5_000;
const betweenMs = 50;

async function dropped(attempt: () => Promise<string | undefined>): Promise<string | undefined> {
  const startMs = performance.now();
  for (;;) {
    const refusal = await attempt();
    if (refusal === undefined || performance.now() - startMs > longestMs) return refusal;
    await pause(betweenMs);
  }
}

/** Resolves to undefined when the database is gone, else to what the server said last. `tell` is in another database. */
export const dropDatabase = async (tell: Tell, name: string): Promise<string | undefined> =>
  await dropped(async () => {
    // Some servers have no such mode, or not for this login: what counts is whether the database goes.
    await tell(`ALTER DATABASE [${name}] SET SINGLE_USER WITH ROLLBACK IMMEDIATE;`);
    return await tell(`DROP DATABASE [${name}];`);
  });

/** Resolves to undefined when the login is gone, else to what the server said last. */
export const dropLogin = async (tell: Tell, name: string): Promise<string | undefined> =>
  await dropped(async () => await tell(`DROP LOGIN [${name}];`));
