// The table at the top of settings.ts, cell by cell.

import { describe, expect, test } from "@jest/globals";
import { settingsVerdict } from "../../operator/farm/settings.ts";
import type { SettingsSpec, SettingsVerdict } from "../../operator/farm/settings.ts";
import type { FarmSettings, Product } from "../../operator/farm/model.ts";
import { settings, table, unavailable } from "./build.ts";

interface Database {
  readonly product?: Product;
  readonly values?: Readonly<Record<string, string | null>>;
  readonly settings?: FarmSettings | undefined;
}

function verdictOf(spec: SettingsSpec, { product = "12-13", values = {}, ...rest }: Database): SettingsVerdict {
  const read: FarmSettings | undefined = "settings" in rest ? rest.settings : { kind: "read", values };
  return settingsVerdict(spec, table([], { settings: read, facts: { product, hasUrl: product === "6" || product === "7-8" } }));
}

const shortly = ({ status, reason }: SettingsVerdict): string => `${status} ${reason}`;
const verdict = (mode: string | null, product: Product = "12-13", spec: SettingsSpec = {}): string =>
  shortly(verdictOf(spec, { product, values: { CMSWebFarmMode: mode } }));

const asserted: SettingsSpec = { webFarmMode: "Manual" };
const licensed: SettingsSpec = { maxServers: 4 };
const application: SettingsSpec = { registration: "Application" };
const withMode: readonly Product[] = ["9-10", "11", "12-13"];

describe.each(withMode)("on %s, by the mode", (product) => {
  test.each<[string | null, string, string]>([
    ["2", "True ManualMode", "False ManualMode"],
    ["Manual", "True ManualMode", "False ManualMode"],
    [" MANUAL ", "True ManualMode", "False ManualMode"],
    ["1", "False AutomaticMode", "True AutomaticMode"],
    ["automatic", "False AutomaticMode", "True AutomaticMode"],
    ["0", "False WebFarmDisabled", "False WebFarmDisabled"],
    ["Disabled", "False WebFarmDisabled", "False WebFarmDisabled"],
    [null, "False ModeNotSet", "False ModeNotSet"],
    ["  ", "False ModeNotSet", "False ModeNotSet"],
    ["3", "False ModeNotKnown", "False ModeNotKnown"],
    ["22", "False ModeNotKnown", "False ModeNotKnown"],
  ])("%j: the operator %s, the application %s", (mode, operator, self) => {
    expect(verdict(mode, product)).toBe(operator);
    expect(verdict(mode, product, application)).toBe(self);
  });

  test.each(["1", "0", null])("asserted as Manual it counts more than the setting %j", (mode) => {
    expect(verdict(mode, product, asserted)).toBe("True AssertedManual");
    expect(verdict(mode, product, { ...application, ...asserted })).toBe("False AssertedManual");
  });

  test("needs no number of servers, and does not mind one", () => {
    expect(verdict("2", product, licensed)).toBe("True ManualMode");
  });

  test.each([
    ["", "ManualMode"],
    ["1000", "ManualMode"],
    ["60000", "ManualMode"],
    ["60001", "SyncIntervalUnusual"],
    ["0", "SyncIntervalUnusual"],
    ["soon", "SyncIntervalUnusual"],
  ])("with the interval %j it is right, with reason %s", (interval, reason) => {
    const found = verdictOf({}, { product, values: { CMSWebFarmMode: "2", CMSWebFarmSyncInterval: interval } });
    expect(shortly(found)).toBe(`True ${reason}`);
    expect(found.message).toContain("Manual mode");
  });

  test("an interval that is not usual does not make Automatic right for the operator", () => {
    const values = { CMSWebFarmMode: "1", CMSWebFarmSyncInterval: "soon" };
    expect(shortly(verdictOf({}, { product, values }))).toBe("False AutomaticMode");
    expect(shortly(verdictOf(application, { product, values }))).toBe("True SyncIntervalUnusual");
  });
});

describe("on 7 and 8, by generated servers", () => {
  const on = { CMSWebFarmEnabled: "True", CMSWebFarmUpdateWithinRequest: "True" };
  const updater = { ...on, CMSWebFarmUseDBUpdater: "True", CMSWebFarmUpdateWithinRequest: "False" };
  test.each<[string, Readonly<Record<string, string | null>>, string, string]>([
    ["off", { ...on, CMSWebFarmGenerateServers: "False" }, "True RowsByHand", "False GeneratedServersOff"],
    ["never set", on, "True RowsByHand", "False GeneratedServersOff"],
    ["off, in other case", { ...on, CMSWebFarmGenerateServers: " FALSE " }, "True RowsByHand", "False GeneratedServersOff"],
    ["on", { ...updater, CMSWebFarmGenerateServers: "True" }, "False GeneratedServers", "True GeneratedServers"],
    ["on, in other case", { ...updater, CMSWebFarmGenerateServers: " true " }, "False GeneratedServers", "True GeneratedServers"],
    ["on without the updater", { ...on, CMSWebFarmGenerateServers: "True" }, "False GeneratedServers", "True UpdaterNeeded"],
    [
      "on, in a farm that is off until an instance starts",
      { ...updater, CMSWebFarmEnabled: "False", CMSWebFarmGenerateServers: "True" },
      "False GeneratedServers",
      "True GeneratedServers",
    ],
    ["off, in a farm that is off", { CMSWebFarmEnabled: "False" }, "True WebFarmNotEnabled", "False GeneratedServersOff"],
    ["off, in a farm of which nothing is set", {}, "True WebFarmNotEnabled", "False GeneratedServersOff"],
    ["off, with the updater alone", updater, "True RowsByHand", "False GeneratedServersOff"],
    [
      "off, with both ways of synchronisation",
      { ...on, CMSWebFarmUseDBUpdater: "True" },
      "True MechanismsTogether",
      "False GeneratedServersOff",
    ],
    [
      "on, with both ways of synchronisation",
      { ...on, CMSWebFarmUseDBUpdater: "True", CMSWebFarmGenerateServers: "True" },
      "False GeneratedServers",
      "True MechanismsTogether",
    ],
  ])("%s", (_what, values, operator, self) => {
    expect(shortly(verdictOf(licensed, { product: "7-8", values }))).toBe(operator);
    expect(shortly(verdictOf(application, { product: "7-8", values }))).toBe(self);
  });

  test.each([
    ["True", true],
    [" true ", true],
    ["False", false],
    [null, false],
  ])("with CMSWebFarmDeleteGeneratedServers %j the message says what the product may delete, and what to change: %s", (value, isTold) => {
    const values = { ...on, CMSWebFarmDeleteGeneratedServers: value };
    const message = (spec: SettingsSpec, more: Readonly<Record<string, string>> = {}): string =>
      verdictOf(spec, { product: "7-8", values: { ...values, ...more } }).message;
    expect(message(licensed).includes('Switch "Delete generated servers" off')).toBe(isTold);
    expect(message(licensed, { CMSWebFarmEnabled: "False" }).includes("Delete generated servers")).toBe(isTold);
    // Where rows are generated, that they are deleted again is right.
    expect(message(application, { CMSWebFarmGenerateServers: "True" })).not.toContain("Delete generated servers");
    expect(message(licensed, { CMSWebFarmGenerateServers: "True" })).not.toContain("Delete generated servers");
  });

  test("asserted as Manual it counts more than generated servers", () => {
    const database: Database = { product: "7-8", values: { CMSWebFarmGenerateServers: "True" } };
    expect(shortly(verdictOf({ ...asserted, ...licensed }, database))).toBe("True AssertedManual");
    expect(shortly(verdictOf({ ...asserted, ...application }, database))).toBe("False AssertedManual");
  });
});

describe("on 6, whose settings are not in the database", () => {
  test.each<[string, Database]>([
    ["read", { product: "6" }],
    ["unreadable", { product: "6", settings: { kind: "unreadable", values: {} } }],
    ["not asked for", { product: "6", settings: undefined }],
  ])("when they are %s", (_what, database) => {
    expect(shortly(verdictOf(licensed, database))).toBe("True ConfiguredByInstances");
    expect(shortly(verdictOf(application, database))).toBe("False NoSelfRegistration");
  });
  test("the message says what decides instead", () =>
    expect(verdictOf(licensed, { product: "6" }).message).toMatch(/CMSWebFarmEnabled.*web\.config/));
});

describe("on what has the tables of 6 and a key that 6 does not have", () => {
  test.each([
    ["True", "False GeneratedServers", "True UpdaterNeeded"],
    ["False", "True WebFarmNotEnabled", "False GeneratedServersOff"],
  ])("with CMSWebFarmGenerateServers %j it is judged as 7: %s, %s", (value, operator, self) => {
    const database: Database = { product: "6", values: { CMSWebFarmGenerateServers: value } };
    expect(shortly(verdictOf(licensed, database))).toBe(operator);
    expect(shortly(verdictOf(application, database))).toBe(self);
  });
  test.each([null, "", " "])("as 6 when the key is %j", (value) => {
    expect(shortly(verdictOf(licensed, { product: "6", values: { CMSWebFarmGenerateServers: value } }))).toBe("True ConfiguredByInstances");
  });
  test("and the licence is asked for as ever", () => {
    const values = { CMSWebFarmEnabled: "True", CMSWebFarmGenerateServers: "False" };
    expect(shortly(verdictOf({}, { product: "6", values }))).toBe("False MaxServersRequired");
    expect(shortly(verdictOf(licensed, { product: "6", values }))).toBe("True RowsByHand");
  });
});

describe("the number of licensed servers", () => {
  const products: readonly Product[] = ["6", "7-8"];
  test.each(products)("is asked for on %s, and only after all else is right", (product) => {
    const generated: Database = { product: "7-8", values: { CMSWebFarmGenerateServers: "True" } };
    expect(shortly(verdictOf({}, { product }))).toBe("False MaxServersRequired");
    expect(shortly(verdictOf(asserted, { product }))).toBe("False MaxServersRequired");
    expect(verdictOf({}, { product }).message).toMatch(/spec\.maxServers.*0 for no limit/);
    expect(shortly(verdictOf({}, generated))).toBe("False GeneratedServers");
  });
  test.each([0, 1, 10])("%d is enough of an answer", (maxServers) => {
    for (const product of products) expect(verdictOf({ maxServers }, { product }).status).toBe("True");
  });
  test("is not asked for where instances register themselves", () => {
    const values = { CMSWebFarmGenerateServers: "True", CMSWebFarmUseDBUpdater: "True" };
    expect(verdictOf(application, { product: "7-8", values }).status).toBe("True");
  });
});

test("on Xperience by Kentico only instances write rows, whatever is asserted or can be read", () => {
  const database: Database = { product: "XbyK", settings: { kind: "unreadable", values: {} } };
  for (const spec of [{}, asserted, { maxServers: 0 }]) expect(shortly(verdictOf(spec, database))).toBe("False SelfRegistering");
  expect(shortly(verdictOf(application, database))).toBe("True SelfRegistering");
});

describe("what cannot be read is Unknown and says what to grant", () => {
  const products: readonly Product[] = ["7-8", ...withMode];
  test.each(products)("on %s", (product) => {
    for (const unread of [{ kind: "unreadable", values: {} } as const, undefined]) {
      const found = verdictOf(licensed, { product, settings: unread });
      expect(shortly(found)).toBe("Unknown SettingsUnreadable");
      expect(found.message).toMatch(/GRANT SELECT.*spec\.webFarmMode: Manual/);
      const self = verdictOf(application, { product, settings: unread });
      expect(shortly(self)).toBe("Unknown SettingsUnreadable");
      expect(self.message).toMatch(/GRANT SELECT/);
      expect(self.message).not.toContain("webFarmMode");
      expect(verdictOf({ ...asserted, ...licensed }, { product, settings: unread }).status).toBe("True");
    }
  });
  test("a database that was not read, although the mode is asserted", () => {
    for (const unread of [unavailable(), { kind: "notAsked" } as const])
      for (const spec of [asserted, application])
        expect(settingsVerdict(spec, unread)).toMatchObject({ status: "Unknown", reason: "NotObserved" });
  });
});

test("a refusal quotes a strange value shortly", () => {
  for (const spec of [{}, application])
    expect(settingsVerdict(spec, table([], { settings: settings("x".repeat(10_000)) })).message.length).toBeLessThan(400);
  const long = { CMSWebFarmMode: "2", CMSWebFarmSyncInterval: "9".repeat(10_000) };
  expect(verdictOf({}, { values: long }).message.length).toBeLessThan(400);
});

test("each refusal says what to change", () => {
  const refusals = [
    ...["1", "0", null, "3", "2"].flatMap((mode) => [
      verdictOf({}, { values: { CMSWebFarmMode: mode } }),
      verdictOf(application, { values: { CMSWebFarmMode: mode } }),
    ]),
    verdictOf(licensed, { product: "7-8", values: { CMSWebFarmGenerateServers: "True" } }),
    verdictOf(application, { product: "7-8" }),
    verdictOf(application, { product: "6" }),
    verdictOf({}, { product: "6" }),
    verdictOf({}, { product: "XbyK" }),
    verdictOf({ ...application, ...asserted }, {}),
  ].filter(({ status }) => status === "False");
  expect(refusals).toHaveLength(14);
  for (const { message } of refusals) expect(message).toMatch(/\b([Ss]et|[Ss]witch|use|Take it away)\b/);
});
