import { describe, expect, test } from "@jest/globals";
import type { LabelSelector } from "../../operator/farm/model.ts";
import { isEmptySelector, matches, parseSelector } from "../../operator/farm/selector.ts";

const one = (operator: string, ...values: string[]): LabelSelector => ({
  matchExpressions: [{ key: "tier", operator, ...(values.length === 0 ? {} : { values }) }],
});

describe("a label selector", () => {
  test.each<[string, LabelSelector, Record<string, string>, boolean]>([
    ["matches equal labels among others", { matchLabels: { app: "shop" } }, { app: "shop", x: "y" }, true],
    ["does not match another value", { matchLabels: { app: "shop" } }, { app: "blog" }, false],
    ["does not match an absent label", { matchLabels: { app: "shop" } }, {}, false],
    ["needs all of matchLabels", { matchLabels: { app: "shop", tier: "web" } }, { app: "shop" }, false],
    ["needs matchLabels and matchExpressions", { matchLabels: { app: "shop" }, ...one("Exists") }, { app: "shop" }, false],
    ["In: has one of the values", one("In", "web", "api"), { tier: "api" }, true],
    ["In: has another value", one("In", "web", "api"), { tier: "db" }, false],
    ["In: is absent", one("In", "web"), {}, false],
    ["NotIn: has another value", one("NotIn", "web"), { tier: "db" }, true],
    ["NotIn: has one of the values", one("NotIn", "web"), { tier: "web" }, false],
    ["NotIn: is absent, and so not in the set", one("NotIn", "web"), {}, true],
    ["Exists: with an empty value", one("Exists"), { tier: "" }, true],
    ["Exists: is absent", one("Exists"), {}, false],
    ["DoesNotExist: is absent", one("DoesNotExist"), {}, true],
    ["DoesNotExist: is there", one("DoesNotExist"), { tier: "" }, false],
    ["an operator that is not known matches nothing", one("Gt", "1"), { tier: "2" }, false],
    ["an empty selector matches everything", {}, { a: "b" }, true],
    ["a label named like a property of objects is absent", { matchExpressions: [{ key: "constructor", operator: "Exists" }] }, {}, false],
  ])("%s", (_name, selector, labels, expected) => {
    expect(matches(selector, labels)).toBe(expected);
  });

  test("is empty without labels and expressions", () => {
    expect(isEmptySelector({})).toBe(true);
    expect(isEmptySelector({ matchLabels: {}, matchExpressions: [] })).toBe(true);
    expect(isEmptySelector({ matchLabels: { a: "b" } })).toBe(false);
    expect(isEmptySelector(one("Exists"))).toBe(false);
  });
});

describe("the text of a scale subresource", () => {
  test.each<[string, LabelSelector["matchExpressions"]]>([
    ["app=shop", [{ key: "app", operator: "In", values: ["shop"] }]],
    ["app == shop", [{ key: "app", operator: "In", values: ["shop"] }]],
    ["app!=shop", [{ key: "app", operator: "NotIn", values: ["shop"] }]],
    ["app=", [{ key: "app", operator: "In", values: [""] }]],
    ["tier in (web,api)", [{ key: "tier", operator: "In", values: ["web", "api"] }]],
    ["tier notin (web, api)", [{ key: "tier", operator: "NotIn", values: ["web", "api"] }]],
    ["tier", [{ key: "tier", operator: "Exists" }]],
    ["!tier", [{ key: "tier", operator: "DoesNotExist" }]],
    [
      "app.kubernetes.io/name=shop,tier in (a,b),!x",
      [
        { key: "app.kubernetes.io/name", operator: "In", values: ["shop"] },
        { key: "tier", operator: "In", values: ["a", "b"] },
        { key: "x", operator: "DoesNotExist" },
      ],
    ],
    ["", []],
  ])("%s", (text, matchExpressions) => {
    expect(parseSelector(text)).toEqual({ kind: "parsed", selector: { matchExpressions } });
  });

  test.each(["a>1", "a in web", "a=b c", ",", "a=b,", "tier in (a,b"])("%s cannot be read", (text) => {
    expect(parseSelector(text).kind).toBe("invalid");
  });
});
