// The contract as a suite: each statement is a test, on the server of MSSQL_URL or on the database under test. What the latter is known not
// to do must still not be done by it, or the list of gaps is out of date.
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { addressOf } from "./address.ts";
import { contract } from "./behaviours/all.ts";
import { reportServer } from "./connection.ts";
import { ownGaps, type OwnServer, startOwnServer } from "./ownServer.ts";
import { type Case, casesOf, runCase } from "./run.ts";
import { type ContractServer, openServer } from "./server.ts";

const given = process.env["MSSQL_URL"] ?? "";
let own: OwnServer | undefined;
let server: ContractServer;
beforeAll(async () => {
  own = given === "" ? await startOwnServer() : undefined;
  server = await openServer(addressOf(own?.url ?? given));
});
afterAll(async () => {
  await server.close();
  await own?.stop();
});
reportServer();

const isGap = ({ behaviour }: Case): boolean => given === "" && ownGaps.has(behaviour.title);
const cases = casesOf(contract);
// In Azure the database that a statement needs takes minutes to be made.
const longestMs = given === "" ? 120_000 : 900_000;

describe("the server", () => {
  test.each(cases.filter((one) => !isGap(one)))(
    "$number: $title",
    async (one) => {
      const { verdict, because } = await runCase(server, one);
      // On our own every statement can be asked.
      expect(`${verdict}: ${because}`).toMatch(given === "" ? /^held: $/ : /^(held|not applicable): /);
    },
    longestMs,
  );
});

const gaps = cases.filter(isGap);
if (gaps.length > 0)
  describe("the database under test is known not to do this", () => {
    test.each(gaps)("$number: $title", async (one) => {
      expect((await runCase(server, one)).verdict).toBe("did not hold");
    });
  });
