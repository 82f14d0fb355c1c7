import { readFileSync } from "node:fs";

import { describe, expect, test } from "@jest/globals";

import { readConnectionString } from "../../operator/sqlserver/connectionString.ts";

interface Measured {
  readonly refused?: string;
  readonly server?: { readonly protocol?: string; readonly host: string; readonly port?: number; readonly instance?: string };
  readonly database?: string;
  readonly userID?: string;
  readonly password?: string;
  readonly encrypt?: "True" | "False" | "Strict";
  readonly trustServerCertificate?: boolean;
  readonly connectTimeoutSeconds?: number;
  readonly hostNameInCertificate?: string;
  readonly multiSubnetFailover?: boolean;
}

// What Microsoft.Data.SqlClient 7.1.0 makes of each input, measured.
const lines = readFileSync(new URL("connection-strings.jsonl", import.meta.url), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as { readonly input: string; readonly result: Measured });

/** Lines that the client accepts and the operator refuses, by what they contain. */
const refusedByUs: readonly { readonly contains: string; readonly because: RegExp }[] = [
  { contains: "np:", because: /named pipe/ },
  { contains: "\\\\sql\\pipe", because: /named pipe/ },
  { contains: "admin:", because: /administrator/ },
  { contains: "Integrated Security=SSPI", because: /Integrated Security/ },
  { contains: "Trusted_Connection=yes", because: /Integrated Security/ },
  { contains: "Active Directory", because: /Authentication/ },
  { contains: "ActiveDirectory", because: /Authentication/ },
  { contains: "Failover Partner", because: /Failover Partner/ },
  { contains: "User Instance=true", because: /User Instance/ },
];

/** Lines that the client refuses for a value that the operator does not use, and so does not judge. */
const notJudged = ["Packet Size=100", "Max Pool Size=5;Min Pool Size=10"];

const encryption = { True: "Mandatory", False: "Optional", Strict: "Strict" } as const;

function inScope({ server, ...measured }: Measured): unknown {
  return {
    kind: "read",
    server: server && {
      ...(server.protocol && { protocol: server.protocol }),
      host: server.host,
      port: server.port,
      instance: server.instance,
    },
    database: measured.database,
    user: measured.userID,
    password: measured.password,
    encrypt: encryption[measured.encrypt ?? "True"],
    trustServerCertificate: measured.trustServerCertificate ?? false,
    connectTimeoutSeconds: measured.connectTimeoutSeconds,
    hostNameInCertificate: measured.hostNameInCertificate,
    multiSubnetFailover: measured.multiSubnetFailover ?? false,
  };
}

describe("every measured connection string", () => {
  test.each(lines)("$input", ({ input, result }) => {
    const reading = readConnectionString(input);
    const ours = refusedByUs.find(({ contains }) => input.includes(contains));
    if (ours !== undefined) {
      expect(reading).toMatchObject({ kind: "refused", message: expect.stringMatching(ours.because) });
    } else if (notJudged.some((value) => input.includes(value))) {
      expect(reading.kind).toBe("read");
    } else if (result.refused !== undefined) {
      expect(reading).toMatchObject({ kind: "refused" });
    } else {
      // Encrypt left out is not the same as given, for spec.database.tls; the client's default is Mandatory.
      expect({ encrypt: "Mandatory", ...reading, notes: undefined }).toEqual(inScope(result));
    }
  });

  test("each exception is one that the list has", () => {
    for (const { contains } of [...refusedByUs, ...notJudged.map((text) => ({ contains: text }))])
      expect(lines.filter(({ input }) => input.includes(contains))).not.toHaveLength(0);
  });
});

describe("what cannot be honoured is named", () => {
  test("ApplicationIntent=ReadOnly is overruled, with a note", () => {
    expect(readConnectionString("Server=sql;ApplicationIntent=ReadOnly")).toMatchObject({
      kind: "read",
      notes: [expect.stringContaining("Application Intent=ReadOnly")],
    });
  });

  test("harmless keywords are listed in one note, by their full names", () => {
    expect(readConnectionString("Server=sql;App=shop;Language=English;Persist Security Info=False")).toMatchObject({
      notes: [expect.stringMatching(/Application Name, Current Language, Persist Security Info\.$/)],
    });
  });

  test.each([
    ["(localdb)\\MSSQLLocalDB", "LocalDbNotSupported"],
    ["lpc:sql", "SharedMemoryNotSupported"],
    ["sql/inst", "DataSourceInvalid"],
    [",1433", "DataSourceInvalid"],
    ["sql\\", "DataSourceInvalid"],
  ])("the data source %s is refused", (server, reason) => {
    expect(readConnectionString(`Server=${server};Database=k;UID=u;PWD=p`)).toMatchObject({ kind: "refused", reason });
  });
});

describe("nothing secret is said", () => {
  const secrets = ["hunter2", "zebra"];
  test.each([
    "Server=sql;UID=zebra;PWD=hunter2;hunter2=x",
    "Server=sql;UID=zebra;PWD={hunter2;hunter2}",
    'Server=sql;UID=zebra;PWD="hunter2',
    "Server=sql;UID=zebra;PWD=a;hunter2;Encrypt=maybe",
    "Server=sql;UID=zebra;PWD=hunter2;Encrypt=hunter2",
    "Server=sql;UID=zebra;PWD=hunter2;Integrated Security=true",
    "Server=sql;UID=zebra;hunter2=x",
  ])("in the refusal of %s", (input) => {
    const reading = readConnectionString(input);
    expect(reading.kind).toBe("refused");
    for (const secret of secrets) expect(JSON.stringify(reading)).not.toContain(secret);
  });
});

test("a string that is too long is refused before it is read", () => {
  expect(readConnectionString(`Server=${"x".repeat(40_000)}`)).toMatchObject({ kind: "refused", reason: "ConnectionStringInvalid" });
});
