// The rules for spec.database: two forms, and what each of them needs and excludes.
import { type Farm, farm, farmWithConnectionString, farmWithParts, type Json } from "./farms.ts";
import { type Rule } from "./rule.ts";

const dnsName = "should match '^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$'";
const keyName = "should match '^[-._a-zA-Z0-9]+$'";
const withTls = (tls: Json): Farm => farmWithParts({ tls });

const databaseForms: readonly Rule[] = [
  {
    rule: "the database is given in exactly one form",
    accepted: [farmWithConnectionString(), farmWithParts()],
    refused: [
      farm({ database: {} }),
      farm({ database: { name: "Kentico" } }),
      farmWithParts({ connectionStringSecretRef: { name: "kentico" } }),
    ],
    message: "spec.database needs exactly one of connectionStringSecretRef (a .NET connection string in a Secret) and host (the parts)",
  },
  {
    rule: "a connection string leaves no room for the parts, but for tls, schema and multiSubnetFailover",
    accepted: [farmWithConnectionString({ tls: { mode: "Insecure" }, schema: "cms", multiSubnetFailover: true })],
    refused: [
      farmWithConnectionString({ port: 1433 }),
      farmWithConnectionString({ instance: "SQL2019" }),
      farmWithConnectionString({ name: "Kentico" }),
      farmWithConnectionString({ authentication: "SqlLogin" }),
      farmWithConnectionString({ credentialsSecretRef: { name: "kentico-sql" } }),
      farmWithConnectionString({ serviceAccountName: "shop" }),
    ],
    message:
      "spec.database.port, instance, name, authentication, credentialsSecretRef and serviceAccountName must be absent with connectionStringSecretRef",
  },
  {
    rule: "the parts include the database's name",
    accepted: [farmWithParts()],
    refused: [farmWithParts({ name: undefined })],
    message: "spec.database.name (the database's name) is required with host",
  },
  {
    rule: "the database's name has 1 to 128 characters",
    accepted: [farmWithParts({ name: "K" }), farmWithParts({ name: "Kentico Ünïcode]".padEnd(128, "x") })],
    refused: [farmWithParts({ name: "" }), farmWithParts({ name: "x".repeat(129) })],
    message: "spec.database.name",
  },
  {
    rule: "port and instance exclude each other",
    accepted: [farmWithParts({ port: 1434 }), farmWithParts({ instance: "SQL2019" }), farmWithParts({ instance: "_A$1" })],
    refused: [farmWithParts({ port: 1433, instance: "SQL2019" })],
    message: "spec.database.port and instance exclude each other",
  },
  {
    rule: "an instance is named as SQL Server names instances",
    accepted: [farmWithParts({ instance: "A234567890123456" })],
    refused: [farmWithParts({ instance: "" }), farmWithParts({ instance: "a\\b" }), farmWithParts({ instance: "A2345678901234567" })],
    message: "spec.database.instance",
  },
  {
    rule: "a SQL login needs its credentials",
    accepted: [farmWithParts(), farmWithParts({ authentication: "SqlLogin" })],
    refused: [
      farmWithParts({ credentialsSecretRef: undefined }),
      farmWithParts({ authentication: "SqlLogin", credentialsSecretRef: undefined }),
    ],
    message: "spec.database.credentialsSecretRef is required with authentication SqlLogin, which is the default",
  },
  {
    rule: "a workload identity has no credentials",
    accepted: [farmWithParts({ authentication: "WorkloadIdentity", serviceAccountName: "shop", credentialsSecretRef: undefined })],
    refused: [farmWithParts({ authentication: "WorkloadIdentity", serviceAccountName: "shop" })],
    message: "spec.database.credentialsSecretRef must be absent with authentication WorkloadIdentity",
  },
  {
    rule: "a workload identity names its ServiceAccount",
    accepted: [farmWithParts({ authentication: "WorkloadIdentity", serviceAccountName: "shop.eu", credentialsSecretRef: undefined })],
    refused: [farmWithParts({ authentication: "WorkloadIdentity", credentialsSecretRef: undefined })],
    message: "spec.database.serviceAccountName is required with authentication WorkloadIdentity",
  },
  {
    rule: "a ServiceAccount is for a workload identity only",
    accepted: [farmWithParts({ authentication: "WorkloadIdentity", serviceAccountName: "shop", credentialsSecretRef: undefined })],
    refused: [farmWithParts({ serviceAccountName: "shop" }), farmWithParts({ authentication: "SqlLogin", serviceAccountName: "shop" })],
    message: "spec.database.serviceAccountName is allowed only with authentication WorkloadIdentity",
  },
  {
    rule: "a ServiceAccount has the name of an object",
    accepted: [farmWithParts({ authentication: "WorkloadIdentity", serviceAccountName: "a.b-1", credentialsSecretRef: undefined })],
    refused: [farmWithParts({ authentication: "WorkloadIdentity", serviceAccountName: "Shop", credentialsSecretRef: undefined })],
    message: `spec.database.serviceAccountName in body ${dnsName}`,
  },
  {
    rule: "a host is a name or an address alone",
    accepted: ["sql", "sql.example.internal", "sql.example.internal.", "SQL_01", "10.0.0.1", "2001:db8::1", "::1", "::ffff:10.0.0.1"].map(
      (host) => farmWithParts({ host }),
    ),
    refused: ["tcp:sql", "sql,1433", "sql:1433", "sql\\SQL2019", "[::1]", "(local)", "sql server", "-sql", "10.0.0.1:1433", ":"].map(
      (host) => farmWithParts({ host }),
    ),
    message: "host must be a host name or an IP address alone",
  },
  {
    rule: "a host has at most 253 characters",
    accepted: [farmWithParts({ host: "h".repeat(253) })],
    refused: [farmWithParts({ host: "h".repeat(254) })],
    message: "spec.database.host: Too long: may not be more than 253",
  },
  {
    rule: "a schema has 1 to 128 characters",
    accepted: [farmWithParts({ schema: "cms" }), farmWithParts({ schema: "s".repeat(128) })],
    refused: [farmWithParts({ schema: "" }), farmWithParts({ schema: "s".repeat(129) })],
    message: "spec.database.schema",
  },
  {
    rule: "a certificate authority comes from one place",
    accepted: [
      withTls({ caSecretRef: { name: "ca" } }),
      withTls({ caConfigMapRef: { name: "ca", key: "root.pem" } }),
      withTls({ mode: "Strict", serverName: "" }),
    ],
    refused: [withTls({ caSecretRef: { name: "ca" }, caConfigMapRef: { name: "ca" } })],
    message: "spec.database.tls.caSecretRef and caConfigMapRef exclude each other",
  },
];

const references: readonly Rule[] = [
  ["connectionStringSecretRef", farmWithConnectionString] as const,
  ["credentialsSecretRef", farmWithParts] as const,
  ["tls.caSecretRef", (fields: { readonly caSecretRef?: Json }) => withTls({ caSecretRef: fields.caSecretRef })] as const,
].flatMap(([field, build]): readonly Rule[] => {
  const last = field.split(".").at(-1) ?? field;
  const reference = (fields: Json): Farm => build({ [last]: fields });
  return [
    {
      rule: `spec.database.${field} names an object`,
      accepted: [reference({ name: "k" }), reference({ name: "kentico.eu-1" })],
      refused: [reference({ name: "Kentico" }), reference({ name: "" }), reference({ name: "kentico-" })],
      message: `spec.database.${field}.name in body ${dnsName}`,
    },
    {
      rule: `spec.database.${field} has a name`,
      accepted: [reference({ name: "kentico" })],
      refused: [reference({})],
      message: `spec.database.${field}.name: Required value`,
    },
  ];
});

const keys: readonly Rule[] = [
  {
    rule: "a key is one that a Secret can have",
    accepted: [farmWithConnectionString({ connectionStringSecretRef: { name: "kentico", key: "ConnectionStrings__CMS.Main-1" } })],
    refused: [farmWithConnectionString({ connectionStringSecretRef: { name: "kentico", key: "my key" } })],
    message: `spec.database.connectionStringSecretRef.key in body ${keyName}`,
  },
  {
    rule: "a login name's key is one that a Secret can have",
    accepted: [farmWithParts({ credentialsSecretRef: { name: "sql", usernameKey: "user", passwordKey: "pass" } })],
    refused: [farmWithParts({ credentialsSecretRef: { name: "sql", usernameKey: "" } })],
    message: `spec.database.credentialsSecretRef.usernameKey in body ${keyName}`,
  },
  {
    rule: "a password's key is one that a Secret can have",
    accepted: [farmWithParts({ credentialsSecretRef: { name: "sql", passwordKey: "SA_PASSWORD" } })],
    refused: [farmWithParts({ credentialsSecretRef: { name: "sql", passwordKey: "a/b" } })],
    message: `spec.database.credentialsSecretRef.passwordKey in body ${keyName}`,
  },
];

export const databaseRules: readonly Rule[] = [...databaseForms, ...references, ...keys];
