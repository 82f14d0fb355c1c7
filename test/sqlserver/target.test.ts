import { describe, expect, test } from "@jest/globals";

import type { DatabaseMaterial } from "../../operator/farm/model.ts";
import { isHostAllowed, type Target, targetOf } from "../../operator/sqlserver/target.ts";

const base = { schema: "dbo", multiSubnetFailover: false, applicationName: "webfarm-operator/1 shop/main" } as const;
const fromString = (text: string, more: Partial<DatabaseMaterial> = {}): DatabaseMaterial => ({
  ...base,
  login: { kind: "connectionString", text },
  ...more,
});
const fromParts = (more: object): DatabaseMaterial => ({
  ...base,
  login: { kind: "parts", host: "sql", database: "k", user: "u", password: "hunter2", ...more },
});

function target(material: DatabaseMaterial): Target {
  const reading = targetOf(material, []);
  if (reading.kind === "refused") throw new Error(reading.problem.message);
  return reading.target;
}

const login = "Database=k;UID=u;PWD=hunter2";

describe("where to", () => {
  test.each([
    [fromString(`Server=sql;${login}`), "sql,1433", { host: "sql", port: 1433 }],
    [fromString(`Server=tcp:sql,14330;${login}`), "sql,14330", { host: "sql", port: 14330 }],
    [fromString(`Server=.\\SQL2019;${login}`), "localhost\\sql2019", { host: "localhost", instance: "sql2019" }],
    [fromString(`Server=tcp:[2001:db8::1],1433;${login}`), "2001:db8::1,1433", { host: "2001:db8::1", port: 1433 }],
    [fromParts({}), "sql,1433", { host: "sql", port: 1433 }],
    [fromParts({ instance: "I" }), "sql\\I", { host: "sql", instance: "I" }],
  ])("%j", (material, endpoint, address) => {
    expect(target(material)).toMatchObject({ endpoint, address });
  });

  test.each([
    [`Server=sql:1433;${login}`, "ServerInvalid"],
    [`Server=sql,65536;${login}`, "ServerInvalid"],
    [`Server=http:sql;${login}`, "ServerInvalid"],
    [login, "ServerMissing"],
    ["Server=sql;UID=u;PWD=hunter2", "DatabaseMissing"],
    ["Server=sql;Database=k;UID=u", "CredentialsMissing"],
    [`Server=sql;${login};Authentication=Active Directory Default`, "KeywordNotSupported"],
  ])("%s is refused: %s", (text, reason) => {
    const reading = targetOf(fromString(text), []);
    expect(reading).toMatchObject({ kind: "refused", problem: { kind: "configuration", reason, stalled: true } });
    expect(JSON.stringify(reading)).not.toContain("hunter2");
  });
});

describe("encryption", () => {
  test.each([
    ["", "Required"],
    [";Encrypt=True", "Required"],
    [";TrustServerCertificate=True", "Insecure"],
    [";Encrypt=Mandatory;TrustServerCertificate=True", "Insecure"],
    [";Encrypt=False", "Disabled"],
    [";Encrypt=Optional;TrustServerCertificate=True", "Disabled"],
    [";Encrypt=Strict;TrustServerCertificate=True", "Strict"],
  ])("of the string's %p is %s", (text, mode) => {
    expect(target(fromString(`Server=sql;${login}${text}`)).tls).toEqual({ mode });
  });

  test("spec.database.tls wins over the string", () => {
    const material = fromString(`Server=sql;${login};Encrypt=False;Host Name In Certificate=a`, {
      tls: { mode: "Strict", serverName: "b", ca: "PEM" },
    });
    expect(target(material)).toMatchObject({ tls: { mode: "Strict", serverName: "b", ca: "PEM" }, notes: [] });
  });

  test("a tls without mode keeps the string's, and an empty serverName is none", () => {
    const material = fromString(`Server=sql;${login};Encrypt=Strict;HostNameInCertificate=a`, { tls: { ca: "PEM", serverName: "" } });
    expect(target(material).tls).toEqual({ mode: "Strict", serverName: "a", ca: "PEM" });
  });

  test("Encrypt=False brings a note, since the login is not encrypted either", () => {
    expect(target(fromString(`Server=sql;${login};Encrypt=False`)).notes).toEqual([expect.stringContaining("login unencrypted")]);
  });
});

test.each([
  ["", 15_000],
  [";Timeout=5", 5_000],
  [";Connect Timeout=0", 30_000],
  [";Connection Timeout=240", 30_000],
])("connect timeout%s is %d ms", (text, ms) => {
  expect(target(fromString(`Server=sql;${login}${text}`)).connectTimeoutMs).toBe(ms);
});

describe("targets are shared by what they connect to and as whom", () => {
  const key = (material: DatabaseMaterial): string => target(material).key;
  const one = fromString(`Server=sql;${login}`);
  test("not by application, schema or the form of the material", () => {
    expect(key({ ...one, applicationName: "other", schema: "web" })).toBe(key(one));
    expect(key(fromParts({}))).toBe(key(one));
  });
  test.each([
    fromParts({ password: "x" }),
    fromParts({ user: "x" }),
    fromParts({ database: "x" }),
    { ...one, tls: { mode: "Insecure" as const } },
  ])("%#", (other) => {
    expect(key(other)).not.toBe(key(one));
  });
  test("no key carries the password", () => {
    const { key: whole, loginKey, credentialKey } = target(one);
    expect(`${whole}${loginKey}${credentialKey}`).not.toContain("hunter2");
    expect(target(fromParts({ password: "x" })).loginKey).toBe(loginKey);
    expect(target(fromParts({ password: "x" })).credentialKey).not.toBe(credentialKey);
  });
});

test.each([
  ["sql.example.com", [], true],
  ["sql.example.com", ["SQL.example.com"], true],
  ["sql.example.com.", ["sql.example.com"], true],
  ["sql.example.com", ["*.example.com"], true],
  ["a.b.example.com", ["*.example.com"], true],
  ["example.com", ["*.example.com"], false],
  ["sqlexample.com", ["*.example.com"], false],
  ["evil.com", ["sql", "*.example.com"], false],
])("%s with %j allowed: %p", (host, allowed, expected) => {
  expect(isHostAllowed(host, allowed)).toBe(expected);
  expect(targetOf(fromParts({ host }), allowed).kind).toBe(expected ? "target" : "refused");
});

describe("an identity", () => {
  const identity = { namespace: "shop", serviceAccount: "site", clientId: "c", tenantId: "t" };
  const withIdentity = (more: object = {}, tls?: DatabaseMaterial["tls"]): DatabaseMaterial => ({
    ...base,
    login: { kind: "identity", host: "sql", database: "k", identity, ...more },
    ...(tls !== undefined && { tls }),
  });

  test.each([undefined, { mode: "Required" }, { mode: "Strict" }] as const)("goes to a verified server: %j", (tls) => {
    expect(target(withIdentity({}, tls))).toMatchObject({ identity, user: "", password: "", endpoint: "sql,1433" });
  });

  test.each(["Insecure", "Disabled"] as const)("does not go to a server under tls.mode %s", (mode) => {
    expect(targetOf(withIdentity({}, { mode }), [])).toMatchObject({
      kind: "refused",
      problem: {
        reason: "TlsRequired",
        stalled: true,
        message: expect.stringMatching(/Required or Strict; it is (Insecure|Disabled)/) as unknown,
      },
    });
  });

  test("shares neither pool nor login with another one, nor with a SQL login", () => {
    const targets = [
      withIdentity(),
      ...(["namespace", "serviceAccount", "clientId", "tenantId"] as const).map((field) =>
        withIdentity({ identity: { ...identity, [field]: "x" } }),
      ),
      fromParts({}),
      fromParts({ user: "", password: "" }),
    ].map(target);
    for (const key of ["key", "loginKey", "credentialKey"] as const)
      expect(new Set(targets.map((one) => one[key])).size).toBe(targets.length);
  });

  test("is the same login in two databases of a server", () => {
    const [one, two] = [target(withIdentity()), target(withIdentity({ database: "other" }))];
    expect([one.loginKey, one.credentialKey]).toEqual([two.loginKey, two.credentialKey]);
    expect(one.key).not.toBe(two.key);
  });
});
