import { describe, expect, test } from "@jest/globals";

import { errorRules } from "../../operator/sqlserver/errorRules.ts";
import { classify, DatabaseError, type Doing, isPoolBroken } from "../../operator/sqlserver/errors.ts";

const doing: Doing = { statement: "read", endpoint: "sql,1433", database: "Kentico", login: { user: "sa", password: "hunter2" } };
const connecting: Doing = { ...doing, statement: "connect" };
const serverError = (number: number, message = "x", preceding: readonly Error[] = []): Error =>
  Object.assign(new Error(message), { code: "EREQUEST", number, precedingErrors: preceding });
const driverError = (code: string, message = "x", cause?: Error): Error => Object.assign(new Error(message, { cause }), { code });

describe("numbers", () => {
  test("each belongs to one rule", () => {
    const numbers = errorRules.flatMap((rule) => rule.numbers);
    expect(new Set(numbers).size).toBe(numbers.length);
  });

  test.each([
    [1205, "busy", "Deadlock", false],
    [1222, "busy", "LockTimeout", false],
    [229, "permission", "GrantMissing", true],
    [208, "schema", "TableMissing", true],
    [207, "schema", "TableChanged", false],
    [468, "schema", "TableChanged", false],
    [2601, "refused", "RowRefused", false],
    [2627, "refused", "RowRefused", false],
    [547, "refused", "RowRefused", false],
    [8152, "refused", "RowRefused", false],
    [3906, "readOnly", "ReadOnly", false],
    [9002, "busy", "LogFull", true],
    [40501, "busy", "Throttled", false],
    [40613, "unreachable", "ServerUnavailable", false],
    [976, "unreachable", "ReplicaMoving", false],
    [12345, "refused", "StatementRefused", false],
  ])("%d is %s, %s", (number, kind, reason, stalled) => {
    const { problem, outcome } = classify(serverError(number), doing);
    expect(problem).toMatchObject({ kind, reason, stalled, number });
    expect(outcome).toBe("notApplied");
  });

  test("the first message of the server decides, not what became of the statement", () => {
    const error = serverError(3621, "The statement has been terminated.", [serverError(2627, "Violation of UNIQUE KEY constraint")]);
    expect(classify(error, doing).problem).toMatchObject({ number: 2627, message: expect.stringContaining("Violation of UNIQUE KEY") });
  });

  test("throttling says how long to wait", () => {
    expect(classify(serverError(40501), doing).problem.retryAfterMs).toBe(10_000);
  });
});

describe("while connecting", () => {
  test("a refused login is told by the number that the driver lost", () => {
    const error = driverError("ELOGIN", "Login failed for user 'sa'.");
    expect(classify(error, { ...connecting, loginNumbers: [18456] }).problem).toMatchObject({
      kind: "login",
      reason: "LoginFailed",
      number: 18456,
    });
    expect(classify(error, { ...connecting, loginNumbers: [4060, 18456] }).problem).toMatchObject({
      kind: "login",
      reason: "DatabaseNotAccessible",
    });
    expect(classify(error, connecting).problem).toMatchObject({ kind: "login", reason: "LoginFailed" });
  });

  test.each([
    [18401, /being patched.*asked again/],
    [18451, /administrators only.*asked again/],
    [18461, /administrators only.*asked again/],
    [17142, /paused.*asked again/],
    [17187, /is starting.*asked again/],
    [17188, /going down.*asked again/],
    [17189, /threads.*asked again/],
    [17809, /too many are open.*asked again/],
    [18460, /too many are open.*asked again/],
    [40532, /gateway.*asked again/],
    [40197, /cannot serve.*asked again/],
    [40613, /cannot serve.*asked again/],
    [922, /cannot serve.*asked again/],
    [17892, /error log says why.*asked again/], // a trigger on logins; as every number that nobody has put into a rule
  ])("a login that is refused with %d is no wrong password", (number, says) => {
    const error = driverError("ELOGIN", "Login failed for user 'sa'. Reason: it is not the password.");
    const { problem, outcome } = classify(error, { ...connecting, loginNumbers: [number] });
    expect(problem).toMatchObject({ kind: "unreachable", reason: "ServerUnavailable", stalled: false, number });
    expect(problem.message).toMatch(says);
    expect(problem.message).not.toContain("Secret");
    expect(outcome).toBe("notApplied");
  });

  test.each([18456, 18450, 18452, 18470, 18486, 18487, 18488])(
    "a login that is refused with %d is a matter of user and password",
    (number) => {
      const { problem } = classify(driverError("ELOGIN"), { ...connecting, loginNumbers: [number] });
      expect(problem).toMatchObject({ kind: "login", reason: "LoginFailed", stalled: true, message: expect.stringContaining("Secret") });
    },
  );

  test("a database that cannot be opened may be offline, being restored or recovering", () => {
    const { problem } = classify(driverError("ELOGIN"), { ...connecting, loginNumbers: [4060, 18456] });
    expect(problem).toMatchObject({ reason: "DatabaseNotAccessible", stalled: true, message: expect.stringContaining("recovering") });
  });

  test.each([
    ["DEPTH_ZERO_SELF_SIGNED_CERT", "CertificateInvalid", /caSecretRef/],
    ["ERR_TLS_CERT_ALTNAME_INVALID", "CertificateInvalid", /serverName/],
    ["CERT_HAS_EXPIRED", "CertificateInvalid", /Renew/],
    ["EENCRYPT", "EncryptionMismatch", /Disabled/],
    ["ERR_SSL_WRONG_VERSION_NUMBER", "TlsFailed", /spec\.database\.tls/],
  ])("%s is a matter of configuration, with its cure", (code, reason, cure) => {
    const { problem } = classify(driverError("ESOCKET", "Failed to connect", driverError(code)), connecting);
    expect(problem).toMatchObject({ kind: "configuration", reason, stalled: true, message: expect.stringMatching(cure) });
  });

  test.each([
    ["ENOTFOUND", "HostNotFound"],
    ["ECONNREFUSED", "ConnectionRefused"],
    ["EINSTLOOKUP", "InstanceNotFound"],
    ["ETIMEOUT", "Timeout"],
    ["ECONNRESET", "ConnectionLost"],
  ])("%s: nothing was applied", (code, reason) => {
    const { problem, outcome } = classify(driverError("ESOCKET", "Failed to connect", driverError(code)), connecting);
    expect(problem).toMatchObject({ kind: "unreachable", reason, stalled: false });
    expect(outcome).toBe("notApplied");
  });
});

test.each(["ETIMEOUT", "ECONNRESET", "ESOCKET", "ECONNCLOSED", "EDEADLINE", "ECANCEL"])(
  "after %s in a request the outcome is unknown",
  (code) => {
    const { problem, outcome } = classify(driverError(code), doing);
    expect(problem.kind).toBe("unreachable");
    expect(outcome).toBe("unknown");
    expect(isPoolBroken(problem)).toBe(true);
  },
);

test("a missing permission repeats which, without the login", () => {
  const message = "The DELETE permission was denied on the object 'CMS_WebFarmServerTask', database 'Kentico', schema 'dbo'.";
  expect(classify(serverError(229, message), doing).problem.message).toContain(message);
});

test("a database that a trigger leads to is named by the server's sentence, without the login", () => {
  const sentence = "The server principal 'sa' is not able to access the database 'Audit' under the current security context.";
  const { message } = classify(serverError(916, sentence), doing).problem;
  expect(message).toContain(sentence.replace("sa", "***"));
});

test("no message and no cause carries the password or the login's name", () => {
  for (const text of ["Login failed for user 'sa'. hunter2", "The server principal sa (hunter2) is not able to access"]) {
    for (const error of [
      serverError(229, text),
      serverError(916, text),
      serverError(50_000, text),
      driverError("ELOGIN", text),
      driverError("ESOCKET", text),
    ]) {
      for (const while_ of [doing, connecting]) {
        const failure = classify(error, while_);
        expect(`${failure.message} ${String(failure.cause)}`).not.toMatch(/hunter2|\bsa\b/);
      }
    }
  }
});

test("what is classified already stays as it is", () => {
  const error = new DatabaseError({ kind: "busy", reason: "Deadlock", message: "m", stalled: false }, "notApplied");
  expect(classify(error, doing)).toBe(error);
});

test("a message is one line of a bounded length", () => {
  const { message } = classify(serverError(50_000, `a\n${"b".repeat(5_000)}`), doing);
  expect(message.length).toBeLessThan(500);
  expect(message).not.toContain("\n");
});
