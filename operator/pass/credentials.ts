// Reads what a farm's database needs from Secrets, ConfigMaps and ServiceAccounts, seldom: at first use, after a refused login, when a person asks for a
// pass, every 60 seconds. What was read stays in memory, so that a WebFarm whose Secret was deleted first can still be cleaned up. Nothing
// of it is ever logged.

import type { Clock } from "../controller/clock.ts";
import type { DatabaseMaterial, DatabaseProblem, Milliseconds, WebFarm, WorkloadIdentity } from "../farm/model.ts";
import type { Database, Tls } from "../farm/resource.generated.ts";
import { accountForbidden, accountNotFound, identityOf } from "../farm/workloadIdentity.ts";
import type { Cluster } from "./ports.ts";

export type Credentials =
  { readonly kind: "known"; readonly material: DatabaseMaterial } | { readonly kind: "refused"; readonly problem: DatabaseProblem };

export interface CredentialCache {
  readonly material?: DatabaseMaterial;
  readonly atMs: Milliseconds;
  readonly generation: number;
}

const rereadMs = 60_000;

interface Request {
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly version: string;
  readonly farm: WebFarm;
  readonly cache: CredentialCache | undefined;
  /** The database refused the login, or a person asked for a pass: read again at once. */
  readonly isDue: boolean;
  readonly signal: AbortSignal;
}

/** Rejects only when the API server gives no sure answer and nothing is in memory. */
export async function readCredentials(
  request: Request,
): Promise<{ readonly credentials: Credentials; readonly cache: CredentialCache | undefined }> {
  const { clock, farm, cache } = request;
  const isCurrent = cache !== undefined && cache.generation === farm.generation;
  if (isCurrent && cache.material !== undefined && !request.isDue && clock.monotonic() - cache.atMs < rereadMs) {
    return { credentials: { kind: "known", material: cache.material }, cache };
  }
  const read = await materialOf(request).catch((error: unknown) => {
    // A deletion changes the generation, and what may read the Secret often goes with the Secret.
    if (cache?.material !== undefined && (isCurrent || farm.deletionAtMs !== undefined))
      return { kind: "known", material: cache.material } as const; // the API server is away: the old ones may still do
    throw error;
  });
  if (read.kind === "known")
    return { credentials: read, cache: { material: read.material, atMs: clock.monotonic(), generation: farm.generation } };
  if (farm.deletionAtMs !== undefined && cache?.material !== undefined)
    return { credentials: { kind: "known", material: cache.material }, cache };
  return { credentials: read, cache };
}

async function materialOf(request: Request): Promise<Credentials> {
  const { farm, version } = request;
  const { database } = farm.spec;
  const login = await loginOf(database, request);
  if ("problem" in login) return { kind: "refused", problem: login.problem };
  const tls = database.tls === undefined ? undefined : await tlsOf(database.tls, request);
  if (tls !== undefined && "problem" in tls) return { kind: "refused", problem: tls.problem };
  return {
    kind: "known",
    material: {
      login: login.value,
      schema: database.schema ?? "dbo",
      multiSubnetFailover: database.multiSubnetFailover ?? false,
      applicationName: `webfarm-operator/${version} ${farm.key}`,
      ...(tls !== undefined && { tls: tls.value }),
    },
  };
}

type Found<T> = { readonly value: T } | { readonly problem: DatabaseProblem };

const problem = (reason: string, message: string): { readonly problem: DatabaseProblem } => ({
  problem: { kind: "configuration", reason, message, stalled: true },
});

async function loginOf(database: Database, request: Request): Promise<Found<DatabaseMaterial["login"]>> {
  const { connectionStringSecretRef: stringRef, credentialsSecretRef: credentials, host, name } = database;
  if (stringRef !== undefined) {
    const text = await secretKey(request, {
      field: "spec.database.connectionStringSecretRef",
      name: stringRef.name,
      key: stringRef.key ?? "CMSConnectionString",
    });
    return "problem" in text ? text : { value: { kind: "connectionString", text: text.value } };
  }
  const { port, instance, authentication, serviceAccountName } = database;
  const place = { ...(port !== undefined && { port }), ...(instance !== undefined && { instance }) };
  if (authentication === "WorkloadIdentity" && host !== undefined && name !== undefined && serviceAccountName !== undefined) {
    const identity = await identityNamed(serviceAccountName, request);
    return "problem" in identity ? identity : { value: { kind: "identity", host, database: name, ...place, identity: identity.value } };
  }
  if (host === undefined || name === undefined || credentials === undefined) {
    return problem(
      "InvalidSpec",
      "spec.database needs connectionStringSecretRef, or host, name and credentialsSecretRef, or with WorkloadIdentity host, name and serviceAccountName.",
    );
  }
  const field = "spec.database.credentialsSecretRef";
  const user = await secretKey(request, { field, name: credentials.name, key: credentials.usernameKey ?? "username" });
  if ("problem" in user) return user;
  const password = await secretKey(request, { field, name: credentials.name, key: credentials.passwordKey ?? "password" });
  if ("problem" in password) return password;
  return { value: { kind: "parts", host, database: name, user: user.value, password: password.value, ...place } };
}

async function identityNamed(name: string, { cluster, farm, signal }: Request): Promise<Found<WorkloadIdentity>> {
  const account = { namespace: farm.namespace, name };
  const read = await cluster.readServiceAccount({ ...account, signal });
  switch (read.kind) {
    case "found":
      return identityOf(account, read.annotations);
    case "absent":
      return { problem: accountNotFound(account) };
    case "forbidden":
      return { problem: accountForbidden(account) };
  }
}

async function tlsOf(tls: Tls, request: Request): Promise<Found<NonNullable<DatabaseMaterial["tls"]>>> {
  const { caSecretRef, caConfigMapRef, mode, serverName } = tls;
  const named = { ...(mode !== undefined && { mode }), ...(serverName !== undefined && serverName !== "" && { serverName }) };
  if (caSecretRef === undefined && caConfigMapRef === undefined) return { value: named };
  const ca =
    caSecretRef !== undefined
      ? await secretKey(request, { field: "spec.database.tls.caSecretRef", name: caSecretRef.name, key: caSecretRef.key ?? "ca.crt" })
      : await configMapKey(request, {
          field: "spec.database.tls.caConfigMapRef",
          name: caConfigMapRef?.name ?? "",
          key: caConfigMapRef?.key ?? "ca.crt",
        });
  return "problem" in ca ? ca : { value: { ...named, ca: ca.value } };
}

interface KeyRef {
  readonly field: string;
  readonly name: string;
  readonly key: string;
}

async function secretKey({ cluster, farm, signal }: Request, ref: KeyRef): Promise<Found<string>> {
  const data = await cluster.readSecret({ namespace: farm.namespace, name: ref.name, signal });
  if (data === undefined)
    return problem(
      "SecretNotFound",
      `${ref.field}: there is no Secret ${ref.name} in namespace ${farm.namespace}. Create it, or correct the name.`,
    );
  const value = data[ref.key];
  return value === undefined
    ? problem("SecretKeyNotFound", `${ref.field}: Secret ${ref.name} has no key ${ref.key}. Its keys: ${keyNames(data)}.`)
    : { value };
}

async function configMapKey({ cluster, farm, signal }: Request, ref: KeyRef): Promise<Found<string>> {
  const data = await cluster.readConfigMap({ namespace: farm.namespace, name: ref.name, signal });
  if (data === undefined)
    return problem(
      "ConfigMapNotFound",
      `${ref.field}: there is no ConfigMap ${ref.name} in namespace ${farm.namespace}. Create it, or correct the name.`,
    );
  const value = data[ref.key];
  return value === undefined
    ? problem("ConfigMapKeyNotFound", `${ref.field}: ConfigMap ${ref.name} has no key ${ref.key}. Its keys: ${keyNames(data)}.`)
    : { value };
}

const keyNames = (data: Readonly<Record<string, string>>): string => {
  const names = Object.keys(data).toSorted();
  return names.length === 0 ? "none" : names.slice(0, 10).join(", ");
};
