// Scenes of a farm whose application registers itself: rows as the product writes them, and an inventory as the status has it.

import { stored, withInventory } from "../../operator/farm/inventory.ts";
import { readMark } from "../../operator/farm/mark.ts";
import { rowKey } from "../../operator/farm/memory.ts";
import type { FarmMemory } from "../../operator/farm/memory.ts";
import type { Pod, ServerRow } from "../../operator/farm/model.ts";
import type { MemberObservation, Observation } from "../../operator/farm/observation.ts";
import { planFarm } from "../../operator/farm/plan.ts";
import type { Plan } from "../../operator/farm/plan.ts";
import type { InventoryEntry, WebFarmSpec } from "../../operator/farm/resource.generated.ts";
import { farm, foreignRow, member, memory, observation, table } from "./build.ts";
import type { Scene } from "./build.ts";

export interface ApplicationScene extends Omit<Scene, "farm" | "members"> {
  /** status.inventory as the API server has it. */
  readonly inventory?: readonly InventoryEntry[];
  /** The template of the one member. */
  readonly serverName?: string;
  readonly spec?: Partial<WebFarmSpec>;
  readonly deletionAtMs?: number;
  readonly pings?: ReadonlyMap<number, string>;
  readonly truncated?: boolean;
  /** The process was started, or took over, when the pods had gone. */
  readonly areUsesUnseen?: boolean;
  readonly members?: readonly MemberObservation[];
}

/** A row as the product inserts it for a pod. */
export const appRow = (of: Pick<Pod, "name">, changes: Partial<ServerRow> = {}): ServerRow =>
  foreignRow({ serverID: 1, name: of.name, guid: "11111111-2222-4333-9444-555555555555", ...changes });

/** What is remembered of that row. */
export const entryOf = (row: ServerRow, pod: Pod): InventoryEntry => ({
  serverName: row.name,
  serverID: row.serverID,
  pod: pod.name,
  podUID: pod.uid,
  ...(row.guid !== null && { guid: row.guid }),
});

export function seen(scene: ApplicationScene): Observation {
  const { inventory, serverName = "$(POD_NAME)", spec, deletionAtMs, pings, truncated = false, rows = [], members, ...others } = scene;
  const { areUsesUnseen: _ofThePlan, ...rest } = others;
  const kept = spec?.members ?? [{ name: "live", serverName, workloadRef: { apiVersion: "apps/v1", kind: "Deployment", name: "shop" } }];
  return withInventory(
    observation({
      farm: farm({
        ...(deletionAtMs !== undefined && { deletionAtMs }),
        spec: { registration: "Application", ...spec, members: kept },
        status: inventory === undefined ? {} : { inventory },
      }),
      members: members ?? [member({ serverName })],
      table: table(rows, { pings, truncated, facts: { product: "XbyK" } }),
      ...rest,
    }),
    memory(),
  );
}

/** This process saw each row in the use of the pod that it is remembered as, and nobody else's since. */
export function usesOf(scene: ApplicationScene): FarmMemory["users"] {
  const { table: read, pods } = seen(scene);
  const rows = read.kind === "read" ? read.read.rows : [];
  return new Map(
    rows.flatMap((row) => {
      const mark = readMark(row.guid);
      const user = mark === undefined ? undefined : pods.seen(mark.pod)?.pod.uid;
      return user === undefined ? [] : [[rowKey(stored(row)), user]];
    }),
  );
}

/** The plan of a process that saw each pod use its row, unless the scene says that it did not. */
export const planOf = (scene: ApplicationScene, remembered: FarmMemory = memory()): Plan =>
  planFarm(seen(scene), scene.areUsesUnseen === true ? remembered : { ...remembered, users: usesOf(scene) });
