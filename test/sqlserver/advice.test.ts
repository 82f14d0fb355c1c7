import { describe, expect, test } from "@jest/globals";

import type { DatabaseMaterial } from "../../operator/farm/model.ts";
import { advised, withAdvice } from "../../operator/sqlserver/advice.ts";
import { classify, DatabaseError } from "../../operator/sqlserver/errors.ts";
import { type Target, targetOf } from "../../operator/sqlserver/target.ts";

const base = { schema: "dbo", multiSubnetFailover: false, applicationName: "a" } as const;
const login = "Database=k;UID=u;PWD=hunter2";

function targetFor(text: string, more: Partial<DatabaseMaterial> = {}): Target {
  const reading = targetOf({ ...base, login: { kind: "connectionString", text: `${text};${login}` }, ...more }, []);
  if (reading.kind === "refused") throw new Error(reading.problem.message);
  return reading.target;
}

/** What a condition says when the connection failed with that code. */
function said(target: Target, code: string, message = "x"): string {
  const { endpoint, database, user, password } = target;
  const failure = Object.assign(new Error(message), { code });
  const error = advised(classify(failure, { statement: "connect", endpoint, database, login: { user, password } }), target.advice);
  return error instanceof DatabaseError ? error.problem.message : "";
}

describe("a certificate that does not verify", () => {
  test("when the string does not mention Encrypt: why the site itself connects, and each way out", () => {
    const message = said(targetFor("Server=sql"), "DEPTH_ZERO_SELF_SIGNED_CERT");
    expect(message).toMatch(
      /does not mention Encrypt: the older client .*Kentico up to 13.* does not encrypt unless told, so the site itself connects/,
    );
    expect(message).toMatch(/caSecretRef to verify, mode: Insecure .*mode: Disabled/);
    expect(message).not.toContain("hunter2");
  });

  test.each(["CERT_HAS_EXPIRED", "ERR_TLS_CERT_ALTNAME_INVALID", "EENCRYPT", "ERR_SSL_UNSUPPORTED_PROTOCOL"])("the same for %s", (code) => {
    expect(said(targetFor("Server=sql"), code)).toMatch(/\. The connection string does not mention Encrypt: /);
  });

  test("when the string has a keyword that only the newer client knows: that this one verifies", () => {
    const message = said(targetFor("Server=sql;Command Timeout=90"), "DEPTH_ZERO_SELF_SIGNED_CERT");
    expect(message).toMatch(/caSecretRef.*keywords of the newer client \(Microsoft\.Data\.SqlClient\), which then encrypts and verifies/);
    expect(message).not.toContain("the older client");
  });

  test.each(["Encrypt=True", "Encrypt=Strict"])("when the string has %s: that the site has authorities of its own", (encrypt) => {
    const message = said(targetFor(`Server=sql;${encrypt}`), "SELF_SIGNED_CERT_IN_CHAIN");
    expect(message).toMatch(/caSecretRef.*the certificate authorities of its own image/);
    expect(message).not.toContain("does not mention");
  });

  test("when the server demands what Encrypt=False switched off: that the site's client gives in", () => {
    expect(said(targetFor("Server=sql;Encrypt=False"), "EENCRYPT", "Server requires encryption")).toMatch(
      /mode: Required\. The connection string says Encrypt=False: .*mode: Insecure does that/,
    );
  });

  test("when spec.database.tls.mode decides, or there is no string: nothing more", () => {
    const tls = { mode: "Required" } as const;
    expect(targetFor("Server=sql", { tls }).advice).toEqual({});
    const parts = targetOf({ ...base, login: { kind: "parts", host: "sql", database: "k", user: "u", password: "p" } }, []);
    expect(parts).toMatchObject({ target: { advice: {} } });
  });
});

describe("a server that cannot be reached", () => {
  test.each([".", "(local)", "localhost", "127.0.0.1,1433", "tcp:[::1]", "localhost\\SQL2019"])(
    "%s is the operator's own pod",
    (server) => {
      expect(said(targetFor(`Server=${server}`), "ECONNREFUSED")).toMatch(
        /\. The server's name means the operator's own pod here: give the name/,
      );
    },
  );

  test("has a failover partner that is not tried", () => {
    expect(said(targetFor("Server=sql;Failover Partner=sql2"), "ECONNREFUSED")).toMatch(
      /The Failover Partner \(sql2\) is not tried: name the server/,
    );
  });

  test("is all there is to say otherwise", () => {
    const target = targetFor("Server=sql");
    expect(said(target, "ECONNREFUSED")).toMatch(/network policies\.$/);
    expect(target.advice.unreachable).toBeUndefined();
  });
});

test("two farms that share a connection each get their own sentence", async () => {
  const without = targetFor("Server=sql");
  const encrypting = targetFor("Server=sql;Encrypt=True");
  expect(encrypting.key).toBe(without.key);
  const { endpoint, database, user, password } = without;
  const connecting = { statement: "connect", endpoint, database, login: { user, password } };
  const failure = classify(Object.assign(new Error("x"), { code: "CERT_HAS_EXPIRED" }), connecting);
  const shared = { endpoint, read: (times: number) => (times > 0 ? Promise.reject<number>(failure) : Promise.resolve(times)) };
  await expect(withAdvice(shared, without.advice).read(1)).rejects.toMatchObject({
    problem: { ...failure.problem, message: expect.stringContaining("does not mention Encrypt") },
    outcome: failure.outcome,
  });
  await expect(withAdvice(shared, encrypting.advice).read(1)).rejects.toThrow(/certificate authorities of its own image/);
  await expect(withAdvice(shared, without.advice).read(0)).resolves.toBe(0);
  expect(withAdvice(shared, without.advice).endpoint).toBe(endpoint);
  expect(failure.problem.message).not.toContain("Encrypt");
});

test("other errors are left as they are", () => {
  const target = targetFor("Server=.;Failover Partner=sql2");
  const busy = classify(Object.assign(new Error("x"), { number: 1222 }), {
    ...{ statement: "read", endpoint: "sql,1433", database: "k" },
    login: { user: "u", password: "p" },
  });
  expect(advised(busy, target.advice)).toBe(busy);
  const other = new Error("other");
  expect(advised(other, target.advice)).toBe(other);
});
