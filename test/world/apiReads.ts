// Reads JSON from a test cluster's API server as its administrator, many times a second if need be, where starting kubectl each time would
// cost more than what is watched. It changes nothing.

import { readFileSync } from "node:fs";
import { apiJson } from "../cluster/apiRequest.ts";
import type { ClusterConnection } from "../cluster/connection.ts";

/** Resolves to the decoded body; rejects with the server's message where the status is not 2xx. */
export type ApiRead = (path: string) => Promise<unknown>;

export function apiReads({ directory, url, kubeconfigPath }: Pick<ClusterConnection, "directory" | "url" | "kubeconfigPath">): ApiRead {
  const { users } = JSON.parse(readFileSync(kubeconfigPath, "utf8")) as { users: readonly { user: { token: string } }[] };
  const token = users[0]?.user.token ?? "";
  return (path) => apiJson({ directory, url, token }, { method: "GET", path });
}
