// The fields of a WebFarm's spec that this version knows, with their enumerations and defaults. A test holds it against the CRD, whose
// schema is the source: what is not here is a field of a newer version, and makes the farm Observe.

export type Shape =
  | { readonly kind: "value"; readonly enum?: readonly string[]; readonly default?: string | number | boolean }
  | { readonly kind: "map" }
  | { readonly kind: "list"; readonly of: Shape }
  | { readonly kind: "fields"; readonly fields: Readonly<Record<string, Shape>>; readonly defaultsToEmpty?: true };

const value: Shape = { kind: "value" };
const defaulted = (text: string | number | boolean): Shape => ({ kind: "value", default: text });
const oneOf = (...names: readonly string[]): Shape => ({ kind: "value", enum: names });
const fields = (known: Readonly<Record<string, Shape>>): Shape => ({ kind: "fields", fields: known });
const list = (of: Shape): Shape => ({ kind: "list", of });

const caRef = fields({ name: value, key: defaulted("ca.crt") });

export const specShape: Shape = fields({
  policy: oneOf("Observe", "CreateOnly", "UpsertOnly", "Sync"),
  registration: oneOf("Operator", "Application"),
  suspend: defaulted(false),
  ownerId: value,
  formerOwnerIds: list(value),
  database: fields({
    connectionStringSecretRef: fields({ name: value, key: defaulted("CMSConnectionString") }),
    host: value,
    port: value,
    instance: value,
    name: value,
    authentication: oneOf("SqlLogin", "WorkloadIdentity"),
    credentialsSecretRef: fields({ name: value, usernameKey: defaulted("username"), passwordKey: defaulted("password") }),
    serviceAccountName: value,
    tls: fields({
      mode: oneOf("Required", "Strict", "Insecure", "Disabled"),
      serverName: value,
      caSecretRef: caRef,
      caConfigMapRef: caRef,
    }),
    schema: defaulted("dbo"),
    multiSubnetFailover: defaulted(false),
  }),
  members: list(
    fields({
      name: value,
      workloadRef: fields({ apiVersion: value, kind: value, name: value }),
      selector: fields({
        matchLabels: { kind: "map" },
        matchExpressions: list(fields({ key: value, operator: oneOf("In", "NotIn", "Exists", "DoesNotExist"), values: list(value) })),
      }),
      serverName: defaulted("$(POD_NAME)"),
      url: defaulted("http://$(POD_IP)"),
    }),
  ),
  webFarmMode: oneOf("Manual"),
  adoption: { kind: "value", enum: ["Never", "MatchingNames"], default: "Never" },
  deletionPolicy: { kind: "value", enum: ["RemoveStale", "RemoveAll", "Retain"], default: "RemoveStale" },
  maxServers: value,
  readinessGate: { kind: "fields", fields: { failOpenSeconds: defaulted(300) }, defaultsToEmpty: true },
  removal: { kind: "fields", fields: { nodeLostSeconds: defaulted(300) }, defaultsToEmpty: true },
});
