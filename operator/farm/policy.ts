// What a farm may do to the database now, and which of a plan's actions that leaves. A plan is always made whole; what may not be done
// is shown in status.plan, so that Observe, suspend and read-only cost nothing and hide nothing.

import type { Observation } from "./observation.ts";
import type { Plan } from "./plan.ts";
import { settingsVerdict } from "./settings.ts";

/** Why a farm does not write at all; also the reason of the readiness gate, which opens at once (but for the last three). */
export type Silence = "UnsupportedField" | "Suspended" | "ReadOnly" | "Observe" | "OwnerIdInUse" | "SettingsIncompatible" | "TooManyRows";

export interface Authority {
  readonly create: boolean;
  /** Give a row of ours to the next pod of its name: also in deletion, which goes on without inserts only. */
  readonly handOver: boolean;
  readonly update: boolean;
  readonly remove: boolean;
  readonly silence?: Silence;
}

const nothing = (silence: Silence): Authority => ({ create: false, handOver: false, update: false, remove: false, silence });

export function authorityOf(observation: Observation): Authority {
  const { farm, table, readOnly } = observation;
  if (farm.unsupported.length > 0) return nothing("UnsupportedField");
  if (farm.spec.suspend === true) return nothing("Suspended");
  if (readOnly) return nothing("ReadOnly");
  if (farm.spec.policy === "Observe") return nothing("Observe");
  if (observation.ownerIdHolder !== undefined) return nothing("OwnerIdInUse");
  if (table.kind === "read" && settingsVerdict(farm.spec, table).status !== "True") return nothing("SettingsIncompatible");
  if (table.kind === "read" && table.read.truncated) return nothing("TooManyRows");
  const living = farm.deletionAtMs === undefined;
  const { policy } = farm.spec;
  return { create: living, handOver: true, update: living && policy !== "CreateOnly", remove: policy === "Sync" };
}

/** The farm never writes in its present state, whatever the database says: its finalizer is not needed and gates open at once. */
export const isSilencedByPerson = ({ silence }: Authority): boolean => silence !== undefined && !faults.has(silence);

/** What silences a farm until something is put right, in contrast to what a person wanted. */
const faults: ReadonlySet<Silence> = new Set<Silence>(["OwnerIdInUse", "SettingsIncompatible", "TooManyRows"]);

export type Actions = Pick<Plan, "inserts" | "marks" | "removals">;

/** The part of a plan that may be done. Giving a row to the next pod of its name is creation: nobody else has use for that row. */
export function permitted(plan: Actions, authority: Authority): Actions {
  return {
    inserts: authority.create ? plan.inserts : [],
    marks: plan.marks.filter(({ kind }) => (kind === "handOver" ? authority.handOver : authority.update)),
    removals: authority.remove ? plan.removals : [],
  };
}

export const countActions = ({ inserts, marks, removals }: Actions): number => inserts.length + marks.length + removals.length;
