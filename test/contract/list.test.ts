// The list of the contract as data, and what a person reads of it: every statement has its page, no two are the same, and the table
// shows what came instead.
import { describe, expect, test } from "@jest/globals";
import { addressOf, configFor } from "./address.ts";
import { type Behaviour, DidNotHold, pages, refused, same } from "./behaviour.ts";
import { contract } from "./behaviours/all.ts";
import { ownGaps } from "./ownServer.ts";
import { casesOf, type Result, withGaps } from "./run.ts";
import { line, summary } from "./table.ts";

describe("the list", () => {
  test.each(contract.map((one) => [one.title, one] as const))("%s", (title, { page }) => {
    expect(page.url).toMatch(/^https:\/\/learn\.microsoft\.com\/en-us\/(sql|troubleshoot)\/[a-z0-9-]+(\/[a-z0-9-]+)*$/);
    expect(page.section.trim()).not.toBe("");
    expect(title).toMatch(/^\S.*[^.\s]$/);
  });

  test("says nothing twice and numbers its cases from 1", () => {
    const titles = contract.map((one) => one.title);
    expect([...new Set(titles)]).toEqual(titles);
    const cases = casesOf(contract);
    expect(new Set(cases.map((one) => one.title)).size).toBe(cases.length);
    expect(cases.map((one) => one.number)).toEqual(cases.map((_, index) => index + 1));
  });

  test("has no page under two names, and none that no statement uses", () => {
    const known = Object.values(pages).map((page) => page("").url);
    expect([...new Set(known)]).toEqual(known);
    expect(new Set(contract.map((one) => one.page.url))).toEqual(new Set(known));
  });

  test("names only its own statements as gaps of the database under test", () => {
    const titles = new Set(contract.map((one) => one.title));
    expect([...ownGaps.keys()].filter((title) => !titles.has(title))).toEqual([]);
  });
});

const behaviour: Behaviour = { title: "Pipes | stay in their cell", page: pages.top("Arguments"), run: () => Promise.resolve() };
const result = (verdict: Result["verdict"], because: string): Result => {
  const [one] = casesOf([behaviour]);
  if (one === undefined) throw new Error("A list of one has a case");
  return { ...one, verdict, because };
};

describe("the table", () => {
  test("shows number, verdict, statement and page in four cells", () => {
    expect(line(result("held", ""))).toBe(
      "| 1 | held | Pipes \\| stay in their cell | https://learn.microsoft.com/en-us/sql/t-sql/queries/top-transact-sql (Arguments) |",
    );
  });

  test("says what came instead, on one line, and why a statement cannot be asked", () => {
    expect(line(result("did not hold", "rows: 1\n| 2"))).toContain(
      "| **DID NOT HOLD** | Pipes \\| stay in their cell. Came instead: rows: 1 \\| 2 |",
    );
    expect(line(result("not applicable", "no logins"))).toContain("| not applicable | Pipes \\| stay in their cell. Because: no logins |");
  });

  test("ends with the counts, and with those that were not asked where it was stopped", () => {
    const results = [result("held", ""), result("did not hold", "x"), result("not applicable", "y")];
    expect(summary(results, 3, "16.0")).toBe("16.0: 1 held, 1 did not hold, 1 not applicable.");
    expect(summary(results, 5, "16.0")).toBe("16.0: 1 held, 1 did not hold, 1 not applicable, 2 not asked.");
  });

  test("a known gap is not applicable only where it did not hold", () => {
    const gaps = new Map([[behaviour.title, "it has none"]]);
    expect(withGaps(result("did not hold", "x"), gaps)).toMatchObject({ verdict: "not applicable", because: "it has none" });
    expect(withGaps(result("held", ""), gaps).verdict).toBe("held");
    expect(withGaps(result("did not hold", "x"), new Map()).verdict).toBe("did not hold");
  });
});

describe("what came instead", () => {
  test("is said in words", () => {
    expect(() => same("names", ["a"], ["a", "b"])).toThrow(new DidNotHold("names: [ 'a' ] instead of [ 'a', 'b' ]"));
    expect(() => refused("the write", [], 1222)).toThrow(new DidNotHold("the write: no error instead of 1222"));
    expect(() => refused("the write", [208, 3621], 2601, 2627)).toThrow(
      new DidNotHold("the write: error 208, 3621 instead of 2601 or 2627"),
    );
    expect(() => same("names", [], [])).not.toThrow();
    expect(() => refused("the write", [2601, 3621], 2601)).not.toThrow();
  });
});

describe("the address", () => {
  test("is read with its escapes, an IPv6 host, a default port, and encryption unless it says otherwise", () => {
    expect(addressOf("mssql://sa:p%40ss%2Fword@sql.example:14330/?encrypt=false")).toEqual({
      host: "sql.example",
      port: 14330,
      user: "sa",
      password: "p@ss/word",
      encrypt: false,
      trustServerCertificate: false,
    });
    expect(addressOf("mssql://sa:x@[::1]/?trustServerCertificate=true")).toMatchObject({
      host: "::1",
      port: 1433,
      encrypt: true,
      trustServerCertificate: true,
    });
  });

  test.each(["", "sql.example", "http://sa:x@sql.example", "mssql://sql.example"])(
    "%p is refused with its form, and without its password",
    (text) => {
      expect(() => addressOf(text)).toThrow(/its form is mssql:\/\/user:password@host:port/);
    },
  );

  test("of a login goes into the driver's settings", () => {
    const address = addressOf("mssql://sa:x@sql.example/");
    expect(configFor(address, "farm")).toMatchObject({ server: "sql.example", user: "sa", password: "x", database: "farm" });
    expect(configFor(address, "farm", { user: "u", password: "p" }, "app")).toMatchObject({
      user: "u",
      password: "p",
      options: { appName: "app" },
    });
  });
});
