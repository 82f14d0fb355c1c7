// Asks a server for everything that the operator relies on, and prints a table of what held and what did not. MSSQL_URL names the server;
// without it the database under test is asked. Its own databases and logins are dropped at the end, also after a failure or a signal.
// Exit code: 0 all held or cannot be asked here, 1 something did not hold, 2 it could not be asked or not be cleaned up, 130 stopped.
import { addressOf } from "../test/contract/address.ts";
import { contract } from "../test/contract/behaviours/all.ts";
import { casesOf, type Result, runCases } from "../test/contract/run.ts";
import { openServer } from "../test/contract/server.ts";
import { heading, line, summary } from "../test/contract/table.ts";

const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** Where MSSQL_URL names no server: the one that the tests use, on a free port. */
async function ownServer(): Promise<{ readonly url: string; readonly stop: () => Promise<void> }> {
  const { startOwnServer } = await import("../test/contract/ownServer.ts");
  return await startOwnServer();
}

async function ask(url: string, signal: AbortSignal): Promise<number> {
  const server = await openServer(addressOf(url));
  const cases = casesOf(contract);
  const results: Result[] = [];
  const stopped = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  const asked = (async () => {
    for await (const result of runCases(server, cases, signal)) {
      results.push(result);
      if (!signal.aborted) say(line(result));
    }
  })();
  say(heading);
  try {
    // A stop does not wait for a statement that waits: its session goes with its database.
    await Promise.race([asked, stopped]);
  } finally {
    await server.close();
  }
  say(`\n${summary(results, cases.length, server.product)}`);
  if (signal.aborted) return 130;
  return results.some(({ verdict }) => verdict === "did not hold") ? 1 : 0;
}

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
const given = process.env["MSSQL_URL"] ?? "";
const own = given === "" ? await ownServer() : undefined;
if (own !== undefined) say("MSSQL_URL names no server: the database under test is asked, which is no SQL Server.\n");
let code: number;
try {
  code = await ask(own?.url ?? given, stop.signal);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  code = 2;
} finally {
  await own?.stop();
}
// A session that is held up somewhere must not keep the process.
process.exit(code);
