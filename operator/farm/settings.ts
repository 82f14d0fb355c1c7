// Whether the product's settings go together with what the WebFarm asks for: who inserts rows, and how many the licence has. From the
// global keys of CMS_SettingsKey, or as the WebFarm asserts it. A wrong answer here makes instances fight with the operator over rows, so
// what is not known to be right is refused; what only harms the site itself is said and not refused.
//
//   product  settings                                     registration: Operator      registration: Application
//   6        none in the database, web.config decides     True ConfiguredByInstances  False NoSelfRegistration
//   6        CMSWebFarmGenerateServers has a value        as 7-8: 6 has no such key, so the tables are 7's with a shorter ServerName
//   7-8      CMSWebFarmGenerateServers not True           True RowsByHand             False GeneratedServersOff
//   7-8      CMSWebFarmGenerateServers True               False GeneratedServers      True GeneratedServers
//   9-13     CMSWebFarmMode 2, Manual                     True ManualMode             False ManualMode
//   9-13     CMSWebFarmMode 1, Automatic                  False AutomaticMode         True AutomaticMode
//   9-13     CMSWebFarmMode 0, Disabled                   False WebFarmDisabled       False WebFarmDisabled
//   9-13     CMSWebFarmMode empty or absent               False ModeNotSet            False ModeNotSet
//   9-13     CMSWebFarmMode anything else                 False ModeNotKnown          False ModeNotKnown
//   XbyK     none                                         False SelfRegistering       True SelfRegistering
//   7 to 13  unreadable                                   Unknown SettingsUnreadable  Unknown SettingsUnreadable
//   6 to 13  spec.webFarmMode: Manual                     True AssertedManual         False AssertedManual
//   6 to 8   no spec.maxServers, where True until here    False MaxServersRequired    -
//
// Still True, with a reason of its own, because an application setting of the same name beats the row and nobody can read it from here:
//   7-8      CMSWebFarmEnabled not True (Operator only: with generated servers the application switches it on as it starts)
//   7-8      both ways of synchronisation on, or, with generated servers, not by the database
//   7-8      CMSWebFarmDeleteGeneratedServers True (Operator only; in the message, as it is so by default)
//   9-13     CMSWebFarmSyncInterval no number of milliseconds, or longer than a minute

import type { Condition, DatabaseFacts, FarmSettings, Product } from "./model.ts";
import type { TableObservation } from "./observation.ts";
import type { WebFarmSpec } from "./resource.generated.ts";

export type SettingsVerdict = Pick<Condition, "status" | "reason" | "message">;
/** `registration` absent: Operator. */
export type SettingsSpec = Partial<Pick<WebFarmSpec, "webFarmMode" | "registration" | "maxServers">>;

/** Longer than this, and content is stale for so long that a person will think that the farm does not work. */
const longestSyncIntervalMs = 60_000;

const place = "Settings > Versioning & Synchronization > Web farm";
const setManual = `Set it to Manual (${place}), restart the instances, and let CMSWebFarmServerName be the server name of the pod`;

export function settingsVerdict(spec: SettingsSpec, table: TableObservation): SettingsVerdict {
  if (table.kind !== "read") return { status: "Unknown", reason: "NotObserved", message: "The database has not been read." };
  const { facts, read } = table;
  const product = productBySettings(facts.product, read.settings);
  if (spec.registration === "Application") return applicationsVerdict(spec, product, read.settings);
  const verdict = operatorsVerdict(spec, product, read.settings);
  return verdict.status === "True" && facts.hasUrl && spec.maxServers === undefined ? maxServersRequired(facts) : verdict;
}

/** The tables of 6 differ from those of 7 in the length of ServerName only; the keys of 7 are not there in 6. */
const productBySettings = (product: Product, settings: FarmSettings | undefined): Product =>
  product === "6" && settings !== undefined && valueOf(settings, "CMSWebFarmGenerateServers") !== "" ? "7-8" : product;

const maxServersRequired = ({ product }: DatabaseFacts): SettingsVerdict => ({
  status: "False",
  reason: "MaxServersRequired",
  message: `Kentico ${product} counts each enabled row of CMS_WebFarmServer against its licence. Set spec.maxServers to the number of servers that the licence has, 0 for no limit; nothing is written before.`,
});

function operatorsVerdict(spec: SettingsSpec, product: Product, settings: FarmSettings | undefined): SettingsVerdict {
  if (product === "XbyK") {
    return {
      status: "False",
      reason: "SelfRegistering",
      message: "Instances of Xperience by Kentico register themselves: use registration: Application.",
    };
  }
  if (spec.webFarmMode === "Manual")
    return { status: "True", reason: "AssertedManual", message: "spec.webFarmMode asserts the Manual mode." };
  if (product === "6") {
    return {
      status: "True",
      reason: "ConfiguredByInstances",
      message:
        "Kentico 6 has no web farm settings in its database: CMSWebFarmEnabled and CMSWebFarmServerName in each instance's web.config decide. Use either URL notification or CMSWebFarmUseDBUpdater, never both.",
    };
  }
  if (settings === undefined || settings.kind === "unreadable")
    return unreadable("GRANT SELECT on CMS_SettingsKey to the operator's user, or assert the mode with spec.webFarmMode: Manual.");
  return product === "7-8" ? withDeletions(handmadeRows(settings), settings) : withInterval(operatorsMode(modeOf(settings)), settings);
}

const unreadable = (cure: string): SettingsVerdict => ({
  status: "Unknown",
  reason: "SettingsUnreadable",
  message: `The web farm mode cannot be read. ${cure}`,
});

const valueOf = (settings: FarmSettings, key: string): string => (settings.values[key] ?? "").trim();
const isOn = (settings: FarmSettings, key: string): boolean => valueOf(settings, key).toLowerCase() === "true";

/** 7 and 8 without generated servers: rows are made by hand, so also by the operator. */
function handmadeRows(settings: FarmSettings): SettingsVerdict {
  if (isOn(settings, "CMSWebFarmGenerateServers")) {
    return {
      status: "False",
      reason: "GeneratedServers",
      message: `Instances insert and delete their rows themselves (CMSWebFarmGenerateServers is True). Switch "Generate servers dynamically" off (${place}), restart the instances, and let CMSWebFarmServerName be the server name of the pod; or use registration: Application.`,
    };
  }
  const mechanisms = mechanismsTogether(settings);
  if (mechanisms !== undefined) return mechanisms;
  if (!isOn(settings, "CMSWebFarmEnabled")) {
    return {
      status: "True",
      reason: "WebFarmNotEnabled",
      message: `Rows are kept, but CMSWebFarmEnabled is not True, so instances use them only where CMSWebFarmEnabled is true in their own web.config. Switch the web farm on (${place}).`,
    };
  }
  return { status: "True", reason: "RowsByHand", message: "Instances do not generate their rows." };
}

/**
 * What the product itself deletes: an instance that ends cleanly the row of its automatic name, and on 8 the add-on for inactive servers each
 * row with a task older than a day (https://devnet.kentico.com/articles/automatic-deletion-of-inactive-wf-servers).
 */
function withDeletions(verdict: SettingsVerdict, settings: FarmSettings): SettingsVerdict {
  if (verdict.status !== "True" || !isOn(settings, "CMSWebFarmDeleteGeneratedServers")) return verdict;
  return {
    ...verdict,
    message: `${verdict.message} But CMSWebFarmDeleteGeneratedServers is True: the product may delete rows of pods that live (on 8, where the add-on for inactive servers is installed, those with a task older than a day), and they are without a row until it is written anew. Switch "Delete generated servers" off (${place}).`,
  };
}

/** "Never use both": https://docs.kentico.com/k81/configuring-kentico/optimizing-website-performance/setting-up-web-farms/web-farm-synchronization-mechanisms */
function mechanismsTogether(settings: FarmSettings): SettingsVerdict | undefined {
  if (!isOn(settings, "CMSWebFarmUseDBUpdater") || !isOn(settings, "CMSWebFarmUpdateWithinRequest")) return undefined;
  return {
    status: "True",
    reason: "MechanismsTogether",
    message: `Rows are kept, but URL notification (CMSWebFarmUpdateWithinRequest) and database updater (CMSWebFarmUseDBUpdater) are both on, which the product does not support. Switch one off (${place}); where pods come and go, leave the database updater on.`,
  };
}

function operatorsMode(mode: Mode): SettingsVerdict {
  switch (mode.kind) {
    case "manual":
      return { status: "True", reason: "ManualMode", message: "The web farm is in Manual mode." };
    case "automatic":
      return {
        status: "False",
        reason: "AutomaticMode",
        message: `The web farm is in Automatic mode: instances register themselves. ${setManual}, or use registration: Application.`,
      };
    case "disabled":
      return {
        status: "False",
        reason: "WebFarmDisabled",
        message: `The web farm is disabled (CMSWebFarmMode 0): instances would not use their rows. ${setManual}.`,
      };
    case "notSet":
      return {
        status: "False",
        reason: "ModeNotSet",
        message: `CMSWebFarmMode has no value. ${setManual}. If the application's own configuration sets it, assert it with spec.webFarmMode: Manual.`,
      };
    case "notKnown":
      return {
        status: "False",
        reason: "ModeNotKnown",
        message: `CMSWebFarmMode is "${mode.text}", which this version does not know. ${setManual}.`,
      };
  }
}

type Mode = { readonly kind: "manual" | "automatic" | "disabled" | "notSet" } | { readonly kind: "notKnown"; readonly text: string };

/** The application accepts the mode as a word or as a number. */
function modeOf(settings: FarmSettings): Mode {
  const text = valueOf(settings, "CMSWebFarmMode");
  switch (text.toLowerCase()) {
    case "2":
    case "manual":
      return { kind: "manual" };
    case "1":
    case "automatic":
      return { kind: "automatic" };
    case "0":
    case "disabled":
      return { kind: "disabled" };
    case "":
      return { kind: "notSet" };
    default:
      return { kind: "notKnown", text: text.slice(0, 20) };
  }
}

function withInterval(verdict: SettingsVerdict, settings: FarmSettings): SettingsVerdict {
  const interval = valueOf(settings, "CMSWebFarmSyncInterval");
  const isUsual = interval === "" || (/^\d{1,9}$/.test(interval) && Number(interval) > 0 && Number(interval) <= longestSyncIntervalMs);
  if (verdict.status !== "True" || isUsual) return verdict;
  return {
    status: "True",
    reason: "SyncIntervalUnusual",
    message: `${verdict.message} But CMSWebFarmSyncInterval is "${interval.slice(0, 20)}": instances look for their tasks that seldom, if at all. It counts milliseconds; empty is 1000.`,
  };
}

function applicationsVerdict({ webFarmMode }: SettingsSpec, product: Product, settings: FarmSettings | undefined): SettingsVerdict {
  if (product === "XbyK")
    return { status: "True", reason: "SelfRegistering", message: "Instances of Xperience by Kentico register themselves." };
  if (product === "6") {
    return {
      status: "False",
      reason: "NoSelfRegistration",
      message: "Instances of Kentico 6 never register themselves: use registration: Operator, with spec.maxServers.",
    };
  }
  if (webFarmMode === "Manual") {
    return {
      status: "False",
      reason: "AssertedManual",
      message:
        "spec.webFarmMode asserts the Manual mode, in which instances do not register themselves. Take it away, or use registration: Operator.",
    };
  }
  if (settings === undefined || settings.kind === "unreadable")
    return unreadable("GRANT SELECT on CMS_SettingsKey to the operator's user.");
  return product === "7-8" ? generatedRows(settings) : withInterval(applicationsMode(modeOf(settings)), settings);
}

function generatedRows(settings: FarmSettings): SettingsVerdict {
  if (!isOn(settings, "CMSWebFarmGenerateServers")) {
    return {
      status: "False",
      reason: "GeneratedServersOff",
      message: `Instances do not register themselves (CMSWebFarmGenerateServers is not True). Switch "Generate servers dynamically" on (${place}), or use registration: Operator, with spec.maxServers.`,
    };
  }
  const mechanisms = mechanismsTogether(settings);
  if (mechanisms !== undefined) return mechanisms;
  if (!isOn(settings, "CMSWebFarmUseDBUpdater")) {
    return {
      status: "True",
      reason: "UpdaterNeeded",
      message: `Instances generate their rows, but the database updater (CMSWebFarmUseDBUpdater) is off, the only way of synchronisation that the product supports with generated servers. Switch it on, and URL notification off (${place}).`,
    };
  }
  return { status: "True", reason: "GeneratedServers", message: "Instances generate their rows." };
}

function applicationsMode(mode: Mode): SettingsVerdict {
  switch (mode.kind) {
    case "automatic":
      return { status: "True", reason: "AutomaticMode", message: "The web farm is in Automatic mode." };
    case "manual":
      return {
        status: "False",
        reason: "ManualMode",
        message: `The web farm is in Manual mode: instances do not register themselves. Set it to Automatic (${place}) and restart the instances, or use registration: Operator.`,
      };
    case "disabled":
      return {
        status: "False",
        reason: "WebFarmDisabled",
        message: `The web farm is disabled (CMSWebFarmMode 0). Set it to Automatic (${place}) and restart the instances.`,
      };
    case "notSet":
      return {
        status: "False",
        reason: "ModeNotSet",
        message: `CMSWebFarmMode has no value. Set it to Automatic (${place}) and restart the instances.`,
      };
    case "notKnown":
      return {
        status: "False",
        reason: "ModeNotKnown",
        message: `CMSWebFarmMode is "${mode.text}", which this version does not know. Set it to Automatic (${place}) and restart the instances.`,
      };
  }
}
