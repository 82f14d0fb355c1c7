// What a farm may do to the database now, and which of a plan's actions that leaves. A plan is always made whole; what may not be done
// is shown in status.plan, so that Observe, suspend and read-only cost nothing and hide nothing.

import type { Observation } from "./observation.ts";
import type { Plan } from "./plan.ts";
import { settingsVerdict } from "./settings.ts";

/** Why a farm does not write at all; also the reason of the readiness gate, which opens at once (but for the last). */
export type Silence = "UnsupportedField" | "Suspended" | "ReadOnly" | "Observe" | "SettingsIncompatible" | "TooManyRows";

export interface Authority {
  readonly create: boolean;
  readonly update: boolean;
  readonly remove: boolean;
  readonly silence?: Silence;
}

const nothing = (silence: Silence): Authority => ({ create: false, update: false, remove: false, silence });

export function authorityOf(observation: Observation): Authority {
  const { farm, table, readOnly } = observation;
  if (farm.unsupported.length > 0) return nothing("UnsupportedField");
  if (farm.spec.suspend === true) return nothing("Suspended");
  if (readOnly) return nothing("ReadOnly");
  if (farm.spec.policy === "Observe") return nothing("Observe");
  if (settingsVerdict(farm.spec, table).status !== "True") return nothing("SettingsIncompatible");
  if (table.kind === "read" && table.read.truncated) return nothing("TooManyRows");
  const living = farm.deletionAtMs === undefined;
  switch (farm.spec.policy) {
    case "CreateOnly":
      return { create: living, update: false, remove: false };
    case "UpsertOnly":
      return { create: living, update: living, remove: false };
    case "Sync":
      return { create: living, update: living, remove: true };
  }
}

/** The farm never writes in its present state, whatever the database says: its finalizer is not needed and gates open at once. */
export function isSilencedByPerson(authority: Authority): boolean {
  switch (authority.silence) {
    case "UnsupportedField":
    case "Suspended":
    case "ReadOnly":
    case "Observe":
      return true;
    case "SettingsIncompatible":
    case "TooManyRows":
    case undefined:
      return false;
  }
}

export type Actions = Pick<Plan, "inserts" | "marks" | "removals">;

/** The part of a plan that may be done. Giving a row to the next pod of its name is creation: nobody else has use for that row. */
export function permitted(plan: Actions, authority: Authority): Actions {
  return {
    inserts: authority.create ? plan.inserts : [],
    marks: authority.create ? plan.marks : [],
    removals: authority.remove ? plan.removals : [],
  };
}
