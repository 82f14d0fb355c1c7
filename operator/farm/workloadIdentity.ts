// What the annotations of a ServiceAccount say of its identity at Microsoft Entra, as the Azure workload identity webhook defines them, and what
// is told where they do not do. It reads nothing and asks nobody.
import type { DatabaseProblem, WorkloadIdentity } from "./model.ts";

export interface AccountName {
  readonly namespace: string;
  /** Of the ServiceAccount. */
  readonly name: string;
}

// https://azure.github.io/azure-workload-identity/docs/topics/service-account-labels-and-annotations.html
export const clientIdAnnotation = "azure.workload.identity/client-id";
export const tenantIdAnnotation = "azure.workload.identity/tenant-id";

const guid = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;
/** A GUID, or one of the tenant's domains. It becomes a part of a path. */
const tenant = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/i;

export function identityOf(
  account: AccountName,
  annotations: Readonly<Record<string, string>>,
): { readonly value: WorkloadIdentity } | { readonly problem: DatabaseProblem } {
  const clientId = annotations[clientIdAnnotation]?.trim();
  const tenantId = annotations[tenantIdAnnotation]?.trim();
  if (clientId === undefined || !guid.test(clientId))
    return { problem: notAnnotated(account, clientIdAnnotation, "the client ID (a GUID) of its application or managed identity") };
  if (tenantId === undefined || !tenant.test(tenantId) || tenantId.includes(".."))
    return { problem: notAnnotated(account, tenantIdAnnotation, "the ID of the tenant that the application is in") };
  return { value: { namespace: account.namespace, serviceAccount: account.name, clientId, tenantId } };
}

const configuration = (reason: string, message: string): DatabaseProblem => ({ kind: "configuration", reason, message, stalled: true });

function notAnnotated({ namespace, name }: AccountName, annotation: string, what: string): DatabaseProblem {
  return configuration(
    "ServiceAccountNotAnnotated",
    `ServiceAccount ${name} of namespace ${namespace} needs the annotation ${annotation}: ${what} in Microsoft Entra.`,
  );
}

export const accountNotFound = ({ namespace, name }: AccountName): DatabaseProblem =>
  configuration(
    "ServiceAccountNotFound",
    `spec.database.serviceAccountName: there is no ServiceAccount ${name} in namespace ${namespace}. Create it, or correct the name.`,
  );

/** The API server said 403. */
export const accountForbidden = ({ namespace, name }: AccountName): DatabaseProblem =>
  configuration(
    "ServiceAccountForbidden",
    `The operator may not use ServiceAccount ${name} of namespace ${namespace}: add ${name} to serviceAccountTokens in the values of its Helm chart.`,
  );
