// Steps about WebFarms: what a person writes into them.

import { key } from "./apiServer.ts";
import { named } from "./names.ts";
import type { Deeds, Place } from "./applyStep.ts";
import type { FarmMember, FarmObject, FarmSpec, WorkloadKind } from "./objects.ts";
import { needNamespace } from "./stepsOfCluster.ts";
import { deleteFarm } from "./workloads.ts";
import { Inapplicable } from "./inapplicable.ts";

type Kinds =
  | `farm${"Made" | "MadeFor" | "Deleted" | "Policy" | "DeletionPolicy" | "Owner" | "FormerOwner" | "Secret" | "FailOpen" | "NodeLost" | "Limit" | "Unlimited"}`
  | `farm${"Suspended" | "Resumed" | "Newer" | "Older" | "DeploymentMember" | "SetMember" | "LabelMember" | "MemberGone"}`
  | `farm${"Approved" | "SkipCleanup" | "Forced"}`;

export const stepsOfFarm: Deeds<Kinds> = {
  farmMade: (place, { farm, policy }) => makeFarm(place, farm, { policy }),
  // An owner is given at creation or never.
  farmMadeFor: (place, { farm, policy, owner }) => makeFarm(place, farm, { policy, ownerId: owner }),
  farmDeleted: (place, { farm }) => {
    const { namespace, name } = farmOf(place, farm);
    deleteFarm(place.truth, place.in.api, namespace, name);
  },
  farmPolicy: (place, { farm, policy }) => respec(place, farm, { policy }),
  farmDeletionPolicy: (place, { farm, policy }) => respec(place, farm, { deletionPolicy: policy }),
  farmOwner: (place, { farm, owner }) => respec(place, farm, { ownerId: owner }),
  farmFormerOwner: (place, { farm, owner }) =>
    respec(place, farm, { formerOwnerIds: [...(farmOf(place, farm).spec.formerOwnerIds ?? []), owner] }),
  farmSecret: (place, { farm, secret }) =>
    respec(place, farm, { database: { connectionStringSecretRef: { name: secret, key: "CMSConnectionString" } } }),
  farmFailOpen: (place, { farm, duration }) => respec(place, farm, { readinessGate: { failOpenSeconds: duration / 1_000 } }),
  farmNodeLost: (place, { farm, duration }) => respec(place, farm, { removal: { nodeLostSeconds: duration / 1_000 } }),
  farmLimit: (place, { farm, count }) => respec(place, farm, { maxServers: count }),
  farmUnlimited: (place, { farm }) => respec(place, farm, { maxServers: 0 }),
  farmSuspended: (place, { farm }) => respec(place, farm, { suspend: true }),
  farmResumed: (place, { farm }) => respec(place, farm, { suspend: false }),
  farmNewer: (place, { farm }) => respec(place, farm, { fieldOfNextYear: true }),
  farmOlder: (place, { farm }) => respec(place, farm, { fieldOfNextYear: undefined }),
  farmDeploymentMember: (place, { farm, member, name }) => putMember(place, farm, memberOf(member, "Deployment", name)),
  farmSetMember: (place, { farm, member, name }) => putMember(place, farm, memberOf(member, "StatefulSet", name)),
  farmLabelMember: (place, { farm, member, label }) => putMember(place, farm, { name: member, selector: { matchLabels: { app: label } } }),
  farmMemberGone: (place, { farm, member }) => {
    const members = farmOf(place, farm).spec.members.filter(({ name }) => name !== member);
    if (members.length === 0) throw new Inapplicable(`WebFarm ${farm} has no other member than ${member}`);
    respec(place, farm, { members });
  },
  farmApproved: (place, { farm }) => {
    const { digest } = (farmOf(place, farm).status["plan"] ?? {}) as { readonly digest?: string };
    if (digest === undefined) throw new Inapplicable(`WebFarm ${farm} publishes nothing to approve`);
    annotate(place, farm, "webfarm.dev/approve-removals", digest);
  },
  farmSkipCleanup: (place, { farm }) => annotate(place, farm, "webfarm.dev/skip-cleanup", "true"),
  farmForced: (place, { farm }) => annotate(place, farm, "webfarm.dev/reconcile-at", String(place.truth.nowMs)),
};

function makeFarm(place: Place, text: string, given: { readonly policy: string; readonly ownerId?: string }): void {
  const { namespace, name } = named(text);
  const { api } = place.in;
  if (api.farms.has(key(namespace, name))) throw new Inapplicable(`WebFarm ${text} is there`);
  needNamespace(place, namespace);
  const spec: FarmSpec = {
    ...{ ...given, registration: "Operator", members: [memberOf("live", "Deployment", name)] },
    database: { connectionStringSecretRef: { name: "kentico", key: "CMSConnectionString" } },
  };
  api.putFarm({
    ...{ uid: place.truth.newUid("farm"), namespace, name, resourceVersion: "", generation: 1, createdAtMs: place.truth.nowMs },
    ...{ finalizers: [], annotations: {}, spec, status: {} },
  });
}

const memberOf = (member: string, kind: WorkloadKind, name: string): FarmMember => ({
  name: member,
  workloadRef: { apiVersion: "apps/v1", kind, name },
});

function farmOf({ in: { api } }: Place, text: string): FarmObject {
  const { namespace, name } = named(text);
  const farm = api.farms.get(key(namespace, name));
  if (farm === undefined) throw new Inapplicable(`There is no WebFarm ${text}`);
  return farm;
}

/** `undefined` takes a field away. */
function respec(place: Place, text: string, changes: { readonly [field: string]: unknown }): void {
  const farm = farmOf(place, text);
  const spec = Object.fromEntries(Object.entries({ ...farm.spec, ...changes }).filter(([, value]) => value !== undefined));
  place.in.api.putFarm({ ...farm, generation: farm.generation + 1, spec: spec as unknown as FarmSpec });
}

function putMember(place: Place, text: string, member: FarmMember): void {
  const { members } = farmOf(place, text).spec;
  const others = members.filter(({ name }) => name !== member.name);
  const at = members.findIndex(({ name }) => name === member.name);
  respec(place, text, { members: at < 0 ? [...others, member] : others.toSpliced(at, 0, member) });
}

function annotate(place: Place, text: string, name: string, value: string): void {
  const farm = farmOf(place, text);
  place.in.api.putFarm({ ...farm, annotations: { ...farm.annotations, [name]: value } });
}
