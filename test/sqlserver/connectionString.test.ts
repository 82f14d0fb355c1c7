import { readFileSync } from "node:fs";

import { describe, expect, test } from "@jest/globals";

import { adviceOf } from "../../operator/sqlserver/advice.ts";
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
  readonly failoverPartner?: string;
}

interface Line {
  readonly input: string;
  readonly result: Measured;
  /** Where the older client makes something else of it. */
  readonly systemDataSqlClient?: { readonly encrypt: boolean };
}

// What Microsoft.Data.SqlClient 7.1.0 makes of each input, measured.
const lines = readFileSync(new URL("connection-strings.jsonl", import.meta.url), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Line);

/** Lines that the client accepts and no Linux pod can follow: by what they contain, the keyword that is named, and the cure. */
const refusedByUs: readonly { readonly contains: string; readonly says: RegExp }[] = [
  { contains: "np:", says: /Data Source names a named pipe\. Write tcp:<host>,<port>\./ },
  { contains: "=\\\\sql\\pipe", says: /Data Source names a named pipe\. Write tcp:<host>,<port>\./ },
  { contains: "admin:", says: /Data Source asks for the dedicated administrator connection\. Leave out admin:/ },
  { contains: "Integrated Security=SSPI", says: /^Integrated Security cannot be honoured: .*Use a SQL login/ },
  { contains: "Trusted_Connection=yes", says: /^Integrated Security \(written trusted_connection\) cannot be honoured: .*Use a SQL login/ },
  { contains: "Active Directory", says: /^Authentication cannot be honoured .*authentication: WorkloadIdentity with serviceAccountName/ },
  { contains: "ActiveDirectory", says: /^Authentication cannot be honoured .*authentication: WorkloadIdentity with serviceAccountName/ },
  { contains: "User Instance=true", says: /^User Instance cannot be honoured: .*Name a server in Data Source/ },
];

/** Lines that the client refuses: what is named, and the cure. All others are of the wrong form, or have a value that is not valid. */
const refusedByBoth: readonly { readonly contains: string; readonly says: RegExp }[] = [
  { contains: "\ufeff", says: /byte order mark: remove it/ },
  { contains: "DataSource", says: /"datasource"\. Write Data Source\./ },
  { contains: "InitialCatalog", says: /"initialcatalog"\. Write Initial Catalog\./ },
  { contains: "UserId", says: /"userid"\. Write User ID\./ },
  { contains: "UserID", says: /"userid"\. Write User ID\./ },
  { contains: "Passwd", says: /"passwd"\. Write Password\./ },
  { contains: "Driver=", says: /"driver"\. Remove it/ },
  { contains: "Provider=", says: /"provider"\. Remove it/ },
  { contains: "MARS Connection", says: /"mars connection"\. Write Multiple Active Result Sets\./ },
  { contains: "Encrypt=", says: /^The value of Encrypt .*True, False, Mandatory, Optional or Strict/ },
  { contains: "Connect Timeout", says: /^The value of Connect Timeout .*whole number from 0/ },
  { contains: "Packet Size", says: /^The value of Packet Size .*from 512 to 32768/ },
  { contains: "Min Pool Size", says: /Min Pool Size must not be above Max Pool Size/ },
  { contains: "Failover Partner=sql2;Multi", says: /Failover Partner .*cannot stand beside Multi Subnet Failover.*Remove one/ },
  { contains: "Failover Partner=sql2", says: /Failover Partner needs Initial Catalog\. Add/ },
  { contains: "AttachDbFilename", says: /^AttachDbFilename cannot be honoured: .*Attach the database on the server.*Initial Catalog/ },
  { contains: "Network Library", says: /^Network Library cannot be honoured.*tcp:<host>,<port>/ },
  { contains: "Authentication=Active Directory Integrated;UID", says: /^Authentication cannot be honoured .*Use a SQL login/ },
  { contains: "Authentication=Sql Password;Integrated", says: /^Integrated Security cannot be honoured.*Use a SQL login/ },
  { contains: "Server=sql,", says: /Data Source is not valid.*port/ },
  { contains: "MSSQLSERVER", says: /Data Source is not valid.*named by the host alone/ },
  { contains: "", says: /keyword=value;keyword=value/ },
];

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
    failoverPartner: measured.failoverPartner,
  };
}

const matching = (list: typeof refusedByUs, input: string): RegExp | undefined =>
  list.find(({ contains }) => input.includes(contains))?.says;

describe("every measured connection string", () => {
  test("there are 109 of them", () => {
    expect(lines).toHaveLength(109);
  });

  test.each(lines)("$input", ({ input, result }) => {
    const reading = readConnectionString(input);
    const says = result.refused === undefined ? matching(refusedByUs, input) : matching(refusedByBoth, input);
    if (says !== undefined) {
      expect(reading).toEqual({ kind: "refused", reason: expect.any(String), message: expect.stringMatching(says) });
    } else {
      // Encrypt left out is not the same as given, for spec.database.tls; the client's default is Mandatory.
      expect({ encrypt: "Mandatory", ...reading, notes: undefined, needsNewerClient: undefined }).toEqual(inScope(result));
    }
  });

  test.each(lines.filter(({ input }) => readConnectionString(input).kind === "read"))(
    "is explained by the older client's defaults where they differ, and only there: $input",
    ({ input, systemDataSqlClient }) => {
      const reading = readConnectionString(input);
      if (reading.kind === "refused") throw new Error(reading.message);
      const material = {
        login: { kind: "connectionString", text: input },
        schema: "dbo",
        multiSubnetFailover: false,
        applicationName: "a",
      } as const;
      const saysOlder = adviceOf(material, reading).encryption?.includes("the older client (System.Data.SqlClient") ?? false;
      expect(saysOlder).toBe(systemDataSqlClient?.encrypt === false);
    },
  );

  test("each exception is one that the list has", () => {
    const ours = lines.filter(({ result }) => result.refused === undefined);
    const both = lines.filter(({ result }) => result.refused !== undefined);
    for (const { contains } of refusedByUs)
      expect({ contains, lines: ours.filter(({ input }) => input.includes(contains)) }).not.toMatchObject({ lines: [] });
    for (const { contains } of refusedByBoth)
      expect({ contains, lines: both.filter(({ input }) => input.includes(contains)) }).not.toMatchObject({ lines: [] });
  });
});

describe("what cannot be honoured is named", () => {
  test("ApplicationIntent=ReadOnly is overruled, with a note", () => {
    expect(readConnectionString("Server=sql;ApplicationIntent=ReadOnly")).toMatchObject({
      kind: "read",
      notes: [expect.stringContaining("Application Intent=ReadOnly")],
    });
  });

  test("a failover partner is ignored, and named with its host", () => {
    expect(readConnectionString("Server=sql;Database=k;UID=u;PWD=p;Failover Partner=tcp:sql2,1434")).toMatchObject({
      kind: "read",
      failoverPartner: "tcp:sql2,1434",
      notes: [expect.stringMatching(/^Failover Partner .*\(tcp:sql2,1434\) is ignored: .*name the new principal in Data Source/)],
    });
  });

  test("a server certificate of the site's own machine is ignored, with the cure", () => {
    expect(readConnectionString("Server=sql;Server Certificate=/etc/ssl/sql.crt")).toMatchObject({
      notes: [expect.stringMatching(/^Server Certificate .*caSecretRef/)],
    });
  });

  test.each([
    "Asynchronous Processing=true",
    "Connection Reset=true",
    "Context Connection=false",
    "Transparent Network IP Resolution=False",
  ])("%s, which only the older client knows, is no reason to refuse", (keyword) => {
    expect(readConnectionString(`Server=sql;${keyword}`).kind).toBe("read");
  });

  test.each([
    ["Extended Properties=k.mdf", "AttachDbFilename (written extended properties)"],
    ["Initial File Name=k.mdf", "AttachDbFilename (written initial file name)"],
    ["Net=dbnmpntw", "Network Library (written net)"],
    ["Context Connection=true", "Context Connection"],
    ["Integrated Security=true", "Integrated Security"],
  ])("%s is refused as %s", (text, name) => {
    expect(readConnectionString(`Server=sql;${text}`)).toMatchObject({
      kind: "refused",
      reason: "KeywordNotSupported",
      message: expect.stringMatching(new RegExp(`^${name.replace(/[()]/g, "\\$&")} cannot be honoured.*\\.`)),
    });
  });

  test.each(["Pooling=maybe", "Connect Retry Count=256", "Multi Subnet Failover=1", "Authentication=Kerberos", "Application Intent=both"])(
    "%s is refused, as the client refuses it",
    (text) => {
      const [name = ""] = text.split("=");
      expect(readConnectionString(`Server=sql;${text}`)).toMatchObject({
        reason: "ConnectionStringInvalid",
        message: expect.stringContaining(`The value of ${name}`),
      });
    },
  );

  test("read-only intent beside a failover partner is refused, as the client refuses it", () => {
    expect(readConnectionString("Server=sql;Database=k;Failover Partner=b;ApplicationIntent=ReadOnly")).toMatchObject({
      message: expect.stringMatching(/Failover Partner .*beside Application Intent/),
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
