// Whether the product lets somebody else write its web farm servers: from its mode in CMS_SettingsKey, or as the WebFarm asserts it.
// A wrong answer here makes instances fight with the operator over rows, so what is not known to be right is refused.

import type { Condition, DatabaseFacts, FarmSettings } from "./model.ts";
import type { TableObservation } from "./observation.ts";
import type { WebFarmSpec } from "./resource.generated.ts";

export type SettingsVerdict = Pick<Condition, "status" | "reason" | "message">;

const setManual =
  "Set it to Manual (Settings > Versioning & Synchronization > Web farm), restart the instances, and let CMSWebFarmServerName be the server name of the pod";

export function settingsVerdict(spec: Pick<WebFarmSpec, "webFarmMode">, table: TableObservation): SettingsVerdict {
  if (table.kind !== "read") return { status: "Unknown", reason: "NotObserved", message: "The database has not been read." };
  return verdictFor(spec, table.facts, table.read.settings);
}

function verdictFor(spec: Pick<WebFarmSpec, "webFarmMode">, facts: DatabaseFacts, settings: FarmSettings | undefined): SettingsVerdict {
  if (facts.product === "XbyK") {
    return {
      status: "False",
      reason: "SelfRegistering",
      message: "Instances of Xperience by Kentico register themselves: use registration: Application.",
    };
  }
  if (spec.webFarmMode === "Manual")
    return { status: "True", reason: "AssertedManual", message: "spec.webFarmMode asserts the Manual mode." };
  if (settings === undefined || settings.kind === "unreadable") {
    return {
      status: "Unknown",
      reason: "SettingsUnreadable",
      message:
        "The web farm mode cannot be read. GRANT SELECT on CMS_SettingsKey to the operator's user, or assert the mode with spec.webFarmMode: Manual.",
    };
  }
  return verdictOfMode(settings.values["CMSWebFarmMode"] ?? null);
}

function verdictOfMode(mode: string | null): SettingsVerdict {
  switch ((mode ?? "").trim().toLowerCase()) {
    case "2":
    case "manual":
      return { status: "True", reason: "ManualMode", message: "The web farm is in Manual mode." };
    case "1":
    case "automatic":
      return {
        status: "False",
        reason: "AutomaticMode",
        message: `The web farm is in Automatic mode: instances register themselves. ${setManual}, or use registration: Application.`,
      };
    case "0":
    case "disabled":
      return {
        status: "False",
        reason: "WebFarmDisabled",
        message: `The web farm is disabled (CMSWebFarmMode 0): instances would not use their rows. ${setManual}.`,
      };
    case "":
      return {
        status: "False",
        reason: "ModeNotSet",
        message: `CMSWebFarmMode has no value. ${setManual}. If the application's own configuration sets it, assert it with spec.webFarmMode: Manual.`,
      };
    default:
      return {
        status: "False",
        reason: "ModeNotKnown",
        message: `CMSWebFarmMode is "${(mode ?? "").slice(0, 20)}", which this version does not know. ${setManual}.`,
      };
  }
}
