import { describe, expect, test } from "@jest/globals";
import {
  comparable,
  matchesName,
  patternIndex,
  renderNamePattern,
  nameProblem,
  renderServerName,
  renderUrl,
} from "../../operator/farm/serverName.ts";
import type { Pod } from "../../operator/farm/model.ts";
import { pod } from "./build.ts";

const shop = pod({ name: "shop-12", namespace: "prod" });

describe("a server name", () => {
  test.each([
    ["is the pod's name by default", "$(POD_NAME)", shop, "shop-12"],
    ["can have the namespace", "$(POD_NAMESPACE)_$(POD_NAME)", shop, "prod_shop-12"],
    ["can have the ordinal", "site.$(POD_ORDINAL)", shop, "site.12"],
    ["keeps the ordinal's zeros", "$(POD_ORDINAL)", pod({ name: "shop-007" }), "007"],
    ["has spec.hostname for POD_HOSTNAME", "$(POD_HOSTNAME)", pod({ hostname: "web" }), "web"],
    ["has the pod's name for POD_HOSTNAME without spec.hostname", "$(POD_HOSTNAME)", shop, "shop-12"],
    ["has the host name for MACHINE_NAME on Linux", "$(MACHINE_NAME)", pod({ hostname: "web", os: "linux" }), "web"],
    ["has upper case for MACHINE_NAME on Windows", "$(MACHINE_NAME)", pod({ hostname: "web", os: "windows" }), "WEB"],
    [
      "has 15 characters for MACHINE_NAME on Windows",
      "$(MACHINE_NAME)",
      pod({ name: "shop-live-5d8f9-x7k2p", os: "windows" }),
      "SHOP-LIVE-5D8F9",
    ],
    [
      "is not cut for POD_HOSTNAME on Windows",
      "$(POD_HOSTNAME)",
      pod({ name: "shop-live-5d8f9-x7k2p", os: "windows" }),
      "shop-live-5d8f9-x7k2p",
    ],
    ["can be the same text for all", "the_one-server.a", shop, "the_one-server.a"],
    ["can have 100 characters", "a".repeat(100), shop, "a".repeat(100)],
    ["of a pod with hostNetwork can be its name", "$(POD_NAME)", pod({ name: "shop-0", hostNetwork: true }), "shop-0"],
  ])("%s", (_what, template, of, expected) => {
    expect(renderServerName(template, of)).toEqual({ ok: true, value: expected });
  });

  test.each([
    ["with 101 characters", "a".repeat(101), shop, /1 to 100 characters.*has 101/],
    ["that is empty", "", shop, /1 to 100 characters.*has 0/],
    ["that begins with a dot", ".$(POD_NAME)", shop, /begins or ends with a dot/],
    ["that ends with a dot", "$(POD_NAME).", shop, /begins or ends with a dot/],
    ["with a letter beyond ASCII", "ä$(POD_NAME)", shop, /no ASCII letter/],
    ["with a blank", "a b", shop, /no ASCII letter/],
    ["with a line break at its end", "a\n", shop, /no ASCII letter/],
    ["with a star", "$(POD_NAME)*", shop, /no ASCII letter/],
    ["from POD_ORDINAL where the pod's name has none", "$(POD_ORDINAL)", pod({ name: "shop-5d8f9" }), /POD_ORDINAL.*StatefulSet/],
    ["from POD_HOSTNAME of a pod with hostNetwork", "$(POD_HOSTNAME)", pod({ hostNetwork: true }), /use \$\(POD_NAME\)/],
    ["from MACHINE_NAME of a pod with hostNetwork", "$(MACHINE_NAME)", pod({ hostNetwork: true, hostname: "x" }), /use \$\(POD_NAME\)/],
    ["from a variable that does not exist", "$(POD_UID)", shop, /no such variable/],
    ["from the pod's IP", "$(POD_IP)", pod({ ip: "10.0.0.1" }), /no such variable/],
  ])("is refused %s", (_what, template, of, message) => {
    const rendered = renderServerName(template, of);
    expect(rendered.ok).toBe(false);
    expect(rendered.ok ? "" : rendered.message).toMatch(message);
  });

  test("that is refused is quoted shortly", () => {
    expect((nameProblem("x".repeat(5_000)) ?? "").length).toBeLessThan(250);
  });
});

describe("a server's URL", () => {
  test.each([
    ["has the pod's IP", "http://$(POD_IP)", pod({ ip: "10.1.2.3" }), { ok: true, value: "http://10.1.2.3" }],
    [
      "has brackets around an IPv6 address",
      "http://$(POD_IP):8080/",
      pod({ ip: "fd00::12" }),
      { ok: true, value: "http://[fd00::12]:8080/" },
    ],
    ["waits for the pod's IP", "http://$(POD_IP)", pod(), { ok: "waits" }],
    ["without IP waits for nothing", "https://$(POD_NAME).shop", pod({ name: "shop-0" }), { ok: true, value: "https://shop-0.shop" }],
  ])("%s", (_what, template, of, expected) => {
    expect(renderUrl(template, of)).toEqual(expected);
  });

  test("is refused for a variable that has no value", () => {
    expect(renderUrl("http://$(POD_HOSTNAME)", pod({ hostNetwork: true })).ok).toBe(false);
  });
});

describe("two names are one to the database", () => {
  test.each([
    ["whatever their case", "Shop-0", "sHOP-0", true],
    ["with trailing blanks", "shop-0  ", "shop-0", true],
    ["but not with leading blanks", " shop-0", "shop-0", false],
    ["but not with a trailing tab, which is no blank", "shop-0\t", "shop-0", false],
    ["but not when they differ", "shop-0", "shop-1", false],
  ])("%s", (_what, one, other, same) => {
    expect(comparable(one) === comparable(other)).toBe(same);
  });
});

describe("the names that a template which may end in * yields", () => {
  const yields = (template: string, of: Pod, name: string): boolean => {
    const pattern = renderNamePattern(template, of);
    return pattern.ok && matchesName(pattern.value, name);
  };
  test.each<[string, string, Pod, string, boolean]>([
    ["one without *", "$(POD_NAME)", pod({ name: "shop-0" }), "SHOP-0 ", true],
    ["and no longer one", "$(POD_NAME)", pod({ name: "shop-0" }), "shop-0_cms", false],
    ["all that begin so", "$(POD_NAME)*", pod({ name: "shop-0" }), "Shop-0_AutoExternalWeb", true],
    ["also the beginning itself", "$(POD_NAME)*", pod({ name: "shop-0" }), "shop-0", true],
    ["also another pod's that begins so", "$(POD_NAME)*", pod({ name: "shop-1" }), "shop-10", true],
    ["which a longer template tells apart", "$(POD_NAME)_*", pod({ name: "shop-1" }), "shop-10_cms", false],
    ["none that only contains it", "$(POD_NAME)*", pod({ name: "shop-0" }), "my-shop-0", false],
    ["the machine's on Windows", "$(MACHINE_NAME)*", pod({ name: "shop-7c9d8b6f5-x2vbd", os: "windows" }), "SHOP-7C9D8B6F5-_cms", true],
    ["what ends in a dot before the *", "web.*", pod(), "web.cms", true],
  ])("%s", (_what, template, of, name, expected) => expect(yields(template, of, name)).toBe(expected));

  test.each([
    ["a machine name that the pod does not have", "$(MACHINE_NAME)*", pod({ hostNetwork: true })],
    ["a dot at the beginning", ".$(POD_NAME)*", pod()],
    ["more than 100 characters", `${"x".repeat(100)}*`, pod()],
  ])("are refused for %s", (_what, template, of) => expect(renderNamePattern(template, of)).toMatchObject({ ok: false }));

  test("are found in an index as one by one", () => {
    const pods = ["shop-1", "shop-10", "shop-2"].map((name) => pod({ name }));
    const patterns = pods.flatMap((of) =>
      ["$(POD_NAME)", "$(POD_NAME)*", "shop-*", "web"].flatMap((template) => {
        const pattern = renderNamePattern(template, of);
        return pattern.ok ? [{ pattern: pattern.value, value: `${template} of ${of.name}` }] : [];
      }),
    );
    const find = patternIndex(patterns);
    for (const name of ["shop-1", "SHOP-10 ", "shop-10_cms", "shop-", "shop", "web", "webs", "other"]) {
      const one = patterns.filter(({ pattern }) => matchesName(pattern, name)).map(({ value }) => value);
      expect([name, find(name).toSorted()]).toEqual([name, one.toSorted()]);
    }
  });
});
