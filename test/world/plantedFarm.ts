// A workload and its WebFarm in a world whose database several farms share: what is asked here is asked of this farm alone, told apart by
// the name with which its pods and so its rows begin.

import type { WebFarmSpec, WebFarmStatus } from "../../operator/farm/resource.generated.ts";
import type { FarmWorld, PodSummary, Row } from "./farmWorld.ts";
import { application, webFarm } from "./manifests.ts";
import type { AppOptions, SpecPart } from "./manifests.ts";
import type { UntilOptions } from "./until.ts";

export interface PlantOptions extends Omit<AppOptions, "namespace"> {
  /** Of the workload, its pods' first part, and the WebFarm; of no farm's name the beginning. */
  readonly name: string;
  readonly spec?: SpecPart;
  /** Which of the two are applied now; default both. */
  readonly parts?: "both" | "workload" | "farm";
}

export interface PlantedFarm {
  readonly name: string;
  readonly rows: () => Promise<readonly Row[]>;
  readonly pods: () => Promise<readonly PodSummary[]>;
  readonly status: () => Promise<WebFarmStatus>;
  /** Status, reason and message of a condition: "False/SecretNotFound there is no …"; empty where there is none. */
  readonly condition: (type: string) => Promise<string>;
  /** `Pending/LateRegistration`, by server name. */
  readonly states: () => Promise<Readonly<Record<string, string>>>;
  readonly finalizers: () => Promise<string>;
  readonly scale: (replicas: number) => Promise<unknown>;
  /** Merges into spec. */
  readonly change: (spec: SpecPart) => Promise<unknown>;
  /** Has a pass made now, whatever the cause. */
  readonly nudge: () => Promise<unknown>;
  readonly until: (what: string, condition: () => Promise<boolean> | boolean, options?: UntilOptions) => Promise<void>;
  /** Waits until the condition reads so. */
  readonly untilCondition: (type: string, wanted: RegExp, options?: UntilOptions) => Promise<void>;
  /** Waits until so many pods are Ready by a gate with this reason, and so many rows are there. */
  readonly settled: (wanted: { readonly pods: number; readonly rows: number; readonly gate?: string }) => Promise<void>;
}

let nudges = 0;

export async function plantFarm(world: FarmWorld, options: PlantOptions): Promise<PlantedFarm> {
  const { name, kind = "Deployment", spec, parts = "both" } = options;
  const { namespace, kubectl } = world;
  const members: WebFarmSpec["members"] = [{ name: "live", workloadRef: { apiVersion: "apps/v1", kind, name } }];
  const objects = [
    ...(parts === "farm" ? [] : [application({ graceSeconds: 1, replicas: 1, ...options, namespace })]),
    ...(parts === "workload" ? [] : [webFarm(namespace, name, { members, ...spec })]),
  ];
  await world.apply(...objects);
  const rows = async (): Promise<readonly Row[]> => (await world.rows()).filter(({ ServerName }) => ServerName.startsWith(`${name}-`));
  const pods = (): Promise<readonly PodSummary[]> => world.pods(`app=${name}`);
  const status = (): Promise<WebFarmStatus> => world.status(name);
  const condition = async (type: string): Promise<string> => {
    const found = (await status()).conditions?.find((candidate) => candidate.type === type);
    return found === undefined ? "" : `${found.status}/${found.reason} ${found.message}`;
  };
  const until = (what: string, wanted: () => Promise<boolean> | boolean, untilOptions: UntilOptions = {}): Promise<void> =>
    world.until(`${name}: ${what}`, wanted, {
      timeoutMs: 90_000,
      seen: async () => ({
        rows: await rows(),
        pods: await pods(),
        status: await status(),
        log: world.operator.lines.filter(({ farm }) => farm === `${namespace}/${name}`).slice(-10),
        stderr: world.operator.stderr(),
      }),
      ...untilOptions,
    });
  return {
    ...{ name, rows, pods, status, condition, until },
    states: async () =>
      Object.fromEntries(((await status()).servers ?? []).map((server) => [server.name, `${server.state}/${server.reason}`])),
    finalizers: () => kubectl("get", "wf", name, "-o", "jsonpath={.metadata.finalizers}"),
    scale: (replicas) => kubectl("scale", kind, name, `--replicas=${replicas}`),
    change: (part) => kubectl("patch", "wf", name, "--type=merge", "-p", JSON.stringify({ spec: part })),
    nudge: () => kubectl("annotate", "wf", name, "--overwrite", `webfarm.dev/reconcile-at=${(nudges += 1)}`),
    untilCondition: (type, wanted, untilOptions) =>
      until(`${type} is ${wanted.source}`, async () => wanted.test(await condition(type)), untilOptions),
    settled: ({ pods: podCount, rows: rowCount, gate }) =>
      until(`${podCount} pods are Ready (${gate ?? "any gate"}) and ${rowCount} rows are there`, async () => {
        const living = await pods();
        return (
          living.length === podCount &&
          living.every((pod) => pod.ready && (gate === undefined || pod.gate === gate)) &&
          (await rows()).length === rowCount
        );
      }),
  };
}
