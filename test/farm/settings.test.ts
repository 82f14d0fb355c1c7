import { describe, expect, test } from "@jest/globals";
import { settingsVerdict } from "../../operator/farm/settings.ts";
import type { Product } from "../../operator/farm/model.ts";
import { settings, table, unavailable } from "./build.ts";

const verdict = (mode: string | null, more: { readonly asserted?: true; readonly product?: Product } = {}): string => {
  const { status, reason } = settingsVerdict(
    more.asserted ? { webFarmMode: "Manual" } : {},
    table([], { settings: settings(mode), facts: { product: more.product ?? "12-13" } }),
  );
  return `${status} ${reason}`;
};

describe("writing rows is right", () => {
  test.each([
    ["in Manual mode, as a number", "2", "True ManualMode"],
    ["in Manual mode, as a word", "Manual", "True ManualMode"],
    ["in Manual mode, whatever case and blanks", " MANUAL ", "True ManualMode"],
    ["but not in Automatic mode, as a number", "1", "False AutomaticMode"],
    ["but not in Automatic mode, as a word", "automatic", "False AutomaticMode"],
    ["but not while disabled, as a number", "0", "False WebFarmDisabled"],
    ["but not while disabled, as a word", "Disabled", "False WebFarmDisabled"],
    ["but not without a value", null, "False ModeNotSet"],
    ["but not with an empty value", "  ", "False ModeNotSet"],
    ["but not with a value that is not known", "3", "False ModeNotKnown"],
    ["but not with a number that only begins like Manual's", "22", "False ModeNotKnown"],
  ])("%s", (_what, mode, expected) => expect(verdict(mode)).toBe(expected));

  test.each<[string, string | null]>([
    ["Automatic", "1"],
    ["disabled", "0"],
    ["absent", null],
  ])("when the WebFarm asserts Manual although the setting is %s", (_what, mode) =>
    expect(verdict(mode, { asserted: true })).toBe("True AssertedManual"),
  );
  test.each([true, undefined] as const)("never on Xperience by Kentico (asserted: %s)", (asserted) =>
    expect(verdict("2", { product: "XbyK", ...(asserted === true && { asserted }) })).toBe("False SelfRegistering"),
  );
});

describe("what cannot be read is Unknown and says what to grant", () => {
  test.each([
    ["an unreadable table of settings", table([], { settings: { kind: "unreadable", values: {} } })],
    ["settings that were not asked for", table([], { settings: undefined })],
  ])("%s", (_what, unread) => {
    expect(settingsVerdict({}, unread)).toMatchObject({
      status: "Unknown",
      reason: "SettingsUnreadable",
      message: expect.stringContaining("GRANT SELECT"),
    });
    expect(settingsVerdict({ webFarmMode: "Manual" }, unread).status).toBe("True");
  });
  test("a database that was not read, although the mode is asserted", () => {
    for (const unread of [unavailable(), { kind: "notAsked" } as const])
      expect(settingsVerdict({ webFarmMode: "Manual" }, unread)).toMatchObject({ status: "Unknown", reason: "NotObserved" });
  });
});

test("a refusal quotes a strange mode shortly", () => {
  const { message } = settingsVerdict({}, table([], { settings: settings("x".repeat(10_000)) }));
  expect(message.length).toBeLessThan(400);
});
