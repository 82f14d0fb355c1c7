// What the environment may say, and what a person reads who got it wrong.
import { describe, expect, test } from "@jest/globals";
import { type Config, configVariables, type Environment, parseConfig } from "../operator/config.ts";

function accepted(env: Environment): Config {
  const parsed = parseConfig(env);
  if (!parsed.ok) throw new Error(parsed.message);
  return parsed.config;
}

function refused(env: Environment): string {
  const parsed = parseConfig(env);
  if (parsed.ok) throw new Error("It was accepted");
  return parsed.message;
}

test("an empty environment gives the defaults, and none of them deletes or is open to change", () => {
  const config = accepted({ PATH: "/bin", HOME: "/" });
  expect(config).toEqual({
    namespaces: [],
    leaderElection: true,
    leaseNamespace: undefined,
    identity: undefined,
    httpAddress: { host: undefined, port: 8080 },
    logLevel: "info",
    resyncSeconds: 30,
    workers: 8,
    allowedDatabaseHosts: [],
    readOnly: false,
    azureAuthorityHost: "https://login.microsoftonline.com/",
  });
  for (const value of [config, config.namespaces, config.httpAddress, config.allowedDatabaseHosts])
    expect(Object.isFrozen(value)).toBe(true);
});

test("every variable is read", () => {
  expect(
    accepted({
      WEBFARM_NAMESPACES: "shop, eu-1,shop",
      WEBFARM_LEADER_ELECTION: "false",
      WEBFARM_LEASE_NAMESPACE: "system",
      WEBFARM_IDENTITY: "operator-0",
      WEBFARM_HTTP_ADDRESS: "127.0.0.1:0",
      WEBFARM_LOG_LEVEL: "debug",
      WEBFARM_RESYNC_SECONDS: "3600",
      WEBFARM_WORKERS: "64",
      WEBFARM_ALLOWED_DATABASE_HOSTS: "sql.example.internal,*.database.windows.net,10.0.0.7,::1",
      WEBFARM_READ_ONLY: "true",
      AZURE_AUTHORITY_HOST: "https://login.microsoftonline.us",
    }),
  ).toEqual({
    namespaces: ["shop", "eu-1"],
    leaderElection: false,
    leaseNamespace: "system",
    identity: "operator-0",
    httpAddress: { host: "127.0.0.1", port: 0 },
    logLevel: "debug",
    resyncSeconds: 3600,
    workers: 64,
    allowedDatabaseHosts: ["sql.example.internal", "*.database.windows.net", "10.0.0.7", "::1"],
    readOnly: true,
    azureAuthorityHost: "https://login.microsoftonline.us/",
  });
});

test.each([
  [":8080", undefined, 8080],
  ["127.0.0.1:0", "127.0.0.1", 0],
  ["[::1]:8080", "::1", 8080],
  ["[::]:65535", "::", 65535],
  ["localhost:80", "localhost", 80],
])("the address %s is understood", (text, host, port) => {
  expect(accepted({ WEBFARM_HTTP_ADDRESS: text }).httpAddress).toEqual({ host, port });
});

describe.each([
  ["WEBFARM_NAMESPACES", ["Shop", "a,,b", ",", " ", "a b", "-a", "x".repeat(64), Array.from({ length: 257 }, (_, n) => `n${n}`).join(",")]],
  ["WEBFARM_LEADER_ELECTION", ["", "True", "yes", "1"]],
  ["WEBFARM_LEASE_NAMESPACE", ["a.b", "A"]],
  ["WEBFARM_IDENTITY", ["two words", "-a", "x".repeat(254)]],
  ["WEBFARM_HTTP_ADDRESS", ["", "8080", "::1:8080", "[127.0.0.1]:80", ":65536", ":x", "http://a:80", "[::1]", "*.a:80", "a b:80"]],
  ["WEBFARM_LOG_LEVEL", ["", "INFO", "trace"]],
  ["WEBFARM_RESYNC_SECONDS", ["", "4", "3601", "30s", "7.5", "-30", "1e2", " 30"]],
  ["WEBFARM_WORKERS", ["", "0", "65", "0x8", "99999999999"]],
  [
    "WEBFARM_ALLOWED_DATABASE_HOSTS",
    ["*", ",", " ", "sql,", "*sql", "a.*.b", "tcp:sql", "sql,1433;x", "sql:1433", "*.", `${"x".repeat(64)}.a`],
  ],
  ["WEBFARM_READ_ONLY", ["", "TRUE", "on"]],
  [
    "AZURE_AUTHORITY_HOST",
    ["", "login.microsoftonline.com", "http://login.microsoftonline.com", "https://a/tenant", "https://a/?", "https://a/#"],
  ],
])("%s refuses, naming itself, the value and the rule:", (name, values) => {
  test.each(values)("%j", (value) => {
    const rule = configVariables.find((variable) => variable.name === name)?.rule ?? "no such variable";
    const message = refused({ [name]: value });
    expect(message).toContain(`${name}=${JSON.stringify(value).slice(0, 100)}`);
    expect(message).toContain(`must be ${rule}`);
  });
});

test("all problems are in one message", () => {
  const message = refused({ WEBFARM_WORKERS: "0", WEBFARM_READ_ONLY: "yes", WEBFARM_WORKER: "8" });
  expect(message.split("\n")).toHaveLength(4);
  expect(message).toContain("3 problems");
  expect(message).toContain('WEBFARM_WORKER="8": unknown; the variables are WEBFARM_NAMESPACES, ');
});

test.each([
  ["WEBFARM_SQL_PASSWORD", "hunter2"],
  ["WEBFARM_DATABASE", "Server=sql;User Id=sa;Password=hunter2"],
  ["WEBFARM_TARGET", "mssql://sa:hunter2@sql:1433/"],
  ["WEBFARM_ALLOWED_DATABASE_HOSTS", "Server=sql;Pwd = hunter2"],
  ["AZURE_AUTHORITY_HOST", "https://operator:hunter2@login.example.com/"],
])("what may be a secret in %s is not shown", (name, value) => {
  const message = refused({ [name]: value });
  expect(message).toContain(`${name}=(not shown)`);
  expect(message).not.toContain("hunter2");
});

test("the service links that Kubernetes injects for a Service whose name begins with our prefix are no errors", () => {
  const links = [
    ...["SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "SERVICE_PORT_HTTP_METRICS", "PORT"],
    ...["TCP", "UDP", "SCTP"].flatMap((p) => ["", "_PROTO", "_PORT", "_ADDR"].map((part) => `PORT_8080_${p}${part}`)),
  ];
  for (const service of ["WEBFARM", "WEBFARM_OPERATOR", "WEBFARM_OPERATOR_2"])
    accepted(Object.fromEntries(links.map((link) => [`${service}_${link}`, "tcp://10.0.0.1:8080"])));
});

test.each([
  "WEBFARM_",
  "WEBFARM_OPERATOR",
  "WEBFARM_OPERATOR_PORT_X_TCP",
  "WEBFARM_OPERATOR_PORT_80_HTTP",
  "WEBFARM_OPERATOR_PORT_80_TCP_NAME",
  "WEBFARM_OPERATORSERVICE_HOSTS",
  "WEBFARM_workers",
])("%s is no service link and unknown", (name) => {
  expect(refused({ [name]: "x" })).toContain(`${name}="x": unknown`);
});
