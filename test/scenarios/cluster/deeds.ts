// What each step does on a real control plane, and why some steps cannot be done there. A kind of step that nobody thought of here cannot
// be played.

import { defaultCluster } from "../../simulation/names.ts";
import type { Step, StepKind, StepOf } from "../../simulation/steps.ts";
import { deedsOfDatabases } from "./deedsOfDatabases.ts";
import { deedsOfFarms } from "./deedsOfFarms.ts";
import { deedsOfOperators, statements } from "./deedsOfOperators.ts";
import { deedsOfPods } from "./deedsOfPods.ts";
import { deedsOfWorkloads } from "./deedsOfWorkloads.ts";
import type { Stage } from "./stage.ts";

/** Resolves when it is done, not when something has come of it. */
export type Deeds<Kind extends StepKind> = { readonly [K in Kind]: (stage: Stage, step: StepOf<K>) => Promise<void> };

const deedsOfStore: Deeds<"etcdSaved" | "etcdRestored"> = {
  etcdSaved: async (stage) => await stage.saveStore(),
  etcdRestored: async (stage) => await stage.restoreStore(),
};

const deeds: Partial<Deeds<StepKind>> = {
  ...deedsOfWorkloads,
  ...deedsOfPods,
  ...deedsOfFarms,
  ...deedsOfOperators,
  ...deedsOfDatabases,
  ...deedsOfStore,
};

/** Any step but the passing of time. */
export async function play(stage: Stage, step: Step): Promise<void> {
  const deed = deeds[step.kind] as ((stage: Stage, step: Step) => Promise<void>) | undefined;
  if (deed === undefined) throw new Error(`No ${step.kind} can be played on a real control plane`);
  await deed(stage, step);
}

const onlyAtFirst: readonly StepKind[] = ["podsGrace", "podsWithoutGate", "farmOwner"];
/** Those that the API server takes. */
const policies = ["Observe", "CreateOnly", "UpsertOnly", "Sync"];

/** Why the step cannot be played; undefined: it can. `isGiven`: it comes before the first `When`. */
export function obstacle(step: Step, isGiven: boolean): string | undefined {
  if (step.kind === "timePasses") return undefined;
  if (step.at?.cluster !== undefined && step.at.cluster !== defaultCluster) return "there is one control plane";
  if (deeds[step.kind] === undefined) return "nobody can do that there";
  if ("target" in step && statements[step.target] === undefined) return `no ${step.target} can be told apart on the wire`;
  if ("policy" in step && step.kind !== "farmDeletionPolicy" && !policies.includes(step.policy))
    return "the API server takes no such policy";
  if (onlyAtFirst.includes(step.kind) && !isGiven) return "what exists cannot be changed so; it has to be given";
  return undefined;
}
