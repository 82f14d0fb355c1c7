// One farm of a test with a database of its own: a workload, the WebFarm that keeps its rows, and a witness that looks all the while
// whether a row went before its pod had ended, a pod was Ready without its row, or a name had two rows.

import { randomUUID } from "node:crypto";
import type { WebFarmStatus } from "../../operator/farm/resource.generated.ts";
import { openTestDatabase } from "../database/database.ts";
import type { TestDatabase } from "../database/database.ts";
import type { FarmWorld, PodSummary } from "./farmWorld.ts";
import { application, secret, webFarm } from "./manifests.ts";
import type { AppOptions, SpecPart } from "./manifests.ts";
import { until } from "./until.ts";
import type { UntilOptions } from "./until.ts";
import { startWitness } from "./witness.ts";
import { usual } from "./generations.ts";
import type { Kentico } from "./generations.ts";
import { insertForeign, isRowOf as isMarkedFor, wholeRows } from "./wholeRow.ts";
import type { ForeignRow, WholeRow } from "./wholeRow.ts";
import type { Witness } from "./witness.ts";

export type Server = NonNullable<WebFarmStatus["servers"]>[number];

export interface ShopFarmOptions extends Omit<AppOptions, "namespace" | "name"> {
  /** Of the workload, the WebFarm, the Secret and the label app. */
  readonly name: string;
  readonly spec?: SpecPart;
  /** How the farm finds the pods; default its workload. */
  readonly by?: "workload" | "selector";
  /** Rows that were there before. */
  readonly foreign?: readonly ForeignRow[];
  /** Of the database that is made for it; default the usual one, Kentico 13 in Manual mode. */
  readonly kentico?: Kentico;
  /** Made before, by openShopDatabase; it goes with the farm. Default one of its own. */
  readonly database?: TestDatabase;
  /** Whether a row is that of a pod; default by its mark. */
  readonly isRowOf?: (pod: PodSummary, row: WholeRow) => boolean;
  /** A farm whose database this one uses too. */
  readonly sharing?: ShopFarm;
}

export interface ShopFarm {
  readonly name: string;
  readonly database: TestDatabase;
  readonly witness: Witness;
  readonly rows: () => Promise<readonly WholeRow[]>;
  readonly names: () => Promise<readonly string[]>;
  readonly row: (name: string) => Promise<WholeRow | undefined>;
  readonly pods: () => Promise<readonly PodSummary[]>;
  /** Neither terminating nor ended. */
  readonly alive: () => Promise<readonly PodSummary[]>;
  readonly status: () => Promise<WebFarmStatus>;
  readonly server: (name: string) => Promise<Server | undefined>;
  /** Status, reason and message of a condition: "False/AutomaticMode The web farm is …"; empty where there is none. */
  readonly condition: (type: string) => Promise<string>;
  /** Has a pass made now. */
  readonly nudge: () => Promise<unknown>;
  readonly scale: (replicas: number) => Promise<unknown>;
  readonly annotate: (pod: string, ...annotations: readonly string[]) => Promise<unknown>;
  readonly deletePod: (pod: string, how?: "kindly" | "by force") => Promise<unknown>;
  readonly until: (what: string, condition: () => Promise<boolean> | boolean, options?: UntilOptions) => Promise<void>;
  /** Resolves when so many pods live, all are Ready, and the rows besides the foreign ones are theirs, each with its pod's mark. */
  readonly settled: (pods: number) => Promise<void>;
  /** Ends the witness and the database, once; resolves to what the witness saw that must not be. */
  readonly close: () => Promise<readonly string[]>;
}

export const isAlive = ({ terminating, phase }: PodSummary): boolean => !terminating && phase !== "Succeeded" && phase !== "Failed";

export const openShopDatabase = async (kentico: Kentico = usual.operator.kentico): Promise<TestDatabase> =>
  await openTestDatabase({ kentico });

export type OpenShopFarm = (world: FarmWorld, options: ShopFarmOptions) => Promise<ShopFarm>;

/** A test that tells a story of farms: they are closed when it ends, and what a witness saw fails it too. */
export function story<Args extends readonly unknown[]>(
  tell: (open: OpenShopFarm, ...args: Args) => Promise<void>,
): (...args: Args) => Promise<void> {
  return async (...args) => {
    const farms: ShopFarm[] = [];
    const open: OpenShopFarm = async (world, options) => {
      const farm = await createShopFarm(world, options);
      farms.push(farm);
      return farm;
    };
    const failures: unknown[] = [];
    await tell(open, ...args).catch((error: unknown) => failures.push(error));
    for (const farm of farms) {
      const seen = await farm.close().catch((error: unknown) => [String(error)]);
      if (seen.length > 0) failures.unshift(new Error(`The witness saw ${seen.join("; ")}`, { cause: failures[0] }));
    }
    if (failures.length > 0) throw failures[0];
  };
}

async function createShopFarm(world: FarmWorld, options: ShopFarmOptions): Promise<ShopFarm> {
  const { name, kind = "Deployment" } = options;
  const database = options.sharing?.database ?? options.database ?? (await openShopDatabase(options.kentico));
  for (const row of options.foreign ?? []) await insertForeign(database, row);
  const foreign = new Set((options.foreign ?? []).map((row) => row.name));
  const member =
    options.by === "selector"
      ? { name: "live", selector: { matchLabels: { app: name } } }
      : { name: "live", workloadRef: { apiVersion: "apps/v1", kind, name } };
  const spec: SpecPart = {
    database: { connectionStringSecretRef: { name, key: "CMSConnectionString" } },
    members: [member],
    ...options.spec,
  };
  const rows = (): Promise<readonly WholeRow[]> => wholeRows(database);
  const pods = (): Promise<readonly PodSummary[]> => world.pods(`farm=${name}`); // a label that no selector looks at
  const alive = async (): Promise<readonly PodSummary[]> => (await pods()).filter(isAlive);
  const status = (): Promise<WebFarmStatus> => world.status(name);
  await world
    .apply(
      secret(world.namespace, name, { CMSConnectionString: database.connectionStringFor(await database.createLogin()) }),
      webFarm(world.namespace, name, spec),
      application({ graceSeconds: 1, ...options, namespace: world.namespace, labels: { ...options.labels, farm: name } }),
    )
    .catch(async (error: unknown) => {
      if (options.sharing === undefined) await database.close(); // nobody else knows of it
      throw error;
    });
  const { isRowOf = isMarkedFor } = options;
  const witness = startWitness({ rows, pods, isRowOf });
  const waited = (what: string, condition: () => Promise<boolean> | boolean, untilOptions: UntilOptions = {}): Promise<void> =>
    until(`${name}: ${what}`, condition, {
      ...{ everyMs: 100, timeoutMs: 90_000 },
      seen: async () => ({
        rows: await rows(),
        pods: await pods(),
        status: await status(),
        log: world.operator.lines.filter(({ farm, level }) => farm === `${world.namespace}/${name}` || level !== "debug").slice(-15),
        stderr: world.operator.stderr(),
      }),
      ...untilOptions,
    });
  let closing: Promise<readonly string[]> | undefined;
  const close = (): Promise<readonly string[]> => (closing ??= closeOnce());
  const closeOnce = async (): Promise<readonly string[]> => {
    const seen = await witness.stop();
    if (database.real) await leave(world, name);
    if (options.sharing === undefined) await database.close();
    return seen.map((what) => `${name}: ${what}`);
  };
  world.beforeClose(() => close().catch(() => undefined)); // whoever told the story has heard of it
  return {
    ...{ name, database, witness, rows, pods, alive, status, until: waited },
    names: async () => (await rows()).map(({ ServerName }) => ServerName),
    row: async (wanted) => (await rows()).find(({ ServerName }) => ServerName === wanted),
    condition: async (type) => {
      const found = (await status()).conditions?.find((candidate) => candidate.type === type);
      return found === undefined ? "" : `${found.status}/${found.reason} ${found.message}`;
    },
    nudge: () => world.kubectl("annotate", "wf", name, "--overwrite", `webfarm.dev/reconcile-at=${randomUUID()}`),
    server: async (wanted) => (await status()).servers?.find((server) => server.name === wanted),
    scale: (replicas) => world.kubectl("scale", kind, name, `--replicas=${replicas}`),
    annotate: (pod, ...annotations) => world.kubectl("annotate", "pod", pod, "--overwrite", ...annotations),
    deletePod: (pod, how = "kindly") =>
      world.kubectl("delete", "pod", pod, "--wait=false", ...(how === "by force" ? ["--force", "--grace-period=0"] : [])),
    settled: (count) =>
      waited(`${count} pods live, are Ready and have their rows`, async () => {
        const living = await alive();
        const ours = (await rows()).filter(({ ServerName }) => !foreign.has(ServerName));
        return (
          living.length === count &&
          ours.length === count &&
          living.every((pod) => pod.ready && pod.gate === "Registered" && ours.some((row) => isRowOf(pod, row)))
        );
      }),
    close,
  };
}

/** A real server does not drop a database that the operator goes on asking. */
async function leave(world: FarmWorld, name: string): Promise<void> {
  await world.kubectl("annotate", "wf", name, "--overwrite", "webfarm.dev/skip-cleanup=true");
  await world.kubectl("delete", "wf", name, "--ignore-not-found", "--timeout=20s");
}
