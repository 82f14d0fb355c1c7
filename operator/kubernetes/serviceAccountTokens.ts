// A ServiceAccount read by name, and a token of it for somebody outside of the cluster (TokenRequest). The token goes to who asked and nowhere
// else: it is not kept, not logged, and no error carries it.
import { ApiError, isNotFound } from "./apiError.ts";
import type { KubernetesApi } from "./client.ts";
import { recordOf, textOf, textsOf } from "./decode.ts";
import type { ObjectName } from "./secrets.ts";

/** `absent`: the API server says that there is none. `forbidden`: it says 403, for reading or for making a token. */
export type Refusal = { readonly kind: "absent" } | { readonly kind: "forbidden" };

export type ServiceAccountRead = { readonly kind: "found"; readonly annotations: Readonly<Record<string, string>> } | Refusal;
export type TokenRead = { readonly kind: "token"; readonly token: string } | Refusal;

/** The least that the API server gives; it is used at once. */
const tokenSeconds = 600;

/** Rejects when the API server gives no sure answer. */
export async function readServiceAccount(api: KubernetesApi, at: ObjectName): Promise<ServiceAccountRead> {
  return await orRefused(at, async () => {
    const account = recordOf(await api.request({ method: "GET", path: pathOf(at), signal: at.signal }));
    return { kind: "found", annotations: textsOf(recordOf(account["metadata"])["annotations"]) };
  });
}

/** Rejects when the API server gives no sure answer. `audience`: for whom the token is, and for nobody else. */
export async function requestToken(api: KubernetesApi, at: ObjectName & { readonly audience: string }): Promise<TokenRead> {
  const spec = { audiences: [at.audience], expirationSeconds: tokenSeconds };
  return await orRefused(at, async () => {
    const answer = await api.request({
      method: "POST",
      path: `${pathOf(at)}/token`,
      body: { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec },
      signal: at.signal,
    });
    const token = textOf(recordOf(recordOf(answer)["status"])["token"]);
    if (token === undefined) throw new Error(`Cannot use the answer to POST ${pathOf(at)}/token: it has no token`);
    return { kind: "token", token };
  });
}

function pathOf({ namespace, name }: ObjectName): string {
  return `/api/v1/namespaces/${encodeURIComponent(namespace)}/serviceaccounts/${encodeURIComponent(name)}`;
}

async function orRefused<Answer>({ name }: ObjectName, ask: () => Promise<Answer>): Promise<Answer | Refusal> {
  try {
    return await ask();
  } catch (error) {
    if (isNotFound(error, { resource: "serviceaccounts", name })) return { kind: "absent" };
    if (error instanceof ApiError && error.code === 403 && error.reason === "Forbidden") return { kind: "forbidden" };
    throw error;
  }
}
