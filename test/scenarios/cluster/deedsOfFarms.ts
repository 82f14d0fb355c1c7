// Steps about WebFarms on the real control plane: what a person writes into them.

import { webFarm } from "../../world/manifests.ts";
import type { Deeds } from "./deeds.ts";
import { farmPath } from "./objects.ts";
import type { StoredFarm } from "./objects.ts";
import type { Stage } from "./stage.ts";

type Kinds =
  | `farm${"Made" | "MadeFor" | "Deleted" | "Policy" | "DeletionPolicy" | "Owner" | "FormerOwner" | "Secret" | "FailOpen" | "NodeLost"}`
  | `farm${"Limit" | "Unlimited" | "Suspended" | "Resumed" | "DeploymentMember" | "SetMember" | "LabelMember" | "MemberGone"}`
  | `farm${"Approved" | "SkipCleanup" | "Forced"}`;

export const deedsOfFarms: Deeds<Kinds> = {
  farmMade: async (stage, { farm, policy }) => await make(stage, { farm, policy, ownerId: stage.foresight.owners.get(farm) }),
  farmMadeFor: async (stage, { farm, policy, owner }) => await make(stage, { farm, policy, ownerId: owner }),
  farmDeleted: async (stage, { farm }) => {
    const { spec } = await stage.farm(farm);
    if (spec.deletionPolicy === "RemoveAll") stage.judge.allowRemoveAll();
    await stage.api.json({ method: "DELETE", path: farmPath(stage.at(farm)) });
  },
  farmPolicy: async (stage, { farm, policy }) => await respec(stage, farm, { policy }),
  farmDeletionPolicy: async (stage, { farm, policy }) => await respec(stage, farm, { deletionPolicy: policy }),
  farmOwner: () => Promise.resolve(), // done when the WebFarm was made (foresight.ts)
  farmFormerOwner: async (stage, { farm, owner }) => {
    const { spec } = (await stage.farm(farm)) as StoredFarm & { readonly spec: { readonly formerOwnerIds?: readonly string[] } };
    await respec(stage, farm, { formerOwnerIds: [...(spec.formerOwnerIds ?? []), owner] });
  },
  farmSecret: async (stage, { farm, secret }) =>
    await respec(stage, farm, { database: { connectionStringSecretRef: { name: secret, key: "CMSConnectionString" } } }),
  farmFailOpen: async (stage, { farm, duration }) => await respec(stage, farm, { readinessGate: { failOpenSeconds: duration / 1_000 } }),
  farmNodeLost: async (stage, { farm, duration }) => await respec(stage, farm, { removal: { nodeLostSeconds: duration / 1_000 } }),
  farmLimit: async (stage, { farm, count }) => await respec(stage, farm, { maxServers: count }),
  farmUnlimited: async (stage, { farm }) => await respec(stage, farm, { maxServers: 0 }),
  farmSuspended: async (stage, { farm }) => await respec(stage, farm, { suspend: true }),
  farmResumed: async (stage, { farm }) => await respec(stage, farm, { suspend: false }),
  farmDeploymentMember: async (stage, { farm, member, name }) => await putMember(stage, farm, workload(member, "Deployment", name)),
  farmSetMember: async (stage, { farm, member, name }) => await putMember(stage, farm, workload(member, "StatefulSet", name)),
  farmLabelMember: async (stage, { farm, member, label }) =>
    await putMember(stage, farm, { name: member, selector: { matchLabels: { app: label } } }),
  farmMemberGone: async (stage, { farm, member }) => {
    const members = (await membersOf(stage, farm)).filter(({ name }) => name !== member);
    await respec(stage, farm, { members });
  },
  farmApproved: async (stage, { farm }) => {
    await stage.until(`${farm} publishes a plan`, async () => (await stage.farm(farm)).status?.plan?.digest !== undefined);
    const { digest, unexplained = [] } = (await stage.farm(farm)).status?.plan ?? {};
    stage.judge.approve(unexplained.map(({ serverID }) => serverID));
    await annotate(stage, farm, "approve-removals", digest ?? "");
  },
  farmSkipCleanup: async (stage, { farm }) => await annotate(stage, farm, "skip-cleanup", "true"),
  farmForced: async (stage, { farm }) => await annotate(stage, farm, "reconcile-at", String(stage.count(`pass of ${farm}`))),
};

interface Made {
  readonly farm: string;
  readonly policy: string;
  readonly ownerId: string | undefined;
}

async function make(stage: Stage, { farm, policy, ownerId }: Made): Promise<void> {
  const { namespace, name } = stage.at(farm);
  const members = [{ name: "live", workloadRef: { apiVersion: "apps/v1", kind: "Deployment" as const, name } }];
  const body = webFarm(namespace, name, { policy: policy as "Sync", members, ...(ownerId !== undefined && { ownerId }) });
  await stage.api.json({ method: "POST", path: farmPath({ namespace, name: "" }), body });
}

type Member = { readonly name: string } & Readonly<Record<string, unknown>>;

const workload = (member: string, kind: string, name: string): Member => ({
  name: member,
  workloadRef: { apiVersion: "apps/v1", kind, name },
});

const membersOf = async (stage: Stage, farm: string): Promise<readonly Member[]> =>
  (await stage.farm(farm)).spec.members as readonly Member[];

/** Resolves when an operator that can has seen it, as in the simulated world. */
async function respec(stage: Stage, farm: string, spec: object): Promise<void> {
  await stage.patch(farmPath(stage.at(farm)), { spec });
  const canSee = [...stage.operators.values()].some(({ process }) => process !== undefined);
  if (!canSee || stage.isDisturbed) return;
  await stage.until(`the change of ${farm} is seen`, async () => {
    const { metadata, status } = await stage.farm(farm);
    return status?.observedGeneration === metadata.generation;
  });
}

async function putMember(stage: Stage, farm: string, member: Member): Promise<void> {
  const members = await membersOf(stage, farm);
  const at = members.findIndex(({ name }) => name === member.name);
  await respec(stage, farm, {
    members: at < 0 ? [...members, member] : members.toSpliced(at, 0, member).filter((one) => one === member || one.name !== member.name),
  });
}

const annotate = async (stage: Stage, farm: string, name: string, value: string): Promise<void> =>
  await stage.patch(farmPath(stage.at(farm)), { metadata: { annotations: { [`webfarm.dev/${name}`]: value } } });
