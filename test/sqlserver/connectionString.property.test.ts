// What holds of every connection string: what is written by the rules is read back, whatever is in it; nothing makes the reader throw; and
// no password is ever in anything that is shown.
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";

import { readConnectionString } from "../../operator/sqlserver/connectionString.ts";
import { targetOf } from "../../operator/sqlserver/target.ts";

const base = "Server=sql;Database=k;UID=u";

/** Text without NUL, which ends a string for the clients, and with what makes a reader stumble. */
const value = fc
  .array(
    fc.oneof(fc.constantFrom(";", "=", '"', "'", " ", "\t", "\n", "{", "}", "\\", "\u00a0", "\ufeff", "✓"), fc.string({ maxLength: 3 })),
    {
      minLength: 1,
      maxLength: 12,
    },
  )
  .map((parts) => parts.join("").replaceAll("\0", ""))
  .filter((text) => text !== "");

const inDouble = (text: string): string => `"${text.replaceAll('"', '""')}"`;
const inSingle = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** A secret that no message has by chance. */
const secret = value.map((text) => `zq${text}7vX`);

describe("quoting", () => {
  test.each([
    ["double", inDouble],
    ["single", inSingle],
  ] as const)("in %s quotes every value comes back as it was", (_name, quoted) => {
    fc.assert(
      fc.property(value, (password) => {
        expect(readConnectionString(`${base};PWD=${quoted(password)}`)).toMatchObject({ kind: "read", password });
        expect(readConnectionString(`PWD=${quoted(password)};${base}`)).toMatchObject({ kind: "read", password, user: "u" });
      }),
    );
  });

  test("a value of letters and digits needs none, and white space around it does not count", () => {
    const blanks = fc.array(fc.constantFrom(" ", "\t", "\r\n", "\u00a0"), { maxLength: 4 }).map((all) => all.join(""));
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z0-9!$%&()*+.<>?@_~-]{1,40}$/), blanks, blanks, (password, before, behind) => {
        const text = `${before}${base}${behind};${before}PWD${behind}=${before}${password}${behind}\n`;
        expect(readConnectionString(text)).toMatchObject({ kind: "read", password, user: "u", database: "k" });
      }),
    );
  });
});

test("the last of several duplicates wins, under whatever spelling, and an empty one takes the keyword away", () => {
  const spelling = fc.constantFrom("PWD", "Password", "pwd", "PASSWORD");
  fc.assert(
    fc.property(fc.array(fc.tuple(spelling, fc.option(value)), { minLength: 1, maxLength: 6 }), (all) => {
      const text = all.map(([name, password]) => `${name}=${password === null ? "" : inDouble(password)}`).join(";");
      const reading = readConnectionString(`${base};${text}`);
      const last = all.at(-1)?.[1];
      expect(reading.kind === "read" && reading.password).toBe(last ?? undefined);
    }),
  );
});

test("a byte order mark at the beginning is refused by its name, whatever follows", () => {
  fc.assert(
    fc.property(value, (password) => {
      expect(readConnectionString(`\ufeff${base};PWD=${inDouble(password)}`)).toMatchObject({
        kind: "refused",
        message: expect.stringContaining("byte order mark"),
      });
    }),
  );
});

const piece = fc.oneof(
  value,
  fc.constantFrom(
    ";",
    "=",
    "==",
    '"',
    "'",
    "Server=",
    "Password=",
    "Encrypt=",
    "Failover Partner=",
    "Data Source=tcp:",
    "Authentication=",
    "\0",
  ),
  fc.string({ unit: "binary", maxLength: 8 }),
);

test("nothing makes it throw", () => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      expect(["read", "refused"]).toContain(readConnectionString(pieces.join("")).kind);
    }),
    { numRuns: 2_000 },
  );
});

// Each was once tried again from every blank of it: a Secret could keep the operator busy for minutes.
test.each([
  ["blanks before nothing", `${" ".repeat(32_000)}=`],
  ["blanks in a value", `App=a${" ".repeat(32_000)}\0x`],
  ["blanks behind a quoted value", `App="a"${" ".repeat(32_000)}x`],
  ["many items before a wrong one", `${"App=a;".repeat(5_000)}x`],
  ["quotation marks without an end", `PWD="${'""'.repeat(16_000)}`],
  ["nothing but =", "=".repeat(32_000)],
])("a long text that almost fits the grammar is refused: %s", (_name, text) => {
  expect(readConnectionString(text).kind).toBe("refused");
});

/** Where a secret can stand: quoted, bare, in the wrong place, cut in two by its own semicolon, beside what is refused. */
const around = fc.constantFrom(
  (password: string) => `${base};PWD=${inDouble(password)}`,
  (password: string) => `${base};PWD=${inSingle(password)};Integrated Security=true`,
  (password: string) => `${base};PWD=${password}`,
  (password: string) => `${base};PWD=${password};Encrypt=${password}`,
  (password: string) => `${base};PWD=a;${password}=b`,
  (password: string) => `${base};PWD=a;${password}`,
  (password: string) => `${base};PWD=${inDouble(password)}x`,
  (password: string) => `Server=np:sql;PWD=${inDouble(password)};Database=k;UID=u`,
  (password: string) => `Server=sql:1433;PWD=${inDouble(password)};Database=k;UID=u`,
  (password: string) => `${base};PWD=${inDouble(password)};Failover Partner=sql2;App=shop;ApplicationIntent=ReadWrite`,
  (password: string) => `${base};PWD=${inDouble(password)};Packet Size=${password}`,
);

test("no refusal, note or advice carries a password or a piece of it", () => {
  fc.assert(
    fc.property(secret, around, (password, place) => {
      const text = place(password);
      const reading = readConnectionString(text);
      const target = targetOf(
        { login: { kind: "connectionString", text }, schema: "dbo", multiSubnetFailover: false, applicationName: "a" },
        [],
      );
      const shown = [
        ...(reading.kind === "refused" ? [reading.reason, reading.message] : reading.notes),
        ...(target.kind === "refused"
          ? [target.problem.message]
          : [...target.target.notes, target.target.advice.encryption, target.target.advice.unreachable]),
      ].join("\n");
      expect(shown).not.toContain("zq");
      expect(shown).not.toContain("7vX");
      expect(shown).not.toContain("7vx");
    }),
    { numRuns: 1_000 },
  );
});
