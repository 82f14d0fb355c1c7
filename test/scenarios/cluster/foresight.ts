// What a scenario will need, read from its steps before the first of them is played: some of it cannot be had later on a real control plane
// (the grace of pods that exist, the owner of a WebFarm that exists).

import { named } from "../../simulation/names.ts";
import type { Step } from "../../simulation/steps.ts";

export interface Foresight {
  /** As scenario files name them. */
  readonly namespaces: ReadonlySet<string>;
  readonly operators: ReadonlySet<string>;
  /** They compete for a Lease. */
  readonly isElected: boolean;
  /** Operators for which the API will be silent. */
  readonly silenced: ReadonlySet<string>;
  /** By the name of a workload, in the text of the steps. */
  readonly graceSeconds: ReadonlyMap<string, number>;
  readonly withoutGate: ReadonlySet<string>;
  /** By the name of a WebFarm. */
  readonly owners: ReadonlyMap<string, string>;
}

/** `given`: the steps before the first `When`; `all`: these too. */
export function foresee(given: readonly Step[], all: readonly Step[], isElected: boolean): Foresight {
  const texts = all.flatMap((step) => objectsOf(step));
  return {
    isElected,
    namespaces: new Set(texts.map((text) => named(text).namespace)),
    operators: new Set(all.flatMap((step) => ("operator" in step ? [step.operator] : []))),
    silenced: new Set(all.flatMap((step) => (step.kind === "apiSilent" ? [step.operator] : []))),
    graceSeconds: new Map(given.flatMap((step) => (step.kind === "podsGrace" ? [[step.name, Math.round(step.duration / 1_000)]] : []))),
    withoutGate: new Set(given.flatMap((step) => (step.kind === "podsWithoutGate" ? [step.name] : []))),
    owners: new Map(given.flatMap((step) => (step.kind === "farmOwner" ? [[step.farm, step.owner]] : []))),
  };
}

/** Names of objects in namespaces that a step speaks of. */
function objectsOf(step: Step): readonly string[] {
  if (step.kind === "namespaceMade" || step.kind === "namespaceDeleted") return [`${step.name}/`];
  return [
    ...("pod" in step ? [step.pod] : []),
    ...("farm" in step ? [step.farm] : []),
    ...("secret" in step ? [step.secret] : []),
    ...("name" in step && /^(deployment|set|pods)/.test(step.kind) ? [step.name] : []),
  ];
}
