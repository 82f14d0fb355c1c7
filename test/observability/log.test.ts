// Every line is one JSON object with a constant message; no secret is in it, however it came; errors are written whole.
import { Writable } from "node:stream";
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { transports } from "winston";
import { createLog, type Log, type LogLevel } from "../../operator/observability/log.ts";
import { redacted } from "../../operator/observability/redact.ts";

function logTo(level: LogLevel = "debug"): {
  readonly log: Log;
  readonly text: () => string;
  readonly lines: () => Record<string, unknown>[];
} {
  const chunks: string[] = [];
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      chunks.push(String(chunk));
      done();
    },
  });
  const text = (): string => chunks.join("");
  const lines = (): Record<string, unknown>[] =>
    text()
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { log: createLog({ level, transport: new transports.Stream({ stream, eol: "\n" }) }), text, lines };
}

test("a line has the message, level, time, the child's fields and its own", () => {
  const { log, lines } = logTo();
  log.child({ component: "worker", farm: "shop/main" }).child({ farm: "shop/other" }).info("Server registered", { serverID: 7 });
  expect(lines()).toEqual([
    {
      level: "info",
      message: "Server registered",
      component: "worker",
      farm: "shop/other",
      serverID: 7,
      timestamp: expect.stringMatching(/^\d{4}-.*Z$/) as unknown,
    },
  ]);
});

test("levels below the chosen one are not written", () => {
  const { log, lines } = logTo("warn");
  log.debug("a");
  log.info("b");
  log.warn("c");
  log.error("d");
  expect(lines().map(({ message }) => message)).toEqual(["c", "d"]);
});

test("a disabled debug line does not even look at its fields", () => {
  const { log } = logTo("info");
  let isRead = false;
  log.debug("a", {
    get costly() {
      isRead = true;
      return 1;
    },
  });
  expect(isRead).toBe(false);
});

test("a field called message, level or timestamp replaces nothing", () => {
  const { log, lines } = logTo();
  log.info("Constant", { message: "field", level: "error", timestamp: 0 });
  expect(lines()[0]).toMatchObject({ message: "Constant", level: "info", message_: "field", level_: "error", timestamp_: 0 });
});

test("an error keeps its type, message, code, number, stack and causes, and is not changed", () => {
  const { log, lines } = logTo();
  const driver = Object.assign(new Error("Login failed for user 'sa'"), { code: "ELOGIN", number: 18456, config: { password: "hunter2" } });
  const error = Object.freeze(new Error("Cannot read servers of farm shop/main", { cause: driver }));
  log.error("Reconcile failed", { error });
  expect(lines()[0]).toMatchObject({
    message: "Reconcile failed",
    error: {
      type: "Error",
      message: "Cannot read servers of farm shop/main",
      stack: expect.stringContaining("log.test.ts") as unknown,
      cause: [{ type: "Error", message: "Login failed for user 'sa'", code: "ELOGIN", number: 18456 }],
    },
  });
});

describe("endless values end:", () => {
  test("a chain of causes, an error that is its own cause, a circle, a list, a map, a text", () => {
    let chain: Error = new Error("first");
    for (let n = 0; n < 100; n++) chain = new Error(`caused ${n}`, { cause: chain });
    const own = new Error("own");
    own.cause = own;
    const circle: Record<string, unknown> = {};
    circle["self"] = circle;
    const many = Array.from({ length: 10_000 }, (_, n) => n);
    const { log, text, lines } = logTo();
    log.info("a", { chain, own, circle, many, map: new Map(many.map((n) => [n, n])), long: "x".repeat(1_000_000) });
    expect(lines()[0]).toMatchObject({ own: { cause: ["[circular]"] }, circle: { self: "[circular]" } });
    expect(text().length).toBeLessThan(30_000);
  });

  test("what is nested too deeply is named, not followed", () => {
    let nested: object = { end: true };
    for (let n = 0; n < 20; n++) nested = { nested };
    expect(JSON.stringify(redacted({ nested }))).toMatch(/^(\{"nested":){7}"\[deeper\]"\}+$/);
  });

  test("an aggregate error shows its errors", () => {
    const error = new AggregateError([new Error("one"), new Error("two")], "both");
    expect(redacted({ error })).toMatchObject({ error: { cause: [{ message: "one" }, { message: "two" }] } });
  });
});

test("whatever cannot be read does not take the line with it", () => {
  const { log, lines } = logTo();
  const bad = new Proxy(
    {},
    {
      ownKeys: () => {
        throw new Error("no");
      },
    },
  );
  const getter = {
    get x(): number {
      throw new Error("no");
    },
  };
  log.info("a", { bad, getter, big: 10n, nan: NaN, symbol: Symbol("s"), date: new Date(NaN), bytes: Buffer.from("hunter2"), run: String });
  expect(lines()[0]).toMatchObject({ bad: "[unreadable]", getter: "[unreadable]", big: "10", nan: "NaN", bytes: "[7 bytes]" });
});

describe("no secret is written", () => {
  test.each<[string, unknown]>([
    ["by key", { password: "hunter2" }],
    ["by key in any case", { DB_PASSWORD: "hunter2", apiToken: "hunter2", Authorization: "hunter2", connectionString: "hunter2" }],
    ["deep inside", { a: [{ b: { clientSecret: { value: "hunter2" } } }] }],
    ["in a map", new Map([["token", "hunter2"]])],
    ["in the form for a token endpoint", "grant_type=client_credentials&client_assertion=hunter2&scope=x"],
    ["in the answer of a token endpoint", '{"token_type":"Bearer","access_token":"hunter2","expires_in":3599}'],
    ["in what the driver logs in with", { authentication: { type: "azure-active-directory-access-token", options: { token: "hunter2" } } }],
    ["in what a token is exchanged for", { client_assertion: "hunter2", clientAssertion: "hunter2" }],
    ["in a connection string", "Server=sql;User ID=sa;Password=hunter2;Encrypt=True"],
    ["in its quoted forms", `Pwd = "hun;ter2hunter2"; a; PWD='hunter2;hunter2';x`],
    ["at the end of a text", "Cannot read Server=sql;password=hunter2"],
    ["in an error", new Error("Cannot use Password=hunter2;", { cause: new Error("pwd=hunter2") })],
    ["in a URL", "mssql://sa:hunter2@sql:1433/?encrypt=true"],
    ["in a URL with a slash or an at sign in the password", "mssql://sa:hun/hunter2@hunter2@sql:1433/"],
    ["in a header", "Authorization: Bearer hunter2.hunter2"],
    ["in JSON inside a text", '{"user":"sa","password":"hunter2\\"hunter2"}'],
    ["in a service account's token", "401 for eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJodW50ZXIyIn0.hunter2"],
    ["just before the cut", `${"x".repeat(8_178)}://sa:hunter2hunter2@sql`],
  ])("%s", (_where, value) => {
    const { log, text } = logTo();
    log.info("Connected", { value });
    log.child({ value }).info("Again");
    log.info(`Message ${String(value)}`);
    expect(text().includes("hunter2")).toBe(false);
    expect(text().includes("***")).toBe(true);
  });

  test("what is around a secret stays readable, and so do references to secrets", () => {
    expect(
      redacted({
        text: "Server=sql;Password=x;Encrypt=True",
        url: "http://sql.example:8080/a",
        credentialsSecretRef: { name: "kentico", passwordKey: "password" },
        secretName: "kentico",
        tokenExpiresInMs: 5,
        password: undefined,
      }),
    ).toEqual({
      text: "Server=sql;Password=***;Encrypt=True",
      url: "http://sql.example:8080/a",
      credentialsSecretRef: { name: "kentico", passwordKey: "***" },
      secretName: "kentico",
      tokenExpiresInMs: 5,
      password: undefined,
    });
  });

  test("wherever a connection string stands in whatever value", () => {
    const secret = fc.constant("Password=hunter2;");
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof({ depthSize: "small" }, secret, fc.string(), fc.integer(), tie("list"), tie("object")),
      list: fc.array(tie("value"), { maxLength: 5 }),
      object: fc.dictionary(fc.string(), tie("value"), { maxKeys: 5 }),
    }));
    fc.assert(
      fc.property(
        value,
        fc.string(),
        (any, around) => !JSON.stringify(redacted({ any, text: `${around}Password=hunter2` })).includes("hunter2"),
      ),
    );
  });
});

test("the input is not changed", () => {
  const fields = { error: new Error("Password=x"), list: [{ password: "x" }] };
  redacted(fields);
  expect(fields.list).toEqual([{ password: "x" }]);
  expect(fields.error.message).toBe("Password=x");
});

test("a hostile text of a megabyte costs little", () => {
  const before = process.cpuUsage(); // time of the processor: what it does for others does not count
  for (const piece of ["a.", "a://", "a://a:", "eyJ.", "password", "bearer ", "password =", '"token":"'])
    redacted({ text: piece.repeat(1_000_000 / piece.length) });
  const { user, system } = process.cpuUsage(before);
  expect((user + system) / 1_000).toBeLessThan(1_000); // milliseconds; 15 of them as it is
});
