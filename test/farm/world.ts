// A small model of a farm's world for properties: rows as the SQL would change them, live reads that tell the truth, and a clock that
// moves to the moment at which the plan wants to look again. It does what apply.ts does, on plain values.

import type { Approval } from "../../operator/farm/approval.ts";
import { confirmGone, isPodMissing, mayTakeRow } from "../../operator/farm/confirm.ts";
import type { LiveRead } from "../../operator/farm/confirm.ts";
import { mostServers } from "../../operator/farm/limit.ts";
import { registeredLate } from "../../operator/farm/lateRegistration.ts";
import { kinship } from "../../operator/farm/mark.ts";
import { emptyMemory, remember, rowKey } from "../../operator/farm/memory.ts";
import type { FarmMemory } from "../../operator/farm/memory.ts";
import type { Milliseconds, Pod, ServerRow } from "../../operator/farm/model.ts";
import type { MemberObservation, Observation, OrdinalRange } from "../../operator/farm/observation.ts";
import { planFarm } from "../../operator/farm/plan.ts";
import type { Plan } from "../../operator/farm/plan.ts";
import { authorityOf, permitted } from "../../operator/farm/policy.ts";
import type { Actions } from "../../operator/farm/policy.ts";
import { comparable } from "../../operator/farm/serverName.ts";
import { identity, observation, table } from "./build.ts";
import type { Gone, farm } from "./build.ts";

export interface World {
  readonly farm: ReturnType<typeof farm>;
  readonly members: readonly MemberObservation[];
  readonly statefulSets: readonly OrdinalRange[];
  /** What the cache shows. */
  readonly pods: readonly Pod[];
  readonly gone: readonly Gone[];
  /** What the API server has. */
  readonly live: readonly Pod[];
  readonly hasPings: boolean;
  /** In force all the while. */
  readonly approval: Approval | undefined;
  readonly rows: readonly ServerRow[];
  readonly memory: FarmMemory;
  readonly nowMs: Milliseconds;
}

export interface Round {
  readonly before: World;
  readonly after: World;
  readonly seen: Observation;
  readonly plan: Plan;
  readonly actions: Actions;
  readonly removed: readonly ServerRow[];
}

export const newWorld = (parts: Omit<World, "memory" | "nowMs">): World => ({ ...parts, memory: emptyMemory, nowMs: 1_000_000 });

export function observed({ rows, hasPings, live: _live, memory: _memory, ...scene }: World): Observation {
  const pings = new Map(rows.map(({ serverID }) => [serverID, "ping"]));
  return observation({ ...scene, table: table(rows, hasPings ? { pings } : {}) });
}

export function playRound(before: World): Round {
  const seen = observed(before);
  const { nowMs } = before;
  const remembered = watchOthers(remember(before.memory, seen), before);
  const plan = planFarm(seen, remembered);
  const actions = permitted(plan, authorityOf(seen));
  const live: LiveRead = { kind: "listed", pods: before.live };

  const inserted = insert(before.rows, actions, mostServers(seen) ?? Infinity);
  const marked = actions.marks.filter((remark) => mayTakeRow(remark, live));
  const newGuids = new Map(marked.map(({ row, newGuid }) => [rowKey(row), newGuid]));
  const confirmed = actions.removals.flatMap((removal) => confirmGone(removal, live, before.members, nowMs) ?? []);
  const removedKeys = new Set(confirmed.map(({ row }) => rowKey(row)));
  const rows = inserted
    .filter((row) => !removedKeys.has(rowKey(row)))
    .map((row) => ({ ...row, guid: newGuids.get(rowKey(row)) ?? row.guid }));

  const missingSince = new Map(remembered.missingSince);
  for (const row of plan.unconfirmed) if (isPodMissing(row, live)) missingSince.set(rowKey(row), { sinceMs: nowMs });
  const goneSince = new Map(plan.gone.map((key) => [key, remembered.goneSince.get(key) ?? nowMs]));
  const late = actions.inserts.filter((one) => one.late).map(({ claim }) => claim.pod.uid);
  const asMissing = confirmed.filter(({ evidence }) => evidence === "missing").map(({ row }) => [row.serverID, nowMs] as const);
  const memory: FarmMemory = {
    ...remembered,
    missingSince,
    goneSince,
    removedAsMissing: new Map([...remembered.removedAsMissing, ...asMissing]),
    equalNames: new Map([...remembered.equalNames, ...equalNames(inserted, actions)]),
    late: actions.inserts.length === 0 ? remembered.late : registeredLate(remembered.late, late, plan.lateQuota, nowMs),
  };
  const after = { ...before, rows, memory, nowMs: nowMs + (plan.lookAgainMs ?? 1_000) };
  return { before, after, seen, plan, actions, removed: confirmed.map(({ row }) => row) };
}

/** The unique index on the name decides, and how many rows are enabled, as in the database. */
function insert(rows: readonly ServerRow[], { inserts }: Actions, most: number): readonly ServerRow[] {
  let nextID = Math.max(0, ...rows.map(({ serverID }) => serverID)) + 1;
  const all = [...rows];
  for (const { name, guid } of inserts) {
    if (all.filter(({ enabled }) => enabled).length >= most) break;
    if (all.some((row) => comparable(row.name) === comparable(name))) continue;
    all.push({ serverID: nextID, name, guid, enabled: true });
    nextID += 1;
  }
  return all;
}

/** What the database answers for names that it did not insert. */
function equalNames(rows: readonly ServerRow[], { inserts }: Actions): readonly (readonly [string, ServerRow])[] {
  return inserts.flatMap(({ name, guid }) => {
    if (rows.some((row) => row.guid === guid)) return [];
    const found = rows.find((row) => comparable(row.name) === comparable(name));
    return found === undefined ? [] : [[comparable(name), found] as const];
  });
}

function watchOthers(memory: FarmMemory, { rows, nowMs }: World): FarmMemory {
  const silentSince = new Map(memory.silentSince);
  for (const row of rows) {
    const isWatched = kinship(row, identity).kind !== "otherCluster" || silentSince.has(rowKey(row));
    if (!isWatched) silentSince.set(rowKey(row), { sinceMs: nowMs, ping: "ping" });
  }
  return { ...memory, silentSince };
}
