// Builds WebFarms for the tests of the CRD: two complete ones, and changes to them. It knows no default of the schema.

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };
type Fields = Readonly<Record<string, Json | undefined>>;

export interface Farm {
  readonly apiVersion: "webfarm.dev/v1alpha1";
  readonly kind: "WebFarm";
  readonly metadata: { readonly name: string; readonly resourceVersion?: string };
  readonly spec: Fields;
}

export const member: Fields = { name: "live", workloadRef: { apiVersion: "apps/v1", kind: "Deployment", name: "shop" } };

export const parts: Fields = { host: "sql.example.internal", name: "Kentico", credentialsSecretRef: { name: "kentico-sql" } };

const connectionString: Fields = { connectionStringSecretRef: { name: "kentico" } };

/** A valid WebFarm with the connection string form. A field given as undefined is left out. */
export function farm(spec: Fields = {}, name = "shop"): Farm {
  return {
    apiVersion: "webfarm.dev/v1alpha1",
    kind: "WebFarm",
    metadata: { name },
    spec: { policy: "Sync", registration: "Operator", database: connectionString, members: [member], ...spec },
  };
}

/** A valid WebFarm with the parts form, and these fields of spec.database. */
export function farmWithParts(database: Fields = {}): Farm {
  return farm({ database: { ...parts, ...database } });
}

/** A valid WebFarm with the connection string form, and these fields of spec.database. */
export function farmWithConnectionString(database: Fields = {}): Farm {
  return farm({ database: { ...connectionString, ...database } });
}

/** A valid WebFarm with one member that has these fields. */
export function farmWithMember(fields: Fields, spec: Fields = {}): Farm {
  return farm({ ...spec, members: [{ ...member, ...fields }] });
}
