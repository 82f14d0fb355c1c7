// Sends a WebFarm to the API server and says what came of it, in the server's words. It interprets nothing.
import { webFarmApi } from "../../operator/farm/resource.generated.ts";
import { type Farm } from "./farms.ts";

/** Runs kubectl; rejects with an error whose message holds what kubectl wrote to stderr. */
export interface Kubectl {
  kubectl(args: readonly string[], options?: { readonly input?: string }): Promise<string>;
}

const dryRun = "dryRun=All&fieldValidation=Strict";

/** Why the API server would refuse to create this WebFarm, or undefined if it would not. */
export async function refusalOf(cluster: Kubectl, namespace: string, farm: Farm): Promise<string | undefined> {
  return refusal(cluster.kubectl(["create", "--raw", `${collection(namespace)}?${dryRun}`, "-f", "-"], { input: JSON.stringify(farm) }));
}

/** The WebFarm as the API server would keep it, with all defaults. */
export async function defaulted(cluster: Kubectl, namespace: string, farm: Farm): Promise<Farm> {
  const args = ["create", "--raw", `${collection(namespace)}?${dryRun}`, "-f", "-"];
  return JSON.parse(await cluster.kubectl(args, { input: JSON.stringify(farm) })) as Farm;
}

/** Creates the WebFarm and returns it with its resourceVersion. */
export async function create(cluster: Kubectl, namespace: string, farm: Farm): Promise<Farm> {
  const args = ["create", "--raw", collection(namespace), "-f", "-"];
  return JSON.parse(await cluster.kubectl(args, { input: JSON.stringify(farm) })) as Farm;
}

/** Why the API server would refuse to replace the WebFarm of that name by this one, or undefined if it would not. */
export async function replacementRefusalOf(cluster: Kubectl, namespace: string, farm: Farm): Promise<string | undefined> {
  const path = `${collection(namespace)}/${farm.metadata.name}?${dryRun}`;
  return refusal(cluster.kubectl(["replace", "--raw", path, "-f", "-"], { input: JSON.stringify(farm) }));
}

/** Why the API server would refuse this status of that WebFarm, or undefined if it would not. */
export async function statusRefusalOf(cluster: Kubectl, namespace: string, farm: Farm, status: unknown): Promise<string | undefined> {
  return refusal(replaceStatus(cluster, `${statusPath(namespace, farm)}?${dryRun}`, { ...farm, status }));
}

/** Gives that WebFarm this status and returns it with its new resourceVersion. */
export async function setStatus(cluster: Kubectl, namespace: string, farm: Farm, status: unknown): Promise<Farm> {
  return JSON.parse(await replaceStatus(cluster, statusPath(namespace, farm), { ...farm, status })) as Farm;
}

function replaceStatus(cluster: Kubectl, path: string, farm: unknown): Promise<string> {
  return cluster.kubectl(["replace", "--raw", path, "-f", "-"], { input: JSON.stringify(farm) });
}

function statusPath(namespace: string, farm: Farm): string {
  return `${collection(namespace)}/${farm.metadata.name}/status`;
}

function collection(namespace: string): string {
  return `/apis/${webFarmApi.apiVersion}/namespaces/${namespace}/${webFarmApi.plural}`;
}

async function refusal(answer: Promise<string>): Promise<string | undefined> {
  try {
    await answer;
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
