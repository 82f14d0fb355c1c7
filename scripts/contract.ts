// Asks a server for everything that the operator relies on, and prints a table of what held and what did not. MSSQL_URL names the server;
// without it the database under test is asked. With an argument only the statements that have these words. Its own databases and logins are dropped at the end, also after a failure or a signal.
// Exit code: 0 all held or cannot be asked here, 1 something did not hold, 2 it could not be asked or not be cleaned up, 130 stopped.
import { addressOf } from "../test/contract/address.ts";
import { contract } from "../test/contract/behaviours/all.ts";
import { casesOf, type Result, runCase, withGaps } from "../test/contract/run.ts";
import { openServer } from "../test/contract/server.ts";
import { heading, line, summary } from "../test/contract/table.ts";

const say = (text: string): void => void process.stdout.write(`${text}\n`);

interface Asked {
  readonly url: string;
  /** What this server is known not to do: see `withGaps`. */
  readonly gaps: ReadonlyMap<string, string>;
  readonly end: () => Promise<void>;
}

/** The server of MSSQL_URL, or without one that of the tests, on a free port. */
async function serverToAsk(): Promise<Asked> {
  const url = process.env["MSSQL_URL"] ?? "";
  if (url !== "") return { url, gaps: new Map(), end: () => Promise.resolve() };
  const { ownGaps, startOwnServer } = await import("../test/contract/ownServer.ts");
  const own = await startOwnServer();
  say("MSSQL_URL names no server: the database under test is asked, which is no SQL Server.\n");
  return { url: own.url, gaps: ownGaps, end: own.stop };
}

async function ask({ url, gaps }: Asked, words: string, signal: AbortSignal): Promise<number> {
  const cases = casesOf(contract).filter(({ title }) => title.includes(words));
  if (cases.length === 0) throw new Error(`No statement of the contract has the words "${words}"`);
  const server = await openServer(addressOf(url));
  const results: Result[] = [];
  const stopped = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  const asked = async (): Promise<void> => {
    for (const one of cases) {
      const result = withGaps(await runCase(server, one), gaps);
      if (signal.aborted) return;
      results.push(result);
      say(line(result));
    }
  };
  say(heading);
  try {
    // A stop does not wait for a statement that waits: its sessions go with their database.
    if (!signal.aborted) await Promise.race([asked(), stopped]);
  } finally {
    await server.close();
  }
  say(`\n${summary(results, cases.length, server.product)}`);
  if (signal.aborted) return 130;
  return results.some(({ verdict }) => verdict === "did not hold") ? 1 : 0;
}

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => stop.abort());
let code = 2;
try {
  const asked = await serverToAsk();
  code = await ask(asked, process.argv[2] ?? "", stop.signal);
  await asked.end();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
}
// A session that is held up somewhere must not keep the process.
process.exit(code);
