// The command `npm run contract` as its user meets it: exit code, table, and that nothing is left on the server, whatever ended it.
import { spawn } from "node:child_process";
import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { addressOf, configFor } from "./address.ts";
import { type OwnServer, startOwnServer } from "./ownServer.ts";
import { openServer } from "./server.ts";
import { openSession, type Session } from "./session.ts";

let own: OwnServer;
let admin: Session;
beforeAll(async () => {
  own = await startOwnServer();
  admin = await openSession(configFor(addressOf(own.url), "master"));
});
afterAll(async () => {
  await admin.close();
  await own.stop();
});
let began = 0;
beforeEach(() => {
  own.faults.clear();
  began = Date.now();
});

interface Run {
  /** Sends the process a signal once the server has met what the test waits for, then does `afterwards`. */
  readonly interruptAfter?: { readonly reached: Promise<void>; readonly signal: "SIGINT" | "SIGTERM"; readonly afterwards?: () => void };
  readonly url?: string;
  /** Only the statements that have these words. */
  readonly words?: string;
}

async function contract({ interruptAfter, url = own.url, words = "" }: Run = {}): Promise<{
  readonly code: number | null;
  readonly out: string;
  readonly error: string;
}> {
  const child = spawn(process.execPath, ["scripts/contract.ts", words], { env: { PATH: process.env["PATH"], MSSQL_URL: url } });
  const [out, error]: [string[], string[]] = [[], []];
  child.stdout.on("data", (chunk: Buffer) => out.push(chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => error.push(chunk.toString()));
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  if (interruptAfter !== undefined) {
    await Promise.race([interruptAfter.reached, ended]);
    child.kill(interruptAfter.signal);
    interruptAfter.afterwards?.();
  }
  return { code: await ended, out: out.join(""), error: error.join("") };
}

/** Names of what texts like `CREATE LOGIN [x]` named since this test began. */
function named(words: string): readonly string[] {
  const pattern = new RegExp(`^${words} \\[(\\w+)\\]`);
  return own.faults.statements
    .filter(({ at }) => at >= began)
    .flatMap(({ text }) => pattern.exec(text)?.[1] ?? [])
    .sort();
}

const databasesLeft = "SELECT name FROM sys.databases WHERE name LIKE N'webfarm%'";

async function expectNothingLeft(): Promise<void> {
  expect(await admin.column(databasesLeft)).toEqual([]);
  expect(named("CREATE DATABASE").length).toBeGreaterThan(0);
  expect(named("DROP DATABASE")).toEqual(named("CREATE DATABASE"));
  expect(named("DROP LOGIN")).toEqual(named("CREATE LOGIN"));
}

test("where not everything holds it says what came instead, asks the rest, exits with 1 and leaves nothing", async () => {
  own.faults.dropBefore(/QUOTENAME\(N'a\]b'\)/);
  const { code, out, error } = await contract();
  expect(error).toBe("");
  expect(code).toBe(1);
  expect(out).toMatch(/^\| 1 \| held \| An INSERT of several rows.* \| https:\/\/learn\.microsoft\.com\/\S+ \(.+\) \|$/m);
  expect(out).toMatch(/^\| \d+ \| \*\*DID NOT HOLD\*\* \| .*Came instead: errors of the other's binding: \[ 1222 \] instead of \[\] \|/m);
  expect(out).toMatch(/^\| \d+ \| \*\*DID NOT HOLD\*\* \| QUOTENAME .*Came instead: the run ended with: /m);
  expect(out).toMatch(/^\| \d+ \| held \| HAS_PERMS_BY_NAME tells of each column/m);
  expect(out).toMatch(/: \d+ held, \d+ did not hold, 0 not applicable\.\n$/);
  await expectNothingLeft();
});

test("without MSSQL_URL it asks the database under test and exits with 0: what that is known not to do is not applicable", async () => {
  const { code, out } = await contract({ url: "" });
  expect(out).toMatch(/^MSSQL_URL names no server/);
  expect(out).toMatch(/^\| \d+ \| not applicable \| UPDLOCK on a server's row .*Because: the database under test has no locks finer/m);
  expect(out).toMatch(/: \d+ held, 0 did not hold, \d+ not applicable\.\n$/);
  expect(code).toBe(0);
});

test.each(["SIGINT", "SIGTERM"] as const)("%s ends it at once, also while a statement waits, and leaves nothing", async (signal) => {
  const { reached } = own.faults.hold(/SELECT APP_NAME\(\)/);
  const { code, out } = await contract({ interruptAfter: { reached, signal } });
  expect(code).toBe(130);
  expect(out).toMatch(/, [1-9]\d* not asked\.\n$/);
  await expectNothingLeft();
});

test.each([/^CREATE DATABASE \[\w+_locks\]/, /^CREATE LOGIN/])(
  "a signal while the server works on %s leaves nothing of that either",
  async (pattern) => {
    const hold = own.faults.hold(pattern);
    const { code } = await contract({ interruptAfter: { reached: hold.reached, signal: "SIGINT", afterwards: () => hold.release() } });
    expect(code).toBe(130);
    await expectNothingLeft();
  },
);

test("the clean-up begins when what is being created is there", async () => {
  const server = await openServer(addressOf(own.url));
  await server.visit("versions", () => Promise.resolve());
  const creation = own.faults.hold(/^CREATE DATABASE \[\w+_locks\]/);
  const refused = expect(server.visit("locks", () => Promise.resolve())).rejects.toThrow("is being cleaned up");
  await creation.reached;
  const closed = server.close();
  // Time for a clean-up that does not wait: each look is a round trip.
  for (let look = 0; look < 100; look += 1) await admin.run("SELECT 1 AS x");
  expect(named("DROP DATABASE")).toEqual([]);
  creation.release();
  await closed;
  await refused;
  await expectNothingLeft();
});

test("where it may make no read-only database, no second one or no login, the statements about them are not applicable, and say why", async () => {
  own.faults.fail(/^CREATE DATABASE \[\w+_locks\]/, { number: 262, message: "Only one database" });
  own.faults.fail(/^ALTER DATABASE \[\w+\] SET READ_ONLY/, { number: 5011, message: "User does not have permission" });
  own.faults.fail(/^CREATE LOGIN/, { number: 15247, message: "User does not have permission" }, { times: 1000 });
  const { out } = await contract();
  expect(out).toMatch(
    /^\| \d+ \| not applicable \| Updateability .*Because: the database cannot be set read-only by this login \(User does not/m,
  );
  expect(out).toMatch(
    /^\| \d+ \| not applicable \| A missing grant .*Because: the login of MSSQL_URL may not create logins .*learn\.microsoft\.com/m,
  );
  expect(await admin.column(databasesLeft)).toEqual([]);
});

test("what cannot be dropped is named, to be dropped by hand, and the exit code is 2", async () => {
  const rule = own.faults.fail(
    /^DROP DATABASE \[webfarm_contract_\w+_versions\]/,
    { number: 3702, message: "It is in use" },
    { times: Infinity },
  );
  const { code, error } = await contract({ words: "QUOTENAME" });
  rule.remove();
  expect(code).toBe(2);
  const [, left = ""] = /drop by hand: database (webfarm_contract_\w+_versions) \(It is in use\)/.exec(error) ?? [];
  expect(await admin.column(databasesLeft)).toEqual([left]);
  await admin.run(`DROP DATABASE [${left}]`);
});

test.each([
  ["a login that may create no database", /^CREATE DATABASE/, "Cannot create a database: It is not allowed (262)"],
  ["a server whose new database cannot be looked at", /is_read_committed_snapshot_on/, "It is not allowed (262)"],
] as const)("%s ends it with 2 and the server's sentence, and leaves nothing", async (_what, pattern, sentence) => {
  own.faults.fail(pattern, { number: 262, message: "It is not allowed" });
  const { code, out, error } = await contract();
  expect([code, out]).toEqual([2, ""]);
  expect(error).toContain(sentence);
  expect(await admin.column(databasesLeft)).toEqual([]);
});

test("with words it asks only the statements that have them, under their numbers; with none such it says so", async () => {
  const { code, out } = await contract({ words: "QUOTENAME" });
  expect(code).toBe(0);
  expect(out).toMatch(/--- \|\n\| [1-9]\d+ \| held \| QUOTENAME [^\n]*\n\n[^\n]*: 1 held, 0 did not hold, 0 not applicable\.\n$/);
  expect(await contract({ words: "no such words" })).toMatchObject({
    code: 2,
    error: 'No statement of the contract has the words "no such words"\n',
  });
});

test.each([
  ["no address", "sql.example", /MSSQL_URL is no address; its form is mssql:/],
  ["a server that is not there", "mssql://sa:Secret-1@127.0.0.1:1/?encrypt=false", /127\.0\.0\.1:1/],
])("%s ends it with 2 and a sentence, without the password", async (_what, url, sentence) => {
  const { code, out, error } = await contract({ url });
  expect([code, out.includes("held")]).toEqual([2, false]);
  expect(error).toMatch(sentence);
  expect(error).not.toContain("Secret-1");
});
