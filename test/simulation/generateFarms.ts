// Random things that people do to WebFarms and to the database.

import { onFarm, onRow } from "./generateMoment.ts";
import type { FarmShape, Kind } from "./generateMoment.ts";
import type { Random } from "./generateRandom.ts";
import type { Step } from "./steps.ts";

/** Names that pods will have, that they had, and others. */
const rowNames = ["shop-0", "shop-1", "shop-b", "shop-c", "shop-d", "shop-e", "old"];

/** With its owner, if it has one; a StatefulSet is told apart afterwards, as a person would correct it. */
export function farmMade({ name, owner, kind, workload }: FarmShape, random: Random): readonly Step[] {
  const policy = random.oneIn(5) ? random.pick(["Observe", "CreateOnly", "UpsertOnly"]) : "Sync";
  return [
    owner === undefined ? { kind: "farmMade", farm: name, policy } : { kind: "farmMadeFor", farm: name, policy, owner },
    kind === "StatefulSet"
      ? { kind: "farmSetMember", farm: name, member: "live", name: workload }
      : { kind: "farmDeploymentMember", farm: name, member: "live", name: workload },
  ];
}

const wrongOwner = "eu-1/former";

export const kindsOfFarms: readonly Kind[] = [
  {
    name: "policy",
    weight: 3,
    make: onFarm(({ name }, random) => ({
      kind: "farmPolicy",
      farm: name,
      policy: random.pick(["Sync", "Sync", "Sync", "UpsertOnly", "CreateOnly", "Observe"]),
    })),
  },
  { name: "suspend", weight: 1, make: onFarm(({ name }) => ({ kind: "farmSuspended", farm: name })) },
  { name: "resume", weight: 2, make: onFarm(({ name }) => ({ kind: "farmResumed", farm: name })) },
  {
    name: "newer field",
    weight: 1,
    make: onFarm(({ name }, random) => ({ kind: random.oneIn(2) ? "farmNewer" : "farmOlder", farm: name })),
  },
  {
    name: "deletion policy",
    weight: 2,
    make: onFarm(({ name }, random) => ({
      kind: "farmDeletionPolicy",
      farm: name,
      policy: random.pick(["RemoveStale", "RemoveAll", "Retain"]),
    })),
  },
  { name: "delete farm", weight: 2, make: onFarm(({ name }) => ({ kind: "farmDeleted", farm: name })) },
  { name: "make farm", weight: 4, make: onFarm((farm, random) => farmMade(farm, random)) },
  { name: "approve", weight: 8, make: onFarm(({ name }) => ({ kind: "farmApproved", farm: name })) },
  { name: "skip cleanup", weight: 1, make: onFarm(({ name }) => ({ kind: "farmSkipCleanup", farm: name })) },
  { name: "force", weight: 2, make: onFarm(({ name }) => ({ kind: "farmForced", farm: name })) },
  {
    name: "node lost",
    weight: 1,
    make: onFarm(({ name }, random) => ({ kind: "farmNodeLost", farm: name, duration: random.pick([60_000, 300_000, 600_000]) })),
  },
  {
    name: "fail open",
    weight: 1,
    make: onFarm(({ name }, random) => ({ kind: "farmFailOpen", farm: name, duration: random.pick([0, 30_000, 300_000]) })),
  },
  {
    name: "former owner",
    weight: 1,
    make: onFarm(({ name }, random) => ({ kind: "farmFormerOwner", farm: name, owner: random.pick([wrongOwner, "eu-1/shop"]) })),
  },
  {
    name: "member",
    weight: 1,
    make: onFarm(({ name: farm, workload }, random) =>
      random.pick<Step>([
        { kind: "farmDeploymentMember", farm, member: "live", name: random.pick([workload, "shpo"]) },
        { kind: "farmLabelMember", farm, member: "live", label: random.pick(["shop", "shpo"]) },
        { kind: "farmSetMember", farm, member: "more", name: random.pick([workload, "shpo"]) },
        { kind: "farmMemberGone", farm, member: random.pick(["live", "more"]) },
      ]),
    ),
  },

  { name: "person inserts", weight: 2, make: ({ random }) => ({ kind: "rowInserted", row: random.pick(rowNames) }) },
  { name: "person deletes", weight: 2, make: onRow((row) => ({ kind: "rowDeleted", row })) },
  { name: "person renames", weight: 1, make: onRow((row, random) => ({ kind: "rowRenamed", row, name: random.pick(rowNames) })) },
  { name: "person copies", weight: 1, make: onRow((row, random) => ({ kind: "rowCopied", row, name: random.pick(rowNames) })) },
  { name: "person switches", weight: 1, make: onRow((row, random) => ({ kind: random.oneIn(2) ? "rowDisabled" : "rowEnabled", row })) },
  { name: "bindings", weight: 1, make: onRow((row, random) => ({ kind: "rowBound", row, count: random.pick([10, 2_500, 7_000]) })) },
  { name: "save database", weight: 3, make: () => ({ kind: "databaseSaved" }) },
  {
    name: "restore database",
    weight: 5,
    make: ({ world }) => (world.truth.database("main").hasSaved ? { kind: "databaseRestored" } : undefined),
  },
  {
    name: "database gone or back",
    weight: 2,
    make: ({ world }) => ({ kind: world.truth.database("main").isGone ? "databaseBack" : "databaseGone" }),
  },
];
